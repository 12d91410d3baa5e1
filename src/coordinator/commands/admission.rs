//! Limits on command sockets: decides which are served and which are refused.
//!
//! ```text
//!   accepted ─┬─► served, silent ──── a whole line ────► served
//!             │        │ the oldest, when one more comes and the table is full
//!             │        ▼
//!             └─► refused with ERR 421, open for a moment outside the table
//! ```
//!
//! So clients that keep silent sockets cannot lock out others, whatever their addresses are.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::client::{Client, ClientPhase};
use super::refusals::RefusalCounts;
use crate::config::CoordinatorConfig;
use crate::group::{Network, PerAddress};
use crate::limits::tls::HANDSHAKES_MAX;
use crate::limits::{REFUSED_CONNECTIONS_MAX, SILENT_MS_MIN};
use crate::net::Key;
use crate::protocol::LimitReached;
use crate::time::Millis;

/// Number of command sockets, and the order of those that have sent no line yet.
#[derive(Debug)]
pub(in crate::coordinator) struct Admission {
    /// Limit `max_connections` of the config.
    max: usize,
    /// Limit `max_connections_per_address` of the config.
    per_address_max: usize,
    /// Command sockets that count as connections.
    served: usize,
    /// Open command sockets that were refused because there is no room.
    being_refused: usize,
    per_address: PerAddress,
    /// Served sockets that have sent no whole line, with the time of their accept, oldest first.
    silent: BTreeMap<u64, (Key, Millis)>,
    /// Sockets with an unfinished handshake, oldest first.
    handshaking: BTreeMap<u64, (Key, Option<Network>)>,
    next_serial: u64,
    counters: AdmissionCounters,
}

/// Number of command sockets since the start that were not served.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::coordinator) struct AdmissionCounters {
    /// Sockets that were refused because there was no room, with `ERR 421` or without a reply.
    pub(in crate::coordinator) refused: u64,
    /// Silent sockets that made room for others.
    pub(in crate::coordinator) displaced: u64,
}

/// Numbers of `stats` about command sockets.
#[derive(Clone, Copy, Debug)]
pub(in crate::coordinator) struct CommandStats {
    pub(in crate::coordinator) connections: usize,
    pub(in crate::coordinator) admission: AdmissionCounters,
    pub(in crate::coordinator) kept_bytes: usize,
    /// Limit of `kept_bytes`.
    pub(in crate::coordinator) kept_bytes_max: usize,
    pub(in crate::coordinator) input_bytes: usize,
    pub(in crate::coordinator) refused: RefusalCounts,
}

impl Admission {
    pub(super) fn new(config: &CoordinatorConfig) -> Self {
        Self {
            max: config.counts.max_connections,
            per_address_max: config.counts.max_connections_per_address,
            served: 0,
            being_refused: 0,
            per_address: PerAddress::default(),
            silent: BTreeMap::new(),
            handshaking: BTreeMap::new(),
            next_serial: 0,
            counters: AdmissionCounters::default(),
        }
    }

    /// Puts other limits in force. No socket is closed for them.
    pub(super) fn change_config(&mut self, config: &CoordinatorConfig) {
        self.max = config.counts.max_connections;
        self.per_address_max = config.counts.max_connections_per_address;
    }

    /// Returns the number of command sockets that count as connections.
    pub(super) fn served(&self) -> usize {
        self.served
    }

    pub(super) fn counters(&self) -> AdmissionCounters {
        self.counters
    }

    /// Returns true if no command socket is open.
    pub(super) fn is_empty(&self) -> bool {
        self.served == 0 && self.being_refused == 0
    }

    /// Returns true if the table has no room for one more socket.
    pub(super) fn is_full(&self) -> bool {
        self.served >= self.max
    }

    /// Returns true if further refused clients are closed at once, without a reply.
    pub(super) fn is_crowded(&self) -> bool {
        self.being_refused >= REFUSED_CONNECTIONS_MAX
    }

    /// Returns the refusal for one more command socket from `ip`, if there are too many from there.
    pub(in crate::coordinator) fn refusal_for(&self, ip: IpAddr) -> Option<LimitReached> {
        let network = self.per_address.full(ip, self.per_address_max)?;
        let (address, max) = (network.to_string().into(), self.per_address_max);
        Some(LimitReached::ConnectionsFrom { address, max })
    }

    /// Returns the refusals of a new socket and of a silent one if the table is full.
    pub(in crate::coordinator) fn full(&self) -> Option<(LimitReached, LimitReached)> {
        let refusals = (
            LimitReached::Connections { max: self.max },
            LimitReached::Silent { max: Some(self.max) },
        );
        self.is_full().then_some(refusals)
    }

    /// Counts a command socket that was accepted.
    pub(super) fn on_accepted(&mut self, key: Key, client: &mut Client, now: Millis) {
        self.served += 1;
        self.per_address.add(client.addresses.peer);
        self.silent.insert(self.next_serial, (key, now));
        client.silent = Some(self.next_serial);
        self.next_serial += 1;
    }

    /// Marks a client as not silent: it sent a whole line, or no further line will be read.
    #[inline]
    pub(super) fn on_line(&mut self, client: &mut Client) {
        if let Some(serial) = client.silent.take() {
            self.silent.remove(&serial);
        }
    }

    /// Counts a handshake that begins. Returns its number.
    pub(super) fn begin_handshake(&mut self, key: Key, peer: IpAddr) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.handshaking.insert(serial, (key, Network::of(peer)));
        serial
    }

    /// Removes and returns the socket of an unfinished handshake, if there are too many: the oldest
    /// one of the network that has the most, so that a flood from one network ends its own.
    pub(super) fn excess_handshake(&mut self) -> Option<Key> {
        if self.handshaking.len() <= HANDSHAKES_MAX {
            return None;
        }
        let mut networks = BTreeMap::new();
        for (serial, (_, network)) in &self.handshaking {
            let (count, _) = networks.entry(*network).or_insert((0_usize, Reverse(*serial)));
            *count += 1;
        }
        let (_, Reverse(serial)) = networks.into_values().max()?;
        let (key, _) = self.handshaking.remove(&serial)?;
        self.counters.displaced += 1;
        Some(key)
    }

    /// Removes a handshake that has ended.
    pub(super) fn end_handshake(&mut self, serial: u64) {
        self.handshaking.remove(&serial);
    }

    /// Returns the oldest command socket that has sent no whole line.
    pub(super) fn oldest_silent(&self) -> Option<Key> {
        self.silent.first_key_value().map(|(_, (key, _))| *key)
    }

    /// Returns true if the oldest silent socket had enough time for its first request.
    pub(in crate::coordinator) fn is_oldest_overdue(&self, now: Millis) -> bool {
        let oldest = self.silent.first_key_value();
        oldest.is_some_and(|(_, (_, since))| now.since(*since) >= SILENT_MS_MIN)
    }

    /// Counts a served command socket that was refused.
    pub(super) fn on_refused(&mut self, client: &mut Client, is_silent: bool) {
        self.on_line(client);
        self.served -= 1;
        self.being_refused += 1;
        self.per_address.remove(client.addresses.peer);
        if is_silent {
            self.counters.displaced += 1;
        } else {
            self.counters.refused += 1;
        }
    }

    /// Counts a socket for which there is no room, if it gets no reply because too many others are
    /// being refused. Returns true in this case.
    pub(in crate::coordinator) fn count_if_crowded(&mut self) -> bool {
        let is_crowded = self.is_crowded();
        self.counters.refused += u64::from(is_crowded);
        is_crowded
    }

    /// Counts a command socket that is closed, or becomes a message socket.
    pub(super) fn on_closed(&mut self, client: &mut Client) {
        self.on_line(client);
        match client.phase {
            ClientPhase::Refused(refused) if refused.over_limit => self.being_refused -= 1,
            ClientPhase::Refused(_)
            | ClientPhase::Serving
            | ClientPhase::Waiting
            | ClientPhase::Upgrading(_)
            | ClientPhase::Ended => {
                self.served -= 1;
                self.per_address.remove(client.addresses.peer);
            }
        }
    }
}
