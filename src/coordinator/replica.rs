//! The group with the journal that orders and commits its facts.

use std::ops::Deref;

use super::journal::{GroupJournal, WriterThread};
use super::platform::{Observer, WriterQueue};
use crate::group::{Effect, Group, Input, Rules};
use crate::journal::{JournalEnd, Progress};
use crate::time::Now;

/// A group whose facts go through a journal. All inputs take this way; queries go to the group.
#[derive(Debug)]
pub struct Replica<W = WriterThread, O = ()> {
    group: Group,
    pub(super) journal: GroupJournal<W>,
    observer: O,
}

impl<W: WriterQueue, O: Observer> Replica<W, O> {
    /// Makes a replica of a group and its journal.
    pub fn new(group: Group, journal: GroupJournal<W>, observer: O) -> Self {
        Self { group, journal, observer }
    }

    /// Handles one input. The journal orders the facts that follow from the input.
    #[inline]
    pub(super) fn handle(&mut self, input: Input<'_>, now: Now) {
        self.pass(input, now);
        self.report_fullness(now);
    }

    /// Passes one input to the group, and shows it to the observer.
    #[inline]
    fn pass(&mut self, input: Input<'_>, now: Now) {
        self.observer.before_input(&input, now);
        self.group.handle(input, now, &mut self.journal);
        self.observer.after_input(&self.group, now);
    }

    /// Puts other settings of the group in force.
    pub(super) fn change_rules(&mut self, rules: &Rules, now: Now) {
        self.handle(Input::RulesChanged { rules }, now);
        self.journal.on_rules_changed(&self.group);
    }

    /// Returns the next effect, in order.
    pub(super) fn poll_effect(&mut self, now: Now) -> Option<Effect> {
        let effect = self.group.poll_effect();
        self.observer.on_effect(effect.as_ref(), &self.group, now);
        effect
    }

    /// Passes the reports of the journal to the group. Returns true if facts were committed.
    pub(super) fn take_committed(&mut self, now: Now) -> bool {
        #[cfg(feature = "engine")]
        if matches!(self.journal, GroupJournal::Site(_)) {
            return self.take_listed(now);
        }
        let Progress { done, fails, .. } = self.journal.take_progress(now.steady);
        if let Some(fails) = fails {
            self.handle(Input::JournalFails(fails), now);
        }
        if let Some(through) = done {
            self.handle(Input::Committed { through }, now);
        }
        self.report_fullness(now);
        done.is_some()
    }

    /// Applies what the list of several sites says. Returns true if facts were applied.
    #[cfg(feature = "engine")]
    fn take_listed(&mut self, now: Now) -> bool {
        let GroupJournal::Site(site) = &mut self.journal else { return false };
        let has_applied = site.advance(&mut self.group, now);
        if let Some(fails) = site.journal.take_failing() {
            self.handle(Input::JournalFails(fails), now);
        }
        self.report_fullness(now);
        has_applied
    }

    /// Continues the end of the journal, and returns its outcome.
    pub(super) fn journal_end(&mut self, now: Now) -> JournalEnd {
        self.journal.end(&mut self.group, now)
    }

    /// Ends a turn: the facts of the turn become a commit.
    pub(super) fn commit(&mut self, now: Now, random: impl FnMut() -> Option<u64>) {
        self.journal.commit(&mut self.group, now, random);
    }

    /// Begins the end of the journal.
    pub(super) fn close_journal(&mut self, now: Now) {
        self.journal.close(&mut self.group, now);
    }

    #[inline]
    fn report_fullness(&mut self, now: Now) {
        if let Some(is_full) = self.journal.take_fullness() {
            self.on_fullness(is_full, now);
        }
    }

    #[cold]
    fn on_fullness(&mut self, is_full: bool, now: Now) {
        if is_full {
            let (bytes, storage) = (self.journal.waiting_bytes(), self.journal.storage());
            log::warn!(
                "journal: the {storage} is slow: {bytes} bytes wait for it; until fewer bytes \
                 wait, requests that need the journal get ERR 506"
            );
        }
        self.pass(Input::JournalFull(is_full), now);
    }
}

impl<W, O> Deref for Replica<W, O> {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.group
    }
}
