//! Requests with `here` in the model: their connection is there from the start.

use std::collections::VecDeque;

use groupcast::group::{ConnId, LinkId};

use crate::coverage::CoveragePoint;
use crate::model::{Attempt, Model};
use crate::model_expected::Expected;

/// Requests with `here` under way.
#[derive(Debug, Default)]
pub(crate) struct HereRequests {
    /// Requests that wait for a new epoch.
    pub(crate) waiting: Vec<Attempt>,
    /// Requests whose sockets become message sockets before the next input.
    pub(crate) due: VecDeque<Attempt>,
    /// Number of requests that were cancelled. The links of these are known to nobody.
    cancelled: usize,
}

impl HereRequests {
    /// Returns true if an id is registering.
    pub(crate) fn registers(&self, id: &str) -> bool {
        self.waiting.iter().any(|attempt| attempt.registers && attempt.id == id)
    }

    /// Returns true if a member comes back.
    pub(crate) fn returns(&self, id: &str) -> bool {
        self.waiting.iter().any(|attempt| !attempt.registers && attempt.id == id)
    }

    /// Takes the end of a cancelled request. Returns false if none is due.
    pub(crate) fn take_cancelled(&mut self) -> bool {
        let is_due = self.cancelled > 0;
        self.cancelled = self.cancelled.saturating_sub(1);
        is_due
    }

    pub(crate) fn is_satisfied(&self) -> bool {
        self.due.is_empty() && self.cancelled == 0
    }
}

impl Model {
    pub(crate) fn ask_here(&mut self, attempt: Attempt) {
        if self.decided.is_some() {
            self.here.waiting.push(attempt);
        } else {
            self.begin_here(attempt);
        }
    }

    fn begin_here(&mut self, attempt: Attempt) {
        if !attempt.registers {
            self.cover_takeover(&attempt.id, attempt.is_here);
            self.hang_up(&attempt.id, &format!("taken over by {}", attempt.address));
        }
        self.here.due.push_back(attempt);
    }

    /// A command socket becomes a message socket, next to its `OK`.
    pub(crate) fn on_upgrade(&mut self, from: ConnId, link: LinkId, now: u64) {
        let attempt = self.here.due.pop_front().expect("nobody asked for messages here");
        assert_eq!(attempt.conn, from, "another socket becomes a message socket");
        self.admit(link, &attempt, now);
        self.update_offline(now); // The link may be lost at once.
    }

    /// Ends the reconnect of an id that waits for an epoch. Returns true if there was one.
    pub(crate) fn cancel_here(&mut self, id: &str) -> bool {
        let mut waiting = self.here.waiting.iter();
        let at = waiting.position(|attempt| !attempt.registers && attempt.id == id);
        let Some(attempt) = at.map(|at| self.here.waiting.remove(at)) else { return false };
        self.here.cancelled += 1;
        self.expect_reply(attempt.conn, Expected::Code(409));
        self.cover(CoveragePoint::ReconnectCancelled);
        true
    }

    /// Refuses requests that no rule fits now.
    pub(crate) fn refuse_here(&mut self, denied: Vec<Attempt>) {
        for Attempt { conn, .. } in denied {
            self.here.cancelled += 1;
            self.expect_reply(conn, Expected::Denied);
        }
    }

    pub(crate) fn shut_down_here(&mut self) {
        for attempt in std::mem::take(&mut self.here.waiting) {
            self.here.cancelled += 1;
            self.expect_reply(attempt.conn, Expected::Code(503));
        }
    }

    pub(crate) fn admit_waiting_here(&mut self) {
        std::mem::take(&mut self.here.waiting).into_iter().for_each(|it| self.begin_here(it));
    }
}
