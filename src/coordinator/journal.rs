//! The journal of the running coordinator: in memory, or on a disk with its writer on a thread.

use std::io;

use log::Level;
use mio::Registry;

use super::platform::WriterQueue;
#[cfg(feature = "engine")]
use super::site_journal::{EngineJournal, SiteView};
use crate::facts::{Fact, Journal};
use crate::group::{Group, Ticket};
#[cfg(feature = "engine")]
use crate::journal::SiteEnd;
use crate::journal::{
    Commits, Directory, JournalEnd, JournalNotice, JournalStats, JournalWriter, MemoryJournal,
    OpenedJournal, Progress, Salt, WriterJob, WriterReport,
};
#[cfg(feature = "engine")]
use crate::limits::list::LIST_CLOSE_MS;
use crate::limits::{JOURNAL_CLOSE_MS, JOURNAL_QUEUE_MAX};
#[cfg(feature = "engine")]
use crate::net::engine::EngineOptions;
use crate::net::{Full, Pool, Sink, Worker};
#[cfg(feature = "engine")]
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// The journal of a coordinator.
#[derive(Debug)]
pub enum GroupJournal<W = WriterThread> {
    /// Facts are kept in memory only.
    Memory(MemoryJournal),
    /// Facts become records on a disk.
    Disk(Box<DiskJournal<W>>),
    /// Facts come from a list that several sites share.
    #[cfg(feature = "engine")]
    Site(Box<EngineJournal>),
}

/// The writer of a journal, on a thread.
pub type WriterThread = Worker<JournalWriter<Directory>>;

impl WriterQueue for WriterThread {
    fn try_submit(&self, job: WriterJob) -> Result<(), Full<WriterJob>> {
        Worker::try_submit(self, job)
    }

    fn completions(&self) -> Vec<WriterReport> {
        Worker::completions(self)
    }
}

/// Both sides of a journal on a disk: [`Commits`] on the loop, and the way to the journal writer,
/// which is on a thread.
#[derive(Debug)]
pub struct DiskJournal<W> {
    commits: Commits,
    writer: W,
}

impl<W: WriterQueue> DiskJournal<W> {
    /// Submits jobs to the writer while its queue has room.
    fn submit_jobs(&mut self) {
        while let Some(job) = self.commits.poll_job() {
            if let Err(Full(job)) = self.writer.try_submit(job) {
                // The report of an earlier job starts the next turn.
                return self.commits.requeue(job);
            }
        }
    }
}

impl Sink for JournalWriter<Directory> {
    type Job = WriterJob;
    type Done = WriterReport;

    fn run(&mut self, batch: Vec<WriterJob>) -> WriterReport {
        self.write(batch)
    }
}

impl<W: WriterQueue> Journal<Group> for GroupJournal<W> {
    fn propose(&mut self, fact: Fact<'_>, ticket: Ticket, group: &mut Group, now: Now) {
        match self {
            Self::Memory(memory) => memory.propose(fact, ticket, group, now),
            Self::Disk(disk) => disk.commits.propose(fact, ticket, group, now),
            #[cfg(feature = "engine")]
            Self::Site(site) => site.propose(fact, ticket, group, now),
        }
    }

    #[cfg(feature = "engine")]
    fn is_lost(&mut self, seq: Seq) -> bool {
        match self {
            Self::Memory(_) | Self::Disk(_) => true,
            Self::Site(site) => site.is_lost(seq),
        }
    }
}

impl GroupJournal {
    /// Starts the journal writer on a thread that wakes the loop of `registry`.
    pub(super) fn start(
        opened: OpenedJournal<Group, Directory>,
        registry: &Registry,
    ) -> io::Result<(Group, Self)> {
        let OpenedJournal { state: group, commits, writer } = opened;
        let writer = Pool::new(registry)?.attach("journal", JOURNAL_QUEUE_MAX, writer)?;
        Ok((group, Self::on_disk(commits, writer)))
    }
}

impl<W: WriterQueue> GroupJournal<W> {
    /// Makes a journal of both its sides.
    #[must_use]
    pub fn on_disk(commits: Commits, writer: W) -> Self {
        Self::Disk(Box::new(DiskJournal { commits, writer }))
    }

    /// Takes the reports of the writer since the last call, and logs what the operator must know.
    pub(super) fn take_progress(&mut self, now: Millis) -> Progress {
        let mut progress = Progress::default();
        if let Self::Disk(disk) = self {
            for written in disk.writer.completions() {
                disk.commits.take(written, now, &mut progress);
            }
        }
        for notice in progress.notices.drain(..) {
            let level = match notice {
                JournalNotice::CannotWrite(_) => Level::Error,
                JournalNotice::CannotRemove { .. } => Level::Warn,
                JournalNotice::CanWriteAgain => Level::Info,
            };
            log::log!(level, "{notice}");
        }
        progress
    }

    /// Submits the facts of this turn.
    pub(super) fn commit(
        &mut self,
        group: &mut Group,
        now: Now,
        mut random: impl FnMut() -> Option<u64>,
    ) {
        match self {
            Self::Memory(_) => (),
            Self::Disk(disk) => {
                disk.commits.commit(group, now, || random().map(Salt));
                disk.submit_jobs();
            }
            #[cfg(feature = "engine")]
            Self::Site(site) => site.commit(group, now, random),
        }
    }

    /// Takes the settings of a group that have changed.
    pub(super) fn on_rules_changed(&mut self, group: &Group) {
        match self {
            Self::Memory(_) => (),
            Self::Disk(disk) => disk.commits.on_rules_changed(group),
            #[cfg(feature = "engine")]
            Self::Site(_) => (),
        }
    }

    /// Returns the time at which the journal has something to do without new facts.
    pub(super) fn deadline(&self) -> Option<Millis> {
        match self {
            Self::Memory(_) => None,
            Self::Disk(disk) => disk.commits.deadline(),
            #[cfg(feature = "engine")]
            Self::Site(site) => site.deadline(),
        }
    }

    /// Returns true if all facts are committed.
    pub(super) fn is_idle(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Disk(disk) => disk.commits.is_idle(),
            #[cfg(feature = "engine")]
            Self::Site(site) => site.journal.is_idle(),
        }
    }

    /// Returns true if a member came to this site of several since the last call.
    #[cfg(feature = "engine")]
    pub(super) fn take_joined(&mut self) -> bool {
        match self {
            Self::Memory(_) | Self::Disk(_) => false,
            Self::Site(site) => site.journal.take_joined(),
        }
    }

    /// Returns true for a list that decides proposals later.
    #[cfg(feature = "engine")]
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Site(_))
    }

    /// Connects a site to the engine again, if the credentials or the CA differ.
    #[cfg(feature = "engine")]
    pub(super) fn log_in_again(&mut self, options: EngineOptions) -> bool {
        match self {
            Self::Memory(_) | Self::Disk(_) => false,
            Self::Site(site) => site.log_in_again(options),
        }
    }

    /// Returns the site of several in numbers.
    #[cfg(feature = "engine")]
    pub(super) fn site_view(&self, now: Millis) -> Option<SiteView<'_>> {
        match self {
            Self::Memory(_) | Self::Disk(_) => None,
            Self::Site(site) => Some(site.view(now)),
        }
    }

    /// Returns true if reports of the engine are left for the next turn.
    #[cfg(feature = "engine")]
    pub(super) fn has_reports(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Disk(_) => false,
            Self::Site(site) => site.has_reports(),
        }
    }

    /// Returns the time at which the stream of a site was made.
    #[cfg(feature = "engine")]
    pub(super) fn created_ns(&self) -> Option<u64> {
        match self {
            Self::Memory(_) | Self::Disk(_) => None,
            Self::Site(site) => site.created_ns(),
        }
    }

    /// Returns the reason why this process cannot serve as a site.
    #[cfg(feature = "engine")]
    pub(super) fn site_end(&self) -> Option<&SiteEnd> {
        match self {
            Self::Memory(_) | Self::Disk(_) => None,
            Self::Site(site) => site.site_end(),
        }
    }

    /// Returns true if the writer may need a file soon.
    pub(super) fn is_starting_segment(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Disk(disk) => disk.commits.is_starting_segment(),
            #[cfg(feature = "engine")]
            Self::Site(_) => false,
        }
    }

    /// Returns the lines of `stats` about the journal.
    pub(super) fn stats(&self) -> Option<JournalStats<'_>> {
        match self {
            Self::Memory(_) => None,
            Self::Disk(disk) => Some(disk.commits.stats()),
            #[cfg(feature = "engine")]
            Self::Site(_) => None,
        }
    }

    /// Returns the word for what keeps the facts.
    pub(super) const fn storage(&self) -> &'static str {
        match self {
            Self::Memory(_) | Self::Disk(_) => "disk",
            #[cfg(feature = "engine")]
            Self::Site(_) => "engine",
        }
    }

    /// Returns the bytes that wait for the disk.
    pub(super) fn waiting_bytes(&self) -> usize {
        match self {
            Self::Memory(_) => 0,
            Self::Disk(disk) => disk.commits.waiting_bytes(),
            #[cfg(feature = "engine")]
            Self::Site(site) => site.journal.waiting_bytes(),
        }
    }

    /// Returns a change of [`Commits::take_fullness`].
    pub(super) fn take_fullness(&mut self) -> Option<bool> {
        match self {
            Self::Memory(_) => None,
            Self::Disk(disk) => disk.commits.take_fullness(),
            #[cfg(feature = "engine")]
            Self::Site(site) => site.journal.take_fullness(),
        }
    }

    /// Returns the milliseconds that the end of the journal may take.
    pub(super) fn close_ms(&self) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::Disk(_) => JOURNAL_CLOSE_MS,
            #[cfg(feature = "engine")]
            Self::Site(_) => LIST_CLOSE_MS,
        }
    }

    /// Submits the end of the journal. [`GroupJournal::end`] returns its outcome.
    pub(super) fn close(&mut self, group: &mut Group, now: Now) {
        match self {
            Self::Memory(_) => (),
            Self::Disk(disk) => {
                disk.commits.close(group, now);
                disk.submit_jobs();
            }
            #[cfg(feature = "engine")]
            Self::Site(site) => site.close(group, now),
        }
    }

    /// Continues the end of the journal, and returns its outcome.
    pub(super) fn end(&mut self, group: &mut Group, now: Now) -> JournalEnd {
        let _ = self.take_progress(now.steady);
        match self {
            Self::Memory(_) => JournalEnd::Written,
            Self::Disk(disk) => {
                disk.submit_jobs();
                let _ = group; // Its facts are in the jobs.
                disk.commits.end()
            }
            #[cfg(feature = "engine")]
            Self::Site(site) => site.end(group, now),
        }
    }
}
