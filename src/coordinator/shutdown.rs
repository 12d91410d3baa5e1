//! The end of the coordinator: what is due leaves first, within bounds.

use super::server::{Coordinator, CoordinatorTimer};
use crate::group::Input;
use crate::limits::{DRAIN_MS, JOURNAL_CLOSE_MS, PEER_CLOSE_MS};
use crate::net::{Key, Signal};
use crate::time::{Millis, Now};

/// The end of the coordinator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shutdown {
    /// Sockets are waited for no longer than this.
    until: Millis,
    /// The program ends at this time, whatever is left.
    pub(super) ends_at: Millis,
    /// All is written and our sides are shut down: only the peers' ends are waited for, as closing
    /// with bytes unread would have TCP throw away what has not arrived.
    is_drained: bool,
}

/// Decision about another turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnOutcome {
    /// There is.
    Continue,
    /// All that was due has left, or had its time to.
    Done,
    /// A second signal came.
    CutShort,
}

impl Coordinator {
    /// The first signal begins the shutdown; whether this was another one.
    pub(super) fn on_signal(&mut self, now: Now) -> bool {
        let signals = self.signals.drain();
        let mut asked = signals.iter().filter(|signal| **signal != Signal::Hangup).count();
        if signals.len() > asked {
            log::warn!(
                "SIGHUP: the config is not read again, and the coordinator goes on: restart it to \
                 apply changes of the config"
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
                log::warn!("shut down before everything due was sent");
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

    /// Returns true if every reply and every delivery that is due was sent.
    fn is_drained(&self) -> bool {
        self.is_idle()
            && self.journal.as_ref().is_none_or(|journal| journal.commits.is_idle())
            && self.peers.iter().all(|(_, peer)| peer.connection.output.is_empty())
            && !self.links.keys().any(|&link| self.group.is_due(link))
    }
}
