//! One input: what the event means for the parts of a session.

use super::failover::{fail_over, has_gone, is_elsewhere, leave_silent};
use super::in_flight::{InFlight, RequestSource};
use super::join::refuse_join;
use super::messages::LastLine;
use super::refused::{expected_number, rate_wait_ms};
use super::requests::{Answer, MissedDeadline};
use super::shutdown::on_leave_refused;
use super::unreachable::{
    delay_sending, report_unreachable, take_command_in_outage, wait_for_coordinator,
};
use super::user_request::UserRequest;
use super::{
    Ask, BadCommand, CommandSocket, DropReason, Join, MessageSocket, NotSent, Notice, Reason,
    Session, SessionEffect, SessionInput, UserCommand,
};
use crate::limits::RETRY_RESET_MS;
use crate::protocol::{Bye, Fields, MessageLine};
use crate::time::Millis;

/// A session, and the time of one input.
#[derive(Debug)]
pub(super) struct SessionHandler<'a> {
    pub(super) session: &'a mut Session,
    pub(super) now: Millis,
}

impl<'a> SessionHandler<'a> {
    pub(super) fn new(session: &'a mut Session, now: Millis) -> Self {
        Self { session, now }
    }

    /// Handles an input, and then what is due.
    pub(super) fn handle(&mut self, input: SessionInput<'_>) {
        let (session, now) = (&mut *self.session, self.now);
        match input {
            SessionInput::UserLine(line) => session.on_user_line(line),
            SessionInput::UserLineTooLong { max } => {
                session.queue.push(UserCommand::Bad(BadCommand::TooLong(max)));
            }
            SessionInput::EndOfInput => session.on_end_of_input(),
            SessionInput::Stop => session.on_stop(now),
            SessionInput::Dialed { socket, ip, coordinator } => {
                if let Some(address) = session.requests.on_dialed(socket, ip, coordinator) {
                    let name = session.requests.coordinators().dialed_name();
                    if *name != *address.to_string() {
                        session.output.show(Notice::Connected { name, address });
                    }
                }
            }
            SessionInput::DialFailed { socket, reason } => {
                self.on_dial_failed(socket, Reason::System(reason.into()));
            }
            SessionInput::ReplyLine { socket, line } => self.on_reply_line(socket, line),
            SessionInput::CommandSocketClosed { socket, reason, unsent } => {
                self.on_command_socket_closed(socket, &Reason::System(reason.into()), unsent);
            }
            SessionInput::Listening { port, nonce } => self.on_listening(port, nonce),
            SessionInput::ListenFailed { reason } => self.on_listen_failed(reason),
            SessionInput::Accepted { socket, peer } => self.on_accepted(socket, peer),
            SessionInput::MessageLine { socket, line } => self.on_message_line(socket, line),
            SessionInput::Untrusted { socket, key } => {
                self.forget_candidate(socket, DropReason::Key(key));
            }
            SessionInput::MessageSocketClosed { socket, reason } => {
                self.on_message_socket_closed(socket, reason);
            }
            SessionInput::LogWritten { entries } => {
                session.messages.on_log_written(entries, &mut session.output);
            }
            SessionInput::LogFailed { reason } => {
                session.messages.on_log_failed(reason, &mut session.output, now);
            }
            SessionInput::LastRead { failure } => session.on_last_read(failure),
            SessionInput::OutboxWritten { entries } => {
                let state = session.sending_state();
                session.outbox.on_written(entries, &mut session.output);
                session.outbox.show_queued(Some(state), &mut session.output, now);
            }
            SessionInput::OutboxFailed { reason } => {
                session.outbox.on_write_failed(reason, &mut session.output, now);
            }
            SessionInput::Tick => (),
        }
        self.expire();
    }

    fn expire(&mut self) {
        self.expire_requests();
        self.expire_join();
        let (session, now) = (&mut *self.session, self.now);
        session.outbox.expire(&mut session.output, now);
        session.messages.retry_log(&mut session.output, now);
        if session.shutdown.is_some_and(|shutdown| shutdown.deadline() <= now) {
            session.exit_without_waiting();
        }
    }

    fn on_dial_failed(&mut self, failed: CommandSocket, why: Reason) {
        // Whatever has asked for the command socket dials the next coordinator in this turn.
        if !self.session.requests.on_dial_failed(failed) || fail_over(self.session, &why) {
            return;
        }
        if self.session.join.as_ref().is_some_and(Join::wants_to_ask) {
            return self.fail_join(why);
        }
        if self.session.shutdown.is_some() {
            let command = self.session.visit.last_command().word();
            return self.session.exit_failed(Notice::Failed { command, why });
        }
        if let Some(command) = take_command_in_outage(self.session) {
            let command = command.word();
            return self.session.output.fail_with(Notice::Failed { command, why });
        }
        if wait_for_coordinator(self.session, self.now) {
            return report_unreachable(self.session, why, self.now);
        }
        match self.session.take_unsent(self.now) {
            Some(request) if request.ask.is_message() => {
                let Session { outbox, output, .. } = &mut *self.session;
                outbox.give_up(request, &NotSent::Unreachable(why), output);
            }
            Some(request) => {
                let command = request.ask.word();
                self.session.output.fail_with(Notice::Failed { command, why });
            }
            None => (),
        }
    }

    fn on_reply_line(&mut self, socket: CommandSocket, line: &[u8]) {
        let Session { requests, output, .. } = &mut *self.session;
        if !requests.is_open(socket) {
            return;
        }
        match requests.take_line(line, output, self.now) {
            Answer::Row => (),
            Answer::Ok { source, line, fields } => self.on_ok(source, line, fields),
            Answer::Refused { source, code, line, closes } => {
                self.on_err(source, code, line);
                if closes {
                    self.take_back_requests();
                }
            }
            Answer::Bad => self.fail_command_socket(&Reason::BadReply),
        }
    }

    fn on_ok(&mut self, source: RequestSource, line: &str, fields: Fields<'_>) {
        match source {
            RequestSource::User(request) => {
                let Session { outbox, messages, requests, output, .. } = &mut *self.session;
                let notice = request.ask.notice(line, true);
                match request.ask {
                    Ask::Msend(_) => {
                        return outbox.on_accepted(request, (line, fields), requests, output);
                    }
                    Ask::Disconnect => messages.mark_leaving(),
                    Ask::Deregister => {
                        messages.mark_leaving();
                        outbox.on_forgotten(output);
                    }
                    Ask::Query(_) | Ask::Who => (),
                }
                output.show(notice);
            }
            RequestSource::Join => self.confirm_join(line, fields),
            RequestSource::Leave => self.session.exit(Some(Notice::Reply(line.into()))),
            RequestSource::GivenUp => self.on_late_reply(fields),
        }
    }

    fn on_err(&mut self, source: RequestSource, code: u16, line: &str) {
        let hint = self.session.here_hint(&source, code, line);
        match source {
            RequestSource::User(request) => self.on_refused(code, line, request),
            RequestSource::Join => refuse_join(self, code, line),
            RequestSource::Leave => on_leave_refused(self.session, code, line),
            RequestSource::GivenUp => (),
        }
        let Session { own_addresses, output, .. } = &mut *self.session;
        own_addresses.show_hint(hint, output);
    }

    /// Handles a refused request.
    fn on_refused(&mut self, code: u16, line: &str, request: UserRequest) {
        if request.ask.is_message() {
            return self.on_text_refused(code, line, request);
        }
        let session = &mut *self.session;
        session.output.fail_with(Notice::Reply(line.into()));
        if is_elsewhere(code) {
            fail_over(session, &Reason::Refused(line.into()));
        }
        match code {
            404 | 409 if request.ask.is_leave() => session.messages.mark_leaving(), // Offline.
            _ if request.ask.is_leave() => self.stay_online(),
            _ => (),
        }
    }

    /// Handles a refused text, which may wait to be sent again: a refusal has changed nothing.
    fn on_text_refused(&mut self, code: u16, line: &str, request: UserRequest) {
        let may_wait = self.session.may_send_later();
        if self.session.visit.joins_to_send() && self.session.join_to_send(code) {
            return self.session.outbox.waiting_mut().insert(request);
        }
        let fails_over =
            is_elsewhere(code) && fail_over(self.session, &Reason::Refused(line.into()));
        let Session { outbox, requests, output, shutdown, .. } = &mut *self.session;
        if let Some(expected) = expected_number(line)
            && request.number().is_some()
        {
            if shutdown.is_some() {
                return outbox.give_up(request, &NotSent::Quit, output);
            }
            return outbox.on_too_high(request, expected, requests, output);
        }
        if outbox.on_refused(request, (code, line), may_wait, output) {
            match rate_wait_ms(code, line) {
                Some(wait_ms) => outbox.waiting_mut().delay_for_rate(wait_ms, self.now),
                None if fails_over => (),
                None => delay_sending(self.session, self.now),
            }
        }
    }

    /// Allows automatic reconnects again: the coordinator refused a `disconnect` or `deregister`.
    fn stay_online(&mut self) {
        let Session { messages, automatic_join, .. } = &mut *self.session;
        match messages.stream() {
            Some(stream) => automatic_join.allow(stream.way),
            None => automatic_join.forbid(),
        }
    }

    /// Queues the requests in flight again. The coordinator closes the socket after this refusal
    /// and has not read the requests behind the refused one.
    fn take_back_requests(&mut self) {
        let session = &mut *self.session;
        session.requests.abort(&mut session.output);
        let mut unfinished = 0_usize;
        for request in session.requests.close(0).0 {
            match request.source {
                RequestSource::User(request) if session.shutdown.is_some() => {
                    if request.stored_at().is_none() {
                        unfinished = unfinished.saturating_add(1);
                    }
                }
                RequestSource::User(request) => session.outbox.waiting_mut().insert(request),
                RequestSource::Join => session.join.iter_mut().for_each(Join::ask_again),
                RequestSource::Leave => {
                    session.shutdown.iter_mut().for_each(|shutdown| shutdown.set_asked(false));
                }
                RequestSource::GivenUp => (),
            }
        }
        session.report_unfinished(unfinished);
    }

    /// Handles the end of the command socket. The operating system has not taken the last `unsent`
    /// bytes of the requests.
    fn on_command_socket_closed(&mut self, socket: CommandSocket, why: &Reason, unsent: usize) {
        if !self.session.requests.is_open(socket) {
            return;
        }
        let (in_flight, handed_over) = self.session.requests.close(unsent);
        // The failure of a join that is tried again is reported with the join, and only once.
        let is_retry = self.session.join.as_ref().is_some_and(Join::is_retry);
        let is_join = |request: &InFlight| matches!(request.source, RequestSource::Join);
        let is_needed = !in_flight.is_empty() || self.session.join.is_some();
        let fails_over = is_needed && fail_over(self.session, why);
        let is_join_alone = !in_flight.is_empty() && in_flight.iter().all(is_join);
        if !(fails_over || is_retry && is_join_alone) {
            self.session.output.show(Notice::CommandSocketLost { why: why.clone() });
        }
        for (number, request) in in_flight.into_iter().enumerate() {
            let session = &mut *self.session;
            match request.source {
                RequestSource::User(request) if number >= handed_over => match session.shutdown {
                    Some(_) => {
                        session.outbox.give_up(request, &NotSent::Quit, &mut session.output);
                    }
                    None => session.outbox.waiting_mut().insert(request),
                },
                RequestSource::User(request) => {
                    let may_wait = session.may_send_later() && !session.visit.is_taken_over();
                    session.outbox.on_unanswered(request, may_wait, &mut session.output);
                }
                RequestSource::Join => self.on_join_reply_lost(why.clone(), fails_over),
                RequestSource::Leave => {
                    let command = request.word;
                    session.exit_failed(Notice::Failed { command, why: why.clone() });
                }
                RequestSource::GivenUp => (),
            }
        }
        if matches!(why, Reason::NoReply { .. }) && !fails_over {
            delay_sending(self.session, self.now); // A coordinator that is stopped takes a dial.
        }
    }

    /// Closes the command socket after a wrong reply, or after a timeout.
    fn fail_command_socket(&mut self, why: &Reason) {
        if let Some(socket) = self.session.requests.abort(&mut self.session.output) {
            self.on_command_socket_closed(socket, why, 0);
        }
    }

    fn expire_requests(&mut self) {
        let Session { requests, output, .. } = &mut *self.session;
        let Some(missed) = requests.expire(output, self.now) else { return };
        let coordinator = requests.coordinators().dialed_name();
        match missed {
            MissedDeadline::Dial(socket) => {
                self.on_dial_failed(socket, Reason::DialTimeout { coordinator });
            }
            MissedDeadline::Reply => {
                let why = Reason::NoReply { coordinator };
                leave_silent(self, &why);
                self.fail_command_socket(&why);
            }
        }
    }

    fn on_message_line(&mut self, socket: MessageSocket, line: &[u8]) {
        if self.session.is_candidate(socket) {
            return self.on_first_line(socket, line);
        }
        let Session { messages, visit, output, .. } = &mut *self.session;
        if !messages.is_stream(socket) {
            return;
        }
        if !visit.takes_messages() {
            return self.skip_message(socket, line);
        }
        match messages.take_line(line, output) {
            None => (),
            Some(LastLine::Bye(reason)) => self.on_bye(reason),
            Some(LastLine::Bad) => self.end_stream(Reason::BadMessage),
        }
    }

    /// Takes no message of the message socket. The coordinator keeps all of them for the member.
    fn skip_message(&mut self, socket: MessageSocket, line: &[u8]) {
        let parsed = std::str::from_utf8(line).map(MessageLine::parse);
        if let Ok(Ok(MessageLine::Bye(reason))) = parsed {
            self.session.output.push(SessionEffect::CloseMessageSocket { socket });
            self.on_bye(reason);
        }
    }

    /// Handles a `bye`, the coordinator's reason for closing the message socket.
    ///
    /// After a takeover by another program with this id, no automatic reconnect follows: each of
    /// the two programs would take the id from the other, again and again.
    fn on_bye(&mut self, reason: &str) {
        let is_end_expected = self.is_end_expected();
        let is_ours = |by| self.session.own_addresses.contains(by);
        match Bye::parse(reason) {
            Some(Bye::TakenOver(by)) if !is_ours(by) && !is_end_expected => self.on_taken_over(by),
            Some(_) | None => self.end_stream(Reason::Bye(reason.into())),
        }
    }

    fn is_end_expected(&self) -> bool {
        let session = &*self.session;
        session.messages.stream().is_some_and(|stream| stream.is_leaving)
            || session.shutdown.is_some()
            || session.requests.is_leaving()
            || session.join.as_ref().is_some_and(Join::may_take_over)
    }

    pub(super) fn end_stream(&mut self, why: Reason) {
        let is_expected = self.is_end_expected();
        let Session { requests, messages, automatic_join, visit, output, .. } = &mut *self.session;
        let Some(stream) = messages.take_stream() else { return };
        visit.on_stream_ended(matches!(why, Reason::Bye(_)));
        if self.now.since(stream.opened) >= RETRY_RESET_MS {
            automatic_join.reset_pauses();
            requests.coordinators_mut().on_served();
        }
        if !is_expected && has_gone(&why) {
            requests.coordinators_mut().fail_over(); // A pause follows, as after each end.
        }
        if !is_expected {
            output.show(Notice::MessageSocketLost { why });
        }
        self.resume();
    }
}
