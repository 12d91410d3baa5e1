//! The event loop of the coordinator: its parts, and one turn.

mod certificates;
pub(super) mod config_change;
mod epochs;
mod http;
pub(super) mod reload;
pub(super) mod site;
mod wiring;

use std::io;
use std::sync::Arc;

use mio::Events;

use super::CoordinatorError;
use super::accept::Listener;
use super::admin::Admin;
use super::commands::CommandSockets;
use super::commands::refused_clients::{limit_input, on_linger_timeout};
use super::liveness::Liveness;
use super::messages::MessageSockets;
use super::platform::Platform;
use super::replica::Replica;
use super::report;
use super::shutdown::{Shutdown, ShutdownStep, TurnOutcome};
use super::sockets::{CoordinatorTimer, Sockets};
use super::system::System;
use crate::access::{AccessTable, CaCheck};
use crate::config::CoordinatorConfig;
use crate::facts::Recorded;
use crate::group::{Group, Input, LinkId, SocketEnd};
use crate::journal::JournalEnd;
use crate::limits::TURN_PEER_CHECKS_MAX;
use crate::net::{
    Acceptor, CLOCK, HTTP_LISTENER, Key, LISTENER, Readiness, SIGNALS, SocketTable, WAKER,
};
use crate::protocol::Epoch;
use crate::time::{Millis, Now};

/// The group, and the parts around it.
#[derive(Debug)]
pub struct Coordinator<P: Platform> {
    config: CoordinatorConfig,
    group: Replica<P::Writer, P::Observer>,
    commands: CommandSockets<P::Stream>,
    messages: MessageSockets<P::Stream>,
    sockets: Sockets,
    listener: Listener<P::Listener>,
    liveness: Liveness,
    platform: P,
    /// Group time of the start.
    started: Millis,
    shutdown: Option<Shutdown>,
    /// The HTTP server, if it is on.
    admin: Option<Box<Admin<P::Stream, P::Listener>>>,
}

impl Coordinator<System> {
    /// Runs turns until the shutdown is complete.
    pub(super) fn run(&mut self, events: &mut Events) -> Result<(), CoordinatorError> {
        loop {
            match self.turn(events) {
                Ok(TurnOutcome::Continue) => (),
                Ok(TurnOutcome::Done) => return Ok(()),
                Ok(TurnOutcome::CutShort) => return Err(CoordinatorError::CutShort),
                Err(error) => return Err(CoordinatorError::poll(error)),
            }
        }
    }

    /// Runs one turn: sleeps until an event or a deadline, and handles all that is due.
    fn turn(&mut self, events: &mut Events) -> io::Result<TurnOutcome> {
        let before = self.platform.now().steady;
        let deadline = self.next_deadline(before);
        self.platform.sleep(events, deadline, before)?;
        let now = self.platform.now();
        self.begin_turn(deadline, now);
        let mut signalled = false;
        for event in &*events {
            match event.token() {
                LISTENER => self.on_listener_event(),
                HTTP_LISTENER => http::on_listener_event(self),
                SIGNALS => signalled = true,
                CLOCK => self.platform.on_clock_event(),
                WAKER => (), // Every turn takes the reports of the worker.
                token => self.on_event(Key::from(token), event),
            }
        }
        let (asked, is_hangup) =
            if signalled { self.platform.take_signals() } else { Default::default() };
        if is_hangup {
            reload::reload(self, now);
        }
        Ok(match self.admin {
            None => self.run_turn(asked, now),
            Some(_) => http::timed(self, |coordinator| coordinator.run_turn(asked, now)),
        })
    }

    /// Writes the end of the journal. Waits for it until the shutdown timeout or a second signal.
    pub(super) fn close_journal(&mut self, events: &mut Events) -> Result<(), CoordinatorError> {
        let ends_at = self.shutdown.map_or(Millis::ZERO, Shutdown::ends_at);
        self.begin_journal_end(self.platform.now());
        loop {
            let now = self.platform.now().steady;
            match self.journal_end(self.platform.now()) {
                JournalEnd::Written => return Ok(()),
                JournalEnd::Pending if now < ends_at => (),
                JournalEnd::Pending | JournalEnd::Failed => {
                    let bytes = self.group.journal.waiting_bytes();
                    return Err(CoordinatorError::unwritten(&self.config, bytes));
                }
            }
            self.platform.sleep(events, Some(ends_at), now).map_err(CoordinatorError::poll)?;
            let asked = self.platform.take_signals().0;
            if self.on_end_requests(asked, self.platform.now()) {
                return Err(CoordinatorError::CutShort);
            }
        }
    }
}

impl<P: Platform> Coordinator<P> {
    /// Makes the coordinator of a group that was started at the group time `started`.
    pub fn new(
        config: CoordinatorConfig,
        group: Replica<P::Writer, P::Observer>,
        platform: P,
        acceptor: Acceptor<P::Listener>,
        started: Millis,
    ) -> Self {
        let mut coordinator = Self {
            commands: CommandSockets::new(&config),
            messages: MessageSockets::new(&config),
            liveness: Liveness::new(config.timeouts.peer),
            sockets: Sockets::new(started, config.timeouts.peer.keepalive()),
            config,
            group,
            listener: Listener::new(acceptor),
            platform,
            started,
            shutdown: None,
            admin: None,
        };
        coordinator.arm_deadlines(); // Recovered messages expire even if no client connects.
        coordinator
    }

    /// Serves HTTP from now on.
    pub(super) fn serve_http(&mut self, server: Admin<P::Stream, P::Listener>) {
        self.admin = Some(Box::new(server));
    }

    /// Returns the group.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Gives the group the random bits of its next epoch. With `begins_now`, it begins at once.
    pub fn prepare_epoch(&mut self, epoch: Epoch, begins_now: bool, now: Now) {
        self.group.handle(Input::DrawnEpoch(epoch), now);
        if begins_now {
            log::info!("--new-epoch: epoch {} ends, epoch {epoch} begins", self.group.epoch());
            self.handle(Input::BeginEpoch, now);
            self.commit_turn(now);
        }
    }

    /// Puts a new access table in force, and new results for certificates. Returns the number of
    /// members that went offline.
    pub fn change_access(
        &mut self,
        table: Arc<AccessTable>,
        checked: &[(LinkId, CaCheck)],
        now: Now,
    ) -> usize {
        reload::change_access(self, Input::AccessChanged { table, checked }, now)
    }

    /// Returns the line that is printed at the start.
    pub(super) fn first_line(&self, files: &str, security: &str) -> String {
        report::first_line(&self.config, &self.group, files, security)
    }

    /// Returns the time at which the next turn begins at the latest: now if work is left.
    pub fn next_deadline(&self, now: Millis) -> Option<Millis> {
        let is_idle = self.is_idle(now) && http::is_idle(self, now) && !site::has_reports(self);
        if is_idle { self.sockets.next_deadline() } else { Some(Millis::ZERO) }
    }

    /// Begins a turn that was due at `deadline` at the latest.
    pub fn begin_turn(&mut self, deadline: Option<Millis>, now: Now) {
        self.sockets.begin_turn(deadline, now.steady);
    }

    /// Records an event of the listener.
    pub fn on_listener_event(&mut self) {
        self.listener.on_event();
    }

    /// Records an event of a connection.
    pub fn on_event(&mut self, key: Key, event: impl Into<Readiness>) {
        match key.table() {
            SocketTable::Command => self.commands.on_event(key, event),
            SocketTable::Message => self.messages.on_event(key, event),
            SocketTable::Http => http::on_event(self, key, event.into()),
        }
    }

    /// Runs the turn after its events. `asked` is the number of new requests to end.
    pub fn run_turn(&mut self, asked: usize, now: Now) -> TurnOutcome {
        self.take_committed(now);
        while let Some(timer) = self.sockets.pop_due(now.steady) {
            self.on_timer(timer, now);
        }
        certificates::expire(self, now);
        self.serve_messages(now);
        self.serve_commands(now);
        self.continue_handshakes(now);
        limit_input(&mut self.commands, &mut self.sockets, now.steady);
        self.accept(now); // After the timers, so that the accept timer can be set again.
        let is_second = self.on_end_requests(asked, now);
        self.handle(Input::Tick, now);
        if self.commands.write_replies() {
            self.liveness.request_check();
        }
        self.move_upgraded(now);
        self.deliver(now);
        self.check_peers(now);
        self.commit_turn(now);
        http::serve(self, now);
        self.close_marked();
        self.commands.resume_waiting(&self.group); // After all steps that free memory.
        self.arm_deadlines();
        self.sockets.arm_certificates(now);
        if is_second { TurnOutcome::CutShort } else { self.outcome(now.steady) }
    }

    fn is_idle(&self, now: Millis) -> bool {
        self.commands.is_idle()
            && self.messages.is_idle()
            && !self.liveness.is_under_way()
            && !self.listener.is_due(now)
    }

    fn on_timer(&mut self, timer: CoordinatorTimer, now: Now) {
        if let Some((key, id)) = self.sockets.postpone(timer, now.steady) {
            return match timer {
                CoordinatorTimer::Handshake(_) => self.commands.handshakes().on_postponed(key, id),
                CoordinatorTimer::Line(_) => self.commands.on_postponed(key, id),
                CoordinatorTimer::Connect(_) | CoordinatorTimer::Stall(_) => {
                    self.messages.on_postponed(key, id);
                }
                // Nothing cancels these timers.
                CoordinatorTimer::Upgrade(_)
                | CoordinatorTimer::Linger(_)
                | CoordinatorTimer::PeerCheck
                | CoordinatorTimer::Accept
                | CoordinatorTimer::Group
                | CoordinatorTimer::Journal
                | CoordinatorTimer::Certificates
                | CoordinatorTimer::Http
                | CoordinatorTimer::Shutdown => (),
            };
        }
        match timer {
            CoordinatorTimer::Handshake(key) => self.commands.handshakes().on_timeout(key),
            CoordinatorTimer::Line(key) => self.commands.on_line_timeout(key),
            CoordinatorTimer::Connect(key) => {
                let input = self.messages.on_connect_timeout(key, &mut self.sockets);
                self.on_connect_back(key, input, now);
            }
            CoordinatorTimer::Stall(key) => {
                if let Some(stalled) = self.messages.on_stall(key, &self.group) {
                    self.end_failed(key, stalled, now);
                }
            }
            CoordinatorTimer::Upgrade(key) => {
                let (sockets, timeout_ms) = (&mut self.sockets, self.config.timeouts.stall_ms);
                if let Some(link) = self.commands.upgrades().on_timeout(key, sockets, now.steady) {
                    self.handle(Input::Lost { link, how: SocketEnd::Stalled { timeout_ms } }, now);
                }
            }
            CoordinatorTimer::Linger(key) => {
                on_linger_timeout(&mut self.commands, key, &mut self.sockets, now.steady);
            }
            CoordinatorTimer::PeerCheck => {
                let waiting = self.commands.written().chain(self.messages.written()).collect();
                let (commands, messages) = (&self.commands, &self.messages);
                let is_open = |key| commands.contains(key) || messages.contains(key);
                self.liveness.begin(waiting, is_open, now.steady);
            }
            CoordinatorTimer::Accept => self.listener.on_timer(),
            CoordinatorTimer::Http => http::on_timer(self),
            // The steps of every turn do the work of these.
            CoordinatorTimer::Group
            | CoordinatorTimer::Journal
            | CoordinatorTimer::Certificates
            | CoordinatorTimer::Shutdown => (),
        }
    }

    /// Continues a check of peers, a part in each turn, and sets the timer of the next check.
    fn check_peers(&mut self, now: Now) {
        for _ in 0..TURN_PEER_CHECKS_MAX {
            let Some(key) = self.liveness.next() else { break };
            let unacked = self.commands.check_peer(key).or_else(|| self.messages.check_peer(key));
            let Some(unacked) = unacked else { continue };
            if self.liveness.on_checked(key, unacked, now.steady) {
                let link = self.commands.upgrades().link_of(key);
                self.commands.on_machine_gone(key);
                if let Some(link) = link {
                    self.handle(Input::Lost { link, how: SocketEnd::TimedOut }, now);
                }
                self.end_failed(key, SocketEnd::TimedOut, now);
            }
        }
        self.liveness.arm(&mut self.sockets, now.steady);
    }

    /// Closes the sockets that were marked in this turn. Handlers only mark a socket, so no handler
    /// meets a closed socket.
    fn close_marked(&mut self) {
        let commands = self.commands.close_marked(&mut self.sockets);
        let messages = self.messages.close_marked(&mut self.sockets);
        self.listener.files_closed(commands + messages);
    }

    fn arm_deadlines(&mut self) {
        self.sockets.arm_deadlines(self.group.next_deadline(), self.group.journal.deadline());
    }

    /// Returns the lines that follow `OK stats`.
    pub fn stats(&self, now: Millis) -> Vec<(&'static str, String)> {
        http::samples(self, now).stats()
    }

    /// Begins the shutdown if a signal or the journal asks for it. Returns true for another signal.
    fn on_end_requests(&mut self, asked: usize, now: Now) -> bool {
        if (asked > 0 || site::must_end(self)) && self.shutdown.is_none() {
            log::info!("shutting down");
            self.listener.close();
            let shutdown = Shutdown::begin(self.group.journal.close_ms(), now.steady);
            self.shutdown = Some(shutdown);
            self.sockets.set_timer(shutdown.until(), CoordinatorTimer::Shutdown);
            self.group.handle(Input::ShutDown, now);
            self.commands.begin_shutdown();
        }
        self.shutdown.as_mut().is_some_and(|shutdown| shutdown.ask(asked))
    }

    fn outcome(&mut self, now: Millis) -> TurnOutcome {
        let Some(mut shutdown) = self.shutdown else { return TurnOutcome::Continue };
        let step = shutdown.advance(|| self.is_drained(now), now);
        self.shutdown = Some(shutdown);
        match step {
            ShutdownStep::Wait => (),
            ShutdownStep::Drained(until) => {
                self.sockets.set_timer(until, CoordinatorTimer::Shutdown);
                self.messages.send_byes(&self.group);
                self.commands.shut_down();
                self.messages.shut_down();
            }
            ShutdownStep::Expired(is_early) => {
                if is_early {
                    self.messages.send_byes(&self.group);
                    log::warn!("shutdown timeout: some replies or messages were not sent");
                }
                return TurnOutcome::Done;
            }
        }
        let is_done = self.commands.is_empty() && self.messages.is_empty();
        if is_done { TurnOutcome::Done } else { TurnOutcome::Continue }
    }

    /// Returns true if every due reply and delivery was sent.
    fn is_drained(&self, now: Millis) -> bool {
        self.is_idle(now)
            && self.group.journal.is_idle()
            && self.commands.is_drained()
            && !self.messages.has_due(&self.group)
    }

    /// Returns true if all facts are committed.
    pub fn is_journal_idle(&self) -> bool {
        self.group.journal.is_idle()
    }

    /// Begins the end of the journal.
    pub fn begin_journal_end(&mut self, now: Now) {
        self.group.close_journal(now);
    }

    /// Continues the end of the journal, and returns its outcome.
    pub fn journal_end(&mut self, now: Now) -> JournalEnd {
        self.group.journal_end(now)
    }
}
