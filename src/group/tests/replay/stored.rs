//! Facts as a journal stores them.

use super::*;

/// A fact as a journal stores it.
#[derive(Clone, Debug)]
pub(super) enum StoredRecord {
    Member(StoredMember),
    Deregistered(Box<str>),
    /// The line, and the number that the sender gave to it.
    Accepted(String, Option<NonZeroU64>),
    Acked(Box<str>, Seq),
}

/// A member with its own ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredMember {
    pub(super) id: Box<str>,
    pub(super) address: SocketAddr,
    pub(super) registered_at: Seq,
    pub(super) start: Seq,
    pub(super) acked: Seq,
    pub(super) own: Vec<(Seq, Seq)>,
    pub(super) published: u64,
}

impl StoredMember {
    pub(super) fn of(state: MemberState<'_>, own: Vec<(Seq, Seq)>) -> Self {
        let MemberState { id, address, registered_at, start, acked, published, .. } = state;
        Self { id: id.into(), address, registered_at, start, acked, own, published }
    }

    /// Returns all members of a group.
    pub(super) fn all(group: &Group) -> Vec<Self> {
        group.member_states().map(|(state, own)| Self::of(state, own)).collect()
    }

    pub(super) fn facts(&self) -> [Fact<'_>; 2] {
        let Self { ref id, address, registered_at, start, acked, ref own, published } = *self;
        let owner = PeerName::Address(address.ip());
        let state = MemberState { id, owner, address, registered_at, start, acked, published };
        [Fact::Member(state), Fact::Own { id, ranges: own }]
    }
}

impl StoredRecord {
    pub(super) fn facts(&self) -> Vec<Fact<'_>> {
        match self {
            Self::Member(member) => member.facts().into(),
            Self::Deregistered(id) => vec![Fact::Deregistered { id }],
            Self::Accepted(line, number) => {
                vec![Fact::Numbered {
                    line: line.as_bytes(),
                    delivery: delivery(line),
                    number: *number,
                }]
            }
            Self::Acked(id, acked) => vec![Fact::Acked { id, acked: *acked }],
        }
    }
}
