//! The ways between a site and the engine: jobs, answers, entries.

use groupcast::facts::Recorded as _;
use groupcast::group::Input;
use groupcast::journal::{ListJob, ListPosition, ListReport, SitePhase};
use groupcast::time::Now;

use super::engine::Published;
use super::site::SiteProcess;
use super::{START_UNIX, World};

impl World {
    pub(super) fn answer(&mut self, process: &mut SiteProcess, now: Now) {
        let at = self.now;
        let due: Vec<_> = process.answers.extract_if(.., |(due, _)| *due <= at).collect();
        for (_, report) in due {
            process.journal.handle(report, &mut process.group, now);
        }
    }

    pub(super) fn feed(&mut self, process: &mut SiteProcess, now: Now) {
        if process.feed.next == 0 || process.feed.is_silent || self.rng.percent(20) {
            return;
        }
        for _ in 0..self.rng.between(1, 40) {
            let next = process.feed.next;
            if let Some(found) = self.engine.behind_removed(next) {
                let (first, last) = (ListPosition(next), ListPosition(found - 1));
                let missing = ListReport::Missing { first, last };
                process.journal.handle(missing, &mut process.group, now);
                process.feed.next = found;
                if process.journal.ended().is_some() {
                    return;
                }
                continue;
            }
            let report = match self.engine.at(next) {
                Some(entry) => entry.report(),
                None => match self.other_entry(process) {
                    Some(report) => report,
                    None => break,
                },
            };
            process.feed.next += 1;
            let (last, was_serving) = (process.group.last(), process.is_serving());
            process.journal.handle(report, &mut process.group, now);
            if *process.journal.phase() == SitePhase::Replay {
                process.began_in.get_or_insert(process.group.epoch());
            }
            for (seq, _, at) in process.group.lines(last) {
                // The clock of a site that runs does not count: only the time of reading.
                let is_right = if was_serving { at == now.steady } else { at <= now.steady };
                assert!(is_right, "seed={}: {seq} is from {at}, now is {}", self.seed, now.steady);
            }
            process.run_effects(now);
            if process.group.is_epoch_due() {
                process.input(Input::EpochCommitted, now);
            }
            self.compare(process);
            if process.journal.ended().is_some() {
                return;
            }
        }
        if let Some(last) = process.feed.caught_up.filter(|last| process.feed.next > *last) {
            process.feed.caught_up = None;
            let last = ListPosition(last);
            process.journal.handle(ListReport::CaughtUp { last }, &mut process.group, now);
        }
    }

    /// Shows a site an entry that the list will not have at this position.
    fn other_entry(&mut self, process: &mut SiteProcess) -> Option<ListReport> {
        let lies = self.may_lose && !self.is_calm && process.is_serving() && self.rng.percent(2);
        let name = process.journal.name().clone();
        let entry = lies.then(|| self.engine.unstored(&mut self.rng, &name)).flatten()?;
        process.misled_at.get_or_insert(entry.position);
        if self.rng.percent(50) {
            process.batches_left = Some(self.rng.between(1, 3));
        }
        self.see("another history");
        Some(entry.report())
    }

    pub(super) fn run_job(&mut self, process: &mut SiteProcess, job: ListJob) {
        match job {
            ListJob::Publish { tag, kind, bytes } => {
                process.batches_left = process.batches_left.map(|left| left.saturating_sub(1));
                let now = START_UNIX + self.now;
                let due = self.now + self.rng.below(40);
                let done = self.engine.publish(&mut self.rng, now, kind, bytes, self.is_calm);
                let report = match done {
                    Published::Stored(position) => {
                        ListReport::Stored { tag, position: ListPosition(position) }
                    }
                    Published::Refused => ListReport::NotStored { tag, reason: "busy".into() },
                    Published::Unknown => return,
                };
                process.answers.push((due, report));
            }
            ListJob::ReadFrom(position) => {
                process.feed.next = position.0.max(1);
                process.feed.is_silent = false;
                let mut last = self.engine.last;
                if position.0 > last + 1 {
                    let report = ListReport::WentBack { last: ListPosition(last) };
                    process.answers.push((self.now, report));
                    process.feed.is_silent = true;
                    return;
                }
                if !self.is_calm && self.rng.percent(5) {
                    last = last.saturating_sub(self.rng.below(5)).max(position.0.saturating_sub(1));
                    self.see("older copy");
                }
                process.feed.caught_up = Some(last);
            }
            ListJob::Purge { below } => {
                self.engine.purge(below.0);
                self.see("purge");
            }
        }
    }
}
