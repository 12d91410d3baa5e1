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
//! The message log is the session's memory. A number counts as *taken* when its entry was handed
//! to the log. The session acknowledges a number, or names it in `since=`, only after the shell has
//! reported that the entry is written.

mod automatic_join;
mod backoff;
mod bye_text;
mod command_queue;
mod dropped;
mod entry;
mod handshake;
mod in_flight;
mod inbox;
mod io;
mod join;
mod join_kind;
mod notice;
mod output;
mod own_addresses;
mod refused;
mod requests;
mod shutdown;
mod status;
mod user_command;
mod waiting;

#[cfg(test)]
mod tests;

use crate::limits::USER_COMMANDS_MAX;
use crate::time::Millis;

use automatic_join::AutomaticJoin;
use command_queue::CommandQueue;
use dropped::DropReports;
use inbox::{Inbox, MessageStream};
use join::Join;
use output::SessionOutput;
use own_addresses::OwnAddresses;
use requests::Requests;
use shutdown::SessionShutdown;
use user_command::{Ask, UserCommand};
use waiting::WaitingRequests;

pub use dropped::{DropReason, DroppedConnection};
pub use entry::{LogEntry, LogPosition, Message};
pub use io::{CommandSocket, MessageSocket, SessionEffect, SessionInput};
pub use join_kind::JoinKind;
pub use notice::{Notice, Reason};
pub use status::{SessionState, Status};
pub use user_command::BadCommand;
pub use waiting::NotSent;

/// Settings of a session, fixed for its life.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Id of the participant; see [`crate::protocol::is_id`].
    pub id: Box<str>,
    /// Address or name of the coordinator, and its port, as the user writes them.
    pub coordinator: Box<str>,
    /// Epoch and last number of the message log.
    pub log_position: LogPosition,
    /// True to reconnect automatically when the message socket breaks.
    pub reconnects: bool,
    /// True to keep running after the end of the user's input.
    pub stays_after_input: bool,
    /// Seed of the jitter between retries: any number that other participants hardly have.
    pub seed: u64,
}

/// State machine of one participant.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    requests: Requests,
    queue: CommandQueue,
    waiting: WaitingRequests,
    join: Option<Join>,
    stream: Option<MessageStream>,
    inbox: Inbox,
    own_addresses: OwnAddresses,
    automatic_join: AutomaticJoin,
    shutdown: Option<SessionShutdown>,
    dropped: DropReports,
    output: SessionOutput,
}

impl Session {
    /// Creates a session that is offline.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            requests: Requests::default(),
            queue: CommandQueue::default(),
            waiting: WaitingRequests::new(settings.seed.wrapping_add(1)),
            join: None,
            stream: None,
            inbox: Inbox::new(settings.log_position),
            own_addresses: OwnAddresses::default(),
            automatic_join: AutomaticJoin::new(settings.seed),
            shutdown: None,
            dropped: DropReports::default(),
            output: SessionOutput::default(),
            settings,
        }
    }

    /// Handles one input. The effects wait for [`Session::poll_effect`].
    pub fn handle(&mut self, input: SessionInput<'_>, now: Millis) {
        if self.output.is_over() {
            return;
        }
        match input {
            SessionInput::UserLine(line) => self.on_user_line(line),
            SessionInput::UserLineTooLong { max } => {
                self.queue.push(UserCommand::Bad(BadCommand::TooLong(max)));
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
            self.inbox.retry_at(),
            self.waiting.deadline(),
            self.shutdown.as_ref().map(|shutdown| shutdown.until),
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

    /// Returns true if the session is shutting down: it takes no messages and no commands.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Returns true if all commands of the user so far are done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.waiting.is_empty()
            && self.requests.has_room_for(false)
            && !self.join.as_ref().is_some_and(Join::is_for_user)
    }

    /// Returns true if a command of the user has failed.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.output.has_failed()
    }

    fn expire(&mut self, now: Millis) {
        self.expire_requests(now);
        self.expire_join(now);
        self.expire_waiting(now);
        if self.inbox.retry_is_due(now) {
            self.output.push(SessionEffect::RetryLog);
        }
        self.expire_shutdown(now);
    }

    fn on_user_line(&mut self, line: &[u8]) {
        if self.queue.is_full() {
            return self.bad_command(BadCommand::TooMany(USER_COMMANDS_MAX));
        }
        match UserCommand::parse(line) {
            Ok(None) => (),
            Ok(Some(command)) => self.queue.push(command),
            Err(bad) => self.queue.push(UserCommand::Bad(bad)),
        }
    }

    fn bad_command(&mut self, bad: BadCommand) {
        self.output.fail();
        self.show(Notice::BadCommand(bad));
    }

    fn show(&mut self, notice: Notice) {
        self.output.show(notice);
    }

    /// Carries out the user's commands in order, up to the first that must wait.
    fn run_commands(&mut self, now: Millis) {
        self.send_waiting(now);
        while self.shutdown.is_none() && self.may_run_next(now) {
            let Some(command) = self.queue.pop() else { break };
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
                UserCommand::Quit => self.start_shutdown(now),
                UserCommand::Bad(bad) => self.bad_command(bad),
            }
        }
        self.report_waiting();
    }

    /// Returns true if the next command of the user can be carried out now. If the command only
    /// lacks a command socket, this dials one.
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
                // A command of the user cancels an automatic reconnect.
                self.give_up_join();
                self.drop_waiting(&NotSent::Left);
                self.has_command_socket(now)
            }
            UserCommand::Ask(Ask::Msend(_) | Ask::Query(_)) => {
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
            port: join.map(Join::port).or(self.automatic_join.port()).map(|port| port.number),
            epoch: log_position.epoch,
            last: log_position.last,
            unwritten: self.inbox.unwritten(),
            waiting: self.waiting.len(),
            in_flight: self.requests.in_flight(),
        }
    }

    /// Checks the invariants, in constant time.
    ///
    /// # Panics
    ///
    /// If an invariant is broken: a bug in this module.
    pub fn check(&self) {
        self.requests.check();
        self.inbox.check();
        self.waiting.check();
        if let Some(join) = &self.join {
            join.check();
            assert!(self.shutdown.is_none(), "no join runs during a shutdown");
        }
        if let Some(stream) = &self.stream {
            assert!(stream.acked <= stream.received, "acknowledged a number that was not received");
            assert!(
                stream.acked <= self.inbox.log_position().last,
                "acknowledged a number that was not taken"
            );
        }
    }
}
