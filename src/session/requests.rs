//! The command socket: sends requests, and matches each reply with the oldest request in flight.

mod dialing;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroU64;

use super::coordinators::Coordinators;
use super::in_flight::{InFlight, RequestSource, handed_over};
use super::join::NamedIp;
use super::output::SessionOutput;
use super::user_request::UserRequest;
use super::{CommandSocket, MessageSocket, Notice, SessionEffect};
use crate::limits::{IN_FLIGHT_BYTES_MAX, IN_FLIGHT_MAX, REPLY_TIMEOUT_MS};
use crate::protocol::{Command, Fields, ReplyLine, Request};
use crate::time::Millis;

/// State of the command socket, and the requests in flight.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: CommandSocketState,
    coordinators: Coordinators,
    /// Address of this participant in its requests.
    named: NamedIp,
    /// Local address of the last command socket.
    own_ip: Option<IpAddr>,
    /// The last request in flight asks for the messages on this command socket. No request leaves
    /// behind it: it would arrive on a message socket.
    expects_upgrade: bool,
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

/// Meaning of a line from the coordinator.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// A line of a list. The last one ends the request.
    Row,
    /// The oldest request succeeded.
    Ok { source: RequestSource, line: &'a str, fields: Fields<'a> },
    /// The oldest request was refused. If `closes`, the coordinator closes the socket and has not
    /// read the requests behind this one.
    Refused { source: RequestSource, code: u16, line: &'a str, closes: bool },
    /// The line is no reply to the oldest request.
    Bad,
}

/// Missed deadline of the command socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissedDeadline {
    /// The socket was not connected in time.
    Dial(CommandSocket),
    /// A reply did not come in time.
    Reply,
}

impl Requests {
    pub(super) fn new(coordinators: Coordinators) -> Self {
        Self { coordinators, ..Self::default() }
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

    /// Returns true if a text with a number is in flight.
    pub(super) fn has_numbers(&self) -> bool {
        self.numbers().next().is_some()
    }

    /// Returns true if the text with this number is in flight.
    pub(super) fn has_number(&self, number: NonZeroU64) -> bool {
        self.numbers().any(|other| other == number)
    }

    fn numbers(&self) -> impl Iterator<Item = NonZeroU64> {
        self.user_requests().filter_map(UserRequest::number)
    }

    /// Returns the requests of the user that are in flight.
    pub(super) fn user_requests(&self) -> impl Iterator<Item = &UserRequest> {
        self.in_flight.iter().filter_map(|request| match &request.source {
            RequestSource::User(request) => Some(request),
            RequestSource::Join | RequestSource::Leave | RequestSource::GivenUp => None,
        })
    }

    /// Gives up the `register` or `reconnect` in flight.
    pub(super) fn abandon_join(&mut self) {
        for request in &mut self.in_flight {
            if request.source == RequestSource::Join {
                request.source = RequestSource::GivenUp;
            }
        }
    }

    pub(super) fn is_open(&self, source: CommandSocket) -> bool {
        matches!(self.state, CommandSocketState::Open { socket, .. } if socket == source)
    }

    fn pop(&mut self) -> Option<RequestSource> {
        let request = self.in_flight.pop_front()?;
        self.bytes = self.bytes.saturating_sub(request.bytes);
        Some(request.source)
    }

    /// Returns the line of a request, with the secret, or `None` without an open command socket.
    pub(super) fn line(&self, id: &str, command: &Command<'_>) -> Option<Box<str>> {
        self.own_ip()?; // Without a socket, an address is from an earlier one.
        let request = Request { id, command: *command, ip: self.named_ip() };
        Some(request.reveal().into())
    }

    /// Sends the line of a request.
    pub(super) fn send(
        &mut self,
        source: RequestSource,
        word: &'static str,
        line: Box<str>,
        output: &mut SessionOutput,
        now: Millis,
    ) {
        let CommandSocketState::Open { socket, .. } = self.state else { return };
        if self.in_flight.is_empty() {
            self.reply_due = now.plus(REPLY_TIMEOUT_MS);
        }
        let bytes = line.len();
        self.bytes = self.bytes.saturating_add(bytes);
        self.in_flight.push_back(InFlight { source, word, bytes, rows: 0 });
        output.push(SessionEffect::Send { socket, line });
    }

    /// The request that is sent next asks for the messages on this command socket.
    pub(super) const fn expect_upgrade(&mut self) {
        self.expects_upgrade = true;
    }

    /// Makes the command socket a message socket, if the last `OK` says so. The next request leaves
    /// on a new command socket.
    pub(super) fn upgrade(&mut self, output: &mut SessionOutput) -> Option<MessageSocket> {
        let CommandSocketState::Open { socket, .. } = self.state else { return None };
        if !self.expects_upgrade || !self.in_flight.is_empty() {
            return None;
        }
        self.expects_upgrade = false;
        self.state = CommandSocketState::Closed;
        output.push(SessionEffect::Upgrade { socket });
        Some(MessageSocket::upgraded(socket))
    }

    /// Takes a line of the open command socket. Shows the lines of a list.
    pub(super) fn take_line<'a>(
        &mut self,
        line: &'a [u8],
        output: &mut SessionOutput,
        now: Millis,
    ) -> Answer<'a> {
        self.reply_due = now.plus(REPLY_TIMEOUT_MS);
        self.coordinators.on_line();
        let (Ok(line), Some(oldest)) = (std::str::from_utf8(line), self.in_flight.front_mut())
        else {
            return Answer::Bad;
        };
        if oldest.rows > 0 {
            oldest.rows = oldest.rows.saturating_sub(1);
            let is_last = oldest.rows == 0;
            output.show(oldest.source.notice(line, false));
            if is_last {
                self.pop();
            }
            return Answer::Row;
        }
        match ReplyLine::parse(line) {
            Some(ReplyLine::Ok { command, fields }) if command == oldest.word => {
                if let Some(address) = self.coordinators.on_ok() {
                    output.show(Notice::Connected { name: self.coordinators.name(), address });
                }
                if matches!(oldest.source, RequestSource::User(_)) {
                    self.coordinators.on_served();
                }
                let has_rows = oldest.source.has_rows();
                match fields.count() {
                    Some(rows) if has_rows && rows > 0 => {
                        oldest.rows = rows;
                        output.show(oldest.source.notice(line, true));
                        Answer::Row
                    }
                    None if has_rows => Answer::Bad,
                    Some(_) | None => match self.pop() {
                        Some(source) => Answer::Ok { source, line, fields },
                        None => Answer::Bad,
                    },
                }
            }
            Some(ReplyLine::Err { code, .. }) => {
                // 421 to a `register` is about the number of members, and leaves the socket open.
                let closes = matches!(code, 408 | 413) || code == 421 && oldest.word != "register";
                let refused = self.pop();
                self.expects_upgrade &= !self.in_flight.is_empty();
                match refused {
                    Some(source) => Answer::Refused { source, code, line, closes },
                    None => Answer::Bad,
                }
            }
            Some(ReplyLine::Ok { .. }) | None => Answer::Bad,
        }
    }

    /// Closes the open socket. Returns it, or `None` if no socket is open.
    pub(super) fn abort(&mut self, output: &mut SessionOutput) -> Option<CommandSocket> {
        let CommandSocketState::Open { socket, .. } = self.state else { return None };
        output.push(SessionEffect::CloseCommandSocket { socket });
        Some(socket)
    }

    /// Marks the socket as closed, and returns the requests that were in flight. The first ones,
    /// in this number, were handed to the operating system, which has not taken the last `unsent`
    /// bytes.
    pub(super) fn close(&mut self, unsent: usize) -> (VecDeque<InFlight>, usize) {
        self.state = CommandSocketState::Closed;
        self.expects_upgrade = false;
        self.bytes = 0;
        let in_flight = std::mem::take(&mut self.in_flight);
        let handed_over = handed_over(&in_flight, unsent);
        (in_flight, handed_over)
    }

    /// Returns the deadline that has passed. A socket that could not be connected is closed.
    pub(super) fn expire(
        &mut self,
        output: &mut SessionOutput,
        now: Millis,
    ) -> Option<MissedDeadline> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        match self.state {
            CommandSocketState::Dialing { socket, .. } => {
                output.push(SessionEffect::CloseCommandSocket { socket });
                Some(MissedDeadline::Dial(socket))
            }
            CommandSocketState::Open { .. } => {
                self.coordinators.on_missed_reply();
                Some(MissedDeadline::Reply)
            }
            CommandSocketState::Closed => None,
        }
    }

    pub(super) fn check(&self) {
        self.coordinators.check();
        let is_open = matches!(self.state, CommandSocketState::Open { .. });
        assert!(is_open || self.in_flight.is_empty(), "no request is in flight without a socket");
        assert!(
            !self.expects_upgrade || !self.in_flight.is_empty(),
            "an upgrade is the reply to a request"
        );
        assert!(
            self.in_flight.len() <= IN_FLIGHT_MAX.saturating_add(2),
            "at most {IN_FLIGHT_MAX} messages in flight"
        );
    }
}

#[cfg(test)]
mod tests;
