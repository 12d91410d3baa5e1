//! The addresses that this participant has asked the coordinator to connect to. They tell its own
//! takeover from a takeover by another program.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::limits::OWN_ADDRESSES_MAX;

/// Addresses of all `register` and `reconnect` requests since the present message socket opened.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses(VecDeque<SocketAddr>);

impl OwnAddresses {
    /// Adds the address of a request. If there are too many, the oldest address is dropped.
    pub(super) fn push(&mut self, address: SocketAddr) {
        if self.0.len() == OWN_ADDRESSES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(address);
    }

    /// Removes all addresses: a new message socket is open.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns true if a takeover by this address is the participant's own.
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.0.contains(&address)
    }
}
