//! Starts the coordinator: listens, and starts the group from its journal, or empty.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use mio::net::TcpListener;
use mio::{Poll, Registry};

use super::admin::{self, Admin, AdminSettings};
use super::journal::GroupJournal;
use super::replica::Replica;
use super::security::Security;
use super::server::Coordinator;
use super::server::reload::{reload, report_ready};
#[cfg(feature = "engine")]
use super::server::site::look_at_listeners;
#[cfg(feature = "engine")]
use super::site::{self, SiteStart, StartLoop};
use super::system::System;
use super::{CoordinatorError, report};
#[cfg(feature = "engine")]
use crate::config::Program;
use crate::config::{CoordinatorConfig, CoordinatorRun, Fifos, StandardStream, write_line};
use crate::facts::Recorded;
use crate::group::{Group, Rules};
use crate::journal::{
    BootId, Directory, JournalContents, JournalError, JournalOptions, MemoryJournal, RandomValues,
    Salt, Store,
};
use crate::limits::http::{HTTP_RESERVE_FILES, HTTP_SEND_BUFFER_BYTES};
use crate::limits::{
    FILE_TABLE_FILES, JOURNAL_WAITING_BYTES_MAX, RESERVE_FILES, SEGMENT_BYTES_MAX, SyncPolicy,
};
use crate::net::{
    Acceptor, Clock, HTTP_LISTENER, LISTENER, ServiceManager, Signal, Signals, Transport,
    WatchedSignals, grow_file_table, raise_file_limit,
};
use crate::protocol::Epoch;
use crate::text::Counted;

/// Signals that the loop handles.
pub(super) const WATCHED_SIGNALS: [Signal; 3] =
    [Signal::Terminate, Signal::Interrupt, Signal::Hangup];

/// File with the id that Linux draws at each boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A group with its clock and its journal.
pub(super) struct Startup {
    pub(super) group: Replica,
    pub(super) clock: Clock,
    /// True if the group continues the epoch of the journal.
    pub(super) keeps_epoch: bool,
}

/// Input of a start.
#[derive(Debug)]
pub(super) struct Start<'a> {
    /// The signals of the process. A further start of a site gets those that came before it.
    pub(super) signals: &'a WatchedSignals,
    /// Listening socket of the service manager.
    pub(super) inherited: Option<std::net::TcpListener>,
    /// Reasons for the start of a site.
    #[cfg(feature = "engine")]
    pub(super) site: SiteStart,
}

/// Returns 64 random bits.
pub(super) fn draw_random() -> Result<u64, CoordinatorError> {
    getrandom::u64().map_err(|error| {
        let error = io::Error::other(error);
        CoordinatorError::System("cannot draw a random number", error)
    })
}

/// Raises the limit on open files, and makes room for many of them. Returns the limit in words.
fn prepare_files(config: &CoordinatorConfig) -> String {
    let files = match raise_file_limit() {
        Ok(Some(files)) => files.to_string(),
        Ok(None) => "any number of".to_owned(),
        Err(error) => {
            log::warn!("the limit on open files cannot be raised: {error}");
            "an unknown number of".to_owned()
        }
    };
    if let Err(error) = grow_file_table(FILE_TABLE_FILES) {
        log::warn!("the table of open files cannot be made larger: {error}");
    }
    if let Some(warning) = report::too_few_files(config, files.parse().ok()) {
        log::warn!("{warning}");
    }
    files
}

/// Listens, starts the group, and prints the first line on standard output.
pub(super) fn start(
    run: &CoordinatorRun,
    start: Start<'_>,
) -> Result<Coordinator<System>, CoordinatorError> {
    let config = &run.config;
    let security =
        Security::load(&config.security, Fifos::Awaited).map_err(CoordinatorError::Config)?;
    let system = |what| move |error| CoordinatorError::System(what, error);
    let files = prepare_files(config);
    let mut poll = Poll::new().map_err(system("cannot poll"))?;
    let mut signals =
        start.signals.register(poll.registry()).map_err(system("cannot watch for signals"))?;
    let listen = |error| CoordinatorError::Listen(config.listen, error);
    #[cfg_attr(not(feature = "engine"), expect(unused_mut, reason = "only a site waits"))]
    let mut service = ServiceManager::of_environment();
    let listens_later = start.inherited.is_none() && is_site(run);
    let opened = open_listener(config.listen, start.inherited, listens_later);
    let mut acceptor = opened.map_err(listen)?;
    let listening = acceptor.local_addr().map_err(listen)?;
    if acceptor.is_address_missing() {
        warn_of_missing(listening.ip());
    }
    let http = open_http(config, is_site(run))?;
    let rules = Rules { access: security.access_rules(), ..rules(config, listening) };
    report_reading(config, &service);
    #[cfg(feature = "engine")]
    let startup = {
        let (poll, signals, service) = (&mut poll, &mut signals, &mut service);
        let start_loop = StartLoop { poll, signals, service, acceptor: &acceptor, listens_later };
        begin_either(run, rules, start.site, start_loop)?
    };
    #[cfg(not(feature = "engine"))]
    let startup = begin(config, rules, &mut poll, &mut signals)?;
    acceptor.register(poll.registry(), LISTENER).map_err(listen)?;
    let http = http.map(|http| http.start(poll.registry())).transpose()?;
    let config = CoordinatorConfig { listen: listening, ..config.clone() };
    let begins_epoch = run.new_epoch && startup.keeps_epoch;
    let Startup { group, clock, .. } = startup;
    let now = clock.now();
    let has_hung_up = signals.take_hangup();
    let mut platform = System::new(poll, clock, (signals, service), run);
    let summary = security.summary(&config.security);
    platform.secure(security).map_err(system("cannot prepare TLS"))?;
    let mut coordinator = Coordinator::new(config, group, platform, acceptor, now.steady);
    http.into_iter().for_each(|server| coordinator.serve_http(server));
    coordinator.prepare_epoch(Epoch::new(draw_random()?), begins_epoch, now);
    #[cfg(feature = "engine")]
    look_at_listeners(&mut coordinator); // A site has waited, and read their events.
    let first_line = coordinator.first_line(&files, &summary);
    write_line(StandardStream::Output, &first_line);
    report_ready(&coordinator, &first_line);
    if has_hung_up {
        reload(&mut coordinator, now); // The files may have changed since they were read.
    }
    Ok(coordinator)
}

fn warn_of_missing(address: IpAddr) {
    log::warn!(
        "no interface of this machine has the address {address} yet. Clients can connect as soon \
         as an interface has it. If the address is wrong, correct bind="
    );
}

/// Listener of the status page, before the coordinator serves.
struct OpenedHttp {
    address: SocketAddr,
    settings: AdminSettings,
    acceptor: Acceptor,
}

/// Opens the listener for HTTP, if the config says so.
fn open_http(
    config: &CoordinatorConfig,
    listens_later: bool,
) -> Result<Option<OpenedHttp>, CoordinatorError> {
    let Some(address) = config.http.listen else { return Ok(None) };
    let settings = admin::settings(config)?;
    let opened = open_own_listener(address, HTTP_RESERVE_FILES, listens_later);
    let acceptor = opened.map_err(|error| CoordinatorError::Listen(address, error))?;
    Ok(Some(OpenedHttp { address, settings, acceptor }))
}

impl OpenedHttp {
    /// Begins to listen, if it is due, and to serve.
    fn start(self, registry: &Registry) -> Result<Admin<Transport, TcpListener>, CoordinatorError> {
        let Self { address, settings, mut acceptor } = self;
        let listen = |error| CoordinatorError::Listen(address, error);
        acceptor.limit_send_buffer(HTTP_SEND_BUFFER_BYTES).map_err(listen)?;
        #[cfg(feature = "engine")]
        acceptor.listen().map_err(listen)?; // A site has only the address until now.
        acceptor.register(registry, HTTP_LISTENER).map_err(listen)?;
        let address = acceptor.local_addr().map_err(listen)?;
        log::info!("status page and metrics on http://{address}/");
        Ok(Admin::new(acceptor, settings))
    }
}

/// Tells the service manager that the start may take long.
fn report_reading(config: &CoordinatorConfig, service: &ServiceManager) {
    if let Some(directory) = &config.storage.data_dir {
        service.status(&format!("reading the journal {}", directory.display()));
    }
}

fn is_site(run: &CoordinatorRun) -> bool {
    #[cfg(feature = "engine")]
    return run.source.program() == Program::Site;
    #[cfg(not(feature = "engine"))]
    return {
        let _ = run;
        false
    };
}

/// Opens the listener, or takes the one of the service manager. A site listens later:
/// until then its clients go to another one.
fn open_listener(
    address: SocketAddr,
    inherited: Option<std::net::TcpListener>,
    listens_later: bool,
) -> io::Result<Acceptor> {
    let Some(listener) = inherited else {
        return open_own_listener(address, RESERVE_FILES, listens_later);
    };
    log::info!("listening on the socket of the service manager: port and bind do not count");
    Acceptor::inherit(listener, RESERVE_FILES)
}

fn open_own_listener(
    address: SocketAddr,
    reserve_files: usize,
    listens_later: bool,
) -> io::Result<Acceptor> {
    #[cfg(feature = "engine")]
    if listens_later {
        return Acceptor::reserve(address, reserve_files);
    }
    let _ = listens_later;
    Acceptor::bind(address, reserve_files)
}

/// Returns the settings of a group without access rules.
pub(super) fn rules(config: &CoordinatorConfig, listening: SocketAddr) -> Rules {
    Rules {
        ttl_ms: config.ttl_s * 1000,
        line_bytes_max: config.max_line,
        members_max: config.counts.max_members,
        members_per_address_max: config.counts.max_members_per_address,
        forget_after_ms: config.presence.forget_after_ms,
        presence_delay_ms: config.presence.is_announced.then_some(config.presence.delay_ms),
        backlog_bytes_max: config.max_backlog,
        overflow: config.overflow,
        keep: config.counts.keep,
        foreign_ip_allowed: config.security.allow_foreign_ip,
        listening,
        access: None,
    }
}

/// Starts the group of a coordinator, or of a site.
#[cfg(feature = "engine")]
fn begin_either(
    run: &CoordinatorRun,
    rules: Rules,
    site: SiteStart,
    start_loop: StartLoop<'_>,
) -> Result<Startup, CoordinatorError> {
    match run.source.program() {
        Program::Site => site::begin(&run.config, rules, site, start_loop),
        Program::Coordinator => begin(&run.config, rules, start_loop.poll, start_loop.signals),
    }
}

/// Starts a group from its journal, or an empty group without a journal. A signal stops the start.
fn begin(
    config: &CoordinatorConfig,
    rules: Rules,
    poll: &mut Poll,
    signals: &mut Signals,
) -> Result<Startup, CoordinatorError> {
    let registry = poll.registry();
    let Some(directory) = &config.storage.data_dir else {
        let group = Group::new(rules, Epoch::new(draw_random()?));
        return Ok(Startup {
            group: Replica::new(group, GroupJournal::Memory(MemoryJournal), ()),
            clock: watch_clock(Clock::start(), registry),
            keeps_epoch: false,
        });
    };
    let failed =
        |why: &dyn fmt::Display| CoordinatorError::Journal(directory.clone(), why.to_string());
    let disk = Directory::create(directory).map_err(|error| failed(&error))?;
    let mut store = Store::open(disk).map_err(|unusable| failed(&unusable))?;
    let is_new = store.is_empty();
    let is_asked_to_end = || signals.is_asked_to_end();
    let contents = JournalContents::read(&mut store, Group::recovering(rules), is_asked_to_end);
    let contents = contents.map_err(|unusable| match unusable {
        JournalError::Stopped => CoordinatorError::Stopped(directory.clone()),
        JournalError::System { .. }
        | JournalError::Unreadable { .. }
        | JournalError::InUse
        | JournalError::Version { .. } => failed(&unusable),
    })?;
    for issue in &contents.recovered().issues {
        log::warn!("journal {}: {issue}", directory.display());
    }
    let clock = Clock::start_at(contents.age(Clock::start().now().unix));
    let clock = watch_clock(clock, registry);
    let options = JournalOptions {
        sync: config.storage.sync,
        segment_bytes_max: SEGMENT_BYTES_MAX,
        waiting_bytes_max: JOURNAL_WAITING_BYTES_MAX,
        boot: boot_id(config.storage.sync),
    };
    let drawn = RandomValues { epoch: Epoch::new(draw_random()?), salt: Salt(draw_random()?) };
    let (segments, lost) = {
        let recovered = contents.recovered();
        (recovered.segments.len(), recovered.messages_lost)
    };
    let opened =
        contents.open(store, options, drawn, clock.now()).map_err(|error| failed(&error))?;
    log_recovery(directory, &opened.state, is_new, segments, lost);
    let keeps_epoch = opened.state.epoch() != drawn.epoch;
    let (group, journal) = GroupJournal::start(opened, registry)
        .map_err(|error| CoordinatorError::System("cannot start a thread", error))?;
    Ok(Startup { group: Replica::new(group, journal, ()), clock, keeps_epoch })
}

/// Makes the clock wake the loop when the wall clock is set, if the system supports it.
pub(super) fn watch_clock(mut clock: Clock, registry: &Registry) -> Clock {
    if let Err(error) = clock.watch(registry) {
        log::debug!("cannot watch for steps of the wall clock, checking once a minute: {error}");
    }
    clock
}

fn log_recovery(directory: &Path, group: &Group, is_new: bool, segments: usize, lost: u64) {
    if is_new {
        log::warn!(
            "new, empty journal in {}: if there was a journal before, check whether its disk is \
             mounted",
            directory.display()
        );
        return;
    }
    let gauges = group.gauges();
    log::info!(
        "recovered {} and {} from {}; {} lost",
        Counted(gauges.members, "member", "members"),
        Counted(gauges.history_messages, "message", "messages"),
        Counted(segments, "segment", "segments"),
        Counted(lost, "message was", "messages were"),
    );
}

/// Returns the id of this boot. Without the id a start cannot distinguish a killed program from a
/// power loss, and assumes a power loss.
fn boot_id(sync: SyncPolicy) -> BootId {
    match read_boot_id() {
        Ok(boot) => boot,
        Err(reason) => {
            if sync != SyncPolicy::Always {
                log::warn!(
                    "cannot read {BOOT_ID}: {reason}. With sync={sync}, a new epoch begins after \
                     every unclean end, even if the machine did not restart. If systemd hides the \
                     file, set ProcSubset=all"
                );
            }
            BootId::UNKNOWN
        }
    }
}

fn read_boot_id() -> Result<BootId, String> {
    let text = std::fs::read_to_string(BOOT_ID).map_err(|error| error.to_string())?;
    let digits = text.trim().replace('-', "");
    let bits = u128::from_str_radix(&digits, 16).ok().filter(|bits| *bits > 0);
    let bits = bits.ok_or_else(|| format!("found {:?}, expected an id", text.trim()))?;
    Ok(BootId(bits.to_be_bytes()))
}
