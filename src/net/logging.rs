//! Diagnostics. They are formatted on the calling thread and printed by a worker thread, so that a
//! terminal that blocks never stalls a loop.

mod batch;
mod rate_limit;
mod stderr;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::clock::{Stopwatch, unix_now};
use super::worker::{Sink, Worker};
use crate::limits::DIAGNOSTICS_QUEUE_MAX;
use crate::text::{self, Counted};
use crate::time::{Millis, UnixMillis};
use rate_limit::RateLimit;

pub use stderr::{Reader, print_to_stderr};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Time of the event.
    pub time: UnixMillis,
    /// Level of the line.
    pub level: Level,
    /// Module that logs the line.
    pub target: String,
    /// The text, escaped for a terminal, because it may contain bytes of a peer.
    pub text: String,
}

/// Function that prints diagnostics in order. Returns the number of lines that were not printed.
/// [`print_to_stderr`] makes the one for standard error.
pub type Print = Box<dyn FnMut(&[Diagnostic]) -> usize + Send>;

/// Returns a function that prints each line alone, with `print`.
pub fn print_each<P>(mut print: P) -> Print
where
    P: FnMut(&Diagnostic) -> io::Result<()> + Send + 'static,
{
    Box::new(move |lines| lines.iter().map(|line| usize::from(print(line).is_err())).sum())
}

/// Logger of the process. Its owner can wait at the end until the last lines are printed.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    queue: Arc<LogQueue>,
}

impl Diagnostics {
    /// Installs the logger. Lines of `level` and above go to `print`. Of other crates only warnings
    /// and errors are printed.
    ///
    /// # Errors
    ///
    /// If no thread can be started, or a logger is installed already.
    pub fn install(level: LevelFilter, print: Print) -> io::Result<Self> {
        let diagnostics = Self::new(print)?;
        log::set_boxed_logger(Box::new(diagnostics.clone())).map_err(io::Error::other)?;
        log::set_max_level(level);
        Ok(diagnostics)
    }

    fn new(print: Print) -> io::Result<Self> {
        let lost = Arc::new(AtomicUsize::new(0));
        let (limit, running) = (RateLimit::default(), Stopwatch::start());
        let printer = LogPrinter { print, lost: Arc::clone(&lost), limit, running };
        let worker = Worker::start("diagnostics", DIAGNOSTICS_QUEUE_MAX, printer, None)?;
        Ok(Self { queue: Arc::new(LogQueue { worker, lost }) })
    }

    /// Takes no more lines, and waits until all are printed. Returns false after a timeout of
    /// `wait`. In that case standard error is stuck, and a direct write to it may block.
    #[must_use]
    pub fn close(&self, wait: Duration) -> bool {
        self.queue.worker.close(wait)
    }
}

#[derive(Debug)]
struct LogQueue {
    worker: Worker<LogPrinter>,
    /// Number of lines that were lost and not reported yet: the queue was full, or printing failed.
    lost: Arc<AtomicUsize>,
}

impl Log for Diagnostics {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with(env!("CARGO_PKG_NAME"));
        ours || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let diagnostic = Diagnostic {
            time: unix_now(),
            level: record.level(),
            target: record.target().to_owned(),
            text: text::for_terminal(&record.args().to_string()).to_string(),
        };
        if self.queue.worker.try_submit(diagnostic).is_err() {
            self.queue.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Does nothing. [`Diagnostics::close`] waits with a timeout.
    fn flush(&self) {}
}

/// The worker thread's side.
struct LogPrinter {
    print: Print,
    lost: Arc<AtomicUsize>,
    limit: RateLimit,
    /// Time for the rate limit, because the wall clock may jump.
    running: Stopwatch,
}

impl LogPrinter {
    fn now(&self) -> Millis {
        Millis::new(u64::try_from(self.running.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns the summaries of lines that were left out until `now`.
    fn summaries(&mut self, now: Millis) -> Vec<Diagnostic> {
        let mut summaries = self.limit.end_windows(now);
        summaries.iter_mut().for_each(|summary| summary.time = unix_now());
        summaries
    }
}

impl Sink for LogPrinter {
    type Job = Diagnostic;
    type Done = ();

    fn run(&mut self, batch: Vec<Diagnostic>) {
        // These lines came after this batch, which had filled the queue.
        let mut lost = self.lost.swap(0, Ordering::Relaxed);
        let now = self.now();
        let mut lines = self.summaries(now);
        lines.extend(batch.into_iter().filter(|diagnostic| self.limit.allows(diagnostic, now)));
        lost = lost.saturating_add((self.print)(&lines));
        if lost > 0 {
            let lines = Counted(lost, "line was", "lines were");
            let notice = Diagnostic {
                time: unix_now(),
                level: Level::Warn,
                target: module_path!().to_owned(),
                text: format!("log: {lines} lost here: standard error was not read in time"),
            };
            if (self.print)(&[notice]) > 0 {
                self.lost.fetch_add(lost, Ordering::Relaxed); // Reported when printing works again.
            }
        }
    }

    fn idle_timeout(&self) -> Option<Duration> {
        Some(self.limit.next_deadline()?.duration_since(self.now()))
    }

    /// Prints the summaries that are not due yet, because no later batch will print them.
    fn finish(&mut self) {
        let summaries = self.summaries(Millis::new(u64::MAX));
        (self.print)(&summaries);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::limits::LOG_SUBJECT_LINES_MAX;

    const WAIT: Duration = Duration::from_secs(10);

    fn log_line(diagnostics: &Diagnostics, target: &str, level: Level, text: &str) {
        let mut record = Record::builder();
        diagnostics.log(&record.level(level).target(target).args(format_args!("{text}")).build());
    }

    fn info(diagnostics: &Diagnostics, text: &str) {
        log_line(diagnostics, "groupcast::test", Level::Info, text);
    }

    /// Returns diagnostics whose printer waits for a verdict on each line, the sender of verdicts,
    /// and the printed lines.
    fn gated() -> (Diagnostics, Sender<bool>, Receiver<String>) {
        let (gate, verdicts) = channel();
        let (sender, printed) = channel();
        let diagnostics = Diagnostics::new(print_each(move |diagnostic| {
            let _ = sender.send(diagnostic.text.clone());
            let is_good = verdicts.recv().unwrap_or(true);
            if is_good { Ok(()) } else { Err(io::Error::other("a bad verdict")) }
        }));
        (diagnostics.unwrap(), gate, printed)
    }

    #[test]
    fn a_stuck_printer_blocks_no_caller_and_lost_lines_are_reported_where_they_are_missing() {
        let (diagnostics, gate, printed) = gated();
        info(&diagnostics, "first");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "first");
        for number in 0..DIAGNOSTICS_QUEUE_MAX + 3 {
            log_line(&diagnostics, "groupcast::test", Level::Debug, &number.to_string());
        }
        drop(gate);
        for number in 0..DIAGNOSTICS_QUEUE_MAX {
            assert_eq!(printed.recv_timeout(WAIT).unwrap(), number.to_string());
        }
        assert_eq!(
            printed.recv_timeout(WAIT).unwrap(),
            "log: 3 lines were lost here: standard error was not read in time"
        );
        info(&diagnostics, "last");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "last");
        assert!(diagnostics.close(WAIT));
    }

    #[test]
    fn lines_that_could_not_be_printed_are_reported_when_printing_works_again() {
        let (diagnostics, gate, printed) = gated();
        info(&diagnostics, "first");
        gate.send(false).unwrap();
        gate.send(false).unwrap();
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "first");
        assert_eq!(
            printed.recv_timeout(WAIT).unwrap(),
            "log: 1 line was lost here: standard error was not read in time"
        );
        drop(gate);
        info(&diagnostics, "second");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "second");
        assert_eq!(
            printed.recv_timeout(WAIT).unwrap(),
            "log: 1 line was lost here: standard error was not read in time"
        );
        assert!(diagnostics.close(WAIT));
        assert!(printed.try_recv().is_err(), "reported once");
    }

    #[test]
    fn a_peer_cannot_control_the_terminal_and_warnings_of_libraries_are_printed() {
        let (diagnostics, gate, printed) = gated();
        drop(gate);
        log_line(&diagnostics, "mio::poll", Level::Info, "not ours");
        log_line(&diagnostics, "mio::poll", Level::Warn, "matters");
        info(&diagnostics, "a\u{1b}[2J\nb\u{9b}c é\u{2028}#");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "matters");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), r"a\u{1b}[2J\u{a}b\u{9b}c é\u{2028}#");
    }

    #[test]
    fn lines_that_were_left_out_are_summarised_when_the_log_is_closed() {
        let (diagnostics, gate, printed) = gated();
        drop(gate);
        (0..50).for_each(|number| info(&diagnostics, &format!("bob: flap {number}")));
        assert!(diagnostics.close(WAIT));
        let lines: Vec<String> = printed.try_iter().collect();
        assert_eq!(lines.len(), LOG_SUBJECT_LINES_MAX + 1);
        let summary =
            format!("{} more lines in 60 s, the last: flap 49", 50 - LOG_SUBJECT_LINES_MAX);
        assert_eq!(lines.last().unwrap(), &format!("bob: {summary}"));
    }
}
