//! Place of a registration among the messages.
//!
//! ```text
//!        start      at
//!          │        │
//!   ───●───●───●────●────●───●───►
//!              └─┬──┘└─────┬─────
//!          of the past    accepted since; the member's own messages are among these
//! ```

use crate::facts::MemberState;
use crate::protocol::Seq;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    /// Last seq before the registration. The member's own seqs are above it.
    pub(super) at: Seq,
    /// Last seq before the first message that the member may get.
    pub(super) start: Seq,
}

impl Registration {
    pub(super) fn of(state: &MemberState<'_>) -> Self {
        Self { at: state.registered_at, start: state.start }
    }

    /// Returns the same registration in a history that ends at `last`.
    pub(super) fn within(self, last: Seq) -> Self {
        let at = self.at.min(last);
        Self { at, start: self.start.min(at) }
    }
}
