//! The command socket of `--top`: asks for a sample each second, and connects again after a
//! failure. Several coordinators are tried in turn, with a pause when all have failed.
//!
//! ```text
//!            1 s              addresses               connected            all lines
//!   pausing ─────▶ resolving ───────────▶ connecting ───────────▶ asking ◀───────────▶ idle
//!      ▲               │ error, timeout    │ no address is left      │         1 s      │
//!      └───────────────┴───────────────────┴─────────────────────────┴──────────────────┘
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use mio::Registry;
use mio::event::Event;

use super::sample::{Sample, SampleReader};
use crate::config::{Endpoints, Host};
use crate::limits::{LINE_BYTES_HIGHEST, TOP_INTERVAL_MS, TOP_REPLY_MS};
use crate::net::{Connection, Fill, Key, Pool, Scratch, Slots, SocketTable};
use crate::participant::dialer::{KnownCoordinator, Resolver};
use crate::participant::security::PeerSecurity;
use crate::time::Millis;

/// Bytes that one read takes.
const READ_BYTES: usize = 64 * 1024;

/// The coordinators, and the one that is asked for samples.
#[derive(Debug)]
pub(super) struct Source {
    coordinators: Vec<KnownCoordinator>,
    /// Position of the coordinator that is asked.
    current: usize,
    /// Failures since the last sample, or the last pause: at most one of each coordinator.
    failures: Vec<String>,
    security: PeerSecurity,
    id: String,
    /// The command socket. A table, because a late event of a closed socket must find nothing.
    sockets: Slots<Connection>,
    scratch: Scratch,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Pausing { until: Millis },
    Resolving { until: Millis },
    Connecting { key: Key, address: SocketAddr, until: Millis, others: OtherAddresses },
    Asking { key: Key, reader: SampleReader, asked_at: Millis },
    Idle { key: Key, until: Millis },
}

/// Addresses of the coordinator besides the one that is tried.
#[derive(Debug)]
struct OtherAddresses {
    untried: VecDeque<SocketAddr>,
    /// Errors of the addresses that were tried.
    failures: Vec<String>,
    /// Deadline of all connects.
    until: Millis,
}

impl Source {
    pub(super) fn new(
        coordinators: &Endpoints,
        security: PeerSecurity,
        id: &str,
        pool: &Pool,
    ) -> io::Result<Self> {
        Ok(Self {
            coordinators: KnownCoordinator::all(coordinators, pool)?,
            current: 0,
            failures: Vec::new(),
            security,
            id: id.to_owned(),
            sockets: Slots::new(SocketTable::Command),
            scratch: Scratch::new(READ_BYTES),
            phase: Phase::Pausing { until: Millis::ZERO },
        })
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
            | Phase::Resolving { until }
            | Phase::Connecting { until, .. }
            | Phase::Idle { until, .. } => *until,
        }
    }

    /// Returns the name of the coordinator that is asked.
    pub(super) fn coordinator(&self) -> String {
        let current = self.coordinators.get(self.current);
        current.map(|coordinator| coordinator.endpoint.to_string()).unwrap_or_default()
    }

    /// Continues, and returns a sample that is complete now. When all coordinators have failed, it
    /// returns their errors, and the next call connects again when its pause is over.
    pub(super) fn advance(
        &mut self,
        registry: &Registry,
        now: Millis,
    ) -> Result<Option<Sample>, String> {
        let failure = match self.try_advance(registry, now) {
            Ok(sample) => {
                if sample.is_some() {
                    self.failures.clear();
                }
                return Ok(sample);
            }
            Err(failure) => failure,
        };
        if let Phase::Connecting { key, .. } | Phase::Asking { key, .. } | Phase::Idle { key, .. } =
            self.phase
        {
            self.sockets.remove(key);
        }
        self.failures.push(failure);
        let next = self.current.saturating_add(1);
        self.current = if next < self.coordinators.len() { next } else { 0 };
        if self.failures.len() < self.coordinators.len() {
            self.phase = Phase::Pausing { until: now };
            return Ok(None);
        }
        self.phase = Phase::Pausing { until: now.plus(TOP_INTERVAL_MS) };
        Err(std::mem::take(&mut self.failures).join("; "))
    }

    fn try_advance(&mut self, registry: &Registry, now: Millis) -> Result<Option<Sample>, String> {
        match &mut self.phase {
            Phase::Pausing { until } if *until > now => return Ok(None),
            Phase::Pausing { .. } => return self.resolve(registry, now).map(|()| None),
            Phase::Resolving { until } => {
                let is_late = *until <= now;
                return self.take_addresses(registry, is_late, now).map(|()| None);
            }
            Phase::Connecting { key, address, until, others } => {
                let (key, is_late) = (*key, *until <= now);
                let Some(connection) = self.sockets.get_mut(key) else { return Ok(None) };
                let failure = match connection.is_writable().then(|| connection.connected()) {
                    Some(Ok(true)) => {
                        self.security.on_connected(connection);
                        return self.ask(key, now).and_then(|()| self.read(now));
                    }
                    Some(Ok(false)) | None if !is_late => return Ok(None),
                    Some(Ok(false)) | None => self.security.explain_silence(connection).to_owned(),
                    Some(Err(error)) => self.security.explain(&error),
                };
                others.failures.push(format!("{address}: {failure}"));
                let others = others.take();
                self.sockets.remove(key);
                return self.connect(others, registry, now).map(|()| None);
            }
            Phase::Idle { key, until } if *until <= now => {
                let key = *key;
                self.ask(key, now)?;
            }
            Phase::Idle { .. } | Phase::Asking { .. } => (),
        }
        self.read(now)
    }

    /// Begins a lookup of the name. An address needs none.
    fn resolve(&mut self, registry: &Registry, now: Millis) -> Result<(), String> {
        let Some(KnownCoordinator { endpoint, resolver }) = self.coordinators.get_mut(self.current)
        else {
            return Ok(());
        };
        match (&endpoint.host, resolver) {
            (Host::Name(_), Some(resolver)) => {
                resolver.ask();
                self.phase = Phase::Resolving { until: now.plus(TOP_REPLY_MS) };
                Ok(())
            }
            (Host::Address(ip), _) => {
                let address = SocketAddr::new(*ip, endpoint.port);
                self.connect(OtherAddresses::new([address].into(), now), registry, now)
            }
            (Host::Name(_), None) => Ok(()), // A name has a resolver.
        }
    }

    fn take_addresses(
        &mut self,
        registry: &Registry,
        is_late: bool,
        now: Millis,
    ) -> Result<(), String> {
        let Some(KnownCoordinator { endpoint, resolver }) = self.coordinators.get_mut(self.current)
        else {
            return Ok(());
        };
        match resolver.as_mut().and_then(Resolver::answer) {
            Some(Ok(found)) if found.is_empty() => {
                Err(format!("{endpoint}: the name has no usable address"))
            }
            Some(Ok(found)) => self.connect(OtherAddresses::new(found.into(), now), registry, now),
            Some(Err(error)) => Err(format!("{endpoint}: cannot be resolved: {error}")),
            None if is_late => Err(format!(
                "{endpoint}: cannot be resolved: no answer in {} s",
                TOP_REPLY_MS.div_euclid(1000)
            )),
            None => Ok(()),
        }
    }

    /// Connects to the next address. Each one has its share of the time.
    fn connect(
        &mut self,
        mut others: OtherAddresses,
        registry: &Registry,
        now: Millis,
    ) -> Result<(), String> {
        loop {
            let left = u64::try_from(others.untried.len()).unwrap_or(u64::MAX).max(1);
            let until = now.plus(others.until.since(now).div_euclid(left));
            let Some(address) = others.untried.pop_front() else {
                return Err(format!("cannot connect to {}", others.failures.join("; ")));
            };
            match self.add(address, registry) {
                Ok(key) => {
                    self.phase = Phase::Connecting { key, address, until, others };
                    return Ok(());
                }
                Err(error) => others.failures.push(format!("{address}: {error}")),
            }
        }
    }

    fn add(&mut self, address: SocketAddr, registry: &Registry) -> io::Result<Key> {
        let connection = self.security.client(Connection::connect(address)?)?;
        let key = self.sockets.insert(connection);
        let added = self.sockets.get_mut(key).map_or(Ok(()), |it| it.register(registry, key));
        if added.is_err() {
            self.sockets.remove(key);
        }
        added.map(|()| key)
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

impl OtherAddresses {
    fn new(untried: VecDeque<SocketAddr>, now: Millis) -> Self {
        Self { untried, failures: Vec::new(), until: now.plus(TOP_REPLY_MS) }
    }

    /// Takes everything. The connect to which it belongs has ended.
    fn take(&mut self) -> Self {
        let (untried, failures) =
            (std::mem::take(&mut self.untried), std::mem::take(&mut self.failures));
        Self { untried, failures, until: self.until }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    fn localhost() -> TcpListener {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
    }

    fn source(poll: &Poll, host: &str, port: u16) -> Source {
        let pool = Pool::new(poll.registry()).unwrap();
        let coordinators = Endpoints::of_test(&[(host, port)]);
        Source::new(&coordinators, PeerSecurity::default(), "viewer", &pool).unwrap()
    }

    /// Advances until the result or the phase is another one.
    fn advance(source: &mut Source, poll: &mut Poll, now: Millis) -> Result<(), String> {
        let is_waiting =
            |phase: &Phase| matches!(phase, Phase::Resolving { .. } | Phase::Connecting { .. });
        let mut events = Events::with_capacity(8);
        while is_waiting(&source.phase) {
            poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap();
            assert!(!events.is_empty(), "nothing happens: {:?}", source.phase);
            events.iter().for_each(|event| source.on_event(event));
            source.advance(poll.registry(), now)?;
        }
        Ok(())
    }

    #[test]
    fn all_addresses_of_a_name_are_tried_before_a_failure() {
        let mut poll = Poll::new().unwrap();
        let mut source = source(&poll, "hub", 5000);
        let closed: Vec<SocketAddr> =
            (0..2).map(|_| localhost()).map(|it| it.local_addr().unwrap()).collect();
        let (open, now) = (localhost(), Millis::new(1_000));
        let addresses = [closed[0], closed[1], open.local_addr().unwrap()];
        let others = OtherAddresses::new(addresses.into(), now);
        source.connect(others, poll.registry(), now).unwrap();
        advance(&mut source, &mut poll, now).unwrap();
        assert!(matches!(source.phase, Phase::Asking { .. }), "{:?}", source.phase);

        let others = OtherAddresses::new(closed.clone().into(), now);
        source.connect(others, poll.registry(), now).unwrap();
        let failed = advance(&mut source, &mut poll, now).unwrap_err();
        assert!(closed.iter().all(|it| failed.contains(&format!("{it}: "))), "{failed}");
        assert!(matches!(source.phase, Phase::Pausing { .. }), "{:?}", source.phase);
    }

    #[test]
    fn an_address_that_does_not_answer_has_its_share_of_the_time() {
        let poll = Poll::new().unwrap();
        let mut source = source(&poll, "hub", 5000);
        let (open, now) = (localhost(), Millis::new(1_000));
        let address = open.local_addr().unwrap();
        let others = OtherAddresses::new([address, address].into(), now);
        source.connect(others, poll.registry(), now).unwrap();
        // No event is read, so the connect is not known to have succeeded.
        let half = now.plus(TOP_REPLY_MS / 2);
        assert_eq!(source.deadline(), half);
        assert_eq!(source.advance(poll.registry(), half), Ok(None));
        assert_eq!(source.deadline(), now.plus(TOP_REPLY_MS));
        let failed = source.advance(poll.registry(), now.plus(TOP_REPLY_MS)).unwrap_err();
        assert_eq!(failed.matches("no answer").count(), 2, "{failed}");
    }

    #[test]
    fn a_lookup_does_not_block() {
        let mut poll = Poll::new().unwrap();
        let open = localhost();
        let mut source = source(&poll, "localhost", open.local_addr().unwrap().port());
        let now = Millis::new(1_000);
        assert_eq!(source.advance(poll.registry(), now), Ok(None));
        assert!(matches!(source.phase, Phase::Resolving { .. }), "{:?}", source.phase);
        assert_eq!(source.deadline(), now.plus(TOP_REPLY_MS));
        advance(&mut source, &mut poll, now).unwrap();
        assert!(matches!(source.phase, Phase::Asking { .. }), "{:?}", source.phase);
    }
}
