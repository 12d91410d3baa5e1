//! `site --inspect`: prints the group as it stands in the engine. Reads the list as a start does,
//! but takes no part: it publishes and removes nothing.

use std::collections::VecDeque;
use std::io::{self, Write as _};

use mio::Events;

use super::{new_poll, wait};
use crate::config::{CoordinatorConfig, EngineConfig};
use crate::coordinator::CoordinatorError;
use crate::coordinator::site_journal::EngineQueue as _;
use crate::coordinator::startup::rules;
use crate::facts::{MemberState, Recorded as _};
use crate::group::{Group, Ticket};
use crate::journal::{
    Home, ListJob, ListNotice, ListPosition, ListReport, ListStats, SiteEnd, SiteJournal,
    SiteOptions, SitePhase, SiteStats, StartTasks,
};
use crate::limits::JOURNAL_WAITING_BYTES_MAX;
use crate::limits::list::INSPECT_SILENCE_MS;
use crate::net::Clock;
use crate::net::engine::{EngineOptions, EngineStream};
use crate::protocol::Seq;
use crate::time::Millis;

const UNREAD: &str = "the list cannot be read";

/// The list as it was read.
struct ListFindings {
    stream: EngineStream,
    journal: SiteJournal<Ticket>,
    group: Group,
    /// Batches that do not count, with their reasons.
    void: Vec<String>,
    now: Millis,
}

/// Prints the group of a config.
pub(super) fn inspect(config: &CoordinatorConfig) -> Result<(), CoordinatorError> {
    let mut tasks = StartTasks::default();
    let findings = loop {
        match read(config, tasks) {
            Err(CoordinatorError::Site(end, created_ns)) => match tasks.after(&end) {
                Some(again) => tasks = again,
                None => return Err(CoordinatorError::Site(end, created_ns)),
            },
            read => break read?,
        }
    };
    let report = findings.report(&config.storage.engine.group);
    let printed = io::stdout().write_all(report.as_bytes());
    printed.map_err(|error| CoordinatorError::System("cannot print", error))
}

/// Returns options without monitors: a reader confirms nothing, so each server may sync later.
fn options_of_reader(engine: &EngineConfig) -> Result<EngineOptions, CoordinatorError> {
    Ok(EngineOptions { monitors: Vec::new(), ..super::options(engine)? })
}

fn read(config: &CoordinatorConfig, tasks: StartTasks) -> Result<ListFindings, CoordinatorError> {
    let engine = &config.storage.engine;
    let mut poll = new_poll()?;
    let (mut thread, stream) = super::open(&options_of_reader(engine)?, &poll)?;
    let rules = rules(config, config.listen);
    let clock = Clock::start_at(Millis::new(rules.ttl_ms));
    let options = SiteOptions {
        site: super::site_name(engine)?,
        rules: super::shared_rules(config),
        engine_timeout_ms: engine.timeout_ms,
        waiting_bytes_max: JOURNAL_WAITING_BYTES_MAX,
        tasks,
        engine_time: super::engine_time(&stream, clock.now()),
    };
    let mut journal = SiteJournal::new(options, ListPosition(stream.first), 0);
    let mut group = Group::recovering(rules);
    let (mut events, mut reports) = (Events::with_capacity(64), VecDeque::new());
    let (mut void, mut read_at) = (Vec::new(), clock.now().steady);
    loop {
        let now = clock.now();
        thread.take_reports(&mut reports);
        // Entries after the end of the list are not read: they belong to a group that goes on.
        while is_reading(&journal)
            && let Some(report) = reports.pop_front()
        {
            if matches!(report, ListReport::Entry { .. } | ListReport::CaughtUp { .. }) {
                read_at = now.steady;
            }
            journal.handle(report, &mut group, now);
        }
        while let Some(notice) = journal.poll_notice() {
            if let ListNotice::Void { position, reason } = notice {
                void.push(format!("{position} reason={}", reason.word()));
            }
        }
        match journal.phase() {
            SitePhase::Snapshot(_) | SitePhase::Replay => (),
            // Other settings in the config do not change what the list says.
            SitePhase::Ended(SiteEnd::OtherRules { .. })
            | SitePhase::Watching { .. }
            | SitePhase::Beginning
            | SitePhase::Serving => {
                let now = now.steady;
                return Ok(ListFindings { stream, journal, group, void, now });
            }
            SitePhase::Ended(end) => return Err(CoordinatorError::Site(end.clone(), None)),
        }
        // It asks for entries, and for nothing else.
        while let Some(job @ ListJob::ReadFrom(_)) = journal.poll_job() {
            let _ = thread.try_submit(job); // The queue has room: a job follows from a report.
        }
        if now.steady.since(read_at) > INSPECT_SILENCE_MS {
            let error = io::Error::new(io::ErrorKind::TimedOut, "no answer of the engine");
            return Err(CoordinatorError::System(UNREAD, error));
        }
        wait(&mut poll, &mut events)?;
    }
}

/// Returns true before the end of the list is read.
fn is_reading(journal: &SiteJournal<Ticket>) -> bool {
    matches!(journal.phase(), SitePhase::Snapshot(_) | SitePhase::Replay)
}

impl ListFindings {
    /// Returns lines of the form `<key> <value>`. After a plural key, its value is the number of
    /// lines that follow.
    fn report(&self, name: &str) -> String {
        let Self { stream, journal, group, void, now } = self;
        let (list, gauges) = (journal.list(), group.gauges());
        let stats = ListStats::of(journal, *now);
        let rules = list.rules().map_or("none".to_owned(), |rules| rules.to_string());
        let leader = if stream.leader.is_empty() { "none" } else { &stream.leader };
        let mut lines = vec![
            format!("group {name}"),
            format!("first_entry {}", stream.first),
            format!("last_entry {}", stats.position),
            format!("bytes {} of {}", stream.bytes, stream.bytes_max),
            format!("leader {leader}"),
            format!("replicas {}", stream.replicas),
            format!("settings {rules}"),
            format!("epoch {}", group.epoch()),
            format!("last {}", group.position().last),
            format!("messages_kept {}", gauges.history_messages),
            format!("messages_bytes {}", gauges.history_bytes),
            format!("oldest_age_ms {}", gauges.history_age_ms),
        ];
        let sites = stats.sites();
        lines.push(format!("sites {}", sites.len()));
        lines.extend(sites.iter().map(|site| self.site(site)));
        lines.push(format!("members {}", group.member_states().count()));
        lines.extend(group.member_states().map(|(member, _)| self.member(&member)));
        lines.push(format!("snapshots {}", list.marks().len()));
        lines.extend(list.marks().map(|mark| {
            let age_ms = list.time().0.saturating_sub(mark.time.0);
            format!("{} last={} age_ms={age_ms}", mark.base, mark.last)
        }));
        lines.push(format!("void {}", void.len()));
        lines.extend(void.iter().cloned());
        lines.join("\n") + "\n"
    }

    fn site(&self, site: &SiteStats<'_>) -> String {
        let known = self.journal.list().sites().find(|(name, _)| name.as_str() == site.name);
        let life = known.map_or_else(String::new, |(_, state)| {
            let (began, number) = (state.began_at, state.number);
            format!(" life={:016x} began_at={began} number={number}", state.life.random)
        });
        let position = site.position.map_or("none".to_owned(), |position| position.to_string());
        let SiteStats { name, silent_ms, members, online, .. } = site;
        let state = site.state();
        format!(
            "{name} {state}{life} position={position} silent_ms={silent_ms} members={members} \
             online={online}"
        )
    }

    fn member(&self, member: &MemberState<'_>) -> String {
        let MemberState { id, owner, address, acked, registered_at, published, .. } = member;
        let home = self.journal.list().homes().of(id);
        let list = self.journal.list();
        let is_online = |home: &Home| home.is_online && list.is_live_name(&home.site);
        let state = if home.is_some_and(is_online) { "online" } else { "offline" };
        let site = home.map_or("none", |home| home.site.as_str());
        // Its own site may know a higher cursor, for at most 250 ms.
        let cursor = home.map_or(Seq::ZERO, |home| home.acked).max(*acked);
        format!(
            "{id} {state} {address} acked={cursor} registered_at={registered_at} \
             published={published} owner={owner} site={site}"
        )
    }
}
