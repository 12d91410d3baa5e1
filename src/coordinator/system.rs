//! The poll, the clocks and the signals of the loop: the platform of the program.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpListener;
use mio::{Events, Poll};

use super::journal::WriterThread;
use super::platform::Platform;
use super::security::Security;
#[cfg(feature = "tls")]
use super::tls::TlsSides;
use crate::access::{CaCheck, Credentials};
use crate::config::{ConfigError, ConfigSource, CoordinatorConfig, CoordinatorRun, Fifos};
use crate::limits::tls::TURN_HANDSHAKES_MS;
use crate::net::{Clock, Connection, Key, ServiceManager, Signal, Signals, Transport, wait};
use crate::protocol::KeyName;
use crate::time::{Millis, Now, UnixMillis};

/// Config as it was loaded, and its sources.
#[derive(Debug)]
pub(super) struct ReloadableConfig {
    source: ConfigSource,
    running: CoordinatorConfig,
}

impl ReloadableConfig {
    pub(super) fn new(run: &CoordinatorRun) -> Self {
        Self { source: run.source.clone(), running: run.config.clone() }
    }

    /// Loads the config again.
    pub(super) fn load(&self) -> Result<CoordinatorConfig, ConfigError> {
        self.source.load(Fifos::Refused)
    }

    /// Returns the config that is in force. With port 0 it names no port.
    pub(super) fn running(&self) -> &CoordinatorConfig {
        &self.running
    }

    pub(super) fn change(&mut self, config: CoordinatorConfig) {
        self.running = config;
    }
}

/// Sources of events, and the time.
#[derive(Debug)]
pub(super) struct System {
    poll: Poll,
    clock: Clock,
    signals: Signals,
    service: ServiceManager,
    config: ReloadableConfig,
    /// Time of the first step of a handshake in this turn.
    handshakes_since: Option<Millis>,
    #[cfg(feature = "tls")]
    tls: Option<TlsSides>,
}

impl System {
    pub(super) fn new(
        poll: Poll,
        clock: Clock,
        (signals, service): (Signals, ServiceManager),
        run: &CoordinatorRun,
    ) -> Self {
        Self {
            poll,
            clock,
            signals,
            service,
            config: ReloadableConfig::new(run),
            handshakes_since: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Returns the config that SIGHUP reads again.
    pub(super) fn config(&mut self) -> &mut ReloadableConfig {
        &mut self.config
    }

    /// Applies the contents of the files to new connections. Returns true if other CAs than before
    /// vouch for clients.
    ///
    /// # Errors
    ///
    /// An error of the cryptography. Nothing has changed.
    #[cfg_attr(
        not(feature = "tls"),
        expect(
            clippy::unnecessary_wraps,
            clippy::needless_pass_by_value,
            reason = "only TLS takes the files, and only TLS can fail"
        )
    )]
    #[cfg(not(feature = "tls"))]
    pub(super) fn secure(&mut self, security: Security) -> io::Result<bool> {
        let Security { access: _ } = security;
        Ok(false)
    }
    #[cfg(feature = "tls")]
    pub(super) fn secure(&mut self, security: Security) -> io::Result<bool> {
        let tls = security.tls.map(TlsSides::new).transpose()?;
        let before = std::mem::replace(&mut self.tls, tls);
        let both = before.as_ref().zip(self.tls.as_ref());
        Ok(both.is_some_and(|(before, now)| !before.has_same_roots(now)))
    }

    /// Checks the certificates of a client again. Returns the result if it is another one.
    #[cfg_attr(not(feature = "tls"), expect(clippy::unused_self, reason = "only TLS has CAs"))]
    pub(super) fn check_again(&self, shown: &Credentials, now: UnixMillis) -> Option<CaCheck> {
        #[cfg(feature = "tls")]
        let result = self.tls.as_ref()?.check_again(shown, now);
        #[cfg(not(feature = "tls"))]
        let (result, _) = (None, (shown, now));
        result
    }

    /// Returns the service manager.
    pub(super) fn service(&self) -> &ServiceManager {
        &self.service
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Handles an event of the clock. Every turn reads both clocks.
    pub(super) fn on_clock_event(&self) {
        self.clock.on_event();
    }

    /// Sleeps until an event or `deadline`, or until the clocks must be checked.
    pub(super) fn sleep(
        &mut self,
        events: &mut Events,
        deadline: Option<Millis>,
        now: Millis,
    ) -> io::Result<()> {
        self.handshakes_since = None;
        self.service.on_turn(now);
        let deadline = self.service.deadline(deadline);
        wait(&mut self.poll, events, now, self.clock.wake_by(deadline, now))
    }

    /// Takes the signals since the last call. Returns the number of requests to end, and true if
    /// there was a SIGHUP.
    pub(super) fn take_signals(&mut self) -> (usize, bool) {
        let signals = self.signals.drain();
        let asked = signals.iter().filter(|signal| **signal != Signal::Hangup).count();
        if asked > 0 {
            self.service.stopping();
        }
        (asked, signals.len() > asked)
    }
}

impl Platform for System {
    type Stream = Transport;
    type Listener = TcpListener;
    type Writer = WriterThread;
    type Observer = ();

    fn connect(
        &mut self,
        from: Option<IpAddr>,
        address: SocketAddr,
        key: Option<KeyName>,
    ) -> io::Result<Connection> {
        let connection = match from {
            Some(from) => Connection::connect_from(from, address),
            None => Connection::connect(address),
        }?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.connect(connection, key);
        }
        #[cfg(not(feature = "tls"))]
        let _ = key;
        Ok(connection)
    }

    #[cfg(feature = "tls")]
    fn begin(&mut self, connection: Connection) -> io::Result<Connection> {
        match &self.tls {
            Some(tls) => tls.accept(connection),
            None => Ok(connection),
        }
    }

    fn has_handshake_time(&mut self) -> bool {
        let now = self.clock.now().steady;
        now.since(*self.handshakes_since.get_or_insert(now)) < TURN_HANDSHAKES_MS
    }

    #[cfg(feature = "tls")]
    fn credentials(&self, connection: &Connection, now: UnixMillis) -> Credentials {
        self.tls.as_ref().map_or(Credentials::Plain, |tls| tls.credentials(connection, now))
    }

    #[cfg(feature = "tls")]
    fn answer_in_plain_text(&mut self, connection: &mut Connection) -> bool {
        connection.answer_in_plain_text()
    }

    fn register(&mut self, connection: &mut Connection, key: Key) -> io::Result<()> {
        connection.register(self.poll.registry(), key)
    }

    fn reregister(&mut self, connection: &mut Connection, key: Key) -> io::Result<()> {
        connection.reregister(self.poll.registry(), key)
    }

    fn random(&mut self) -> io::Result<u64> {
        getrandom::u64().map_err(io::Error::other)
    }
}
