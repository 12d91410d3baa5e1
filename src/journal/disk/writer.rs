//! The writer thread's side of the journal: writes records and segments, syncs and removes them.

use std::io;
use std::time::Duration;

use super::notice::JournalNotice;
use crate::journal::{Disk, SegmentFile, SegmentHeader, Store, SyncMode};
use crate::text::Counted;

/// A job for the writer thread.
#[derive(Debug)]
pub enum WriterJob {
    /// Write records. `commit` is done when they are written.
    Append {
        /// Number of the commit.
        commit: u64,
        /// Encoded records of the commit.
        records: Vec<u8>,
        /// True if the commit is done only after an fsync.
        must_sync: bool,
    },
    /// Start a segment.
    NewSegment(NewSegment),
    /// Sync all written records.
    Sync,
    /// Check that the written segments are still in the directory.
    Check,
    /// Remove a segment that is not needed any more.
    Remove {
        /// Serial number of the segment.
        serial: u64,
    },
}

/// A segment to be started.
#[derive(Debug)]
pub struct NewSegment {
    /// Commit that is done when the segment is written.
    pub(super) commit: u64,
    pub(super) header: SegmentHeader,
    /// Records of the snapshot at its beginning.
    pub(super) records: Vec<u8>,
    /// Record for the end of the previous segment. It is written after this segment exists.
    pub(super) continued: Vec<u8>,
    /// True if the segment contains all records that an earlier failure kept from being written.
    pub(super) is_rescue: bool,
    /// True if the segment contains all messages of the history, so that no earlier one is needed.
    pub(super) is_whole: bool,
}

/// Result of a batch of jobs.
#[derive(Debug, Default)]
pub struct WriterReport {
    /// Last commit that is done.
    pub(super) done: Option<u64>,
    /// Last commit that failed.
    pub(super) failed: Option<u64>,
    /// Last commit that is durable, with all commits before it.
    pub(super) synced: Option<u64>,
    /// Reason of a failure.
    pub(super) issue: Option<String>,
    /// Duration of each sync.
    pub(super) syncs: Vec<Duration>,
    /// True if a [`WriterJob::Sync`] has ended, successful or not.
    pub(super) has_synced: bool,
    /// Segments that were removed. Some may remain on the disk: see `unremoved`.
    pub(super) removed: Vec<u64>,
    /// Removed segments that remain on the disk.
    pub(super) unremoved: Vec<JournalNotice>,
    /// Segments that must not be removed yet.
    pub(super) kept: Vec<u64>,
    /// Segments that another program moved, deleted or replaced.
    pub(super) missing: Vec<u64>,
}

impl WriterReport {
    fn fail(&mut self, commit: u64, error: &io::Error) {
        self.fail_for(commit, error.to_string());
    }

    fn fail_for(&mut self, commit: u64, issue: String) {
        self.failed = Some(commit);
        self.issue = Some(issue);
    }
}

/// The writer thread's side of the journal.
#[derive(Debug)]
pub struct JournalWriter<D: Disk> {
    store: Store<D>,
    /// File of the current segment. `None` after a failure: nothing is confirmed from that file
    /// again.
    file: Option<SegmentFile<D::File>>,
    /// Last commit that was written.
    written: u64,
    /// Last commit that was synced.
    synced: u64,
    /// True if segments are missing and their messages are not written again yet.
    is_incomplete: bool,
}

impl<D: Disk> JournalWriter<D> {
    pub(super) fn new(store: Store<D>, file: SegmentFile<D::File>) -> Self {
        Self { store, file: Some(file), written: 0, synced: 0, is_incomplete: false }
    }

    /// Does all jobs of `batch` in order. Consecutive appends become one write and one sync.
    pub fn write(&mut self, batch: Vec<WriterJob>) -> WriterReport {
        let mut report = WriterReport::default();
        let mut jobs = batch.into_iter().peekable();
        while let Some(job) = jobs.next() {
            match job {
                WriterJob::Append { mut commit, mut records, mut must_sync } => {
                    let follows = |job: &WriterJob| matches!(job, WriterJob::Append { .. });
                    while let Some(WriterJob::Append {
                        commit: next,
                        records: more,
                        must_sync: must,
                    }) = jobs.next_if(follows)
                    {
                        commit = next;
                        records.extend_from_slice(&more);
                        must_sync |= must;
                    }
                    self.append(commit, &records, must_sync, &mut report);
                }
                WriterJob::NewSegment(segment) => self.start_segment(&segment, &mut report),
                WriterJob::Sync => {
                    report.has_synced = true;
                    self.sync_written(&mut report);
                }
                WriterJob::Check => {
                    self.check(self.written, &mut report);
                }
                WriterJob::Remove { serial } => self.remove(serial, &mut report),
            }
        }
        report
    }

    fn append(&mut self, commit: u64, records: &[u8], must_sync: bool, report: &mut WriterReport) {
        let Some(mut file) = self.file.take() else {
            report.failed = Some(commit);
            return;
        };
        let appended = self.store.append(&mut file, records).and_then(|()| match must_sync {
            true => self.sync(&mut file, report),
            false => Ok(()),
        });
        match appended {
            Ok(()) => {
                self.file = Some(file);
                self.written = commit;
                report.done = Some(commit);
                if must_sync {
                    self.mark_synced(report);
                }
            }
            Err(error) => {
                self.store.close(file);
                report.fail(commit, &error);
            }
        }
    }

    fn start_segment(&mut self, segment: &NewSegment, report: &mut WriterReport) {
        let NewSegment { commit, header, records, continued, is_rescue, is_whole } = segment;
        if (self.file.is_some() || *is_rescue) && !self.check(*commit, report) {
            return;
        }
        if self.is_incomplete && !is_whole {
            report.failed = Some(*commit); // The job was made before the loss was known.
            return;
        }
        let mut old = self.file.take();
        if old.is_none() && !is_rescue {
            report.failed = Some(*commit);
            return;
        }
        // Later syncs do not include the old segment.
        if header.sync != SyncMode::Never
            && self.synced < self.written
            && let Some(old) = &mut old
            && let Err(error) = self.sync(old, report)
        {
            return report.fail(*commit, &error);
        }
        let started = self.store.elapsed();
        let created = self.store.create(header, records);
        match created {
            Ok(file) => {
                report.syncs.push(self.store.elapsed().saturating_sub(started));
                if let Some(mut old) = old {
                    // Ignores an error: it only means that a later loss of the new segment is not
                    // noticed.
                    let _ = self.store.append(&mut old, continued);
                    self.store.close(old);
                }
                self.file = Some(file);
                self.written = *commit;
                self.is_incomplete = false;
                report.done = Some(*commit);
                self.mark_synced(report);
            }
            Err(error) => report.fail(*commit, &error),
        }
    }

    /// Returns true if a start would find the written records. Otherwise closes the segment.
    fn check(&mut self, commit: u64, report: &mut WriterReport) -> bool {
        match self.store.missing(self.file.as_ref()) {
            Ok(missing) if missing.is_empty() => return true,
            Ok(missing) => {
                report.fail_for(commit, missing_segments(&missing));
                report.missing.extend(missing);
                self.is_incomplete = true;
            }
            Err(error) => report.fail(commit, &error),
        }
        self.file = None;
        false
    }

    fn sync(
        &mut self,
        file: &mut SegmentFile<D::File>,
        report: &mut WriterReport,
    ) -> io::Result<()> {
        let started = self.store.elapsed();
        self.store.sync(file)?;
        report.syncs.push(self.store.elapsed().saturating_sub(started));
        Ok(())
    }

    fn mark_synced(&mut self, report: &mut WriterReport) {
        self.synced = self.written;
        report.synced = Some(self.written);
    }

    fn sync_written(&mut self, report: &mut WriterReport) {
        let Some(mut file) = self.file.take() else { return };
        match self.sync(&mut file, report) {
            Ok(()) => {
                self.file = Some(file);
                self.mark_synced(report);
            }
            Err(error) => {
                self.store.close(file);
                report.fail(self.written, &error);
            }
        }
    }

    fn remove(&mut self, serial: u64, report: &mut WriterReport) {
        if self.store.serials().last().is_none_or(|newest| *newest <= serial) {
            // No later segment contains the cursors of the members yet.
            return report.kept.push(serial);
        }
        if let Err(error) = self.store.remove(serial) {
            let reason = error.to_string();
            report.unremoved.push(JournalNotice::CannotRemove { serial, reason });
        }
        report.removed.push(serial);
    }
}

fn missing_segments(missing: &[u64]) -> String {
    let count = Counted(missing.len(), "segment was", "segments were");
    let first = missing.first().copied().unwrap_or_default();
    format!(
        "{count} moved, deleted or replaced (first: {first:016x}); messages of them that are still \
         in memory are written again"
    )
}
