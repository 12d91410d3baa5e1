//! The participant's mind: what to ask, what to take, what to acknowledge, when to come back.
//!
//! ```text
//!                 register, reconnect                    greeted, and OK
//!   offline ─────────────────────────────> joining ─────────────────────────> online
//!      ^  ^                                 │   ^                             │    │
//!      │  └──────── ERR, no listener ───────┘   │ after a pause               │    │
//!      │                                        └──── message socket broke ───┘    │
//!      └────────────────────── disconnect, deregister ─────────────────────────────┘
//! ```
//!
//! A [`Session`] is a deterministic state machine without sockets, clock, files or randomness:
//! what happens goes in at [`Session::handle`], what it wants done comes out of
//! [`Session::poll_effect`], and [`Session::next_deadline`] says when to come back. Framing and
//! bytes are the shell's, every rule is here.
//!
//! The message log is the memory: a number counts as taken when its entry went to the log, and
//! is acknowledged, or named in `since=`, only when the shell has said that the entry is written.

mod backoff;
mod bye_text;
mod dropped;
mod entry;
mod handshake;
mod in_flight;
mod inbox;
mod io;
mod join;
mod join_kind;
mod notice;
mod own_addresses;
mod refused;
mod requests;
mod shutdown;
mod user_command;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::limits::{USER_COMMANDS_BYTES_MAX, USER_COMMANDS_MAX};
use crate::time::Millis;

use backoff::Backoff;
use dropped::DropReports;
use inbox::{Inbox, MessageStream};
use join::{Join, Port};
use own_addresses::OwnAddresses;
use requests::Requests;
use shutdown::SessionShutdown;
use user_command::{Ask, UserCommand};
use waiting::WaitingRequests;

pub use dropped::{DropReason, DroppedConnection};
pub use entry::{LogEntry, Message};
pub use inbox::LogPosition;
pub use io::{CommandSocket, MessageSocket, SessionEffect, SessionInput};
pub use join_kind::JoinKind;
pub use notice::{Notice, Reason, SessionState, Status};
pub use user_command::BadCommand;
pub use waiting::NotSent;

/// What a session is born with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who it speaks for; see [`crate::protocol::is_id`].
    pub id: Box<str>,
    /// Address or name of the coordinator, and its port, as the user writes them.
    pub coordinator: Box<str>,
    /// What the message log remembers.
    pub log_position: LogPosition,
    /// Whether it comes back by itself when its message socket breaks.
    pub reconnects: bool,
    /// Whether it goes on after the end of the user's input.
    pub stays_after_input: bool,
    /// Any number that other participants are not likely to have: it spreads the pauses.
    pub seed: u64,
}

/// One participant.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    requests: Requests,
    queue: VecDeque<UserCommand>,
    queue_bytes: usize,
    waiting: WaitingRequests,
    join: Option<Join>,
    stream: Option<MessageStream>,
    inbox: Inbox,
    own_addresses: OwnAddresses,
    /// Where to listen when coming back by itself; `None` until the coordinator let us in once,
    /// and again when the user asked to leave.
    last_port: Option<Port>,
    backoff: Backoff,
    shutdown: Option<SessionShutdown>,
    /// The very last effect, and nothing is handled any more.
    exit: Option<SessionEffect>,
    over: bool,
    /// Whether a command failed: the exit code.
    failed: bool,
    /// Connections that were dropped at the listener.
    dropped: DropReports,
    effects: VecDeque<SessionEffect>,
}

impl Session {
    /// A participant that has said nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            requests: Requests::default(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            waiting: WaitingRequests::new(settings.seed.wrapping_add(1)),
            join: None,
            stream: None,
            inbox: Inbox::new(settings.log_position),
            own_addresses: OwnAddresses::default(),
            last_port: None,
            backoff: Backoff::new(settings.seed),
            shutdown: None,
            exit: None,
            over: false,
            failed: false,
            dropped: DropReports::default(),
            effects: VecDeque::new(),
            settings,
        }
    }

    /// The one door in.
    pub fn handle(&mut self, input: SessionInput<'_>, now: Millis) {
        if self.over {
            return;
        }
        match input {
            SessionInput::UserLine(line) => self.on_user_line(line),
            SessionInput::UserLineTooLong { max } => {
                self.enqueue(UserCommand::Bad(BadCommand::TooLong(max)));
            }
            SessionInput::EndOfInput => self.on_end_of_input(),
            SessionInput::Stop => self.on_stop(now),
            SessionInput::Dialed { socket, ip, coordinator } => {
                self.on_dialed(socket, ip, coordinator);
            }
            SessionInput::DialFailed { socket, reason } => {
                self.on_dial_failed(socket, Reason::System(reason.into()), now);
            }
            SessionInput::ReplyLine { socket, line } => self.on_reply_line(socket, line, now),
            SessionInput::CommandSocketClosed { socket, reason, unsent } => {
                self.on_command_socket_closed(socket, &Reason::System(reason.into()), unsent, now);
            }
            SessionInput::Listening { port, nonce } => self.on_listening(port, nonce),
            SessionInput::ListenFailed { reason } => self.on_listen_failed(reason, now),
            SessionInput::Accepted { socket, peer } => self.on_accepted(socket, peer, now),
            SessionInput::MessageLine { socket, line } => self.on_message_line(socket, line, now),
            SessionInput::MessageSocketClosed { socket, reason } => {
                self.on_message_socket_closed(socket, reason, now);
            }
            SessionInput::LogWritten { entries } => self.on_log_written(entries),
            SessionInput::LogFailed { reason } => self.on_log_failed(reason, now),
            SessionInput::Tick => (),
        }
        self.expire(now);
        self.acknowledge();
        self.run_commands(now);
        self.advance(now);
        self.leave_if_done(now);
        self.check();
    }

    /// The one door out.
    pub fn poll_effect(&mut self) -> Option<SessionEffect> {
        self.effects.pop_front().or_else(|| self.exit.take())
    }

    /// When [`SessionInput::Tick`] is due at latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.over {
            return None; // A deadline that nobody acts on would keep the loop awake.
        }
        [
            self.requests.deadline(),
            self.join.as_ref().and_then(Join::deadline),
            self.inbox.retry_at(),
            self.waiting.deadline(),
            self.shutdown.as_ref().map(|shutdown| shutdown.until),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether more lines of the user may come in; if not, they wait where they are.
    #[must_use]
    pub fn wants_user_lines(&self) -> bool {
        self.shutdown.is_none()
            && self.queue.len() < USER_COMMANDS_MAX
            && self.queue_bytes < USER_COMMANDS_BYTES_MAX
    }

    /// Whether the end has begun: nothing more is taken, and few replies are still to come.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Tells if every command of the user so far is done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.waiting.is_empty()
            && self.requests.has_room_for(false)
            && !self.join.as_ref().is_some_and(Join::is_for_user)
    }

    /// Tells if a command of the user has failed.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    fn expire(&mut self, now: Millis) {
        self.expire_requests(now);
        self.expire_join(now);
        self.expire_waiting(now);
        if self.inbox.retry_is_due(now) {
            self.effects.push_back(SessionEffect::RetryLog);
        }
        self.expire_shutdown(now);
    }

    fn on_user_line(&mut self, line: &[u8]) {
        if self.queue.len() >= USER_COMMANDS_MAX {
            return self.bad_command(BadCommand::TooMany(USER_COMMANDS_MAX));
        }
        match UserCommand::parse(line) {
            Ok(None) => (),
            Ok(Some(command)) => self.enqueue(command),
            Err(bad) => self.enqueue(UserCommand::Bad(bad)),
        }
    }

    fn enqueue(&mut self, command: UserCommand) {
        self.queue_bytes = self.queue_bytes.saturating_add(command.bytes());
        self.queue.push_back(command);
    }

    fn dequeue(&mut self) -> Option<UserCommand> {
        let command = self.queue.pop_front()?;
        self.queue_bytes = self.queue_bytes.saturating_sub(command.bytes());
        Some(command)
    }

    fn bad_command(&mut self, bad: BadCommand) {
        self.failed = true;
        self.show(Notice::BadCommand(bad));
    }

    fn show(&mut self, notice: Notice) {
        self.effects.push_back(SessionEffect::Show(notice));
    }

    /// Carries out what the user asked for, in order, as far as it need not wait.
    fn run_commands(&mut self, now: Millis) {
        self.send_waiting(now);
        while self.shutdown.is_none() && self.may_run_next(now) {
            let Some(command) = self.dequeue() else { break };
            let must_wait = self.must_wait(&command);
            match command {
                UserCommand::Join { kind, port } => self.join(kind, port),
                UserCommand::Ask(ask) => {
                    let request = self.waiting.number(ask, now);
                    match must_wait {
                        true => self.wait(request),
                        false => self.ask(request, now),
                    }
                }
                UserCommand::Status => self.show(Notice::Status(self.status(now))),
                UserCommand::Help => self.show(Notice::Help),
                UserCommand::Quit => self.begin_to_leave(now),
                UserCommand::Bad(bad) => self.bad_command(bad),
            }
        }
        self.report_waiting();
    }

    /// Whether the next command of the user can be carried out now; dials if that is all it needs.
    fn may_run_next(&mut self, now: Millis) -> bool {
        let Some(command) = self.queue.front() else { return false };
        let joining_for_user = self.join.as_ref().is_some_and(Join::is_for_user);
        let others_wait = !self.waiting.is_empty() && !self.is_in_outage();
        if joining_for_user || others_wait {
            return false;
        }
        let is_message = matches!(command, UserCommand::Ask(Ask::Msend(_)));
        if self.must_wait(command) || !self.requests.has_room_for(is_message) {
            return self.must_wait(command);
        }
        let joins_by_itself = self.join.as_ref().is_some_and(|join| !join.is_waiting());
        match command {
            UserCommand::Join { .. }
            | UserCommand::Status
            | UserCommand::Help
            | UserCommand::Quit
            | UserCommand::Bad(_) => true,
            UserCommand::Ask(Ask::Disconnect | Ask::Deregister) => {
                // The user's word goes before what the session would do by itself.
                self.give_up_join();
                self.drop_waiting(&NotSent::Left);
                self.has_command_socket(now)
            }
            UserCommand::Ask(Ask::Msend(_) | Ask::Members | Ask::Stats | Ask::Ping) => {
                !joins_by_itself && self.has_command_socket(now)
            }
        }
    }

    fn status(&self, now: Millis) -> Status {
        let join = self.join.as_ref();
        let state = match (join.and_then(|join| join.state(now)), &self.stream) {
            (Some(state), _) => state,
            (None, Some(stream)) if !stream.leaving => SessionState::Online,
            (None, Some(_) | None) => SessionState::Offline,
        };
        let log_position = self.inbox.log_position();
        Status {
            id: self.settings.id.clone(),
            state,
            coordinator: self.settings.coordinator.clone(),
            address: self.requests.coordinator(),
            port: join.map(Join::port).or(self.last_port).map(|port| port.number),
            epoch: log_position.epoch,
            last: log_position.last,
            unwritten: self.inbox.unwritten(),
            waiting: self.waiting.len(),
            in_flight: self.requests.in_flight(),
        }
    }

    /// What must hold after every input, in constant time.
    ///
    /// # Panics
    ///
    /// If it does not: that is a bug here.
    pub fn check(&self) {
        self.requests.check();
        self.inbox.check();
        self.waiting.check();
        if let Some(join) = &self.join {
            join.check();
            assert!(self.shutdown.is_none(), "nobody joins who is about to leave");
        }
        if let Some(stream) = &self.stream {
            assert!(stream.acked <= stream.received, "acknowledged what did not come");
            assert!(
                stream.acked <= self.inbox.log_position().last,
                "acknowledged what was not taken"
            );
        }
    }
}
