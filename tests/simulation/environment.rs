//! Everything outside the programs: time, randomness, and the queue of events.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};
use std::net::SocketAddr;

use crate::identities::Identities;
use crate::net::{Conn, End};
use support::rng::Rng;

/// Owner of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Coordinator,
    /// A participant around a session.
    Participant(usize),
    /// A member with habits of its own.
    Raw(usize),
    /// A stranger, or a process that has ended.
    Nobody,
}

/// An event at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The next packet gets to this end.
    Arrive(End),
    /// This end may write again.
    Writable(End),
    /// A connection gets to where it is to be accepted.
    Reach(usize),
    /// Its dialer learns how it went.
    Dialed(usize),
    /// A process runs.
    Turn(Node),
    /// The disk of a person is done with a write; the number names the process.
    Disk(usize, u32),
    /// The same, of the disk with the outbox file.
    OutboxDisk(usize, u32),
    /// A user types something.
    User(usize),
    /// A raw member does something.
    Act(usize),
    /// A process that ended begins anew.
    Start(Node),
    /// A coordinator that was shut down no longer waits for its journal; the number names the
    /// process.
    Gone(u32),
    /// A coordinator has read its journal; the number names the start.
    Up(u32),
    /// The disk of a coordinator has finished a batch; the number names the process.
    Committed(u32),
    /// Something goes wrong.
    Fault,
    /// Somebody copies the coordinator's directory, or puts the copy back.
    Backup,
    /// A client that hoards replies does something.
    Hoard(usize),
    /// Somebody exchanges the access file.
    AccessFile,
    /// The operator changes the config file.
    ConfigFile,
    /// A client uses an id of another one.
    Impostor,
    /// A stranger lets go.
    Leave(End),
}

/// Sockets that wait for a process to run.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) ready: BTreeSet<End>,
    pub(crate) accepted: Vec<End>,
    turn_at: Option<u64>,
    /// It does not run before.
    pub(crate) paused_until: u64,
}

/// Time, chance, and every wire.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    /// Nothing goes wrong any more.
    pub(crate) calm: bool,
    /// Number of times that the coordinator was put back from a copy.
    pub(crate) copies: u32,
    pub(crate) identities: Identities,
    pub(crate) conns: Vec<Conn>,
    pub(crate) listeners: BTreeMap<SocketAddr, Node>,
    inboxes: BTreeMap<Node, Inbox>,
    queue: BTreeMap<(u64, u64), Event>,
    events: u64,
    trace: DefaultHasher,
}

impl Environment {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: 0,
            rng: Rng::new(seed),
            calm: false,
            copies: 0,
            identities: Identities::draw(seed),
            conns: Vec::new(),
            listeners: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            queue: BTreeMap::new(),
            events: 0,
            trace: DefaultHasher::new(),
        }
    }

    /// Returns a world in which nothing is, at this moment.
    pub(crate) fn nothing(&self) -> Self {
        Self { now: self.now, ..Self::new(0) }
    }

    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.events += 1;
        self.queue.insert((self.now + ms, self.events), event);
    }

    /// The next event, at whose moment it is now; `None` if the next one is later than `until`.
    pub(crate) fn next_event(&mut self, until: u64) -> Option<Event> {
        let first = self.queue.first_key_value().map(|(&first, _)| first);
        let Some((at, number)) = first.filter(|&(at, _)| at <= until) else {
            self.now = until;
            return None;
        };
        self.now = at;
        self.trace_numbers(&[at, number]);
        self.queue.remove(&(at, number))
    }

    pub(crate) fn inbox(&mut self, node: Node) -> &mut Inbox {
        self.inboxes.entry(node).or_default()
    }

    /// Returns true while a process is stopped.
    pub(crate) fn is_paused(&mut self, node: Node) -> bool {
        let now = self.now;
        self.inbox(node).paused_until > now
    }

    /// Lets a process run at `at` at the latest, if nobody stops it.
    pub(crate) fn wake(&mut self, node: Node, at: u64) {
        let now = self.now;
        let inbox = self.inbox(node);
        let at = at.max(now).max(inbox.paused_until);
        if node != Node::Nobody && inbox.turn_at.is_none_or(|turn_at| at < turn_at) {
            inbox.turn_at = Some(at);
            self.after(at - now, Event::Turn(node));
        }
    }

    /// Something has happened that a process will see when it runs next.
    pub(crate) fn notify(&mut self, end: End) {
        let node = self.conns[end.conn].owner[end.side];
        if node == Node::Nobody {
            return;
        }
        self.inbox(node).ready.insert(end);
        self.wake_soon(node);
    }

    /// Returns true if the owner of an end will see an event when it runs next.
    pub(crate) fn is_notified(&self, end: End) -> bool {
        let inbox = self.inboxes.get(&self.conns[end.conn].owner[end.side]);
        inbox.is_some_and(|inbox| inbox.ready.contains(&end))
    }

    pub(crate) fn wake_soon(&mut self, node: Node) {
        let delay = if self.rng.percent(60) { 0 } else { self.rng.below(4) };
        self.wake(node, self.now + delay);
    }

    /// Returns the sockets for a turn; `None` if the turn is no longer due.
    pub(crate) fn begin_turn(&mut self, node: Node) -> Option<(Vec<End>, Vec<End>)> {
        let now = self.now;
        let inbox = self.inbox(node);
        if inbox.turn_at != Some(now) {
            return None;
        }
        inbox.turn_at = None;
        if inbox.paused_until > now {
            let until = inbox.paused_until;
            self.wake(node, until);
            return None;
        }
        let mut ready: Vec<End> = std::mem::take(&mut inbox.ready).into_iter().collect();
        let accepted = std::mem::take(&mut inbox.accepted);
        self.rng.shuffle(&mut ready);
        Some((ready, accepted))
    }

    /// A process is gone, and what waited for it.
    pub(crate) fn forget(&mut self, node: Node) {
        self.inboxes.remove(&node);
    }

    /// All ends that a process holds, when it is gone: the system closes them, unless the whole
    /// machine is gone.
    pub(crate) fn abandon(&mut self, node: Node, with_machine: bool) {
        self.listeners.retain(|_, owner| *owner != node);
        self.forget(node);
        for conn in 0..self.conns.len() {
            for side in [0, 1] {
                if self.conns[conn].owner[side] == node {
                    if with_machine {
                        self.cut(conn, [false; 2]);
                    }
                    self.close(End { conn, side });
                }
            }
        }
    }

    /// Makes a part of the trace.
    pub(crate) fn trace_numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|&number| self.trace.write_u64(number));
    }

    pub(crate) fn trace_bytes(&mut self, bytes: &[u8]) {
        self.trace.write(bytes);
    }

    /// Of everything that happened, and when.
    pub(crate) fn hash(&self) -> u64 {
        self.trace.finish()
    }
}
