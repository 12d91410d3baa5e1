//! Records of proposed facts.

use super::{Commits, put_member};
use crate::facts::{Fact, FactIndex, Journal, MemberState, Ordered, Recorded};
use crate::journal::Record;
use crate::protocol::Epoch;
use crate::time::{Millis, Now};

impl<S: Recorded> Journal<S> for Commits {
    /// Orders the fact at once. The writer commits it later.
    fn propose(&mut self, fact: Fact<'_>, ticket: S::Ticket, state: &mut S, now: Now) {
        let ordered = Ordered { ticket: Some(ticket), is_committed: false };
        state.apply(fact, ordered, now.steady);
        self.record(&fact, state, now);
    }
}

impl Commits {
    /// Encodes a fact that was applied as records of the next commit. A member that returned is
    /// recorded later, together with the cursors.
    pub(super) fn record(&mut self, fact: &Fact<'_>, state: &impl Recorded, now: Now) {
        self.must_flush |= !matches!(fact, Fact::Returned { .. });
        self.record_clock(now);
        match *fact {
            Fact::Returned { id, .. } => {
                // The messages above the cursor must still exist when the cursor is recorded.
                if let Some(member) = state.member_state(id) {
                    self.segment.needed = self.segment.needed.min(member.acked.next());
                }
            }
            Fact::Registered { id, .. } | Fact::Member(MemberState { id, .. }) => {
                if let Some(member) = state.member_state(id) {
                    put_member(&member, now.steady, self.segment.salt, &mut self.records);
                }
            }
            Fact::Deregistered { id } => {
                self.put(&Record::Deregistered { id }, now.steady);
                self.deregistered.push_back((self.next, id.into()));
            }
            Fact::NewEpoch { epoch } => {
                let before = state.position().index.before();
                self.put_new_epoch(epoch, before, now.steady);
            }
            Fact::Accepted { .. } => {
                if let Some((_, line, at)) = state.lines(state.position().last.before()).next() {
                    self.put(&Record::Accepted { line }, at);
                }
            }
            Fact::Acked { id, acked } => self.put(&Record::Acked { id, acked }, now.steady),
            Fact::Snapshot { .. }
            | Fact::Own { .. }
            | Fact::AllNamed
            | Fact::Recovered { .. }
            | Fact::Numbered { .. }
            | Fact::Lost { .. } => debug_assert!(false, "only a recovery makes these facts"),
        }
    }

    /// Adds the record of a new epoch, which is synced in every mode. `before` is the last fact
    /// before the epoch.
    pub(super) fn put_new_epoch(&mut self, epoch: Epoch, before: FactIndex, at: Millis) {
        self.put(&Record::NewEpoch { epoch }, at);
        self.must_flush = true;
        self.new_epoch = Some((self.next, before));
    }
}
