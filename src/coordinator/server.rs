//! The event loop of the coordinator: its state, and one turn.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;

use mio::{Events, Poll};

use super::admission::Admission;
use super::budget::Budget;
use super::journal::Journal;
use super::lists::Lists;
use super::liveness::Liveness;
use super::peer::{Peer, PeerRole};
use super::ready::Ready;
use super::shutdown::{Shutdown, TurnOutcome};
use super::startup::Startup;
use super::suspend::SuspendGrace;
use crate::config::CoordinatorConfig;
use crate::group::{Group, Input, LinkId};
use crate::limits::READ_BYTES;
use crate::net::{
    Acceptor, CLOCK, Clock, Key, LISTENER, Rotation, SIGNALS, Signals, Slots, TimerId, TimerWheel,
    WAKER, wait,
};
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// The group with the sockets, timers and queues around it.
#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) config: CoordinatorConfig,
    pub(super) group: Group,
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    /// Group time of the start.
    pub(super) started: Millis,
    pub(super) signals: Signals,
    /// `None` during the shutdown.
    pub(super) acceptor: Option<Acceptor>,
    pub(super) accept_timer: Option<TimerId>,
    /// True if no file was free for a connection, and the log has reported it.
    pub(super) is_out_of_files: bool,
    pub(super) peers: Slots<Peer>,
    /// Number and limits of command sockets.
    pub(super) admission: Admission,
    /// Memory of all command sockets.
    pub(super) budget: Budget,
    pub(super) lists: Lists,
    /// Connect-backs and message sockets by their names in the group.
    pub(super) links: BTreeMap<LinkId, Key>,
    pub(super) timers: TimerWheel<CoordinatorTimer>,
    pub(super) group_timer: Option<(Millis, TimerId)>,
    pub(super) liveness: Liveness,
    /// Command sockets to be served.
    pub(super) ready_clients: Ready,
    /// Connect-backs and message sockets to be served.
    pub(super) ready_message_sockets: Ready,
    /// Work that is left of the limit of this turn.
    pub(super) work_left: usize,
    /// Command sockets with replies to be written, or to be closed after their last reply.
    pub(super) unflushed: VecDeque<Key>,
    /// Message sockets that may have room for more deliveries.
    pub(super) writable: Vec<Key>,
    /// Sockets to be closed at the end of the turn.
    pub(super) marked_for_close: Vec<Key>,
    /// Last message that was offered to all message sockets.
    pub(super) delivered_through: Seq,
    /// Message socket after which deliveries continue, if the last turn reached its limit.
    pub(super) delivered_last: Option<Key>,
    /// Starting position of deliveries if no member waits from the previous turn.
    pub(super) rotation: Rotation,
    /// Client whose requests are being executed.
    pub(super) serving: Option<Key>,
    pub(super) scratch: Box<[u8]>,
    pub(super) counters: ServerCounters,
    pub(super) shutdown: Option<Shutdown>,
    pub(super) journal: Option<Journal>,
    journal_timer: Option<(Millis, TimerId)>,
    pub(super) suspend_grace: SuspendGrace,
    /// Clients with replies that wait for a commit.
    pub(super) with_pending_replies: Vec<Key>,
}

/// Counters of events outside the group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServerCounters {
    /// Number of `ERR` replies.
    pub(super) errors: u64,
}

/// Purpose of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoordinatorTimer {
    /// `line_timeout`: a line is unfinished.
    Line(Key),
    /// `connect_timeout`: a connect-back is in progress.
    Connect(Key),
    /// `stall_timeout`: a message socket takes no bytes.
    Stall(Key),
    /// Written bytes may be unacknowledged.
    PeerCheck,
    /// A refused client had time to read the reason.
    Linger(Key),
    /// The pause of accepting ends.
    Accept,
    /// A block of the history expires.
    Group,
    /// The journal has something to do: a retry, a sync, a removal.
    Journal,
    /// The wait for sockets at shutdown ends.
    Shutdown,
}

impl Coordinator {
    pub(super) fn new(
        config: CoordinatorConfig,
        startup: Startup,
        poll: Poll,
        signals: Signals,
        acceptor: Acceptor,
    ) -> Self {
        let Startup { group, clock, journal, .. } = startup;
        let started = clock.now().steady;
        let budget = Budget::new(config.max_connections, config.max_line);
        let mut coordinator = Self {
            admission: Admission::new(&config),
            config,
            group,
            poll,
            clock,
            started,
            signals,
            acceptor: Some(acceptor),
            accept_timer: None,
            is_out_of_files: false,
            peers: Slots::new(),
            budget,
            lists: Lists::default(),
            links: BTreeMap::new(),
            timers: TimerWheel::new(),
            group_timer: None,
            liveness: Liveness::default(),
            ready_clients: Ready::default(),
            ready_message_sockets: Ready::default(),
            work_left: 0,
            unflushed: VecDeque::new(),
            writable: Vec::new(),
            marked_for_close: Vec::new(),
            delivered_through: Seq::ZERO,
            delivered_last: None,
            rotation: Rotation::default(),
            serving: None,
            scratch: vec![0; READ_BYTES].into(),
            counters: ServerCounters::default(),
            shutdown: None,
            journal,
            journal_timer: None,
            suspend_grace: SuspendGrace::new(started),
            with_pending_replies: Vec::new(),
        };
        coordinator.arm_timers(); // Recovered messages expire even if no client connects.
        coordinator
    }

    /// Runs one turn: sleeps until an event or a deadline, and handles all that is due.
    pub(super) fn turn(&mut self, events: &mut Events) -> io::Result<TurnOutcome> {
        let deadline =
            if self.is_idle() { self.timers.next_deadline() } else { Some(Millis::ZERO) };
        let before = self.clock.now().steady;
        wait(&mut self.poll, events, before, self.clock.wake_by(deadline, before))?;
        let now = self.clock.now();
        self.suspend_grace.begin_turn(deadline, now.steady);
        let mut signalled = false;
        for event in &*events {
            match event.token() {
                LISTENER => self.acceptor.iter_mut().for_each(Acceptor::on_event),
                SIGNALS => signalled = true,
                CLOCK => self.clock.on_event(), // Every turn reads both clocks.
                WAKER => (),                    // Every turn takes the reports of the worker.
                token => self.on_event(Key::from(token), event),
            }
        }
        self.take_committed(now);
        while let Some(timer) = self.timers.pop_due(now.steady) {
            self.on_timer(timer, now);
        }
        self.serve_message_sockets(now);
        self.serve_clients(now);
        self.limit_input(now.steady);
        self.accept(now); // After the timers, so that the accept timer can be set again.
        let is_second = signalled && self.on_signal(now);
        self.group.handle(Input::Tick, now);
        self.run_effects(now);
        self.write_replies();
        self.deliver(now);
        self.check_peers(now);
        self.commit_turn(now);
        self.close_marked();
        self.resume_waiting(); // After all steps that free memory.
        self.arm_timers();
        Ok(if is_second { TurnOutcome::CutShort } else { self.outcome(now.steady) })
    }

    pub(super) fn is_idle(&self) -> bool {
        let may_accept = |acceptor: &Acceptor| acceptor.is_due(self.clock.now().steady);
        self.ready_clients.is_empty()
            && self.ready_message_sockets.is_empty()
            && self.writable.is_empty()
            && self.unflushed.is_empty()
            && !self.liveness.is_under_way()
            && self.lists.is_idle(&self.budget)
            && !self.acceptor.as_ref().is_some_and(may_accept)
    }

    fn on_event(&mut self, key: Key, event: &mio::event::Event) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.connection.on_event(event);
            self.wake(key);
        }
    }

    fn on_timer(&mut self, timer: CoordinatorTimer, now: Now) {
        if self.postpone(timer, now.steady) {
            return;
        }
        match timer {
            CoordinatorTimer::Line(key) => self.on_line_timeout(key),
            CoordinatorTimer::Connect(key) => self.on_connect_timeout(key, now),
            CoordinatorTimer::Stall(key) => self.on_stall(key, now),
            CoordinatorTimer::Linger(key) => self.on_linger_timeout(key, now.steady),
            CoordinatorTimer::PeerCheck => self.begin_peer_check(now.steady),
            // Every turn tries to accept.
            CoordinatorTimer::Accept => self.accept_timer = None,
            // The steps of every turn do the work of these three.
            CoordinatorTimer::Group => self.group_timer = None,
            CoordinatorTimer::Journal => self.journal_timer = None,
            CoordinatorTimer::Shutdown => (),
        }
    }

    /// Closes the sockets that were marked in this turn. Handlers only mark a socket, so no handler
    /// meets a closed socket.
    fn close_marked(&mut self) {
        for key in mem::take(&mut self.marked_for_close) {
            let Some(peer) = self.peers.remove(key) else { continue };
            match peer.role {
                PeerRole::Client(mut client) => {
                    self.budget.release(&peer.connection, &client);
                    if let Some(timer) = client.line_timer {
                        self.timers.cancel(timer);
                    }
                    self.admission.on_closed(&mut client);
                }
                PeerRole::Connecting { deadline, .. } => {
                    self.timers.cancel(deadline);
                }
                PeerRole::MemberSocket(message_socket) => {
                    if let Some(timer) = message_socket.stall_timer {
                        self.timers.cancel(timer);
                    }
                }
            }
            debug_assert!(
                !self.admission.is_empty() || self.budget.kept_bytes() == 0,
                "without command sockets no bytes are counted"
            );
            drop(peer.connection);
            if let Some(acceptor) = &mut self.acceptor {
                acceptor.file_closed();
            }
        }
    }

    fn arm_timers(&mut self) {
        let due = self.group.next_deadline();
        rearm(&mut self.timers, &mut self.group_timer, due, CoordinatorTimer::Group);
        let due = self.journal.as_ref().and_then(|journal| journal.commits.deadline());
        rearm(&mut self.timers, &mut self.journal_timer, due, CoordinatorTimer::Journal);
    }
}

/// Sets a timer to `due`, and cancels its earlier deadline.
fn rearm(
    timers: &mut TimerWheel<CoordinatorTimer>,
    armed: &mut Option<(Millis, TimerId)>,
    due: Option<Millis>,
    timer: CoordinatorTimer,
) {
    if due == armed.map(|(deadline, _)| deadline) {
        return;
    }
    if let Some((_, id)) = armed.take() {
        timers.cancel(id);
    }
    *armed = due.map(|due| (due, timers.insert(due, timer)));
}
