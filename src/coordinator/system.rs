//! The poll, the clocks and the signals of the loop: the platform of the program.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpListener;
use mio::{Events, Poll};

use super::journal::WriterThread;
use super::platform::Platform;
use crate::net::{Clock, Connection, Key, Signal, Signals, Transport, wait};
use crate::protocol::KeyName;
use crate::time::{Millis, Now};

/// Sources of events, and the time.
#[derive(Debug)]
pub(super) struct System {
    poll: Poll,
    clock: Clock,
    signals: Signals,
}

impl System {
    pub(super) fn new(poll: Poll, clock: Clock, signals: Signals) -> Self {
        Self { poll, clock, signals }
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
        wait(&mut self.poll, events, now, self.clock.wake_by(deadline, now))
    }

    /// Takes the signals since the last call. Returns the number of requests to end, and true if
    /// there was a SIGHUP.
    pub(super) fn take_signals(&mut self) -> (usize, bool) {
        let signals = self.signals.drain();
        let asked = signals.iter().filter(|signal| **signal != Signal::Hangup).count();
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
        _: Option<KeyName>,
    ) -> io::Result<Connection> {
        match from {
            Some(from) => Connection::connect_from(from, address),
            None => Connection::connect(address),
        }
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
