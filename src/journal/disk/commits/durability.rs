//! The commits that survive a power loss, and the syncs that make them do so.

use std::collections::VecDeque;

use crate::facts::JournalPosition;
use crate::limits::SyncPolicy;
use crate::protocol::Seq;
use crate::time::Millis;

/// Durable commits, and the schedule of syncs.
#[derive(Debug)]
pub(super) struct Durability {
    policy: SyncPolicy,
    /// Last commit that is durable.
    synced: u64,
    /// Last seq that is durable.
    durable: Seq,
    /// Last commit before the latest sync without a write, with the last fact at its time.
    covered: (u64, JournalPosition),
    /// Time of the next sync, if syncs have an interval.
    sync_at: Option<Millis>,
    is_syncing: bool,
    /// Ids that were deregistered, each with its commit, until that commit is durable.
    deregistered: VecDeque<(u64, Box<str>)>,
}

impl Durability {
    /// Starts after a recovery up to `position`, whose seqs up to `durable` are durable.
    pub(super) fn new(policy: SyncPolicy, durable: Seq, position: JournalPosition) -> Self {
        Self {
            policy,
            synced: 0,
            durable,
            covered: (0, position),
            sync_at: None,
            is_syncing: false,
            deregistered: VecDeque::new(),
        }
    }

    /// Returns the last seq that is durable.
    pub(super) fn durable(&self) -> Seq {
        self.durable
    }

    /// Returns the ids whose end is not durable yet.
    pub(super) fn deregistered(&self) -> impl Iterator<Item = &str> {
        self.deregistered.iter().map(|(_, id)| &**id)
    }

    /// Notes that `commit` will contain the end of a member.
    pub(super) fn add_deregistered(&mut self, commit: u64, id: &str) {
        self.deregistered.push_back((commit, id.into()));
    }

    /// Handles a report: the last commit that is done, and the last one that is synced. `known`
    /// are commits, each with the last seq at its time.
    pub(super) fn on_synced(
        &mut self,
        done: Option<u64>,
        synced: Option<u64>,
        known: [(u64, Seq); 2],
    ) {
        // With `sync=never` a written record is as durable as it ever gets.
        let finished = if self.policy == SyncPolicy::Never { done } else { synced };
        while let (Some((commit, _)), Some(finished)) = (self.deregistered.front(), finished)
            && *commit <= finished
        {
            self.deregistered.pop_front();
        }
        if let Some(commit) = synced {
            self.synced = self.synced.max(commit);
            let covered = (self.covered.0, self.covered.1.last);
            for (_, last) in known.into_iter().chain([covered]).filter(|(it, _)| *it <= commit) {
                self.durable = self.durable.max(last);
            }
        }
    }

    /// Handles the end of a sync, successful or not.
    pub(super) fn on_sync_end(&mut self) {
        self.is_syncing = false;
    }

    /// Handles the loss of segments: all messages of the history must be written again.
    pub(super) fn lose_all(&mut self) {
        self.durable = Seq::ZERO;
    }

    /// Cancels the next sync of an interval.
    pub(super) fn cancel_sync(&mut self) {
        self.sync_at = None;
    }

    /// Returns true if a sync is due. `done` is the last commit that is done, `latest` the latest
    /// one.
    pub(super) fn must_sync(
        &mut self,
        done: u64,
        latest: (u64, JournalPosition),
        now: Millis,
    ) -> bool {
        let SyncPolicy::Every(pause_ms) = self.policy else { return false };
        let is_due = self.sync_at.is_some_and(|at| at <= now);
        if is_due {
            self.sync_at = None;
            self.is_syncing = true;
            self.covered = latest;
        }
        if !self.is_syncing && self.sync_at.is_none() && done > self.synced {
            self.sync_at = Some(now.plus(pause_ms));
        }
        is_due
    }

    /// Returns the time of the next sync.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.sync_at
    }
}
