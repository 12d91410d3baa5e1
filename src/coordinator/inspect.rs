//! `--inspect`: prints the content of a journal. Reads it as a start does, but changes nothing.
//!
//! A coordinator may be running in the directory. The report may contain its latest writes or not.
//! If it starts or removes a segment meanwhile, the journal is read again.

use std::io::{self, Write};
use std::path::Path;

use super::CoordinatorError;
use super::startup::rules;
use crate::config::CoordinatorConfig;
use crate::facts::{MemberState, Recorded};
use crate::group::{Group, Rules};
use crate::journal::{
    Directory, JournalError, Record, Recovered, RecoveryEvent, Store, SyncMode, finish_recovery,
    recover,
};
use crate::limits::{INSPECTIONS_MAX, TTL_SECONDS_MAX};
use crate::net::Clock;
use crate::protocol::Epoch;
use crate::time::{Millis, UnixMillis};

const NO_JOURNAL: &str = "no journal is in this directory: no file has the name of a segment";

/// Content of a journal.
struct Findings {
    recovered: Recovered,
    group: Group,
    messages: Messages,
}

/// Statistics of the messages in the journal, expired ones included.
#[derive(Default)]
struct Messages {
    count: u64,
    bytes: u64,
    /// Times at which the first and the last of them were accepted.
    ends: Option<(Millis, Millis)>,
}

impl Messages {
    fn add(&mut self, line: &[u8], at: Millis) {
        self.count += 1;
        self.bytes += line.len() as u64;
        self.ends = Some((self.ends.map_or(at, |(oldest, _)| oldest), at));
    }
}

/// Prints the content of the journal in `directory`.
///
/// # Errors
///
/// [`CoordinatorError`] if the directory cannot be read or the report cannot be printed.
pub(super) fn inspect(directory: &Path) -> Result<(), CoordinatorError> {
    let findings =
        read(directory).map_err(|error| CoordinatorError::Journal(directory.to_owned(), error))?;
    let report = findings.report(Clock::start().now().unix);
    let printed = io::stdout().write_all(report.as_bytes());
    printed.map_err(|error| CoordinatorError::System("cannot print", error))
}

fn read(directory: &Path) -> Result<Findings, String> {
    let open = || Directory::open(directory).map_err(|error| error.to_string());
    let serials = |disk| Store::inspect(disk).map(|store| store.serials());
    for attempt in 1..=INSPECTIONS_MAX {
        let read = Store::inspect(open()?).and_then(|mut store| {
            let before = store.serials();
            Ok((before, read_through(&mut store)?))
        });
        match read {
            // A running coordinator may remove a segment before it is read.
            Err(unusable) if attempt < INSPECTIONS_MAX && unusable.is_missing_file() => (),
            Err(unusable) => return Err(unusable.to_string()),
            Ok((before, findings)) => {
                if attempt == INSPECTIONS_MAX || serials(open()?).is_ok_and(|now| now == before) {
                    return findings.ok_or_else(|| NO_JOURNAL.to_owned());
                }
            }
        }
    }
    Err(NO_JOURNAL.to_owned())
}

/// Reads the journal. Returns `None` if there is none.
fn read_through(store: &mut Store<Directory>) -> Result<Option<Findings>, JournalError> {
    if store.is_empty() {
        return Ok(None);
    }
    let config = CoordinatorConfig::new(0, TTL_SECONDS_MAX);
    let rules: Rules = rules(&config, config.listen);
    let mut group = Group::recovering(rules);
    let mut messages = Messages::default();
    let recovered = recover(store, |event| {
        if let RecoveryEvent::Fact { at, record: Record::Accepted { line, .. }, .. } = event {
            messages.add(line, at);
        }
        event.apply_to(&mut group);
    })?;
    Ok(Some(Findings { recovered, group, messages }))
}

impl Findings {
    /// Returns lines of the form `<key> <value>`. After a plural key, its value is the number of
    /// lines that follow.
    fn report(self, unix: UnixMillis) -> String {
        let Self { recovered, mut group, messages } = self;
        let now = recovered.age(unix);
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        let age_ms = |at: Option<Millis>| or_none(at.map(|at| now.since(at).to_string()));
        let epoch = recovered.epoch;
        let mut lines = vec![
            format!("epoch {}", or_none(epoch.map(|epoch| epoch.to_string()))),
            format!("last {}", recovered.last),
            format!("sync {}", recovered.header.map_or("none", |header| sync_name(header.sync))),
            format!("end {}", end(&recovered)),
            format!("messages_kept {}", messages.count),
            format!("messages_bytes {}", messages.bytes),
            format!("messages_lost {}", recovered.messages_lost),
            format!("oldest_age_ms {}", age_ms(messages.ends.map(|(oldest, _)| oldest))),
            format!("newest_age_ms {}", age_ms(messages.ends.map(|(_, newest)| newest))),
        ];
        finish_recovery(&mut group, epoch.unwrap_or(Epoch::new(0)), now);
        lines.push(format!("members {}", group.member_states().count()));
        lines.extend(group.member_states().map(|(member, _)| {
            let MemberState { id, owner, address, acked, registered_at, published, .. } = member;
            format!(
                "{id} {address} acked={acked} registered_at={registered_at} published={published} \
                 owner={owner}"
            )
        }));
        lines.push(format!("segments {}", recovered.segments.len()));
        lines.extend(recovered.segments.iter().map(|segment| {
            let (serial, bytes, newest) = (segment.serial, segment.bytes, segment.newest);
            format!("{serial:016x} bytes={bytes} newest_age_ms={}", age_ms(newest))
        }));
        lines.push(format!("issues {}", recovered.issues.len()));
        lines.extend(recovered.issues.iter().map(ToString::to_string));
        lines.join("\n") + "\n"
    }
}

fn sync_name(sync: SyncMode) -> &'static str {
    match sync {
        SyncMode::Always => "always",
        SyncMode::Interval => "interval",
        SyncMode::Never => "never",
    }
}

/// Returns how the last program ended. The files do not show whether that program has ended.
fn end(recovered: &Recovered) -> &'static str {
    match (recovered.header, recovered.is_clean) {
        (None, _) => "none: nothing was ever written",
        (Some(_), true) => "clean",
        (Some(_), false) => "unclean, unless a coordinator is at work",
    }
}
