//! Random journals with random damage: no seq comes twice in an epoch, and no number of a `send` is
//! forgotten that an intact record names.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::journal::disk::testing::{decide, jobs};
use crate::journal::disk::{Progress, WriterJob, WriterReport};
use crate::journal::{HEADER_BYTES, SegmentItem, read};

/// A step of a coordinator's life.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Alice sends texts in one turn.
    Send(u64),
    /// Bob sends a text without a number.
    Msend,
    /// Bob leaves, and joins again.
    Rejoin,
    /// A text of alice is not written. Later the journal goes on in a new segment.
    FailedWrite,
    /// The program is killed, and starts again.
    Restart,
    /// All messages expire.
    Pause,
}

/// Damage of a file. It begins at a share of the file, in 1/1000.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip { share: usize, bit: u8 },
    Zero { share: usize, bytes: usize },
    Cut { share: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_u64).prop_map(Step::Send),
        2 => Just(Step::Msend),
        1 => Just(Step::Rejoin),
        2 => Just(Step::FailedWrite),
        3 => Just(Step::Restart),
        1 => Just(Step::Pause),
    ]
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let share = 0..1000_usize;
    prop_oneof![
        (share.clone(), 0..8_u8).prop_map(|(share, bit)| Damage::Flip { share, bit }),
        (share.clone(), 1..300_usize).prop_map(|(share, bytes)| Damage::Zero { share, bytes }),
        share.prop_map(|share| Damage::Cut { share }),
    ]
}

struct World {
    directory: tempfile::TempDir,
    sync: SyncPolicy,
    /// `None` between two runs of the program.
    opened: Option<GroupOnDisk>,
    now: u64,
    /// Highest seq that was given out in each epoch.
    given: BTreeMap<u64, u64>,
    /// Last number of a text of alice.
    number: u64,
}

impl World {
    fn new(sync: SyncPolicy) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let opened = Some(Self::open(directory.path(), sync, 1));
        let mut world = Self { directory, sync, opened, now: 1, given: BTreeMap::new(), number: 0 };
        world.ask(&["alice#register 9000", "bob#register 9001 acks=1"]);
        world
    }

    fn open(path: &Path, sync: SyncPolicy, now: u64) -> GroupOnDisk {
        testing::open(path, testing::options(1, sync, 700), now)
    }

    fn opened(&mut self) -> &mut GroupOnDisk {
        self.opened.as_mut().unwrap()
    }

    fn ask(&mut self, lines: &[&str]) -> Vec<String> {
        self.now += 200;
        let now = self.now;
        let replies = ask(self.opened(), now, lines);
        // A rotation or a removal may follow in the next turn.
        ask(self.opened(), now, &[]);
        self.check_seqs(&replies);
        replies
    }

    fn check_seqs(&mut self, replies: &[String]) {
        let epoch = self.opened().state.epoch().as_u64();
        for reply in replies {
            let Some((_, seq)) = reply.split_once(" seq=") else { continue };
            let seq: u64 = seq.parse().unwrap();
            let highest = self.given.entry(epoch).or_default();
            assert!(seq > *highest, "{seq} comes twice in epoch {epoch}");
            *highest = seq;
        }
    }

    fn restart(&mut self) {
        self.now += 1_000;
        self.opened = None; // It holds the lock of the directory.
        self.opened = Some(Self::open(self.directory.path(), self.sync, self.now));
        self.ask(&["alice#reconnect 9000", "bob#reconnect 9001 acks=1"]);
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Send(count) => {
                let lines: Vec<String> = (1..=count)
                    .map(|more| format!("alice#send {} text", self.number + more))
                    .collect();
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let replies = self.ask(&lines);
                assert!(replies.iter().all(|reply| reply.starts_with("OK ")), "{replies:?}");
                self.number += count;
            }
            Step::Msend => drop(self.ask(&["bob#msend text"])),
            Step::Rejoin => drop(self.ask(&["bob#deregister", "bob#register 9001 acks=1"])),
            Step::FailedWrite => self.fail(),
            Step::Restart => self.restart(),
            Step::Pause => {
                self.now += 70_000;
                self.ask(&[]);
            }
        }
    }

    fn fail(&mut self) {
        self.now += 200;
        self.number += 1;
        let now = self.now;
        let request = format!("alice#send {} not written", self.number);
        let replies = decide(self.opened(), now, &[&request]);
        self.check_seqs(&replies);
        let mut appended = jobs(self.opened()).into_iter().filter_map(|job| match job {
            WriterJob::Append { commit, .. } => Some(commit),
            WriterJob::NewSegment(_)
            | WriterJob::Sync
            | WriterJob::Check
            | WriterJob::Remove { .. } => None,
        });
        let report = WriterReport { failed: appended.next_back(), ..WriterReport::default() };
        self.opened().commits.take(report, testing::at(now).steady, &mut Progress::default());
        for _ in 0..3 {
            self.now += 2_000;
            self.ask(&[]);
        }
    }

    /// Returns the paths of the segments, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path()).unwrap().map(|it| it.unwrap().path());
        let mut paths: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|it| it == "journal")).collect();
        paths.sort();
        paths
    }

    /// Damages a segment, counted from the newest one.
    fn damage(&self, age: usize, damage: Damage) {
        let paths = self.segments();
        let age = age % paths.len();
        let path = &paths[paths.len() - 1 - age];
        let mut bytes = fs::read(path).unwrap();
        let length = bytes.len();
        let offset = |share: usize| share * length / 1000;
        match damage {
            Damage::Flip { share, bit } => {
                // An earlier damage may have cut the segment to nothing.
                bytes.get_mut(offset(share)).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            Damage::Zero { share, bytes: count } => {
                let first = offset(share);
                let last = (first + count).min(length);
                bytes[first..last].fill(0);
            }
            // A newest segment that ends after its snapshot looks like one of a killed program.
            Damage::Cut { share } if age == 0 => {
                let length = share * snapshot_bytes(&bytes) / 1000;
                bytes.truncate(length);
            }
            Damage::Cut { share } => bytes.truncate(offset(share)),
        }
        fs::write(path, bytes).unwrap();
    }

    /// Returns the highest number of alice that an intact record names.
    fn published(&self) -> u64 {
        let mut highest = 0;
        for path in self.segments() {
            let bytes = fs::read(path).unwrap();
            let Ok((_, records)) = read(&bytes) else { continue };
            for item in records {
                let SegmentItem::Record { record, .. } = item else { continue };
                let number = if let Record::Member(state) = record {
                    if state.id == "alice" { state.published } else { 0 }
                } else if let Record::Accepted { number: Some(number), .. } = record {
                    number.get() // Only alice numbers texts.
                } else {
                    0
                };
                highest = highest.max(number);
            }
        }
        highest
    }
}

/// Returns the length of a segment up to the last byte before the end of its snapshot.
fn snapshot_bytes(bytes: &[u8]) -> usize {
    let Ok((header, _)) = read(bytes) else { return bytes.len() };
    let is_complete = |length: &usize| {
        let Ok((_, mut records)) = read(&bytes[..*length]) else { return false };
        records.any(|item| match item {
            SegmentItem::Record { record, .. } => record.kind().ends_snapshot(header.repeats),
            SegmentItem::Damage { .. } | SegmentItem::Torn { .. } => false,
        })
    };
    let complete = (HEADER_BYTES..=bytes.len()).find(is_complete);
    complete.unwrap_or(bytes.len()).saturating_sub(1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn damage_repeats_no_seq_and_forgets_no_number_that_a_record_names(
        is_always in any::<bool>(),
        steps in proptest::collection::vec(any_step(), 1..14),
        damages in proptest::collection::vec((0..3_usize, any_damage()), 1..4),
    ) {
        let sync = if is_always { SyncPolicy::Always } else { SyncPolicy::Every(1_000) };
        let mut world = World::new(sync);
        steps.iter().for_each(|step| world.run(*step));
        // Cuts come first: only in an intact segment they know the end of the snapshot.
        let (cuts, others): (Vec<_>, Vec<_>) =
            damages.iter().partition(|(_, damage)| matches!(damage, Damage::Cut { .. }));
        cuts.iter().chain(&others).for_each(|(age, damage)| world.damage(*age, *damage));
        for _ in 0..2 {
            let named = world.published();
            world.restart();
            let alice = world.opened().state.member_state("alice").map(|alice| alice.published);
            if let Some(published) = alice {
                prop_assert!((named..=world.number).contains(&published), "{published} of {named}");
                world.number = published;
                world.run(Step::Send(2));
            }
            world.ask(&["eve#register 9002", "eve#msend text", "eve#deregister"]);
        }
    }
}
