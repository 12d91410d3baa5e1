//! The real coordinator on simulated sockets and a simulated disk: its lives, its turns, its end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::config::CoordinatorConfig;
use groupcast::coordinator::{Coordinator, GroupJournal, Replica, TurnOutcome};
use groupcast::group::Group;
use groupcast::limits::{DRAIN_MS, JOURNAL_CLOSE_MS, SyncPolicy};
use groupcast::net::Acceptor;
use groupcast::protocol::Epoch;
use groupcast::time::{Millis, Now, UnixMillis};

use crate::config_file::with_rules;
use crate::coverage::CoveragePoint;
use crate::environment::{Event, Node};
use crate::model::Model;
use crate::net::End;
use crate::observer::SimObserver;
use crate::outside::{Lent, Outside, SimListener, SimPlatform};
use crate::replies::ReplyChecks;
use crate::world::World;
use crate::writer::SimWriter;

pub(crate) const COORDINATOR_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
pub(crate) const HUB: SocketAddr = SocketAddr::new(COORDINATOR_IP, 5000);

/// One life of the coordinator's process.
#[derive(Debug)]
pub(crate) struct SimCoordinator {
    pub(crate) life: u32,
    pub(crate) program: Coordinator<SimPlatform>,
    /// Config of the start.
    pub(crate) config: CoordinatorConfig,
    pub(crate) outside: Outside,
    pub(crate) writer: Option<SimWriter>,
    pub(crate) started: u64,
    /// The group time of the start.
    age: Millis,
    /// Milliseconds by which the wall clock is ahead of the true time.
    pub(crate) wall_ahead: i64,
    /// Time at which the next turn begins at the latest.
    deadline: Option<Millis>,
    /// Requests to end, since the last turn.
    asked: usize,
    /// Until then a shutdown waits for replies and deliveries.
    drains_until: Millis,
    pub(crate) is_shutting_down: bool,
    /// Start of the end of the journal.
    pub(crate) closing_at: Option<u64>,
}

/// Returns the reading of a wall clock that is `ahead` milliseconds ahead.
pub(crate) fn wall(now: u64, ahead: i64) -> UnixMillis {
    UnixMillis((1_700_000_000_000 + now).saturating_add_signed(ahead))
}

impl SimCoordinator {
    /// The group's own clock, and one for people.
    pub(crate) fn clock(&self, now: u64) -> Now {
        let steady = self.age.plus(now - self.started);
        Now { steady, unix: wall(now, self.wall_ahead) }
    }
}

impl World {
    /// Starts a process with a group that was made at `clock`.
    pub(crate) fn put_up(
        &mut self,
        group: Group,
        journal: GroupJournal<SimWriter>,
        writer: Option<SimWriter>,
        age: Millis,
        wall_ahead: i64,
    ) {
        self.coordinators += 1;
        let (now, rng) = (self.environment.now, &mut self.environment.rng);
        let config = CoordinatorConfig::new(HUB.port(), 0);
        let mut config = with_rules(&config, &self.model.rules);
        config.timeouts.stall_ms = rng.pick(&[3_000, 60_000]);
        config.timeouts.line_ms = rng.pick(&[2_000, 10_000, 60_000]);
        config.counts.max_connections = rng.pick(&[20, 20, 1_000]);
        let sync = self.journal_state.as_ref().map_or(SyncPolicy::Never, |state| state.sync);
        let outside = Outside::new(ReplyChecks::new(sync, config.max_line), self.is_loud());
        let replica = Replica::new(group, journal, SimObserver::new(outside.clone()));
        let acceptor = Acceptor::over(SimListener(outside.clone()), 0);
        let platform = SimPlatform(outside.clone());
        let program = Coordinator::new(config.clone(), replica, platform, acceptor, age);
        self.coordinator = Some(SimCoordinator {
            life: self.coordinators,
            program,
            config,
            outside,
            writer,
            started: now,
            age,
            wall_ahead,
            deadline: None,
            asked: 0,
            drains_until: Millis::ZERO,
            is_shutting_down: false,
            closing_at: None,
        });
        let (epoch, begins_now) = (Epoch::new(self.environment.rng.next()), self.model.must_begin);
        self.with_coordinator(|coordinator, now| {
            coordinator.program.prepare_epoch(epoch, begins_now, now);
        });
        self.environment.listeners.insert(HUB, Node::Coordinator);
        self.environment.inbox(Node::Coordinator).paused_until = 0;
        self.environment.wake(Node::Coordinator, now);
        self.trace(|| "hub: starts".to_owned());
    }

    /// Lends the coordinator what it needs to run, for one call. Then its jobs go to the writer.
    pub(crate) fn with_coordinator<R>(
        &mut self,
        work: impl FnOnce(&mut SimCoordinator, Now) -> R,
    ) -> Option<R> {
        let mut coordinator = self.coordinator.take()?;
        let now = coordinator.clock(self.environment.now);
        let none = self.environment.nothing();
        let nobody = Model::new(self.model.rules.clone(), false, Epoch::new(0));
        let environment = std::mem::replace(&mut self.environment, none);
        let model = std::mem::replace(&mut self.model, nobody);
        coordinator.outside.lend(Lent { environment, model });
        let result = work(&mut coordinator, now);
        Lent { environment: self.environment, model: self.model } = coordinator.outside.take_back();
        self.coordinator = Some(coordinator);
        self.send_jobs();
        Some(result)
    }

    pub(crate) fn coordinator_turn(&mut self, ready: &[End], accepted: Vec<End>) {
        let (new_file, new_rules) = (self.take_hangup(), self.take_new_rules());
        let turn = self.with_coordinator(|coordinator, now| {
            if let Some(rules) = new_rules {
                coordinator.change_config(&rules, now);
            }
            if let Some(file) = new_file {
                coordinator.reload(&file, now);
            }
            let SimCoordinator { program, outside, deadline, asked, drains_until, .. } =
                coordinator;
            program.begin_turn(*deadline, now);
            if *asked > 0 {
                *drains_until = now.steady.plus(DRAIN_MS - JOURNAL_CLOSE_MS);
            }
            if !accepted.is_empty() {
                outside.arrive(accepted);
                program.on_listener_event();
            }
            for (key, readiness) in ready.iter().filter_map(|end| outside.event(*end)) {
                program.on_event(key, readiness);
            }
            let outcome = program.run_turn(std::mem::take(asked), now);
            let due = program.next_deadline(now.steady);
            *deadline = due;
            let is_busy = due == Some(Millis::ZERO);
            assert!(
                is_busy || due.is_none_or(|due| due > now.steady),
                "a deadline that stays would make the loop spin"
            );
            check_sockets(program.group(), outside, is_busy);
            if outcome == TurnOutcome::Done {
                outside.check_end(now.steady < *drains_until);
            }
            (outcome, due)
        });
        let Some((outcome, due)) = turn else { return };
        match outcome {
            TurnOutcome::Continue => (),
            TurnOutcome::Done | TurnOutcome::CutShort => return self.end_in_order(),
        }
        self.check_stats();
        let Some(coordinator) = &self.coordinator else { return };
        if let Some(due) = due {
            let next = self.environment.now + 1;
            let at = (due.since(coordinator.age) + coordinator.started).max(next);
            self.environment.wake(Node::Coordinator, at);
        }
    }

    /// An operator ends the coordinator.
    pub(crate) fn shut_coordinator_down(&mut self) {
        let Some(coordinator) = &mut self.coordinator else { return };
        if std::mem::replace(&mut coordinator.is_shutting_down, true) {
            return;
        }
        coordinator.asked += 1;
        self.environment.listeners.remove(&HUB);
        self.environment.wake_soon(Node::Coordinator);
    }

    /// The loop has ended: only the journal is left to be written.
    fn end_in_order(&mut self) {
        let Some(coordinator) = &mut self.coordinator else { return };
        coordinator.closing_at = Some(self.environment.now);
        let life = coordinator.life;
        self.environment.inbox(Node::Coordinator).paused_until = u64::MAX;
        self.environment.after(JOURNAL_CLOSE_MS, Event::Gone(life));
        self.close_journal();
    }

    /// Ends the coordinator's process at any moment.
    pub(crate) fn end_coordinator(&mut self, with_machine: bool) {
        self.cover_kill();
        self.end_journal(with_machine);
        self.coordinator = None;
        self.environment.abandon(Node::Coordinator, with_machine);
        let pause = self.environment.rng.pick(&[10, 500, 5_000, 40_000]);
        let pause = if self.environment.calm { 10 } else { pause };
        self.environment.after(pause, Event::Start(Node::Coordinator));
    }
}

impl World {
    /// Checks that no client is owed a reply and none costs memory, once everything gets through.
    pub(crate) fn check_clients(&self) {
        let Some(coordinator) = &self.coordinator else { return };
        let sockets = coordinator.outside.sockets();
        let stats = coordinator.program.stats(coordinator.clock(self.environment.now).steady);
        let stat = |name| stats.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value);
        assert_eq!(stat("connections"), Some(&*sockets.replies.count().to_string()));
        let owed = sockets.replies.owed();
        let forgotten = owed.filter(|(end, _)| self.environment.is_whole(*end)).collect::<Vec<_>>();
        assert!(forgotten.is_empty(), "{forgotten:?}");
        // The bytes of a client behind a broken wire stay until the system ends the connection.
        if sockets.replies.ends().all(|end| self.environment.is_whole(end)) {
            assert_eq!([stat("client_bytes"), stat("input_bytes")], [Some("0"); 2]);
        }
    }
}

/// After a turn all bytes are reported. Unless the next turn follows at once, no message socket
/// with due bytes and room is left, and nobody with unread bytes, but for clients that are owed
/// replies.
fn check_sockets(group: &Group, outside: &Outside, is_busy: bool) {
    outside.with(|lent, sockets| sockets.messages.check(&lent.model));
    if is_busy {
        return;
    }
    let links: Vec<_> = outside.sockets().messages.links().collect();
    for (link, end) in links {
        let is_due = group.run_for(link).is_some();
        assert!(!is_due || !outside.has_room(end), "link {link} is forgotten");
    }
    outside.with(|Lent { environment, model }, sockets| {
        for end in sockets.ends().filter(|end| environment.has_unread(*end)) {
            if environment.is_notified(end) {
                continue;
            }
            if sockets.handshaking.contains(&end) {
                assert_eq!(environment.handshake(end), None, "{end:?}: a forgotten handshake");
                continue;
            }
            assert!(sockets.replies.may_wait(end), "{end:?} is no longer read");
            if sockets.replies.is_throttled(end) {
                model.cover(CoveragePoint::Throttled);
            }
        }
    });
}
