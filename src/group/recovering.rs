//! State of a recovery: what it knows only until its end.

use std::collections::BTreeSet;

use super::ids::MemberSlot;
use crate::protocol::Seq;
use crate::time::Millis;

/// State of a recovery.
#[derive(Debug, Default)]
pub(super) struct Recovering {
    /// Acceptance time of the last message. Lost messages after it get the same time.
    pub(super) message_at: Millis,
    /// Ids named since the start of the last snapshot.
    pub(super) named: BTreeSet<Box<str>>,
    /// Own ranges of one member, collected from consecutive facts of a snapshot.
    pub(super) own: Option<(MemberSlot, Vec<(Seq, Seq)>)>,
    /// Ids whose registration may be damaged: their first fact came after messages that may be
    /// their own.
    pub(super) late: BTreeSet<Box<str>>,
    /// Number of lost seqs that may be in the history.
    pub(super) lost: u64,
}
