//! The table of members that `who` shows, made row by row from the lines of `members`.

use std::fmt;

use crate::text::{self, Duration};

/// The line above the rows.
pub(super) struct MembersTableHead;

/// A line of `members` as a row of the table. Fields that the line does not have are `-`.
pub(super) struct MembersTableRow<'a>(pub(super) &'a str);

impl fmt::Display for MembersTableHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_row(["ID", "STATE", "FOR", "LAG", "OLDEST"], f)
    }
}

impl fmt::Display for MembersTableRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(line) = self;
        let mut words = line.split(' ');
        let (Some(id), Some(state)) = (words.next(), words.next()) else {
            return text::for_terminal(line).fmt(f);
        };
        let number = |key| words.clone().find_map(|word| number_after(key, word));
        let shown = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let lag = number("pending");
        let seconds = |count| Duration(count).to_string();
        let oldest = number("oldest").filter(|_| lag != Some(0));
        let escaped = |text| text::for_terminal(text).to_string();
        fmt_row(
            [
                &escaped(id),
                &escaped(state),
                &shown(number("seconds").map(seconds)),
                &shown(lag.map(|lag| lag.to_string())),
                &shown(oldest.map(seconds)),
            ],
            f,
        )?;
        // Only several coordinators tell it, so the head has no column for it.
        match words.find_map(site_of) {
            Some(site) => write!(f, "  at {}", escaped(site)),
            None => Ok(()),
        }
    }
}

/// Returns the site behind `site=`: several coordinators tell it.
fn site_of(word: &str) -> Option<&str> {
    word.strip_prefix("site=")
}

/// Returns the number behind `key=`.
fn number_after(key: &str, word: &str) -> Option<u64> {
    word.strip_prefix(key)?.strip_prefix('=')?.parse().ok()
}

/// Writes a row in columns that fit the usual widths. A longer id moves the rest of its own row.
fn fmt_row([id, state, since, lag, oldest]: [&str; 5], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{id:<16}  {state:<7}  {since:>13}  {lag:>10}  {oldest:>13}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_a_row_under_its_head() {
        let head = "ID                STATE              FOR         LAG         OLDEST";
        assert_eq!(MembersTableHead.to_string(), head);
        for (line, row) in [
            (
                "bob online 127.0.0.1:9000 pending=0 acked=7 seconds=3661 oldest=0",
                "bob               online       1 h 1 min           0              -",
            ),
            (
                "a.member.with.a.long.id offline [::1]:9 pending=12 acked=7 seconds=59 oldest=60",
                "a.member.with.a.long.id  offline           59 s          12      1 min 0 s",
            ),
            (
                "bob offline 127.0.0.1:9000 pending=3 acked=7",
                "bob               offline              -           3              -",
            ),
            (
                "b\x1b[2J offline x pending=-1 seconds=x oldest=",
                "b\\u{1b}[2J        offline              -           -              -",
            ),
            ("bob\x1b", "bob\\u{1b}"),
            ("", ""),
        ] {
            assert_eq!(MembersTableRow(line).to_string(), row, "{line:?}");
        }
    }

    #[test]
    fn a_row_ends_with_the_site_if_there_are_several() {
        let line = "bob online 10.0.0.1:9000 pending=0 acked=7 seconds=9 oldest=0 site=oslo x=y";
        assert!(MembersTableRow(line).to_string().ends_with(" -  at oslo"), "{line}");
    }
}
