//! Diagnostics: formatted where they happen, printed by a worker: no terminal stalls a loop.

use std::fmt::Write;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

use super::clock::unix_now;
use super::workers::{Sink, Worker};
use crate::limits::DIAGNOSTICS_QUEUE_MAX;
use crate::time::UnixMillis;

/// One thing to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// When it happened.
    pub time: UnixMillis,
    /// How much it matters.
    pub level: Level,
    /// Which part of the program says it.
    pub target: String,
    /// One line without control characters: it may hold what a peer sent.
    pub text: String,
}

/// Prints diagnostics: standard error's is [`print_to_stderr`].
pub type Print = Box<dyn FnMut(&Diagnostic) -> io::Result<()> + Send>;

/// The process's diagnostics. Whoever holds this can wait at the end for the last of them.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    desk: Arc<Desk>,
}

impl Diagnostics {
    /// From here on everything of `level` and above, said with the macros of `log`, goes to
    /// `print`. Of what the libraries below say, only warnings and errors.
    ///
    /// # Errors
    ///
    /// If there is no thread for it, or diagnostics are installed already.
    pub fn install(level: LevelFilter, print: Print) -> io::Result<Self> {
        let diagnostics = Self::new(print)?;
        log::set_boxed_logger(Box::new(diagnostics.clone())).map_err(io::Error::other)?;
        log::set_max_level(level);
        Ok(diagnostics)
    }

    fn new(print: Print) -> io::Result<Self> {
        let lost = Arc::new(AtomicU64::new(0));
        let printer = Printer { print, lost: Arc::clone(&lost) };
        let worker = Worker::start("diagnostics", DIAGNOSTICS_QUEUE_MAX, printer, None)?;
        Ok(Self { desk: Arc::new(Desk { worker, lost }) })
    }

    /// Takes no more, and waits until all is printed; `false` if that needs longer than `wait`.
    /// Then standard error is stuck, and may block who writes to it directly.
    #[must_use]
    pub fn close(&self, wait: Duration) -> bool {
        self.desk.worker.close(wait)
    }
}

#[derive(Debug)]
struct Desk {
    worker: Worker<Printer>,
    /// Those for which there was no room, or which could not be printed, and that was not said yet.
    lost: Arc<AtomicU64>,
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
            text: one_line(&record.args().to_string()),
        };
        if self.desk.worker.try_submit(diagnostic).is_err() {
            self.desk.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Does nothing: who wants to wait says how long.
    fn flush(&self) {}
}

/// The worker's side.
struct Printer {
    print: Print,
    lost: Arc<AtomicU64>,
}

impl Sink for Printer {
    type Job = Diagnostic;
    type Done = ();

    fn run(&mut self, batch: Vec<Diagnostic>) {
        // What was lost up to here came behind this batch, which filled the queue.
        let mut lost = self.lost.swap(0, Ordering::Relaxed);
        for diagnostic in &batch {
            lost = lost.saturating_add(u64::from((self.print)(diagnostic).is_err()));
        }
        if lost > 0 {
            let notice = Diagnostic {
                time: unix_now(),
                level: Level::Warn,
                target: module_path!().to_owned(),
                text: format!("{lost} diagnostics were lost here"),
            };
            if (self.print)(&notice).is_err() {
                self.lost.fetch_add(lost, Ordering::Relaxed); // Said when something is printed.
            }
        }
    }
}

/// Prints to standard error with the time in UTC.
#[must_use]
pub fn print_to_stderr() -> Print {
    let printer = SimpleLogger::new();
    Box::new(move |diagnostic| {
        let Diagnostic { time, level, target, text } = diagnostic;
        // It panics where standard error cannot be written: a full disk, a pipe that nobody reads.
        // That must not end the program. (So the release profile has to unwind.)
        let print = AssertUnwindSafe(|| {
            let mut record = Record::builder();
            record.level(*level).target(target);
            printer.log(&record.args(format_args!("{} {text}", time_of_day(*time))).build());
        });
        catch_unwind(print).map_err(|_| io::Error::other("standard error cannot be written"))
    })
}

/// `HH:MM:SS.mmm` in UTC. Cheap, and enough beside the date that a journal or a file name has.
fn time_of_day(time: UnixMillis) -> String {
    let UnixMillis(millis) = time;
    let (seconds, minutes, hours) = (millis / 1000, millis / 60_000, millis / 3_600_000);
    format!("{:02}:{:02}:{:02}.{:03}Z", hours % 24, minutes % 60, seconds % 60, millis % 1000)
}

/// What a terminal would obey is shown instead.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            let _ = write!(line, "{}", character.escape_default()); // A string takes everything.
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    fn say(diagnostics: &Diagnostics, target: &str, level: Level, text: &str) {
        let mut record = Record::builder();
        diagnostics.log(&record.level(level).target(target).args(format_args!("{text}")).build());
    }

    fn info(diagnostics: &Diagnostics, text: &str) {
        say(diagnostics, "groupcast::test", Level::Info, text);
    }

    /// What is being printed, by a printer that then waits to be told how it went.
    fn gated() -> (Diagnostics, Sender<bool>, Receiver<String>) {
        let (gate, told) = channel();
        let (sender, printed) = channel();
        let diagnostics = Diagnostics::new(Box::new(move |diagnostic| {
            let _ = sender.send(diagnostic.text.clone());
            let well = told.recv().unwrap_or(true);
            if well { Ok(()) } else { Err(io::Error::other("told so")) }
        }));
        (diagnostics.unwrap(), gate, printed)
    }

    #[test]
    fn a_stuck_printer_stops_nobody_and_what_was_lost_is_said_where_it_is_missing() {
        let (diagnostics, gate, printed) = gated();
        info(&diagnostics, "first");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "first");
        for number in 0..DIAGNOSTICS_QUEUE_MAX + 3 {
            info(&diagnostics, &number.to_string());
        }
        drop(gate);
        for number in 0..DIAGNOSTICS_QUEUE_MAX {
            assert_eq!(printed.recv_timeout(WAIT).unwrap(), number.to_string());
        }
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "3 diagnostics were lost here");
        info(&diagnostics, "last");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "last");
        assert!(diagnostics.close(WAIT));
    }

    #[test]
    fn what_could_not_be_printed_is_said_once_something_can() {
        let (diagnostics, gate, printed) = gated();
        info(&diagnostics, "first");
        gate.send(false).unwrap();
        gate.send(false).unwrap();
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "first");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "1 diagnostics were lost here");
        drop(gate);
        info(&diagnostics, "second");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "second");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "1 diagnostics were lost here");
        assert!(diagnostics.close(WAIT));
        assert!(printed.try_recv().is_err(), "said once");
    }

    #[test]
    fn a_peer_cannot_drive_the_terminal_and_libraries_are_heard_when_it_matters() {
        let (diagnostics, gate, printed) = gated();
        drop(gate);
        say(&diagnostics, "mio::poll", Level::Info, "not ours");
        say(&diagnostics, "mio::poll", Level::Warn, "matters");
        info(&diagnostics, "a\u{1b}[2J\nb\u{9b}c é #");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), "matters");
        assert_eq!(printed.recv_timeout(WAIT).unwrap(), r"a\u{1b}[2J\nb\u{9b}c é #");
    }

    #[test]
    fn the_time_of_day_is_that_of_greenwich() {
        assert_eq!(time_of_day(UnixMillis(0)), "00:00:00.000Z");
        assert_eq!(time_of_day(UnixMillis(1_795_341_900_123)), "10:05:00.123Z");
        assert_eq!(time_of_day(UnixMillis(86_399_999)), "23:59:59.999Z");
    }

    const CHILD: &str = "DIAGNOSTICS_TEST_CHILD";

    /// A process of its own, for it installs what there can be only one of.
    fn child(stderr: Stdio) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "event_loop::diagnostics::tests::in_a_child", "--nocapture"]);
        command.env(CHILD, "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        command
    }

    #[test]
    fn in_a_child() {
        if std::env::var_os(CHILD).is_some() {
            let diagnostics = Diagnostics::install(LevelFilter::Info, print_to_stderr()).unwrap();
            log::info!("member a came");
            log::debug!("not asked for");
            log::set_max_level(LevelFilter::Debug);
            log::debug!("asked for");
            assert!(diagnostics.close(WAIT));
        }
    }

    #[test]
    fn standard_error_gets_lines_of_the_level_that_is_set() {
        let output = child(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{stderr}");
        assert!(lines[0].starts_with("INFO  [groupcast::event_loop::diagnostics::tests] "));
        assert!(lines[0].ends_with("Z member a came"), "{stderr}");
        assert!(lines[1].ends_with("Z asked for"), "{stderr}");
        assert!(output.status.success());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_under_standard_error_ends_nothing() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        assert!(child(full.into()).status().unwrap().success());
    }
}
