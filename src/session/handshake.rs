//! The listener of an attempt, and who may come in.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::{DropReason, MessageSocket, Session, SessionEffect};
use crate::limits::{CANDIDATES_MAX, GREETING_TIMEOUT_MS};
use crate::protocol::MessageLine;
use crate::time::Millis;

/// Open from the moment that the listener is there until somebody has greeted with the nonce, or
/// the attempt is over.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    nonce: Box<str>,
    is_open: bool,
    candidates: VecDeque<Candidate>,
}

/// A connection that came in and has not greeted.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    socket: MessageSocket,
    peer: IpAddr,
    until: Millis,
}

impl Handshake {
    pub(super) fn open(&mut self, nonce: u128) {
        self.nonce = format!("{nonce:032x}").into();
        self.is_open = true;
    }

    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn is_closed(&self) -> bool {
        !self.is_open && self.candidates.is_empty()
    }

    /// What the coordinator shall greet with.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    pub(super) fn is_candidate(&self, asked: MessageSocket) -> bool {
        self.candidates.iter().any(|candidate| candidate.socket == asked)
    }

    /// When the oldest candidate, which is the first whose time is up, must have greeted.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.candidates.front().map(|candidate| candidate.until)
    }

    fn forget(&mut self, socket: MessageSocket) -> Option<Candidate> {
        let at = self.candidates.iter().position(|candidate| candidate.socket == socket)?;
        self.candidates.remove(at)
    }

    pub(super) fn check(&self) {
        assert!(self.candidates.len() <= CANDIDATES_MAX);
        assert!(self.is_open || self.candidates.is_empty(), "nobody waits at a closed door");
    }
}

impl Session {
    /// Whether such a connection has yet to greet.
    pub(super) fn is_candidate(&self, socket: MessageSocket) -> bool {
        self.join.as_ref().is_some_and(|join| join.handshake.is_candidate(socket))
    }

    /// A connection came in. Only the coordinator is let in, and only one that greets with the
    /// nonce stays: others on the coordinator's machine, which may be ours, can connect too.
    pub(super) fn on_accepted(&mut self, socket: MessageSocket, peer: IpAddr, now: Millis) {
        let coordinator = self.requests.coordinator().map(|coordinator| coordinator.ip());
        let handshake = self.join.as_mut().map(|join| &mut join.handshake);
        let Some(handshake) = handshake.filter(|handshake| handshake.is_open) else {
            return self.effects.push_back(SessionEffect::CloseMessageSocket { socket });
        };
        if Some(peer.to_canonical()) != coordinator {
            return self.drop_stranger(socket, peer, DropReason::Address(coordinator), now);
        }
        // The coordinator greets at once, so the oldest connection is the least likely to be the
        // coordinator.
        let displaced = match handshake.candidates.len() >= CANDIDATES_MAX {
            true => handshake.candidates.pop_front(),
            false => None,
        };
        let until = now.plus(GREETING_TIMEOUT_MS);
        handshake.candidates.push_back(Candidate { socket, peer, until });
        if let Some(Candidate { socket, peer, .. }) = displaced {
            self.drop_stranger(socket, peer, DropReason::Displaced, now);
        }
    }

    fn drop_stranger(&mut self, socket: MessageSocket, peer: IpAddr, why: DropReason, now: Millis) {
        self.effects.push_back(SessionEffect::CloseMessageSocket { socket });
        self.report_dropped(peer, why, now);
    }

    /// The first line of a connection that came in.
    pub(super) fn on_greeting(&mut self, socket: MessageSocket, line: &[u8], now: Millis) {
        let Some(join) = &mut self.join else { return };
        let candidate = join.handshake.forget(socket);
        match std::str::from_utf8(line).map(MessageLine::parse) {
            Ok(Ok(MessageLine::Hello { nonce, epoch })) if nonce == join.handshake.nonce() => {
                self.on_greeted(socket, epoch, now);
            }
            Ok(_) | Err(_) => {
                let Some(Candidate { peer, .. }) = candidate else { return };
                self.drop_stranger(socket, peer, DropReason::Greeting, now);
            }
        }
    }

    /// A connection ended; if it had not greeted, it was nobody's.
    pub(super) fn forget_candidate(&mut self, socket: MessageSocket, now: Millis) {
        let handshake = self.join.as_mut().map(|join| &mut join.handshake);
        if let Some(Candidate { peer, .. }) =
            handshake.and_then(|handshake| handshake.forget(socket))
        {
            self.report_dropped(peer, DropReason::Greeting, now);
        }
    }

    /// Lets nobody in any more, and sends those away who have not greeted.
    pub(super) fn close_handshake(&mut self) {
        let Some(join) = &mut self.join else { return };
        if std::mem::take(&mut join.handshake.is_open) {
            self.effects.push_back(SessionEffect::CloseListener);
        }
        for Candidate { socket, .. } in join.handshake.candidates.drain(..) {
            self.effects.push_back(SessionEffect::CloseMessageSocket { socket });
        }
    }

    pub(super) fn expire_candidates(&mut self, now: Millis) {
        while let Some(join) = &mut self.join
            && let Some(&Candidate { socket, peer, until }) = join.handshake.candidates.front()
            && until <= now
        {
            join.handshake.candidates.pop_front();
            self.drop_stranger(socket, peer, DropReason::Silent, now);
        }
    }
}
