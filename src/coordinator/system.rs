//! The poll, the clocks and the signals of the loop.

use std::io;

use mio::{Events, Poll, Registry};

use crate::net::{Clock, Signal, Signals, wait};
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

    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
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
    ) -> io::Result<()> {
        let now = self.now().steady;
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
