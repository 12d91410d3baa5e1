//! Lists: the only replies that may be long.

use std::fmt::Write;

use super::effects::key_of;
use super::peer::Peer;
use super::turn::Coordinator;
use crate::group::{ConnId, Listing};
use crate::protocol::Reply;
use crate::time::Now;

impl Coordinator {
    /// Answers with a list, one a turn for each client: it costs as much as there are members, and
    /// so many bytes that ask for it next to nothing. For who hears nothing any more none is made.
    pub(super) fn list(&mut self, to: ConnId, listing: Listing, now: Now) {
        let Some((_, client)) = self.peers.get_mut(key_of(to)).and_then(Peer::client) else {
            return;
        };
        client.has_list = true;
        let lines = match (client.is_deaf, listing) {
            (true, Listing::Members | Listing::Stats) => String::new(),
            (false, Listing::Members) => self.list_members(),
            (false, Listing::Stats) => self.list_stats(now),
        };
        self.append(to, None, format_args!("{lines}"));
    }

    fn list_members(&self) -> String {
        let mut lines = format!("{}\n", Reply::Members { count: self.group.members().count() });
        for member in self.group.members() {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{member}");
        }
        lines
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
