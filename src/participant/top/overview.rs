//! The screen of `--top`: a sample as lines of text, and the order of the members.

use std::cmp::{Ordering, Reverse};

use super::sample::{MemberRow, Sample};
use crate::text::{self, Counted, Duration};

/// Order of the members on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// Members with the most pending messages first.
    #[default]
    Lag,
    /// In the order of the ids.
    Id,
    /// Offline members first.
    State,
    /// Members with the lowest cursor first.
    Acked,
}

/// Effect of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyPress {
    Sort(Order),
    Reverse,
    Quit,
}

impl KeyPress {
    /// Returns the effect of a byte that was typed.
    pub(super) const fn of(byte: u8) -> Option<Self> {
        match byte {
            b'l' => Some(Self::Sort(Order::Lag)),
            b'i' => Some(Self::Sort(Order::Id)),
            b's' => Some(Self::Sort(Order::State)),
            b'a' => Some(Self::Sort(Order::Acked)),
            b'r' => Some(Self::Reverse),
            b'q' | CTRL_C | CTRL_D => Some(Self::Quit),
            _ => None,
        }
    }
}

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;

const KEYS: &str = "sort by: l lag, i id, s state, a acked; r reverse; q quit";

/// Number of columns and lines of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) lines: usize,
}

/// The order that the user has chosen for the list of members.
#[derive(Debug, Default)]
pub(super) struct Overview {
    order: Order,
    is_reversed: bool,
}

impl Overview {
    /// Sorts by `order`. The same order again keeps its direction.
    pub(super) fn sort(&mut self, order: Order) {
        if self.order != order {
            (self.order, self.is_reversed) = (order, false);
        }
    }

    pub(super) fn reverse(&mut self) {
        self.is_reversed = !self.is_reversed;
    }

    /// Returns the lines of the screen, none longer than the terminal is wide. `status` replaces
    /// the list of keys.
    pub(super) fn draw(
        &self,
        coordinator: &str,
        (before, sample): (Option<&Sample>, Option<&Sample>),
        status: Option<&str>,
        size: Size,
    ) -> Vec<String> {
        let mut lines = match sample {
            Some(sample) => summary(coordinator, before, sample),
            None => vec![format!("groupcast {coordinator}")],
        };
        lines.push(status.unwrap_or(KEYS).to_owned());
        lines.push(String::new());
        if let Some(sample) = sample {
            lines.extend(self.table(&sample.members));
        }
        lines.truncate(size.lines);
        let cut = |line: &String| {
            text::for_terminal(line).to_string().chars().take(size.columns).collect()
        };
        lines.iter().map(cut).collect()
    }

    fn table(&self, members: &[MemberRow]) -> Vec<String> {
        let mut rows: Vec<&MemberRow> = members.iter().collect();
        rows.sort_by(|a, b| self.compare(a, b));
        let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0).max("ID".len());
        let line = |id: &str, state: &str, lag: &str, acked: &str, address: &str| {
            format!("{id:width$}  {state:7}  {lag:>10}  {acked:>12}  {address}")
        };
        let mut lines = vec![line("ID", "STATE", "LAG", "ACKED", "ADDRESS")];
        lines.extend(rows.iter().map(|row| {
            let (lag, acked) = (row.pending.to_string(), row.acked.to_string());
            line(&row.id, &row.state, &lag, &acked, &row.address)
        }));
        add_sites(&rows, &mut lines);
        lines
    }

    fn compare(&self, a: &MemberRow, b: &MemberRow) -> Ordering {
        let chosen = match self.order {
            Order::Lag => Reverse(a.pending).cmp(&Reverse(b.pending)),
            Order::Id => Ordering::Equal,
            Order::State => a.state.cmp(&b.state),
            Order::Acked => a.acked.cmp(&b.acked),
        };
        let found = chosen.then_with(|| a.id.cmp(&b.id));
        if self.is_reversed { found.reverse() } else { found }
    }
}

/// Appends the sites of the members to the head and to the rows, if there are several.
fn add_sites(rows: &[&MemberRow], lines: &mut [String]) {
    if rows.iter().all(|row| row.site.is_empty()) {
        return;
    }
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let sites = std::iter::once("SITE").chain(rows.iter().map(|row| &*row.site));
    for (line, site) in lines.iter_mut().zip(sites) {
        *line = format!("{line:width$}  {site}");
    }
}

/// Returns the lines above the members.
fn summary(coordinator: &str, before: Option<&Sample>, sample: &Sample) -> Vec<String> {
    let text = |key| sample.text(key).unwrap_or("?");
    let rate = |key| match before.and_then(|before| sample.rate(before, key)) {
        Some(rate) => format!("{rate:.1}/s"),
        None => "?/s".to_owned(),
    };
    let byte_rate = |key| match before.and_then(|before| sample.rate(before, key)) {
        Some(rate) => format!("{}/s", bytes(rate)),
        None => "?/s".to_owned(),
    };
    let counted = |key, one, many| counted(sample, key, one, many);
    let size = |key| size(sample, key);
    vec![
        format!(
            "groupcast {coordinator}  up {}  epoch {}  next {}",
            Duration(sample.count("uptime_s").unwrap_or(0)),
            text("epoch"),
            text("next_seq"),
        ),
        format!(
            "members   {}: {} online, {} offline; {}",
            text("members"),
            text("online"),
            text("offline"),
            counted("connections", "command socket", "command sockets"),
        ),
        format!(
            "messages  in {}, {}; out {}, {}; {} refused requests",
            rate("messages_in"),
            byte_rate("bytes_in"),
            rate("deliveries_out"),
            byte_rate("bytes_out"),
            rate("errors"),
        ),
        format!(
            "backlog   {}, {}; {} expired, {} dropped, {}",
            counted("history_messages", "message", "messages"),
            size("history_bytes") + &of_limit(sample, "history_bytes", "max_backlog"),
            text("expired"),
            text("dropped"),
            counted("gaps", "gap", "gaps"),
        ),
        journal(sample),
    ]
}

/// Returns the line of the journal.
fn journal(sample: &Sample) -> String {
    let text = |key| sample.text(key).unwrap_or("?");
    match (sample.text("journal_bytes"), sample.text("list_position")) {
        (Some(_), _) => format!(
            "journal   {} in {}, {} waiting; sync p50 {} us, p99 {} us",
            size(sample, "journal_bytes"),
            counted(sample, "journal_segments", "segment", "segments"),
            size(sample, "journal_waiting_bytes"),
            text("journal_sync_us_p50"),
            text("journal_sync_us_p99"),
        ),
        (None, Some(position)) => format!(
            "journal   a list of several sites: entry {position}, {} behind the engine",
            text("list_lag"),
        ),
        (None, None) => "journal   none, in memory only".to_owned(),
    }
}

/// Returns a count with its word; `?` if the coordinator does not tell it.
fn counted(sample: &Sample, key: &str, one: &'static str, many: &'static str) -> String {
    match sample.count(key) {
        Some(count) => Counted(count, one, many).to_string(),
        None => format!("? {many}"),
    }
}

/// Returns a size with its unit; `?` if the coordinator does not tell it.
fn size(sample: &Sample, key: &str) -> String {
    sample.count(key).map_or_else(|| "?".to_owned(), |count| bytes(count as f64))
}

/// Returns ` (P % of LIMIT)`; nothing if the coordinator does not tell its limit.
fn of_limit(sample: &Sample, key: &str, limit: &str) -> String {
    match (sample.count(key), sample.count(limit)) {
        (Some(count), Some(limit)) if limit > 0 => {
            let percent = count.saturating_mul(100) / limit;
            format!(" ({percent} % of {})", bytes(limit as f64))
        }
        (Some(_) | None, Some(_) | None) => String::new(),
    }
}

/// Returns the sample as one line of `key=value` words, for scripts. Rates need a sample before.
pub(super) fn line(before: &Sample, sample: &Sample) -> String {
    let mut words = Vec::new();
    for key in ["uptime_s", "next_seq", "members", "online", "offline"] {
        words.push(format!("{key}={}", sample.text(key).unwrap_or("?")));
    }
    for key in ["messages_in", "bytes_in", "deliveries_out", "bytes_out", "errors"] {
        let rate = sample.rate(before, key);
        let rate = rate.map_or_else(|| "?".to_owned(), |rate| format!("{rate:.1}"));
        words.push(format!("{key}_per_s={rate}"));
    }
    for key in ["history_messages", "history_bytes", "expired", "dropped", "gaps"] {
        words.push(format!("{key}={}", sample.text(key).unwrap_or("?")));
    }
    for key in ["journal_bytes", "journal_segments", "journal_waiting_bytes"] {
        words.extend(sample.text(key).map(|value| format!("{key}={value}")));
    }
    let last = sample.members.iter().max_by_key(|row| (row.pending, Reverse(&row.id)));
    let (lag, id) = last.map_or((0, "-"), |row| (row.pending, row.id.as_str()));
    words.push(format!("lag_max={lag} lag_member={}", if lag > 0 { id } else { "-" }));
    text::for_terminal(&words.join(" ")).to_string()
}

/// Returns a number of bytes with a unit of 1024.
fn bytes(count: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut rest = count;
    for unit in units {
        if rest < 1024.0 || unit == "TiB" {
            let decimals = usize::from(unit != "B");
            return format!("{rest:.decimals$} {unit}");
        }
        rest /= 1024.0;
    }
    String::new() // The last unit takes every number.
}

#[cfg(test)]
mod tests;
