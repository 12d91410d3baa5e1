//! The event loop: one turn handles all events, and carries out the session's effects.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mio::{Events, Poll};

use super::ParticipantError;
use super::dialer::{CoordinatorAddress, Dialer};
use super::message_log::{LogJob, LogReport, MessageLog};
use super::outbox::Outbox;
use super::socket::Socket;
use super::terminal::{Output, Prompt, UserInput};
use crate::limits::{EVENTS_MAX, PRINT_CLOSE_MS, READ_BYTES, USER_LINE_BYTES_MAX};
use crate::net::{
    Acceptor, CLOCK, Clock, Key, LISTENER, SIGNALS, Scratch, Signal, Signals, Slots, TimerId,
    TimerWheel, WAKER, wait,
};
use crate::session::{Session, SessionEffect, SessionInput};
use crate::text::Counted;
use crate::time::Millis;

/// The parts of a participant.
pub(super) struct Parts {
    pub(super) session: Session,
    pub(super) coordinator_address: CoordinatorAddress,
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    pub(super) signals: Signals,
    pub(super) log: Outbox<MessageLog>,
    pub(super) output: Output,
    /// Commands of `-e`, to be run before the user's lines.
    pub(super) commands: VecDeque<String>,
    /// True for `--exit-on-error`, until all commands are done.
    pub(super) exits_on_error: bool,
    pub(super) typed: Receiver<UserInput>,
    pub(super) prompt: Prompt,
}

/// The event loop and its state.
pub(super) struct Participant {
    pub(super) parts: Parts,
    pub(super) sockets: Slots<Socket>,
    /// Sockets to be closed at the end of the turn.
    pub(super) marked_for_close: Vec<Key>,
    pub(super) listener: Option<Acceptor>,
    pub(super) dialer: Option<Dialer>,
    /// Number of accepted connections so far.
    pub(super) accepted: u64,
    pub(super) scratch: Scratch,
    /// Work is left for the next turn, and no event comes for it: the poll must not sleep.
    pub(super) must_come_back: bool,
    timers: TimerWheel<ParticipantTimer>,
    session_timer: Option<(Millis, TimerId)>,
    stdout: StdoutState,
    exit: Option<Exit>,
}

/// State of standard output.
#[derive(Clone, Copy, Debug, Default)]
struct StdoutState {
    /// True if a print has failed: the exit code is 1.
    has_failed: bool,
    /// True if the reader has closed it.
    is_closed: bool,
}

/// A reason to wake the loop. Every turn checks all deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParticipantTimer {
    Session,
    Accept,
    Dial,
    Exit,
}

#[derive(Clone, Copy)]
struct Exit {
    code: u8,
    until: Millis,
}

impl Participant {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            sockets: Slots::new(),
            marked_for_close: Vec::new(),
            listener: None,
            dialer: None,
            accepted: 0,
            scratch: Scratch::new(READ_BYTES),
            must_come_back: true,
            timers: TimerWheel::new(),
            session_timer: None,
            stdout: StdoutState::default(),
            exit: None,
        }
    }

    /// Runs turns until the participant has shut down, and returns the exit code.
    pub(super) fn run(&mut self) -> Result<u8, ParticipantError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let result = loop {
            match self.turn(&mut events) {
                Ok(None) => (),
                Ok(Some(code)) => break Ok(code),
                Err(error) => break Err(ParticipantError::System("cannot poll", error)),
            }
        };
        let is_all_done = self.close(Duration::from_millis(PRINT_CLOSE_MS));
        result.map(|code| code | u8::from(!is_all_done))
    }

    /// Polls, and handles all events. Returns the exit code when the participant has shut down.
    fn turn(&mut self, events: &mut Events) -> io::Result<Option<u8>> {
        let before = self.parts.clock.now().steady;
        let deadline = match std::mem::take(&mut self.must_come_back) {
            true => Some(before),
            false => self.timers.next_deadline(),
        };
        let wake_by = self.parts.clock.wake_by(deadline, before);
        wait(&mut self.parts.poll, events, before, wake_by)?;
        let now = self.parts.clock.now().steady;
        let mut signals = Vec::new();
        for event in &*events {
            match event.token() {
                LISTENER => self.listener.iter_mut().for_each(Acceptor::on_event),
                SIGNALS => signals.extend(self.parts.signals.drain()), // One event for each kind.
                CLOCK => self.parts.clock.on_event(), // Every turn runs the due timers.
                WAKER => (),                          // Every turn takes completions and lines.
                token => {
                    if let Some(socket) = self.sockets.get_mut(token.into()) {
                        socket.connection.on_event(event);
                    }
                }
            }
        }
        self.take_completions(now);
        self.take_addresses(now);
        signals.into_iter().for_each(|signal| self.on_signal(signal, now));
        self.accept(now);
        for key in self.sockets.keys().collect::<Vec<_>>() {
            self.process_input(key, now);
        }
        while let Some(timer) = self.timers.pop_due(now) {
            self.on_timer(timer, now);
        }
        self.take_lines(now);
        self.flush(now);
        self.parts.log.hand_over();
        self.parts.output.hand_over();
        self.close_marked();
        self.must_come_back |= self.must_read_again();
        self.set_timer();
        Ok(self.exit_code(now))
    }

    /// Gives an input to the session, and carries out its effects.
    pub(super) fn handle(&mut self, input: SessionInput<'_>, now: Millis) {
        self.parts.session.handle(input, now);
        self.run_effects(now);
    }

    pub(super) fn run_effects(&mut self, now: Millis) {
        while let Some(effect) = self.parts.session.poll_effect() {
            match effect {
                SessionEffect::Dial { socket } => self.dial(socket, now),
                SessionEffect::CloseCommandSocket { socket } => self.close_command_socket(socket),
                SessionEffect::Send { socket, line } => self.send(socket, &line),
                SessionEffect::Listen { port } => self.listen(port, now),
                SessionEffect::CloseListener => self.listener = None,
                SessionEffect::Report(dropped) => log::warn!("{dropped}"),
                SessionEffect::CloseMessageSocket { socket } => self.close_message_socket(socket),
                SessionEffect::Ack { socket, seq } => self.ack(socket, seq),
                SessionEffect::Append(entry) => {
                    self.parts.output.push_entry(&entry);
                    self.parts.log.waiting.append(&entry);
                }
                SessionEffect::RetryLog => self.parts.log.waiting.push(LogJob::Retry),
                SessionEffect::Show(notice) => self.parts.output.push_line(&notice),
                SessionEffect::Exit { code } => {
                    let until = now.plus(PRINT_CLOSE_MS);
                    self.exit = Some(Exit { code, until });
                    self.timers.insert(until, ParticipantTimer::Exit);
                }
            }
        }
    }

    fn take_completions(&mut self, now: Millis) {
        for report in self.parts.log.completions() {
            let LogReport { written, failure, is_checked, new_file, spare } = report;
            self.parts.log.waiting.reuse(spare);
            if let Some(words) = new_file {
                self.parts.output.push_line(&format_args!("* message log: {words}"));
            }
            if written > 0 || is_checked && failure.is_none() {
                self.handle(SessionInput::LogWritten { entries: written }, now);
            }
            if let Some(reason) = failure {
                self.handle(SessionInput::LogFailed { reason: &reason }, now);
            }
        }
        for result in self.parts.output.completions() {
            if self.on_printed(result) {
                self.handle(SessionInput::Stop, now);
            }
        }
    }

    /// Handles the result of a print. Returns true once if standard output is closed: the caller
    /// stops the session, and a second stop would not wait for `disconnect`. Another error is
    /// logged once.
    fn on_printed(&mut self, printed: io::Result<()>) -> bool {
        match printed {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                let is_new = !std::mem::replace(&mut self.stdout.is_closed, true);
                if is_new {
                    log::warn!("standard output is closed: shutting down");
                }
                is_new
            }
            Err(error) => {
                if !std::mem::replace(&mut self.stdout.has_failed, true) {
                    log::error!("cannot write to standard output: {error}");
                }
                false
            }
        }
    }

    fn on_signal(&mut self, signal: Signal, now: Millis) {
        match signal {
            Signal::Terminate | Signal::Interrupt => self.handle(SessionInput::Stop, now),
            Signal::Hangup => self.parts.log.waiting.push(LogJob::Rotate),
            Signal::Continue => {
                self.parts.output.push_control(self.parts.prompt.resume());
            }
        }
    }

    fn on_timer(&mut self, timer: ParticipantTimer, now: Millis) {
        match timer {
            ParticipantTimer::Session => {
                self.session_timer = None;
                self.handle(SessionInput::Tick, now);
            }
            ParticipantTimer::Accept => self.accept(now),
            ParticipantTimer::Dial => self.expire_dialing(now),
            ParticipantTimer::Exit => (),
        }
    }

    /// Takes the user's lines as long as the session wants them: the commands of `-e` first.
    fn take_lines(&mut self, now: Millis) {
        while self.exit.is_none()
            && self.parts.session.wants_user_lines()
            && self.parts.output.takes_commands()
            && self.may_run_next_command(now)
        {
            if let Some(line) = self.parts.commands.pop_front() {
                self.handle(SessionInput::UserLine(line.as_bytes()), now);
                continue;
            }
            let Ok(typed) = self.parts.typed.try_recv() else { return };
            match typed {
                UserInput::Line(line) => self.handle(SessionInput::UserLine(&line), now),
                UserInput::TooLong => {
                    self.handle(SessionInput::UserLineTooLong { max: USER_LINE_BYTES_MAX }, now);
                }
                UserInput::End => self.handle(SessionInput::EndOfInput, now),
                UserInput::Interrupt => self.handle(SessionInput::Stop, now),
            }
        }
    }

    /// Returns true if the next command may run. With `--exit-on-error`, each command of `-e` waits
    /// for the one before, and a failed command quits.
    fn may_run_next_command(&mut self, now: Millis) -> bool {
        if !self.parts.exits_on_error {
            return true;
        }
        if self.parts.session.has_failed() {
            self.parts.exits_on_error = false;
            let commands = std::mem::take(&mut self.parts.commands).len();
            if commands > 0 {
                let left = Counted(commands, "command was", "commands were");
                self.parts.output.push_line(&format_args!(
                    "error: --exit-on-error: a command failed, so {left} not run"
                ));
            }
            self.handle(SessionInput::UserLine(b"quit"), now);
            return false;
        }
        let is_idle = self.parts.session.is_idle();
        self.parts.exits_on_error = !is_idle || !self.parts.commands.is_empty();
        is_idle
    }

    pub(super) fn wake_at(&mut self, deadline: Millis, timer: ParticipantTimer) {
        self.timers.insert(deadline, timer);
    }

    fn set_timer(&mut self) {
        let deadline = self.parts.session.next_deadline();
        if self.session_timer.map(|(set, _)| set) == deadline {
            return;
        }
        if let Some((_, timer)) = self.session_timer.take() {
            self.timers.cancel(timer);
        }
        self.session_timer = deadline
            .map(|deadline| (deadline, self.timers.insert(deadline, ParticipantTimer::Session)));
    }

    /// Returns the exit code when the printer has all text, or after the deadline.
    fn exit_code(&self, now: Millis) -> Option<u8> {
        let Exit { code, until } = self.exit?;
        (self.parts.output.is_handed_over() || until <= now).then_some(code)
    }

    /// Waits for the workers and restores the terminal. Returns false if text was not printed or an
    /// entry not written.
    fn close(&mut self, wait: Duration) -> bool {
        let is_printed = self.parts.output.close(wait);
        for result in self.parts.output.completions() {
            self.on_printed(result);
        }
        if !is_printed {
            log::warn!("the last output could not be printed in time");
        }
        let is_written = self.parts.log.close(wait);
        if !is_written {
            log::error!("the last entries of the message log could not be written in time");
        }
        self.parts.prompt.restore(&self.parts.typed, wait);
        is_printed && is_written && !self.stdout.has_failed
    }
}
