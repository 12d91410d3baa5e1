//! Addresses that the coordinator was asked to connect to, to know a takeover of one's own.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::limits::ASKED_AT_MAX;

/// Addresses of requests since the message socket that is there came about.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses(VecDeque<SocketAddr>);

impl OwnAddresses {
    /// The coordinator is asked to connect to this one. The oldest is forgotten if there are many.
    pub(super) fn push(&mut self, address: SocketAddr) {
        if self.0.len() == ASKED_AT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(address);
    }

    /// A new message socket is there: what was asked before is done.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns true if a takeover by this address is the participant's own.
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.0.contains(&address)
    }
}
