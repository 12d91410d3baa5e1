//! Visits: programs that send texts, leave their id as they found it, and end (`--send`).
//!
//! The id of a visit is its own, or that of a participant on the same machine. A visit takes over
//! nobody, takes no message, and removes only registrations that it made itself. It tells the
//! outcome of each text.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::session::{LogEntry, Notice, SessionInput, VisitKind};

use crate::coverage::CoveragePoint;
use crate::environment::{Event, Node};
use crate::impostors::STRANGER_IDS;
use crate::model::{Member, Model};
use crate::participant::SimParticipant;
use crate::passive::make_passive;
use crate::world::World;
use support::rng::Rng;

/// First port of the listeners of visits.
pub(crate) const VISIT_PORTS: u16 = 40_000;

/// A program that visits again and again. This is the state of the visit that runs.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    /// Lines that the session has not taken.
    lines: VecDeque<String>,
    has_quit: bool,
    /// True once `register` was sent: a registration may be of this process.
    may_have_registered: bool,
    /// Port of the first listener of this process.
    first_port: u16,
    /// Addresses of the command sockets of this process.
    dialed_from: BTreeSet<SocketAddr>,
    /// True once a text was refused because the id is not online.
    must_join: bool,
    /// True if the id was a member when the visit came.
    has_found_member: bool,
    /// True once another program has the id: a registration is no longer of this process.
    is_taken_over: bool,
    /// Number of requests that the visit has said to leave unfinished or unanswered.
    unfinished: usize,
    /// A `disconnect` was sent.
    has_asked_to_leave: bool,
    /// The coordinator refused the `disconnect`, because it ends or cannot write its journal.
    may_not_leave: bool,
}

/// Returns the visiting programs of a run: at most one with an id of its own, and at most one with
/// the id of the first participant.
pub(crate) fn visiting(seed: u64, members: usize) -> Vec<SimParticipant> {
    let mut rng = Rng::new(seed.rotate_left(31));
    let own = ("v0", Ipv4Addr::new(10, 0, 3, 0));
    let shared = ("p0", Ipv4Addr::new(10, 0, 1, 0));
    let all = [own, shared].into_iter().filter(|_| rng.percent(40));
    let visits = all.enumerate().map(|(i, (id, ip))| {
        let mut visit = SimParticipant::new(members + i, (true, false), (false, false));
        visit.become_visit(id, IpAddr::V4(ip));
        visit
    });
    let mut visits = visits.collect::<Vec<SimParticipant>>();
    make_passive(seed, &mut visits);
    visits
}

impl SimParticipant {
    pub(crate) fn visit_kind(&self) -> VisitKind {
        if self.visit.is_some() { VisitKind::SendsOnly } else { VisitKind::Stays }
    }

    /// A reply is about to be handed in.
    pub(crate) fn on_reply_to_visit(&mut self, reply: &str) {
        if let Some(visit) = &mut self.visit {
            let is_offline = reply.starts_with("ERR 409 ");
            // After a 401 a program with a secret registers.
            let is_unknown = ["ERR 401 ", "ERR 404 "].iter().any(|code| reply.starts_with(code));
            visit.must_join |= is_offline || is_unknown;
            let is_member = is_offline || reply.starts_with("OK reconnect ");
            visit.has_found_member |= is_member && !visit.may_have_registered;
            visit.may_not_leave |= visit.has_asked_to_leave
                && ["ERR 503 ", "ERR 506 "].iter().any(|code| reply.starts_with(code));
        }
    }

    pub(crate) fn on_notice_of_visit(&mut self, notice: &Notice) {
        let Some(visit) = &mut self.visit else { return };
        visit.is_taken_over |= matches!(notice, Notice::TakenOver(_));
        if let Notice::Unfinished { commands: count }
        | Notice::Abandoned { unanswered: count, .. } = notice
        {
            visit.unfinished += count;
        }
    }

    /// A visit joins only after the coordinator said that its id is not online.
    pub(crate) fn check_join_of_visit(&self) {
        let takes_over = self.visit.as_ref().is_some_and(|visit| !visit.must_join);
        assert!(!takes_over, "a visit takes over {}", self.id);
    }

    /// Records the address of a command socket, which can become a message socket.
    pub(crate) fn on_dial_of_visit(&mut self, address: SocketAddr) {
        if let Some(visit) = &mut self.visit {
            visit.dialed_from.insert(address);
        }
    }

    /// Returns true for the address of a listener or command socket of this process.
    fn has_used(&self, address: SocketAddr) -> bool {
        let Some(visit) = &self.visit else { return false };
        let is_listener = (visit.first_port..=self.ports).contains(&address.port());
        address.ip() == self.ip && is_listener || visit.dialed_from.contains(&address)
    }

    /// Returns true if the id is registered, and this process has registered it.
    fn has_registered(&self, model: &Model) -> bool {
        let member = model.members.get(&self.id);
        let address = member.and_then(|member| model.registered_from.get(&member.number));
        address.is_some_and(|address| self.has_used(*address))
    }

    /// A visit is about to send a request. It sends `deregister` only if it has registered the id.
    pub(crate) fn on_request_of_visit(&mut self, line: &str) {
        if line.contains("#register here ") || line.contains("#reconnect here ") {
            self.check_join_of_visit();
        }
        let Some(visit) = &mut self.visit else { return };
        visit.may_have_registered |= line.contains("#register ");
        visit.has_asked_to_leave |= line.contains("#disconnect#");
        let removes_other = line.contains("#deregister#") && !visit.may_have_registered;
        assert!(!removes_other, "a visit removes {}, which it has not registered", self.id);
    }

    /// A visit that ends without an error has left its id as it found it, and all its texts are
    /// confirmed. One that ends with an error has told the outcome of each text. After a refused
    /// `disconnect` the member goes offline with the message socket, which ends with the visit.
    pub(crate) fn check_exit_of_visit(&self, code: u8, model: &mut Model) {
        let Some(visit) = &self.visit else { return };
        let id = &self.id;
        self.outcomes.check_exit(id, code, visit.unfinished);
        if code > 0 {
            return model.cover(CoveragePoint::VisitFailed);
        }
        let was_member = visit.has_found_member || visit.is_taken_over;
        let has_left = was_member || !self.has_registered(model);
        assert!(has_left, "{id} is still registered after a visit");
        let member = model.members.get(id);
        let is_online = |member: &Member| member.link.is_some() && self.has_used(member.address);
        // A coordinator that ends has said so, and closes all message sockets itself.
        let may_stay = visit.may_not_leave || model.is_shutting_down;
        let has_left = may_stay || !member.is_some_and(is_online);
        assert!(has_left, "{id} is still online after a visit");
        model.cover(match member {
            Some(_) => CoveragePoint::MemberVisited,
            None => CoveragePoint::StrangerVisited,
        });
    }
}

impl World {
    /// Returns the number of participants that stay. The visits come after them.
    pub(crate) fn staying(&self) -> usize {
        self.participants.iter().filter(|participant| participant.visit.is_none()).count()
    }

    /// An operator removes the ids of visits that were killed: else the messages that wait for them
    /// can fill the backlog for ever.
    pub(crate) fn take_killed_visits_away(&mut self) {
        let staying = self.staying();
        let (members, visits) = self.participants.split_at(staying);
        let is_own = |visit: &&SimParticipant| members.iter().all(|member| member.id != visit.id);
        let ids = visits.iter().filter(is_own).map(|visit| visit.id.clone());
        let ids = ids.chain(STRANGER_IDS.map(str::to_owned));
        let killed = ids.filter(|id| self.model.members.contains_key(id));
        for id in killed.collect::<Vec<String>>() {
            self.let_an_operator_at(&id, "deregister");
            // Texts that wait are sent after the longest pause.
            self.run_until(self.environment.now + 40_000);
        }
    }

    pub(crate) fn check_visits_have_ended(&self) {
        for visit in &self.participants[self.staying()..] {
            assert!(visit.session.is_none(), "a visit as {} does not end", visit.id);
        }
    }

    /// Returns true if a visit uses the id of this participant.
    pub(crate) fn is_visited(&self, i: usize) -> bool {
        let id = &self.participants[i].id;
        self.participants[self.staying()..].iter().any(|visit| visit.id == *id)
    }

    /// A visit starts. One that runs may get a signal.
    pub(crate) fn on_visit_due(&mut self, i: usize) {
        let most = self.environment.rng.pick(&[300, 5_000, 40_000]);
        let pause = self.environment.rng.between(1, most);
        self.environment.after(pause, Event::User(i));
        if self.environment.is_paused(Node::Participant(i)) {
            return;
        }
        if self.participants[i].session.is_some() {
            if self.environment.rng.percent(15) {
                self.input(i, SessionInput::Stop);
                self.after_input(i);
            }
            return;
        }
        let texts = self.environment.rng.pick(&[1, 1, 2, 5]);
        let lines = (0..texts).map(|_| self.message_of(i)).collect();
        let first_port = self.participants[i].ports + 1;
        self.participants[i].visit = Some(Visit { lines, first_port, ..Visit::default() });
        self.start_participant(i);
        self.after_input(i);
    }

    /// Returns the next line of a visit that its session takes now. After the last text it is
    /// `quit`, as soon as all is done.
    pub(crate) fn next_line_of_visit(&mut self, i: usize) -> Option<String> {
        let SimParticipant { visit: Some(visit), session: Some(session), .. } =
            &mut self.participants[i]
        else {
            return None;
        };
        if !session.wants_user_lines() || visit.has_quit {
            return None;
        }
        let next = visit.lines.pop_front();
        next.or_else(|| {
            visit.has_quit = session.is_idle();
            visit.has_quit.then(|| "quit".to_owned())
        })
    }

    /// A visit keeps no message log: an entry counts as written at once. It takes no message.
    pub(crate) fn discard_entry(&mut self, i: usize, entry: &LogEntry) {
        let id = &self.participants[i].id;
        assert!(matches!(entry, LogEntry::Epoch(_)), "a visit as {id} takes {entry:?}");
        self.input(i, SessionInput::LogWritten { entries: 1 });
    }
}
