//! The participant: the shell around [`crate::session`].
//!
//! One thread, one loop. Readiness becomes lines, which go into the session; what it wants comes
//! out as effects, which become requests, acknowledgements, entries of the message log and text
//! for the user.
//!
//! ```text
//!   reader thread ─▶ lines ──▶┌─────────┐──▶ text ────▶ printer thread
//!   command socket ◀────────▶ │ Session │
//!   message socket ◀────────▶ └─────────┘──▶ entries ─▶ message log's thread
//!                                   ▲                        │
//!                                   └─────── written ◀───────┘
//! ```
//!
//! No rule of the session stands here. What stands here is how much is read before something else
//! has its turn. The message log and the acknowledgements never wait for the printer.

mod dialer;
mod message_log;
mod outbox;
mod resolver;
mod server;
mod socket;
mod sockets;
mod terminal;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;
use mio::{Events, Poll};

use crate::config::{ParticipantOptions, ParticipantRun, stderr_is_journal};
use crate::limits::{
    DIAGNOSTICS_CLOSE_MS, EVENTS_MAX, LOG_QUEUE_MAX, PRINT_CLOSE_MS, PRINT_QUEUE_MAX,
};
use crate::net::{
    Clock, Diagnostics, Pool, Reader, Signal, Signals, ignore_harmless_signals, print_to_stderr,
    raise_file_limit,
};
use crate::session::{Session, Settings};
use crate::text;
use dialer::CoordinatorAddress;
use message_log::MessageLog;
use outbox::Outbox;
use server::Participant;
use terminal::{InputMode, Output, Prompt};

pub use message_log::MessageLogError;

/// Why the participant could not start or go on.
#[derive(Debug)]
pub enum ParticipantError {
    /// This file cannot be the message log.
    Log(PathBuf, MessageLogError),
    /// The operating system refused something without which nothing goes.
    System(&'static str, io::Error),
}

impl ParticipantError {
    /// 2 for what the config asked for and cannot be had, 1 for everything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Log(..) => 2,
            Self::System(..) => 1,
        }
    }
}

impl fmt::Display for ParticipantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(path, unusable) => {
                let path = path.display().to_string();
                write!(f, "message log {}: {unusable}", text::for_terminal(&path))
            }
            Self::System(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// Runs a participant until its user, the end of its input or a signal ends it; answers the exit
/// code.
///
/// # Errors
///
/// [`ParticipantError`], which has an exit code too.
pub fn run(run: &ParticipantRun) -> Result<u8, ParticipantError> {
    let system = |what| move |error| ParticipantError::System(what, error);
    ignore_harmless_signals().map_err(system("cannot ignore signals"))?;
    let path = &run.config.log_file;
    let log = MessageLog::open(path, &run.config.id, run.options.sync)
        .map_err(|unusable| ParticipantError::Log(path.clone(), unusable))?;
    let prompt = Prompt::new(reading(&run.options));
    let reader = if stderr_is_journal() { Reader::Journal } else { Reader::People };
    let has_modules = run.log_level > LevelFilter::Info;
    let print = prompt.diagnostics(has_modules);
    let print = print.unwrap_or_else(|| print_to_stderr(reader, has_modules));
    let diagnostics =
        Diagnostics::install(run.log_level, print).map_err(system("cannot start the log"))?;
    let result = Participant::start(run, log, prompt).and_then(|mut it| it.run());
    // A standard error that takes nothing must not keep the program from ending.
    let _ = diagnostics.close(Duration::from_millis(DIAGNOSTICS_CLOSE_MS));
    result
}

/// Decides what is read of standard input.
fn reading(options: &ParticipantOptions) -> InputMode {
    match (options.reads_input(), options.follow) {
        (false, _) => InputMode::Nothing,
        (true, false) => InputMode::ToItsEnd,
        (true, true) => InputMode::OfEachWriter,
    }
}

impl Participant {
    fn start(
        run: &ParticipantRun,
        log: MessageLog,
        mut prompt: Prompt,
    ) -> Result<Self, ParticipantError> {
        let system = |what| move |error| ParticipantError::System(what, error);
        if let Err(error) = raise_file_limit() {
            log::warn!("the limit on open files stays what it was: {error}");
        }
        let poll = Poll::new().map_err(system("cannot poll"))?;
        let watched = [Signal::Terminate, Signal::Interrupt, Signal::Hangup, Signal::Continue];
        let signals = Signals::watch(poll.registry(), &watched)
            .map_err(system("cannot watch for signals"))?;
        let seed = getrandom::u64().map_err(|error| {
            ParticipantError::System("cannot draw a random number", io::Error::other(error))
        })?;
        let session = Session::new(Settings {
            id: run.config.id.as_str().into(),
            coordinator: run.config.coordinator.to_string().into(),
            log_position: log.log_position(),
            reconnects: run.options.reconnect,
            stays_after_input: run.options.follow,
            seed,
        });
        let pool = Pool::new(poll.registry()).map_err(system("cannot wake the loop"))?;
        let thread = "cannot start a thread";
        let log = pool.attach("message log", LOG_QUEUE_MAX, log).map_err(system(thread))?;
        let printer =
            pool.attach("printer", PRINT_QUEUE_MAX, prompt.printer()).map_err(system(thread))?;
        let coordinator_address =
            CoordinatorAddress::new(&run.config.coordinator, &pool).map_err(system(thread))?;
        let typed = prompt.read(pool.waker()).map_err(system(thread))?;
        let mut clock = Clock::start();
        if let Err(error) = clock.watch(poll.registry()) {
            log::debug!(
                "cannot watch for steps of the wall clock, checking once a minute: {error}"
            );
        }
        Ok(Self::new(server::Parts {
            session,
            coordinator_address,
            poll,
            clock,
            signals,
            log: Outbox::new(log),
            output: Output::new(Outbox::new(printer), run.options.quiet),
            commands: run.options.execute.clone().into(),
            exits_on_error: run.options.exit_on_error,
            typed,
            prompt,
        }))
    }

    fn run(&mut self) -> Result<u8, ParticipantError> {
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
}
