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
use super::effects::key_of;
use super::peer::{Peer, PeerRole};
use super::server::Coordinator;
use crate::group::{ConnId, Group, Listing};
use crate::limits::{
    CLIENT_BYTES_ALL, CLIENT_BYTES_SHARE, LIST_LINES_MAX, TURN_LIST_LINES_MAX, WORK_LIST_LINES,
    WORK_STATS,
};
use crate::net::Key;
use crate::protocol::{Reply, RequestError};
use crate::time::Now;

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
    fn is_awaited(&self) -> bool {
        self.in_progress.is_some() || self.finished.is_some() || !self.waiting.is_empty()
    }

    fn wait(&mut self, to: ConnId, budget: &Budget) {
        if budget.is_full() && !mem::replace(&mut self.is_reported, true) {
            let kept_bytes = budget.kept_bytes();
            log::warn!(
                "long lists of members must wait: {kept_bytes} bytes are buffered for clients, and \
                 {CLIENT_BYTES_ALL} is the limit"
            );
        }
        self.waiting.push_back(to);
    }

    /// Makes the next piece of the list for the waiting clients.
    fn make(&mut self, group: &Group) {
        if self.in_progress.is_none() && !self.waiting.is_empty() {
            let receivers = mem::take(&mut self.waiting);
            self.in_progress =
                Some(ListInProgress { receivers, lines: String::new(), count: 0, last: None });
        }
        let Some(mut in_progress) = self.in_progress.take() else { return };
        let (before, from) = (in_progress.count, in_progress.last.take());
        for member in group.members_after(from.as_deref()).take(TURN_LIST_LINES_MAX) {
            // Writing to a string cannot fail.
            let _ = writeln!(in_progress.lines, "{member}");
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

    /// Returns the next client that gets the finished list, with the list.
    fn next(&mut self) -> Option<(ConnId, Bytes, usize)> {
        let finished = self.finished.as_mut()?;
        let to = finished.receivers.pop_front()?;
        let list = (to, finished.lines.clone(), finished.count);
        if finished.receivers.is_empty() {
            self.finished = None;
        }
        Some(list)
    }

    /// Removes and returns all clients that wait for a list.
    fn take_waiting(&mut self) -> impl Iterator<Item = ConnId> + use<> {
        let Self { waiting, in_progress, finished, .. } = mem::take(self);
        let finished = finished.map(|finished| finished.receivers).unwrap_or_default();
        let in_progress = in_progress.map(|in_progress| in_progress.receivers).unwrap_or_default();
        finished.into_iter().chain(in_progress).chain(waiting)
    }
}

impl Coordinator {
    /// Replies with a list. A short list is made at once. A client gets at most one list in a turn,
    /// because a list costs much more than its request.
    pub(super) fn list(&mut self, to: ConnId, listing: Listing, now: Now) {
        let client = self.peers.get_mut(key_of(to)).and_then(Peer::client);
        let is_reachable = client.is_some_and(|(_, client)| !client.write_closed);
        let lines = match (is_reachable, listing) {
            (false, Listing::Members | Listing::Stats) => Some(String::new()),
            (true, Listing::Members) => self.short_list(),
            (true, Listing::Stats) => Some(self.list_stats(now)),
        };
        match lines {
            Some(lines) => self.append_short_list(to, &lines),
            None => self.lists.wait(to, &self.budget),
        }
    }

    /// Resumes throttled clients and waiting lists if the budget has room again.
    pub(super) fn resume_waiting(&mut self) {
        if self.budget.has_room_again() {
            let throttled = self.peers.iter().filter(|(_, peer)| match &peer.role {
                PeerRole::Client(client) => client.is_throttled,
                PeerRole::Connecting { .. } | PeerRole::MemberSocket(_) => false,
            });
            let keys: Vec<Key> = throttled.map(|(key, _)| key).collect();
            // A client without room of its own is throttled again.
            keys.into_iter().for_each(|key| self.resume(key));
        }
        self.serve_lists();
    }

    /// Makes a piece of a long list. Sends finished lists to waiting clients while memory allows.
    fn serve_lists(&mut self) {
        if self.lists.is_idle(&self.budget) {
            return;
        }
        if self.lists.finished.is_none() {
            self.lists.make(&self.group);
        }
        while !self.budget.is_full()
            && let Some((to, lines, count)) = self.lists.next()
        {
            self.append_list(to, lines, count);
        }
        if !self.lists.is_awaited() && mem::take(&mut self.lists.is_reported) {
            log::info!("long lists of members are sent again: none waits for memory");
        }
    }

    /// Refuses all waiting lists at shutdown.
    pub(super) fn refuse_lists(&mut self) {
        for to in self.lists.take_waiting() {
            self.answer(to, &Reply::Refused(RequestError::ShuttingDown));
        }
    }

    fn append_short_list(&mut self, to: ConnId, lines: &str) {
        if let Some((_, client)) = self.peers.get_mut(key_of(to)).and_then(Peer::client) {
            client.has_list = true;
        }
        self.append(to, None, format_args!("{lines}"));
    }

    /// Gives a client a long list, which is copied to its output piece by piece.
    fn append_list(&mut self, to: ConnId, lines: Bytes, count: usize) {
        if let Some((_, client)) = self.peers.get_mut(key_of(to)).and_then(Peer::client)
            && !client.write_closed
        {
            client.list = lines;
        }
        self.append(to, None, format_args!("{}\n", Reply::Members { count }));
    }

    /// Returns the list of members if it is short. If the budget is full or clients wait for long
    /// lists, the list must fit into a client's share.
    fn short_list(&mut self) -> Option<String> {
        let count = self.group.member_count();
        if count > LIST_LINES_MAX {
            return None;
        }
        self.spend(count * WORK_LIST_LINES);
        let is_free = !self.budget.is_full() && !self.lists.is_awaited();
        let bytes_max = if is_free { usize::MAX } else { CLIENT_BYTES_SHARE };
        let mut lines = format!("{}\n", Reply::Members { count });
        for member in self.group.members() {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{member}");
        }
        (lines.len() <= bytes_max).then_some(lines)
    }

    fn list_stats(&mut self, now: Now) -> String {
        self.spend(WORK_STATS + self.group.member_count() / WORK_STATS);
        let stats = self.stats(now.steady);
        let mut lines = format!("{}\n", Reply::Stats { count: stats.len() });
        for (key, value) in stats {
            let _ = writeln!(lines, "{key} {value}");
        }
        lines
    }
}
