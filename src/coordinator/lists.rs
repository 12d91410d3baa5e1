//! Lists: the only replies that may be long.
//!
//! ```text
//!   short                 made and given at once
//!   long    waiting ──► making, a piece each turn ──► made: given to all, as far as there is room
//! ```
//!
//! One long list is for all clients that asked before it was begun. A client that asks later waits
//! for the next list, so that no client gets a list from before its request.

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
    CLIENT_BYTES_SHARE, LIST_LINES_MAX, TURN_LIST_LINES_MAX, WORK_LIST_LINES, WORK_STATS,
};
use crate::net::Key;
use crate::protocol::{Reply, RequestError};
use crate::time::Now;

/// Long lists of members, and the clients that wait for them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Clients that asked for a list that is not begun.
    waiting: VecDeque<ConnId>,
    making: Option<ListInProgress>,
    made: Option<FinishedList>,
    /// True once the log says that lists wait.
    is_reported: bool,
}

/// A list that is being made.
#[derive(Debug)]
struct ListInProgress {
    takers: VecDeque<ConnId>,
    lines: String,
    count: usize,
    /// The member in the last line.
    last: Option<Box<str>>,
}

/// A list that is made, for clients that do not have it yet.
#[derive(Debug)]
struct FinishedList {
    takers: VecDeque<ConnId>,
    lines: Bytes,
    count: usize,
}

impl Lists {
    /// Returns true if no list is to be made or handed out now.
    pub(super) fn is_idle(&self, memory: &Budget) -> bool {
        let must_flush = self.made.is_some() || !self.waiting.is_empty();
        self.making.is_none() && (!must_flush || memory.is_full())
    }

    /// Returns true if a client waits for a list.
    fn must_flush(&self) -> bool {
        self.making.is_some() || self.made.is_some() || !self.waiting.is_empty()
    }

    fn wait(&mut self, to: ConnId, memory: &Budget) {
        if memory.is_full() && !mem::replace(&mut self.is_reported, true) {
            let kept_bytes = memory.kept_bytes();
            log::warn!(
                "long lists of members wait: {kept_bytes} bytes are kept for clients already"
            );
        }
        self.waiting.push_back(to);
    }

    /// Makes a piece of the list for those who wait.
    fn make(&mut self, group: &Group) {
        if self.making.is_none() && !self.waiting.is_empty() {
            let takers = mem::take(&mut self.waiting);
            self.making =
                Some(ListInProgress { takers, lines: String::new(), count: 0, last: None });
        }
        let Some(mut making) = self.making.take() else { return };
        let (before, from) = (making.count, making.last.take());
        for member in group.members_after(from.as_deref()).take(TURN_LIST_LINES_MAX) {
            // Writing to a string cannot fail.
            let _ = writeln!(making.lines, "{member}");
            making.count += 1;
            if making.count - before == TURN_LIST_LINES_MAX {
                making.last = Some(member.id.into());
            }
        }
        if making.last.is_some() {
            self.making = Some(making);
        } else {
            let ListInProgress { takers, lines, count, .. } = making;
            self.made = Some(FinishedList { takers, lines: lines.into(), count });
        }
    }

    /// The next client that is given a list, with the list.
    fn next(&mut self) -> Option<(ConnId, Bytes, usize)> {
        let made = self.made.as_mut()?;
        let to = made.takers.pop_front()?;
        let list = (to, made.lines.clone(), made.count);
        if made.takers.is_empty() {
            self.made = None;
        }
        Some(list)
    }

    /// All who wait, who wait for nothing any more.
    fn give_up(&mut self) -> impl Iterator<Item = ConnId> + use<> {
        let Self { waiting, making, made, .. } = mem::take(self);
        let made = made.map(|made| made.takers).unwrap_or_default();
        let making = making.map(|making| making.takers).unwrap_or_default();
        made.into_iter().chain(making).chain(waiting)
    }
}

impl Coordinator {
    /// Answers with a list; a short list is made at once. A client gets at most one list in a turn,
    /// because a request of a few bytes costs so much.
    pub(super) fn list(&mut self, to: ConnId, listing: Listing, now: Now) {
        let client = self.peers.get_mut(key_of(to)).and_then(Peer::client);
        let is_reachable = client.is_some_and(|(_, client)| !client.write_closed);
        let lines = match (is_reachable, listing) {
            (false, Listing::Members | Listing::Stats) => Some(String::new()),
            (true, Listing::Members) => self.short_list(),
            (true, Listing::Stats) => Some(self.list_stats(now)),
        };
        match lines {
            Some(lines) => self.give_lines(to, &lines),
            None => self.lists.wait(to, &self.budget),
        }
    }

    /// Has everybody go on who waited for what was kept for others.
    pub(super) fn give_room(&mut self) {
        if self.budget.has_room_again() {
            let throttled = self.peers.iter().filter(|(_, peer)| match &peer.role {
                PeerRole::Client(client) => client.is_throttled,
                PeerRole::Connecting { .. } | PeerRole::MemberSocket(_) => false,
            });
            let keys: Vec<Key> = throttled.map(|(key, _)| key).collect();
            keys.into_iter().for_each(|key| self.go_on(key)); // Who may not is held up again.
        }
        self.give_lists();
    }

    /// Makes a piece of a long list, and gives it to those who wait, for whom there is room.
    fn give_lists(&mut self) {
        if self.lists.is_idle(&self.budget) {
            return;
        }
        if self.lists.made.is_none() {
            self.lists.make(&self.group);
        }
        while !self.budget.is_full()
            && let Some((to, lines, count)) = self.lists.next()
        {
            self.give_list(to, lines, count);
        }
        if !self.lists.must_flush() && mem::take(&mut self.lists.is_reported) {
            log::info!("long lists of members do not wait any more");
        }
    }

    /// At shutdown nobody waits for a list any more.
    pub(super) fn refuse_lists(&mut self) {
        for to in self.lists.give_up() {
            self.answer(to, &Reply::Refused(RequestError::ShuttingDown));
        }
    }

    fn give_lines(&mut self, to: ConnId, lines: &str) {
        if let Some((_, client)) = self.peers.get_mut(key_of(to)).and_then(Peer::client) {
            client.has_list = true;
        }
        self.append(to, None, format_args!("{lines}"));
    }

    /// Gives a client a long list, which is copied to its socket piece by piece.
    fn give_list(&mut self, to: ConnId, lines: Bytes, count: usize) {
        if let Some((_, client)) = self.peers.get_mut(key_of(to)).and_then(Peer::client)
            && !client.write_closed
        {
            client.list = lines;
        }
        self.append(to, None, format_args!("{}\n", Reply::Members { count }));
    }

    /// The list of members, if it is short; while there is no room, and while others wait for long
    /// lists, only one that fits into a client's share.
    fn short_list(&mut self) -> Option<String> {
        let count = self.group.member_count();
        if count > LIST_LINES_MAX {
            return None;
        }
        self.spend(count * WORK_LIST_LINES);
        let is_free = !self.budget.is_full() && !self.lists.must_flush();
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
