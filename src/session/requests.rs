//! The command socket: sends requests, and matches each reply with the oldest request in flight.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::in_flight::{InFlight, RequestSource, handed_over};
use super::waiting::UserRequest;
use super::{Ask, CommandSocket, NotSent, Notice, Reason, Session, SessionEffect};
use crate::limits::{DIAL_TIMEOUT_MS, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_MAX, REPLY_TIMEOUT_MS};
use crate::protocol::{Command, Fields, ReplyLine, Request};
use crate::time::Millis;

/// State of the command socket, and the requests in flight.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: CommandSocketState,
    /// Address of the coordinator on the last command socket.
    coordinator: Option<SocketAddr>,
    in_flight: VecDeque<InFlight>,
    bytes: usize,
    /// Deadline of the next reply. It has no meaning without a request in flight.
    reply_due: Millis,
    dials: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum CommandSocketState {
    #[default]
    Closed,
    Dialing {
        socket: CommandSocket,
        until: Millis,
    },
    Open {
        socket: CommandSocket,
        ip: IpAddr,
    },
}

impl Requests {
    /// Returns this participant's address on the open command socket.
    pub(super) fn own_ip(&self) -> Option<IpAddr> {
        match self.state {
            CommandSocketState::Open { ip, .. } => Some(ip),
            CommandSocketState::Closed | CommandSocketState::Dialing { .. } => None,
        }
    }

    pub(super) const fn coordinator(&self) -> Option<SocketAddr> {
        self.coordinator
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        match self.state {
            CommandSocketState::Dialing { until, .. } => Some(until),
            CommandSocketState::Open { .. } if !self.in_flight.is_empty() => Some(self.reply_due),
            CommandSocketState::Open { .. } | CommandSocketState::Closed => None,
        }
    }

    /// Returns the number of requests without a reply.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns true if a reply is due to a request that was not given up.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.iter().any(|request| request.source != RequestSource::GivenUp)
    }

    /// As [`Self::is_busy`], without `register` and `reconnect`.
    fn is_busy_for_user(&self) -> bool {
        self.in_flight.iter().any(|request| match request.source {
            RequestSource::User(_) | RequestSource::Leave => true,
            RequestSource::Join | RequestSource::GivenUp => false,
        })
    }

    /// Returns true if a `disconnect` or `deregister` is in flight.
    pub(super) fn is_leaving(&self) -> bool {
        self.in_flight.iter().any(|request| match &request.source {
            RequestSource::User(request) => request.ask.is_leave(),
            RequestSource::Leave => true,
            RequestSource::Join | RequestSource::GivenUp => false,
        })
    }

    /// Returns true if a request in flight was given up.
    pub(super) fn is_any_abandoned(&self) -> bool {
        self.in_flight.iter().any(|request| request.source == RequestSource::GivenUp)
    }

    /// Returns true if a command may be sent before the replies to the requests in flight.
    pub(super) fn has_room_for(&self, is_message: bool) -> bool {
        if !is_message {
            return !self.is_busy_for_user();
        }
        let may_follow = |source: &RequestSource| match source {
            RequestSource::User(request) => request.ask.is_message(),
            RequestSource::GivenUp => true,
            RequestSource::Join | RequestSource::Leave => false,
        };
        self.in_flight.len() < IN_FLIGHT_MAX
            && self.bytes < IN_FLIGHT_BYTES_MAX
            // All requests in flight are messages, or were given up.
            && self.in_flight.back().is_none_or(|last| may_follow(&last.source))
    }

    /// Gives up the `register` or `reconnect` in flight.
    pub(super) fn abandon_join(&mut self) {
        for request in &mut self.in_flight {
            if request.source == RequestSource::Join {
                request.source = RequestSource::GivenUp;
            }
        }
    }

    fn is_open(&self, source: CommandSocket) -> bool {
        matches!(self.state, CommandSocketState::Open { socket, .. } if socket == source)
    }

    fn pop(&mut self) -> Option<RequestSource> {
        let request = self.in_flight.pop_front()?;
        self.bytes = self.bytes.saturating_sub(request.bytes);
        Some(request.source)
    }

    /// Marks the socket as closed, and returns the requests that were in flight.
    fn close(&mut self) -> VecDeque<InFlight> {
        self.state = CommandSocketState::Closed;
        self.bytes = 0;
        std::mem::take(&mut self.in_flight)
    }

    pub(super) fn check(&self) {
        let is_open = matches!(self.state, CommandSocketState::Open { .. });
        assert!(is_open || self.in_flight.is_empty(), "no request is in flight without a socket");
        assert!(
            self.in_flight.len() <= IN_FLIGHT_MAX.saturating_add(2),
            "at most {IN_FLIGHT_MAX} messages in flight"
        );
    }
}

impl Session {
    /// Returns true if the command socket is open. If it is closed, this dials a new one.
    pub(super) fn has_command_socket(&mut self, now: Millis) -> bool {
        match self.requests.state {
            CommandSocketState::Open { .. } => true,
            CommandSocketState::Dialing { .. } => false,
            CommandSocketState::Closed => {
                self.requests.dials = self.requests.dials.saturating_add(1);
                let socket = CommandSocket(self.requests.dials);
                let until = now.plus(DIAL_TIMEOUT_MS);
                self.requests.state = CommandSocketState::Dialing { socket, until };
                self.output.push(SessionEffect::Dial { socket });
                false
            }
        }
    }

    pub(super) fn on_dialed(&mut self, dialed: CommandSocket, ip: IpAddr, address: SocketAddr) {
        match self.requests.state {
            CommandSocketState::Dialing { socket, .. } if socket == dialed => {
                self.requests.state = CommandSocketState::Open { socket, ip: ip.to_canonical() };
            }
            CommandSocketState::Dialing { .. }
            | CommandSocketState::Closed
            | CommandSocketState::Open { .. } => return,
        }
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let is_new = self.requests.coordinator.replace(address) != Some(address);
        let name = &self.settings.coordinator;
        if is_new && **name != *address.to_string() {
            let name = name.clone();
            self.show(Notice::Connected { name, address });
        }
    }

    /// Sends a request of the user.
    pub(super) fn ask(&mut self, request: UserRequest, now: Millis) {
        if request.ask.is_leave() {
            // The end of the message socket is expected now: no reconnect follows.
            self.automatic_join.forbid();
        }
        let Some(line) = self.request_line(&request.ask.command()) else { return };
        let word = request.ask.command().word();
        self.send(RequestSource::User(request), word, line, now);
    }

    pub(super) fn ip(&self) -> Option<IpAddr> {
        if let CommandSocketState::Open { ip, .. } = self.requests.state { Some(ip) } else { None }
    }

    /// Returns the line of a request, or `None` without an open command socket.
    pub(super) fn request_line(&self, command: &Command<'_>) -> Option<Box<str>> {
        let CommandSocketState::Open { ip, .. } = self.requests.state else { return None };
        let request = Request { id: &self.settings.id, command: *command, ip };
        Some(format!("{request}\n").into())
    }

    pub(super) fn send(
        &mut self,
        source: RequestSource,
        word: &'static str,
        line: Box<str>,
        now: Millis,
    ) {
        let CommandSocketState::Open { socket, .. } = self.requests.state else { return };
        if self.requests.in_flight.is_empty() {
            self.requests.reply_due = now.plus(REPLY_TIMEOUT_MS);
        }
        let bytes = line.len();
        self.requests.bytes = self.requests.bytes.saturating_add(bytes);
        self.requests.in_flight.push_back(InFlight { source, word, bytes, rows: 0 });
        self.output.push(SessionEffect::Send { socket, line });
    }

    pub(super) fn on_dial_failed(&mut self, failed: CommandSocket, why: Reason, now: Millis) {
        match self.requests.state {
            CommandSocketState::Dialing { socket, .. } if socket == failed => (),
            CommandSocketState::Dialing { .. }
            | CommandSocketState::Closed
            | CommandSocketState::Open { .. } => return,
        }
        self.requests.state = CommandSocketState::Closed;
        if self.join.as_ref().is_some_and(super::Join::wants_to_ask) {
            return self.fail_join(why, now);
        }
        if self.shutdown.is_some() {
            return self.exit_failed(Notice::Failed { command: "disconnect", why });
        }
        if self.waits_for_coordinator(now) {
            return;
        }
        match self.take_unsent(now) {
            Some(request) if request.ask.is_message() => {
                self.not_sent(&request, NotSent::Unreachable(why));
            }
            Some(request) => {
                self.output.fail();
                self.show(Notice::Failed { command: request.ask.command().word(), why });
            }
            None => (),
        }
    }

    pub(super) fn on_reply_line(&mut self, socket: CommandSocket, line: &[u8], now: Millis) {
        if !self.requests.is_open(socket) {
            return;
        }
        self.requests.reply_due = now.plus(REPLY_TIMEOUT_MS);
        let (Ok(line), Some(oldest)) =
            (std::str::from_utf8(line), self.requests.in_flight.front_mut())
        else {
            return self.fail_command_socket(&Reason::BadReply, now);
        };
        if oldest.rows > 0 {
            oldest.rows = oldest.rows.saturating_sub(1);
            let is_last = oldest.rows == 0;
            self.show(Notice::Reply(line.into()));
            if is_last {
                self.requests.pop();
            }
            return;
        }
        match ReplyLine::parse(line) {
            Some(ReplyLine::Ok { command, fields }) if command == oldest.word => {
                let has_rows = matches!(
                    &oldest.source,
                    RequestSource::User(request) if request.ask.is_list()
                );
                match fields.count() {
                    Some(rows) if has_rows && rows > 0 => {
                        oldest.rows = rows;
                        self.show(Notice::Reply(line.into()));
                    }
                    None if has_rows => self.fail_command_socket(&Reason::BadReply, now),
                    Some(_) | None => self.on_ok(line, fields, now),
                }
            }
            Some(ReplyLine::Err { code, .. }) => self.on_err(code, line, now),
            Some(ReplyLine::Ok { .. }) | None => self.fail_command_socket(&Reason::BadReply, now),
        }
    }

    fn on_ok(&mut self, line: &str, fields: Fields<'_>, now: Millis) {
        match self.requests.pop() {
            Some(RequestSource::User(request)) => {
                self.show(Notice::Reply(line.into()));
                match request.ask {
                    Ask::Msend(_) => self.waiting.on_accepted(),
                    Ask::Disconnect | Ask::Deregister => self.mark_leaving(),
                    Ask::Query(_) => (),
                }
            }
            Some(RequestSource::Join) => self.confirm_join(line, fields, now),
            Some(RequestSource::Leave) => self.exit(Some(Notice::Reply(line.into()))),
            Some(RequestSource::GivenUp) | None => (),
        }
    }

    fn on_err(&mut self, code: u16, line: &str, now: Millis) {
        let word = self.requests.in_flight.front().map(|request| request.word);
        match self.requests.pop() {
            Some(RequestSource::User(request)) => self.on_refused(code, line, request, now),
            Some(RequestSource::Join) => self.refuse_join(code, line, now),
            // The member was offline or unknown already.
            Some(RequestSource::Leave) => self.exit(None),
            Some(RequestSource::GivenUp) | None => (),
        }
        // 421 to a `register` is about the number of members, and leaves the socket open.
        if matches!(code, 408 | 413) || code == 421 && word != Some("register") {
            self.take_back_requests();
        }
    }

    /// Queues the requests in flight again. The coordinator closes the socket after this refusal
    /// and has not read the requests behind the refused one.
    fn take_back_requests(&mut self) {
        if let CommandSocketState::Open { socket, .. } = self.requests.state {
            self.output.push(SessionEffect::CloseCommandSocket { socket });
        }
        let mut unfinished = 0_usize;
        for request in self.requests.close() {
            match request.source {
                RequestSource::User(_) if self.shutdown.is_some() => {
                    unfinished = unfinished.saturating_add(1);
                }
                RequestSource::User(request) => self.waiting.insert(request),
                RequestSource::Join => self.ask_again(),
                RequestSource::Leave => self.mark_disconnect_unsent(),
                RequestSource::GivenUp => (),
            }
        }
        self.report_unfinished(unfinished);
    }

    /// Handles the end of the command socket. The operating system has not taken the last `unsent`
    /// bytes of the requests.
    pub(super) fn on_command_socket_closed(
        &mut self,
        socket: CommandSocket,
        why: &Reason,
        unsent: usize,
        now: Millis,
    ) {
        if !self.requests.is_open(socket) {
            return;
        }
        self.show(Notice::CommandSocketLost { why: why.clone() });
        let in_flight = self.requests.close();
        let handed_over = handed_over(&in_flight, unsent);
        for (number, request) in in_flight.into_iter().enumerate() {
            match request.source {
                RequestSource::User(request) if number >= handed_over => match self.shutdown {
                    Some(_) => self.not_sent(&request, NotSent::Quit),
                    None => self.waiting.insert(request),
                },
                RequestSource::User(UserRequest { ask, .. }) => {
                    self.output.fail();
                    self.show(Notice::unanswered(&ask));
                }
                RequestSource::Join => self.on_join_reply_lost(why.clone(), now),
                RequestSource::Leave => {
                    let command = request.word;
                    self.exit_failed(Notice::Failed { command, why: why.clone() });
                }
                RequestSource::GivenUp => (),
            }
        }
    }

    /// Closes the command socket after a wrong reply, or after a timeout.
    fn fail_command_socket(&mut self, why: &Reason, now: Millis) {
        let CommandSocketState::Open { socket, .. } = self.requests.state else { return };
        self.output.push(SessionEffect::CloseCommandSocket { socket });
        self.on_command_socket_closed(socket, why, 0, now);
    }

    pub(super) fn expire_requests(&mut self, now: Millis) {
        if self.requests.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.requests.state {
            CommandSocketState::Dialing { socket, .. } => {
                self.output.push(SessionEffect::CloseCommandSocket { socket });
                let coordinator = self.settings.coordinator.clone();
                self.on_dial_failed(socket, Reason::DialTimeout { coordinator }, now);
            }
            CommandSocketState::Open { .. } => {
                let coordinator = self.settings.coordinator.clone();
                self.fail_command_socket(&Reason::NoReply { coordinator }, now);
            }
            CommandSocketState::Closed => (),
        }
    }
}
