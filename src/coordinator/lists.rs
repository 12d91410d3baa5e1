//! Lists: the only replies that may be long.

use std::fmt::Write;

use super::effects::key_of;
use super::peer::{Peer, Role};
use super::turn::Coordinator;
use crate::group::{ConnId, Listing};
use crate::protocol::{Refusal, Reply};
use crate::time::Now;

impl Coordinator {
    /// Answers with a list, one a turn for each client: it costs as much as there are members, and
    /// so many bytes that ask for it next to nothing. While there is no room for it, it waits.
    pub(super) fn list(&mut self, to: ConnId, listing: Listing, now: Now) {
        let bytes_max = self.client_memory.list_bytes_max();
        match self.lines(to, listing, bytes_max, now) {
            Some(lines) => self.give_lines(to, &lines),
            None => self.client_memory.wait(to, listing),
        }
    }

    /// Has everybody go on who waited for what was kept for others.
    pub(super) fn give_room(&mut self, now: Now) {
        if self.client_memory.has_room_again() {
            let held_up = self.peers.iter().filter(|(_, peer)| match &peer.role {
                Role::Client(client) => client.is_held_up,
                Role::Dialing { .. } | Role::Listener(_) => false,
            });
            self.runnable.extend(held_up.map(|(key, _)| key)); // Whoever may not is held up again.
        }
        self.give_list(now);
    }

    /// Gives a list for which there is room again: one a turn, as it may be all that the others
    /// can wait for. Writing it is another turn, which sees to the next one.
    fn give_list(&mut self, now: Now) {
        if let Some((to, listing)) = self.client_memory.next() {
            let lines = self.lines(to, listing, usize::MAX, now);
            self.give_lines(to, &lines.unwrap_or_default());
        }
    }

    /// At shutdown nobody waits for a list any more.
    pub(super) fn refuse_lists(&mut self) {
        for (to, _) in self.client_memory.give_up() {
            self.answer(to, &Reply::Refused(Refusal::ShuttingDown));
        }
    }

    fn give_lines(&mut self, to: ConnId, lines: &str) {
        if let Some((_, client)) = self.peers.get_mut(key_of(to)).and_then(Peer::client) {
            client.has_list = true;
        }
        self.append(to, None, format_args!("{lines}"));
    }

    /// What stands in a list; for who hears nothing any more none is made. `None`: it is longer,
    /// which is found out without making all of it.
    fn lines(
        &mut self,
        to: ConnId,
        listing: Listing,
        bytes_max: usize,
        now: Now,
    ) -> Option<String> {
        let client = self.peers.get_mut(key_of(to)).and_then(Peer::client);
        let is_heard = client.is_some_and(|(_, client)| !client.is_deaf);
        match (is_heard, listing) {
            (false, Listing::Members | Listing::Stats) => Some(String::new()),
            (true, Listing::Members) => self.list_members(bytes_max),
            (true, Listing::Stats) => Some(self.list_stats(now)),
        }
    }

    fn list_members(&self, bytes_max: usize) -> Option<String> {
        let mut lines = format!("{}\n", Reply::Members { count: self.group.members().count() });
        for member in self.group.members() {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{member}");
            if lines.len() > bytes_max {
                return None;
            }
        }
        Some(lines)
    }

    fn list_stats(&self, now: Now) -> String {
        let stats = self.stats(now.steady);
        let mut lines = format!("{}\n", Reply::Stats { count: stats.len() });
        for (key, value) in stats {
            let _ = writeln!(lines, "{key} {value}");
        }
        lines
    }
}
