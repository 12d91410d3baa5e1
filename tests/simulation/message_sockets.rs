//! Checks the bytes on message sockets: each byte is reported to the group, or is one of the last
//! words on the socket.

use std::collections::{BTreeMap, BTreeSet};

use groupcast::group::LinkId;

use crate::model::Model;
use crate::net::End;

/// All message sockets of a coordinator.
#[derive(Debug, Default)]
pub(crate) struct MessageChecks {
    /// The link that the group wants to connect.
    dialing: Option<LinkId>,
    links: BTreeMap<LinkId, End>,
    /// Bytes that were written and not reported to the group.
    unreported: BTreeMap<End, Vec<u8>>,
    /// Last words that may still be written on a socket that the group closed.
    last_words: BTreeMap<End, Vec<u8>>,
    /// Sockets with the last line of the shutdown.
    parted: BTreeSet<End>,
    /// Command sockets that become message sockets when their replies are written.
    upgrading: BTreeMap<LinkId, End>,
    /// Message sockets that were command sockets.
    upgraded: BTreeSet<End>,
}

impl MessageChecks {
    /// The group wants a connection.
    pub(crate) fn on_connect(&mut self, link: LinkId) {
        self.dialing = Some(link);
    }

    /// A connection was started for the last wish of the group.
    pub(crate) fn on_dialed(&mut self, end: End) {
        self.links.insert(self.dialing.expect("connects for no link"), end);
    }

    /// Returns false if the group has closed a link or given it up.
    pub(crate) fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// A command socket is to become a message socket.
    pub(crate) fn on_upgrade(&mut self, link: LinkId, end: End) {
        self.upgrading.insert(link, end);
    }

    /// A message socket is lost. If its request has no answer yet, its client was gone already.
    pub(crate) fn refuse_upgrade(&mut self, link: LinkId, is_asking: impl Fn(End) -> bool) {
        self.upgrading.retain(|upgrading, end| *upgrading != link || !is_asking(*end));
    }

    /// Returns the command socket that was to become the message socket of a link that ends.
    pub(crate) fn end_upgrade(&mut self, link: LinkId) -> Option<End> {
        self.upgrading.remove(&link)
    }

    /// A command socket is a message socket from now on.
    pub(crate) fn on_upgraded(&mut self, end: End) {
        let upgrading = self.upgrading.iter().find(|(_, upgrading)| **upgrading == end);
        let link = *upgrading.expect("the group wants it").0;
        self.upgrading.remove(&link);
        self.links.insert(link, end);
        self.upgraded.insert(end);
    }

    /// Returns true for a message socket that was a command socket.
    pub(crate) fn is_upgraded(&self, end: End) -> bool {
        self.upgraded.contains(&end)
    }

    /// The group wants a link to be closed, with these last words.
    pub(crate) fn on_close(&mut self, link: LinkId, last_words: &[u8]) {
        let Some(end) = self.links.remove(&link) else { return };
        assert!(self.unreported.remove(&end).is_none(), "{link}: bytes that the group never knew");
        self.last_words.insert(end, last_words.to_vec());
    }

    pub(crate) fn on_written(&mut self, end: End, bytes: &[u8]) {
        let Some(words) = self.last_words.get_mut(&end) else {
            return self.unreported.entry(end).or_default().extend(bytes);
        };
        let written = String::from_utf8_lossy(bytes);
        assert!(words.starts_with(bytes), "written on a closed socket: {written:?}");
        words.drain(..bytes.len());
    }

    pub(crate) fn on_closed(&mut self, end: End) {
        self.links.retain(|_, linked| *linked != end);
        self.upgrading.retain(|_, upgrading| *upgrading != end);
        self.upgraded.remove(&end);
        self.unreported.remove(&end);
        self.last_words.remove(&end);
    }

    /// Returns the bytes that are reported to the group now.
    pub(crate) fn report(&mut self, link: LinkId, bytes: usize) -> Vec<u8> {
        let written = self.links.get(&link).and_then(|end| self.unreported.remove(end));
        let written = written.unwrap_or_default();
        assert_eq!(written.len(), bytes, "{link}: reported bytes");
        written
    }

    /// Returns all links with their ends.
    pub(crate) fn links(&self) -> impl Iterator<Item = (LinkId, End)> {
        self.links.iter().map(|(link, end)| (*link, *end))
    }

    /// At the end of a coordinator the last line of each message socket is begun, if it has room.
    pub(crate) fn check_end(&self, model: &Model, is_blocked: impl Fn(End) -> bool) {
        for (link, end) in &self.links {
            let is_begun = self.parted.contains(end);
            let words = model.streams.get(link).map(|stream| stream.closing_bytes("shutting down"));
            let is_due = words.is_some_and(|words| !words.is_empty());
            assert!(!is_due || is_begun || is_blocked(*end), "{link} does not know of the end");
        }
    }

    /// At the end of a turn all bytes are reported, but for the last line of a shutdown, and what
    /// the group closed is closed.
    pub(crate) fn check(&mut self, model: &Model) {
        assert!(self.last_words.is_empty(), "still open: {:?}", self.last_words);
        for (end, bytes) in std::mem::take(&mut self.unreported) {
            let written = String::from_utf8_lossy(&bytes).into_owned();
            assert!(model.is_shutting_down, "not reported to the group: {written:?}");
            assert!(self.parted.insert(end), "after the last line: {written:?}");
            let link = self.links.iter().find(|(_, linked)| **linked == end).map(|(link, _)| link);
            let stream = link.and_then(|link| model.streams.get(link)).expect("of a member");
            let words = stream.closing_bytes("shutting down");
            assert!(words.starts_with(&written), "{written:?} of {words:?}");
        }
    }
}
