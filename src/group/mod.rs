//! The coordinator's mind: who is a member, what was said, and who still has to get it.
//!
//! A deterministic state machine without a body. Everything that can happen comes in by one door,
//! [`Group::handle`], with the time it happened at; everything that is to be done comes out by
//! another, [`Group::poll_effect`]. Beside them stand pure questions, above all
//! [`Group::run_for`]: the bytes that come next on a message socket.
//!
//! ```text
//!                 Input ──► handle(input, now) ──► Effect
//!                              │
//!              members ────────┼──────── links: connect-backs and message sockets
//!           id, place, own     │           sent, cursor, rest of a line
//!                              │
//!                           history: each message once, encoded
//!                  ░░░░░░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓
//!                  gone    front      ▲        ▲     last
//!                                   place   cursor
//! ```

#![deny(clippy::arithmetic_side_effects)]

mod backlog;
mod block;
mod commands;
mod connecting;
mod delivering;
mod epochs;
mod facts;
mod forgetting;
mod history;
mod ids;
mod invariants;
mod links;
mod listing;
mod member_change;
mod members;
mod outbound;
mod per_address;
mod ranges;
mod replay;
mod stats;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::limits::Overflow;
use crate::protocol::{Command, Epoch, MemberLine, Reply, Request, Seq};
use crate::time::{Millis, Now};

use backlog::BacklogState;
use epochs::Epochs;
use history::History;
use ids::MemberSlot;
use links::{Link, Links};
use members::Members;

pub use backlog::BacklogChange;
pub use facts::{CursorUpdate, Fact, MemberState};
pub use ids::{ConnId, LinkId};
pub use listing::Listing;
pub use member_change::{ChangeKind, MemberChange, OfflineCause, SocketEnd};
pub use outbound::Run;
pub use per_address::{Network, PerAddress};
pub use replay::{RecoveredFact, Replay};
pub use stats::{Gauges, Stats};

/// The rules that one group is kept by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Milliseconds that a message lives.
    pub ttl_ms: u64,
    /// `max_line`: longest request line in bytes, LF included.
    pub line_bytes_max: usize,
    /// Members, and registrations under way.
    pub members_max: usize,
    /// Of these, at one address.
    pub members_per_address_max: usize,
    /// Milliseconds that a member may be offline before it is forgotten; 0: any time.
    pub forget_after_ms: u64,
    /// Bytes of lines kept for those who still need them.
    pub backlog_bytes_max: u64,
    /// What happens to a message that would exceed them.
    pub overflow: Overflow,
    /// Whether requests may name, and ids be used from, any address.
    pub foreign_ip_allowed: bool,
    /// Whether decisions are written down: then nothing is sent before it is [`Input::Committed`].
    pub is_journaled: bool,
    /// The coordinator's own listening socket, where nobody is connected back to.
    pub listening: SocketAddr,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The command socket.
    pub conn: ConnId,
    /// The address it comes from.
    pub peer: IpAddr,
    /// The coordinator's own address on it.
    pub local: IpAddr,
}

/// Everything that can happen to a group.
#[derive(Debug)]
pub enum Input<'a> {
    /// A command socket brought a request. Exactly one reply or list answers it, perhaps later;
    /// acknowledgements that had arrived are handed in before (see [`Group::ends`]).
    Request {
        /// Where from.
        origin: Origin,
        /// What.
        request: Request<'a>,
    },
    /// A connect-back has come about; acknowledgements that the member's old message socket had
    /// already brought are handed in before (see [`Group::replaces`]).
    Connected {
        /// Which.
        link: LinkId,
    },
    /// A connect-back has failed.
    ConnectFailed {
        /// Which.
        link: LinkId,
        /// The operating system's words.
        reason: Box<str>,
    },
    /// The socket took so many bytes of what [`Group::run_for`] offered.
    Wrote {
        /// Which message socket.
        link: LinkId,
        /// How many.
        bytes: usize,
    },
    /// Every message socket that takes bytes was offered all there is: the end of a turn.
    Delivered,
    /// A member acknowledged what it took.
    Acknowledged {
        /// On which message socket.
        link: LinkId,
        /// Everything up to here.
        seq: Seq,
    },
    /// A member that acknowledges wrote something else.
    Garbled {
        /// On which message socket.
        link: LinkId,
    },
    /// A message socket has ended, or is given up.
    Lost {
        /// Which.
        link: LinkId,
        /// Cause of the end.
        how: SocketEnd,
    },
    /// Everything up to this number is kept where it is to be kept.
    Committed {
        /// The number.
        through: Seq,
    },
    /// Bits for the next epoch: see [`Effect::DrawEpoch`].
    DrawnEpoch(Epoch),
    /// A new epoch is to begin.
    BeginEpoch,
    /// [`Group::decided_epoch`] is kept, and acknowledgements that arrived are handed in.
    EpochCommitted,
    /// Decisions cannot be written down, or can be again.
    JournalFails(bool),
    /// True: the journal has as many bytes waiting as it may. False: fewer again.
    JournalFull(bool),
    /// Time has passed.
    Tick,
    /// The coordinator is about to end: nothing new is begun.
    ShutDown,
}

/// Everything that a group wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answer a request.
    Reply {
        /// The command socket that it came from.
        to: ConnId,
        /// With what.
        reply: Reply,
    },
    /// Answer a request with a list.
    List {
        /// The command socket that it came from.
        to: ConnId,
        /// Of what.
        listing: Listing,
    },
    /// Connect to a participant.
    Connect {
        /// The name of the attempt, and of the message socket that comes of it.
        link: LinkId,
        /// Where to.
        address: SocketAddr,
        /// The coordinator's own address to connect from: the one that the request came to, if it
        /// came from where it is to connect to. Anywhere else may not be reached from there.
        from: Option<IpAddr>,
    },
    /// Give up an attempt, or close a message socket.
    Close {
        /// Which.
        link: LinkId,
        /// Written first, as far as the socket takes it at once; may be empty.
        closing_bytes: Box<[u8]>,
    },
    /// Write a decision down.
    Record(Fact),
    /// Draw bits for [`Input::DrawnEpoch`]; a group has none at its start.
    DrawEpoch,
    /// A member came, went or moved: for the log.
    MemberChange(MemberChange),
    /// The backlog is full, or is so no more: for the log.
    Backlog(BacklogChange),
}

/// The group.
#[derive(Debug)]
pub struct Group {
    rules: Rules,
    epochs: Epochs,
    members: Members,
    /// Registrations under way, by id.
    registering: BTreeMap<Box<str>, LinkId>,
    links: Links,
    history: History,
    effects: VecDeque<Effect>,
    /// The line being encoded; kept for its memory.
    line: Vec<u8>,
    is_shutting_down: bool,
    is_journal_failing: bool,
    is_journal_full: bool,
    /// Members whose places are to be written down.
    changed_cursors: Vec<MemberSlot>,
    backlog_state: BacklogState,
    /// Time of the input that is being handled.
    now: Millis,
    stats: Stats,
}

impl Group {
    /// A group without members, at the beginning of an epoch.
    #[must_use]
    pub fn new(rules: Rules, epoch: Epoch) -> Self {
        Self {
            history: History::new(rules.ttl_ms),
            rules,
            epochs: Epochs::new(epoch),
            members: Members::default(),
            registering: BTreeMap::new(),
            links: Links::default(),
            effects: VecDeque::new(),
            line: Vec::new(),
            is_shutting_down: false,
            is_journal_failing: false,
            is_journal_full: false,
            changed_cursors: Vec::new(),
            backlog_state: BacklogState::default(),
            now: Millis::ZERO,
            stats: Stats::default(),
        }
    }

    /// The one door in.
    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        self.now = now.steady;
        self.expire(now.steady);
        match input {
            Input::Request { origin, request } => self.on_request(origin, &request, now),
            Input::Connected { link } => self.on_connected(link),
            Input::ConnectFailed { link, reason } => self.on_connect_failed(link, reason),
            Input::Wrote { link, bytes } => self.on_wrote(link, bytes),
            Input::Delivered => self.on_delivered(),
            Input::Acknowledged { link, seq } => self.on_acknowledged(link, seq),
            Input::Garbled { link } => self.on_link_end(link, OfflineCause::BadAck),
            Input::Lost { link, how } => self.on_link_end(link, OfflineCause::SocketEnded(how)),
            Input::Committed { through } => self.on_committed(through, now.steady),
            Input::DrawnEpoch(epoch) => self.epochs.drawn(epoch),
            Input::BeginEpoch => self.on_begin_epoch(),
            Input::EpochCommitted => self.on_epoch_committed(),
            Input::JournalFails(fails) => self.is_journal_failing = fails,
            Input::JournalFull(is_full) => self.is_journal_full = is_full,
            Input::Tick => self.on_tick(),
            Input::ShutDown => self.on_shut_down(),
        }
        debug_assert!(self.history.released() <= self.history.last(), "nothing else is sent");
        debug_assert!(self.history.front() <= self.history.last().next(), "nor is it expired");
        debug_assert!(self.registering.len() <= self.links.len(), "who registers is connected to");
    }

    fn on_tick(&mut self) {
        self.forget_offline();
        self.end_backlog_state();
        self.history.trim();
    }

    /// The one door out: what is to be done next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let dues =
            [self.history.next_expiry(), self.next_forgetting(), self.backlog_state.ends_at()];
        dues.into_iter().flatten().min()
    }

    /// The bytes that come next on a message socket; `None` if nothing is due there.
    #[must_use]
    pub fn run_for(&self, link: LinkId) -> Option<Run<'_>> {
        let (slot, outbound) = self.links.open(link)?;
        outbound.run(&self.history, self.members.at(slot)?.own())
    }

    /// Whether [`Group::run_for`] has anything to offer.
    #[must_use]
    pub fn is_due(&self, link: LinkId) -> bool {
        let Some((slot, outbound)) = self.links.open(link) else { return false };
        self.members.at(slot).is_some_and(|member| outbound.is_due(&self.history, member.own()))
    }

    /// The last number given out.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.history.last()
    }

    /// The last number that may be sent: message sockets are worth a look whenever it has risen.
    #[must_use]
    pub fn released(&self) -> Seq {
        self.history.released()
    }

    /// Whether each message is offered in the turn of its acceptance only (a time to live of 0).
    #[must_use]
    pub fn delivers_once(&self) -> bool {
        self.rules.ttl_ms == 0
    }

    /// Whether what a member writes on its message socket means anything.
    #[must_use]
    pub fn takes_acks(&self, link: LinkId) -> bool {
        self.links.open(link).is_some_and(|(_, outbound)| outbound.acks)
    }

    /// The message socket that ends if this connect-back succeeds.
    #[must_use]
    pub fn replaces(&self, link: LinkId) -> Option<LinkId> {
        match self.links.at(link)? {
            Link::Connecting(connect_back) => match connect_back.purpose {
                links::ConnectPurpose::Reconnect(slot) => self.members.at(slot)?.link,
                links::ConnectPurpose::Register(_) => None,
            },
            Link::Open { .. } => None,
        }
    }

    /// The message socket that ends if this request is carried out.
    #[must_use]
    pub fn ends(&self, request: &Request<'_>) -> Option<LinkId> {
        match request.command {
            Command::Disconnect => self.members.at(self.members.find(request.id)?)?.link,
            Command::Deregister // Its place is forgotten with it.
            | Command::Register { .. }
            | Command::Reconnect { .. }
            | Command::Msend { .. }
            | Command::Members
            | Command::Stats
            | Command::Ping => None,
        }
    }

    /// The lines behind `OK members`, in the order of the bytes of the ids.
    pub fn members(&self) -> impl Iterator<Item = MemberLine<'_>> {
        self.members_after(None)
    }

    /// As [`Group::members`], for ids above `id`.
    pub fn members_after(&self, id: Option<&str>) -> impl Iterator<Item = MemberLine<'_>> {
        self.members.sorted_after(id).map(|member| MemberLine {
            id: &member.id,
            online: member.link.is_some(),
            address: member.address,
            pending: member.pending(&self.history),
            acked: member.acked(),
        })
    }

    fn reply(&mut self, to: ConnId, reply: impl Into<Reply>) {
        self.effects.push_back(Effect::Reply { to, reply: reply.into() });
    }
}

#[cfg(test)]
mod tests;
