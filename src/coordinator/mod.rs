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
mod admin;
mod certificates;
mod check;
mod commands;
#[cfg(feature = "engine")]
mod engine_queue;
mod health;
mod inspect;
mod journal;
mod liveness;
mod messages;
mod platform;
mod ready;
mod replica;
mod report;
mod samples;
mod security;
mod server;
#[cfg(feature = "tls")]
mod set_up;
mod shutdown;
#[cfg(feature = "engine")]
mod site;
#[cfg(feature = "engine")]
mod site_journal;
mod sockets;
mod startup;
mod suspend;
mod system;
#[cfg(test)]
mod testing;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;
use mio::Events;

use crate::config::{
    ConfigError, CoordinatorConfig, CoordinatorRun, CoordinatorTask, stderr_is_journal,
};
#[cfg(feature = "engine")]
use crate::journal::StartTasks;
use crate::limits::{DIAGNOSTICS_CLOSE_MS, EVENTS_MAX};
use crate::net::{
    Diagnostics, Reader, WatchedSignals, ignore_harmless_signals, inherited_listener,
    print_to_stderr,
};
use crate::text::Counted;

#[cfg(feature = "engine")]
use site::SiteStart;
use startup::{Start, WATCHED_SIGNALS};
use system::System;

pub use journal::{GroupJournal, WriterThread};
pub use platform::{Observer, Platform, WriterQueue};
pub use replica::Replica;
pub use server::Coordinator;
pub use server::config_change::change_config;
pub use shutdown::TurnOutcome;
#[cfg(feature = "engine")]
pub use site_journal::{EngineJournal, EngineLook, EngineQueue};

/// Warning of a site that ends before a new epoch has told the members that messages may be
/// missing.
#[cfg(feature = "engine")]
const LEFT_IN_DOUBT: &str = "messages that this site has confirmed may be missing in the list, and \
                             the participants do not know it: start it once with --new-epoch";

/// Reason why the coordinator could not start, continue, or end cleanly.
#[derive(Debug)]
pub enum CoordinatorError {
    /// A file that the config names cannot be used.
    Config(ConfigError),
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
    /// The end of the journal could not be written: this number of bytes. Without a directory it
    /// is the journal of a site.
    Unwritten(Option<PathBuf>, usize),
    /// The engine of a site cannot be used.
    #[cfg(feature = "engine")]
    Engine(crate::net::engine::EngineError),
    /// This process cannot serve as a site. The second value is the time at which its stream was
    /// made.
    #[cfg(feature = "engine")]
    Site(crate::journal::SiteEnd, Option<u64>),
    /// The same, after a signal has asked for the end.
    #[cfg(feature = "engine")]
    StoppedSite(crate::journal::SiteEnd),
    /// A signal came while the list of this group was being read.
    #[cfg(feature = "engine")]
    StoppedReading(String),
    /// The coordinator at this endpoint does not answer, for this reason.
    Unhealthy(String, String),
}

impl fmt::Display for CoordinatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Listen(address, error) if error.kind() == ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: {error}; another program listens there, perhaps a \
                 coordinator that was started earlier. Closing its terminal does not end it: find \
                 its process id with `ss -ltnp` and end it with SIGTERM"
            ),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Journal(path, error) => write!(f, "journal {}: {error}", path.display()),
            Self::System(what, error) => write!(f, "{what}: {error}"),
            #[cfg(feature = "engine")]
            Self::Engine(error) => error.fmt(f),
            #[cfg(feature = "engine")]
            Self::Site(end, _) | Self::StoppedSite(end) => end.fmt(f),
            #[cfg(feature = "engine")]
            Self::StoppedReading(group) => {
                write!(f, "ended by a signal before the list of group {group} was read completely")
            }
            Self::CutShort => f.write_str(
                "ended at once, by a second signal, before everything was sent and written",
            ),
            Self::Unhealthy(coordinator, reason) => {
                write!(f, "no sign of life from {coordinator}: {reason}")
            }
            Self::Stopped(path) => {
                write!(
                    f,
                    "ended by a signal before the journal {} was read completely",
                    path.display()
                )
            }
            Self::Unwritten(Some(path), bytes) => {
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
            Self::Unwritten(None, bytes) => {
                f.write_str("the engine has not stored the end of this site: ")?;
                if *bytes > 0 {
                    let bytes = Counted(*bytes, "byte", "bytes");
                    write!(f, "{bytes} may be stored or not, their replies were not sent; ")?;
                }
                f.write_str(
                    "members may get their last messages again; check whether the engine can be \
                     reached",
                )
            }
        }
    }
}

impl CoordinatorError {
    fn poll(error: io::Error) -> Self {
        Self::System("cannot poll", error)
    }

    fn unwritten(config: &CoordinatorConfig, bytes: usize) -> Self {
        Self::Unwritten(config.storage.data_dir.clone(), bytes)
    }

    /// Returns true if a signal asked for the end before the coordinator served.
    const fn is_stopped_start(&self) -> bool {
        match self {
            Self::Stopped(_) => true,
            #[cfg(feature = "engine")]
            Self::StoppedReading(_) => true,
            Self::Config(_)
            | Self::Listen(..)
            | Self::Journal(..)
            | Self::System(..)
            | Self::CutShort
            | Self::Unwritten(..)
            | Self::Unhealthy(..) => false,
            #[cfg(feature = "engine")]
            Self::Engine(_) | Self::Site(..) | Self::StoppedSite(_) => false,
        }
    }

    /// Returns 2 for a config that must be changed, and for a file of it that cannot be used; 1 for
    /// everything else. After 2 a service is not started again, so 1 is right if the reason may go
    /// without a change of the config.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            #[cfg(feature = "engine")]
            Self::Engine(error) if error.is_of_config() => 2,
            #[cfg(feature = "engine")]
            Self::Site(end, _) if end.is_of_config() => 2,
            Self::Listen(..)
            | Self::Journal(..)
            | Self::System(..)
            | Self::CutShort
            | Self::Stopped(_)
            | Self::Unwritten(..)
            | Self::Unhealthy(..) => 1,
            #[cfg(feature = "engine")]
            Self::Engine(_) | Self::Site(..) | Self::StoppedSite(_) | Self::StoppedReading(_) => 1,
        }
    }
}

/// Runs the task of the command line.
///
/// # Errors
///
/// [`CoordinatorError`], with its exit code.
pub fn run(task: &CoordinatorTask) -> Result<(), CoordinatorError> {
    match task {
        CoordinatorTask::Serve(run) => serve(run),
        #[cfg(feature = "engine")]
        CoordinatorTask::OfSite(task) => site::run(task),
        CoordinatorTask::Check { checked, run } => check::check(checked, run),
        #[cfg(feature = "tls")]
        CoordinatorTask::InitKeys(path, config) => set_up::init_keys(path, config),
        #[cfg(feature = "tls")]
        CoordinatorTask::Invite(path, config) => set_up::invite(path, config),
        #[cfg(not(feature = "tls"))]
        // The command line refuses both.
        CoordinatorTask::InitKeys(..) | CoordinatorTask::Invite(..) => Ok(()),
        CoordinatorTask::Inspect(directory) => inspect::inspect(directory),
        CoordinatorTask::Health(coordinator) => health::check(coordinator),
    }
}

/// Runs one coordinator until its end.
#[cfg(not(feature = "engine"))]
fn serve_to_end(
    run: &CoordinatorRun,
    inherited: Option<TcpListener>,
    signals: &WatchedSignals,
) -> Result<(), CoordinatorError> {
    let coordinator = startup::start(run, Start { signals, inherited })?;
    serve_once(&mut run.clone(), coordinator)
}

/// Runs one coordinator until its end. A site that is not sure of its state reads the list again.
#[cfg(feature = "engine")]
#[expect(clippy::needless_pass_by_value, reason = "without the feature it is passed on")]
fn serve_to_end(
    run: &CoordinatorRun,
    inherited: Option<TcpListener>,
    signals: &WatchedSignals,
) -> Result<(), CoordinatorError> {
    let mut run = run.clone();
    let tasks = StartTasks { begins_epoch: run.new_epoch, ..StartTasks::default() };
    let mut site = SiteStart { tasks, created_ns: None };
    loop {
        // A further start needs the socket, too.
        let listener = inherited.as_ref().map(TcpListener::try_clone).transpose();
        let inherited = listener.map_err(|error| {
            CoordinatorError::System("cannot use the socket of the service manager", error)
        })?;
        let result = match startup::start(&run, Start { signals, inherited, site }) {
            Ok(coordinator) => {
                site.tasks = StartTasks::default(); // This start has done them.
                serve_once(&mut run, coordinator)
            }
            Err(failed) => Err(failed),
        };
        let Err(failed) = &result else { return result };
        let Some(again) = site.after(failed) else {
            if site.leaves_doubt(failed) {
                log::error!("{LEFT_IN_DOUBT}");
            }
            return result;
        };
        log::warn!("{failed}: reading the list again");
        site = again;
    }
}

/// Runs one coordinator. Afterwards `run` has the config that was in force at its end.
fn serve_once(
    run: &mut CoordinatorRun,
    mut coordinator: Coordinator<System>,
) -> Result<(), CoordinatorError> {
    let mut events = Events::with_capacity(EVENTS_MAX);
    let result = coordinator.run(&mut events);
    run.config = server::reload::running_config(&mut coordinator).clone();
    let result = result.and_then(|()| coordinator.close_journal(&mut events));
    #[cfg(feature = "engine")]
    if let Some(error) = server::site::failure(&coordinator) {
        return Err(error);
    }
    result
}

/// Runs a coordinator until a signal ends it.
fn serve(run: &CoordinatorRun) -> Result<(), CoordinatorError> {
    let system = |what| move |error| CoordinatorError::System(what, error);
    let inherited =
        inherited_listener().map_err(system("cannot use the socket of the service manager"))?;
    let reader = if stderr_is_journal() { Reader::Journal } else { Reader::People };
    let print = print_to_stderr(reader, run.config.log_level > LevelFilter::Info);
    let diagnostics = Diagnostics::install(run.config.log_level, print)
        .map_err(system("cannot start the log"))?;
    ignore_harmless_signals().map_err(system("cannot ignore signals"))?;
    let signals =
        WatchedSignals::new(&WATCHED_SIGNALS).map_err(system("cannot watch for signals"))?;
    let result = serve_to_end(run, inherited, &signals);
    let result = match result {
        Err(stopped) if stopped.is_stopped_start() => {
            log::info!("{stopped}; nothing was changed");
            Ok(()) // The signal asked for the end.
        }
        result @ (Ok(()) | Err(_)) => result,
    };
    // A standard error that blocks must not keep the program from ending.
    let _ = diagnostics.close(Duration::from_millis(DIAGNOSTICS_CLOSE_MS));
    result
}
