//! The writer of the journal, which is no thread here: it takes virtual time.

use std::cell::RefCell;
use std::rc::Rc;

use groupcast::coordinator::WriterQueue;
use groupcast::journal::{JournalWriter, WriterJob, WriterReport};
use groupcast::net::Full;

use crate::storage::Storage;

/// The writer of one life of the coordinator, which takes its time. Its clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct SimWriter(Rc<RefCell<WriterState>>);

#[derive(Debug)]
struct WriterState {
    writer: JournalWriter<Storage>,
    /// Most jobs that wait.
    jobs_max: usize,
    jobs: Vec<WriterJob>,
    /// Report of the batch that the writer works on.
    writing: Option<WriterReport>,
    written: Vec<WriterReport>,
}

impl SimWriter {
    pub(crate) fn new(writer: JournalWriter<Storage>, jobs_max: usize) -> Self {
        let (jobs, writing, written) = (Vec::new(), None, Vec::new());
        Self(Rc::new(RefCell::new(WriterState { writer, jobs_max, jobs, writing, written })))
    }

    /// Returns the jobs that wait, if the writer has nothing else to do.
    pub(crate) fn next_batch(&self) -> Option<Vec<WriterJob>> {
        let mut state = self.0.borrow_mut();
        let is_free = state.writing.is_none() && !state.jobs.is_empty();
        is_free.then(|| std::mem::take(&mut state.jobs))
    }

    /// Begins to write. The disk knows how long it takes.
    pub(crate) fn write(&self, jobs: Vec<WriterJob>) {
        let mut state = self.0.borrow_mut();
        state.writing = Some(state.writer.write(jobs));
    }

    /// The writer is done with what it began, and reports it.
    pub(crate) fn finish(&self) {
        let mut state = self.0.borrow_mut();
        let report = state.writing.take();
        state.written.extend(report);
    }

    pub(crate) fn is_idle(&self) -> bool {
        let state = self.0.borrow();
        state.writing.is_none() && state.written.is_empty()
    }
}

impl WriterQueue for SimWriter {
    fn try_submit(&self, job: WriterJob) -> Result<(), Full<WriterJob>> {
        let mut state = self.0.borrow_mut();
        if state.jobs.len() >= state.jobs_max {
            return Err(Full(job));
        }
        state.jobs.push(job);
        Ok(())
    }

    fn completions(&self) -> Vec<WriterReport> {
        std::mem::take(&mut self.0.borrow_mut().written)
    }
}
