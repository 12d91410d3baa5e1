//! The coordinator program: sockets, timers and files around the state machine [`crate::group`].
//!
//! One thread runs one loop. It reads requests and acknowledgements from the sockets and passes
//! them to the group. The group returns effects: replies, connect-backs, sockets to close. At the
//! end of a turn, each message socket that has room gets the deliveries that are due.
//!
//! ```text
//!   poll ─► read ─► parse ─► Group ─► effects ─► write replies ─► deliver ─► close marked sockets
//!    ▲                                                                                        │
//!    └──────────── sleep, unless work was left over ◄─────────────────────────────────────────┘
//! ```
//!
//! This module contains no rule of the group. The group decides which requests are allowed, and how
//! long a message is kept.

mod accept;
mod admission;
mod budget;
mod commands;
mod effects;
mod inspect;
mod journal;
pub mod journaling;
mod lists;
mod liveness;
mod messages;
mod peer;
mod ready;
mod report;
mod server;
mod shutdown;
mod startup;
mod suspend;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;
use mio::{Events, Poll};

use crate::config::{
    CoordinatorConfig, CoordinatorRun, CoordinatorTask, StandardStream, stderr_is_journal,
    write_line,
};
use crate::group::{Input, Rules};
use crate::limits::{DIAGNOSTICS_CLOSE_MS, EVENTS_MAX, RESERVE_FILES};
use crate::net::{
    Acceptor, Diagnostics, LISTENER, Reader, Signal, Signals, ignore_harmless_signals,
    print_to_stderr, raise_file_limit,
};
use crate::protocol::Epoch;
use crate::text::Counted;
use server::Coordinator;
use shutdown::TurnOutcome;

/// Reason why the coordinator could not start, continue, or end cleanly.
#[derive(Debug)]
pub enum CoordinatorError {
    /// The coordinator cannot listen on this address.
    Listen(SocketAddr, io::Error),
    /// The journal in this directory cannot be used.
    Journal(PathBuf, String),
    /// A necessary call of the operating system failed.
    System(&'static str, io::Error),
    /// A second signal came before everything was sent and written.
    CutShort,
    /// A signal came while the journal in this directory was being read.
    Stopped(PathBuf),
    /// The end of the journal in this directory could not be written: this number of bytes.
    Unwritten(PathBuf, usize),
}

impl fmt::Display for CoordinatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) if error.kind() == ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: {error}; another program listens there, perhaps a \
                 coordinator that was started earlier. Closing its terminal does not end it: find \
                 its process id with `ss -ltnp` and end it with SIGTERM"
            ),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Journal(path, error) => write!(f, "journal {}: {error}", path.display()),
            Self::System(what, error) => write!(f, "{what}: {error}"),
            Self::CutShort => f.write_str(
                "ended at once, by a second signal, before everything was sent and written",
            ),
            Self::Stopped(path) => {
                write!(
                    f,
                    "ended by a signal before the journal {} was read completely",
                    path.display()
                )
            }
            Self::Unwritten(path, bytes) => {
                write!(f, "journal {}: the end could not be written: ", path.display())?;
                if *bytes > 0 {
                    let bytes = Counted(*bytes, "byte", "bytes");
                    write!(f, "{bytes} did not reach the disk, their replies were not sent; ")?;
                }
                f.write_str(
                    "members may get their last messages again; check whether the disk is full or \
                     failing",
                )
            }
        }
    }
}

/// Signals that the loop handles.
const WATCHED_SIGNALS: [Signal; 3] = [Signal::Terminate, Signal::Interrupt, Signal::Hangup];

impl CoordinatorError {
    fn poll(error: io::Error) -> Self {
        Self::System("cannot poll", error)
    }
}

/// Runs the task of the command line.
///
/// # Errors
///
/// [`CoordinatorError`]. The exit code is 1 in this case.
pub fn run(task: &CoordinatorTask) -> Result<(), CoordinatorError> {
    match task {
        CoordinatorTask::Serve(run) => serve(run),
        CoordinatorTask::Inspect(directory) => inspect::inspect(directory),
    }
}

/// Runs a coordinator until a signal ends it.
fn serve(run: &CoordinatorRun) -> Result<(), CoordinatorError> {
    let system = |what| move |error| CoordinatorError::System(what, error);
    let reader = if stderr_is_journal() { Reader::Journal } else { Reader::People };
    let print = print_to_stderr(reader, run.log_level > LevelFilter::Info);
    let diagnostics =
        Diagnostics::install(run.log_level, print).map_err(system("cannot start the log"))?;
    ignore_harmless_signals().map_err(system("cannot ignore signals"))?;
    let result = Coordinator::start(run).and_then(|mut coordinator| {
        let mut events = Events::with_capacity(EVENTS_MAX);
        coordinator.run(&mut events)?;
        coordinator.close_journal(&mut events)
    });
    let result = match result {
        Err(stopped @ CoordinatorError::Stopped(_)) => {
            log::info!("{stopped}; nothing was changed");
            Ok(()) // The signal asked for the end.
        }
        result @ (Ok(()) | Err(_)) => result,
    };
    // A standard error that blocks must not keep the program from ending.
    let _ = diagnostics.close(Duration::from_millis(DIAGNOSTICS_CLOSE_MS));
    result
}

impl Coordinator {
    /// Listens, starts the group, and prints the first line on standard output.
    fn start(run: &CoordinatorRun) -> Result<Self, CoordinatorError> {
        let config = &run.config;
        let system = |what| move |error| CoordinatorError::System(what, error);
        let files = match raise_file_limit() {
            Ok(Some(files)) => files.to_string(),
            Ok(None) => "any number of".to_owned(),
            Err(error) => {
                log::warn!("the limit on open files cannot be raised: {error}");
                "an unknown number of".to_owned()
            }
        };
        if let Some(warning) = report::too_few_files(config, files.parse().ok()) {
            log::warn!("{warning}");
        }
        let poll = Poll::new().map_err(system("cannot poll"))?;
        let mut signals = Signals::watch(poll.registry(), &WATCHED_SIGNALS)
            .map_err(system("cannot watch for signals"))?;
        let listen = |error| CoordinatorError::Listen(config.listen, error);
        let mut acceptor = Acceptor::bind(config.listen, RESERVE_FILES).map_err(listen)?;
        acceptor.register(poll.registry(), LISTENER).map_err(listen)?;
        let listening = acceptor.local_addr().map_err(listen)?;
        if acceptor.is_address_missing() {
            log::warn!(
                "no interface of this machine has the address {} yet. Clients can connect as soon \
                 as an interface has it. If the address is wrong, correct bind=",
                listening.ip()
            );
        }
        let rules = rules(config, listening);
        let startup = startup::begin(config, rules, poll.registry(), &mut signals)?;
        let config = CoordinatorConfig { listen: listening, ..config.clone() };
        let begins_epoch = run.new_epoch && startup.keeps_epoch;
        let mut coordinator = Self::new(config, startup, poll, signals, acceptor);
        coordinator.prepare_epoch(Epoch::new(startup::draw_random()?), begins_epoch);
        write_line(StandardStream::Output, &coordinator.first_line(&files));
        Ok(coordinator)
    }

    /// Gives the group the random bits of its next epoch. With `begins_now`, it begins at once.
    fn prepare_epoch(&mut self, epoch: Epoch, begins_now: bool) {
        let now = self.clock.now();
        self.group.handle(Input::DrawnEpoch(epoch), now);
        if begins_now {
            log::info!("--new-epoch: epoch {} ends, epoch {epoch} begins", self.group.epoch());
            self.group.handle(Input::BeginEpoch, now);
            self.run_effects(now);
            self.commit_turn(now);
        }
    }

    fn run(&mut self, events: &mut Events) -> Result<(), CoordinatorError> {
        loop {
            match self.turn(events) {
                Ok(TurnOutcome::Continue) => (),
                Ok(TurnOutcome::Done) => return Ok(()),
                Ok(TurnOutcome::CutShort) => return Err(CoordinatorError::CutShort),
                Err(error) => return Err(CoordinatorError::poll(error)),
            }
        }
    }
}

fn rules(config: &CoordinatorConfig, listening: SocketAddr) -> Rules {
    Rules {
        ttl_ms: config.ttl_s * 1000,
        line_bytes_max: config.max_line,
        members_max: config.max_members,
        members_per_address_max: config.max_members_per_address,
        forget_after_ms: config.forget_after_ms,
        backlog_bytes_max: config.max_backlog,
        overflow: config.overflow,
        foreign_ip_allowed: config.allow_foreign_ip,
        is_journaled: config.data_dir.is_some(),
        listening,
    }
}
