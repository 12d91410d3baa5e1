//! Shuts the coordinator down. Replies and deliveries that are due are sent first, up to a timeout.

use crate::limits::{DRAIN_MS, PEER_CLOSE_MS};
use crate::time::Millis;

/// Deadlines of the shutdown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shutdown {
    /// Time at which the wait for sockets ends.
    until: Millis,
    /// Time at which the program ends in every case.
    ends_at: Millis,
    /// True if everything is written and our sides are shut down. Then the coordinator waits for
    /// the peers to close, because closing with unread bytes would make TCP discard written bytes.
    is_drained: bool,
    /// True if a signal has asked for the end: a journal can end a coordinator, too.
    is_asked: bool,
}

/// Outcome of a turn for the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnOutcome {
    /// Another turn follows.
    Continue,
    /// The shutdown is complete, or its timeout has expired.
    Done,
    /// A second signal came.
    CutShort,
}

/// Step of the shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShutdownStep {
    /// The wait goes on.
    Wait,
    /// All is written: now our sides are shut down, and the wait for the peers ends at this time.
    Drained(Millis),
    /// The timeout has expired. True: before everything was written.
    Expired(bool),
}

impl Shutdown {
    /// Begins the shutdown. The end of the journal may take `journal_ms`.
    pub(super) fn begin(journal_ms: u64, now: Millis) -> Self {
        let until = now.plus(DRAIN_MS.saturating_sub(journal_ms));
        Self { until, ends_at: now.plus(DRAIN_MS), is_drained: false, is_asked: false }
    }

    /// Counts requests of signals to end. Returns true if there is one beside the first one.
    pub(super) fn ask(&mut self, requests: usize) -> bool {
        let is_second = requests > usize::from(!self.is_asked);
        self.is_asked |= requests > 0;
        is_second
    }

    /// Returns true if a signal has asked for the end.
    #[cfg(any(feature = "engine", test))]
    pub(super) fn is_asked(self) -> bool {
        self.is_asked
    }

    /// Returns the time at which the wait for sockets ends.
    pub(super) fn until(self) -> Millis {
        self.until
    }

    /// Returns the time at which the program ends in every case.
    pub(super) fn ends_at(self) -> Millis {
        self.ends_at
    }

    /// Continues the shutdown. `is_drained` tells that everything is written.
    pub(super) fn advance(
        &mut self,
        is_drained: impl FnOnce() -> bool,
        now: Millis,
    ) -> ShutdownStep {
        if self.until <= now {
            return ShutdownStep::Expired(!self.is_drained);
        }
        if self.is_drained || !is_drained() {
            return ShutdownStep::Wait;
        }
        self.is_drained = true;
        self.until = self.until.min(now.plus(PEER_CLOSE_MS));
        ShutdownStep::Drained(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_waits_for_sockets_then_for_peers_and_not_longer_than_its_timeout() {
        let at = Millis::new;
        let mut shutdown = Shutdown::begin(100, at(0));
        assert_eq!(shutdown.until(), at(DRAIN_MS - 100));
        assert_eq!(shutdown.advance(|| false, at(5)), ShutdownStep::Wait);
        let mut late = shutdown;
        assert_eq!(late.advance(|| true, shutdown.until()), ShutdownStep::Expired(true));
        let until = at(6).plus(PEER_CLOSE_MS).min(shutdown.until());
        assert_eq!(shutdown.advance(|| true, at(6)), ShutdownStep::Drained(until));
        assert_eq!(shutdown.advance(|| true, at(7)), ShutdownStep::Wait);
        assert_eq!(shutdown.advance(|| true, until), ShutdownStep::Expired(false));
        assert_eq!(shutdown.ends_at(), at(DRAIN_MS));
    }

    #[test]
    fn the_second_signal_is_one_too_many_and_the_end_of_a_journal_is_no_signal() {
        let mut shutdown = Shutdown::begin(100, Millis::new(0));
        assert!(!shutdown.ask(0) && !shutdown.is_asked());
        assert!(!shutdown.ask(1) && shutdown.is_asked());
        assert!(!shutdown.ask(0));
        assert!(shutdown.ask(1));
        assert!(Shutdown::begin(100, Millis::new(0)).ask(2), "two at once");
    }
}
