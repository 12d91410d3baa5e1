#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::*;
use crate::coordinator::keeping::{Draw, Opened, Recovery, Written};
use crate::group::Rules;
use crate::journal::{BootId, Directory, Store};
use crate::limits::Overflow;
use crate::protocol::Epoch;
use crate::time::UnixMillis;

fn rules() -> Rules {
    Rules {
        ttl_ms: 60_000,
        members_max: 10,
        backlog_bytes_max: 1 << 20,
        overflow: Overflow::Reject,
        foreign_ip_allowed: false,
        is_journaled: true,
        listening: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 5000),
    }
}

fn at(steady: u64) -> Now {
    Now { steady: Millis::new(steady), unix: UnixMillis(1_700_000_000_000 + steady) }
}

fn open(path: &Path, sync: Sync) -> Opened<Directory> {
    let mut store = Store::open(Directory::create(path).unwrap()).unwrap();
    let recovery = Recovery::read(&mut store, rules());
    let terms = Terms { sync, segment_bytes_max: 2_000, boot: BootId([7; 16]) };
    let draw = Draw { epoch: Epoch::new(1), salt: Salt(1) };
    recovery.open(store, terms, draw, at(0)).unwrap()
}

fn jobs(keeper: &mut Keeper) -> Vec<Job> {
    std::iter::from_fn(|| keeper.poll_job()).collect()
}

/// Decides something, and ends the turn.
fn turn(opened: &mut Opened<Directory>, steady: u64) {
    let Opened { group, keeper, .. } = opened;
    keeper.record(&Fact::Deregistered { id: "alice".into() }, group, at(steady));
    keeper.commit(group, at(steady), || Some(Salt(steady)));
}

fn stat(keeper: &Keeper, key: &str) -> u64 {
    let stats = keeper.stats();
    let (_, value) = stats.iter().find(|(name, _)| *name == key).unwrap();
    value.parse().unwrap()
}

#[test]
fn tries_that_fail_are_counted_and_are_no_segments() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), Sync::Always);
    let bytes = stat(&opened.keeper, "journal_bytes");
    turn(&mut opened, 10);
    for failures in 1..=5 {
        let failed = Some(opened.keeper.next - 1);
        assert_eq!(jobs(&mut opened.keeper).len(), 1, "{failures}");
        let written = Written { failed, ..Written::default() };
        let now = at(10_000 * failures);
        opened.keeper.take(written, now.steady, &mut Progress::default());
        assert_eq!(stat(&opened.keeper, "journal_failures"), failures);
        assert_eq!(stat(&opened.keeper, "journal_segments"), 1);
        assert!(stat(&opened.keeper, "journal_bytes") < bytes + 100);
        let later = at(10_000 * failures + 5_000);
        opened.keeper.commit(&mut opened.group, later, || Some(Salt(failures)));
        assert_eq!(stat(&opened.keeper, "journal_segments"), 1, "there is none before it is done");
    }
    let written = opened.scribe.write(jobs(&mut opened.keeper));
    opened.keeper.take(written, at(60_000).steady, &mut Progress::default());
    assert_eq!(stat(&opened.keeper, "journal_segments"), 2);
    assert_eq!(stat(&opened.keeper, "journal_commits"), 1, "one that stands for all before it");
}

#[test]
fn bytes_and_segments_are_those_of_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), Sync::Every(50));
    for steady in 1..200 {
        turn(&mut opened, steady);
        let written = opened.scribe.write(jobs(&mut opened.keeper));
        opened.keeper.take(written, at(steady).steady, &mut Progress::default());
        let files = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap);
        let sizes = files.map(|file| file.metadata().unwrap().len()).filter(|bytes| *bytes > 0);
        let sizes: Vec<u64> = sizes.collect();
        let stats = ["journal_segments", "journal_bytes"].map(|key| stat(&opened.keeper, key));
        assert_eq!(stats, [sizes.len() as u64, sizes.iter().sum()], "{steady}");
    }
    assert!(stat(&opened.keeper, "journal_segments") > 2);
}

#[test]
fn a_job_that_finds_no_room_keeps_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), Sync::Always);
    turn(&mut opened, 10);
    turn(&mut opened, 20);
    let refused = opened.keeper.poll_job().unwrap();
    opened.keeper.take_back(refused);
    let commits: Vec<u64> = jobs(&mut opened.keeper)
        .into_iter()
        .filter_map(|job| match job {
            Job::Append { commit, .. } => Some(commit),
            Job::Begin(_) | Job::Sync | Job::Remove { .. } => None,
        })
        .collect();
    assert!(commits.len() == 2 && commits.is_sorted(), "{commits:?}");
}
