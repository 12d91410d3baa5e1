//! Commands of users, and the end of a run, when all faults stop.

use groupcast::session::{SessionInput, SessionState};

use crate::environment::{Event, Node};
use crate::participant::SimParticipant;
use crate::world::World;

impl World {
    pub(crate) fn on_user(&mut self, i: usize) {
        if self.environment.calm {
            return;
        }
        if self.participants[i].visit.is_some() {
            return self.on_visit_due(i);
        }
        let hurry = self.environment.rng.pick(&[30, 400, 400, 3_000, 20_000]);
        let pause = self.environment.rng.between(1, hurry);
        self.environment.after(pause, Event::User(i));
        let (lines, kind) =
            (self.environment.rng.pick(&[1, 1, 2, 5]), self.environment.rng.below(100));
        if kind == 96 && !self.environment.is_paused(Node::Participant(i)) {
            self.input(i, SessionInput::Stop);
            return self.after_input(i);
        }
        let way = self.participants[i].usual_way();
        for _ in 0..lines {
            let line = match kind {
                0..=5 => format!("register {way}"),
                // Few messages, or so many that they begin in an earlier block of the history.
                6..=9 => {
                    let root = self.environment.rng.below(9);
                    format!("register {way} last={}", 2 * root * root)
                }
                10..=13 => format!("register {}", self.environment.rng.between(4_000, 4_002)),
                14..=25 => format!("reconnect {way}"),
                26..=28 => format!("reconnect {}", self.environment.rng.between(4_000, 4_002)),
                // Texts of one program at a time have numbers of their own.
                29..=79 if self.is_visited(i) => "ping".to_owned(),
                29..=79 => self.message_of(i),
                80..=85 => "disconnect".to_owned(),
                86..=88 => "deregister".to_owned(),
                89..=92 => "members".to_owned(),
                93..=94 => "stats".to_owned(),
                95 => "status".to_owned(),
                97 => "quit".to_owned(),
                98 => "last".to_owned(),
                _ => "ping".to_owned(),
            };
            self.say(i, &line);
        }
    }

    /// A text that nobody sends twice.
    pub(crate) fn message_of(&mut self, i: usize) -> String {
        let longer = self.text_factor();
        let participant = &mut self.participants[i];
        participant.texts += 1;
        let filler = self.environment.rng.pick(&["", "", "#", "\t\u{e9}", "A # B"]);
        let times = self.environment.rng.pick(&[0, 1, 1, 40, 600]);
        let kind = if participant.visit.is_some() { "visit-" } else { "" };
        let SimParticipant { id, texts, .. } = participant;
        format!("msend {kind}{id}-{texts} {}", filler.repeat(longer * times))
    }

    pub(crate) fn say(&mut self, i: usize, line: &str) {
        let is_paused = self.environment.is_paused(Node::Participant(i));
        let session = self.participants[i].session.as_ref();
        if is_paused || session.is_none_or(|session| !session.wants_user_lines()) {
            return;
        }
        self.trace(|| format!("p{i}: > {}", line.chars().take(60).collect::<String>()));
        self.participants[i].outcomes.on_typed(line);
        self.input(i, SessionInput::UserLine(line.as_bytes()));
        self.after_input(i);
    }

    /// Returns the state that a session reports, if it can report one at once.
    pub(crate) fn state(&mut self, i: usize) -> Option<SessionState> {
        self.participants[i].status = None;
        self.say(i, "status");
        self.participants[i].status.take().map(|status| status.state)
    }

    /// Stops all faults. Then each member that wants to be online must get online, and each member
    /// that is online must get the messages sent then.
    pub(crate) fn heal(&mut self) {
        let mut returns = Vec::new();
        for i in 0..self.staying() {
            let state = self.state(i);
            let is_in = matches!(state, Some(SessionState::Online | SessionState::Paused { .. }));
            // A visit that runs may take the id over, or be the one that is taken over.
            let is_alone = !self.is_visited(i);
            returns.push(is_in && is_alone && self.participants[i].reconnects);
        }
        self.environment.calm_down();
        self.trace(|| "calm".to_owned());
        let now = self.environment.now;
        if let Some(journal_state) = &self.journal_state {
            journal_state.storage.heal(now);
        }
        for participant in &mut self.participants {
            participant.disk.file.fails_until = participant.disk.file.fails_until.min(now + 5_000);
            if let Some(outbox) = &mut participant.outbox {
                outbox.file.fails_until = outbox.file.fails_until.min(now + 5_000);
            }
        }
        // The longest pause of a process, dead wires found out, unanswered requests given up, and
        // the longest pause between tries.
        self.run_until(now + 70_000 + 60_000 + 60_000 + 3 * 40_000);
        for i in 0..self.staying() {
            self.say(i, "ping"); // A command socket that died unnoticed is found out.
        }
        self.run_until(self.environment.now + 40_000);
        self.check_visits_have_ended();
        let mut wants = Vec::new();
        for (i, returns) in returns.into_iter().enumerate() {
            let state = self.state(i).unwrap_or_else(|| panic!("p{i} does not answer"));
            let is_settled = matches!(state, SessionState::Online | SessionState::Offline);
            assert!(is_settled, "p{i} is still {state:?}");
            assert!(!returns || state == SessionState::Online, "p{i} did not come back by itself");
            wants.push(state == SessionState::Offline);
        }
        // If the journal takes one record at a time, one registration succeeds at each try (others
        // get 506).
        let registers = std::iter::repeat_n("register", self.staying());
        // The reconnect of one may begin a new epoch, which ends the message sockets of the others.
        let again = std::iter::once("reconnect");
        for word in again.clone().chain(registers).chain(again) {
            if !wants.contains(&true) {
                break;
            }
            for (i, _) in wants.iter().enumerate().filter(|(_, wants)| **wants) {
                self.say(i, &self.participants[i].usual_join(word));
            }
            // A participant that is about to come back by itself may be refused, and pause once
            // more.
            self.run_until(self.environment.now + 45_000);
            for (i, wants) in wants.iter_mut().enumerate() {
                *wants = *wants && self.state(i) != Some(SessionState::Online);
            }
        }
        assert!(!wants.contains(&true), "not all got online: {wants:?}");
        self.send_one_more();
    }

    fn send_one_more(&mut self) {
        self.take_killed_visits_away();
        let staying = self.staying();
        for i in 0..staying {
            self.participants[i].replies.clear();
            let text = self.message_of(i);
            self.say(i, &text);
            self.say(i, "ping");
            self.run_until(self.environment.now + 3_000);
            let [sent, ping] = &self.participants[i].replies[..] else {
                panic!("p{i}: {:?}", self.participants[i].replies);
            };
            assert!(sent.starts_with("OK msend seq="), "p{i}: {sent}");
            assert_eq!(ping, "OK ping", "p{i}");
        }
        self.run_until(self.environment.now + 10_000);
        self.check_hoarders();
        self.check_clients();
        let life = self.model.life();
        for participant in &self.participants[..staying] {
            assert!(
                self.model.members[&participant.id].link.is_some(),
                "{} is online",
                participant.id
            );
            assert_eq!(participant.disk.ledger.epoch, Some(self.model.epoch), "{}", participant.id);
            assert!(
                participant.disk.ledger.is_complete(life),
                "{}: not all is there",
                participant.id
            );
            participant.outcomes.must_be_complete(&participant.id, &self.model);
        }
        for raw in &self.raws {
            let member = &self.model.members[&raw.id];
            let link = member.link.unwrap_or_else(|| panic!("{} is online", raw.id));
            assert!(!self.model.is_due(link), "{}: not all is out", raw.id);
            let is_complete = raw.habit == crate::raw::Habit::None || raw.ledger.is_complete(life);
            assert!(is_complete, "{}: not all is there", raw.id);
        }
    }
}
