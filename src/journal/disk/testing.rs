//! Helpers for tests with a group and its journal.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::{
    Commits, JournalContents, JournalOptions, OpenedJournal, Progress, RandomValues, WriterJob,
};
use crate::group::{ConnId, Effect, Group, Input, Origin, Rules};
use crate::journal::{BootId, Directory, Salt, SegmentItem, Store, read};
use crate::limits::{Overflow, SyncPolicy};
use crate::protocol::{Epoch, Request};
use crate::time::{Millis, Now, UnixMillis};

/// A group whose journal is on a real disk.
pub(super) type GroupOnDisk = OpenedJournal<Group, Directory>;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn at(steady: u64) -> Now {
    Now { steady: Millis::new(steady), unix: UnixMillis(1_700_000_000_000 + steady) }
}

pub(super) fn rules() -> Rules {
    Rules {
        ttl_ms: 60_000,
        line_bytes_max: 4096,
        members_max: 10,
        members_per_address_max: 10,
        forget_after_ms: 0,
        presence_delay_ms: None,
        backlog_bytes_max: 1 << 20,
        overflow: Overflow::Reject,
        keep: 0,
        foreign_ip_allowed: false,
        listening: SocketAddr::new(LOOPBACK, 5000),
        access: None,
    }
}

pub(super) fn open(path: &Path, options: JournalOptions, now: u64) -> GroupOnDisk {
    open_with(path, rules(), options, now)
}

pub(super) fn open_with(
    path: &Path,
    rules: Rules,
    options: JournalOptions,
    now: u64,
) -> GroupOnDisk {
    let mut store = Store::open(Directory::create(path).unwrap()).unwrap();
    let contents = JournalContents::read(&mut store, Group::recovering(rules), || false).unwrap();
    let random = RandomValues { epoch: Epoch::new(now), salt: Salt(now) };
    contents.open(store, options, random, at(now)).unwrap()
}

pub(super) fn options(boot: u8, sync: SyncPolicy, segment_bytes_max: u64) -> JournalOptions {
    JournalOptions { sync, segment_bytes_max, waiting_bytes_max: 1 << 20, boot: BootId([boot; 16]) }
}

/// Returns all jobs for the writer.
pub(super) fn jobs(opened: &mut GroupOnDisk) -> Vec<WriterJob> {
    std::iter::from_fn(|| opened.commits.poll_job()).collect()
}

/// Passes requests to the group and runs its effects, then commits the turn without writing.
/// Returns the replies.
pub(super) fn decide(opened: &mut GroupOnDisk, now: u64, lines: &[&str]) -> Vec<String> {
    let OpenedJournal { state: group, commits, .. } = opened;
    let mut replies = Vec::new();
    let origin = Origin {
        conn: ConnId(0),
        peer: LOOPBACK,
        peer_port: 50_000,
        local: LOOPBACK,
        credentials: Origin::PLAIN,
    };
    for line in lines {
        let line = format!("{line}#{LOOPBACK}");
        let request = Request::parse(line.as_bytes()).unwrap();
        group.handle(Input::Request { origin: &origin, request: &request }, at(now), commits);
        report_fullness(group, commits, now);
        while let Some(effect) = group.poll_effect() {
            match effect {
                Effect::Connect { link, .. } => {
                    group.handle(Input::Connected { link }, at(now), commits);
                    report_fullness(group, commits, now);
                }
                Effect::Reply { reply, .. } => replies.push(reply.to_string()),
                Effect::List { .. }
                | Effect::Upgrade { .. }
                | Effect::Close { .. }
                | Effect::DrawEpoch
                | Effect::MemberChange(_)
                | Effect::Backlog(_) => (),
            }
        }
    }
    commits.commit(group, at(now), || Some(Salt(now)));
    replies
}

/// Writes `jobs` and reports the result to the group.
pub(super) fn run_jobs(opened: &mut GroupOnDisk, now: u64, jobs: Vec<WriterJob>) {
    let OpenedJournal { state: group, commits, writer } = opened;
    let mut progress = Progress::default();
    commits.take(writer.write(jobs), at(now).steady, &mut progress);
    if let Some(through) = progress.done {
        group.handle(Input::Committed { through }, at(now), commits);
    }
    if group.is_epoch_due() {
        group.handle(Input::EpochCommitted, at(now), commits);
    }
    report_fullness(group, commits, now);
}

fn report_fullness(group: &mut Group, commits: &mut Commits, now: u64) {
    if let Some(is_full) = commits.take_fullness() {
        group.handle(Input::JournalFull(is_full), at(now), commits);
    }
}

/// Like [`decide`], and writes the commit.
pub(super) fn ask(opened: &mut GroupOnDisk, now: u64, lines: &[&str]) -> Vec<String> {
    let replies = decide(opened, now, lines);
    let jobs = jobs(opened);
    run_jobs(opened, now, jobs);
    replies
}

/// Returns the seqs of the messages in each segment, by its serial number.
pub(super) fn segments(path: &Path) -> BTreeMap<u64, Vec<u64>> {
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let segments = names.filter(|name| name.extension().is_some_and(|it| it == "journal"));
    let numbers = segments.map(|name| {
        let bytes = std::fs::read(name).unwrap();
        let (header, records) = read(&bytes).unwrap();
        let numbers = records.filter_map(|found| match found {
            SegmentItem::Record { delivery, .. } => delivery,
            SegmentItem::Damage { .. } | SegmentItem::Torn { .. } => None,
        });
        (header.serial, numbers.map(|delivery| delivery.seq.as_u64()).collect())
    });
    numbers.collect()
}
