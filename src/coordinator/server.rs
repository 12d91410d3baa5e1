//! One turn of the loop, and what it stands on.

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

/// The coordinator's sockets, timers and queues, around its group.
#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) config: CoordinatorConfig,
    pub(super) group: Group,
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    /// The group time of the start.
    pub(super) started: Millis,
    pub(super) signals: Signals,
    /// Gone once the shutdown has begun.
    pub(super) acceptor: Option<Acceptor>,
    pub(super) accept_timer: Option<TimerId>,
    /// Connections wait for which there was no file, and that was said.
    pub(super) is_out_of_files: bool,
    pub(super) peers: Slots<Peer>,
    /// Number and limits of the command sockets.
    pub(super) admission: Admission,
    /// What is kept for all of them.
    pub(super) budget: Budget,
    pub(super) lists: Lists,
    /// Connect-backs and message sockets by the group's names for them.
    pub(super) links: BTreeMap<LinkId, Key>,
    pub(super) timers: TimerWheel<CoordinatorTimer>,
    pub(super) group_timer: Option<(Millis, TimerId)>,
    pub(super) liveness: Liveness,
    /// Command sockets with an event, that stopped early, or that may go on for another reason.
    pub(super) ready_clients: Ready,
    /// Connect-backs and message sockets likewise.
    pub(super) ready_message_sockets: Ready,
    /// Work that the sockets being served may still cause in this turn.
    pub(super) work_left: usize,
    /// Command sockets with replies to be written, or an end to come to.
    pub(super) unflushed: VecDeque<Key>,
    /// Message sockets that may take more than they took last time.
    pub(super) writable: Vec<Key>,
    /// To be closed at the end of the turn.
    pub(super) marked_for_close: Vec<Key>,
    /// Message sockets were offered everything up to here.
    pub(super) delivered_through: Seq,
    /// The last message socket that was offered something, where those behind it have to wait.
    pub(super) delivered_last: Option<Key>,
    /// Member that a turn without waiting members starts deliveries with.
    pub(super) rotation: Rotation,
    /// The client whose requests are being carried out.
    pub(super) serving: Option<Key>,
    pub(super) scratch: Box<[u8]>,
    pub(super) counters: ServerCounters,
    pub(super) shutdown: Option<Shutdown>,
    pub(super) journal: Option<Journal>,
    journal_timer: Option<(Millis, TimerId)>,
    pub(super) suspend_grace: SuspendGrace,
    /// Clients with replies that wait for the journal.
    pub(super) with_pending_replies: Vec<Key>,
}

/// What is counted outside the group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServerCounters {
    /// `ERR` replies.
    pub(super) errors: u64,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoordinatorTimer {
    /// A line has not been finished in time.
    Line(Key),
    /// A connect-back has not come about in time.
    Connect(Key),
    /// A message socket has taken nothing for too long.
    Stall(Key),
    /// Written bytes may be outstanding.
    PeerCheck,
    /// A refused client has had its time.
    Linger(Key),
    /// Accepting has rested.
    Accept,
    /// A block of the history has expired.
    Group,
    /// The journal is to be tried again, synced, or a part of it removed.
    Journal,
    /// The shutdown has taken long enough.
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
        coordinator.arm_timers(); // Time passes for what was kept, though nobody comes.
        coordinator
    }

    /// As long as it takes for something to happen, and all that comes of it.
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
                CLOCK => self.clock.on_event(), // Both clocks are looked at in every turn.
                WAKER => (), // What the worker has done is looked for in every turn.
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
        self.accept(now); // Behind the timers: its own must be done to be set again.
        let is_second = signalled && self.on_signal(now);
        self.group.handle(Input::Tick, now);
        self.run_effects(now);
        self.write_replies();
        self.deliver(now);
        self.check_peers(now);
        self.commit_turn(now);
        self.close_marked();
        self.resume_waiting(); // Behind all that makes it.
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

    /// Closes what was buried in this turn: no handler does, so that none meets a socket half gone.
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
                "what is kept is kept for one"
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

/// Has a timer run out at `due`, and at no other time.
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
