//! The journal's worker: it writes what it is handed, and says what is safe.

use std::io;
use std::time::Duration;

use crate::event_loop::{Sink, Stopwatch};
use crate::journal::{Files, Header, Segment, Store};

/// What the journal's worker is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Write these records; `commit` is done with them.
    Append {
        commit: u64,
        records: Vec<u8>,
        /// Whether they must be safe against power loss before they count.
        must_sync: bool,
    },
    /// Begin a segment with these records; `commit` is done with them.
    Begin { commit: u64, header: Header, records: Vec<u8> },
    /// Make safe what was written so far.
    Sync,
    /// Everything in this segment has expired.
    Remove { serial: u64 },
}

/// What came of a batch of jobs.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The last commit that is done.
    pub(super) done: Option<u64>,
    /// The last commit of those that came to nothing.
    pub(super) failed: Option<u64>,
    /// Everything up to this commit is safe against power loss.
    pub(super) synced: Option<u64>,
    /// Why something could not be done.
    pub(super) trouble: Option<String>,
    /// How long each sync took.
    pub(super) syncs: Vec<Duration>,
    /// Segments that are gone.
    pub(super) removed: Vec<u64>,
}

/// The worker's side of the journal.
#[derive(Debug)]
pub(super) struct Scribe {
    store: Store<Files>,
    /// None once it has failed: nothing is ever confirmed from that file again.
    segment: Option<Segment>,
    /// The last commit that was written.
    written: u64,
}

impl Scribe {
    pub(super) fn new(store: Store<Files>, segment: Segment) -> Self {
        Self { store, segment: Some(segment), written: 0 }
    }

    /// Writes the records of as many jobs as follow one another with one call, and one sync.
    fn append(&mut self, last: u64, records: &[u8], must_sync: bool, report: &mut Written) {
        let Some(mut segment) = self.segment.take() else {
            report.failed = Some(last);
            return;
        };
        let result = self.store.append(&mut segment, records).and_then(|()| {
            if must_sync { self.sync(&mut segment, report) } else { Ok(()) }
        });
        match result {
            Ok(()) => {
                self.segment = Some(segment);
                self.written = last;
                report.done = Some(last);
                if must_sync {
                    report.synced = Some(last);
                }
            }
            Err(error) => {
                report.failed = Some(last);
                report.trouble = Some(error.to_string());
            }
        }
    }

    fn begin(&mut self, commit: u64, header: &Header, records: &[u8], report: &mut Written) {
        self.segment = None;
        let begun = self.store.create(header).and_then(|mut segment| {
            self.store.append(&mut segment, records)?;
            self.sync(&mut segment, report)?;
            Ok(segment)
        });
        match begun {
            Ok(segment) => {
                self.segment = Some(segment);
                self.written = commit;
                report.done = Some(commit);
                report.synced = Some(commit);
            }
            Err(error) => {
                report.failed = Some(commit);
                report.trouble = Some(error.to_string());
            }
        }
    }

    fn sync(&self, segment: &mut Segment, report: &mut Written) -> io::Result<()> {
        let watch = Stopwatch::start();
        self.store.sync(segment)?;
        report.syncs.push(watch.elapsed());
        Ok(())
    }

    fn sync_now(&mut self, report: &mut Written) {
        let Some(mut segment) = self.segment.take() else { return };
        match self.sync(&mut segment, report) {
            Ok(()) => {
                self.segment = Some(segment);
                report.synced = Some(self.written);
            }
            Err(error) => {
                report.failed = Some(self.written);
                report.trouble = Some(error.to_string());
            }
        }
    }
}

impl Sink for Scribe {
    type Job = Job;
    type Done = Written;

    fn run(&mut self, batch: Vec<Job>) -> Written {
        let mut report = Written::default();
        let mut jobs = batch.into_iter().peekable();
        while let Some(job) = jobs.next() {
            match job {
                Job::Append { mut commit, mut records, mut must_sync } => {
                    while let Some(Job::Append { commit: next, records: more, must_sync: must }) =
                        jobs.next_if(|job| matches!(job, Job::Append { .. }))
                    {
                        commit = next;
                        records.extend_from_slice(&more);
                        must_sync |= must;
                    }
                    self.append(commit, &records, must_sync, &mut report);
                }
                Job::Begin { commit, header, records } => {
                    self.begin(commit, &header, &records, &mut report);
                }
                Job::Sync => self.sync_now(&mut report),
                Job::Remove { serial } => match self.store.remove(serial) {
                    Ok(()) => report.removed.push(serial),
                    // It will be tried again: what has expired is harmless meanwhile.
                    Err(error) => log::warn!("segment {serial:016x} cannot be removed: {error}"),
                },
            }
        }
        report
    }
}
