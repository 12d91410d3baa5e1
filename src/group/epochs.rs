//! Epochs: the current one, and the change to the next one.
//!
//! ```text
//!           BeginEpoch, or a seq that was
//!           never given out (`since`)             EpochCommitted
//!   current ─────────────────────────────► decided ─────────────► current
//!           Fact::NewEpoch is proposed             all message sockets are closed;
//!                                                  deferred connect-backs complete
//! ```

use super::ids::LinkId;
use super::ids::Ticket;
use super::{ChangeKind, Effect, Group, OfflineCause};
use crate::facts::{Fact, FactIndex, Journal, Recorded};
use crate::limits::NEW_EPOCH_PAUSE_MS;
use crate::protocol::{Epoch, Malformed, Options, RequestError};
use crate::time::{Millis, Now};

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
    /// Connect-backs that succeeded after the decision: they complete in the next epoch.
    deferred: Vec<LinkId>,
}

impl Epochs {
    pub(super) fn new(current: Epoch) -> Self {
        Self { current, decided: None, drawn: None, decided_at: None, deferred: Vec::new() }
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
            self.deferred.push(link);
        }
        self.decided.is_some()
    }

    /// Returns true if a member caused a new epoch less than [`NEW_EPOCH_PAUSE_MS`] ago.
    fn is_recent(&self, now: Millis) -> bool {
        self.decided_at.is_some_and(|at| now < at.plus(NEW_EPOCH_PAUSE_MS))
    }
}

impl Group {
    /// Begins a new epoch if `since` names a seq of this epoch above the last one given out. Such a
    /// seq was given out before an older copy replaced the journal, so the seqs went back.
    ///
    /// Any member can name any seq, so this happens at most once in [`NEW_EPOCH_PAUSE_MS`].
    pub(super) fn check_since(
        &mut self,
        id: &str,
        options: &Options<'_>,
        now: Now,
        journal: &mut impl Journal<Self>,
    ) -> Result<(), RequestError> {
        let last = self.history.last();
        let Some(since) = options.since.filter(|since| since.epoch == self.epoch()) else {
            return Ok(());
        };
        if since.seq <= last || self.epochs.decided.is_some() {
            return Ok(()); // A seq of an epoch that ends means nothing in the next one.
        }
        let begins = self.epochs.drawn.filter(|_| !self.epochs.is_recent(now.steady));
        let Some(begins) = begins else { return Err(Malformed::SinceAbove(last).into()) };
        self.check_journal()?;
        self.epochs.decided_at = Some(now.steady);
        self.report_change(id.into(), ChangeKind::NumberNotGivenOut { named: since, last, begins });
        self.on_begin_epoch(now, journal);
        Ok(())
    }

    pub(super) fn on_begin_epoch(&mut self, now: Now, journal: &mut impl Journal<Self>) {
        let Some(epoch) = self.epochs.drawn.take_if(|_| self.epochs.decided.is_none()) else {
            return;
        };
        self.effects.push_back(Effect::DrawEpoch);
        journal.propose(Fact::NewEpoch { epoch }, Ticket::Nobody, self, now);
    }

    /// Returns true if the decided epoch is committed. [`Input::EpochCommitted`] begins it.
    ///
    /// [`Input::EpochCommitted`]: super::Input::EpochCommitted
    #[must_use]
    pub fn is_epoch_due(&self) -> bool {
        self.epochs.decided.is_some_and(|(_, index)| index <= self.order.committed)
    }

    /// Begins the decided epoch. Seqs of the old epoch in `since` and acks no longer count.
    pub(super) fn on_epoch_committed(&mut self, now: Now, journal: &mut impl Journal<Self>) {
        if !self.epochs.begin() {
            return;
        }
        for link in self.links.all_open() {
            self.on_link_end(link, OfflineCause::NewEpoch);
        }
        for link in std::mem::take(&mut self.epochs.deferred) {
            self.on_connected(link, now, journal);
        }
    }
}
