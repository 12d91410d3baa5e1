//! The coordinator's journal on a simulated disk: starts, jobs of the writer, ends.
//!
//! ```text
//!   starting ──► up ──► closing ──► gone        kill -9 or power loss at any moment
//! ```

use std::collections::BTreeSet;

use groupcast::coordinator::GroupJournal;
use groupcast::facts::Recorded;
use groupcast::group::Group;
use groupcast::journal::{
    BootId, JournalContents, JournalEnd, JournalOptions, OpenedJournal, RandomValues, Salt, Store,
};
use groupcast::limits::{JOURNAL_QUEUE_MAX, SyncPolicy};
use groupcast::protocol::{Epoch, Seq};
use groupcast::time::{Millis, Now};

use crate::coordinator::wall;
use crate::environment::{Event, Node};
use crate::epoch_history::CoordinatorEnd;
use crate::model_journal::Restart;
use crate::storage::Storage;
use crate::world::World;
use crate::writer::SimWriter;
use support::rng::Rng;

/// State that outlives a coordinator: the disk, the clocks and the history of its ends.
#[derive(Debug)]
pub(crate) struct JournalState {
    pub(crate) storage: Storage,
    pub(crate) sync: SyncPolicy,
    segment_bytes_max: u64,
    waiting_bytes_max: usize,
    pub(crate) boot: u8,
    pub(crate) wall_ahead: i64,
    /// Group time, and what the wall clock read then, since when it was moved or counted anew.
    pub(crate) spans: Vec<(u64, i128)>,
    pub(crate) end: Option<CoordinatorEnd>,
    pub(crate) cleanness: Cleanness,
    /// Sync modes of the starts since the last one that came up, that one included.
    pub(crate) syncs: Vec<SyncPolicy>,
    /// Epochs drawn by starts that never came up.
    pub(crate) drawn: Vec<Epoch>,
    pub(crate) is_scrambled: bool,
    /// The directory was put back from a copy, perhaps one of another boot.
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
    opened: OpenedJournal<Group, Storage>,
    at: u64,
    clock: Now,
    /// Numbers of the messages in the journal, and the number before the first one of its newest
    /// segment.
    written: (BTreeSet<u64>, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cleanness {
    No,
    Perhaps,
    Yes,
}

/// Half of all keep to what is promised most.
const SYNCS: [SyncPolicy; 8] = [
    SyncPolicy::Always,
    SyncPolicy::Always,
    SyncPolicy::Always,
    SyncPolicy::Always,
    SyncPolicy::Every(1),
    SyncPolicy::Every(100),
    SyncPolicy::Every(2_000),
    SyncPolicy::Never,
];

impl JournalState {
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
    pub(crate) fn record_clock(&mut self, now: Now) {
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
        if self.coordinator.is_some()
            || self
                .journal_state
                .as_ref()
                .is_some_and(|journal_state| journal_state.starting.is_some())
        {
            return;
        }
        self.trace(|| {
            let listed =
                self.journal_state.as_ref().map(|journal_state| journal_state.storage.list());
            format!("hub: starts with {}", listed.unwrap_or_default())
        });
        self.read_access_file();
        self.read_config_file();
        let rules = self.model.rules.clone();
        let World { journal_state: Some(journal_state), environment, .. } = self else { return };
        journal_state.starts += 1;
        journal_state.storage.begin(environment.now);
        let is_settled = journal_state.syncs.len() <= 1;
        if journal_state.starts > 1
            && is_settled
            && !environment.calm
            && environment.rng.percent(15)
        {
            journal_state.sync = environment.rng.pick(&SYNCS);
        }
        let written = (journal_state.storage.numbers(), journal_state.storage.begun_after());
        let draw = RandomValues {
            epoch: Epoch::new(environment.rng.next()),
            salt: Salt(environment.rng.next()),
        };
        let opened = Store::open(journal_state.storage.clone()).map_err(|error| error.to_string());
        let opened = opened.and_then(|mut store| {
            let recovery = JournalContents::read(&mut store, Group::recovering(rules), || false);
            let recovery = recovery.map_err(|unusable| unusable.to_string())?;
            let unix = wall(environment.now, journal_state.wall_ahead);
            let now = Now { steady: recovery.age(unix), unix };
            journal_state.check_age(recovery.recovered().at, now);
            journal_state.record_clock(now);
            journal_state.syncs.push(journal_state.sync);
            journal_state.drawn.push(draw.epoch);
            let opened = recovery.open(store, journal_state.options(), draw, now);
            opened.map(|opened| (opened, now)).map_err(|error| error.to_string())
        });
        let took = journal_state.storage.clock() - environment.now;
        match opened {
            Ok((opened, now)) => {
                let (start, at) = (journal_state.starts, environment.now);
                journal_state.starting = Some(Starting { start, opened, at, clock: now, written });
                environment.after(took, Event::Up(journal_state.starts));
            }
            Err(_) => environment.after(took + 1_000, Event::Start(Node::Coordinator)),
        }
    }

    /// Ends a start, and compares the group with the model.
    pub(crate) fn come_up(&mut self, start: u32) {
        let Some(journal_state) = &mut self.journal_state else { return };
        let Some(starting) = journal_state.starting.take_if(|it| it.start == start) else { return };
        let Starting {
            opened: OpenedJournal { state: group, commits, writer },
            at,
            clock,
            written,
            ..
        } = starting;
        let steady = clock.steady.plus(self.environment.now - at);
        let now = Now { steady, unix: wall(self.environment.now, journal_state.wall_ahead) };
        journal_state.record_clock(now);
        self.compare(&group, now, clock.steady.as_u64(), written);
        let Some(journal_state) = &mut self.journal_state else { return };
        let wall_ahead = journal_state.wall_ahead;
        let jobs_max = self.environment.rng.pick(&[1, 2, JOURNAL_QUEUE_MAX]);
        let writer = SimWriter::new(writer, jobs_max);
        let journal = GroupJournal::on_disk(commits, writer.clone());
        self.put_up(group, journal, Some(writer), now.steady, wall_ahead);
    }

    fn compare(&mut self, group: &Group, now: Now, opened_at: u64, written: (BTreeSet<u64>, u64)) {
        let World { journal_state: Some(journal_state), model, .. } = self else { return };
        let drawn = std::mem::take(&mut journal_state.drawn);
        let syncs = std::mem::replace(&mut journal_state.syncs, vec![journal_state.sync]);
        let cleanness = std::mem::replace(&mut journal_state.cleanness, Cleanness::No);
        let is_scrambled = std::mem::take(&mut journal_state.is_scrambled);
        let copy_boot = journal_state.copy_boot.take();
        let Some(end) = journal_state.end.take() else {
            return model.begin_anew(group.epoch());
        };
        // The life before this start, and starts that were cut short since then.
        let before = &syncs[..syncs.len() - 1];
        let is_unsafe = |sync: &SyncPolicy| *sync != SyncPolicy::Always;
        let is_other_boot =
            end.by_power || copy_boot.is_some_and(|boot| boot != journal_state.boot);
        // A start that was cut short may have begun a segment behind a clean end.
        let clean_lives = usize::from(cleanness == Cleanness::Yes);
        let was_unsafe = is_other_boot && before.iter().skip(clean_lives).any(is_unsafe);
        let all_unsafe = before.iter().all(is_unsafe) && cleanness == Cleanness::No;
        let earlier = &drawn[..drawn.len().saturating_sub(1)];
        let back = Restart {
            end,
            was_clean: cleanness == Cleanness::Yes && !end.by_power,
            opened_at,
            may_be_new: was_unsafe || is_scrambled || earlier.contains(&group.epoch()),
            must_be_new: is_other_boot && all_unsafe,
            sync: journal_state.sync,
            written: written.0,
            begun_after: written.1,
            is_copy: copy_boot.is_some(),
        };
        model.come_back(group, now, &back);
    }

    /// Starts the writer on the jobs that wait.
    pub(crate) fn send_jobs(&mut self) {
        let World {
            coordinator: Some(coordinator),
            environment,
            journal_state: Some(journal_state),
            model,
            ..
        } = self
        else {
            return;
        };
        let oldest =
            coordinator.clock(environment.now).steady.as_u64().saturating_sub(model.rules.ttl_ms);
        let Some(writer) = &coordinator.writer else { return };
        let Some(jobs) = writer.next_batch() else { return };
        journal_state.storage.begin(environment.now);
        let early = journal_state.removes_early(&jobs, oldest);
        writer.write(jobs);
        let took = journal_state.storage.clock() - environment.now;
        environment.after(took, Event::Committed(coordinator.life));
        if early > 0 {
            journal_state.removed_early += early;
            self.check_crash_now();
        }
    }

    /// The writer has finished a batch.
    pub(crate) fn on_committed(&mut self, life: u32) {
        let coordinator = self.coordinator.as_ref().filter(|coordinator| coordinator.life == life);
        let Some(coordinator) = coordinator else { return };
        let Some(writer) = &coordinator.writer else { return };
        let is_closing = coordinator.closing_at.is_some();
        writer.finish();
        self.send_jobs();
        if is_closing {
            self.go_on_closing();
        } else {
            self.environment.wake_soon(Node::Coordinator);
        }
    }

    /// Begins the end of the journal.
    pub(crate) fn close_journal(&mut self) {
        if let Some(journal_state) = &mut self.journal_state {
            journal_state.cleanness = Cleanness::Perhaps;
        }
        self.with_coordinator(|coordinator, now| coordinator.program.begin_journal_end(now));
        self.go_on_closing();
    }

    /// Ends the process when the end of the journal is written, or cannot be.
    fn go_on_closing(&mut self) {
        let end = self.with_coordinator(|coordinator, now| {
            let has_failed = coordinator.outside.sockets().has_failed;
            (coordinator.program.journal_end(now), coordinator.closing_at, has_failed)
        });
        let Some((end, closing_at, has_failed)) = end else { return };
        match end {
            JournalEnd::Pending => return,
            JournalEnd::Failed => (),
            JournalEnd::Written => {
                if let Some(journal_state) = &mut self.journal_state {
                    let is_sound = closing_at > Some(journal_state.storage.troubled_at());
                    if is_sound && !has_failed {
                        journal_state.cleanness = Cleanness::Yes;
                    }
                }
            }
        }
        self.end_coordinator(false);
    }

    /// The coordinator is gone, and perhaps the whole machine.
    pub(crate) fn end_journal(&mut self, with_machine: bool) {
        let now = self.environment.now;
        let Some(journal_state) = &mut self.journal_state else { return };
        if journal_state.starting.take().is_some() {
            self.environment.after(1_000, Event::Start(Node::Coordinator));
        }
        let troubled_at = journal_state.storage.troubled_at();
        let end = journal_state.end.get_or_insert(CoordinatorEnd {
            at: now,
            by_power: false,
            troubled_at,
        });
        end.by_power |= with_machine;
        if with_machine {
            journal_state.storage.cut_power(now);
            journal_state.is_scrambled |= journal_state.storage.take_scrambled();
            journal_state.boot += 1;
        } else {
            journal_state.storage.kill(now);
        }
    }

    /// After a reply to `stats`: the numbers of the journal are those of the disk.
    pub(crate) fn check_stats(&mut self) {
        let World { coordinator: Some(coordinator), journal_state: Some(journal_state), .. } = self
        else {
            return;
        };
        let (program, writer) = (&coordinator.program, &coordinator.writer);
        let is_idle = writer.as_ref().is_some_and(SimWriter::is_idle) && program.is_journal_idle();
        let is_sound = journal_state.storage.troubled_at() < coordinator.started;
        let mut sockets = coordinator.outside.sockets();
        if !is_idle || !is_sound || !std::mem::take(&mut sockets.has_stats) {
            return;
        }
        let (bytes, segments) = journal_state.storage.segments();
        let stats = program.stats(coordinator.clock(self.environment.now).steady);
        let stat = |name| stats.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value);
        assert_eq!(stat("journal_segments"), Some(&*segments.to_string()));
        assert_eq!(stat("journal_bytes"), Some(&*bytes.to_string()));
        let numbers = journal_state.storage.numbers();
        let mut kept = program.group().lines(Seq::ZERO).map(|(seq, ..)| seq.as_u64());
        let missing = kept.find(|seq| !numbers.contains(seq));
        assert_eq!(missing, None, "whoever asks gets it again, and not after the next start");
    }
}
