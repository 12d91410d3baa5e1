//! The coordinator's shell, played: its journal, which is the real one on a simulated disk.
//!
//! ```text
//!   starting ──► up ──► closing ──► gone        kill -9 or power loss at any moment
//! ```

use std::collections::{BTreeSet, VecDeque};

use groupcast::coordinator::journaling::{
    Commits, JournalContents, JournalOptions, OpenedJournal, PendingReplies, Progress,
    RandomValues, SegmentWriter, WriterJob, WriterReport,
};
use groupcast::group::{Group, Input};
use groupcast::journal::{BootId, Salt, Store};
use groupcast::limits::{JOURNAL_QUEUE_MAX, Sync};
use groupcast::protocol::{Epoch, Seq};
use groupcast::time::{Millis, Now};

use crate::hub::wall;
use crate::life::{Downfall, Promise};
use crate::model_journal::{Comeback, FactId};
use crate::nature::{Node, RecoveryEvent};
use crate::net::End;
use crate::sights::Sight;
use crate::storage::Storage;
use crate::world::World;
use support::rng::Rng;

/// The journal of one life of the coordinator.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) commits: Commits,
    writer: SegmentWriter<Storage>,
    jobs: Vec<WriterJob>,
    /// What the scribe is at, or rather what will have come of it.
    writing: Option<WriterReport>,
    written: Vec<WriterReport>,
    /// The last commit that is done.
    done: u64,
    closing_at: Option<u64>,
    has_failed: bool,
    sync: Sync,
}

/// Replies that wait, and what each of them confirms.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    held: PendingReplies,
    put: usize,
    out: usize,
    facts: VecDeque<(usize, FactId)>,
}

impl Waiting {
    pub(crate) fn hold(&mut self, commit: Option<u64>, reply: &str, fact: Option<FactId>) {
        self.held.hold(commit, reply.as_bytes());
        self.put += reply.len();
        self.facts.extend(fact.map(|fact| (self.put, fact)));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.held.bytes()
    }
}

/// What is left of a coordinator while there is none, and what outlives it.
#[derive(Debug)]
pub(crate) struct Keep {
    pub(crate) storage: Storage,
    pub(crate) sync: Sync,
    segment_bytes_max: u64,
    waiting_bytes_max: usize,
    pub(crate) boot: u8,
    pub(crate) wall_ahead: i64,
    /// Group time, and what the wall clock read then, since when it was moved or counted anew.
    pub(crate) spans: Vec<(u64, i128)>,
    pub(crate) end: Option<Downfall>,
    pub(crate) cleanness: Cleanness,
    /// How starts have written since the last one that came up, that one included.
    pub(crate) syncs: Vec<Sync>,
    /// Epochs drawn by starts that never came up.
    pub(crate) drawn: Vec<Epoch>,
    pub(crate) is_scrambled: bool,
    /// What is there was put back from a copy, and perhaps one of another boot.
    pub(crate) copy_boot: Option<u8>,
    /// A start that has not come up yet.
    pub(crate) starting: Option<Starting>,
    pub(crate) starts: u32,
    /// Segments removed with messages in them that had not expired.
    pub(crate) removed_early: u64,
}

#[derive(Debug)]
pub(crate) struct Starting {
    start: u32,
    opened: OpenedJournal<Storage>,
    at: u64,
    clock: Now,
    /// What stood in the journal, and before what its newest segment began.
    written: (BTreeSet<u64>, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cleanness {
    No,
    Perhaps,
    Yes,
}

/// Half of all keep to what is promised most.
const SYNCS: [Sync; 8] = [
    Sync::Always,
    Sync::Always,
    Sync::Always,
    Sync::Always,
    Sync::Every(1),
    Sync::Every(100),
    Sync::Every(2_000),
    Sync::Never,
];

impl Keep {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            storage: Storage::new(rng.next()),
            sync: rng.pick(&SYNCS),
            segment_bytes_max: rng.pick(&[300, 1_500, 10_000, 60_000, 1 << 24]),
            waiting_bytes_max: rng.pick(&[100, 1_000, 10_000, 1 << 20]),
            boot: 1,
            wall_ahead: 0,
            spans: Vec::new(),
            end: None,
            cleanness: Cleanness::No,
            syncs: Vec::new(),
            drawn: Vec::new(),
            is_scrambled: false,
            copy_boot: None,
            starting: None,
            starts: 0,
            removed_early: 0,
        }
    }

    pub(crate) fn options(&self) -> JournalOptions {
        let Self { sync, segment_bytes_max, waiting_bytes_max, boot, .. } = *self;
        JournalOptions { sync, segment_bytes_max, waiting_bytes_max, boot: BootId([boot; 16]) }
    }

    /// From here on group time and wall clock go on together.
    pub(crate) fn note_clock(&mut self, now: Now) {
        let (steady, unix) = (now.steady.as_u64(), i128::from(now.unix.0));
        self.spans.push((steady, unix - i128::from(steady)));
    }

    /// Group time must have gone on as the wall clock has since a time that was written down, or
    /// not at all if that went back.
    fn check_age(&self, at: Millis, now: Now) {
        if self.is_scrambled || self.spans.is_empty() {
            return;
        }
        let (at, unix) = (i128::from(at.as_u64()), i128::from(now.unix.0));
        let is_so = self.spans.iter().any(|&(from, difference)| {
            let age = at + (unix - (at + difference)).max(0);
            i128::from(from) <= at + 1 && age.abs_diff(i128::from(now.steady.as_u64())) <= 102
        });
        assert!(is_so, "{at} was the last, and it is {now:?} now: {:?}", self.spans);
    }
}

impl World {
    /// Begins with what the disk has; what comes of it is seen when that has had its time.
    pub(crate) fn start_journal(&mut self) {
        if self.hub.is_some() || self.keep.as_ref().is_some_and(|keep| keep.starting.is_some()) {
            return;
        }
        self.trace(|| {
            let listed = self.keep.as_ref().map(|keep| keep.storage.list());
            format!("hub: starts with {}", listed.unwrap_or_default())
        });
        let rules = self.model.rules.clone();
        let World { keep: Some(keep), nature, .. } = self else { return };
        keep.starts += 1;
        keep.storage.begin(nature.now);
        let is_settled = keep.syncs.len() <= 1;
        if keep.starts > 1 && is_settled && !nature.calm && nature.rng.percent(15) {
            keep.sync = nature.rng.pick(&SYNCS);
        }
        let written = (keep.storage.numbers(), keep.storage.begun_after());
        let draw =
            RandomValues { epoch: Epoch::new(nature.rng.next()), salt: Salt(nature.rng.next()) };
        let opened = Store::open(keep.storage.clone()).map_err(|error| error.to_string());
        let opened = opened.and_then(|mut store| {
            let recovery = JournalContents::read(&mut store, rules, || false);
            let recovery = recovery.map_err(|unusable| unusable.to_string())?;
            let unix = wall(nature.now, keep.wall_ahead);
            let now = Now { steady: recovery.age(unix), unix };
            keep.check_age(recovery.recovered().at, now);
            keep.note_clock(now);
            keep.syncs.push(keep.sync);
            keep.drawn.push(draw.epoch);
            let opened = recovery.open(store, keep.options(), draw, now);
            opened.map(|opened| (opened, now)).map_err(|error| error.to_string())
        });
        let took = keep.storage.clock() - nature.now;
        match opened {
            Ok((opened, now)) => {
                let (start, at) = (keep.starts, nature.now);
                keep.starting = Some(Starting { start, opened, at, clock: now, written });
                nature.after(took, RecoveryEvent::Up(keep.starts));
            }
            Err(_) => nature.after(took + 1_000, RecoveryEvent::Start(Node::Hub)),
        }
    }

    /// The start has come to its end: the group is held to what it must be.
    pub(crate) fn come_up(&mut self, start: u32) {
        let Some(keep) = &mut self.keep else { return };
        let Some(starting) = keep.starting.take_if(|it| it.start == start) else { return };
        let Starting {
            opened: OpenedJournal { group, commits, writer }, at, clock, written, ..
        } = starting;
        let steady = clock.steady.plus(self.nature.now - at);
        let now = Now { steady, unix: wall(self.nature.now, keep.wall_ahead) };
        keep.note_clock(now);
        self.compare(&group, now, clock.steady.as_u64(), written);
        let Some(keep) = &mut self.keep else { return };
        let sync = keep.sync;
        let (jobs, written) = (Vec::new(), Vec::new());
        let (writing, done, closing_at, has_failed) = (None, 0, None, false);
        let journal =
            Journal { commits, writer, jobs, writing, written, done, closing_at, has_failed, sync };
        let wall_ahead = keep.wall_ahead;
        self.put_up(group, Some(journal), now.steady, wall_ahead);
        if self.model.must_begin {
            self.tell(Input::BeginEpoch);
            self.keep();
        }
    }

    fn compare(&mut self, group: &Group, now: Now, opened_at: u64, written: (BTreeSet<u64>, u64)) {
        let World { keep: Some(keep), model, .. } = self else { return };
        let drawn = std::mem::take(&mut keep.drawn);
        let syncs = std::mem::replace(&mut keep.syncs, vec![keep.sync]);
        let cleanness = std::mem::replace(&mut keep.cleanness, Cleanness::No);
        let is_scrambled = std::mem::take(&mut keep.is_scrambled);
        let copy_boot = keep.copy_boot.take();
        let Some(end) = keep.end.take() else {
            return model.begin_anew(group.epoch());
        };
        let unsafe_syncs = syncs[..syncs.len() - 1].iter().filter(|sync| **sync != Sync::Always);
        let unsafe_syncs = unsafe_syncs.count();
        let is_other_boot = end.by_power || copy_boot.is_some_and(|boot| boot != keep.boot);
        let was_unsafe = is_other_boot && unsafe_syncs > 0 && cleanness != Cleanness::Yes;
        let all_unsafe = unsafe_syncs + 1 == syncs.len() && cleanness == Cleanness::No;
        let earlier = &drawn[..drawn.len().saturating_sub(1)];
        let back = Comeback {
            end,
            was_clean: cleanness == Cleanness::Yes && !end.by_power,
            opened_at,
            may_be_new: was_unsafe || is_scrambled || earlier.contains(&group.epoch()),
            must_be_new: is_other_boot && all_unsafe,
            sync: keep.sync,
            written: written.0,
            begun_after: written.1,
            is_copy: copy_boot.is_some(),
        };
        model.come_back(group, now, &back);
    }

    /// What the scribe has done is learnt at the beginning of a turn.
    pub(crate) fn take_stored(&mut self) {
        let now = self.nature.now;
        let Some(hub) = &mut self.hub else { return };
        let steady = hub.clock(now).steady;
        let Some(journal) = &mut hub.journal else { return };
        let mut progress = Progress::default();
        for written in std::mem::take(&mut journal.written) {
            journal.commits.take(written, steady, &mut progress);
        }
        journal.has_failed |= progress.fails.is_some();
        if let Some(fails) = progress.fails {
            self.trace(|| format!("hub: journal fails: {fails}"));
            self.model.see(if fails { Sight::JournalFailed } else { Sight::JournalMended });
            self.tell(Input::JournalFails(fails));
        }
        if progress.new_epoch {
            self.begin_epoch();
        }
        if let Some((commit, through)) = progress.done {
            self.tell(Input::Committed { through });
            if let Some(journal) = &mut self.hub().journal {
                journal.done = commit;
            }
            for end in self.hub().clients.keys().copied().collect::<Vec<End>>() {
                self.release_replies(end);
            }
        }
        self.report_fullness();
    }

    /// Tells the group when as much waits for the disk as may, and when less does again.
    pub(crate) fn report_fullness(&mut self) {
        let Some(hub) = &mut self.hub else { return };
        let fullness = hub.journal.as_mut().and_then(|journal| journal.commits.take_fullness());
        if let Some(is_full) = fullness {
            if is_full {
                self.model.see(Sight::JournalFull);
            }
            self.tell(Input::JournalFull(is_full));
        }
    }

    /// Lets go of the replies that wait for nothing any more: what they say is so from here on.
    pub(crate) fn release_replies(&mut self, end: End) {
        let at = self.nature.now;
        let Some(hub) = &mut self.hub else { return };
        let journal = hub.journal.as_ref().map(|journal| (journal.done, journal.sync));
        let (done, sync) = journal.unwrap_or((0, Sync::Never));
        let Some(client) = hub.clients.get_mut(&end) else { return };
        while let Some(replies) = client.waiting.held.release(done) {
            client.waiting.out += replies.len();
            if !client.is_deaf {
                client.output.extend_from_slice(&replies);
            }
            while let Some((until, fact)) = client.waiting.facts.pop_front() {
                if until > client.waiting.out {
                    client.waiting.facts.push_front((until, fact));
                    break;
                }
                self.model.confirm(&fact, Promise { at, sync });
            }
        }
    }

    /// The end of a turn: what was decided goes to the scribe.
    pub(crate) fn keep(&mut self) {
        let now = self.nature.now;
        let World { hub: Some(hub), nature, .. } = self else { return };
        let clock = hub.clock(now);
        let is_decided = hub.group.decided_epoch() != hub.group.epoch();
        let Some(journal) = &mut hub.journal else {
            if is_decided {
                self.begin_epoch();
            }
            return;
        };
        journal.commits.commit(&mut hub.group, clock, || {
            let is_drawn = nature.calm || nature.rng.percent(95);
            is_drawn.then(|| Salt(nature.rng.next()))
        });
        self.send_jobs();
    }

    fn send_jobs(&mut self) {
        let World { hub: Some(hub), nature, keep: Some(keep), model, .. } = self else { return };
        let oldest = hub.clock(nature.now).steady.as_u64().saturating_sub(model.rules.ttl_ms);
        let Some(journal) = &mut hub.journal else { return };
        journal.jobs.extend(std::iter::from_fn(|| journal.commits.poll_job()));
        assert!(journal.jobs.len() <= JOURNAL_QUEUE_MAX, "more jobs than find room");
        if journal.writing.is_none() && !journal.jobs.is_empty() {
            keep.storage.begin(nature.now);
            let early = keep.removes_early(&journal.jobs, oldest);
            journal.writing = Some(journal.writer.write(std::mem::take(&mut journal.jobs)));
            let took = keep.storage.clock() - nature.now;
            nature.after(took, RecoveryEvent::Committed(hub.life));
            if early > 0 {
                keep.removed_early += early;
                self.rehearse();
            }
        }
    }

    /// The scribe is done with a batch.
    pub(crate) fn on_stored(&mut self, life: u32) {
        let Some(hub) = self.hub.as_mut().filter(|hub| hub.life == life) else { return };
        let Some(journal) = &mut hub.journal else { return };
        journal.written.extend(journal.writing.take());
        self.send_jobs();
        let Some(journal) = &self.hub().journal else { return };
        let Some(closing_at) = journal.closing_at else {
            return self.nature.wake_soon(Node::Hub);
        };
        if journal.writing.is_none() {
            let has_failed = journal.has_failed;
            if let Some(keep) = &mut self.keep {
                let is_clean = !has_failed && keep.storage.troubled_at() < closing_at;
                keep.cleanness = if is_clean { Cleanness::Yes } else { Cleanness::Perhaps };
            }
            self.end_hub(false);
        }
    }

    /// The end in good order; whether it takes its time.
    pub(crate) fn close_journal(&mut self) -> bool {
        let now = self.nature.now;
        let World { hub: Some(hub), keep: Some(keep), .. } = self else { return false };
        let clock = hub.clock(now);
        let Some(journal) = &mut hub.journal else { return false };
        journal.closing_at = Some(now);
        keep.cleanness = Cleanness::Perhaps;
        for written in std::mem::take(&mut journal.written) {
            journal.commits.take(written, clock.steady, &mut Progress::default());
        }
        journal.commits.close(&mut hub.group, clock);
        self.nature.inbox(Node::Hub).paused_until = u64::MAX;
        self.send_jobs();
        self.hub().journal.as_ref().is_some_and(|journal| journal.writing.is_some())
    }

    /// The coordinator is gone, and perhaps the whole machine.
    pub(crate) fn end_journal(&mut self, with_machine: bool) {
        let now = self.nature.now;
        let Some(keep) = &mut self.keep else { return };
        if keep.starting.take().is_some() {
            self.nature.after(1_000, RecoveryEvent::Start(Node::Hub));
        }
        let troubled_at = keep.storage.troubled_at();
        let end = keep.end.get_or_insert(Downfall { at: now, by_power: false, troubled_at });
        end.by_power |= with_machine;
        if with_machine {
            keep.storage.cut_power(now);
            keep.is_scrambled |= keep.storage.take_scrambled();
            keep.boot += 1;
        } else {
            keep.storage.kill(now);
        }
    }

    pub(crate) fn check_stats(&mut self) {
        let World { hub: Some(hub), keep: Some(keep), .. } = self else { return };
        let Some(journal) = &hub.journal else { return };
        let is_idle = journal.writing.is_none() && journal.written.is_empty();
        let is_sound = keep.storage.troubled_at() < hub.started;
        if !is_idle || !journal.commits.is_idle() || !is_sound {
            return;
        }
        let (bytes, segments) = keep.storage.segments();
        let stats = journal.commits.stats();
        let stat = |name| stats.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value);
        assert_eq!(stat("journal_segments"), Some(&*segments.to_string()));
        assert_eq!(stat("journal_bytes"), Some(&*bytes.to_string()));
        let numbers = keep.storage.numbers();
        let mut kept = hub.group.lines(Seq::ZERO).map(|(seq, ..)| seq.as_u64());
        let missing = kept.find(|seq| !numbers.contains(seq));
        assert_eq!(missing, None, "whoever asks gets it again, and not after the next start");
    }
}
