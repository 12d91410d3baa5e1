//! Limits the lines that one subject causes, so that no peer can fill a disk through the log.
//!
//! ```text
//!   bob: reconnected at …   printed            ┐
//!   bob: disconnected       printed            │ one window of the subject "bob"
//!   …                       counted            │
//!   bob: 7480 more lines in 60 s, the last: …  ┘ printed when the window ends
//! ```
//!
//! The subject of a line is the text before its first `": "`. The subject of an address is the IP
//! address without the port. A second limit holds for all lines of one level, because many subjects
//! together could fill a disk, too. Only the levels `info` and above are limited. The user asks for
//! the other levels.

use std::collections::BTreeMap;
use std::mem;
use std::net::SocketAddr;

use log::Level;

use super::Diagnostic;
use crate::limits::{LOG_LEVEL_LINES_MAX, LOG_SUBJECT_LINES_MAX, LOG_WINDOW_MS};
use crate::text::Counted;
use crate::time::Millis;

/// The limits on lines, with the lines that were left out and not reported yet.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    subjects: BTreeMap<Box<str>, Window>,
    levels: BTreeMap<Level, Window>,
}

/// The lines of one subject or one level in one span of [`LOG_WINDOW_MS`].
#[derive(Debug)]
struct Window {
    ends_at: Millis,
    printed: usize,
    left_out: u64,
    /// The last line that was left out.
    last: Option<Diagnostic>,
}

impl Window {
    fn new(now: Millis) -> Self {
        Self { ends_at: now.plus(LOG_WINDOW_MS), printed: 0, left_out: 0, last: None }
    }

    /// Counts a line. Returns false if the line exceeds the limit.
    fn allows(&mut self, diagnostic: &Diagnostic, lines_max: usize) -> bool {
        if self.printed < lines_max {
            self.printed += 1;
            return true;
        }
        self.left_out += 1;
        self.last = Some(diagnostic.clone());
        false
    }

    /// Ends the window. Returns a summary if lines were left out.
    fn summary(&mut self, about: &str) -> Option<Diagnostic> {
        let left_out = mem::take(&mut self.left_out);
        let mut last = self.last.take()?;
        let (lines, seconds) = (Counted(left_out, "more line", "more lines"), LOG_WINDOW_MS / 1000);
        let words = last.text.strip_prefix(about).and_then(|text| text.strip_prefix(": "));
        let words = words.unwrap_or(&last.text);
        last.text = format!("{about}: {lines} in {seconds} s, the last: {words}");
        Some(last)
    }
}

impl RateLimit {
    /// Returns true if the line is printed now.
    pub(super) fn allows(&mut self, diagnostic: &Diagnostic, now: Millis) -> bool {
        if diagnostic.level > Level::Info {
            return true;
        }
        let subject = subject_of(&diagnostic.text);
        if let Some(window) = self.subjects.get_mut(&*subject)
            && !window.allows(diagnostic, LOG_SUBJECT_LINES_MAX)
        {
            return false;
        }
        let level = self.levels.entry(diagnostic.level).or_insert_with(|| Window::new(now));
        let is_allowed = level.allows(diagnostic, LOG_LEVEL_LINES_MAX);
        if is_allowed && !self.subjects.contains_key(&*subject) {
            let mut window = Window::new(now);
            window.printed = 1;
            self.subjects.insert(subject, window);
        }
        is_allowed
    }

    /// Ends the windows that are over. Returns the summaries of their lines.
    pub(super) fn end_windows(&mut self, now: Millis) -> Vec<Diagnostic> {
        let mut summaries = Vec::new();
        self.subjects.retain(|subject, window| {
            let is_over = window.ends_at <= now;
            if is_over {
                summaries.extend(window.summary(subject));
            }
            !is_over
        });
        self.levels.retain(|level, window| {
            let is_over = window.ends_at <= now;
            if is_over {
                summaries.extend(window.summary(&format!("level {level}")));
            }
            !is_over
        });
        summaries
    }

    /// Returns the time of the next summary, and `None` while no line was left out.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let windows = self.subjects.values().chain(self.levels.values());
        windows.filter(|window| window.left_out > 0).map(|window| window.ends_at).min()
    }
}

/// Returns the text before the first `": "`. For an address it returns the IP address, because each
/// connection has another port.
fn subject_of(text: &str) -> Box<str> {
    let subject = text.split_once(": ").map_or(text, |(subject, _)| subject);
    match subject.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string().into(),
        Err(_) => subject.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMillis;

    const END: Millis = Millis::new(LOG_WINDOW_MS);

    fn line(level: Level, text: &str) -> Diagnostic {
        let target = "groupcast::test".to_owned();
        Diagnostic { time: UnixMillis(0), level, target, text: text.to_owned() }
    }

    fn info(text: &str) -> Diagnostic {
        line(Level::Info, text)
    }

    fn texts(summaries: Vec<Diagnostic>) -> Vec<String> {
        summaries.into_iter().map(|summary| summary.text).collect()
    }

    #[test]
    fn a_subject_that_causes_too_many_lines_gets_one_summary_in_each_window() {
        let mut limit = RateLimit::default();
        for number in 0..7500 {
            let is_printed = limit.allows(&info(&format!("bob: reconnected {number}")), END);
            assert_eq!(is_printed, number < LOG_SUBJECT_LINES_MAX, "{number}");
        }
        let left_out = 7500 - LOG_SUBJECT_LINES_MAX;
        assert_eq!(limit.next_deadline(), Some(END.plus(LOG_WINDOW_MS)));
        assert!(limit.end_windows(END.plus(LOG_WINDOW_MS - 1)).is_empty());
        assert_eq!(
            texts(limit.end_windows(END.plus(LOG_WINDOW_MS))),
            [format!("bob: {left_out} more lines in 60 s, the last: reconnected 7499")]
        );
        assert_eq!(limit.next_deadline(), None);
        assert!(limit.allows(&info("bob: disconnected"), END.plus(LOG_WINDOW_MS)));
    }

    #[test]
    fn a_noisy_subject_hides_no_other() {
        let mut limit = RateLimit::default();
        for _ in 0..=LOG_LEVEL_LINES_MAX {
            limit.allows(&info("bob: disconnected"), Millis::ZERO);
        }
        assert!(limit.allows(&info("alice: disconnected"), Millis::ZERO));
    }

    #[test]
    fn many_subjects_together_are_limited_and_cost_bounded_memory() {
        let mut limit = RateLimit::default();
        let printed = (0..10_000)
            .filter(|number| limit.allows(&info(&format!("m{number}: registered")), Millis::ZERO));
        assert_eq!(printed.count(), LOG_LEVEL_LINES_MAX);
        assert!(limit.subjects.len() <= LOG_LEVEL_LINES_MAX);
        assert!(limit.allows(&line(Level::Error, "journal: fails"), Millis::ZERO), "other level");
        let left_out = 10_000 - LOG_LEVEL_LINES_MAX;
        assert_eq!(
            texts(limit.end_windows(END)),
            [format!("level INFO: {left_out} more lines in 60 s, the last: m9999: registered")]
        );
    }

    #[test]
    fn a_summary_of_one_line_has_the_singular() {
        let mut limit = RateLimit::default();
        (0..=LOG_SUBJECT_LINES_MAX).for_each(|_| {
            limit.allows(&info("accepting again"), Millis::ZERO);
        });
        let expected = ["accepting again: 1 more line in 60 s, the last: accepting again"];
        assert_eq!(texts(limit.end_windows(END)), expected);
    }

    #[test]
    fn connections_from_one_address_are_one_subject() {
        let mut limit = RateLimit::default();
        let printed = (0..1000).filter(|port| {
            let text = format!("10.0.0.7:{port}: no keepalive");
            limit.allows(&line(Level::Warn, &text), Millis::ZERO)
        });
        assert_eq!(printed.count(), LOG_SUBJECT_LINES_MAX);
        assert!(limit.allows(&line(Level::Warn, "[::1]:9: no keepalive"), Millis::ZERO));
    }

    #[test]
    fn lines_of_levels_that_a_user_asks_for_are_not_limited() {
        let mut limit = RateLimit::default();
        assert!((0..5000).all(|_| limit.allows(&line(Level::Debug, "a: b"), Millis::ZERO)));
        assert_eq!(limit.next_deadline(), None);
    }
}
