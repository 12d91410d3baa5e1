//! Prints diagnostics on standard error, for people or for systemd's journal.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use log::{Level, Log, Record};
use simple_logger::SimpleLogger;

use super::batch::write_lines;
use super::{Diagnostic, Print, print_each};
use crate::time::UnixMillis;

/// Reader of standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A terminal or a file: with level, date and time.
    People,
    /// systemd's journal, which adds the time: with the priority as `<n>` (see sd-daemon(3)).
    Journal,
}

/// Returns a function that prints to standard error, with the module if `has_modules` is true.
#[must_use]
pub fn print_to_stderr(reader: Reader, has_modules: bool) -> Print {
    match reader {
        Reader::People => print_for_people(has_modules),
        Reader::Journal => Box::new(move |diagnostics| {
            let lines = diagnostics.iter().map(|diagnostic| journal_line(diagnostic, has_modules));
            write_lines(&mut io::stderr(), &lines.collect::<Vec<_>>())
        }),
    }
}

fn print_for_people(has_modules: bool) -> Print {
    let printer = SimpleLogger::new();
    print_each(move |diagnostic| {
        // `SimpleLogger` prints the level, and the target in brackets. It panics if standard error
        // cannot be written, for example on a full disk or a closed pipe. That must not end the
        // program, so the release profile has to unwind.
        let print = AssertUnwindSafe(|| {
            let (text, label) = (&diagnostic.text, diagnostic.label(has_modules));
            let mut record = Record::builder();
            record.level(diagnostic.level).target(&label);
            printer.log(&record.args(format_args!("{text}")).build());
        });
        catch_unwind(print).map_err(|_| io::Error::other("standard error cannot be written"))
    })
}

impl Diagnostic {
    /// Returns the date and time, and with `has_module` the module.
    #[must_use]
    pub fn label(&self, has_module: bool) -> String {
        let time = rfc3339(self.time);
        if has_module { format!("{time} {}", self.target) } else { time }
    }
}

fn journal_line(diagnostic: &Diagnostic, has_module: bool) -> String {
    let Diagnostic { level, target, text, .. } = diagnostic;
    let priority = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    match has_module {
        true => format!("<{priority}>[{target}] {text}\n"),
        false => format!("<{priority}>{text}\n"),
    }
}

/// Formats a time as in RFC 3339: in UTC, with milliseconds.
fn rfc3339(UnixMillis(millis): UnixMillis) -> String {
    let since_1970 = Duration::from_millis(millis.min(UnixMillis::END_OF_9999.0));
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since_1970).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(level: Level) -> Diagnostic {
        let (target, text) = ("groupcast::test".to_owned(), "bob: registered".to_owned());
        Diagnostic { time: UnixMillis(1_795_341_900_123), level, target, text }
    }

    #[test]
    fn times_are_formatted_as_in_rfc_3339() {
        assert_eq!(rfc3339(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(UnixMillis(1_795_341_900_123)), "2026-11-22T10:05:00.123Z");
        assert_eq!(rfc3339(UnixMillis(u64::MAX)), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_module_is_printed_only_on_request() {
        let diagnostic = diagnostic(Level::Info);
        assert_eq!(diagnostic.label(false), "2026-11-22T10:05:00.123Z");
        assert_eq!(diagnostic.label(true), "2026-11-22T10:05:00.123Z groupcast::test");
    }

    #[test]
    fn a_line_for_the_journal_has_a_priority_and_no_time() {
        let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        for (level, priority) in levels.into_iter().zip([3, 4, 6, 7, 7]) {
            let line = journal_line(&diagnostic(level), false);
            assert_eq!(line, format!("<{priority}>bob: registered\n"));
        }
        let line = journal_line(&diagnostic(Level::Debug), true);
        assert_eq!(line, "<7>[groupcast::test] bob: registered\n");
    }
}
