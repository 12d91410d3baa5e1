//! The journal's worker: it writes what it is handed, and says what is safe.

use std::io;
use std::time::Duration;

use crate::journal::{Directory, Disk, SegmentHeader, Store, SyncMode, Writer};
use crate::net::{Sink, Stopwatch};

/// What the journal's worker is asked to do.
#[derive(Debug)]
pub enum WriterJob {
    /// Write these records; `commit` is done with them.
    Append {
        /// Its number.
        commit: u64,
        /// One behind the other.
        records: Vec<u8>,
        /// Whether they must be safe against power loss before they count.
        must_sync: bool,
    },
    /// Begin a segment.
    NewSegment(NewSegment),
    /// Make safe what was written so far.
    Sync,
    /// See that what was written is still where a start will look for it.
    Check,
    /// Nothing in this segment is needed any more.
    Remove {
        /// Which.
        serial: u64,
    },
}

/// A segment to be begun.
#[derive(Debug)]
pub struct NewSegment {
    /// What is done with it.
    pub(super) commit: u64,
    pub(super) header: SegmentHeader,
    /// What it begins with.
    pub(super) records: Vec<u8>,
    /// For the end of the segment before it, once there is this one.
    pub(super) continued: Vec<u8>,
    /// It holds everything that a failure before it kept from being written.
    pub(super) is_rescue: bool,
    /// True if the segment holds every kept message, so that no earlier segment is needed.
    pub(super) is_whole: bool,
}

/// What came of a batch of jobs.
#[derive(Debug, Default)]
pub struct WriterReport {
    /// The last commit that is done.
    pub(super) done: Option<u64>,
    /// The last commit of those that came to nothing.
    pub(super) failed: Option<u64>,
    /// The last commit that is safe against power loss, with all before it.
    pub(super) synced: Option<u64>,
    /// Why something could not be done.
    pub(super) issue: Option<String>,
    /// How long each sync took.
    pub(super) syncs: Vec<Duration>,
    /// Whether a sync that was asked for by itself has come to its end, good or bad.
    pub(super) has_synced: bool,
    /// Segments that are gone, or stay for a reason that was logged.
    pub(super) removed: Vec<u64>,
    /// Segments that must stay for now.
    pub(super) kept: Vec<u64>,
    /// Segments that somebody else moved away, deleted or replaced.
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

/// The worker's side of the journal.
#[derive(Debug)]
pub struct SegmentWriter<D: Disk> {
    store: Store<D>,
    /// None once it has failed: nothing is ever confirmed from that file again.
    writer: Option<Writer<D::File>>,
    /// The last commit that was written.
    written: u64,
    /// The last commit that was synced.
    synced: u64,
    /// Segments are missing, and what is kept of them stands nowhere yet.
    is_incomplete: bool,
}

impl<D: Disk> SegmentWriter<D> {
    pub(super) fn new(store: Store<D>, writer: Writer<D::File>) -> Self {
        Self { store, writer: Some(writer), written: 0, synced: 0, is_incomplete: false }
    }

    /// Does all of `batch`, in its order. Jobs that append, one behind the other, are one write and
    /// one sync.
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
        let Some(mut writer) = self.writer.take() else {
            report.failed = Some(commit);
            return;
        };
        let appended = self.store.append(&mut writer, records).and_then(|()| match must_sync {
            true => self.sync(&mut writer, report),
            false => Ok(()),
        });
        match appended {
            Ok(()) => {
                self.writer = Some(writer);
                self.written = commit;
                report.done = Some(commit);
                if must_sync {
                    self.mark_synced(report);
                }
            }
            Err(error) => {
                self.store.close(writer);
                report.fail(commit, &error);
            }
        }
    }

    fn start_segment(&mut self, segment: &NewSegment, report: &mut WriterReport) {
        let NewSegment { commit, header, records, continued, is_rescue, is_whole } = segment;
        if (self.writer.is_some() || *is_rescue) && !self.check(*commit, report) {
            return;
        }
        if self.is_incomplete && !is_whole {
            report.failed = Some(*commit); // It was made before the loss was known.
            return;
        }
        let mut old = self.writer.take();
        if old.is_none() && !is_rescue {
            report.failed = Some(*commit);
            return;
        }
        // No later sync looks back here.
        if header.sync != SyncMode::Never
            && self.synced < self.written
            && let Some(old) = &mut old
            && let Err(error) = self.sync(old, report)
        {
            return report.fail(*commit, &error);
        }
        let watch = Stopwatch::start();
        let created = self.store.create(header, records);
        match created {
            Ok(writer) => {
                report.syncs.push(watch.elapsed());
                if let Some(mut old) = old {
                    // Without it a loss of the new segment would not be noticed; it costs no more.
                    let _ = self.store.append(&mut old, continued);
                    self.store.close(old);
                }
                self.writer = Some(writer);
                self.written = *commit;
                self.is_incomplete = false;
                report.done = Some(*commit);
                self.mark_synced(report);
            }
            Err(error) => report.fail(*commit, &error),
        }
    }

    /// Returns true if a start would find the written records. If not, nothing more is written
    /// there.
    fn check(&mut self, commit: u64, report: &mut WriterReport) -> bool {
        match self.store.missing(self.writer.as_ref()) {
            Ok(missing) if missing.is_empty() => return true,
            Ok(missing) => {
                report.fail_for(commit, gone(&missing));
                report.missing.extend(missing);
                self.is_incomplete = true;
            }
            Err(error) => report.fail(commit, &error),
        }
        self.writer = None;
        false
    }

    fn sync(&mut self, writer: &mut Writer<D::File>, report: &mut WriterReport) -> io::Result<()> {
        let watch = Stopwatch::start();
        self.store.sync(writer)?;
        report.syncs.push(watch.elapsed());
        Ok(())
    }

    fn mark_synced(&mut self, report: &mut WriterReport) {
        self.synced = self.written;
        report.synced = Some(self.written);
    }

    fn sync_written(&mut self, report: &mut WriterReport) {
        let Some(mut writer) = self.writer.take() else { return };
        match self.sync(&mut writer, report) {
            Ok(()) => {
                self.writer = Some(writer);
                self.mark_synced(report);
            }
            Err(error) => {
                self.store.close(writer);
                report.fail(self.written, &error);
            }
        }
    }

    fn remove(&mut self, serial: u64, report: &mut WriterReport) {
        if self.store.serials().last().is_none_or(|newest| *newest <= serial) {
            // Where the members stand is in no later segment yet.
            return report.kept.push(serial);
        }
        if let Err(error) = self.store.remove(serial) {
            // What is not needed does no harm; the next start sees to it.
            log::warn!("segment {serial:016x} cannot be removed: {error}");
        }
        report.removed.push(serial);
    }
}

fn gone(missing: &[u64]) -> String {
    let count = missing.len();
    let first = missing.first().copied().unwrap_or_default();
    format!(
        "{count} segments were moved away, deleted or replaced, {first:016x} the first of them; \
         what is kept of their messages is written anew"
    )
}

impl Sink for SegmentWriter<Directory> {
    type Job = WriterJob;
    type Done = WriterReport;

    fn run(&mut self, batch: Vec<WriterJob>) -> WriterReport {
        self.write(batch)
    }
}
