//! Decides for a participant: which requests to send, which messages to log and acknowledge, when
//! to reconnect.
//!
//! ```text
//!                 register, reconnect                      hello and OK
//!   offline ─────────────────────────────> joining ─────────────────────────> online
//!      ^  ^                                 │   ^                             │    │
//!      │  └──────── ERR, no listener ───────┘   │ after a pause               │    │
//!      │                                        └──── message socket broke ───┘    │
//!      └────────────────────── disconnect, deregister ─────────────────────────────┘
//! ```
//!
//! A [`Session`] is a deterministic state machine without sockets, clock, files or randomness.
//! [`Session::handle`] takes inputs, [`Session::poll_effect`] returns effects, and
//! [`Session::next_deadline`] returns the time of the next tick. The shell (`participant`) frames
//! lines and carries out the effects. Every rule of a participant is in this module.
//!
//! ```text
//!   input ──▶ handler: what an event means; join: register and reconnect
//!                │            commands: what the user asked for, in order
//!                │            failover, refused, unreachable: what follows from a failure
//!                ▼
//!   parts:  requests (command socket)   messages (message socket, inbox)   command_queue
//!           join/state (attempts, handshake)   automatic_join (pauses)   shutdown
//!           outbox (requests in an outage, numbers of texts)    output ──▶ effects
//! ```
//!
//! Each part decides about its own fields. A part gets the output and the time, and returns the
//! consequences for other parts. Only the files of the first three lines see more than one part.
//!
//! The message log is the session's memory. A number counts as *taken* when its entry was handed
//! to the log. The session acknowledges a number, or names it in `since=`, only after the shell has
//! reported that the entry is written.

mod automatic_join;
mod backoff;
mod bye_text;
mod command_queue;
mod commands;
mod coordinators;
mod credentials;
mod dropped;
mod entry;
mod failover;
mod handler;
mod handshake;
mod here_hint;
mod in_flight;
mod inbox;
mod io;
mod join;
mod join_arguments;
mod join_kind;
mod members_table;
mod messages;
mod next_attempt;
mod notice;
mod notice_kind;
mod outbox;
mod outbox_entry;
mod outbox_notice;
mod outbox_store;
mod output;
mod own_addresses;
mod refused;
mod requests;
mod sending_state;
mod shutdown;
mod status;
mod text_numbers;
mod text_outcome;
mod unreachable;
mod user_command;
mod user_request;
mod visit;
mod waiting;
mod waiting_count;
mod waiting_limits;

#[cfg(test)]
mod tests;

use crate::limits::{
    DELIVERY_EXTRA_BYTES, HELLO_LINE_BYTES_MAX, LINE_BYTES_HIGHEST, TEXT_FRAME_BYTES,
};
use crate::protocol::DeliverTo;
use crate::time::Millis;

use automatic_join::AutomaticJoin;
use command_queue::CommandQueue;
use coordinators::Coordinators;
use dropped::DropReports;
use handler::SessionHandler;
use in_flight::RequestSource;
use join::{Join, JoinWay};
use messages::ReceivedMessages;
use outbox::Outbox;
use output::SessionOutput;
use own_addresses::OwnAddresses;
use requests::Requests;
use shutdown::{SessionShutdown, leave_if_done};
use user_command::{Ask, UserCommand};
use visit::Visit;

pub use credentials::JoinCredentials;
pub use dropped::{DropReason, DroppedConnection};
pub use entry::{LogEntry, LogPosition, Message};
pub use here_hint::HereHint;
pub use io::{CommandSocket, MessageSocket, SessionEffect, SessionInput};
pub use join::Advertised;
pub use join_arguments::NoPast;
pub use join_kind::JoinKind;
pub use next_attempt::{LeftCoordinator, NextAttempt};
pub use notice::{Notice, Reason};
pub use notice_kind::NoticeKind;
pub use outbox_entry::{OutboxEntry, StoredOutbox, StoredText};
pub use outbox_notice::OutboxNotice;
pub use status::{SessionState, Status};
pub use text_outcome::TextOutcome;
pub use user_command::{BadCommand, command_usages};
pub use visit::VisitKind;
pub use waiting::NotSent;
pub use waiting_count::WaitingCount;
pub use waiting_limits::WaitingLimits;

/// Settings of a session, fixed for its life.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Id of the participant; see [`crate::protocol::is_id`].
    pub id: Box<str>,
    /// Addresses or names of the coordinators, and their ports, as the user writes them. They are
    /// tried in turn.
    pub coordinators: Box<[Box<str>]>,
    /// Epoch and last number of the message log.
    pub log_position: LogPosition,
    /// True to reconnect automatically when the message socket breaks.
    pub reconnects: bool,
    /// True to keep running after the end of the user's input.
    pub stays_after_input: bool,
    /// True if a join without a port uses `here`: the coordinator cannot connect to this
    /// participant.
    pub is_passive: bool,
    /// Address at which the coordinator reaches the listener; `None`: the address of this machine.
    pub advertised: Option<Advertised>,
    /// Own key and secret, with TLS.
    pub credentials: JoinCredentials,
    /// The way in which the participant works with its id.
    pub visit: VisitKind,
    /// Texts that an earlier run left in the outbox file; `None` without such a file.
    pub outbox: Option<StoredOutbox>,
    /// Time of the start.
    pub started: Millis,
    /// Seed of the jitter between retries: any number that other participants hardly have.
    pub seed: u64,
}

/// State machine of one participant.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    requests: Requests,
    queue: CommandQueue,
    outbox: Outbox,
    join: Option<Join>,
    messages: ReceivedMessages,
    own_addresses: OwnAddresses,
    automatic_join: AutomaticJoin,
    visit: Visit,
    shutdown: Option<SessionShutdown>,
    dropped: DropReports,
    output: SessionOutput,
}

impl Session {
    /// Creates a session that is offline.
    #[must_use]
    pub fn new(mut settings: Settings) -> Self {
        let (seed, stored) = (settings.seed.wrapping_add(1), settings.outbox.take());
        let coordinators = Coordinators::new(std::mem::take(&mut settings.coordinators));
        let outbox = Outbox::new(seed, (stored, settings.log_position.epoch), settings.started);
        let mut session = Self {
            requests: Requests::new(coordinators),
            queue: CommandQueue::default(),
            outbox,
            join: None,
            messages: ReceivedMessages::new(settings.log_position),
            own_addresses: OwnAddresses::default(),
            automatic_join: AutomaticJoin::new(settings.seed),
            visit: Visit::new(settings.visit),
            shutdown: None,
            dropped: DropReports::default(),
            output: SessionOutput::default(),
            settings,
        };
        let usual = JoinWay::usual(session.settings.is_passive);
        if session.visit.is_visit() {
            session.outbox.waiting_mut().limit_unanswered();
        }
        session.requests.name_ip(usual.named_ip(session.settings.advertised));
        session.report_outbox();
        session
    }

    /// Returns true if a command may be sent before the replies to the requests in flight. Before a
    /// visit joins, its texts have no numbers and go one by one: the id may come online elsewhere
    /// after the first text is refused, and the second one would overtake it.
    fn has_room_for(&self, is_message: bool) -> bool {
        let goes_alone = is_message
            && self.visit.joins_to_send()
            && self.messages.stream().is_none()
            && self.requests.user_requests().next().is_some();
        !goes_alone && self.requests.has_room_for(is_message)
    }

    /// Handles one input. The effects wait for [`Session::poll_effect`].
    pub fn handle(&mut self, input: SessionInput<'_>, now: Millis) {
        if self.output.is_over() {
            return;
        }
        SessionHandler::new(self, now).handle(input);
        self.messages.acknowledge(&mut self.output);
        self.run_commands(now);
        SessionHandler::new(self, now).advance_join();
        leave_if_done(self, now);
        self.check();
    }

    /// Returns the next effect. The shell carries effects out in this order.
    pub fn poll_effect(&mut self) -> Option<SessionEffect> {
        self.output.poll()
    }

    /// Returns the time by which [`SessionInput::Tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.output.is_over() {
            return None; // An ignored deadline would keep the loop awake.
        }
        [
            self.requests.deadline(),
            self.join.as_ref().and_then(Join::deadline),
            self.messages.inbox().retry_at(),
            self.outbox.deadline(),
            self.shutdown.as_ref().map(SessionShutdown::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Returns true if the session takes more lines of the user. Until then the shell keeps them.
    #[must_use]
    pub fn wants_user_lines(&self) -> bool {
        self.shutdown.is_none() && self.queue.has_room()
    }

    /// Returns true if one more text can wait or be sent. Until then the shell reads none.
    #[must_use]
    pub fn takes_texts(&self) -> bool {
        self.wants_user_lines() && self.outbox.waiting().has_room()
    }

    /// Returns the position of the last request of the user: of a text, if the last line was one.
    /// [`SessionEffect::TextDone`] names the text by this position.
    #[must_use]
    pub fn last_order(&self) -> u64 {
        self.outbox.waiting().last_order().saturating_add(self.queue.requests())
    }

    /// Returns true if the session ends because the coordinator has refused the id of a visit.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.visit.is_refused()
    }

    /// Returns true if the session is shutting down: it takes no messages and no commands.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Returns true if all commands of the user so far are done, or wait for a `join` of the user.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && (self.outbox.waiting().is_empty() || self.is_parked())
            && self.requests.has_room_for(false)
            && !self.join.as_ref().is_some_and(Join::is_for_user)
    }

    /// Returns true if another program has the id, and the user has not asked for it again.
    #[must_use]
    pub const fn is_taken_over(&self) -> bool {
        self.visit.is_taken_over()
    }

    /// Returns true if a command of the user has failed.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.output.has_failed()
    }

    /// Returns true if the session takes a line of a connection now. If not, the line stays in the
    /// read buffer, and the end of the stream behind it too: this is backpressure on the
    /// coordinator.
    #[must_use]
    pub fn wants_message_line(&self, socket: MessageSocket) -> bool {
        if self.is_candidate(socket) {
            return true;
        }
        let join = self.join.as_ref();
        let is_reply_awaited =
            join.is_some_and(Join::has_hello_only) && self.messages.is_repeat_possible();
        self.messages.is_stream(socket)
            && !join.is_some_and(Join::stops_reading)
            && !is_reply_awaited
            && self.shutdown.is_none()
            && self.messages.inbox().has_room()
    }

    /// Returns the most bytes of a line of a connection, its line feed included. The limit does not
    /// depend on `max_line`: the first message can come before the reply that names it, and kept
    /// messages can be from a start with a larger limit.
    #[must_use]
    pub fn message_line_bytes_max(&self, socket: MessageSocket) -> usize {
        match self.is_candidate(socket) {
            true => HELLO_LINE_BYTES_MAX.saturating_add("\r".len()),
            false => LINE_BYTES_HIGHEST.saturating_add(DELIVERY_EXTRA_BYTES),
        }
    }

    /// Returns true for the connection whose messages are taken.
    #[must_use]
    pub fn is_message_socket(&self, socket: MessageSocket) -> bool {
        self.messages.is_stream(socket)
    }

    /// Returns true if messages can come.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.messages.is_online()
    }

    /// Returns the most bytes of a text that the coordinator accepts, if it has told them. A text
    /// that is too long for `send` and its number goes as `msend`.
    #[must_use]
    pub fn text_bytes_max(&self) -> Option<usize> {
        let names = self.settings.id.len().saturating_add(self.requests.named_ip_bytes());
        let around = names.saturating_add(TEXT_FRAME_BYTES);
        self.outbox.line_bytes_max().map(|max| max.saturating_sub(around))
    }

    /// Returns true if a connection has sent no hello yet.
    fn is_candidate(&self, socket: MessageSocket) -> bool {
        self.join.as_ref().is_some_and(|join| join.is_candidate(socket))
    }

    fn show_status(&mut self, now: Millis) {
        let status = Status::of(self, now);
        self.output.show(Notice::Status(Box::new(status)));
    }

    /// Returns the reason to use `here`, if a refusal tells one.
    fn here_hint(&self, source: &RequestSource, code: u16, line: &str) -> Option<HereHint> {
        if matches!(source, RequestSource::GivenUp | RequestSource::Leave) {
            return None;
        }
        let way = self.join.as_ref().map(Join::way).or(self.automatic_join.way());
        let port = match way.map(|way| way.deliver_to(self.settings.advertised)) {
            Some(DeliverTo::Port(port)) => Some(port),
            Some(DeliverTo::Here) | None => None,
        };
        HereHint::of(code, line, self.requests.named_ip()?, port)
    }

    /// Checks the invariants, in constant time.
    ///
    /// # Panics
    ///
    /// If an invariant is broken: a bug in this module.
    pub fn check(&self) {
        self.requests.check();
        self.messages.check();
        self.outbox.check();
        if let Some(join) = &self.join {
            join.check();
            assert!(self.shutdown.is_none(), "no join runs during a shutdown");
        }
    }
}
