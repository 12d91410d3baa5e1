//! The lines of `--lines`: outcomes, and the line to go on from after a stop.

use std::collections::VecDeque;
use std::fmt;

use crate::session::TextOutcome;
use crate::text::Counted;

/// Lines that were read, and those without an outcome.
#[derive(Debug, Default)]
pub(super) struct LineOutcomes {
    /// Number of lines that were read.
    read: u64,
    confirmed: u64,
    kept: u64,
    /// True from the time when a line is given to the session until its position is known.
    is_given: bool,
    /// Position in the session and number of each line without an outcome, in their order.
    open: VecDeque<(u64, u64)>,
}

/// Report about the lines of a run that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineReport {
    /// Number of lines that were read.
    pub(super) read: u64,
    /// Number of lines that the coordinator has accepted.
    pub(super) confirmed: u64,
    /// Number of lines that the outbox file keeps for the next run.
    pub(super) kept: u64,
    /// Number of the first line that is neither confirmed, refused nor kept.
    pub(super) next: u64,
}

impl LineOutcomes {
    /// Counts a line, and returns its number, from 1.
    pub(super) const fn count(&mut self) -> u64 {
        self.read = self.read.saturating_add(1);
        self.read
    }

    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// The last line is given to the session.
    pub(super) const fn give(&mut self) {
        self.is_given = true;
    }

    /// The session has taken the line that was given, as the request with this position.
    pub(super) fn on_taken(&mut self, order: u64) {
        if std::mem::take(&mut self.is_given) {
            self.open.push_back((order, self.read));
        }
    }

    /// The outcome of a text is known. It may be a text of an earlier run.
    pub(super) fn on_done(&mut self, order: u64, outcome: TextOutcome) {
        let Ok(at) = self.open.binary_search_by_key(&order, |(order, _)| *order) else { return };
        self.open.remove(at);
        match outcome {
            TextOutcome::Confirmed => self.confirmed = self.confirmed.saturating_add(1),
            TextOutcome::Kept => self.kept = self.kept.saturating_add(1),
            TextOutcome::Refused => (),
        }
    }

    pub(super) fn report(&self) -> LineReport {
        let Self { read, confirmed, kept, is_given: _, open } = self;
        let next = open.front().map_or(read.saturating_add(1), |(_, line)| *line);
        LineReport { read: *read, confirmed: *confirmed, kept: *kept, next }
    }
}

impl LineReport {
    /// Returns true if a line that was read must be sent again.
    const fn is_failure(&self) -> bool {
        self.next <= self.read
    }
}

impl fmt::Display for LineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = if self.is_failure() { "error:" } else { "*" };
        let Self { read, confirmed, kept, next } = self;
        let read = Counted(*read, "line", "lines");
        write!(f, "{begin} --lines: stopped: {read} read, {confirmed} confirmed")?;
        if *kept > 0 {
            write!(f, ", {kept} kept in the outbox")?;
        }
        write!(f, "; next line to send: {next}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_line_is_the_first_without_an_outcome() {
        let mut lines = LineOutcomes::default();
        assert_eq!(
            lines.report().to_string(),
            "* --lines: stopped: 0 lines read, 0 confirmed; next line to send: 1"
        );
        for order in [11, 12, 0, 13, 14] {
            lines.count();
            if order > 0 {
                lines.give(); // The third line is empty.
            }
            lines.on_taken(order);
        }
        lines.on_taken(14); // A command that is no line.
        let shown = |lines: &LineOutcomes| lines.report().to_string();
        let begin = "error: --lines: stopped: 5 lines read, ";
        for (order, outcome, end) in [
            (12, TextOutcome::Confirmed, "1 confirmed; next line to send: 1"),
            (10, TextOutcome::Confirmed, "1 confirmed; next line to send: 1"),
            (11, TextOutcome::Refused, "1 confirmed; next line to send: 4"),
            (13, TextOutcome::Kept, "1 confirmed, 1 kept in the outbox; next line to send: 5"),
        ] {
            lines.on_done(order, outcome);
            assert_eq!(shown(&lines), format!("{begin}{end}"));
        }
        lines.on_done(14, TextOutcome::Confirmed);
        let end = "* --lines: stopped: 5 lines read, 2 confirmed, 1 kept in the outbox; next line \
                   to send: 6";
        assert_eq!(shown(&lines), end);
    }
}
