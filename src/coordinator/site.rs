//! Starts a site: founds the group in the engine, or reads its list and begins to serve.

mod import;
mod inspect;
mod list_writer;
mod waiting;

use std::io;

use mio::{Events, Poll};

use super::CoordinatorError;
use super::engine_queue::{EngineThread, MADE_AGAIN};
use super::journal::GroupJournal;
use super::replica::Replica;
use super::site_journal::EngineJournal;
use super::startup::{Startup, draw_random, watch_clock};
use crate::config::{
    CoordinatorConfig, CoordinatorRun, EngineConfig, SiteTask, StandardStream, load_credentials,
    write_line,
};
use crate::facts::Recorded as _;
use crate::group::{Gauges, Group, Input, Rules};
use crate::journal::{
    EntryKind, ListImport, ListPosition, SharedRules, SiteEnd, SiteJournal, SiteName, SiteOptions,
    SitePhase, StartTasks, founding,
};
use crate::limits::list::LIST_CLOCK_AHEAD_MS;
use crate::limits::{JOURNAL_WAITING_BYTES_MAX, Overflow};
use crate::net::Clock;
use crate::net::engine::{Engine, EngineOptions, EngineStream, NewStream};
use crate::protocol::{Epoch, Seq};
use crate::text::Counted;
use crate::time::{Millis, Now, UnixMillis};

use list_writer::{ListWriter, NotWritten, make_stream};
pub(super) use waiting::StartLoop;
use waiting::{new_waker, wait};

const NOT_FOUNDED: &str = "the group was not founded";
const REPEAT: &str = "repeat the command";

/// Runs a task that only a site has.
pub(super) fn run(task: &SiteTask) -> Result<(), CoordinatorError> {
    match task {
        SiteTask::Found(run) => found(run),
        SiteTask::Import(run, directory) => import::import(run, directory),
        SiteTask::Inspect(config) => inspect::inspect(config),
    }
}

/// Founds the group of a config: makes its stream, and stores the first entry.
fn found(run: &CoordinatorRun) -> Result<(), CoordinatorError> {
    let (config, engine) = (&run.config, &run.config.storage.engine);
    let options = options(engine)?;
    let stream = NewStream { replicas: engine.replicas, bytes_max: engine.bytes_max };
    make_stream(&options, stream)?;
    let (site, epoch) = (site_name(engine)?, Epoch::new(draw_random()?));
    let list = ListImport::new(site.clone(), draw_random()?);
    let repeat = |failed: NotWritten| failed.into_error(NOT_FOUNDED, REPEAT);
    let mut writer = ListWriter::open(&options, list).map_err(repeat)?;
    let entry = founding(site, shared_rules(config), epoch, writer.clock.now().unix);
    writer.put(EntryKind::Log, entry).map_err(repeat)?;
    let line = format!("group {} is founded: start its sites", engine.group);
    write_line(StandardStream::Output, &line);
    Ok(())
}

/// Reasons for which a site starts: the first time, or again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SiteStart {
    /// Tasks from the start or the service before this one.
    pub(super) tasks: StartTasks,
    /// Time at which the stream was made that this process served from before.
    pub(super) created_ns: Option<u64>,
}

/// Reads the list of a group, and begins the life of this process. A signal stops the start.
/// Connections to an inherited socket are closed meanwhile.
pub(super) fn begin(
    config: &CoordinatorConfig,
    rules: Rules,
    start: SiteStart,
    mut start_loop: StartLoop<'_>,
) -> Result<Startup, CoordinatorError> {
    let engine = &config.storage.engine;
    // The ages of all messages fit before the start.
    let clock = Clock::start_at(Millis::new(rules.ttl_ms));
    let clock = watch_clock(clock, start_loop.poll.registry());
    let (thread, stream) = start_loop.open(engine, start, &clock)?;
    let failed = |end| Err(CoordinatorError::Site(end, Some(stream.created_ns)));
    if start.created_ns.is_some_and(|served| served != stream.created_ns) {
        return failed(SiteEnd::Gone(MADE_AGAIN.into()));
    }
    report_stream(engine, &stream);
    let options = SiteOptions {
        site: site_name(engine)?,
        rules: shared_rules(config),
        engine_timeout_ms: engine.timeout_ms,
        waiting_bytes_max: JOURNAL_WAITING_BYTES_MAX,
        tasks: start.tasks,
        engine_time: engine_time(&stream, clock.now()),
    };
    let journal = SiteJournal::new(options, ListPosition(stream.first), draw_random()?);
    let mut group = Group::recovering(rules);
    let mut journal = EngineJournal::new(journal, Box::new(thread));
    let mut events = Events::with_capacity(64);
    loop {
        let now = clock.now();
        journal.advance(&mut group, now);
        if journal.journal.is_beginning(now.steady) {
            let listen = |error| CoordinatorError::Listen(config.listen, error);
            start_loop.listen().map_err(listen)?;
        }
        begin_due_epoch(&mut group, &mut journal, now);
        journal.commit(&mut group, now, || draw_random().ok());
        if let Some(end) = journal.site_end() {
            return failed(end.clone());
        }
        if *journal.journal.phase() == SitePhase::Serving {
            break;
        }
        if start_loop.turn(&clock) {
            // The list may have shown meanwhile that it lacks nothing.
            let tasks = StartTasks { doubt: journal.journal.doubt(), ..start.tasks };
            return Err(SiteStart { tasks, ..start }.stopped(&engine.group));
        }
        if !journal.has_reports() {
            start_loop.wait(&mut events)?;
        }
    }
    log::info!("{}", recovered_words(&group.gauges(), group.position().last));
    let journal = GroupJournal::Site(Box::new(journal));
    Ok(Startup { group: Replica::new(group, journal, ()), clock, keeps_epoch: false })
}

/// Begins an epoch that the list has decided. Nobody is connected yet.
fn begin_due_epoch(group: &mut Group, journal: &mut EngineJournal, now: Now) {
    if group.is_epoch_due() {
        group.handle(Input::EpochCommitted, now, journal);
    }
}

/// Returns the time of the engine's clock, and warns if the clock of this machine is far from it.
fn engine_time(stream: &EngineStream, now: Now) -> Now {
    let Some(time_ns) = stream.time_ns else { return now };
    let unix = UnixMillis(time_ns / 1_000_000);
    let apart_ms = unix.0.abs_diff(now.unix.0);
    if apart_ms > LIST_CLOCK_AHEAD_MS {
        log::warn!(
            "the clock of this machine and that of the engine are {} s apart: set the clock; the \
             ages of messages are those of the engine's clock",
            apart_ms / 1000
        );
    }
    Now { unix, ..now }
}

fn report_stream(engine: &EngineConfig, stream: &EngineStream) {
    log::info!("{}", stream_words(&engine.group, stream));
    let few_names = few_names(engine.servers.len(), stream.replicas);
    for words in few_replicas(stream.replicas).into_iter().chain(few_names) {
        log::warn!("{words}");
    }
}

fn stream_words(group: &str, stream: &EngineStream) -> String {
    let EngineStream { first, last, replicas, leader, .. } = stream;
    let servers = Counted(*replicas, "server", "servers");
    format!(
        "engine: group {group}, entries {first} to {last}, led by {leader}, stored on {servers}"
    )
}

/// Returns the warning for a stream that fewer than 3 servers store.
fn few_replicas(replicas: u32) -> Option<String> {
    let (servers, risk) = match replicas {
        0 | 1 => ("server stores", "if its disk is lost, the group is lost"),
        2 => ("servers store", "if one of them fails, the group stops"),
        3.. => return None,
    };
    Some(format!("engine: {replicas} {servers} the list, fewer than 3: {risk} (engine_replicas=3)"))
}

/// Returns the warning for a config that names fewer servers than store the list.
fn few_names(names: usize, replicas: u32) -> Option<String> {
    (names < replicas as usize).then(|| {
        format!(
            "engine= names {names} of {replicas} servers: if those fail, this site is cut off; \
             name all of them"
        )
    })
}

fn recovered_words(gauges: &Gauges, last: Seq) -> String {
    let members = Counted(gauges.members, "member", "members");
    let messages = Counted(gauges.history_messages, "message", "messages");
    format!("list read: {members}, {messages} that members need, last message {last}")
}

/// Reads the files with which a site connects to the engine, and checks them. `None` for a
/// coordinator alone.
pub(super) fn read_login(
    config: &CoordinatorConfig,
) -> Result<Option<EngineOptions>, CoordinatorError> {
    let engine = &config.storage.engine;
    if engine.servers.is_empty() {
        return Ok(None);
    }
    let options = options(engine)?;
    Engine::check(&options).map_err(CoordinatorError::Engine)?;
    Ok(Some(options))
}

fn options(engine: &EngineConfig) -> Result<EngineOptions, CoordinatorError> {
    let credentials = engine.credentials.as_deref().map(load_credentials).transpose();
    Ok(EngineOptions {
        servers: engine.servers.clone(),
        group: engine.group.clone(),
        credentials: credentials.map_err(CoordinatorError::Config)?,
        ca: engine.ca.clone(),
        monitors: engine.monitors.clone(),
    })
}

fn open(
    options: &EngineOptions,
    poll: &Poll,
) -> Result<(EngineThread, EngineStream), CoordinatorError> {
    let (engine, stream) =
        Engine::open(options, new_waker(poll)?).map_err(CoordinatorError::Engine)?;
    Ok((EngineThread::new(engine, options, &stream), stream))
}

fn site_name(engine: &EngineConfig) -> Result<SiteName, CoordinatorError> {
    let wrong = || CoordinatorError::System("site=", io::Error::other("no name of a site"));
    SiteName::parse(&engine.site).ok_or_else(wrong)
}

fn shared_rules(config: &CoordinatorConfig) -> SharedRules {
    SharedRules {
        ttl_ms: config.ttl_s.saturating_mul(1000),
        members_max: u32::try_from(config.counts.max_members).unwrap_or(u32::MAX),
        drops_oldest: config.overflow == Overflow::DropOldest,
        announces: config.presence.is_announced,
    }
}

fn new_poll() -> Result<Poll, CoordinatorError> {
    Poll::new().map_err(|error| CoordinatorError::System("cannot poll", error))
}

impl SiteStart {
    /// Returns how a site starts again after this start or its service has failed, with the same
    /// stream; `None` if it must not.
    pub(super) fn after(self, failed: &CoordinatorError) -> Option<Self> {
        let CoordinatorError::Site(end, created_ns) = failed else { return None };
        self.tasks.after(end).map(|tasks| Self { tasks, created_ns: *created_ns })
    }

    /// Returns the error of a start that a signal has stopped.
    fn stopped(self, group: &str) -> CoordinatorError {
        match self.tasks.doubt {
            Some(doubt) => {
                CoordinatorError::StoppedSite(SiteEnd::Doubtful { doubt, has_served: false })
            }
            None => CoordinatorError::StoppedReading(group.to_owned()),
        }
    }

    /// Returns true if the process ends, for this reason, before a list that lacks what it had read
    /// has a new epoch.
    pub(super) fn leaves_doubt(self, failed: &CoordinatorError) -> bool {
        let is_doubtful = matches!(failed, CoordinatorError::StoppedSite(SiteEnd::Doubtful { .. }));
        let is_settled = matches!(failed, CoordinatorError::StoppedReading(_));
        is_doubtful || self.tasks.doubt.is_some() && !is_settled
    }
}

#[cfg(test)]
mod tests;
