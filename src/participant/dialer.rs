//! Connects the command socket: resolves the coordinator's name and tries its addresses in turn.
//!
//! ```text
//!             answer              refused, or no answer in its share of the time
//!   resolving ──────▶ connecting ─────────────────────────▶ connecting to the next
//!       │                 │ connected                               │ none is left
//!       └─▶ failed        └─▶ command socket                        └─▶ failed, with all reasons
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use super::resolver::Resolver;
use super::server::{Participant, ParticipantTimer};
use super::socket::SocketRole;
use crate::config::{Endpoint, Host};
use crate::limits::{CONNECTING_MS_MAX, RESOLVING_MS_MAX};
use crate::net::{Connection, Key, Pool};
use crate::session::{CommandSocket, SessionInput};
use crate::time::Millis;

/// Address or name of the coordinator, and the resolver for a name.
#[derive(Debug)]
pub(super) struct CoordinatorAddress {
    pub(super) coordinator: Endpoint,
    /// `None` if the config has an address.
    resolver: Option<Resolver>,
}

impl CoordinatorAddress {
    pub(super) fn new(coordinator: &Endpoint, pool: &Pool) -> io::Result<Self> {
        let resolver = match &coordinator.host {
            Host::Name(name) => Some(Resolver::start(pool, name, coordinator.port)?),
            Host::Address(_) => None,
        };
        Ok(Self { coordinator: coordinator.clone(), resolver })
    }
}

/// The dial of a command socket.
#[derive(Debug)]
pub(super) struct Dialer {
    socket: CommandSocket,
    /// Deadline of the lookup.
    resolved_by: Millis,
    /// Deadline of all connect attempts.
    until: Millis,
    /// Addresses that were not tried yet.
    addresses: VecDeque<SocketAddr>,
    current: Option<ConnectAttempt>,
    /// Errors of the addresses that were tried.
    failures: Vec<String>,
}

/// The connect to one address.
#[derive(Clone, Copy, Debug)]
struct ConnectAttempt {
    key: Key,
    address: SocketAddr,
    until: Millis,
}

impl Participant {
    pub(super) fn dial(&mut self, socket: CommandSocket, now: Millis) {
        let coordinator_address = &mut self.parts.coordinator_address;
        let port = coordinator_address.coordinator.port;
        let mut dialer = Dialer {
            socket,
            resolved_by: now.plus(RESOLVING_MS_MAX),
            until: now.plus(CONNECTING_MS_MAX),
            addresses: VecDeque::new(),
            current: None,
            failures: Vec::new(),
        };
        match (&coordinator_address.coordinator.host, &mut coordinator_address.resolver) {
            (Host::Address(ip), _) => {
                dialer.addresses.push_back(SocketAddr::new(*ip, port));
                self.dialer = Some(dialer);
                self.try_next_address(now);
            }
            (Host::Name(_), Some(resolver)) => {
                resolver.ask();
                self.wake_at(dialer.resolved_by, ParticipantTimer::Dial);
                self.dialer = Some(dialer);
            }
            (Host::Name(_), None) => (), // A name has a resolver.
        }
    }

    /// Takes the result of the resolver, and tries the first address.
    pub(super) fn take_addresses(&mut self, now: Millis) {
        let resolver = self.parts.coordinator_address.resolver.as_mut();
        let Some(answer) = resolver.and_then(Resolver::answer) else { return };
        let Some(dialer) = &mut self.dialer else { return };
        if dialer.current.is_some() {
            return; // The result of an earlier lookup.
        }
        match answer {
            Ok(addresses) if addresses.is_empty() => {
                self.fail_dialing("the name has no usable address", now);
            }
            Ok(addresses) => {
                dialer.addresses = addresses.into();
                self.try_next_address(now);
            }
            Err(error) => self.fail_dialing(&format!("cannot be resolved: {error}"), now),
        }
    }

    fn try_next_address(&mut self, now: Millis) {
        while let Some(dialer) = &mut self.dialer {
            let left = u64::try_from(dialer.addresses.len()).unwrap_or(u64::MAX).max(1);
            let share = dialer.until.since(now).div_euclid(left);
            let Some(address) = dialer.addresses.pop_front() else {
                return self.fail_connecting(now);
            };
            let role = SocketRole::Dialer(dialer.socket);
            let added = Connection::connect(address).and_then(|it| self.add(it, role));
            let Some(dialer) = &mut self.dialer else { return };
            match added {
                Ok(key) => {
                    let until = now.plus(share);
                    dialer.current = Some(ConnectAttempt { key, address, until });
                    return self.wake_at(until, ParticipantTimer::Dial);
                }
                Err(error) => dialer.failures.push(format!("{address}: {error}")),
            }
        }
    }

    /// Handles a failed connect: tries the next address.
    pub(super) fn on_connect_failed(&mut self, key: Key, reason: &str, now: Millis) {
        let Some(dialer) = &mut self.dialer else { return };
        let Some(current) = dialer.current.take_if(|current| current.key == key) else { return };
        dialer.failures.push(format!("{}: {reason}", current.address));
        self.try_next_address(now);
    }

    /// Gives up a lookup, or a connect, after its deadline.
    pub(super) fn expire_dialing(&mut self, now: Millis) {
        let Some(dialer) = &self.dialer else { return };
        match dialer.current {
            Some(current) if current.until <= now => {
                self.marked_for_close.push(current.key);
                self.on_connect_failed(current.key, "no answer", now);
            }
            None if dialer.resolved_by <= now => {
                let seconds = RESOLVING_MS_MAX.div_euclid(1000);
                self.fail_dialing(&format!("cannot be resolved: no answer in {seconds} s"), now);
            }
            Some(_) | None => (),
        }
    }

    fn fail_connecting(&mut self, now: Millis) {
        let Some(dialer) = &mut self.dialer else { return };
        let (socket, failures) = (dialer.socket, std::mem::take(&mut dialer.failures));
        self.dialer = None;
        let coordinator = &self.parts.coordinator_address.coordinator;
        let reason = match &coordinator.host {
            Host::Address(_) => format!("cannot connect to {}", failures.join("; ")),
            Host::Name(_) => format!("cannot connect to {coordinator}: {}", failures.join("; ")),
        };
        self.handle(SessionInput::DialFailed { socket, reason: &reason }, now);
    }

    fn fail_dialing(&mut self, reason: &str, now: Millis) {
        let Some(Dialer { socket, .. }) = self.dialer.take() else { return };
        let reason = format!("{}: {reason}", self.parts.coordinator_address.coordinator);
        self.handle(SessionInput::DialFailed { socket, reason: &reason }, now);
    }
}

impl Dialer {
    pub(super) fn is_for(&self, socket: CommandSocket) -> bool {
        self.socket == socket
    }
}
