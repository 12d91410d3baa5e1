//! Threads for work that may block, one for each file, so that no disk or terminal stalls a loop.
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

/// The work of a worker. A sink owns its file.
pub trait Sink: Send + 'static {
    /// One unit of work.
    type Job: Send;
    /// Result of a batch of jobs.
    type Done: Send;

    /// Does all jobs of `batch` in order. May block. The batch is empty only after
    /// [`Sink::idle_timeout`].
    fn run(&mut self, batch: Vec<Self::Job>) -> Self::Done;

    /// Returns the timeout after which a worker without jobs runs an empty batch, if any.
    fn idle_timeout(&self) -> Option<Duration> {
        None
    }

    /// Does the last work, after the last batch. May block.
    fn finish(&mut self) {}
}

/// Workers that wake one loop.
#[derive(Debug)]
pub struct Pool {
    waker: Arc<Waker>,
}

impl Pool {
    /// Makes a pool whose workers wake the loop of `registry` under [`WAKER`]. A poll has one pool.
    ///
    /// # Errors
    ///
    /// The error of the poll.
    pub fn new(registry: &Registry) -> io::Result<Self> {
        Ok(Self { waker: Arc::new(Waker::new(registry, WAKER)?) })
    }

    /// Returns the waker of the loop, for other threads.
    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Starts a thread `name` for `sink`. At most `jobs_max` jobs can wait for it.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn attach<S: Sink>(&self, name: &str, jobs_max: usize, sink: S) -> io::Result<Worker<S>> {
        Worker::start(name, jobs_max, sink, Some(self.waker()))
    }
}

/// The loop's side of a worker. After a drop, the thread still finishes the waiting jobs.
pub struct Worker<S: Sink> {
    shared: Arc<Shared<S::Job, S::Done>>,
    jobs_max: usize,
}

/// Returns a job that was not accepted: the queue is full, or the worker is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<J>(pub J);

impl<J> fmt::Debug for Full<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<S: Sink> Worker<S> {
    /// Starts a worker. Without a waker nothing reports finished batches.
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

    /// Queues a job for the worker.
    ///
    /// # Errors
    ///
    /// [`Full`] with the job. The caller decides what to do with it.
    pub fn try_submit(&self, job: S::Job) -> Result<(), Full<S::Job>> {
        let mut state = self.shared.state();
        if state.closed || state.jobs.len() >= self.jobs_max {
            return Err(Full(job));
        }
        state.jobs.push(job);
        let is_asleep = mem::take(&mut state.asleep);
        drop(state); // A thread that wakes while the lock is taken would sleep again.
        if is_asleep {
            self.shared.jobs_ready.notify_one(); // A thread that runs takes the job by itself.
        }
        Ok(())
    }

    /// Returns the results of the batches since the last call, in order.
    #[must_use]
    pub fn completions(&self) -> Vec<S::Done> {
        mem::take(&mut self.shared.state().done)
    }

    /// Takes no more jobs, and waits until the queued jobs are done and the sink is dropped.
    /// Returns false after a timeout of `wait`. The last results can be fetched afterwards.
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

/// State of both threads. The lock is never held while a batch runs.
struct Shared<J, D> {
    state: Mutex<SharedState<J, D>>,
    jobs_ready: Condvar,
    ended: Condvar,
}

struct SharedState<J, D> {
    jobs: Vec<J>,
    done: Vec<D>,
    /// True if the thread waits for jobs and nothing has notified it.
    asleep: bool,
    closed: bool,
    ended: bool,
}

impl<J, D> Default for Shared<J, D> {
    fn default() -> Self {
        let (jobs, done) = (Vec::new(), Vec::new());
        let state = SharedState { jobs, done, asleep: false, closed: false, ended: false };
        Self { state: Mutex::new(state), jobs_ready: Condvar::new(), ended: Condvar::new() }
    }
}

impl<J, D> Shared<J, D> {
    fn state(&self) -> MutexGuard<'_, SharedState<J, D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for jobs, at most for `timeout`. Returns `None` if the worker is closed and idle.
    fn next_batch(&self, timeout: Option<Duration>) -> Option<Vec<J>> {
        let is_idle = |state: &mut SharedState<J, D>| state.jobs.is_empty() && !state.closed;
        let mut state = self.state();
        state.asleep = is_idle(&mut state);
        let mut state = match timeout {
            None => {
                self.jobs_ready.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner)
            }
            Some(timeout) => {
                let waited = self.jobs_ready.wait_timeout_while(state, timeout, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.asleep = false;
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
    drop(sink); // The file is closed before `ended` is reported.
    shared.state().ended = true;
    shared.ended.notify_all();
}

fn wake(waker: Option<&Waker>) {
    // This fails only if the file descriptor is bad. Then the poll fails, too, and reports it.
    let _ = waker.map(Waker::wake);
}

/// Ends the process if a worker panics. Otherwise the loop would wait for the worker forever.
pub(super) struct EndOnPanic;

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

    /// Reports each batch, and finishes the batch when the gate opens.
    struct Gated {
        started: Sender<Vec<u32>>,
        gate: Receiver<()>,
    }

    impl Sink for Gated {
        type Job = u32;
        type Done = Vec<u32>;

        fn run(&mut self, batch: Vec<u32>) -> Vec<u32> {
            // When the test is over, both channels are closed, and the batch finishes.
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

    /// Reports the length of each batch, with an idle timeout of 1 ms.
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
    fn an_idle_worker_runs_an_empty_batch_and_finish_comes_last() {
        let (sender, ran) = channel();
        let worker = Worker::start("idle", 1, Impatient(sender), None).unwrap();
        assert_eq!(ran.recv_timeout(WAIT), Ok(0));
        assert!(worker.close(WAIT));
        assert_eq!(ran.try_iter().last(), Some(usize::MAX));
    }

    #[test]
    fn all_waiting_jobs_are_one_batch_and_completions_come_in_order_with_a_wake_up() {
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
    fn a_waiting_worker_is_woken_for_every_job() {
        let mut fixture = WorkerFixture::new(8);
        for job in 0..500 {
            fixture.gate.send(()).unwrap();
            fixture.worker.try_submit(job).unwrap();
            assert!(fixture.woken(), "job {job}");
            assert_eq!(fixture.worker.completions(), [[job]]);
        }
    }

    #[test]
    fn a_job_above_the_limit_is_returned() {
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
    fn closing_finishes_the_queued_jobs_and_accepts_no_more() {
        let fixture = WorkerFixture::new(8);
        fixture.worker.try_submit(1).unwrap();
        fixture.started.recv_timeout(WAIT).unwrap();
        fixture.worker.try_submit(2).unwrap();
        assert!(!fixture.worker.close(Duration::from_millis(1)), "the gate is still closed");
        assert_eq!(fixture.worker.try_submit(3), Err(Full(3)));
        fixture.gate.send(()).unwrap();
        fixture.gate.send(()).unwrap();
        assert!(fixture.worker.close(WAIT));
        assert_eq!(fixture.worker.completions(), [[1], [2]]);
        assert!(fixture.gate.send(()).is_err(), "the sink is dropped by then");
    }

    #[test]
    fn a_dropped_worker_finishes_its_jobs_and_ends() {
        let fixture = WorkerFixture::new(8);
        fixture.worker.try_submit(1).unwrap();
        drop(fixture.worker);
        fixture.gate.send(()).unwrap();
        assert_eq!(fixture.started.recv_timeout(WAIT).unwrap(), [1]);
        assert!(fixture.started.recv_timeout(WAIT).is_err(), "the sink is dropped, not waiting");
    }
}
