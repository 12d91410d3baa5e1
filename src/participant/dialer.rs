//! Connects the command socket: resolves the name of a coordinator and tries its addresses in turn.
//! The handshake of TLS is a part of the connect.
//!
//! ```text
//!             answer              refused, or no answer in its share of the time
//!   resolving ──────▶ connecting ─────────────────────────▶ connecting to the next
//!       │                 │ connected                               │ none is left
//!       └─▶ failed        └─▶ command socket                        └─▶ failed, with all reasons
//! ```

mod resolver;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::Token;

use super::event_loop::{EventLoop, ParticipantTimer};
use super::line_socket::watch;
use super::security::PeerSecurity;
use crate::config::{Endpoint, Endpoints, Host};
use crate::limits::{CONNECTING_MS_MAX, RESOLVING_MS_MAX};
use crate::net::{Connection, Key, Pool, Readiness};
use crate::session::CommandSocket;
use crate::time::Millis;
pub(super) use resolver::Resolver;

/// Addresses or names of the coordinators, and the dial of a command socket.
#[derive(Debug)]
pub(super) struct Dialer {
    coordinators: Vec<KnownCoordinator>,
    security: PeerSecurity,
    dial: Option<Dial>,
    /// Number of connect attempts so far. Each has a key of its own.
    attempts: usize,
    /// Connections to be closed at the end of the turn.
    marked_for_close: Vec<Connection>,
}

/// A coordinator that can be dialed.
#[derive(Debug)]
pub(super) struct KnownCoordinator {
    pub(super) endpoint: Endpoint,
    /// `None` if the endpoint has an address.
    pub(super) resolver: Option<Resolver>,
}

/// The dial of a command socket.
#[derive(Debug)]
struct Dial {
    socket: CommandSocket,
    /// Position of the coordinator.
    coordinator: usize,
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
#[derive(Debug)]
struct ConnectAttempt {
    key: Key,
    connection: Connection,
    address: SocketAddr,
    until: Millis,
}

/// A command socket that is connected.
#[derive(Debug)]
pub(super) struct DialedSocket {
    pub(super) socket: CommandSocket,
    pub(super) key: Key,
    pub(super) connection: Connection,
    /// Local address of the socket.
    pub(super) ip: IpAddr,
    /// Remote address of the socket.
    pub(super) coordinator: SocketAddr,
}

/// A command socket that could not be connected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FailedDial {
    pub(super) socket: CommandSocket,
    pub(super) reason: String,
}

impl Dialer {
    pub(super) fn new(
        coordinators: &Endpoints,
        security: PeerSecurity,
        pool: &Pool,
    ) -> io::Result<Self> {
        Ok(Self {
            coordinators: KnownCoordinator::all(coordinators, pool)?,
            security,
            dial: None,
            attempts: 0,
            marked_for_close: Vec::new(),
        })
    }

    /// Begins to connect a command socket to the coordinator at this position.
    pub(super) fn dial(
        &mut self,
        (socket, coordinator): (CommandSocket, usize),
        event_loop: &mut EventLoop,
        now: Millis,
    ) -> Option<FailedDial> {
        self.mark_current();
        self.security.set_time(|| event_loop.unix_now());
        let mut dial = Dial {
            socket,
            coordinator,
            resolved_by: now.plus(RESOLVING_MS_MAX),
            until: now.plus(CONNECTING_MS_MAX),
            addresses: VecDeque::new(),
            current: None,
            failures: Vec::new(),
        };
        let KnownCoordinator { endpoint, resolver } = self.coordinators.get_mut(coordinator)?;
        match (&endpoint.host, resolver) {
            (Host::Address(ip), _) => {
                dial.addresses.push_back(SocketAddr::new(*ip, endpoint.port));
                self.dial = Some(dial);
                self.try_next_address(event_loop, now)
            }
            (Host::Name(_), Some(resolver)) => {
                resolver.ask();
                event_loop.wake_at(dial.resolved_by, ParticipantTimer::Dial);
                self.dial = Some(dial);
                None
            }
            (Host::Name(_), None) => None, // A name has a resolver.
        }
    }

    /// Takes the results of the resolvers, and tries the first address of the dialed coordinator.
    pub(super) fn take_addresses(
        &mut self,
        event_loop: &mut EventLoop,
        now: Millis,
    ) -> Option<FailedDial> {
        let answers = self.coordinators.iter_mut().enumerate().filter_map(|(at, coordinator)| {
            let answer = coordinator.resolver.as_mut()?.answer()?;
            Some((at, answer))
        });
        // Others are the results of lookups for earlier dials.
        let dialed = self.dial.as_ref().map(|dial| dial.coordinator);
        let answers = answers.filter(|(at, _)| Some(*at) == dialed).map(|(_, answer)| answer);
        let answer = answers.last()?;
        let dial = self.dial.as_mut()?;
        if dial.current.is_some() {
            return None; // The result of an earlier lookup.
        }
        match answer {
            Ok(addresses) if addresses.is_empty() => {
                self.fail_resolving("the name has no usable address")
            }
            Ok(addresses) => {
                dial.addresses = addresses.into();
                self.try_next_address(event_loop, now)
            }
            Err(error) => self.fail_resolving(&format!("cannot be resolved: {error}")),
        }
    }

    /// Records an event of the connection with this key.
    pub(super) fn on_event(&mut self, key: Key, event: impl Into<Readiness>) {
        let current = self.dial.as_mut().and_then(|dial| dial.current.as_mut());
        if let Some(current) = current.filter(|current| current.key == key) {
            current.connection.on_event(event);
        }
    }

    /// Continues the connect. Returns the socket once it is connected, or the failure of the dial.
    pub(super) fn advance(
        &mut self,
        event_loop: &mut EventLoop,
        now: Millis,
    ) -> Option<Result<DialedSocket, FailedDial>> {
        let current = self.dial.as_mut()?.current.as_mut()?;
        match current.ends() {
            Ok(None) => None,
            Ok(Some((local, coordinator))) => {
                let Dial { socket, current, .. } = self.dial.take()?;
                let ConnectAttempt { key, mut connection, .. } = current?;
                self.security.on_connected(&mut connection);
                Some(Ok(DialedSocket { socket, key, connection, ip: local.ip(), coordinator }))
            }
            Err(error) => {
                let reason = self.security.explain(&error);
                self.on_connect_failed(&reason, event_loop, now).map(Err)
            }
        }
    }

    /// Gives up a lookup, or a connect, after its deadline.
    pub(super) fn expire(&mut self, event_loop: &mut EventLoop, now: Millis) -> Option<FailedDial> {
        let dial = self.dial.as_ref()?;
        match &dial.current {
            Some(current) if current.until <= now => {
                let reason = self.security.explain_silence(&current.connection);
                self.on_connect_failed(reason, event_loop, now)
            }
            None if dial.resolved_by <= now => {
                let seconds = RESOLVING_MS_MAX.div_euclid(1000);
                self.fail_resolving(&format!("cannot be resolved: no answer in {seconds} s"))
            }
            Some(_) | None => None,
        }
    }

    /// Stops connecting this command socket.
    pub(super) fn close(&mut self, socket: CommandSocket) {
        if self.dial.as_ref().is_some_and(|dial| dial.socket == socket) {
            self.mark_current();
            self.dial = None;
        }
    }

    /// Closes the marked connections. Returns true if there were any.
    pub(super) fn close_marked(&mut self) -> bool {
        !std::mem::take(&mut self.marked_for_close).is_empty()
    }

    fn try_next_address(&mut self, event_loop: &mut EventLoop, now: Millis) -> Option<FailedDial> {
        let dial = self.dial.as_mut()?;
        loop {
            let left = u64::try_from(dial.addresses.len()).unwrap_or(u64::MAX).max(1);
            let share = dial.until.since(now).div_euclid(left);
            let Some(address) = dial.addresses.pop_front() else { return self.fail_connecting() };
            // A number of the first table of keys: the highest bit is 0.
            self.attempts = self.attempts.wrapping_add(1) & (usize::MAX >> 1);
            let key = Key::from(Token(self.attempts));
            let connected = Connection::connect(address);
            let secured = connected.and_then(|connection| self.security.client(connection));
            let added = secured.and_then(|mut connection| {
                watch(&mut connection, event_loop, key).map(|()| connection)
            });
            match added {
                Ok(connection) => {
                    let until = now.plus(share);
                    dial.current = Some(ConnectAttempt { key, connection, address, until });
                    event_loop.wake_at(until, ParticipantTimer::Dial);
                    return None;
                }
                Err(error) => dial.failures.push(format!("{address}: {error}")),
            }
        }
    }

    /// Handles a failed connect: tries the next address.
    fn on_connect_failed(
        &mut self,
        reason: &str,
        event_loop: &mut EventLoop,
        now: Millis,
    ) -> Option<FailedDial> {
        let dial = self.dial.as_mut()?;
        let ConnectAttempt { connection, address, .. } = dial.current.take()?;
        dial.failures.push(format!("{address}: {reason}"));
        self.marked_for_close.push(connection);
        self.try_next_address(event_loop, now)
    }

    fn fail_connecting(&mut self) -> Option<FailedDial> {
        let Dial { socket, coordinator, failures, .. } = self.dial.take()?;
        let endpoint = &self.coordinators.get(coordinator)?.endpoint;
        let failures = failures.join("; ");
        let reason = match &endpoint.host {
            Host::Address(_) => format!("cannot connect to {failures}"),
            Host::Name(_) => format!("cannot connect to {endpoint}: {failures}"),
        };
        Some(FailedDial { socket, reason })
    }

    fn fail_resolving(&mut self, reason: &str) -> Option<FailedDial> {
        let Dial { socket, coordinator, .. } = self.dial.take()?;
        let endpoint = &self.coordinators.get(coordinator)?.endpoint;
        Some(FailedDial { socket, reason: format!("{endpoint}: {reason}") })
    }

    fn mark_current(&mut self) {
        let current = self.dial.as_mut().and_then(|dial| dial.current.take());
        self.marked_for_close.extend(current.map(|current| current.connection));
    }
}

impl KnownCoordinator {
    /// Starts a resolver for each coordinator that has a name.
    pub(super) fn all(endpoints: &Endpoints, pool: &Pool) -> io::Result<Vec<Self>> {
        let known = |endpoint: &Endpoint| {
            let resolver = Resolver::of(pool, endpoint)?;
            Ok(Self { endpoint: endpoint.clone(), resolver })
        };
        endpoints.iter().map(known).collect()
    }
}

impl ConnectAttempt {
    /// Returns the local and the remote address once the connection is established, with its
    /// handshake.
    fn ends(&mut self) -> io::Result<Option<(SocketAddr, SocketAddr)>> {
        if !self.connection.is_writable() || !self.connection.connected()? {
            return Ok(None);
        }
        Ok(Some((self.connection.local_addr()?, self.connection.peer_addr()?)))
    }
}

#[cfg(test)]
mod tests;
