//! The state that all readers of `/status.json` and `/events` get.

use bytes::Bytes;

use super::observed::Observed;
use super::rows::MemberRows;
use super::status::{push_status, push_update};
use super::view::AdminView;
use crate::limits::http::HTTP_ROWS_MAX;

/// The state as the readers of `/events` know it. It is built at most once between two ticks,
/// however many readers there are.
#[derive(Debug, Default)]
pub(super) struct SharedStatus {
    rows: MemberRows,
    /// Number of changes that the readers know.
    changes_known: u64,
    json: Option<Bytes>,
}

impl SharedStatus {
    /// Returns the whole state. It agrees with the updates that readers have got, if there are
    /// readers.
    pub(super) fn json(
        &mut self,
        view: &AdminView<'_>,
        observed: &Observed,
        has_readers: bool,
    ) -> Bytes {
        if let Some(json) = &self.json {
            return json.clone();
        }
        if !has_readers {
            let _ = self.rows.refresh(view.sources.group, rows_max(view), view.now);
            self.changes_known = observed.changes_so_far();
        }
        let mut json = String::new();
        push_status(view, (observed, self.changes_known), &self.rows, &mut json);
        self.json.insert(json.into()).clone()
    }

    /// Forgets the state, which is old now.
    pub(super) fn expire(&mut self) {
        self.json = None;
    }

    /// Returns the update for all readers: what has changed since the last one.
    pub(super) fn update(&mut self, view: &AdminView<'_>, observed: &Observed) -> String {
        let changes = self.rows.refresh(view.sources.group, rows_max(view), view.now);
        let mut json = String::new();
        push_update(view, (observed, self.changes_known), (&self.rows, &changes), &mut json);
        self.changes_known = observed.changes_so_far();
        json
    }
}

fn rows_max(view: &AdminView<'_>) -> usize {
    view.sources.config.http.members_max.min(HTTP_ROWS_MAX)
}
