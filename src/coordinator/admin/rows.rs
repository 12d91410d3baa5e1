//! Rows of the members on the status page, and their changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::group::{Group, MemberStatus, member_statuses};
use crate::text::push_json;
use crate::time::Now;

/// Difference of two times, in milliseconds, that comes from rounding and not from a change.
const ROUNDING_MS: u64 = 50;

/// The rows as they were sent last.
#[derive(Debug, Default)]
pub(super) struct MemberRows {
    rows: BTreeMap<Box<str>, StatusRow>,
    /// Number of refreshes so far.
    refreshes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StatusRow {
    is_online: bool,
    address: SocketAddr,
    since_unix_ms: u64,
    pending: u64,
    pending_bytes: u64,
    lag_ms: u64,
    /// Wall clock minus the lag: it stays the same while only time passes.
    oldest_unix_ms: u64,
    /// The refresh that has seen the member.
    seen: u64,
    #[cfg(feature = "engine")]
    site: super::sites::SiteLabel,
}

/// Changes of the rows, as members of a JSON object.
#[derive(Debug, Default)]
pub(super) struct RowChanges {
    /// Rows that are new or differ, separated by commas.
    pub(super) changed: String,
    /// Ids of members that are gone, separated by commas.
    pub(super) removed: String,
}

impl MemberRows {
    /// Takes the state of the first `max` members, and returns what has changed.
    pub(super) fn refresh(&mut self, group: &Group, max: usize, now: Now) -> RowChanges {
        self.refreshes = self.refreshes.saturating_add(1);
        let mut changes = RowChanges::default();
        for status in member_statuses(group, None).take(max) {
            let mut row = StatusRow::new(&status, self.refreshes, now);
            match self.rows.get_mut(status.id) {
                Some(known) if known.shows_the_same(&row) => {
                    row.keep_time(known);
                    *known = row; // The lag of a later reader.
                }
                Some(known) => {
                    row.keep_time(known);
                    *known = row;
                    push_row(status.id, &row, &mut changes.changed);
                }
                None => {
                    push_row(status.id, &row, &mut changes.changed);
                    self.rows.insert(status.id.into(), row);
                }
            }
        }
        let seen = self.refreshes;
        self.rows.retain(|id, row| {
            let stays = row.seen == seen;
            if !stays {
                push_comma(&mut changes.removed);
                push_json(id, &mut changes.removed);
            }
            stays
        });
        changes
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Appends all rows as elements of a JSON array.
    pub(super) fn push_all(&self, json: &mut String) {
        let mut elements = String::new();
        self.rows.iter().for_each(|(id, row)| push_row(id, row, &mut elements));
        json.push_str(&elements);
    }
}

impl StatusRow {
    fn new(status: &MemberStatus<'_>, seen: u64, now: Now) -> Self {
        Self {
            is_online: status.is_online,
            address: status.address,
            since_unix_ms: now.unix.0.saturating_sub(status.since_ms),
            pending: status.pending,
            pending_bytes: status.pending_bytes,
            lag_ms: status.lag_ms,
            oldest_unix_ms: now.unix.0.saturating_sub(status.lag_ms),
            seen,
            #[cfg(feature = "engine")]
            site: super::sites::SiteLabel::new(status.site.unwrap_or_default()),
        }
    }

    /// Returns true if nothing but time has passed.
    fn shows_the_same(&self, other: &Self) -> bool {
        #[cfg(feature = "engine")]
        if self.site != other.site {
            return false;
        }
        let has_same_lag = match (self.lag_ms, other.lag_ms) {
            (0, 0) => true,
            (0, _) | (_, 0) => false,
            (_, _) => self.oldest_unix_ms.abs_diff(other.oldest_unix_ms) <= ROUNDING_MS,
        };
        has_same_lag
            && self.since_unix_ms.abs_diff(other.since_unix_ms) <= ROUNDING_MS
            && (self.is_online, self.address) == (other.is_online, other.address)
            && (self.pending, self.pending_bytes) == (other.pending, other.pending_bytes)
    }

    /// Keeps the known time of the last change, if it differs only by rounding.
    fn keep_time(&mut self, known: &Self) {
        if self.since_unix_ms.abs_diff(known.since_unix_ms) <= ROUNDING_MS {
            self.since_unix_ms = known.since_unix_ms;
        }
    }
}

fn push_row(id: &str, row: &StatusRow, json: &mut String) {
    let StatusRow { is_online, address, since_unix_ms, pending, pending_bytes, lag_ms, .. } = row;
    push_comma(json);
    json.push_str("{\"id\":");
    push_json(id, json);
    #[cfg(feature = "engine")]
    super::sites::push_label(row.site, json);
    // Writing to a string cannot fail.
    let _ = write!(
        json,
        ",\"online\":{is_online},\"address\":\"{address}\",\"since_ms\":{since_unix_ms},\
         \"pending\":{pending},\"pending_bytes\":{pending_bytes},\"lag_s\":{}.{:03}}}",
        lag_ms / 1000,
        lag_ms % 1000
    );
}

/// Appends a comma behind another element.
pub(super) fn push_comma(elements: &mut String) {
    if !elements.is_empty() {
        elements.push(',');
    }
}
