//! The group: a deterministic state machine that decides about members, messages and deliveries.
//!
//! An [`Input`] and the current time go into [`Group::handle`]. Each [`Effect`] comes out of
//! [`Group::poll_effect`]. Queries change nothing; the most important one is [`Group::run_for`],
//! which returns the next bytes for a message socket. The group touches no socket, clock or file.
//!
//! ```text
//!                 Input ──► handle(input, now) ──► Effect
//!                              │
//!              members ────────┼──────── links: connect-backs and message sockets
//!         id, acked, own seqs  │         sent, cursor, partial line
//!                              │
//!                           history: each message once, encoded
//!                  ░░░░░░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓
//!                 dropped  front      ▲        ▲     last
//!                                   acked   cursor
//! ```

#![deny(clippy::arithmetic_side_effects)]

mod apply;
mod backlog;
mod block;
mod commands;
mod connecting;
mod cursor_changes;
mod delivering;
mod epochs;
mod forgetting;
mod history;
mod ids;
mod invariants;
mod links;
mod listing;
mod member_change;
mod members;
mod order;
mod outbound;
mod per_address;
mod ranges;
mod recorded;
mod stats;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::facts::{FactIndex, Journal, JournalPosition};
use crate::limits::Overflow;
use crate::protocol::{Epoch, MemberLine, Reply, Request, Seq};
use crate::time::{Millis, Now};

use backlog::BacklogState;
use epochs::Epochs;
use history::History;
use links::Links;
use members::Members;
use order::{FactOrder, JournalState};

pub use backlog::BacklogChange;
pub use ids::{ConnId, LinkId, Ticket};
pub use listing::Listing;
pub use member_change::{ChangeKind, MemberChange, OfflineCause, SocketEnd};
pub use outbound::Run;
pub use per_address::{Network, PerAddress};
pub use stats::{Gauges, Stats};

/// Settings of a group.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Time to live of a message, in milliseconds.
    pub ttl_ms: u64,
    /// `max_line`: longest request line in bytes, LF included.
    pub line_bytes_max: usize,
    /// Most members, with registrations under way.
    pub members_max: usize,
    /// Most members at one address, with registrations under way.
    pub members_per_address_max: usize,
    /// Milliseconds that a member may be offline before it is forgotten. 0: no limit.
    pub forget_after_ms: u64,
    /// `max_backlog`: most bytes of delivery lines that members still need.
    pub backlog_bytes_max: u64,
    /// Reaction to a message that would exceed `backlog_bytes_max`.
    pub overflow: Overflow,
    /// True if requests may name any address, and may use an id from any address.
    pub foreign_ip_allowed: bool,
    /// Address of the coordinator's own listening socket. The group never connects to it.
    pub listening: SocketAddr,
}

/// Source of a request.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Command socket of the request.
    pub conn: ConnId,
    /// Address of the client.
    pub peer: IpAddr,
    /// Address of the coordinator on this command socket.
    pub local: IpAddr,
}

/// Events that the group handles.
#[derive(Debug)]
pub enum Input<'a> {
    /// A command socket received a request. One reply or list answers it, perhaps later. Acks that
    /// have arrived on [`Group::ends`] are handed in first.
    Request {
        /// Source of the request.
        origin: Origin,
        /// The parsed request.
        request: Request<'a>,
    },
    /// A connect-back succeeded. Acks that have arrived on [`Group::replaces`] are handed in first.
    Connected {
        /// Link of the connect-back.
        link: LinkId,
    },
    /// A connect-back has failed.
    ConnectFailed {
        /// Link of the connect-back.
        link: LinkId,
        /// Error text of the operating system.
        reason: Box<str>,
    },
    /// A message socket took bytes of the run that [`Group::run_for`] returned.
    Wrote {
        /// Link of the message socket.
        link: LinkId,
        /// Number of bytes.
        bytes: usize,
    },
    /// End of a turn: every writable message socket was given all its due bytes.
    Delivered,
    /// A member acknowledged messages.
    Acknowledged {
        /// Link of the message socket.
        link: LinkId,
        /// Last acknowledged seq.
        seq: Seq,
    },
    /// A member with `acks=1` sent a line that is not an ack.
    Garbled {
        /// Link of the message socket.
        link: LinkId,
    },
    /// A message socket ended, or the coordinator gives the socket up.
    Lost {
        /// Link of the message socket.
        link: LinkId,
        /// Cause of the end.
        how: SocketEnd,
    },
    /// The journal committed facts that it had ordered before.
    Committed {
        /// Last committed fact.
        through: JournalPosition,
    },
    /// Random bits for the next epoch: the answer to [`Effect::DrawEpoch`].
    DrawnEpoch(Epoch),
    /// A new epoch must begin.
    BeginEpoch,
    /// [`Group::is_epoch_due`]: the epoch begins. Acks that have arrived are handed in first.
    EpochCommitted,
    /// True: the journal cannot be written. False: the journal can be written again.
    JournalFails(bool),
    /// True: too many bytes wait for the journal. False: the journal has room again.
    JournalFull(bool),
    /// Time has passed.
    Tick,
    /// The coordinator shuts down: no new registration or reconnect starts.
    ShutDown,
}

/// Actions that the group asks of its caller.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answer a request with one line.
    Reply {
        /// Command socket of the request.
        to: ConnId,
        /// Reply to the request.
        reply: Reply,
        /// Fact that must be committed before the reply is sent.
        after: FactIndex,
    },
    /// Answer a request with a list.
    List {
        /// Command socket of the request.
        to: ConnId,
        /// Kind of list.
        listing: Listing,
    },
    /// Connect to a participant.
    Connect {
        /// Link of the connect-back, and later of its message socket.
        link: LinkId,
        /// Address to connect to.
        address: SocketAddr,
        /// Source address: the local address of the request's command socket. `None` if the request
        /// names another address than its own, which this local address may not reach.
        from: Option<IpAddr>,
    },
    /// Cancel a connect-back, or close a message socket.
    Close {
        /// Link of the connect-back or message socket.
        link: LinkId,
        /// Last bytes for the socket, as far as it takes them at once. May be empty.
        closing_bytes: Box<[u8]>,
    },
    /// Draw random bits for [`Input::DrawnEpoch`]. A group has none at its start.
    DrawEpoch,
    /// Log a change of a member.
    MemberChange(MemberChange),
    /// Log a change of the backlog.
    Backlog(BacklogChange),
}

/// The group: its members, links and history.
#[derive(Debug)]
pub struct Group {
    rules: Rules,
    epochs: Epochs,
    members: Members,
    links: Links,
    history: History,
    effects: VecDeque<Effect>,
    is_shutting_down: bool,
    journal_state: JournalState,
    order: FactOrder,
    backlog_state: BacklogState,
    /// Time of the input that is being handled.
    now: Millis,
    stats: Stats,
}

impl Group {
    /// Creates a group without members.
    #[must_use]
    pub fn new(rules: Rules, epoch: Epoch) -> Self {
        Self {
            history: History::new(rules.ttl_ms),
            rules,
            epochs: Epochs::new(epoch),
            members: Members::default(),
            links: Links::default(),
            effects: VecDeque::new(),
            is_shutting_down: false,
            journal_state: JournalState::default(),
            order: FactOrder::default(),
            backlog_state: BacklogState::default(),
            now: Millis::ZERO,
            stats: Stats::default(),
        }
    }

    /// Handles one input at the time `now`. The facts that follow from the input are proposed to
    /// the journal.
    pub fn handle(&mut self, input: Input<'_>, now: Now, journal: &mut impl Journal<Self>) {
        self.now = now.steady;
        if self.order.recovering.is_none() {
            self.expire(now.steady);
        }
        match input {
            Input::Request { origin, request } => {
                self.on_request(origin, &request, now, journal);
            }
            Input::Connected { link } => self.on_connected(link, now, journal),
            Input::ConnectFailed { link, reason } => self.on_connect_failed(link, reason),
            Input::Wrote { link, bytes } => self.on_wrote(link, bytes),
            Input::Delivered => self.on_delivered(),
            Input::Acknowledged { link, seq } => self.on_acknowledged(link, seq),
            Input::Garbled { link } => self.on_link_end(link, OfflineCause::BadAck),
            Input::Lost { link, how } => self.on_link_end(link, OfflineCause::SocketEnded(how)),
            Input::Committed { through } => self.on_committed(through, now.steady),
            Input::DrawnEpoch(epoch) => self.epochs.drawn(epoch),
            Input::BeginEpoch => self.on_begin_epoch(now, journal),
            Input::EpochCommitted => self.on_epoch_committed(now, journal),
            Input::JournalFails(fails) => self.journal_state.is_failing = fails,
            Input::JournalFull(is_full) => self.journal_state.is_full = is_full,
            Input::Tick => self.on_tick(now, journal),
            Input::ShutDown => self.on_shut_down(),
        }
        debug_assert!(self.history.released() <= self.history.last(), "sent messages exist");
        debug_assert!(self.history.front() <= self.history.last().next(), "expired messages exist");
        debug_assert!(
            self.links.registering.len() <= self.links.len(),
            "each registration has a link"
        );
    }

    fn on_tick(&mut self, now: Now, journal: &mut impl Journal<Self>) {
        self.forget_offline(now, journal);
        self.end_backlog_state();
        self.history.trim();
    }

    /// Returns the next effect, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns the time by which [`Input::Tick`] must be handled.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let dues =
            [self.history.next_expiry(), self.next_forgetting(), self.backlog_state.ends_at()];
        dues.into_iter().flatten().min()
    }

    /// Returns the next bytes for a message socket; `None` if no bytes are due.
    #[must_use]
    pub fn run_for(&self, link: LinkId) -> Option<Run<'_>> {
        let (slot, outbound) = self.links.open(link)?;
        outbound.run(&self.history, self.members.at(slot)?.own())
    }

    /// Returns true if [`Group::run_for`] returns bytes.
    #[must_use]
    pub fn is_due(&self, link: LinkId) -> bool {
        let Some((slot, outbound)) = self.links.open(link) else { return false };
        self.members.at(slot).is_some_and(|member| outbound.is_due(&self.history, member.own()))
    }

    /// Returns the last seq that was given out.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.history.last()
    }

    /// Returns the last seq that may be sent. When it rises, message sockets may have bytes due.
    #[must_use]
    pub fn released(&self) -> Seq {
        self.history.released()
    }

    /// Returns true if each message is delivered only in the turn of its acceptance (`ttl=0`).
    #[must_use]
    pub fn delivers_once(&self) -> bool {
        self.rules.ttl_ms == 0
    }

    /// Returns true if the member sends acks on this message socket.
    #[must_use]
    pub fn takes_acks(&self, link: LinkId) -> bool {
        self.links.open(link).is_some_and(|(_, outbound)| outbound.acks)
    }

    /// Returns the lines after `OK members`, in byte order of the ids.
    pub fn members(&self) -> impl Iterator<Item = MemberLine<'_>> {
        self.members_after(None)
    }

    /// Returns the lines of [`Group::members`] for ids above `id`.
    pub fn members_after(&self, id: Option<&str>) -> impl Iterator<Item = MemberLine<'_>> {
        self.members.sorted_after(id).map(|member| MemberLine {
            id: &member.id,
            online: member.link.is_some(),
            address: member.address,
            pending: member.pending(&self.history),
            acked: member.acked(),
        })
    }

    /// Returns the last committed fact. Replies up to it may be sent.
    #[must_use]
    pub fn committed(&self) -> FactIndex {
        self.order.committed
    }

    /// Returns the fact that a reply must wait for; `None` if it is committed.
    #[must_use]
    pub fn awaited(&self, after: FactIndex) -> Option<FactIndex> {
        (after > self.order.committed).then_some(after)
    }

    fn reply(&mut self, to: ConnId, reply: impl Into<Reply>) {
        self.reply_after(to, reply.into(), FactIndex::ZERO);
    }

    /// Replies once a fact is committed.
    fn reply_after(&mut self, to: ConnId, reply: Reply, after: FactIndex) {
        self.effects.push_back(Effect::Reply { to, reply, after });
    }
}

#[cfg(test)]
mod tests;
