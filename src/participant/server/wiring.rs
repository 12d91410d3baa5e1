//! Wires the parts: passes their inputs to the session, and the effects of the session to the
//! parts.

use std::io::ErrorKind;

use super::Participant;
use crate::limits::{FOREGROUND_LOOK_MS, PRINT_CLOSE_MS, USER_LINE_BYTES_MAX};
use crate::net::{Key, Signal};
use crate::participant::dialer::{DialedSocket, FailedDial};
use crate::participant::event_loop::ParticipantTimer;
use crate::participant::exec::Exec;
use crate::participant::line_socket::{EndedSocket, SocketStep};
use crate::participant::message_log::LogJob;
use crate::participant::terminal::{PASTES_ARE_BRACKETED, ResumedEditing, UserInput};
use crate::participant::user_lines::{NextLine, SessionProgress, UserLines};
use crate::protocol::{ANNOUNCER, KeyName};
use crate::session::{
    CommandSocket, LogEntry, MessageSocket, NoticeKind, Session, SessionEffect, SessionInput,
};
use crate::text::Counted;
use crate::time::Millis;

impl Participant {
    /// Gives an input to the session, and carries out its effects.
    pub(super) fn handle(&mut self, input: SessionInput<'_>, now: Millis) {
        self.session.handle(input, now);
        self.run_effects(now);
    }

    /// Carries out the effects of the session.
    pub(super) fn run_effects(&mut self, now: Millis) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                SessionEffect::Dial { socket, coordinator } => {
                    let dial = (socket, coordinator);
                    let failed = self.dialer.dial(dial, &mut self.event_loop, now);
                    self.on_dial_failed(failed, now);
                }
                SessionEffect::CloseCommandSocket { socket } => {
                    self.dialer.close(socket);
                    self.commands.close(socket);
                }
                SessionEffect::Send { socket, line } => self.commands.send(socket, &line),
                SessionEffect::Upgrade { socket } => self.upgrade(socket, now),
                SessionEffect::Listen { port } => self.listen(port, now),
                SessionEffect::CloseListener => self.messages.close_listener(),
                SessionEffect::Report(dropped) => log::warn!("{dropped}"),
                SessionEffect::CloseMessageSocket { socket } => self.messages.close(socket),
                SessionEffect::Ack { socket, seq } => self.messages.ack(socket, seq),
                SessionEffect::Append(entry) => {
                    if self.lines.counts_messages()
                        && let LogEntry::Message(message) = &entry
                        && message.sender() != ANNOUNCER
                    {
                        self.lines.on_message();
                    }
                    self.output.push_entry(&entry);
                    if !self.exec.is_wanted() {
                        self.files.log().append(&entry);
                    } else if let Some(entry) = self.exec.push(entry) {
                        self.files.log().append(&entry);
                    }
                }
                SessionEffect::ReadLast { count } => {
                    self.files.log().push(LogJob::ReadLast(count));
                }
                SessionEffect::Store(entry) => {
                    self.files.store(entry, self.event_loop.unix_now());
                }
                SessionEffect::RetryOutbox => self.files.retry_outbox(),
                SessionEffect::RetryLog => self.files.log().push(LogJob::Retry),
                SessionEffect::Show(notice) => self.output.push_notice(&notice),
                SessionEffect::TextDone { order, outcome } => {
                    self.lines.on_text_done(order, outcome);
                }
                SessionEffect::Exit { code } => {
                    self.exit.is_stopped |= self.session.is_refused();
                    self.report_end();
                    let until = now.plus(PRINT_CLOSE_MS);
                    self.exit.is_due(code, until);
                    self.event_loop.wake_at(until, ParticipantTimer::Exit);
                }
            }
        }
    }

    /// Makes a command socket a message socket.
    fn upgrade(&mut self, socket: CommandSocket, now: Millis) {
        let Some(lines) = self.commands.take(socket) else { return };
        let socket = MessageSocket::upgraded(socket);
        if let Err(error) = self.messages.add_upgraded(socket, lines, &mut self.event_loop) {
            let reason = &error.to_string();
            self.handle(SessionInput::MessageSocketClosed { socket, reason }, now);
        }
    }

    fn listen(&mut self, port: u16, now: Millis) {
        match self.messages.listen(port, &self.event_loop) {
            Ok((port, nonce)) => self.handle(SessionInput::Listening { port, nonce }, now),
            Err(error) => {
                let advice = if error.kind() == ErrorKind::AddrInUse {
                    ": another program has the port: name another one, or 0 for any free one"
                } else {
                    ""
                };
                let reason = &format!("{error}{advice}");
                self.handle(SessionInput::ListenFailed { reason }, now);
            }
        }
    }

    pub(super) fn on_signal(&mut self, signal: Signal, now: Millis) {
        match signal {
            Signal::Terminate | Signal::Interrupt => {
                self.event_loop.report_stopping();
                self.exit.has_signal = true;
                self.stop(now);
            }
            Signal::Hangup => self.files.log().push(LogJob::Rotate),
            Signal::Continue => self.resume_editing(now),
            Signal::Resize => (), // The line editor watches for it.
        }
    }

    pub(super) fn on_timer(&mut self, timer: ParticipantTimer, now: Millis) {
        match timer {
            ParticipantTimer::Session => self.handle(SessionInput::Tick, now),
            ParticipantTimer::Accept => self.accept(now),
            ParticipantTimer::Dial => {
                let failed = self.dialer.expire(&mut self.event_loop, now);
                self.on_dial_failed(failed, now);
            }
            ParticipantTimer::Timeout => self.on_timeout(now),
            ParticipantTimer::Foreground => self.resume_editing(now),
            ParticipantTimer::Exit | ParticipantTimer::Command => (), // Each turn looks.
        }
    }

    /// Edits the line again after the program was stopped, or as soon as it is in the foreground.
    fn resume_editing(&mut self, now: Millis) {
        match self.prompt.resume() {
            ResumedEditing::Done => self.output.push_control(PASTES_ARE_BRACKETED),
            ResumedEditing::Background => {
                self.event_loop.look_for_foreground(now.plus(FOREGROUND_LOOK_MS));
            }
            ResumedEditing::NoLine => (),
        }
    }

    /// Ends the participant at the time of `--timeout`. An end that is under way is not disturbed.
    fn on_timeout(&mut self, now: Millis) {
        if self.session.is_leaving() || self.exit.end.is_some() {
            return;
        }
        self.exit.is_timed_out = true;
        let line = "error: --timeout: the time is over";
        self.output.push_line(NoticeKind::Error, &line);
        self.stop(now);
    }

    /// Ends the participant before its end. Commands of `-e` that are left are a failure.
    fn stop(&mut self, now: Millis) {
        self.exit.is_stopped |= !self.session.is_leaving();
        let left = self.lines.give_up();
        if left > 0 {
            self.exit.has_failed = true;
            let left = Counted(left, "command was", "commands were");
            self.output.push_line(NoticeKind::Error, &format_args!("error: {left} not run"));
        }
        self.handle(SessionInput::Stop, now);
    }

    /// Accepts waiting connections, up to the limit of a turn.
    pub(super) fn accept(&mut self, now: Millis) {
        while let Some((socket, peer)) = self.messages.accept(&mut self.event_loop, now) {
            self.handle(SessionInput::Accepted { socket, peer }, now);
        }
    }

    /// Continues the dial, and gives the lines of the command socket to the session.
    pub(super) fn serve_commands(&mut self, now: Millis) {
        match self.dialer.advance(&mut self.event_loop, now) {
            Some(Ok(DialedSocket { socket, key, connection, ip, coordinator })) => {
                self.commands.open(socket, key, connection);
                self.handle(SessionInput::Dialed { socket, ip, coordinator }, now);
            }
            Some(Err(failed)) => self.on_dial_failed(Some(failed), now),
            None => (),
        }
        self.commands.begin_turn();
        loop {
            let step = match self.commands.next() {
                SocketStep::Read => self.commands.read(&mut self.event_loop),
                step @ (SocketStep::Line(..) | SocketStep::Pause | SocketStep::End(_)) => step,
            };
            match step {
                SocketStep::Line(socket, line) => {
                    self.session.handle(SessionInput::ReplyLine { socket, line }, now);
                }
                SocketStep::Read => continue,
                SocketStep::Pause => return,
                SocketStep::End(reason) => {
                    let ended = self.commands.end(reason);
                    return self.on_command_socket_ended(ended, now);
                }
            }
            self.run_effects(now);
        }
    }

    /// Gives the lines of the message sockets to the session as long as the session wants them.
    pub(super) fn serve_messages(&mut self, now: Millis) {
        for key in self.messages.keys() {
            self.messages.begin_turn(key);
            self.serve_message_socket(key, now);
        }
    }

    fn serve_message_socket(&mut self, key: Key, now: Millis) {
        loop {
            let (session, lines, exec) = (&self.session, &self.lines, &self.exec);
            let bytes_max = |socket| {
                let is_wanted = wants_line(session, lines, exec, socket);
                is_wanted.then(|| session.message_line_bytes_max(socket))
            };
            let step = match self.messages.next(key, bytes_max) {
                SocketStep::Read => self.messages.read(key, &mut self.event_loop),
                step @ (SocketStep::Line(..) | SocketStep::Pause | SocketStep::End(_)) => step,
            };
            match step {
                SocketStep::Line(socket, line) => {
                    self.session.handle(SessionInput::MessageLine { socket, line }, now);
                }
                SocketStep::Read => continue,
                SocketStep::Pause => return,
                SocketStep::End(reason) => {
                    if let Some(shown) = self.messages.untrusted(key) {
                        return self.on_untrusted(key, shown, reason, now);
                    }
                    let ended = self.messages.end(key, reason);
                    return self.on_message_socket_ended(ended, now);
                }
            }
            self.run_effects(now);
        }
    }

    pub(super) fn on_dial_failed(&mut self, failed: Option<FailedDial>, now: Millis) {
        if let Some(FailedDial { socket, reason }) = failed {
            self.handle(SessionInput::DialFailed { socket, reason: &reason }, now);
        }
    }

    fn on_command_socket_ended(&mut self, ended: Option<EndedSocket<CommandSocket>>, now: Millis) {
        let Some(EndedSocket { socket, reason, unsent }) = ended else { return };
        let reason = &reason;
        self.handle(SessionInput::CommandSocketClosed { socket, reason, unsent }, now);
    }

    fn on_untrusted(&mut self, key: Key, shown: Option<KeyName>, reason: String, now: Millis) {
        log::debug!("a connection to the listener: {reason}");
        let Some(EndedSocket { socket, .. }) = self.messages.end(key, reason) else { return };
        self.handle(SessionInput::Untrusted { socket, key: shown }, now);
    }

    fn on_message_socket_ended(&mut self, ended: Option<EndedSocket<MessageSocket>>, now: Millis) {
        let Some(EndedSocket { socket, reason, .. }) = ended else { return };
        let reason = &reason;
        self.handle(SessionInput::MessageSocketClosed { socket, reason }, now);
    }

    /// Takes the user's lines as long as the session wants them.
    pub(super) fn take_lines(&mut self, now: Millis) {
        while self.exit.end.is_none()
            && self.session.wants_user_lines()
            && self.output.takes_commands()
        {
            match self.lines.next(self.progress()) {
                NextLine::Input(UserInput::Line(line)) => {
                    self.handle(SessionInput::UserLine(&line), now);
                    self.lines.on_taken(self.session.last_order());
                }
                NextLine::Input(UserInput::TooLong) => {
                    self.handle(SessionInput::UserLineTooLong { max: USER_LINE_BYTES_MAX }, now);
                }
                NextLine::Input(UserInput::Unreadable(reason)) => {
                    self.exit.has_failed = true;
                    self.exit.is_stopped = true;
                    let line = format_args!("error: standard input cannot be read: {reason}");
                    self.output.push_line(NoticeKind::Error, &line);
                }
                NextLine::Input(UserInput::End) => self.handle(SessionInput::EndOfInput, now),
                NextLine::Input(UserInput::Interrupt) => self.stop(now),
                NextLine::BadText { line, why } => {
                    self.exit.has_failed = true;
                    let line = format_args!("error: --lines: line {line}: not sent: {why}");
                    self.output.push_line(NoticeKind::Error, &line);
                }
                NextLine::GiveUp(commands) => {
                    if commands > 0 {
                        let left = Counted(commands, "command was", "commands were");
                        let line = format_args!(
                            "error: --exit-on-error: a command failed, so {left} not run"
                        );
                        self.output.push_line(NoticeKind::Error, &line);
                    }
                    return self.handle(SessionInput::UserLine(b"quit"), now);
                }
                NextLine::TakenOver(left) => {
                    self.exit.has_failed = true;
                    let left = Counted(left, "message has", "messages have");
                    let line = format_args!("error: --count: taken over, so {left} not come");
                    self.output.push_line(NoticeKind::Error, &line);
                    return self.handle(SessionInput::UserLine(b"quit"), now);
                }
                NextLine::Nothing => return,
            }
        }
    }

    fn progress(&self) -> SessionProgress {
        SessionProgress {
            has_failed: self.session.has_failed(),
            is_idle: self.session.is_idle() && self.exec.is_idle(),
            is_taken_over: self.session.is_taken_over(),
            takes_texts: self.session.takes_texts(),
            text_bytes_max: self.session.text_bytes_max(),
        }
    }

    /// Writes all output. Message sockets are written first, so that acknowledgements leave before
    /// the requests of the same turn.
    pub(super) fn flush(&mut self, now: Millis) {
        for key in self.messages.keys() {
            let ended = self.messages.flush(key);
            if ended.is_some() {
                self.on_message_socket_ended(ended, now);
                self.event_loop.come_back(); // The session may have new output.
            }
        }
        let ended = self.commands.flush();
        if ended.is_some() {
            self.on_command_socket_ended(ended, now);
            self.event_loop.come_back();
        }
    }

    /// Closes the sockets that were marked in this turn.
    pub(super) fn close_marked(&mut self) {
        let is_closed = [
            self.dialer.close_marked(),
            self.commands.close_marked(),
            self.messages.close_marked(),
        ];
        if is_closed.contains(&true) {
            self.messages.file_closed();
        }
    }
}

/// Returns true if a line of this socket is taken now. After the last message of `--count`, and
/// while a command of `--exec` runs, no further message is taken.
pub(super) fn wants_line(
    session: &Session,
    lines: &UserLines,
    exec: &Exec,
    socket: MessageSocket,
) -> bool {
    let takes_messages = lines.wants_messages() && exec.is_idle();
    session.wants_message_line(socket) && (takes_messages || !session.is_message_socket(socket))
}
