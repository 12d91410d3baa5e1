//! Epochs: the current one, and the change to the next one.
//!
//! ```text
//!           BeginEpoch, or a seq that was
//!           never given out (`since`)             EpochCommitted
//!   current ─────────────────────────────► decided ─────────────► current
//!           Fact::NewEpoch is proposed             all message sockets are closed;
//!                                                  deferred connect-backs complete
//! ```

use std::collections::BTreeSet;

use super::ids::LinkId;
use crate::facts::FactIndex;
use crate::limits::NEW_EPOCH_PAUSE_MS;
use crate::protocol::Epoch;
use crate::time::Millis;

/// The current epoch, and the next one.
#[derive(Debug)]
pub(super) struct Epochs {
    current: Epoch,
    /// The next epoch: decided, not yet committed, not yet sent to anybody.
    decided: Option<(Epoch, FactIndex)>,
    /// Random epoch for the next decision, drawn in advance.
    drawn: Option<Epoch>,
    /// Time of the last new epoch that a member caused.
    decided_at: Option<Millis>,
    /// Connect-backs that succeeded after the decision: they complete in the next epoch, unless
    /// they end before.
    deferred: BTreeSet<LinkId>,
}

impl Epochs {
    pub(super) fn new(current: Epoch) -> Self {
        Self { current, decided: None, drawn: None, decided_at: None, deferred: BTreeSet::new() }
    }

    pub(super) fn current(&self) -> Epoch {
        self.current
    }

    pub(super) fn decided(&self) -> Epoch {
        self.decided.map_or(self.current, |(epoch, _)| epoch)
    }

    pub(super) fn decide(&mut self, epoch: Epoch, index: FactIndex) {
        self.decided = Some((epoch, index));
    }

    /// Makes the decided epoch the current one. Returns false if there is none.
    pub(super) fn begin(&mut self) -> bool {
        let decided = self.decided.take();
        self.current = decided.map_or(self.current, |(epoch, _)| epoch);
        decided.is_some()
    }

    pub(super) fn drawn(&mut self, epoch: Epoch) {
        self.drawn = Some(epoch);
    }

    /// Defers a connect-back to the next epoch. Returns false if no next epoch is decided.
    pub(super) fn defer(&mut self, link: LinkId) -> bool {
        if self.decided.is_some() {
            self.deferred.insert(link);
        }
        self.decided.is_some()
    }

    /// Returns the fact that decided the next epoch.
    pub(super) fn decided_index(&self) -> Option<FactIndex> {
        self.decided.map(|(_, index)| index)
    }

    /// Takes the drawn epoch, unless a next epoch is decided.
    pub(super) fn take_drawn(&mut self) -> Option<Epoch> {
        self.drawn.take_if(|_| self.decided.is_none())
    }

    /// Returns the drawn epoch, unless a member caused a new epoch a short time ago.
    pub(super) fn drawn_for_member(&self, now: Millis) -> Option<Epoch> {
        self.drawn.filter(|_| !self.is_recent(now))
    }

    /// Notes that a member causes a new epoch.
    pub(super) fn mark_caused_by_member(&mut self, now: Millis) {
        self.decided_at = Some(now);
    }

    /// Forgets a connect-back that has ended: it no longer completes.
    pub(super) fn end_deferred(&mut self, link: LinkId) {
        self.deferred.remove(&link);
    }

    /// Returns the deferred connect-backs.
    pub(super) fn deferred(&self) -> impl Iterator<Item = LinkId> {
        self.deferred.iter().copied()
    }

    /// Takes the deferred connect-backs.
    pub(super) fn take_deferred(&mut self) -> BTreeSet<LinkId> {
        std::mem::take(&mut self.deferred)
    }

    /// Returns true if a member caused a new epoch less than [`NEW_EPOCH_PAUSE_MS`] ago.
    fn is_recent(&self, now: Millis) -> bool {
        self.decided_at.is_some_and(|at| now < at.plus(NEW_EPOCH_PAUSE_MS))
    }
}
