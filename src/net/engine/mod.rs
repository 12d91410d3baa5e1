//! The client of NATS JetStream: entries go into one stream, and come back in its order.
//!
//! ```text
//!   loop                       engine's thread                nats-server
//!    │ try_submit ─▶ jobs ────▶ driver ── publishes, questions ──▶ leader
//!    │                            │ ◀── answers ─────────────────── leader
//!    │                            │ ◀── feed: entries as they are stored
//!    │                            ▼
//!    │                      feed reader: order, holes
//!    │ reports ◀── report queue ◀─┘
//!    └──── WAKER ◀───────┘
//! ```
//!
//! The client knows bytes and positions, and no group. A position is the stream's sequence.
//!
//! The stream is read from its leader alone: it republishes each entry that it stores (the *feed*).
//! A hole in the feed is filled with questions to the leader. Consumers and direct gets are not
//! used: any replica serves them, and replicas can differ. A publish has no headers: no expected
//! sequence, no message id.

mod api;
mod driver;
mod error;
mod feed_reader;
mod login;
mod monitor;
mod names;
mod nats;
mod questions;
mod report;
mod report_queue;
mod settings;
mod startup;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use mio::Waker;
use tokio::sync::mpsc;

pub use error::EngineError;
pub use report::{EngineEntry, EngineFault, EngineReport, EngineStream, EngineSubject, Follower};

use super::Full;
use super::worker::EndOnPanic;
use crate::limits::engine::JOBS_MAX;
use report_queue::ReportQueue;

/// Options of the client.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// URLs of servers: `nats://host:port` or `tls://host:port`.
    pub servers: Vec<String>,
    /// Name of the group: letters, digits, `-` and `_`.
    pub group: String,
    /// Contents of a credentials file: a JWT and a seed as `nsc` writes them, or a seed alone.
    pub credentials: Option<String>,
    /// PEM file with the CA of the servers. With a CA, every connection uses TLS.
    pub ca: Option<PathBuf>,
    /// URLs of the servers' monitors: `http://host:port`. Each server must sync always.
    pub monitors: Vec<String>,
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the credentials nor a password in an URL.
        f.debug_struct("EngineOptions").field("group", &self.group).finish_non_exhaustive()
    }
}

/// Sizes of a new stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewStream {
    /// Number of servers that store the stream: 1, 3 or 5.
    pub replicas: u32,
    /// Most bytes of the stream. At the limit, publishes are refused.
    pub bytes_max: u64,
}

/// One unit of work of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineJob {
    /// Publishes an entry. Ends with [`EngineReport::Stored`] or [`EngineReport::NotStored`].
    Publish { tag: u64, subject: EngineSubject, bytes: Bytes },
    /// Subscribes to the feed again, and reports all entries from this position on: stored ones,
    /// then new ones. It replaces an earlier one.
    ReadFrom { position: u64 },
    /// Removes all entries below this position.
    Purge { below: u64 },
    /// Asks the leader for the state of the stream.
    AskStream,
    /// Connects again with other credentials or another CA. If that fails, the connection stays.
    LogInAgain(Box<EngineOptions>),
}

/// The loop's side of the engine's thread. A drop ends the thread.
pub struct Engine {
    jobs: mpsc::Sender<EngineJob>,
    reports: Arc<ReportQueue>,
    ended: Receiver<()>,
}

impl Engine {
    /// Creates the stream of a group. Blocks, at most for the time limit of a start.
    ///
    /// # Errors
    ///
    /// [`EngineError::Exists`] if there is such a stream, or the reason of the failure.
    pub fn found(options: &EngineOptions, stream: NewStream) -> Result<EngineStream, EngineError> {
        startup::check_monitors(options)?;
        let names = names::Names::new(&options.group)?;
        startup::runtime()?.block_on(startup::found(options, &names, stream))
    }

    /// Connects to the servers, finds the stream, checks its settings, and starts a thread for it,
    /// which wakes the loop with `waker`. Blocks, at most for the time limit of a start.
    ///
    /// # Errors
    ///
    /// The reason of the failure, and what to do.
    pub fn open(
        options: &EngineOptions,
        waker: Arc<Waker>,
    ) -> Result<(Self, EngineStream), EngineError> {
        let opening = Opening::start(options, waker)?;
        let stream = opening.opened.recv().map_err(|_| EngineError::thread(&"it ended"))??;
        Ok((opening.engine, stream))
    }

    /// Checks options without a connection: the form of the URLs, and the file of the CA.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub fn check(options: &EngineOptions) -> Result<(), EngineError> {
        startup::check_options(options)
    }

    /// Queues a job.
    ///
    /// # Errors
    ///
    /// [`Full`] with the job, if 64 jobs wait.
    pub fn try_submit(&self, job: EngineJob) -> Result<(), Full<EngineJob>> {
        self.jobs.try_send(job).map_err(|refused| Full(refused.into_inner()))
    }

    /// Returns the reports since the last call, in order.
    #[must_use]
    pub fn reports(&self) -> Vec<EngineReport> {
        self.reports.take()
    }

    /// Ends the thread and its connection. Returns false after a timeout of `wait`.
    #[must_use]
    pub fn close(self, wait: Duration) -> bool {
        self.reports.close();
        self.ended.recv_timeout(wait) == Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.reports.close();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A stream that is being opened by its thread.
pub struct Opening {
    opened: Receiver<Result<EngineStream, EngineError>>,
    engine: Engine,
}

impl Opening {
    /// Starts the thread that opens the stream, within the time limit of a start.
    ///
    /// # Errors
    ///
    /// A fault of the options, or no thread can be started.
    pub fn start(options: &EngineOptions, waker: Arc<Waker>) -> Result<Self, EngineError> {
        let names = names::Names::new(&options.group)?;
        let (jobs, job_queue) = mpsc::channel(JOBS_MAX);
        let reports = Arc::new(ReportQueue::new(waker));
        let (opened_sender, opened) = channel();
        let (ended_sender, ended) = channel();
        let (options, queue) = (options.clone(), Arc::clone(&reports));
        let work = move || {
            let _end = EndOnPanic;
            let _ended = ended_sender; // Its drop is the report.
            let runtime = startup::check_monitors(&options).and_then(|()| startup::runtime());
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(opened_sender.send(Err(error))),
            };
            runtime.block_on(async {
                match startup::open(&options, &names).await {
                    Err(error) => drop(opened_sender.send(Err(error))),
                    Ok((client, stream)) => {
                        let driver = driver::Driver::new(client, names, &stream, queue);
                        drop(opened_sender.send(Ok(stream)));
                        driver.run(job_queue).await;
                    }
                }
            });
            // A look-up of a name can still run on a thread of the runtime.
            runtime.shutdown_background();
        };
        let started = thread::Builder::new().name("engine".to_owned()).spawn(work);
        started.map_err(|error| EngineError::thread(&error))?;
        Ok(Self { opened, engine: Engine { jobs, reports, ended } })
    }

    /// Returns the outcome, once.
    pub fn poll(&mut self) -> Option<Result<EngineStream, EngineError>> {
        match self.opened.try_recv() {
            Ok(opened) => Some(opened),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(EngineError::thread(&"it ended"))),
        }
    }

    /// Returns the engine, which works once the outcome was a stream.
    #[must_use]
    pub fn into_engine(self) -> Engine {
        self.engine
    }
}
