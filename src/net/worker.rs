//! Threads that do what may block, one for each file: no disk and no terminal stalls a loop.
//!
//! ```text
//!   loop                     worker
//!    │ try_submit ─▶ jobs ─▶ │ run(all that wait) ─▶ file
//!    │ completions ◀─ done ◀─│
//!    └──────── WAKER ◀───────┘
//! ```

use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mio::{Registry, Waker};

use super::WAKER;

/// What a worker works on: it owns a file, and nobody else touches it.
pub trait Sink: Send + 'static {
    /// A piece of work.
    type Job: Send;
    /// What came of a batch of them.
    type Done: Send;

    /// Does all of `batch`, in its order. May block. The batch is empty only after an
    /// [`Sink::idle_timeout`].
    fn run(&mut self, batch: Vec<Self::Job>) -> Self::Done;

    /// Returns the time that the worker waits for a job before it runs an empty batch; `None` is
    /// without end.
    fn idle_timeout(&self) -> Option<Duration> {
        None
    }

    /// Does the last work, behind the last batch. May block.
    fn finish(&mut self) {}
}

/// Workers that wake one loop.
#[derive(Debug)]
pub struct Pool {
    waker: Arc<Waker>,
}

impl Pool {
    /// The workers of the loop of `registry`, which they wake under [`WAKER`]. One for each poll.
    ///
    /// # Errors
    ///
    /// Those of the poll.
    pub fn new(registry: &Registry) -> io::Result<Self> {
        Ok(Self { waker: Arc::new(Waker::new(registry, WAKER)?) })
    }

    /// What wakes the loop: for other threads that have something for it.
    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// A thread `name` for `sink`, for which `jobs_max` jobs can wait.
    ///
    /// # Errors
    ///
    /// If there can be no further thread.
    pub fn attach<S: Sink>(&self, name: &str, jobs_max: usize, sink: S) -> io::Result<Worker<S>> {
        Worker::start(name, jobs_max, sink, Some(self.waker()))
    }
}

/// The loop's end of a worker. Dropping it lets the thread finish what waits, unattended.
pub struct Worker<S: Sink> {
    shared: Arc<Shared<S::Job, S::Done>>,
    jobs_max: usize,
}

/// There is no room for this job, or the worker is closed. Here it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<J>(pub J);

impl<J> fmt::Debug for Full<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<S: Sink> Worker<S> {
    /// Without a waker nobody is told when a batch is done.
    pub(super) fn start(
        name: &str,
        jobs_max: usize,
        sink: S,
        waker: Option<Arc<Waker>>,
    ) -> io::Result<Self> {
        let worker = Self { shared: Arc::new(Shared::default()), jobs_max };
        let shared = Arc::clone(&worker.shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            work(&shared, sink, waker.as_deref());
        })?;
        Ok(worker)
    }

    /// Leaves a job for the worker.
    ///
    /// # Errors
    ///
    /// [`Full`] with the job: the caller says what becomes of it.
    pub fn try_submit(&self, job: S::Job) -> Result<(), Full<S::Job>> {
        let mut state = self.shared.state();
        if state.closed || state.jobs.len() >= self.jobs_max {
            return Err(Full(job));
        }
        state.jobs.push(job);
        let is_first = state.jobs.len() == 1;
        drop(state); // Who wakes up to a lock that is held goes to sleep again.
        if is_first {
            self.shared.jobs_ready.notify_one(); // With more than one it knows.
        }
        Ok(())
    }

    /// What came of the batches done since the last call, in order.
    #[must_use]
    pub fn completions(&self) -> Vec<S::Done> {
        mem::take(&mut self.shared.state().done)
    }

    /// Takes no more jobs, and waits until those that were taken are done and the sink is dropped;
    /// `false` if that needs longer than `wait`. The last completions can be fetched after it.
    #[must_use]
    pub fn close(&self, wait: Duration) -> bool {
        let state = self.mark_closed();
        let waited = self.shared.ended.wait_timeout_while(state, wait, |state| !state.ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.ended
    }

    fn mark_closed(&self) -> MutexGuard<'_, SharedState<S::Job, S::Done>> {
        let mut state = self.shared.state();
        state.closed = true;
        self.shared.jobs_ready.notify_one();
        state
    }
}

impl<S: Sink> Drop for Worker<S> {
    fn drop(&mut self) {
        drop(self.mark_closed());
    }
}

impl<S: Sink> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("jobs_max", &self.jobs_max).finish_non_exhaustive()
    }
}

/// Where both sides meet; held for moments only, never during work.
struct Shared<J, D> {
    state: Mutex<SharedState<J, D>>,
    jobs_ready: Condvar,
    ended: Condvar,
}

struct SharedState<J, D> {
    jobs: Vec<J>,
    done: Vec<D>,
    closed: bool,
    ended: bool,
}

impl<J, D> Default for Shared<J, D> {
    fn default() -> Self {
        let state = SharedState { jobs: Vec::new(), done: Vec::new(), closed: false, ended: false };
        Self { state: Mutex::new(state), jobs_ready: Condvar::new(), ended: Condvar::new() }
    }
}

impl<J, D> Shared<J, D> {
    fn state(&self) -> MutexGuard<'_, SharedState<J, D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for jobs, for no longer than `timeout`; `None` when there will be none.
    fn next_batch(&self, timeout: Option<Duration>) -> Option<Vec<J>> {
        let is_idle = |state: &mut SharedState<J, D>| state.jobs.is_empty() && !state.closed;
        let state = self.state();
        let mut state = match timeout {
            None => {
                self.jobs_ready.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner)
            }
            Some(timeout) => {
                let waited = self.jobs_ready.wait_timeout_while(state, timeout, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let batch = mem::take(&mut state.jobs);
        (!batch.is_empty() || !state.closed).then_some(batch)
    }
}

fn work<S: Sink>(shared: &Shared<S::Job, S::Done>, mut sink: S, waker: Option<&Waker>) {
    let _end = EndOnPanic;
    while let Some(batch) = shared.next_batch(sink.idle_timeout()) {
        let done = sink.run(batch);
        shared.state().done.push(done);
        wake(waker);
    }
    sink.finish();
    drop(sink); // Its file is closed before anybody hears that it is.
    shared.state().ended = true;
    shared.ended.notify_all();
}

fn wake(waker: Option<&Waker>) {
    // It fails only if its file descriptor is bad: then the poll fails too, and says so.
    let _ = waker.map(Waker::wake);
}

/// A worker that panicked would leave its loop waiting forever: the process ends instead.
struct EndOnPanic;

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use mio::{Events, Poll};

    use super::*;
    use crate::net::wait;
    use crate::time::Millis;

    const WAIT: Duration = Duration::from_secs(10);

    /// Says what it is given, and does it when it is let.
    struct Gated {
        started: Sender<Vec<u32>>,
        gate: Receiver<()>,
    }

    impl Sink for Gated {
        type Job = u32;
        type Done = Vec<u32>;

        fn run(&mut self, batch: Vec<u32>) -> Vec<u32> {
            // Without a bench at the other end, as when a test is over, it is let.
            let _ = self.started.send(batch.clone());
            let _ = self.gate.recv();
            batch
        }
    }

    struct WorkerFixture {
        poll: Poll,
        worker: Worker<Gated>,
        started: Receiver<Vec<u32>>,
        gate: Sender<()>,
    }

    impl WorkerFixture {
        fn new(jobs_max: usize) -> Self {
            let poll = Poll::new().unwrap();
            let (started_sender, started) = channel();
            let (gate, gate_receiver) = channel();
            let sink = Gated { started: started_sender, gate: gate_receiver };
            let pool = Pool::new(poll.registry()).unwrap();
            Self { worker: pool.attach("gated", jobs_max, sink).unwrap(), poll, started, gate }
        }

        fn woken(&mut self) -> bool {
            let mut events = Events::with_capacity(4);
            wait(&mut self.poll, &mut events, Millis::ZERO, Some(Millis::new(10_000))).unwrap();
            events.iter().any(|event| event.token() == WAKER)
        }
    }

    /// Answers each batch with its length; waits for no longer than an instant.
    struct Impatient(Sender<usize>);

    impl Sink for Impatient {
        type Job = ();
        type Done = ();

        fn run(&mut self, batch: Vec<()>) {
            let _ = self.0.send(batch.len());
        }

        fn idle_timeout(&self) -> Option<Duration> {
            Some(Duration::from_millis(1))
        }

        fn finish(&mut self) {
            let _ = self.0.send(usize::MAX);
        }
    }

    #[test]
    fn an_idle_worker_runs_an_empty_batch_and_the_last_work_comes_last() {
        let (sender, ran) = channel();
        let worker = Worker::start("idle", 1, Impatient(sender), None).unwrap();
        assert_eq!(ran.recv_timeout(WAIT), Ok(0));
        assert!(worker.close(WAIT));
        assert_eq!(ran.try_iter().last(), Some(usize::MAX));
    }

    #[test]
    fn all_that_waits_is_one_batch_and_completions_come_in_order_with_a_wake_up() {
        let mut fixture = WorkerFixture::new(8);
        fixture.worker.try_submit(1).unwrap();
        assert_eq!(fixture.started.recv_timeout(WAIT).unwrap(), [1]);
        for job in 2..=4 {
            fixture.worker.try_submit(job).unwrap();
        }
        assert!(fixture.worker.completions().is_empty());
        fixture.gate.send(()).unwrap();
        assert_eq!(fixture.started.recv_timeout(WAIT).unwrap(), [2, 3, 4]);
        assert!(fixture.woken());
        assert_eq!(fixture.worker.completions(), [[1]]);
        fixture.gate.send(()).unwrap();
        assert!(fixture.woken());
        assert_eq!(fixture.worker.completions(), [[2, 3, 4]]);
    }

    #[test]
    fn a_worker_that_waits_is_told_of_every_job() {
        let mut fixture = WorkerFixture::new(8);
        for job in 0..500 {
            fixture.gate.send(()).unwrap();
            fixture.worker.try_submit(job).unwrap();
            assert!(fixture.woken(), "job {job}");
            assert_eq!(fixture.worker.completions(), [[job]]);
        }
    }

    #[test]
    fn a_job_above_the_bound_comes_back() {
        let fixture = WorkerFixture::new(2);
        fixture.worker.try_submit(1).unwrap();
        fixture.started.recv_timeout(WAIT).unwrap();
        fixture.worker.try_submit(2).unwrap();
        fixture.worker.try_submit(3).unwrap();
        assert_eq!(fixture.worker.try_submit(4), Err(Full(4)));
        fixture.gate.send(()).unwrap();
        assert_eq!(fixture.started.recv_timeout(WAIT).unwrap(), [2, 3]);
        assert_eq!(fixture.worker.try_submit(4), Ok(()));
        fixture.gate.send(()).unwrap();
        fixture.gate.send(()).unwrap();
    }

    #[test]
    fn closing_finishes_what_was_taken_and_takes_no_more() {
        let fixture = WorkerFixture::new(8);
        fixture.worker.try_submit(1).unwrap();
        fixture.started.recv_timeout(WAIT).unwrap();
        fixture.worker.try_submit(2).unwrap();
        assert!(!fixture.worker.close(Duration::from_millis(1)), "it is at the gate still");
        assert_eq!(fixture.worker.try_submit(3), Err(Full(3)));
        fixture.gate.send(()).unwrap();
        fixture.gate.send(()).unwrap();
        assert!(fixture.worker.close(WAIT));
        assert_eq!(fixture.worker.completions(), [[1], [2]]);
        assert!(fixture.gate.send(()).is_err(), "the sink is dropped by then");
    }

    #[test]
    fn a_dropped_worker_does_what_it_has_and_ends() {
        let fixture = WorkerFixture::new(8);
        fixture.worker.try_submit(1).unwrap();
        drop(fixture.worker);
        fixture.gate.send(()).unwrap();
        assert_eq!(fixture.started.recv_timeout(WAIT).unwrap(), [1]);
        assert!(fixture.started.recv_timeout(WAIT).is_err(), "the sink is dropped, not waiting");
    }
}
