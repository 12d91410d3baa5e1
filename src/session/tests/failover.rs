//! Several coordinators: failures that lead to the next one, rounds, pauses, and what stays.

mod commands;
mod online;

use super::*;
use crate::limits::{DIAL_TIMEOUT_MS, HELLO_TIMEOUT_MS, REPLY_TIMEOUT_MS};

fn with_coordinators(count: u8, change: impl FnOnce(&mut Settings)) -> Harness {
    Harness::with(|settings| {
        settings.coordinators =
            (1..=count).map(|number| format!("10.0.0.{number}:5000").into()).collect();
        change(settings);
    })
}

/// A participant with three coordinators whose `join` was asked for.
fn joining() -> Harness {
    let mut harness = with_coordinators(3, |_| ());
    harness.user("join 9001");
    harness.listening(9001);
    harness.expect(&["listen 9001", "dial 1"]);
    harness
}

/// A participant with this many coordinators, online at the first one.
fn online(count: u8, change: impl FnOnce(&mut Settings)) -> Harness {
    with_coordinators(count, change).register()
}

impl Harness {
    /// Opens the listener if it is wanted, and returns the socket and the coordinator of the dial.
    fn dialing(&mut self) -> Option<(u64, usize)> {
        if self.effects.contains(&SessionEffect::Listen { port: 9001 }) {
            self.effects.retain(|effect| !matches!(effect, SessionEffect::Listen { .. }));
            self.listening(9001);
        }
        let dial = self.effects.iter().find_map(|effect| {
            let SessionEffect::Dial { socket, coordinator } = effect else { return None };
            Some((socket.0, *coordinator))
        });
        self.effects.retain(|effect| !matches!(effect, SessionEffect::Dial { .. }));
        dial
    }

    /// Connects a command socket to the coordinator at this position.
    fn dialed_at(&mut self, socket: u64, coordinator: u8) {
        let coordinator = ([10, 0, 0, coordinator + 1], 5000).into();
        let socket = CommandSocket(socket);
        self.input(SessionInput::Dialed { socket, ip: [10, 0, 0, 9].into(), coordinator });
    }

    fn shown_lines(&mut self) -> Vec<String> {
        let shows = |effect: &SessionEffect| matches!(effect, SessionEffect::Show(_));
        let shown = self.effects.iter().filter(|effect| shows(effect)).cloned().map(brief);
        let shown = shown.map(|line| line.trim_start_matches("show ").to_owned()).collect();
        self.forget();
        shown
    }
}

/// Makes an attempt at the first coordinator fail.
type Failure = (&'static str, fn(&mut Harness), &'static str);

const FAILURES: [Failure; 9] = [
    ("refused", |harness| harness.dial_failed(1), "refused"),
    ("no connection", |harness| harness.wait(DIAL_TIMEOUT_MS), "no answer from 10.0.0.1:5000"),
    (
        "closed before the reply",
        |harness| {
            harness.dialed(1);
            harness.command_socket_closed(1);
        },
        "reset",
    ),
    (
        "no reply",
        |harness| {
            harness.dialed(1);
            harness.wait(REPLY_TIMEOUT_MS);
        },
        "no reply from 10.0.0.1:5000 in 30 s",
    ),
    (
        "no hello",
        |harness| {
            harness.dialed(1);
            harness.reply(1, OK_RECONNECT);
            harness.wait(HELLO_TIMEOUT_MS);
        },
        "the coordinator confirmed, but sent no hello in time",
    ),
    ("503", |harness| refuse(harness, "ERR 503 shutting down"), "ERR 503 shutting down"),
    ("506", |harness| refuse(harness, "ERR 506 no journal"), "ERR 506 no journal"),
    ("502", |harness| refuse(harness, "ERR 502 not reached"), "ERR 502 not reached"),
    ("421", |harness| refuse(harness, "ERR 421 full"), "ERR 421 full"),
];

fn refuse(harness: &mut Harness, line: &str) {
    harness.dialed(1);
    harness.reply(1, line);
}

#[test]
fn each_failure_that_may_pass_elsewhere_leads_to_the_next_coordinator_at_once() {
    for (name, fail, why) in FAILURES {
        for command in ["join 9001", "register 9001", "reconnect 9001"] {
            let mut harness = with_coordinators(3, |_| ());
            harness.user(command);
            harness.listening(9001);
            harness.forget();
            if name == "no hello" && command == "register 9001" {
                continue; // Its `OK` is another one.
            }
            fail(&mut harness);
            let now = harness.now;
            let dial = harness.dialing();
            assert_eq!(dial.map(|(_, coordinator)| coordinator), Some(1), "{name}, {command}");
            assert_eq!(harness.now, now, "at once");
            let left = format!("* coordinator 10.0.0.1:5000: {why}");
            let shown = harness.shown_lines();
            let is_shown = |line: &&String| {
                line.starts_with(&left) && line.ends_with("; going on with 10.0.0.2:5000")
            };
            assert_eq!(shown.iter().filter(is_shown).count(), 1, "{name}, {command}: {shown:?}");
            assert!(!harness.session.has_failed(), "{name}, {command}");
        }
    }
}

#[test]
fn an_answer_about_this_participant_is_no_reason_to_leave() {
    for line in [
        "ERR 400 since: above",
        "ERR 401 key: unknown",
        "ERR 403 id: elsewhere",
        "ERR 409 superseded",
        "ERR 429 rate",
        "ERR 507 full",
    ] {
        let mut harness = joining();
        harness.dialed(1);
        harness.reply(1, line);
        assert_eq!(harness.dialing(), None, "{line}");
        harness.wait_for_deadline();
        assert_eq!(harness.dialing(), None, "{line}");
        let again = "send 1 me#reconnect 9001 acks=1 nonce=2#10.0.0.2";
        assert!(harness.effects.drain(..).map(brief).any(|effect| effect == again), "{line}");
    }
}

#[test]
fn a_404_registers_at_the_same_coordinator() {
    let mut harness = joining();
    harness.dial_failed(1);
    harness.dialed_at(2, 1);
    harness.forget();
    harness.reply(2, "ERR 404 not a member: register first");
    harness.expect(&["send 2 me#register 9001 acks=1 nonce=1#10.0.0.9"]);
    harness.reply(2, OK_REGISTER);
    harness.expect(&["show * connected to 10.0.0.2:5000", &format!("show {OK_REGISTER}")]);
}

/// Fails at every coordinator for `rounds` rounds. Returns the pauses between them.
fn pauses(count: u8, seed: u64, rounds: usize) -> Vec<u64> {
    let mut harness = with_coordinators(count, |settings| settings.seed = seed);
    harness.user("join 9001");
    let (mut pauses, mut dials) = (Vec::new(), Vec::new());
    let mut begun = 0;
    while pauses.len() < rounds {
        match harness.dialing() {
            Some((socket, coordinator)) => {
                dials.push(coordinator);
                harness.dial_failed(socket);
            }
            None => {
                let round: Vec<usize> = (0..usize::from(count)).collect();
                assert_eq!(std::mem::take(&mut dials), round, "one round before each pause");
                harness.forget();
                assert_eq!(harness.now, begun, "no time passes within a round");
                pauses.push(harness.wait_for_deadline());
                begun = harness.now;
            }
        }
    }
    pauses
}

#[test]
fn a_pause_with_jitter_follows_each_round_and_grows() {
    for count in 1..=4 {
        let found = pauses(count, 7, 12);
        let mut highest = 400;
        for pause in &found {
            assert!((highest / 2..=highest).contains(pause), "{count}: {found:?}");
            highest = (2 * highest).min(30_000);
        }
        assert_eq!(found, pauses(count, 7, 12), "the seed decides");
        assert_ne!(found, pauses(count, 8, 12), "the seed decides");
        assert_eq!(found, pauses(1, 7, 12), "as with one coordinator");
    }
}

#[test]
fn a_pause_follows_also_if_each_coordinator_knows_the_member_and_cannot_take_it() {
    let mut harness = joining();
    let mut dialed = vec![];
    for socket in 1..=3 {
        harness.dialed_at(socket, u8::try_from(socket).unwrap() - 1);
        harness.reply(socket, "ERR 404 not a member: register first");
        harness.reply(socket, "ERR 506 no journal");
        dialed.push(harness.dialing());
    }
    assert_eq!(dialed, [Some((2, 1)), Some((3, 2)), None]);
    assert!(matches!(harness.state(), SessionState::Paused { .. }));
}

#[test]
fn the_same_failures_are_shown_once() {
    let mut harness = joining();
    harness.dial_failed(1);
    harness.dial_failed(2);
    harness.dial_failed(3);
    let shown = harness.shown_lines();
    let left = |from, to| {
        format!("* coordinator 10.0.0.{from}:5000: refused; going on with 10.0.0.{to}:5000")
    };
    assert_eq!(shown[..2], [left(1, 2), left(2, 3)]);
    assert!(
        shown[2].starts_with("* join failed: refused; trying 10.0.0.1:5000 in 0."),
        "{shown:?}"
    );
    assert_eq!(shown.len(), 3, "{shown:?}");
    for socket in [4, 7, 10] {
        harness.wait_for_deadline();
        harness.dialing();
        (socket..socket + 3).for_each(|socket| harness.dial_failed(socket));
        assert_eq!(harness.shown_lines(), [""; 0]);
    }
    harness.wait_for_deadline();
    harness.dialing();
    harness.input(SessionInput::DialFailed { socket: CommandSocket(13), reason: "no route" });
    let other = "* coordinator 10.0.0.1:5000: no route; going on with 10.0.0.2:5000";
    assert_eq!(harness.shown_lines(), [other], "another failure is shown");
}
