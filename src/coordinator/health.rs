//! `--health`: asks a coordinator for a sign of life.
//!
//! ```text
//!   name ──► addresses ──► connect ──► ping ─┬─► OK ping
//!                                            └─► this port speaks TLS ──► with TLS ──► ping
//! ```
//!
//! One deadline covers all of it. With TLS the client shows no key and accepts every key: it learns
//! that a coordinator answers, and not whose coordinator that is.

use std::io::{self, ErrorKind, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::CoordinatorError;
use crate::config::{Endpoint, Host};
use crate::limits::{HEALTH_MS, LINE_BYTES_DEFAULT, RESOLVED_ADDRESSES_MAX};
#[cfg(feature = "tls")]
use crate::net::tls::{TlsContext, Trust};
use crate::net::{Clock, Connection, Fill, Key, Scratch, wait};
use crate::time::Millis;

/// Needs no key and no id of the group.
const REQUEST: &[u8] = b"health#ping#-\n";
/// First line for a client that speaks without TLS to a port with TLS.
#[cfg(feature = "tls")]
const SPEAKS_TLS: &str = "ERR 401 tls:";

/// Asks the coordinator, and prints its answer.
///
/// # Errors
///
/// [`CoordinatorError::Unhealthy`] if no address of it answers `ping` in time.
pub(super) fn check(coordinator: &Endpoint) -> Result<(), CoordinatorError> {
    let unhealthy = |reason| CoordinatorError::Unhealthy(coordinator.to_string(), reason);
    let clock = Clock::start();
    let until = clock.now().steady.plus(HEALTH_MS);
    let addresses = addresses_of(coordinator).map_err(unhealthy)?;
    let mut failures = Vec::new();
    for (address, untried) in addresses.iter().zip((1..=addresses.len()).rev()) {
        // Each address has its share of the time that is left.
        let now = clock.now().steady;
        let shares = u64::try_from(untried).unwrap_or(u64::MAX);
        let share = now.plus(until.since(now).div_euclid(shares));
        match ask(*address, &clock, share) {
            Ok(answer) => {
                let shown = writeln!(io::stdout(), "{address}: {answer}");
                return shown.map_err(|error| {
                    CoordinatorError::System("cannot write to standard output", error)
                });
            }
            Err(reason) => failures.push(format!("{address}: {reason}")),
        }
    }
    Err(unhealthy(failures.join("; ")))
}

/// Looks a name up, on a thread of its own: a lookup may take longer than the deadline.
fn addresses_of(coordinator: &Endpoint) -> Result<Vec<SocketAddr>, String> {
    let port = coordinator.port;
    let name = match &coordinator.host {
        Host::Address(ip) => return Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Name(name) => name.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    let lookup = move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // After the deadline nobody waits for the result.
        let _ = sender.send(found.map(|found| found.take(RESOLVED_ADDRESSES_MAX).collect()));
    };
    thread::Builder::new().spawn(lookup).map_err(|error| error.to_string())?;
    match receiver.recv_timeout(Duration::from_millis(HEALTH_MS)) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(format!("the name cannot be resolved: {error}")),
        Err(_) => Err(too_late("the name is not resolved")),
    }
}

/// Asks one address. Returns the answer in words.
fn ask(address: SocketAddr, clock: &Clock, until: Millis) -> Result<String, String> {
    let answer = first_line(Connection::connect(address), clock, until)?;
    #[cfg(feature = "tls")]
    let (answer, transport) = match answer.starts_with(SPEAKS_TLS) {
        true => (ask_with_tls(address, clock, until)?, ", with TLS: any key is accepted"),
        false => (answer, ""),
    };
    #[cfg(not(feature = "tls"))]
    let transport = "";
    match answer.as_str() {
        "OK ping" => Ok(format!("{answer}{transport}")),
        _ => Err(format!("expected OK ping, found {answer:?}{transport}")),
    }
}

#[cfg(feature = "tls")]
fn ask_with_tls(address: SocketAddr, clock: &Clock, until: Millis) -> Result<String, String> {
    let side = TlsContext::new().client_without_key(Trust::AnyKey);
    let side = side.map_err(|error| error.to_string())?;
    let connection = Connection::connect(address).and_then(|it| it.tls_client(&side));
    first_line(connection, clock, until)
}

/// Sends the request, and returns the first line that comes.
fn first_line(
    connection: io::Result<Connection>,
    clock: &Clock,
    until: Millis,
) -> Result<String, String> {
    exchange(connection, clock, until).map_err(|error| {
        if error.kind() == ErrorKind::TimedOut {
            too_late("no answer")
        } else if error.kind() == ErrorKind::UnexpectedEof {
            "closed without an answer".to_owned()
        } else {
            error.to_string()
        }
    })
}

fn exchange(
    connection: io::Result<Connection>,
    clock: &Clock,
    until: Millis,
) -> io::Result<String> {
    let (mut connection, mut poll) = (connection?, Poll::new()?);
    let mut events = Events::with_capacity(8);
    let mut scratch = Scratch::new(LINE_BYTES_DEFAULT);
    connection.register(poll.registry(), Key::from(Token(0)))?;
    connection.output.extend_from_slice(REQUEST);
    let mut is_connected = false;
    loop {
        let now = clock.now().steady;
        if now >= until {
            return Err(ErrorKind::TimedOut.into());
        }
        wait(&mut poll, &mut events, now, Some(until))?;
        events.iter().for_each(|event| connection.on_event(event));
        is_connected = is_connected || connection.is_writable() && connection.connected()?;
        if !is_connected {
            continue;
        }
        connection.flush(usize::MAX)?;
        let filled = connection.fill(&mut scratch, LINE_BYTES_DEFAULT)?;
        let line = connection.input.next_line(LINE_BYTES_DEFAULT);
        if let Some(line) = line.map_err(|too_long| io::Error::other(too_long.to_string()))? {
            return Ok(String::from_utf8_lossy(line).into_owned());
        }
        if matches!(filled, Fill::Eof(_)) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

fn too_late(what: &str) -> String {
    format!("{what} within {} s", HEALTH_MS.div_euclid(1000))
}
