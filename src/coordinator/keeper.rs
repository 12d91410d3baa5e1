//! The loop's side of the journal: what goes into it, and what may be confirmed.
//!
//! ```text
//!   facts of a turn ─► records ─► commit 7 ─► worker: one write, one sync ─► done ─► replies,
//!                                 commit 8 ─► (waits; written with what else waits)  deliveries
//! ```
//!
//! A failed write or sync seals the segment: nothing is confirmed from it again. Where the members
//! stand, and every message that no other segment is known to hold, goes into a fresh one, tried
//! again and again until it succeeds; what waits for its reply waits for that.

use std::collections::VecDeque;
use std::time::Duration;

use super::places;
use super::scribe::{Begin, Job, Scribe, Written};
use super::tally::Tally;
use crate::event_loop::{Full, Worker};
use crate::group::{Fact, Group, Standpoint};
use crate::journal::{BootId, Header, Record, Salt, SyncMode, encode};
use crate::limits::{CLOCK_DRIFT_MS, JOURNAL_RETRY_MS, SEGMENT_BYTES_MAX, Sync};
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// The journal as the loop sees it.
#[derive(Debug)]
pub(super) struct Keeper {
    worker: Worker<Scribe>,
    sync: Sync,
    ttl_ms: u64,
    boot: BootId,
    /// The segment that records are made for.
    segment: Current,
    /// Records not yet handed over.
    records: Vec<u8>,
    /// Whether somebody waits for them.
    is_awaited: bool,
    /// The commit that they will be.
    next: u64,
    /// Commits on their way, with the last number given out by then.
    commits: VecDeque<(u64, Seq)>,
    /// The last commit that is done, and the last number by then.
    done: (u64, Seq),
    /// The last commit that is safe against power loss.
    synced: u64,
    /// Everything up to here is.
    safe: Seq,
    failing: Option<Failing>,
    /// Who was deregistered, and in which commit, as long as that is not safe.
    deregistered: VecDeque<(u64, Box<str>)>,
    places: places::Pause,
    /// With a pause between syncs: when the next one is due.
    sync_at: Option<Millis>,
    /// Segments that are only read, oldest first.
    closed: VecDeque<Closed>,
    is_removing: bool,
    pub(super) tally: Tally,
}

/// The segment that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current {
    pub(super) serial: u64,
    pub(super) salt: Salt,
    pub(super) bytes: u64,
    /// What both clocks read when that was written down last.
    pub(super) noted: Now,
}

/// A segment that is only read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) serial: u64,
    pub(super) bytes: u64,
    /// No message in it was accepted later.
    pub(super) newest: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    /// The next try.
    RetryAt(Millis),
    /// This commit is a try.
    Trying(u64),
}

/// Where a journal goes on.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) boot: BootId,
    pub(super) segment: Current,
    pub(super) safe: Seq,
    pub(super) closed: VecDeque<Closed>,
}

/// What completions came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// This commit is done and all before it, and with them everything up to this number.
    pub(super) done: Option<(u64, Seq)>,
    /// The journal has begun, or ceased, to fail.
    pub(super) fails: Option<bool>,
}

impl Keeper {
    pub(super) fn new(worker: Worker<Scribe>, sync: Sync, ttl_ms: u64, start: Start) -> Self {
        let Start { boot, segment, safe, closed } = start;
        Self {
            worker,
            sync,
            ttl_ms,
            boot,
            segment,
            records: Vec::new(),
            is_awaited: false,
            next: 1,
            commits: VecDeque::new(),
            done: (0, safe),
            synced: 0,
            safe,
            failing: None,
            deregistered: VecDeque::new(),
            places: places::Pause::default(),
            sync_at: None,
            closed,
            is_removing: false,
            tally: Tally::default(),
        }
    }

    /// The commit that a reply to what is decided now has to wait for.
    pub(super) fn next_commit(&self) -> u64 {
        self.next
    }

    /// Whether all that was decided is done.
    pub(super) fn is_idle(&self) -> bool {
        self.commits.is_empty() && self.records.is_empty()
    }

    /// Bytes and number of all segments.
    pub(super) fn size(&self) -> (u64, usize) {
        let closed: u64 = self.closed.iter().map(|segment| segment.bytes).sum();
        (closed + self.segment.bytes, self.closed.len() + 1)
    }

    /// Writes a decision down.
    pub(super) fn record(&mut self, fact: &Fact, group: &Group, now: Now) {
        self.is_awaited = true;
        match fact {
            Fact::Member(standpoint) => self.put(&member_record(standpoint), now.steady),
            Fact::Deregistered { id } => {
                self.put(&Record::Deregistered { id }, now.steady);
                self.deregistered.push_back((self.next, id.clone()));
            }
            Fact::Accepted { seq } => {
                if let Some((_, line, at)) = group.lines(seq.before()).next() {
                    self.put(&Record::Accepted { line }, at);
                }
            }
        }
    }

    fn put(&mut self, record: &Record<'_>, at: Millis) {
        encode(record, at, self.segment.salt, &mut self.records);
    }

    /// The end of a turn: hands over what was decided in it.
    pub(super) fn commit(&mut self, group: &mut Group, now: Now) {
        if self.places.ends(group.has_moves(), now.steady) {
            places::put(group, now.steady, self.segment.salt, &mut self.records);
        }
        if let Some(Failing::RetryAt(_)) = self.failing {
            self.records.clear(); // What the group knows by then goes into the fresh segment.
            return self.tend(group, now);
        }
        if !self.records.is_empty() {
            self.note_clock(now);
            self.hand_over(group, now);
        }
        self.tend(group, now);
    }

    fn hand_over(&mut self, group: &Group, now: Now) {
        let (commit, records) = (self.next, std::mem::take(&mut self.records));
        let bytes = records.len() as u64;
        let must_sync = self.is_awaited && self.sync == Sync::Always;
        match self.worker.try_submit(Job::Append { commit, records, must_sync }) {
            Ok(()) => {
                self.push_commit(group.last());
                self.is_awaited = false;
                self.segment.bytes += bytes;
                if self.segment.bytes >= SEGMENT_BYTES_MAX {
                    self.begin(group, group.last(), false, now);
                }
            }
            Err(Full(Job::Append { records, .. })) => self.records = records, // Next turn.
            Err(Full(Job::Begin(_) | Job::Sync | Job::Remove { .. })) => (),
        }
    }

    fn push_commit(&mut self, last: Seq) {
        self.commits.push_back((self.next, last));
        self.next += 1;
    }

    /// The journal notes the wall clock whenever it has moved against the steady one.
    fn note_clock(&mut self, now: Now) {
        let noted = self.segment.noted;
        let expected = noted.unix.0.saturating_add(now.steady.since(noted.steady));
        if expected.abs_diff(now.unix.0) > CLOCK_DRIFT_MS {
            self.put(&Record::Clock { unix: now.unix }, now.steady);
            self.segment.noted = now;
        }
    }

    /// Begins a segment with where the members stand, and the messages behind `after`.
    fn begin(&mut self, group: &Group, after: Seq, is_rescue: bool, now: Now) {
        let Ok(salt) = getrandom::u64().map(Salt) else { return }; // The next turn tries again.
        let mut farewell = Vec::new();
        encode(&Record::Continued, now.steady, self.segment.salt, &mut farewell);
        let serial = self.segment.serial + 1;
        let header = Header { serial, salt, boot: self.boot, sync: mode(self.sync) };
        let mut records = snapshot(group, after, salt, now);
        for (_, id) in self.deregistered.iter().filter(|(_, id)| !group.is_member(id)) {
            encode(&Record::Deregistered { id }, now.steady, salt, &mut records);
        }
        let bytes = records.len() as u64;
        let commit = self.next;
        let begin = Begin { commit, header, records, farewell, is_rescue };
        if self.worker.try_submit(Job::Begin(begin)).is_err() {
            return; // The next turn tries again.
        }
        self.push_commit(group.last());
        let Current { serial: old, bytes: old_bytes, .. } = self.segment;
        self.closed.push_back(Closed { serial: old, bytes: old_bytes, newest: now.steady });
        self.segment = Current { serial, salt, bytes, noted: now };
        self.records.clear();
        if is_rescue {
            self.failing = Some(Failing::Trying(commit));
        }
    }

    /// Sees to what is due: another try, a sync, the end of a segment.
    fn tend(&mut self, group: &Group, now: Now) {
        if let Some(Failing::RetryAt(at)) = self.failing
            && at <= now.steady
        {
            self.begin(group, self.safe, true, now);
        }
        if let Sync::Every(pause_ms) = self.sync {
            if self.sync_at.is_some_and(|at| at <= now.steady)
                && self.worker.try_submit(Job::Sync).is_ok()
            {
                self.sync_at = None;
            }
            if self.sync_at.is_none() && self.done.0 > self.synced {
                self.sync_at = Some(now.steady.plus(pause_ms));
            }
        }
        if let Some(closed) = self.closed.front()
            && !self.is_removing
            && self.expires(closed) <= now.steady
        {
            let serial = closed.serial;
            self.is_removing = self.worker.try_submit(Job::Remove { serial }).is_ok();
        }
    }

    fn expires(&self, closed: &Closed) -> Millis {
        closed.newest.plus(self.ttl_ms).plus(1)
    }

    /// When there is something to be seen to, though nothing happens.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let retry_at = match self.failing {
            Some(Failing::RetryAt(at)) => Some(at),
            Some(Failing::Trying(_)) | None => None,
        };
        let removal = self.closed.front().filter(|_| !self.is_removing);
        let removal = removal.map(|closed| self.expires(closed));
        [retry_at, self.sync_at, self.places.deadline(), removal].into_iter().flatten().min()
    }

    /// What the worker has done since the last call.
    pub(super) fn take_completions(&mut self, now: Millis) -> Progress {
        let mut progress = Progress::default();
        for written in self.worker.completions() {
            self.take(written, now, &mut progress);
        }
        progress
    }

    fn take(&mut self, written: Written, now: Millis, progress: &mut Progress) {
        let Written { done, failed, synced, trouble, syncs, removed, kept } = written;
        syncs.into_iter().for_each(|took| self.tally.note_sync(took));
        if removed.iter().any(|serial| self.closed.front().is_some_and(|it| it.serial == *serial)) {
            self.closed.pop_front();
            self.is_removing = false;
        }
        self.is_removing &= kept.is_empty();
        if let Some(done) = done {
            self.finish(done, progress); // If it came after a failure, it made up for it.
        }
        // With `never`, what is written is as safe as it will be.
        let settled = if self.sync == Sync::Never { done } else { synced };
        while let (Some((commit, _)), Some(settled)) = (self.deregistered.front(), settled)
            && *commit <= settled
        {
            self.deregistered.pop_front();
        }
        if let Some(commit) = synced {
            self.synced = self.synced.max(commit);
            if commit == self.done.0 {
                self.safe = self.done.1; // Otherwise the next sync will say more.
            }
        }
        let Some(failed) = failed else { return };
        if let Some(Failing::Trying(commit)) = self.failing
            && failed < commit
        {
            return; // Of before the try that is under way.
        }
        if done.is_some_and(|done| done > failed) {
            return;
        }
        if self.failing.is_none() {
            progress.fails = Some(true);
            let trouble = trouble.unwrap_or_default();
            log::error!("the journal cannot be written, nothing is accepted: {trouble}");
            self.failing = Some(Failing::RetryAt(now)); // At once, to a fresh segment.
        } else {
            self.failing = Some(Failing::RetryAt(now.plus(JOURNAL_RETRY_MS)));
        }
    }

    fn finish(&mut self, done: u64, progress: &mut Progress) {
        while let Some(&(commit, last)) = self.commits.front()
            && commit <= done
        {
            self.commits.pop_front();
            self.done = (commit, last);
            self.tally.commits += 1;
        }
        if let Some(Failing::Trying(commit)) = self.failing
            && commit <= done
        {
            log::info!("the journal can be written again");
            self.failing = None;
            progress.fails = Some(false);
        }
        progress.done = Some(self.done);
    }

    /// The end: the last places, and that it was an end in good order.
    pub(super) fn close(&mut self, group: &mut Group, now: Now, wait: Duration) -> bool {
        places::put(group, now.steady, self.segment.salt, &mut self.records);
        if self.failing.is_none() {
            self.put(&Record::Closed, now.steady);
            let (commit, records) = (self.next, std::mem::take(&mut self.records));
            // With its queue full there is more to be lost than the mark of a good end.
            let _ = self.worker.try_submit(Job::Append { commit, records, must_sync: true });
        }
        self.worker.close(wait)
    }
}

/// What a segment begins with.
pub(super) fn snapshot(group: &Group, after: Seq, salt: Salt, now: Now) -> Vec<u8> {
    let mut records = Vec::new();
    let mut put = |record: &Record<'_>, at| encode(record, at, salt, &mut records);
    put(&Record::Epoch { epoch: group.epoch(), last: after }, now.steady);
    for standpoint in group.standpoints() {
        put(&member_record(&standpoint), now.steady);
    }
    put(&Record::Clock { unix: now.unix }, now.steady);
    for (_, line, at) in group.lines(after) {
        put(&Record::Accepted { line }, at);
    }
    records
}

pub(super) fn mode(sync: Sync) -> SyncMode {
    match sync {
        Sync::Always => SyncMode::Always,
        Sync::Every(_) => SyncMode::Interval,
        Sync::Never => SyncMode::Never,
    }
}

fn member_record(standpoint: &Standpoint) -> Record<'_> {
    let Standpoint { id, address, registered_at, place } = standpoint;
    Record::Member { id, address: *address, registered_at: *registered_at, place: *place }
}
