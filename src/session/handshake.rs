//! Accepts the coordinator's connect-back: checks the address and the hello of each connection.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::{DropReason, MessageSocket, Session, SessionEffect};
use crate::limits::{CANDIDATES_MAX, HELLO_TIMEOUT_MS};
use crate::protocol::MessageLine;
use crate::time::Millis;

/// Listener of one attempt. It is open until a hello with the nonce has come, or the attempt ends.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    nonce: Box<str>,
    is_open: bool,
    candidates: VecDeque<Candidate>,
}

/// An accepted connection that has sent no hello yet.
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

    /// Returns the nonce that the hello must have.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    pub(super) fn is_candidate(&self, asked: MessageSocket) -> bool {
        self.candidates.iter().any(|candidate| candidate.socket == asked)
    }

    /// Returns the time by which the oldest candidate must have sent its hello.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.candidates.front().map(|candidate| candidate.until)
    }

    fn forget(&mut self, socket: MessageSocket) -> Option<Candidate> {
        let at = self.candidates.iter().position(|candidate| candidate.socket == socket)?;
        self.candidates.remove(at)
    }

    pub(super) fn check(&self) {
        assert!(self.candidates.len() <= CANDIDATES_MAX);
        assert!(self.is_open || self.candidates.is_empty(), "a closed listener has no candidates");
    }
}

impl Session {
    /// Returns true if a connection has sent no hello yet.
    pub(super) fn is_candidate(&self, socket: MessageSocket) -> bool {
        self.join.as_ref().is_some_and(|join| join.handshake.is_candidate(socket))
    }

    /// Handles a new connection. It must come from the coordinator's address. Other programs on the
    /// coordinator's machine can connect too, so its first line must be a hello with the nonce.
    pub(super) fn on_accepted(&mut self, socket: MessageSocket, peer: IpAddr, now: Millis) {
        let coordinator = self.requests.coordinator().map(|coordinator| coordinator.ip());
        let handshake = self.join.as_mut().map(|join| &mut join.handshake);
        let Some(handshake) = handshake.filter(|handshake| handshake.is_open) else {
            return self.output.push(SessionEffect::CloseMessageSocket { socket });
        };
        if Some(peer.to_canonical()) != coordinator {
            return self.drop_stranger(socket, peer, DropReason::Address(coordinator), now);
        }
        // The coordinator sends its hello at once, so the oldest connection is the least likely to
        // be the coordinator's.
        let displaced = match handshake.candidates.len() >= CANDIDATES_MAX {
            true => handshake.candidates.pop_front(),
            false => None,
        };
        let until = now.plus(HELLO_TIMEOUT_MS);
        handshake.candidates.push_back(Candidate { socket, peer, until });
        if let Some(Candidate { socket, peer, .. }) = displaced {
            self.drop_stranger(socket, peer, DropReason::Displaced, now);
        }
    }

    fn drop_stranger(&mut self, socket: MessageSocket, peer: IpAddr, why: DropReason, now: Millis) {
        self.output.push(SessionEffect::CloseMessageSocket { socket });
        self.dropped.report(&mut self.output, peer, why, now);
    }

    /// Handles the first line of a connection.
    pub(super) fn on_first_line(&mut self, socket: MessageSocket, line: &[u8], now: Millis) {
        let Some(join) = &mut self.join else { return };
        let candidate = join.handshake.forget(socket);
        match std::str::from_utf8(line).map(MessageLine::parse) {
            Ok(Ok(MessageLine::Hello { nonce, epoch })) if nonce == join.handshake.nonce() => {
                self.on_hello(socket, epoch, now);
            }
            Ok(_) | Err(_) => {
                let Some(Candidate { peer, .. }) = candidate else { return };
                self.drop_stranger(socket, peer, DropReason::WrongHello, now);
            }
        }
    }

    /// Handles the end of a connection that has sent no hello.
    pub(super) fn forget_candidate(&mut self, socket: MessageSocket, now: Millis) {
        let handshake = self.join.as_mut().map(|join| &mut join.handshake);
        if let Some(Candidate { peer, .. }) =
            handshake.and_then(|handshake| handshake.forget(socket))
        {
            self.dropped.report(&mut self.output, peer, DropReason::WrongHello, now);
        }
    }

    /// Closes the listener and all candidates.
    pub(super) fn close_handshake(&mut self) {
        let Some(join) = &mut self.join else { return };
        if std::mem::take(&mut join.handshake.is_open) {
            self.output.push(SessionEffect::CloseListener);
        }
        for Candidate { socket, .. } in join.handshake.candidates.drain(..) {
            self.output.push(SessionEffect::CloseMessageSocket { socket });
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
