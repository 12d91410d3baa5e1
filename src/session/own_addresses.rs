//! The ways in which this participant has asked the coordinator to deliver. They tell its own
//! takeover from a takeover by another program.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Notice;
use super::here_hint::HereHint;
use super::output::SessionOutput;
use crate::limits::OWN_ADDRESSES_MAX;

/// Addresses of all `register` and `reconnect` requests since the present message socket opened.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses {
    addresses: VecDeque<SocketAddr>,
    /// Number of requests with `here` that were not refused. Behind NAT their addresses are not
    /// known.
    asked_here: u64,
    /// Hint that was shown last: the same one is shown once.
    hinted: Option<HereHint>,
}

impl OwnAddresses {
    /// Adds the address of a request. If there are too many, the oldest address is dropped.
    pub(super) fn push(&mut self, address: SocketAddr) {
        if self.addresses.len() == OWN_ADDRESSES_MAX {
            self.addresses.pop_front();
        }
        self.addresses.push_back(address);
    }

    /// Adds a request with `here`.
    pub(super) const fn push_here(&mut self) {
        self.asked_here = self.asked_here.saturating_add(1);
    }

    /// Removes a request with `here`, which was refused.
    pub(super) const fn remove_here(&mut self) {
        self.asked_here = self.asked_here.saturating_sub(1);
    }

    /// Removes all addresses: a new message socket is open.
    pub(super) fn clear(&mut self) {
        self.addresses.clear();
        self.asked_here = 0;
    }

    /// Returns true if a takeover by this address is the participant's own.
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.asked_here > 0 || self.addresses.contains(&address)
    }

    /// Shows a reason to use `here`, if it differs from the one that was shown last.
    pub(super) fn show_hint(&mut self, hint: Option<HereHint>, output: &mut SessionOutput) {
        if let Some(hint) = hint
            && !output.is_over()
            && self.hinted.replace(hint) != Some(hint)
        {
            output.show(Notice::UseHere(hint));
        }
    }
}
