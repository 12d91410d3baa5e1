//! The command socket of `--top`: asks for a sample each second, and connects again after a
//! failure.
//!
//! ```text
//!              1 s                connected              all lines
//!   pausing ─────────▶ connecting ─────────▶ asking ◀───────────────▶ idle
//!      ▲                   │ error, timeout     │          1 s
//!      └───────────────────┴────────────────────┘
//! ```

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

use mio::Registry;
use mio::event::Event;

use super::sample::{Sample, SampleReader};
use crate::config::{Endpoint, Host};
use crate::limits::{LINE_BYTES_HIGHEST, TOP_INTERVAL_MS, TOP_REPLY_MS};
use crate::net::{Connection, Fill, Key, Scratch, Slots};
use crate::time::Millis;

/// Bytes that one read takes.
const READ_BYTES: usize = 64 * 1024;

/// A coordinator that is asked for samples.
#[derive(Debug)]
pub(super) struct Source {
    coordinator: Endpoint,
    id: String,
    /// The command socket. A table, because a late event of a closed socket must find nothing.
    sockets: Slots<Connection>,
    scratch: Scratch,
    phase: Phase,
    /// Number of connects. Each takes the next address of the name.
    attempts: usize,
}

#[derive(Debug)]
enum Phase {
    Pausing { until: Millis },
    Connecting { key: Key, address: SocketAddr, until: Millis },
    Asking { key: Key, reader: SampleReader, asked_at: Millis },
    Idle { key: Key, until: Millis },
}

impl Source {
    pub(super) fn new(coordinator: &Endpoint, id: &str) -> Self {
        Self {
            coordinator: coordinator.clone(),
            id: id.to_owned(),
            sockets: Slots::new(),
            scratch: Scratch::new(READ_BYTES),
            phase: Phase::Pausing { until: Millis::ZERO },
            attempts: 0,
        }
    }

    pub(super) fn on_event(&mut self, event: &Event) {
        if let Some(connection) = self.sockets.get_mut(event.token().into()) {
            connection.on_event(event);
        }
    }

    /// Returns the time at which [`Source::advance`] must be called at the latest.
    pub(super) fn deadline(&self) -> Millis {
        match &self.phase {
            Phase::Asking { asked_at, .. } => asked_at.plus(TOP_REPLY_MS),
            Phase::Pausing { until }
            | Phase::Connecting { until, .. }
            | Phase::Idle { until, .. } => *until,
        }
    }

    /// Continues, and returns a sample that is complete now. After an error the next call connects
    /// again when its pause is over.
    pub(super) fn advance(
        &mut self,
        registry: &Registry,
        now: Millis,
    ) -> Result<Option<Sample>, String> {
        let advanced = self.try_advance(registry, now);
        if advanced.is_err() {
            if let Phase::Connecting { key, .. }
            | Phase::Asking { key, .. }
            | Phase::Idle { key, .. } = self.phase
            {
                self.sockets.remove(key);
            }
            self.phase = Phase::Pausing { until: now.plus(TOP_INTERVAL_MS) };
        }
        advanced
    }

    fn try_advance(&mut self, registry: &Registry, now: Millis) -> Result<Option<Sample>, String> {
        match &self.phase {
            Phase::Pausing { until } if *until > now => return Ok(None),
            Phase::Pausing { .. } => return self.connect(registry, now).map(|()| None),
            Phase::Connecting { key, address, until } => {
                let (key, address, until) = (*key, *address, *until);
                let Some(connection) = self.sockets.get_mut(key) else { return Ok(None) };
                let failed = |error| format!("cannot connect to {address}: {error}");
                if !connection.is_writable() || !connection.connected().map_err(failed)? {
                    let is_late = until <= now;
                    let no_answer = format!("cannot connect to {address}: no answer");
                    return if is_late { Err(no_answer) } else { Ok(None) };
                }
                self.ask(key, now)?;
            }
            Phase::Idle { key, until } if *until <= now => {
                let key = *key;
                self.ask(key, now)?;
            }
            Phase::Idle { .. } | Phase::Asking { .. } => (),
        }
        self.read(now)
    }

    fn connect(&mut self, registry: &Registry, now: Millis) -> Result<(), String> {
        let address = self.resolve().map_err(|error| format!("{}: {error}", self.coordinator))?;
        let failed = |error| format!("cannot connect to {address}: {error}");
        let key = self.sockets.insert(Connection::connect(address).map_err(failed)?);
        if let Some(connection) = self.sockets.get_mut(key) {
            connection.register(registry, key).map_err(failed)?;
        }
        self.phase = Phase::Connecting { key, address, until: now.plus(TOP_REPLY_MS) };
        Ok(())
    }

    /// Returns the next address of the coordinator. A lookup blocks: there is nothing else to do
    /// meanwhile.
    fn resolve(&mut self) -> io::Result<SocketAddr> {
        let port = self.coordinator.port;
        let addresses: Vec<SocketAddr> = match &self.coordinator.host {
            Host::Address(ip) => vec![SocketAddr::new(*ip, port)],
            Host::Name(name) => (name.as_str(), port).to_socket_addrs()?.collect(),
        };
        let next = self.attempts.checked_rem(addresses.len());
        self.attempts = self.attempts.wrapping_add(1);
        let address = next.and_then(|next| addresses.get(next)).copied();
        address.ok_or_else(|| io::Error::other("the name has no address"))
    }

    fn ask(&mut self, key: Key, now: Millis) -> Result<(), String> {
        let Some(connection) = self.sockets.get_mut(key) else { return Ok(()) };
        let ip = connection.local_addr().map_err(|error| error.to_string())?.ip();
        connection.output.extend_from_slice(SampleReader::requests(&self.id, ip).as_bytes());
        self.phase = Phase::Asking { key, reader: SampleReader::default(), asked_at: now };
        Ok(())
    }

    /// Writes the requests, and reads lines. Between two samples no line comes, but an end may.
    fn read(&mut self, now: Millis) -> Result<Option<Sample>, String> {
        let (Phase::Asking { key, .. } | Phase::Idle { key, .. }) = self.phase else {
            return Ok(None);
        };
        let Some(connection) = self.sockets.get_mut(key) else { return Ok(None) };
        let lost = |error| format!("the command socket is lost: {error}");
        connection.flush(usize::MAX).map_err(lost)?;
        let filled = connection.fill(&mut self.scratch, usize::MAX).map_err(lost)?;
        let mut sample = None;
        while let Some(line) =
            connection.input.next_line(LINE_BYTES_HIGHEST).map_err(|error| error.to_string())?
        {
            let line = String::from_utf8_lossy(line);
            let Phase::Asking { reader, .. } = &mut self.phase else {
                return Err(format!("unexpected line: {line:?}"));
            };
            if let Some(found) = reader.take(&line, now).map_err(|error| error.to_string())? {
                sample = Some(found);
                self.phase = Phase::Idle { key, until: now.plus(TOP_INTERVAL_MS) };
            }
        }
        if matches!(filled, Fill::Eof(_)) {
            return Err("the coordinator closed the command socket".to_owned());
        }
        if let Phase::Asking { asked_at, .. } = &self.phase
            && asked_at.plus(TOP_REPLY_MS) <= now
        {
            return Err(format!("no answer in {} s", TOP_REPLY_MS.div_euclid(1000)));
        }
        Ok(sample)
    }
}
