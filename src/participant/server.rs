//! The event loop: its parts, and one turn, which handles all events and carries out the session's
//! effects.

mod completions;
mod wiring;

use std::io;
use std::time::Duration;

use mio::{Events, Poll};

use completions::take_completions;

use super::ParticipantError;
use super::accepted_sockets::AcceptedSockets;
use super::batched_worker::BatchedWorker;
use super::command_connection::CommandConnection;
use super::dialer::Dialer;
use super::event_loop::{EventLoop, ParticipantTimer};
use super::exec::Exec;
use super::message_log::EntrySink;
use super::outbox_file::OpenedOutbox;
use super::security::OpenedSecurity;
use super::stored_files::StoredFiles;
use super::terminal::{Output, Prompt};
use super::user_lines::UserLines;
use crate::config::{AdvertisedAddress, Membership, ParticipantRun};
use crate::limits::{EVENTS_MAX, LOG_QUEUE_MAX, PRINT_CLOSE_MS, PRINT_QUEUE_MAX};
use crate::net::{CLOCK, Clock, Key, LISTENER, Pool, SIGNALS, Signal, Signals, SocketTable, WAKER};
use crate::session::{
    Advertised, JoinCredentials, LogPosition, NoticeKind, Session, Settings, StoredOutbox,
    VisitKind,
};
use crate::time::Millis;
use wiring::wants_line;

/// The session, and the parts around it.
pub(super) struct Participant {
    session: Session,
    event_loop: EventLoop,
    signals: Signals,
    dialer: Dialer,
    commands: CommandConnection,
    messages: AcceptedSockets,
    files: StoredFiles,
    output: Output,
    exec: Exec,
    lines: UserLines,
    prompt: Prompt,
    exit: ExitState,
}

/// State of standard output.
#[derive(Clone, Copy, Debug, Default)]
struct StdoutState {
    /// True if a print has failed: the exit code is 1.
    has_failed: bool,
    /// True if the reader has closed it.
    is_closed: bool,
}

/// The exit, and the parts of its code that the session does not know.
#[derive(Clone, Copy, Debug, Default)]
struct ExitState {
    stdout: StdoutState,
    /// Code of the session, and the time at which the printer is not awaited any longer.
    end: Option<(u8, Millis)>,
    /// True if a line of the input could not be sent.
    has_failed: bool,
    /// True if the time of `--timeout` is over.
    is_timed_out: bool,
    /// True if a signal, `--timeout`, a closed standard output or an unreadable standard input ends
    /// the work.
    is_stopped: bool,
    /// True if a signal ends the work.
    has_signal: bool,
    /// True if the outbox file was damaged.
    is_outbox_damaged: bool,
}

impl ExitState {
    /// The session has ended.
    const fn is_due(&mut self, code: u8, until: Millis) {
        self.end = Some((code, until));
    }

    fn code(&self, of_session: u8) -> u8 {
        match self.is_timed_out {
            true => TIMEOUT_EXIT_CODE,
            false => of_session | u8::from(self.has_failed),
        }
    }
}

const OUTBOX_DAMAGED: &str = "error: outbox: the file was damaged, as a line above says: a message \
                              may be missing, or may be sent twice";

/// Exit code of a participant whose time is over.
const TIMEOUT_EXIT_CODE: u8 = 3;

impl Participant {
    /// Opens and starts the parts of a participant.
    pub(super) fn start(
        run: &ParticipantRun,
        (log, outbox): (EntrySink, Option<OpenedOutbox>),
        opened: OpenedSecurity,
        mut prompt: Prompt,
    ) -> Result<Self, ParticipantError> {
        let system = |what| move |error| ParticipantError::System(what, error);
        let poll = Poll::new().map_err(system("cannot poll"))?;
        let watched = [Signal::Terminate, Signal::Interrupt, Signal::Hangup, Signal::Continue];
        let signals = Signals::watch(poll.registry(), &watched)
            .map_err(system("cannot watch for signals"))?;
        let pool = Pool::new(poll.registry()).map_err(system("cannot wake the loop"))?;
        let thread = "cannot start a thread";
        let log_position = log.log_position();
        let log = pool.attach("message log", LOG_QUEUE_MAX, log).map_err(system(thread))?;
        let (mut file, mut stored, mut notes) = (None, None, Vec::new());
        let mut exit = ExitState::default();
        if let Some(opened) = outbox {
            exit.is_outbox_damaged = opened.file.is_damaged();
            let worker = pool.attach("outbox", LOG_QUEUE_MAX, opened.file);
            file = Some(BatchedWorker::new(worker.map_err(system(thread))?));
            (stored, notes) = (Some(opened.stored), opened.notes);
        }
        let printer =
            pool.attach("printer", PRINT_QUEUE_MAX, prompt.printer()).map_err(system(thread))?;
        let OpenedSecurity { security, credentials, notes: keys } = opened;
        let dialer = Dialer::new(&run.config.coordinators, security.clone(), &pool);
        let dialer = dialer.map_err(system(thread))?;
        let exec = Exec::start(run.options.script.exec.as_deref(), &pool);
        let exec = exec.map_err(system(thread))?;
        let typed = prompt.read(pool.waker()).map_err(system(thread))?;
        let (event_loop, started) = start_event_loop(poll, run);
        let mut output = Output::new(BatchedWorker::new(printer), &run.options, prompt.known_ids());
        keys.iter().for_each(|note| output.push_line(NoticeKind::Event, note));
        notes.iter().for_each(|note| push_outbox_note(&mut output, note));
        let session = start_session(run, (log_position, stored), credentials, started)?;
        let mut participant = Self {
            session,
            event_loop,
            signals,
            dialer,
            commands: CommandConnection::default(),
            messages: AcceptedSockets::new(
                &run.config.coordinators,
                run.config.reach.listen,
                security,
            ),
            files: StoredFiles::new(BatchedWorker::new(log), file),
            output,
            exec,
            lines: UserLines::new(&run.options, typed),
            prompt,
            exit,
        };
        participant.run_effects(started); // The session tells how many texts wait.
        Ok(participant)
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
        let now = self.event_loop.sleep(events)?;
        let mut signals = Vec::new();
        for event in &*events {
            match event.token() {
                LISTENER => self.messages.on_listener_event(),
                SIGNALS => signals.extend(self.signals.drain()), // One event for each kind.
                CLOCK => self.event_loop.on_clock_event(),       // Every turn runs the due timers.
                WAKER => (), // Every turn takes completions and lines.
                token => {
                    let key = Key::from(token);
                    if key.table() == SocketTable::Message {
                        self.messages.on_event(key, event);
                    } else {
                        self.dialer.on_event(key, event);
                        self.commands.on_event(key, event);
                    }
                }
            }
        }
        // A signal that has ended a command of `--exec`, too, comes before the end of the command.
        signals.into_iter().for_each(|signal| self.on_signal(signal, now));
        take_completions(self, now);
        self.accept(now);
        self.serve_commands(now);
        self.serve_messages(now);
        while let Some(timer) = self.event_loop.pop_due(now) {
            self.on_timer(timer, now);
        }
        self.take_lines(now);
        self.flush(now);
        self.files.hand_over();
        self.output.hand_over();
        self.close_marked();
        if self
            .messages
            .must_read_again(|socket| wants_line(&self.session, &self.lines, &self.exec, socket))
        {
            self.event_loop.come_back();
        }
        if self.session.is_online() {
            self.event_loop.report_online();
        }
        self.event_loop.arm_session(self.session.next_deadline());
        Ok(self.exit_code(now))
    }

    /// Shows the line of `--lines` to go on from, and why the exit code is 1, if the session does
    /// not know it. A participant that runs until a signal has shown the damage of the outbox file
    /// when it was found.
    fn report_end(&mut self) {
        if let Some(report) = self.lines.report().filter(|_| self.exit.is_stopped) {
            self.output.push_line_report(&report);
        }
        if self.exit.is_outbox_damaged && self.lines.end_by_themselves() {
            self.exit.has_failed = true;
            self.output.push_line(NoticeKind::Error, &OUTBOX_DAMAGED);
        }
    }

    /// Returns the exit code when the printer has all text, or after the deadline.
    fn exit_code(&self, now: Millis) -> Option<u8> {
        let (code, until) = self.exit.end?;
        (self.output.is_handed_over() || until <= now).then(|| self.exit.code(code))
    }

    /// Waits for the workers and restores the terminal. Returns false if text was not printed or an
    /// entry not written.
    fn close(&mut self, wait: Duration) -> bool {
        self.commands.close_all();
        self.messages.close_all();
        let is_printed = self.output.close(wait);
        for result in self.output.completions() {
            self.exit.stdout.on_printed(result);
        }
        if !is_printed {
            log::warn!("the last output could not be printed in time");
        }
        let is_written = self.files.close(wait);
        self.lines.restore(&self.prompt, wait);
        is_printed && is_written && !self.exit.stdout.has_failed
    }
}

fn push_outbox_note(output: &mut Output, note: &str) {
    output.push_line(NoticeKind::Event, &format_args!("* outbox: {note}"));
}

/// Starts the clock and the loop. Returns the time of the start.
fn start_event_loop(poll: Poll, run: &ParticipantRun) -> (EventLoop, Millis) {
    let mut clock = Clock::start();
    if let Err(error) = clock.watch(poll.registry()) {
        log::debug!(
            "cannot watch for steps of the wall clock, so it is checked once a minute: {error}"
        );
    }
    let started = clock.now().steady;
    let mut event_loop = EventLoop::new(poll, clock, run.config.peer_timeouts);
    event_loop.find_service_manager();
    if let Some(ms) = run.options.script.timeout_ms {
        event_loop.wake_at(started.plus(ms), ParticipantTimer::Timeout);
    }
    (event_loop, started)
}

fn start_session(
    run: &ParticipantRun,
    (log_position, outbox): (LogPosition, Option<StoredOutbox>),
    credentials: JoinCredentials,
    started: Millis,
) -> Result<Session, ParticipantError> {
    let seed = getrandom::u64().map_err(|error| {
        ParticipantError::System("cannot draw a random number", io::Error::other(error))
    })?;
    Ok(Session::new(Settings {
        id: run.config.id.as_str().into(),
        coordinators: run.config.coordinators.iter().map(|it| it.to_string().into()).collect(),
        log_position,
        reconnects: run.options.reconnect,
        stays_after_input: run.options.follow,
        is_passive: run.config.reach.is_passive,
        advertised: run
            .config
            .reach
            .advertised
            .map(|AdvertisedAddress { ip, port }| Advertised { ip, port }),
        credentials,
        visit: visit(run.options.membership()),
        outbox,
        started,
        seed,
    }))
}

fn visit(membership: Membership) -> VisitKind {
    match membership {
        Membership::OfCommands | Membership::Joins => VisitKind::Stays,
        Membership::Visits => VisitKind::Receives,
        Membership::VisitsToSend => VisitKind::SendsOnly,
    }
}

impl StdoutState {
    /// Handles the result of a print. Returns true once if standard output is closed: the caller
    /// stops the session, and a second stop would not wait for `disconnect`. Another error is
    /// logged once.
    fn on_printed(&mut self, printed: io::Result<()>) -> bool {
        match printed {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                let is_new = !std::mem::replace(&mut self.is_closed, true);
                if is_new {
                    log::info!("standard output is closed: shutting down");
                }
                is_new
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    log::error!("cannot write to standard output: {error}");
                }
                false
            }
        }
    }
}
