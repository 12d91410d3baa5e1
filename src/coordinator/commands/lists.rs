//! Lists of members and of stats, the only replies that may be long.
//!
//! ```text
//!   short                 made and sent at once
//!   long    waiting ──► in progress, a piece each turn ──► finished: sent to all, as memory allows
//! ```
//!
//! A long list goes to all clients that asked before it was started. A client that asks later waits
//! for the next list, so no client gets a list from before its request.

use std::collections::VecDeque;
use std::fmt::Write;
use std::mem;

use bytes::Bytes;

use super::budget::Budget;
use crate::group::{ConnId, Group};
use crate::limits::{CLIENT_BYTES_ALL, CLIENT_BYTES_SHARE, LIST_LINES_MAX, TURN_LIST_LINES_MAX};
use crate::protocol::{Listing, Reply};

/// Long lists of members, and the clients that wait for them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Clients whose list is not started.
    waiting: VecDeque<ConnId>,
    in_progress: Option<ListInProgress>,
    finished: Option<FinishedList>,
    /// True after the log reported that lists must wait.
    is_reported: bool,
}

/// A list of which a part is made.
#[derive(Debug)]
struct ListInProgress {
    receivers: VecDeque<ConnId>,
    lines: String,
    count: usize,
    /// Member of the last line.
    last: Option<Box<str>>,
}

/// A complete list, with the clients that do not have it yet.
#[derive(Debug)]
struct FinishedList {
    receivers: VecDeque<ConnId>,
    lines: Bytes,
    count: usize,
}

impl Lists {
    /// Returns true if no list can be made or sent now.
    pub(super) fn is_idle(&self, budget: &Budget) -> bool {
        let has_receivers = self.finished.is_some() || !self.waiting.is_empty();
        self.in_progress.is_none() && (!has_receivers || budget.is_full())
    }

    /// Returns true if a client waits for a list.
    pub(super) fn is_awaited(&self) -> bool {
        self.in_progress.is_some() || self.finished.is_some() || !self.waiting.is_empty()
    }

    pub(super) fn wait(&mut self, to: ConnId, budget: &Budget) {
        if budget.is_full() && !mem::replace(&mut self.is_reported, true) {
            let kept_bytes = budget.kept_bytes();
            log::warn!(
                "long lists of members must wait: {kept_bytes} bytes are buffered for clients, and \
                 {CLIENT_BYTES_ALL} is the limit"
            );
        }
        self.waiting.push_back(to);
    }

    /// Makes the next piece of the list for the waiting clients, unless a finished one is there.
    pub(super) fn make(&mut self, group: &Group) {
        if self.finished.is_some() {
            return;
        }
        if self.in_progress.is_none() && !self.waiting.is_empty() {
            let receivers = mem::take(&mut self.waiting);
            self.in_progress =
                Some(ListInProgress { receivers, lines: String::new(), count: 0, last: None });
        }
        let Some(mut in_progress) = self.in_progress.take() else { return };
        let (before, from) = (in_progress.count, in_progress.last.take());
        for member in group.members_after(from.as_deref()).take(TURN_LIST_LINES_MAX) {
            // Writing to a string cannot fail.
            #[cfg(not(feature = "engine"))]
            let _ = writeln!(in_progress.lines, "{member}");
            #[cfg(feature = "engine")]
            let _ = write_member(&mut in_progress.lines, &member, group);
            in_progress.count += 1;
            if in_progress.count - before == TURN_LIST_LINES_MAX {
                in_progress.last = Some(member.id.into());
            }
        }
        if in_progress.last.is_some() {
            self.in_progress = Some(in_progress);
        } else {
            let ListInProgress { receivers, lines, count, .. } = in_progress;
            self.finished = Some(FinishedList { receivers, lines: lines.into(), count });
        }
    }

    /// Returns the next client that gets the finished list, with the reply and its other lines.
    pub(super) fn next(&mut self) -> Option<(ConnId, Reply, Bytes)> {
        let finished = self.finished.as_mut()?;
        let to = finished.receivers.pop_front()?;
        let list = (to, reply(finished.count), finished.lines.clone());
        if finished.receivers.is_empty() {
            self.finished = None;
        }
        Some(list)
    }

    /// Removes and returns all clients that wait for a list.
    pub(super) fn take_waiting(&mut self) -> impl Iterator<Item = ConnId> + use<> {
        let Self { waiting, in_progress, finished, .. } = mem::take(self);
        let finished = finished.map(|finished| finished.receivers).unwrap_or_default();
        let in_progress = in_progress.map(|in_progress| in_progress.receivers).unwrap_or_default();
        finished.into_iter().chain(in_progress).chain(waiting)
    }

    /// Returns the list of members if it is short. If the budget is full or clients wait for long
    /// lists, the list must fit into a client's share.
    pub(super) fn short(&self, group: &Group, budget: &Budget) -> Option<String> {
        let count = group.member_count();
        if count > LIST_LINES_MAX {
            return None;
        }
        let is_free = !budget.is_full() && !self.is_awaited();
        let bytes_max = if is_free { usize::MAX } else { CLIENT_BYTES_SHARE };
        let mut lines = format!("{}\n", reply(count));
        for member in group.members() {
            // Writing to a string cannot fail.
            #[cfg(not(feature = "engine"))]
            let _ = writeln!(lines, "{member}");
            #[cfg(feature = "engine")]
            let _ = write_member(&mut lines, &member, group);
        }
        (lines.len() <= bytes_max).then_some(lines)
    }

    /// Logs that no list waits for memory any more.
    pub(super) fn report_end(&mut self) {
        if !self.is_awaited() && mem::take(&mut self.is_reported) {
            log::info!("long lists of members are sent again: none waits for memory");
        }
    }
}

/// Returns the first line of a list of members.
const fn reply(count: usize) -> Reply {
    Reply::List { listing: Listing::Members, count }
}

/// Appends the line of a member. One of several coordinators names the site of the member.
#[cfg(feature = "engine")]
fn write_member(
    lines: &mut String,
    member: &crate::protocol::MemberLine<'_>,
    group: &Group,
) -> std::fmt::Result {
    match crate::group::site_of(group, member.id) {
        Some(site) => {
            writeln!(lines, "{}", crate::protocol::SiteMemberLine { line: *member, site })
        }
        None => writeln!(lines, "{member}"),
    }
}
