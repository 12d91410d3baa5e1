//! The loop's side of the journal: what goes into it, and what may be confirmed.
//!
//! ```text
//!   facts of a turn ─► records ─► commit 7 ─► worker: one write, one sync ─► done ─► replies,
//!                                 commit 8 ─► (waits: they are written together)     deliveries
//! ```
//!
//! A failed write or sync seals the segment. Nothing is confirmed from it again; what the group
//! knows and no other segment has goes into a fresh one, again and again until that succeeds.

use std::collections::VecDeque;
use std::time::Duration;

use super::scribe::{Job, Scribe, Written};
use crate::config::Sync;
use crate::event_loop::{Full, Worker};
use crate::group::{Fact, Group, Standpoint};
use crate::journal::{BootId, Header, Record, Salt, SyncMode, encode};
use crate::limits::{CLOCK_DRIFT_MS, JOURNAL_RETRY_MS, SEGMENT_BYTES_MAX};
use crate::protocol::Seq;
use crate::time::{Millis, Now, UnixMillis};

/// The journal as the loop sees it.
#[derive(Debug)]
pub(super) struct Keeper {
    worker: Worker<Scribe>,
    sync: Sync,
    boot: BootId,
    /// Of the segment that records are made for.
    serial: u64,
    salt: Salt,
    segment_bytes: u64,
    /// Records of this turn, and of those before it that found the worker's queue full.
    records: Vec<u8>,
    must_sync: bool,
    /// The commit that `records` belong to.
    next: u64,
    /// Commits on their way, with the last number accepted by each.
    commits: VecDeque<(u64, Seq)>,
    /// Everything up to here is in some segment, as safe as `sync` wants it.
    safe: Seq,
    failing: Option<Failing>,
    /// What both clocks read when that was written down last.
    noted: Now,
    /// Segments before this one, oldest first, with when their last record was made.
    closed: VecDeque<Closed>,
    pub(super) tally: Tally,
}

/// The journal cannot be written.
#[derive(Clone, Copy, Debug)]
struct Failing {
    /// None while a try is under way.
    retry_at: Option<Millis>,
}

/// A segment that is only read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) serial: u64,
    pub(super) bytes: u64,
    pub(super) last_at: Millis,
}

/// What `stats` shows of the journal.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) commits: u64,
    /// Syncs by the power of two of their microseconds.
    syncs: [u64; 40],
}

impl Tally {
    fn note(&mut self, took: Duration) {
        let power = took.as_micros().max(1).ilog2() as usize;
        if let Some(count) = self.syncs.get_mut(power.min(39)) {
            *count += 1;
        }
    }

    /// Microseconds within which so many of a hundred syncs were done, to the next power of two.
    pub(super) fn sync_us(&self, percent: u64) -> u64 {
        let all: u64 = self.syncs.iter().sum();
        let mut seen = 0;
        for (power, count) in (0_u32..).zip(&self.syncs) {
            seen += count;
            if all > 0 && seen * 100 >= all * percent {
                return 2_u64.saturating_pow(power + 1);
            }
        }
        0
    }
}

/// Where a journal goes on.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) boot: BootId,
    pub(super) serial: u64,
    pub(super) salt: Salt,
    pub(super) segment_bytes: u64,
    pub(super) noted: Now,
    pub(super) safe: Seq,
    pub(super) closed: VecDeque<Closed>,
}

/// What completions came to.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Commits up to this one are done, and with them everything up to this number.
    pub(super) done: Option<(u64, Seq)>,
    /// Whether the journal has begun, or ceased, to fail.
    pub(super) turned: Option<bool>,
}

impl Keeper {
    pub(super) fn new(worker: Worker<Scribe>, sync: Sync, start: Start) -> Self {
        let Start { boot, serial, salt, segment_bytes, noted, safe, closed } = start;
        Self {
            worker,
            sync,
            boot,
            serial,
            salt,
            segment_bytes,
            records: Vec::new(),
            must_sync: false,
            next: 1,
            commits: VecDeque::new(),
            safe,
            failing: None,
            noted,
            closed,
            tally: Tally::default(),
        }
    }

    /// The commit that a reply to what was decided in this turn has to wait for.
    pub(super) fn next_commit(&self) -> u64 {
        self.next
    }

    /// Writes a decision down. While the journal fails nothing need be: what is decided then goes
    /// into the fresh segment with everything else.
    pub(super) fn record(&mut self, fact: &Fact, group: &Group, now: Now) {
        self.must_sync = true;
        match fact {
            Fact::Member(standpoint) => self.put(&member(standpoint), now.steady),
            Fact::Deregistered { id } => self.put(&Record::Deregistered { id }, now.steady),
            Fact::Accepted { seq } => {
                if let Some((_, line, at)) = group.lines(seq.before()).next() {
                    self.put(&Record::Accepted { line }, at);
                }
            }
        }
    }

    fn put(&mut self, record: &Record<'_>, at: Millis) {
        encode(record, at, self.salt, &mut self.records);
    }

    /// At the end of a turn: hands over what was decided in it.
    pub(super) fn commit(&mut self, group: &mut Group, now: Now) {
        let salt = self.salt;
        for (id, place) in group.take_moves() {
            encode(&Record::Place { id, place }, now.steady, salt, &mut self.records);
        }
        if self.records.is_empty() {
            return;
        }
        self.note_clock(now);
        if self.failing.is_some() && self.commits.is_empty() && !self.is_trying() {
            return self.records.clear();
        }
        let (commit, records) = (self.next, std::mem::take(&mut self.records));
        let bytes = records.len() as u64;
        let must_sync = self.must_sync && self.sync == Sync::Always;
        match self.worker.try_submit(Job::Append { commit, records, must_sync }) {
            Ok(()) => {
                self.commits.push_back((commit, group.last()));
                self.next += 1;
                self.must_sync = false;
                self.segment_bytes += bytes;
                if self.segment_bytes >= SEGMENT_BYTES_MAX {
                    self.begin(group, group.last(), now);
                }
            }
            Err(Full(Job::Append { records, .. })) => self.records = records,
            Err(Full(_)) => (),
        }
    }
}
