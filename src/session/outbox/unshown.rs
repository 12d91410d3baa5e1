//! New texts in the outbox file that were not shown as queued.
//!
//! ```text
//!   written in an outage        shown as queued
//!   written while sending       never shown: it is sent
//!   written during a join       shown if the join fails, or takes long
//! ```

use std::collections::VecDeque;

use crate::limits::QUEUED_NOTICE_MS;
use crate::session::outbox_store::OutboxStore;
use crate::session::output::SessionOutput;
use crate::session::sending_state::SendingState;
use crate::session::{Notice, OutboxNotice};
use crate::time::Millis;

/// Positions of new texts in the file, in their order.
#[derive(Debug, Default)]
pub(super) struct UnshownTexts {
    positions: VecDeque<u64>,
    /// The texts are shown at this time if the join is still under way.
    show_at: Option<Millis>,
    /// True if the join under way takes long: texts are shown when they are written.
    is_join_long: bool,
}

impl UnshownTexts {
    pub(super) fn push(&mut self, position: u64) {
        self.positions.push_back(position);
    }

    pub(super) const fn deadline(&self) -> Option<Millis> {
        self.show_at
    }

    /// Shows the written texts as queued, if they wait. `waiting` is the number of all texts that
    /// wait, with these texts.
    pub(super) fn show(
        &mut self,
        (store, waiting): (&OutboxStore, usize),
        state: SendingState,
        output: &mut SessionOutput,
        now: Millis,
    ) {
        let is_written = |position: &u64| store.is_written(*position);
        if state != SendingState::Joining {
            (self.show_at, self.is_join_long) = (None, false);
        } else if !self.is_join_long && self.positions.front().is_some_and(is_written) {
            let show_at = *self.show_at.get_or_insert(now.plus(QUEUED_NOTICE_MS));
            if now < show_at {
                return;
            }
            (self.show_at, self.is_join_long) = (None, true);
        }
        while self.positions.front().is_some_and(is_written) {
            self.positions.pop_front();
            if state != SendingState::Open {
                let waiting = waiting.saturating_sub(self.positions.len());
                output.show(Notice::Outbox(OutboxNotice::Queued { waiting }));
            }
        }
    }
}
