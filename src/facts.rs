//! Facts: the decisions that change the state of a group.
//!
//! ```text
//!   request ─► check ─► Fact ─► Journal: gives facts their order ─► StateMachine::apply ─► effects
//!                                  │                                     ▲
//!                                  └─ commit: the facts are durable ─────┘ replies, deliveries
//! ```
//!
//! The same facts in the same order make the same state, in every coordinator and after every
//! start. Three things are no facts: expiry follows from the time, dropping follows from a bound in
//! bytes, and being online ends with the program. [`Fact::Expired`] tells about expiry only that a
//! time to live became longer.

use std::net::SocketAddr;
use std::num::NonZeroU64;

use crate::protocol::{Delivery, Epoch, PeerName, Seq, Text};
use crate::time::{Millis, Now, UnixMillis};

/// A decision about the state of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    /// An id became a member. The member gets every message that follows, and the `past` ones.
    Registered {
        /// Id of the new member.
        id: &'a str,
        /// Owner of the id.
        owner: PeerName,
        /// Address that the member listens on.
        address: SocketAddr,
        /// Most messages from before the registration that the member gets.
        past: u64,
    },
    /// A member came back, with a new message socket.
    Returned {
        /// Id of the member.
        id: &'a str,
        /// Owner of the id when the request was checked.
        before: PeerName,
        /// Owner of the id from here on.
        owner: PeerName,
        /// Address that the member listens on.
        address: SocketAddr,
        /// Cursor from here on. It may be lower than before.
        acked: Seq,
    },
    /// An id ceased to be a member.
    Deregistered {
        /// Id of the former member.
        id: &'a str,
    },
    /// A message was accepted. It gets the next seq.
    Accepted {
        /// Id of the sender, or [`ANNOUNCER`](crate::protocol::ANNOUNCER). An announcement that is
        /// no longer true changes nothing.
        sender: &'a str,
        /// Number that the sender gave to the text of a `send`. A fact with a number that is not
        /// the sender's next one changes nothing.
        number: Option<NonZeroU64>,
        /// Wall clock time for people.
        accepted: UnixMillis,
        /// Text of the message.
        text: Text<'a>,
    },
    /// A member has everything up to this seq.
    Acked {
        /// Id of the member.
        id: &'a str,
        /// Last seq that counts as delivered.
        acked: Seq,
    },
    /// A new epoch begins. The last seq stays.
    NewEpoch {
        /// The new epoch.
        epoch: Epoch,
    },
    /// A snapshot begins: seqs up to `last` were given out in this epoch. [`Fact::Member`] and
    /// [`Fact::Own`] follow. Members that the snapshot does not name stay until
    /// [`Fact::AllNamed`], because the record of one may be damaged.
    Snapshot {
        /// Epoch of these seqs.
        epoch: Epoch,
        /// Last seq that was given out.
        last: Seq,
    },
    /// State of a member. Replaces all earlier states of the id.
    Member(MemberState<'a>),
    /// Ranges of a member's own seqs, lowest first. Their messages may no longer exist.
    Own {
        /// Id of the member.
        id: &'a str,
        /// First and last seq of each range.
        ranges: &'a [(Seq, Seq)],
    },
    /// State of an id that was announced last. Not a fact of a live group, which announces a state
    /// with [`Fact::Accepted`].
    Announced {
        /// Id of a member, or of a former one.
        id: &'a str,
        /// State as the last announcement tells it.
        announced: Announced,
    },
    /// An id that the snapshot has not named is no member.
    AllNamed,
    /// Last fact of a recovery. All members are offline.
    Recovered {
        /// Epoch from now on.
        epoch: Epoch,
    },
    /// An accepted message that has its seq already. One that is known is skipped.
    Numbered {
        /// Content of the line.
        delivery: Delivery<'a>,
        /// Delivery line with its LF.
        line: &'a [u8],
        /// Number that the sender gave to the text of a `send`.
        number: Option<NonZeroU64>,
    },
    /// A `send` was accepted. A later fact has its message.
    Published {
        /// Id of the sender.
        id: &'a str,
        /// Number that the sender gave to the text.
        number: NonZeroU64,
    },
    /// All messages before this seq have expired. Their ages tell this no longer, because the time
    /// to live has become longer. Only a recovery needs the fact.
    Expired {
        /// First seq that has not expired.
        before: Seq,
    },
    /// Accepted messages that were lost.
    Lost {
        /// First lost seq.
        first: Seq,
        /// Last lost seq.
        last: Seq,
    },
    /// An id became a member at one of several sites. The member gets every message after `start`.
    #[cfg(feature = "engine")]
    Entered {
        /// Id of the new member.
        id: &'a str,
        /// Owner of the id.
        owner: PeerName,
        /// Address that the member listens on.
        address: SocketAddr,
        /// Last seq before the first message that the member gets.
        start: Seq,
    },
    /// A member is at this site, or at another one.
    #[cfg(feature = "engine")]
    Located {
        /// Id of the member.
        id: &'a str,
        /// Name of the site.
        name: &'a str,
        /// The site, as this coordinator sees it.
        site: MemberSite,
    },
    /// No member goes back before this seq. Own seqs up to it are forgotten.
    #[cfg(feature = "engine")]
    Horizon {
        /// Last seq that is forgotten.
        seq: Seq,
    },
}

/// Site of a member, as one coordinator of several sees it.
#[cfg(feature = "engine")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberSite {
    /// At this site.
    Here,
    /// At another site.
    Elsewhere {
        /// True if the member has a message socket there.
        is_online: bool,
    },
}

/// State of a member, without its own ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberState<'a> {
    /// Id of the member.
    pub id: &'a str,
    /// Owner of the id.
    pub owner: PeerName,
    /// Address that the member listens on.
    pub address: SocketAddr,
    /// Last seq before the registration.
    pub registered_at: Seq,
    /// Last seq before the first message that the member may get. It is below `registered_at` if
    /// the member asked for messages from before its registration.
    pub start: Seq,
    /// Last seq that counts as delivered.
    pub acked: Seq,
    /// Number of the last accepted `send`; 0 before the first one.
    pub published: u64,
}

/// State of an id as announcements tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Announced {
    /// The id is no member, or was never announced.
    #[default]
    Absent,
    /// The id is a member, and online.
    Online,
    /// The id is a member, and offline.
    Offline,
}

/// Number of facts that have been applied: the position of the last one in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactIndex(u64);

impl FactIndex {
    /// Position before the first fact.
    pub const ZERO: Self = Self(0);

    /// Returns the position of the next fact.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the position of the fact before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Point in the order of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalPosition {
    /// Last fact.
    pub index: FactIndex,
    /// Last seq that was given out at this fact.
    pub last: Seq,
}

/// Place that a journal gives to a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordered<T> {
    /// Ticket of the proposal; `None` if the fact was not proposed by this program run.
    pub ticket: Option<T>,
    /// True if the fact and all facts before it are durable.
    pub is_committed: bool,
}

/// State that facts change.
pub trait StateMachine {
    /// Name of the request or socket that waits for a proposed fact.
    type Ticket: Copy + Ord;

    /// Applies the next fact in the order, at the group time `at`. A proposed fact may have become
    /// impossible by the facts before it. It then changes nothing, and its request is refused.
    fn apply(&mut self, fact: Fact<'_>, ordered: Ordered<Self::Ticket>, at: Millis);

    /// Refuses the request of a proposed fact that will never have a place in the order.
    fn withdraw(&mut self, fact: Fact<'_>, ticket: Self::Ticket);
}

/// State that a journal stores: what a snapshot contains, and what the journal reports about its
/// storage.
pub trait Recorded: StateMachine {
    /// Returns the last fact that was applied.
    fn position(&self) -> JournalPosition;

    /// Returns the current epoch.
    fn epoch(&self) -> Epoch;

    /// Returns the newest epoch, even if it is not committed yet.
    fn decided_epoch(&self) -> Epoch;

    /// Returns the states of all members, in the order of their ids. Each comes with the ranges of
    /// the member's own seqs: all above the cursor, and those of kept messages below.
    fn member_states(&self) -> impl Iterator<Item = (MemberState<'_>, Vec<(Seq, Seq)>)>;

    /// Returns the state of a member.
    fn member_state(&self, id: &str) -> Option<MemberState<'_>>;

    /// Returns the announced states of members and former members, in the order of their ids.
    fn announced_states(&self) -> impl Iterator<Item = (&str, Announced)>;

    /// Returns the announced state of an id; `None` if it is not known.
    fn announced_state(&self, id: &str) -> Option<Announced>;

    /// Returns the kept lines after `after`, each with its seq and acceptance time.
    fn lines(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8], Millis)>;

    /// Returns the time to live of a message, in milliseconds.
    fn ttl_ms(&self) -> u64;

    /// Returns the seq of the last [`Fact::Expired`]; [`Seq::ZERO`] if there was none.
    fn expired_before(&self) -> Seq;

    /// Returns the oldest kept message that a member still needs; the next seq if there is none.
    fn needed(&self) -> Seq;

    /// Returns the oldest message that is kept for newcomers; the next seq if there is none. It
    /// never decreases.
    fn kept_for_newcomers(&self) -> Seq;

    /// Returns true if a cursor has moved or a member has come back since the last
    /// [`Recorded::take_cursor_changes`].
    fn has_cursor_changes(&self) -> bool;

    /// Passes a fact for each member whose cursor moved, or that came back, since the last call to
    /// `put`: [`Fact::Acked`] or [`Fact::Member`].
    fn take_cursor_changes(&mut self, put: impl FnMut(Fact<'_>));

    /// Forgets all messages up to `last`, because the journal removes them. No member needs them,
    /// and they are not kept for newcomers.
    fn forget_through(&mut self, last: Seq);
}

/// State that several sites have in common.
#[cfg(feature = "engine")]
pub trait Replicated: Recorded {
    /// Returns the start of a member that registers now and asks for `past` messages from before.
    fn start_of_newcomer(&self, past: u64, now: Millis) -> Seq;

    /// Returns true if a member has a message socket at this site.
    fn is_online_here(&self, id: &str) -> bool;

    /// Returns true for the ticket of a decision that follows from the time, not from a request.
    fn is_timed(ticket: Self::Ticket) -> bool;

    /// Returns true if the backlog is full, so that no text may be proposed.
    fn is_full(&mut self) -> bool;

    /// Refuses the request of a proposed text, because the backlog is full.
    fn refuse_full(&mut self, fact: Fact<'_>, ticket: Self::Ticket);

    /// Drops the oldest messages that exceed the backlog, if the settings say so. Another site may
    /// have accepted the newest ones.
    fn drop_excess(&mut self);
}

/// Order of facts.
pub trait Journal<S: StateMachine> {
    /// Proposes a fact that the state machine has checked. The journal applies it now, or later
    /// behind other facts, or withdraws it later.
    fn propose(&mut self, fact: Fact<'_>, ticket: S::Ticket, state: &mut S, now: Now);

    /// Returns true if a seq above the last one is certainly lost. A journal that others write may
    /// be behind them. Then it finds out, and a later call with the same seq returns true.
    fn is_lost(&mut self, _: Seq) -> bool {
        true
    }
}
