//! The coordinators of a participant, which are tried in turn.
//!
//! ```text
//!            fails              fails               fails
//!   first ──────────▶ second ──────────▶ ... last ──────────▶ pause, then the first
//!           at once            at once
//! ```
//!
//! With one coordinator, a pause follows each failure.

use std::net::SocketAddr;

use super::{NextAttempt, Reason};
use crate::limits::MISSED_REPLIES_MAX;

/// The coordinators, and the one in use.
#[derive(Debug, Default)]
pub(super) struct Coordinators {
    /// Addresses or names with their ports, as the user writes them.
    names: Box<[Box<str>]>,
    /// Position of the coordinator in use: the next dial goes to it.
    current: usize,
    /// Position of the coordinator of the last dial.
    dialed: usize,
    /// Number of coordinators that have failed since the last pause.
    failed: usize,
    /// Number of replies in a row that the coordinator of the last dial has not sent in time.
    missed_replies: u32,
    /// Address of the last command socket.
    address: Option<SocketAddr>,
    /// Position and address of the coordinator that was shown last as connected.
    shown: Option<(usize, SocketAddr)>,
    /// The failure of each coordinator that was shown last, with its position.
    reported: Vec<(usize, Reason)>,
}

/// Step after the failure of a coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failover {
    /// The next coordinator is in use now, and is tried at once.
    AtOnce,
    /// The coordinator that has failed is no longer in use. The present one is tried at once.
    Done,
    /// All coordinators have failed, one after the other: a pause follows.
    AfterPause,
}

impl Coordinators {
    pub(super) fn new(names: Box<[Box<str>]>) -> Self {
        Self { names, ..Self::default() }
    }

    pub(super) const fn has_several(&self) -> bool {
        self.names.len() > 1
    }

    /// Returns the number of the coordinator in use, from 1, and of all; `None` if there is only
    /// one.
    pub(super) fn position(&self) -> Option<(usize, usize)> {
        self.has_several().then(|| (self.current.saturating_add(1), self.names.len()))
    }

    /// Returns the name of the coordinator in use.
    pub(super) fn name(&self) -> Box<str> {
        self.names.get(self.current).cloned().unwrap_or_default()
    }

    /// Returns the name of the coordinator of the last dial.
    pub(super) fn dialed_name(&self) -> Box<str> {
        self.names.get(self.dialed).cloned().unwrap_or_default()
    }

    /// Returns the address of the last command socket.
    pub(super) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the next attempt, which begins after a pause.
    pub(super) fn next_attempt(&self, ms: u64) -> NextAttempt {
        NextAttempt { ms, coordinator: self.has_several().then(|| self.name()) }
    }

    /// Returns the position of the coordinator to dial.
    pub(super) const fn dial(&mut self) -> usize {
        if self.is_left() {
            self.missed_replies = 0;
        }
        self.dialed = self.current;
        self.dialed
    }

    /// A line has come on the command socket.
    pub(super) const fn on_line(&mut self) {
        self.missed_replies = 0;
    }

    /// A reply has not come in time.
    pub(super) const fn on_missed_reply(&mut self) {
        self.missed_replies = self.missed_replies.saturating_add(1);
    }

    /// Returns true if the coordinator of the last dial has not sent the last reply in time.
    pub(super) const fn is_silent(&self) -> bool {
        self.missed_replies > 0
    }

    /// Returns true if the coordinator of the last dial has missed so many replies that the next
    /// coordinator is better, although this one keeps its sockets open.
    pub(super) const fn is_silent_for_long(&self) -> bool {
        self.has_several() && self.missed_replies >= MISSED_REPLIES_MAX
    }

    /// Returns true if the coordinator of the last dial is no longer in use.
    pub(super) const fn is_left(&self) -> bool {
        self.dialed != self.current
    }

    /// The command socket is connected. Returns its address if there is one coordinator, and the
    /// address is a new one.
    pub(super) fn on_dialed(&mut self, address: SocketAddr) -> Option<SocketAddr> {
        self.address = Some(address);
        if self.has_several() { None } else { self.show() }
    }

    /// The coordinator of the command socket serves this participant: it stays in use. Returns its
    /// address if there are several coordinators, and another one was shown last.
    pub(super) fn on_ok(&mut self) -> Option<SocketAddr> {
        self.stay();
        if self.has_several() { self.show() } else { None }
    }

    /// The coordinator of the last dial stays in use.
    pub(super) const fn stay(&mut self) {
        self.current = self.dialed;
    }

    fn show(&mut self) -> Option<SocketAddr> {
        let shown = (self.dialed, self.address?);
        (self.shown.replace(shown) != Some(shown)).then_some(shown.1)
    }

    /// A request of the user, or a message socket that was open for a while, shows that the
    /// coordinator serves: all coordinators are tried again before the next pause.
    pub(super) fn on_served(&mut self) {
        self.failed = 0;
        self.reported.clear();
    }

    /// The coordinator of the last dial does not serve this participant now: uses the next one.
    pub(super) fn fail_over(&mut self) -> Failover {
        if self.is_left() {
            return Failover::Done;
        }
        let next = self.current.saturating_add(1);
        self.current = if next < self.names.len() { next } else { 0 };
        self.failed = self.failed.saturating_add(1);
        if self.failed < self.names.len() {
            return Failover::AtOnce;
        }
        self.failed = 0;
        Failover::AfterPause
    }

    /// Returns true if this failure of the coordinator of the last dial was not shown last.
    pub(super) fn must_report(&mut self, why: &Reason) -> bool {
        let failure = (self.dialed, why.clone());
        let is_new = !self.reported.contains(&failure);
        if is_new {
            self.reported.retain(|(coordinator, _)| *coordinator != self.dialed);
            self.reported.push(failure);
        }
        is_new
    }

    pub(super) fn check(&self) {
        let count = self.names.len().max(1);
        assert!(self.current < count && self.dialed < count, "a position of a coordinator");
        assert!(self.failed < count, "a pause follows when all have failed");
        assert!(self.reported.len() <= count, "one failure for each coordinator");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinators(count: usize) -> Coordinators {
        Coordinators::new((0..count).map(|number| format!("hub{number}:5000").into()).collect())
    }

    /// Dials and fails. Returns the name of the coordinator that is used next.
    fn fail(coordinators: &mut Coordinators) -> (Failover, Box<str>) {
        coordinators.dial();
        let failover = coordinators.fail_over();
        coordinators.check();
        (failover, coordinators.name())
    }

    #[test]
    fn a_pause_follows_when_all_have_failed_and_not_before() {
        for count in 1..=4 {
            let mut coordinators = coordinators(count);
            for round in 0..3 {
                for number in 1..=count {
                    let expected = match number < count {
                        true => (Failover::AtOnce, format!("hub{number}:5000").into()),
                        false => (Failover::AfterPause, "hub0:5000".into()),
                    };
                    assert_eq!(fail(&mut coordinators), expected, "count={count} round={round}");
                }
            }
        }
    }

    #[test]
    fn a_coordinator_fails_once_until_the_next_dial() {
        let mut coordinators = coordinators(3);
        assert_eq!(fail(&mut coordinators).0, Failover::AtOnce);
        assert_eq!(coordinators.fail_over(), Failover::Done);
        assert_eq!((&*coordinators.name(), coordinators.is_left()), ("hub1:5000", true));
        assert_eq!(coordinators.on_ok(), None, "it was not connected");
        assert_eq!((&*coordinators.name(), coordinators.is_left()), ("hub0:5000", false));
    }

    #[test]
    fn after_a_coordinator_has_served_the_others_are_tried_again_before_a_pause() {
        let mut coordinators = coordinators(2);
        assert_eq!(fail(&mut coordinators).0, Failover::AtOnce);
        coordinators.dial();
        coordinators.on_served();
        assert_eq!(fail(&mut coordinators), (Failover::AtOnce, "hub0:5000".into()));
        assert_eq!(fail(&mut coordinators), (Failover::AfterPause, "hub1:5000".into()));
    }

    #[test]
    fn the_same_failure_of_a_coordinator_is_reported_once() {
        let mut coordinators = coordinators(2);
        let (refused, silent) = (Reason::System("refused".into()), Reason::NoHello);
        for (why, expected) in [(&refused, true), (&refused, false), (&silent, true)] {
            assert_eq!(coordinators.must_report(why), expected);
        }
        fail(&mut coordinators);
        coordinators.dial();
        assert!(coordinators.must_report(&silent), "of another coordinator");
        coordinators.on_served();
        assert!(coordinators.must_report(&silent), "it has served in between");
    }

    #[test]
    fn the_coordinator_in_use_is_shown_when_it_is_another_one() {
        let (first, second) = (([10, 0, 0, 1], 5000).into(), ([10, 0, 0, 2], 5000).into());
        let mut one = coordinators(1);
        one.dial();
        assert_eq!((one.on_dialed(first), one.on_dialed(first)), (Some(first), None));
        assert_eq!((one.on_ok(), one.on_dialed(second)), (None, Some(second)));

        let mut two = coordinators(2);
        for (address, is_shown) in [(first, true), (first, false), (second, true), (first, true)] {
            assert_eq!(two.on_dialed(address), None, "it may refuse");
            assert_eq!(two.on_ok(), is_shown.then_some(address));
        }
        two.fail_over();
        two.dial();
        assert_eq!((two.on_dialed(first), two.on_ok()), (None, Some(first)), "another one");
    }
}
