//! Shuts the coordinator down. Replies and deliveries that are due are sent first, up to a timeout.

use super::server::{Coordinator, CoordinatorTimer};
use crate::group::Input;
use crate::limits::{DRAIN_MS, JOURNAL_CLOSE_MS, PEER_CLOSE_MS};
use crate::net::{Key, Signal};
use crate::time::{Millis, Now};

/// Deadlines of the shutdown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shutdown {
    /// Time at which the wait for sockets ends.
    until: Millis,
    /// Time at which the program ends in every case.
    pub(super) ends_at: Millis,
    /// True if everything is written and our sides are shut down. Then the coordinator waits for
    /// the peers to close, because closing with unread bytes would make TCP discard written bytes.
    is_drained: bool,
}

/// Outcome of a turn for the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnOutcome {
    /// Another turn follows.
    Continue,
    /// The shutdown is complete, or its timeout has expired.
    Done,
    /// A second signal came.
    CutShort,
}

impl Coordinator {
    /// Handles signals. The first one begins the shutdown. Returns true for a second one.
    pub(super) fn on_signal(&mut self, now: Now) -> bool {
        let signals = self.signals.drain();
        let mut asked = signals.iter().filter(|signal| **signal != Signal::Hangup).count();
        if signals.len() > asked {
            log::warn!(
                "SIGHUP: ignored, the config is not read again. To apply changes of the config, \
                 restart the coordinator"
            );
        }
        if asked > 0 && self.shutdown.is_none() {
            asked -= 1;
            log::info!("shutting down");
            self.acceptor = None;
            let for_journal = if self.journal.is_some() { JOURNAL_CLOSE_MS } else { 0 };
            let until = now.steady.plus(DRAIN_MS.saturating_sub(for_journal));
            let ends_at = now.steady.plus(DRAIN_MS);
            self.shutdown = Some(Shutdown { until, ends_at, is_drained: false });
            self.timers.insert(until, CoordinatorTimer::Shutdown);
            self.group.handle(Input::ShutDown, now);
            self.refuse_lists();
            let keys: Vec<Key> = self.peers.iter().map(|(key, _)| key).collect();
            keys.into_iter().for_each(|key| self.schedule_flush(key));
        }
        asked > 0
    }

    pub(super) fn outcome(&mut self, now: Millis) -> TurnOutcome {
        let Some(Shutdown { until, ends_at, is_drained }) = self.shutdown else {
            return TurnOutcome::Continue;
        };
        if until <= now {
            if !is_drained {
                self.send_byes();
                log::warn!("shutdown timeout: some replies or messages were not sent");
            }
            return TurnOutcome::Done;
        }
        if !is_drained && self.is_drained() {
            let until = until.min(now.plus(PEER_CLOSE_MS));
            self.timers.insert(until, CoordinatorTimer::Shutdown);
            self.shutdown = Some(Shutdown { until, ends_at, is_drained: true });
            self.send_byes();
            for (_, peer) in self.peers.iter() {
                // If this fails, the peer is gone already.
                let _ = peer.connection.shutdown_write();
            }
        }
        if self.peers.is_empty() { TurnOutcome::Done } else { TurnOutcome::Continue }
    }

    /// Returns true if every due reply and delivery was sent.
    fn is_drained(&self) -> bool {
        self.is_idle()
            && self.journal.as_ref().is_none_or(|journal| journal.commits.is_idle())
            && self.peers.iter().all(|(_, peer)| peer.connection.output.is_empty())
            && !self.links.keys().any(|&link| self.group.is_due(link))
    }
}
