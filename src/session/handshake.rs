//! Accepts the coordinator's connect-back: checks the address and the hello of each connection.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::output::SessionOutput;
use super::{DropReason, MessageSocket, SessionEffect};
use crate::limits::CANDIDATES_MAX;
use crate::protocol::{Epoch, MessageLine};

/// Listener of one attempt. It is open until a hello with the nonce has come, or the attempt ends.
/// A connection without a hello may be the coordinator's until then: the hello waits for the disk,
/// or for the other sites, as the reply does.
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
}

/// A connection that is not the coordinator's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stranger {
    pub(super) socket: MessageSocket,
    pub(super) peer: IpAddr,
    pub(super) why: DropReason,
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

    /// Adds a new connection. It must come from the coordinator's address. Other programs on the
    /// coordinator's machine can connect too, so its first line must be a hello with the nonce.
    /// Returns the connection to drop, if one must make room or cannot be the coordinator's.
    pub(super) fn accept(
        &mut self,
        socket: MessageSocket,
        peer: IpAddr,
        coordinator: Option<IpAddr>,
    ) -> Option<Stranger> {
        if Some(peer.to_canonical()) != coordinator {
            return Some(Stranger { socket, peer, why: DropReason::Address(coordinator) });
        }
        // The oldest connection is the least likely to be the coordinator's.
        let displaced = match self.candidates.len() >= CANDIDATES_MAX {
            true => self.candidates.pop_front(),
            false => None,
        };
        self.candidates.push_back(Candidate { socket, peer });
        displaced.map(|candidate| candidate.dropped(DropReason::Displaced))
    }

    /// Takes the first line of a candidate. Returns the epoch of the coordinator's hello, or the
    /// connection to drop.
    pub(super) fn take_first_line(
        &mut self,
        socket: MessageSocket,
        line: &[u8],
    ) -> Result<Epoch, Option<Stranger>> {
        let stranger = self.forget(socket);
        match std::str::from_utf8(line).map(MessageLine::parse) {
            Ok(Ok(MessageLine::Hello { nonce, epoch })) if *nonce == *self.nonce => Ok(epoch),
            Ok(_) | Err(_) => Err(stranger),
        }
    }

    /// Removes a candidate that has sent no hello, and returns it.
    pub(super) fn forget(&mut self, socket: MessageSocket) -> Option<Stranger> {
        let at = self.candidates.iter().position(|candidate| candidate.socket == socket)?;
        let candidate = self.candidates.remove(at)?;
        Some(candidate.dropped(DropReason::WrongHello))
    }

    /// Removes the oldest candidate after the time for the hello is over, and returns it.
    pub(super) fn pop_silent(&mut self) -> Option<Stranger> {
        let candidate = self.candidates.pop_front()?;
        Some(candidate.dropped(DropReason::Silent))
    }

    /// Closes the listener and all candidates.
    pub(super) fn close(&mut self, output: &mut SessionOutput) {
        if std::mem::take(&mut self.is_open) {
            output.push(SessionEffect::CloseListener);
        }
        for Candidate { socket, .. } in self.candidates.drain(..) {
            output.push(SessionEffect::CloseMessageSocket { socket });
        }
    }

    pub(super) fn check(&self) {
        assert!(self.candidates.len() <= CANDIDATES_MAX);
        assert!(self.is_open || self.candidates.is_empty(), "a closed listener has no candidates");
    }
}

impl Candidate {
    const fn dropped(self, why: DropReason) -> Stranger {
        Stranger { socket: self.socket, peer: self.peer, why }
    }
}
