//! Command sockets that become message sockets, because of a request with `here`.
//!
//! ```text
//!   request ──► OK is due ──► all replies are written ──► the socket moves to the message sockets
//!                   │
//!                   └──► the member goes offline: the OK is written, then the socket is closed
//! ```

use std::collections::BTreeMap;

use super::CommandSockets;
use super::client::ClientSocket;
use super::replies::{conn_of, key_of};
use crate::coordinator::sockets::{CoordinatorTimer, Sockets};
use crate::group::{ConnId, LinkId};
use crate::limits::LINGER_MS;
use crate::net::{Connection, Key, Stream, TimerId};
use crate::time::Millis;

/// Keys of command sockets that become message sockets.
#[derive(Debug)]
pub(super) struct UpgradeQueue {
    /// Sockets whose `OK` is due, by their links, and the timers that watch them.
    due: BTreeMap<LinkId, (Key, TimerId)>,
    /// Sockets that have written all replies.
    written: Vec<Key>,
    stall_timeout_ms: u64,
}

impl UpgradeQueue {
    pub(super) fn new(stall_timeout_ms: u64) -> Self {
        Self { due: BTreeMap::new(), written: Vec::new(), stall_timeout_ms }
    }

    /// Changes the timeout of sockets that are added from now on.
    pub(super) fn change_stall_timeout(&mut self, stall_timeout_ms: u64) {
        self.stall_timeout_ms = stall_timeout_ms;
    }

    /// Adds a socket that has written all replies.
    pub(super) fn add_written(&mut self, key: Key) {
        self.written.push(key);
    }

    /// Watches a socket from now on. Its last timer has fired, if it had one.
    fn watch(&mut self, link: LinkId, key: Key, sockets: &mut Sockets, now: Millis) {
        let due = now.plus(self.stall_timeout_ms);
        let timer = sockets.set_timer(due, CoordinatorTimer::Upgrade(key));
        self.due.insert(link, (key, timer));
    }

    /// Watches a socket no longer. Returns its key.
    fn unwatch(&mut self, link: LinkId, sockets: &mut Sockets) -> Option<Key> {
        let (key, timer) = self.due.remove(&link)?;
        sockets.cancel(Some(timer));
        Some(key)
    }
}

/// Command sockets that become message sockets.
#[derive(Debug)]
pub(in crate::coordinator) struct Upgrades<'a, S> {
    commands: &'a mut CommandSockets<S>,
}

impl<'a, S: Stream> Upgrades<'a, S> {
    pub(super) fn new(commands: &'a mut CommandSockets<S>) -> Self {
        Self { commands }
    }

    /// Begins to turn a command socket into the message socket of `link`. Its `OK` comes next.
    /// Returns false if the client is gone.
    pub(in crate::coordinator) fn begin(
        self,
        from: ConnId,
        link: LinkId,
        sockets: &mut Sockets,
        now: Millis,
    ) -> bool {
        let (key, CommandSockets { sockets: clients, upgrades, .. }) =
            (key_of(from), self.commands);
        let begins = clients.get_mut(key).is_some_and(|socket| socket.upgrade(link));
        if begins {
            upgrades.watch(link, key, sockets, now);
        }
        begins
    }

    /// Removes and returns the next connection that becomes a message socket.
    pub(in crate::coordinator) fn next(
        self,
        sockets: &mut Sockets,
    ) -> Option<(LinkId, Connection<S>)> {
        let CommandSockets { sockets: clients, upgrades, budget, admission, .. } = self.commands;
        while let Some(key) = upgrades.written.pop() {
            let link = clients.get(key).and_then(ClientSocket::upgrade_link);
            if let Some(link) = link
                && let Some(mut socket) = clients.remove(key)
            {
                upgrades.unwatch(link, sockets);
                budget.release(&socket);
                sockets.certificates().change(key, socket.certified_until(), None);
                admission.on_closed(&mut socket.client);
                return Some((link, socket.connection));
            }
        }
        None
    }

    /// Ends a message socket whose `OK` is not written yet: `closing_bytes` follow the `OK`.
    pub(in crate::coordinator) fn end(
        self,
        link: LinkId,
        closing_bytes: &[u8],
        sockets: &mut Sockets,
        now: Millis,
    ) {
        let commands = self.commands;
        let Some(key) = commands.upgrades.unwatch(link, sockets) else { return };
        if let Some(socket) = commands.sockets.get_mut(key) {
            socket.refuse(false);
            sockets.set_timer(now.plus(LINGER_MS), CoordinatorTimer::Linger(key));
            commands.append(conn_of(key), None, |_, out| out.extend_from_slice(closing_bytes));
        }
    }

    /// Returns the link of a socket that does not take its `OK`: after one to two times
    /// `stall_timeout`.
    pub(in crate::coordinator) fn on_timeout(
        self,
        key: Key,
        sockets: &mut Sockets,
        now: Millis,
    ) -> Option<LinkId> {
        let CommandSockets { sockets: clients, upgrades, .. } = self.commands;
        let socket = clients.get_mut(key)?;
        let link = socket.upgrade_link()?;
        let is_stalled = socket.is_upgrade_stalled();
        upgrades.watch(link, key, sockets, now);
        is_stalled.then_some(link)
    }

    /// Returns the link of the message socket that a command socket becomes.
    pub(in crate::coordinator) fn link_of(&self, key: Key) -> Option<LinkId> {
        self.commands.sockets.get(key)?.upgrade_link()
    }
}
