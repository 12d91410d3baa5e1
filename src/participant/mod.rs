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

mod accepted_sockets;
mod batched_worker;
mod check;
mod command_connection;
mod dialer;
mod event_loop;
mod exec;
mod file_state;
mod line_report;
mod line_socket;
mod message_log;
mod outbox_file;
mod security;
mod server;
mod stored_files;
mod terminal;
#[cfg(test)]
mod testing;
mod top;
mod unusable_file;
mod user_lines;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::config::{Membership, ParticipantOptions, ParticipantRun, stderr_is_journal};
use crate::limits::DIAGNOSTICS_CLOSE_MS;
use crate::net::{
    Clock, Diagnostics, Reader, ignore_harmless_signals, print_to_stderr, raise_file_limit,
};
use crate::text;
use security::PeerSecurity;
use server::Participant;
use terminal::{HistoryFile, HistoryVariables, InputMode, Prompt};

pub use message_log::{
    EntrySink, LastMessages, LastMessagesLimit, Lines, LogBatch, LogJob, LogReport, MessageLog,
};
pub use outbox_file::{OpenedOutbox, OutboxBatch, OutboxFile, OutboxJob, OutboxReport};
pub use unusable_file::{FileUse, UnusableFile};

/// Reason why the participant could not start or continue.
#[derive(Debug)]
pub enum ParticipantError {
    /// This file cannot be used as the message log.
    Log(PathBuf, UnusableFile),
    /// This file cannot be used as the outbox.
    Outbox(PathBuf, UnusableFile),
    /// The keys file cannot be used.
    Keys(Box<dyn std::error::Error>),
    /// A required call of the operating system failed.
    System(&'static str, io::Error),
}

impl ParticipantError {
    /// Returns 2 for a file that cannot be used, 1 for everything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Log(..) | Self::Outbox(..) | Self::Keys(_) => 2,
            Self::System(..) => 1,
        }
    }
}

impl fmt::Display for ParticipantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(path, unusable) => write_unusable(f, "message log", path, unusable),
            Self::Outbox(path, unusable) => write_unusable(f, "outbox", path, unusable),
            Self::Keys(unusable) => write!(f, "keys: {unusable}"),
            Self::System(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// Writes the reason for which a file is refused, and the next step.
fn write_unusable(
    f: &mut fmt::Formatter<'_>,
    subject: &str,
    path: &Path,
    unusable: &UnusableFile,
) -> fmt::Result {
    let path = path.display().to_string();
    write!(f, "{subject} {}: {unusable}", text::for_terminal(&path))?;
    unusable.advice().map_or(Ok(()), |advice| write!(f, ": {advice}"))
}

/// Runs a participant until `quit`, the end of its input or a signal, and returns the exit code.
///
/// # Errors
///
/// [`ParticipantError`], which has an exit code too.
pub fn run(run: &ParticipantRun) -> Result<u8, ParticipantError> {
    if let Some(checked) = &run.checked {
        return check::check(run, checked);
    }
    let system = |what| move |error| ParticipantError::System(what, error);
    ignore_harmless_signals().map_err(system("cannot ignore signals"))?;
    if run.options.top {
        return top::run(run);
    }
    let security = PeerSecurity::open(&run.config).map_err(ParticipantError::Keys)?;
    // A visit that only sends takes no message. The log may be in use by the member itself.
    let log_file = match run.options.membership() {
        Membership::VisitsToSend => None,
        Membership::OfCommands | Membership::Joins | Membership::Visits => {
            run.config.log_file.as_ref()
        }
    };
    let log = match log_file {
        None => EntrySink::Nothing,
        Some(path) => {
            let log = MessageLog::open(path, &run.config.id, run.options.store.sync);
            EntrySink::File(Box::new(
                log.map_err(|unusable| ParticipantError::Log(path.clone(), unusable))?,
            ))
        }
    };
    let outbox = match &run.options.store.outbox {
        None => None,
        Some(path) => {
            let now = Clock::start().now().unix;
            let opened = OutboxFile::open(path, &run.config.id, run.options.store.sync, now);
            Some(opened.map_err(|unusable| ParticipantError::Outbox(path.clone(), unusable))?)
        }
    };
    let history = match run.options.history {
        true => HistoryFile::of(&run.config.id, HistoryVariables::of_environment()),
        false => HistoryFile::default(),
    };
    let prompt = Prompt::new(reading(&run.options), run.options.script.lines, history);
    let reader = if stderr_is_journal() { Reader::Journal } else { Reader::People };
    let has_modules = run.log_level > LevelFilter::Info;
    let print = prompt.diagnostics(has_modules);
    let print = print.unwrap_or_else(|| print_to_stderr(reader, has_modules));
    let diagnostics =
        Diagnostics::install(run.log_level, print).map_err(system("cannot start the log"))?;
    if let Err(error) = raise_file_limit() {
        log::warn!("cannot raise the limit on open files: {error}");
    }
    let started = Participant::start(run, (log, outbox), security, prompt);
    let result = started.and_then(|mut participant| participant.run());
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
