//! Events of a recovery, and the facts in them.

use std::num::NonZeroU64;

use crate::facts::{Fact, Ordered, StateMachine};
use crate::journal::disk::record::Record;
use crate::protocol::{Delivery, Seq};
use crate::time::Millis;

/// An event of a recovery, in the order of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryEvent<'a> {
    /// A record. The times of records never decrease, and the times of [`Record::Accepted`] never
    /// decrease among themselves. The two orders are independent, because messages may be written
    /// again later. Seqs are consecutive, except for lost messages.
    Fact {
        /// Group time of the record.
        at: Millis,
        /// Content of the record.
        record: Record<'a>,
        /// Parsed line of a [`Record::Accepted`].
        delivery: Option<Delivery<'a>>,
    },
    /// All members were named since the last [`Record::Epoch`]: an id that was not named is no
    /// member.
    AllNamed,
    /// A message with the number of a `send`, which a later segment repeats without the number.
    Repeated {
        /// Message that a later event has.
        delivery: Delivery<'a>,
        /// Number that the sender gave to its text.
        number: NonZeroU64,
    },
    /// Accepted messages are missing.
    Lost {
        /// First missing seq.
        first: Seq,
        /// Last missing seq.
        last: Seq,
    },
}

impl RecoveryEvent<'_> {
    /// Applies the fact of this event, if it contains one.
    pub fn apply_to(self, state: &mut impl StateMachine) {
        let ordered = Ordered { ticket: None, is_committed: true };
        match self {
            Self::AllNamed => state.apply(Fact::AllNamed, ordered, Millis::ZERO),
            Self::Lost { first, last } => {
                state.apply(Fact::Lost { first, last }, ordered, Millis::ZERO);
            }
            Self::Repeated { delivery: Delivery { sender: id, .. }, number } => {
                state.apply(Fact::Published { id, number }, ordered, Millis::ZERO);
            }
            Self::Fact { at, record: Record::Own { id, ranges }, .. } => {
                let ranges: Vec<(Seq, Seq)> = ranges.iter().collect();
                state.apply(Fact::Own { id, ranges: &ranges }, ordered, at);
            }
            Self::Fact { at, record, delivery } => {
                if let Some(fact) = fact(&record, delivery) {
                    state.apply(fact, ordered, at);
                }
            }
        }
    }
}

fn fact<'a>(record: &Record<'a>, delivery: Option<Delivery<'a>>) -> Option<Fact<'a>> {
    match *record {
        Record::Epoch { epoch, last } => Some(Fact::Snapshot { epoch, last }),
        Record::Member(state) => Some(Fact::Member(state)),
        Record::NewEpoch { epoch } => Some(Fact::NewEpoch { epoch }),
        Record::Announced { id, announced } => Some(Fact::Announced { id, announced }),
        Record::Deregistered { id } => Some(Fact::Deregistered { id }),
        Record::Accepted { number, line } => {
            Some(Fact::Numbered { delivery: delivery?, line, number })
        }
        Record::Acked { id, acked } => Some(Fact::Acked { id, acked }),
        Record::Expired { before } => Some(Fact::Expired { before }),
        Record::Own { .. }
        | Record::Clock { .. }
        | Record::Durable { .. }
        | Record::Continued
        | Record::Closed => None,
    }
}
