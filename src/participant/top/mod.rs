//! `--top`: shows the rates, the backlog, the journal and the members of a group, again each
//! second. It asks the coordinator as every client can, and is no member.
//!
//! A terminal gets one screen, which keys sort. Everything else gets one line a second.

mod overview;
mod sample;
mod source;
mod terminal;

use std::io::{self, Write as _};

use mio::{Events, Poll};

use super::ParticipantError;
use crate::config::{ParticipantRun, report_failure};
use crate::net::{Clock, SIGNALS, Signal, Signals, wait};
use crate::time::Millis;
use overview::{KeyPress, Overview};
use sample::Sample;
use source::Source;
use terminal::{KEYBOARD, RawTerminal};

/// Runs until a key, a signal, a closed standard output, or the last of `--count` lines. Returns
/// the exit code.
pub(super) fn run(run: &ParticipantRun) -> Result<u8, ParticipantError> {
    let system = |what| move |error| ParticipantError::System(what, error);
    let mut poll = Poll::new().map_err(system("cannot poll"))?;
    let watched = [Signal::Terminate, Signal::Interrupt, Signal::Hangup, Signal::Continue];
    let mut signals =
        Signals::watch(poll.registry(), &watched).map_err(system("cannot watch for signals"))?;
    let mut view = View::new(run, &poll).map_err(system("cannot use the terminal"))?;
    let mut source = Source::new(&run.config.coordinator, &run.config.id);
    let (mut events, clock) = (Events::with_capacity(16), Clock::start());
    loop {
        let now = clock.now().steady;
        let shown = match source.advance(poll.registry(), now) {
            Ok(Some(sample)) => view.show(sample),
            Ok(None) => Ok(None),
            Err(problem) => view.report(problem),
        };
        match shown {
            Ok(None) => (),
            Ok(Some(code)) => return Ok(code),
            Err(error) => return Ok(end_of_output(&error)),
        }
        let deadline: Millis = source.deadline();
        wait(&mut poll, &mut events, clock.now().steady, Some(deadline)).map_err(system("poll"))?;
        for event in &events {
            source.on_event(event);
            // An error means that the terminal is gone. It ends the program, as SIGHUP does.
            let is_over = match event.token() {
                SIGNALS => view.on_signals(&signals.drain()).unwrap_or(true),
                KEYBOARD => view.on_keys().unwrap_or(true),
                _ => false,
            };
            if is_over {
                return Ok(0);
            }
        }
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

/// Standard output: a screen, or lines.
enum View {
    Screen {
        coordinator: String,
        terminal: RawTerminal,
        overview: Overview,
        before: Option<Sample>,
        last: Option<Sample>,
        problem: Option<String>,
    },
    Lines {
        before: Option<Sample>,
        /// Number of lines until the end, if there is one.
        left: Option<u64>,
        problem: Option<String>,
    },
}

impl View {
    fn new(run: &ParticipantRun, poll: &Poll) -> io::Result<Self> {
        let left = run.options.count;
        if left.is_some() || !RawTerminal::is_possible() {
            return Ok(Self::Lines { before: None, left, problem: None });
        }
        Ok(Self::Screen {
            coordinator: run.config.coordinator.to_string(),
            terminal: RawTerminal::enter(poll.registry())?,
            overview: Overview::default(),
            before: None,
            last: None,
            problem: None,
        })
    }

    /// Shows a sample. Returns the exit code if it was the last one.
    fn show(&mut self, sample: Sample) -> io::Result<Option<u8>> {
        match self {
            Self::Screen { before, last, problem, .. } => {
                *before = last.replace(sample);
                *problem = None;
                self.draw().map(|()| None)
            }
            Self::Lines { before, left, problem } => {
                *problem = None;
                let Some(earlier) = before.replace(sample) else { return Ok(None) };
                let Some(sample) = before else { return Ok(None) };
                let mut out = io::stdout().lock();
                writeln!(out, "{}", overview::line(&earlier, sample))?;
                out.flush()?;
                *left = left.map(|left| left.saturating_sub(1));
                Ok((*left == Some(0)).then_some(0))
            }
        }
    }

    /// Shows the reason why there is no sample. With `--count` it ends the program.
    fn report(&mut self, found: String) -> io::Result<Option<u8>> {
        match self {
            Self::Screen { problem, .. } => {
                *problem = Some(found);
                self.draw().map(|()| None)
            }
            Self::Lines { before, left, problem } => {
                *before = None; // A rate over the pause would mislead.
                if problem.as_ref() != Some(&found) {
                    report_failure(ParticipantRun::PROGRAM, &found);
                }
                *problem = Some(found);
                Ok(left.is_some().then_some(1))
            }
        }
    }

    /// Handles signals. Returns true if one ends the program. After a stop, the terminal may have
    /// other settings.
    fn on_signals(&self, signals: &[Signal]) -> io::Result<bool> {
        if signals.iter().any(|signal| *signal != Signal::Continue) {
            return Ok(true);
        }
        if let Self::Screen { terminal, .. } = self {
            terminal.resume()?;
        }
        self.draw().map(|()| false)
    }

    /// Handles keys. Returns true if the user ends the program.
    fn on_keys(&mut self) -> io::Result<bool> {
        let Self::Screen { terminal, overview, .. } = self else { return Ok(false) };
        for key in terminal.keys()?.into_iter().filter_map(KeyPress::of) {
            match key {
                KeyPress::Sort(order) => overview.sort(order),
                KeyPress::Reverse => overview.reverse(),
                KeyPress::Quit => return Ok(true),
            }
        }
        self.draw().map(|()| false)
    }

    fn draw(&self) -> io::Result<()> {
        let Self::Screen { coordinator, terminal, overview, before, last, problem } = self else {
            return Ok(());
        };
        let samples = (before.as_ref(), last.as_ref());
        terminal.write(&overview.draw(
            coordinator,
            samples,
            problem.as_deref(),
            RawTerminal::size(),
        ))
    }
}
