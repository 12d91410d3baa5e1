//! Runs a participant: the sockets, files and terminal around [`crate::session`].
//!
//! One thread runs one event loop. The loop reads lines from the user and from the sockets, and
//! gives them to the session as inputs. The session returns effects. The loop turns the effects
//! into requests, acknowledgements, entries of the message log and text for the user.
//!
//! ```text
//!   reader thread ─▶ lines ──▶┌─────────┐──▶ text ────▶ printer thread
//!   command socket ◀────────▶ │ Session │
//!   message socket ◀────────▶ └─────────┘──▶ entries ─▶ message log's thread
//!                                   ▲                        │
//!                                   └─────── written ◀───────┘
//! ```
//!
//! The rules of a participant are in the session. This module only decides how many bytes to read
//! from one socket before the next one gets its turn. The message log and the acknowledgements
//! never wait for the printer.

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
use mio::Poll;

use crate::config::{ParticipantOptions, ParticipantRun, stderr_is_journal};
use crate::limits::{DIAGNOSTICS_CLOSE_MS, LOG_QUEUE_MAX, PRINT_QUEUE_MAX};
use crate::net::{
    Clock, Diagnostics, Pool, Reader, Signal, Signals, ignore_harmless_signals, print_to_stderr,
    raise_file_limit,
};
use crate::session::{Session, Settings};
use crate::text;
use dialer::CoordinatorAddress;
use outbox::Outbox;
use server::{Participant, Parts};
use terminal::{InputMode, Output, Prompt};

pub use message_log::{Lines, LogBatch, LogJob, LogReport, MessageLog, MessageLogError};

/// Reason why the participant could not start or continue.
#[derive(Debug)]
pub enum ParticipantError {
    /// This file cannot be used as the message log.
    Log(PathBuf, MessageLogError),
    /// A required call of the operating system failed.
    System(&'static str, io::Error),
}

impl ParticipantError {
    /// Returns 2 for a message log that cannot be used, 1 for everything else.
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

/// Runs a participant until `quit`, the end of its input or a signal, and returns the exit code.
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
    let parts = start_parts(run, log, prompt);
    let result = parts.and_then(|parts| Participant::new(parts).run());
    // A standard error that takes no bytes must not keep the program from exiting.
    let _ = diagnostics.close(Duration::from_millis(DIAGNOSTICS_CLOSE_MS));
    result
}

/// Returns the part of standard input to read.
fn reading(options: &ParticipantOptions) -> InputMode {
    match (options.reads_input(), options.follow) {
        (false, _) => InputMode::Nothing,
        (true, false) => InputMode::ToItsEnd,
        (true, true) => InputMode::OfEachWriter,
    }
}

/// Opens and starts the parts of a participant.
fn start_parts(
    run: &ParticipantRun,
    log: MessageLog,
    mut prompt: Prompt,
) -> Result<Parts, ParticipantError> {
    let system = |what| move |error| ParticipantError::System(what, error);
    if let Err(error) = raise_file_limit() {
        log::warn!("cannot raise the limit on open files: {error}");
    }
    let poll = Poll::new().map_err(system("cannot poll"))?;
    let watched = [Signal::Terminate, Signal::Interrupt, Signal::Hangup, Signal::Continue];
    let signals =
        Signals::watch(poll.registry(), &watched).map_err(system("cannot watch for signals"))?;
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
            "cannot watch for steps of the wall clock, so it is checked once a minute: {error}"
        );
    }
    Ok(Parts {
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
    })
}
