//! Standard output of `--top`: a screen, or lines.

use std::io;

use mio::Registry;

use super::overview::{self, KeyPress, Overview};
use super::printer::Printer;
use super::sample::Sample;
use super::terminal::{ENTER_SCREEN, LEAVE_SCREEN, RawTerminal, screen_text};
use crate::config::{ParticipantRun, report_failure};
use crate::limits::TOP_INTERVAL_MS;
use crate::net::{Pool, Signal};
use crate::text::Duration;
use crate::time::Millis;

/// Age from which a screen names the age of its figures.
const OLD_MS: u64 = TOP_INTERVAL_MS.saturating_mul(2);

/// Samples, and the printer that shows them.
pub(super) struct View {
    printer: Printer,
    form: Form,
    /// Name of the coordinator that was asked last.
    coordinator: String,
    /// True if there are several coordinators.
    has_several: bool,
    /// The sample before `last`.
    before: Option<Sample>,
    last: Option<Sample>,
    /// Reason why there is no newer sample.
    problem: Option<String>,
    /// Exit code of the program, when it ends.
    exit: Option<u8>,
}

enum Form {
    Screen {
        terminal: RawTerminal,
        overview: Overview,
        /// True if the screen has to be drawn when the printer is free.
        is_due: bool,
        /// True if the alternate screen has to be entered first.
        is_entering: bool,
        drawn_at: Millis,
    },
    Lines {
        /// Number of lines until the end, if there is one.
        left: Option<u64>,
    },
}

impl View {
    pub(super) fn new(run: &ParticipantRun, registry: &Registry, pool: &Pool) -> io::Result<Self> {
        let left = run.options.script.count;
        let form = match left.is_some() || !RawTerminal::is_possible() {
            true => Form::Lines { left },
            false => Form::Screen {
                terminal: RawTerminal::enter(registry)?,
                overview: Overview::default(),
                is_due: true,
                is_entering: true,
                drawn_at: Millis::ZERO,
            },
        };
        let printer = Printer::start(registry, pool)?;
        let coordinators = &run.config.coordinators;
        Ok(Self {
            printer,
            form,
            coordinator: coordinators.to_string(),
            has_several: coordinators.len() > 1,
            before: None,
            last: None,
            problem: None,
            exit: None,
        })
    }

    /// Returns the exit code, when the program must end. The last line is written first.
    pub(super) fn exit(&self) -> Option<u8> {
        let is_last = matches!(self.form, Form::Lines { left: Some(0) });
        self.exit.or((is_last && !self.printer.is_busy()).then_some(0))
    }

    /// Ends the program in good order, also while standard output takes no bytes.
    pub(super) fn end(&mut self) {
        self.exit = Some(0);
    }

    /// Shows a sample of a coordinator. A line that has to wait for the line before is left out.
    pub(super) fn show(&mut self, sample: Sample, coordinator: String) {
        self.problem = None;
        if self.coordinator != coordinator {
            (self.before, self.last) = (None, None); // Its counters begin elsewhere.
            self.coordinator = coordinator;
        }
        match &mut self.form {
            Form::Screen { is_due, .. } => {
                *is_due = true;
                self.before = self.last.replace(sample);
            }
            Form::Lines { .. } if self.printer.is_busy() => (),
            Form::Lines { left } => {
                if let Some(before) = &self.last {
                    let line = overview::line(before, &sample);
                    self.printer.print(match self.has_several {
                        true => format!("{line} coordinator={}\n", self.coordinator),
                        false => line + "\n",
                    });
                    *left = left.map(|left| left.saturating_sub(1));
                }
                self.last = Some(sample);
            }
        }
    }

    /// Shows the reason why there is no sample. With `--count` it ends the program.
    pub(super) fn report(&mut self, found: String) {
        match &mut self.form {
            Form::Screen { is_due, .. } => *is_due = true,
            Form::Lines { left } => {
                self.last = None; // A rate over the pause would mislead.
                if self.problem.as_ref() != Some(&found) {
                    report_failure(ParticipantRun::PROGRAM, &found);
                }
                self.exit = left.is_some_and(|left| left > 0).then_some(1);
            }
        }
        self.problem = Some(found);
    }

    /// Takes the results of the printer, and draws the screen if it is due. Old figures are drawn
    /// again each second, with their age.
    pub(super) fn advance(&mut self, now: Millis) {
        if let Some(Err(error)) = self.printer.result() {
            self.exit = Some(end_of_output(&error));
        }
        let is_old = self.deadline().is_some_and(|deadline| deadline <= now);
        let status = self.status(now);
        let Form::Screen { overview, is_due, is_entering, drawn_at, .. } = &mut self.form else {
            return;
        };
        if !(*is_due || is_old) || self.printer.is_busy() {
            return;
        }
        let samples = (self.before.as_ref(), self.last.as_ref());
        let lines =
            overview.draw(&self.coordinator, samples, status.as_deref(), RawTerminal::size());
        let enter = if std::mem::take(is_entering) { ENTER_SCREEN } else { "" };
        self.printer.print(format!("{enter}{}", screen_text(&lines)));
        (*is_due, *drawn_at) = (false, now);
    }

    /// Returns the time at which [`View::advance`] must be called at the latest.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let Form::Screen { drawn_at, .. } = &self.form else { return None };
        let old_at = self.last.as_ref()?.at.plus(OLD_MS);
        Some(old_at.max(drawn_at.plus(TOP_INTERVAL_MS)))
    }

    /// Returns the problem and the age of the figures, in place of the list of keys.
    fn status(&self, now: Millis) -> Option<String> {
        let age_ms = self.last.as_ref().map_or(0, |last| now.since(last.at));
        let age = Duration(age_ms.div_euclid(1_000));
        match &self.problem {
            Some(problem) if self.last.is_some() => Some(format!("figures {age} old: {problem}")),
            Some(problem) => Some(problem.clone()),
            None if age_ms >= OLD_MS => Some(format!("figures {age} old: no answer")),
            None => None,
        }
    }

    /// Handles signals. After a stop, the terminal may have other settings.
    pub(super) fn on_signals(&mut self, signals: &[Signal]) -> io::Result<()> {
        for signal in signals {
            match (signal, &mut self.form) {
                (Signal::Terminate | Signal::Interrupt | Signal::Hangup, _) => self.end(),
                (Signal::Continue, Form::Screen { terminal, is_due, is_entering, .. }) => {
                    terminal.resume()?;
                    (*is_due, *is_entering) = (true, true);
                }
                (Signal::Resize, Form::Screen { is_due, .. }) => *is_due = true,
                (Signal::Continue | Signal::Resize, Form::Lines { .. }) => (),
            }
        }
        Ok(())
    }

    /// Sorts the members by the keys that were typed, or ends the program.
    pub(super) fn on_keys(&mut self) -> io::Result<()> {
        let Form::Screen { terminal, overview, is_due, .. } = &mut self.form else { return Ok(()) };
        for key in terminal.keys()?.into_iter().filter_map(KeyPress::of) {
            match key {
                KeyPress::Sort(order) => overview.sort(order),
                KeyPress::Reverse => overview.reverse(),
                KeyPress::Quit => {
                    self.end();
                    return Ok(());
                }
            }
        }
        *is_due = true;
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Form::Screen { .. } = self.form {
            self.printer.print(LEAVE_SCREEN.to_owned());
        }
        self.printer.close();
    }
}

/// Returns the exit code after a failed write: 0 if the reader has closed the output, as `| head`
/// does.
fn end_of_output(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return 0;
    }
    report_failure(ParticipantRun::PROGRAM, &format_args!("cannot write the output: {error}"));
    1
}
