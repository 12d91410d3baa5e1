use super::*;

const OK_RECONNECT: &str = "OK reconnect epoch=00000000000000aa next=1 ttl=60 missed=0 expired=0";
const WAITING: &str = "show * not online: texts wait up to 120 s and are sent when online again";

impl Rig {
    /// The message socket breaks; the command socket stands.
    fn outage() -> Self {
        let mut rig = Self::online();
        rig.messages_closed(1);
        rig.forget();
        rig
    }

    /// Comes back by itself with command socket 1.
    fn comes_back(&mut self) {
        while matches!(self.state(), SessionState::Paused { .. }) {
            self.wait_for_deadline();
        }
        self.listening(9001);
        self.reply(1, OK_RECONNECT);
        self.hello(2);
        let is_own = |effect: &SessionEffect| {
            let text = brief(effect.clone());
            text.contains("reconnect") || text.contains("listen")
        };
        self.effects.retain(|effect| !is_own(effect));
    }

    fn waiting(&self) -> usize {
        self.session.status(Millis::new(self.now)).waiting
    }
}

#[test]
fn what_is_sent_in_an_outage_is_sent_in_order_once_online() {
    let mut rig = Rig::outage();
    for line in ["msend a", "msend b", "ping", "msend c"] {
        rig.user(line);
    }
    rig.expect(&[WAITING]);
    assert_eq!(rig.waiting(), 4);
    rig.comes_back();
    rig.expect(&[
        "show * sending 4 commands that waited",
        "send 1 me#msend a#10.0.0.2",
        "send 1 me#msend b#10.0.0.2",
    ]);
    rig.user("msend d");
    rig.reply(1, "OK msend seq=1");
    rig.reply(1, "OK msend seq=2");
    rig.reply(1, "OK ping");
    rig.reply(1, "OK msend seq=3");
    rig.reply(1, "OK msend seq=4");
    rig.expect(&[
        "show OK msend seq=1",
        "show OK msend seq=2",
        "send 1 me#ping#10.0.0.2",
        "show OK ping",
        "send 1 me#msend c#10.0.0.2",
        "send 1 me#msend d#10.0.0.2",
        "show OK msend seq=3",
        "show OK msend seq=4",
    ]);
    assert_eq!(rig.waiting(), 0);
    rig.user("quit");
    rig.reply(1, "OK disconnect");
    assert_eq!(rig.effects.last(), Some(&SessionEffect::Exit { code: 0 }), "waiting is no failure");
}

#[test]
fn what_does_not_need_the_coordinator_does_not_wait_behind_what_does() {
    let mut rig = Rig::outage();
    rig.user("msend a");
    rig.user("ping");
    rig.user("help");
    rig.user("nonsense");
    rig.forget();
    rig.user("status");
    let Some(SessionEffect::Show(Notice::Status(status))) = rig.effects.pop() else {
        panic!("no status")
    };
    assert!(status.to_string().contains("\nwaiting 2\n"), "{status}");
}

#[test]
fn without_a_text_before_it_a_question_is_asked_at_once() {
    let mut rig = Rig::outage();
    rig.user("ping");
    rig.expect(&["send 1 me#ping#10.0.0.2"]);
}

#[test]
fn a_coordinator_that_is_away_for_a_moment_is_looked_for_again() {
    let mut rig = Rig::online();
    rig.commands_closed(1);
    rig.forget();
    rig.user("msend a");
    rig.user("msend b");
    rig.dial_failed(2);
    rig.expect(&["dial 2", WAITING]);
    assert_eq!(rig.state(), SessionState::Online);
    let mut pauses = Vec::new();
    for socket in 3..6 {
        pauses.push(rig.wait_for_deadline());
        rig.dial_failed(socket);
    }
    assert!(pauses[0] >= 200 && pauses[0] <= 400 && pauses.is_sorted(), "{pauses:?}");
    rig.expect(&["dial 3", "dial 4", "dial 5"]);
    rig.user("ping");
    rig.wait_for_deadline();
    rig.dialed(6);
    rig.expect(&[
        "dial 6",
        "show * sending 3 commands that waited",
        "send 6 me#msend a#10.0.0.2",
        "send 6 me#msend b#10.0.0.2",
    ]);
    rig.reply(6, "OK msend seq=1");
    rig.reply(6, "OK msend seq=2");
    rig.expect(&["show OK msend seq=1", "show OK msend seq=2", "send 6 me#ping#10.0.0.2"]);
    rig.reply(6, "OK ping");
    rig.commands_closed(6);
    rig.user("msend c");
    rig.dial_failed(7);
    assert!(rig.wait_for_deadline() <= 400, "the pauses begin anew");
}

#[test]
fn a_text_that_the_coordinator_takes_for_one_of_an_offline_member_waits() {
    for refusal in ["ERR 409 offline: reconnect first", "ERR 404 not a member", "ERR 503 ends"] {
        for end_first in [false, true] {
            let mut rig = Rig::online();
            for text in ["a", "b", "c"] {
                rig.user(&format!("msend {text}"));
            }
            rig.reply(1, "OK msend seq=1");
            if end_first {
                rig.messages_closed(1);
            }
            rig.forget();
            rig.reply(1, refusal);
            rig.reply(1, refusal);
            rig.expect(&[WAITING]);
            rig.user("msend d");
            if !end_first {
                rig.messages_closed(1);
            }
            rig.forget();
            rig.comes_back();
            rig.expect(&[
                "show * sending 3 commands that waited",
                "send 1 me#msend b#10.0.0.2",
                "send 1 me#msend c#10.0.0.2",
                "send 1 me#msend d#10.0.0.2",
            ]);
        }
    }
}

#[test]
fn a_refusal_for_another_reason_is_an_answer() {
    for refusal in ["ERR 400 text", "ERR 403 elsewhere", "ERR 506 journal", "ERR 507 full"] {
        let mut rig = Rig::online();
        rig.user("msend a");
        rig.forget();
        rig.reply(1, refusal);
        rig.expect(&[&format!("show {refusal}")]);
        assert_eq!(rig.waiting(), 0);
    }
}

#[test]
fn a_refused_text_is_tried_again_though_its_message_socket_stays() {
    let mut rig = Rig::online();
    rig.user("msend a");
    rig.reply(1, "ERR 409 offline: reconnect first");
    rig.forget();
    assert!(rig.wait_for_deadline() <= 400);
    rig.expect(&["show * sending 1 command that waited", "send 1 me#msend a#10.0.0.2"]);
}

#[test]
fn of_a_broken_command_socket_only_what_never_left_is_sent_again() {
    let length = "me#msend a#10.0.0.2\n".len();
    for unsent in 0..=3 * length {
        let mut rig = Rig::online();
        for text in ["a", "b", "c"] {
            rig.user(&format!("msend {text}"));
        }
        rig.forget();
        rig.commands_closed_with(1, unsent);
        rig.dialed(2);
        let texts = |start: &str| {
            let all = rig.effects.iter().cloned().map(brief);
            let all = all.filter(|line| line.starts_with(start));
            all.map(|line| line.replace("#10.0.0.2", "").pop().unwrap()).collect::<String>()
        };
        let (unknown, sent) = (texts("show error: msend: the reply is lost"), texts("send 2"));
        assert_eq!(format!("{unknown}{sent}"), "abc", "{unsent}");
        assert_eq!(sent.len(), unsent / length, "a part of a request may have been enough");
    }
}

#[test]
fn what_waits_is_bounded_in_number_and_each_text_above_is_named() {
    let mut rig = Rig::outage();
    for number in 0..1000 {
        rig.user(&format!("msend {number}"));
    }
    rig.forget();
    rig.user("msend one\u{1b}");
    rig.user("msend more");
    let full = "1000 commands wait already (at most 1000, 1048576 bytes)";
    rig.expect(&[
        &format!("show error: msend: not sent: {full}: one\\u{{1b}}"),
        &format!("show error: msend: not sent: {full}: more"),
    ]);
    assert_eq!(rig.waiting(), 1000);
    assert!(rig.session.wants_user_lines(), "the user can still say something");
}

#[test]
fn what_waits_is_bounded_in_bytes() {
    let mut rig = Rig::outage();
    let text = "x".repeat(400_000);
    for _ in 0..4 {
        rig.user(&format!("msend {text}"));
    }
    assert_eq!(rig.waiting(), 3);
    rig.comes_back();
    rig.reply(1, "OK msend seq=1");
    assert_eq!(rig.waiting(), 1, "what was in flight is bounded too");
}

#[test]
fn what_waits_too_long_is_given_up_by_name() {
    let mut rig = Rig::outage();
    rig.input(SessionInput::Tick);
    rig.user("msend old");
    rig.now += 1;
    rig.user("msend young");
    rig.forget();
    let listen_fails = |rig: &mut Rig| {
        if matches!(rig.state(), SessionState::Reconnecting) {
            rig.input(SessionInput::ListenFailed { reason: "in use" });
        }
    };
    let start = rig.now - 1;
    while rig.waiting() == 2 {
        rig.wait_for_deadline();
        listen_fails(&mut rig);
    }
    assert_eq!(rig.now - start, 120_000);
    rig.effects.retain(|effect| brief(effect.clone()).contains("not sent"));
    rig.expect(&["show error: msend: not sent: not online within 120 s: old"]);
    while rig.waiting() == 1 {
        rig.wait_for_deadline();
        listen_fails(&mut rig);
    }
    assert_eq!(rig.now - start, 120_001);
    rig.user("quit");
    assert_eq!(rig.effects.last(), Some(&SessionEffect::Exit { code: 1 }));
}

#[test]
fn who_leaves_is_told_what_is_not_sent() {
    for word in ["disconnect", "deregister"] {
        let mut rig = Rig::outage();
        rig.user("msend a");
        rig.user("msend b");
        rig.forget();
        rig.user(word);
        rig.expect(&[
            "show error: msend: not sent: offline at the user's request: a",
            "show error: msend: not sent: offline at the user's request: b",
            &format!("send 1 me#{word}#10.0.0.2"),
        ]);
        rig.reply(1, &format!("OK {word}"));
        rig.forget();
        rig.user("msend c");
        rig.expect(&["send 1 me#msend c#10.0.0.2"]);
        rig.reply(1, "ERR 409 offline: reconnect first");
        rig.expect(&["show ERR 409 offline: reconnect first"]);
    }
}

#[test]
fn what_waits_at_the_end_is_named_and_is_a_failure() {
    for input in [SessionInput::Stop, SessionInput::EndOfInput, SessionInput::UserLine(b"quit")] {
        let mut rig = Rig::outage();
        rig.user("msend a");
        rig.user("ping");
        rig.forget();
        rig.input(input);
        rig.expect(&[
            "show error: msend: not sent: the participant ends: a",
            "show error: ping: not sent: the participant ends",
            "exit 1",
        ]);
    }
}

#[test]
fn a_reconnect_of_the_users_takes_along_what_waits() {
    let mut rig = Rig::outage();
    rig.user("msend a");
    rig.user("reconnect 9002");
    rig.user("msend b");
    rig.listening(9002);
    rig.forget();
    rig.reply(1, OK_RECONNECT);
    rig.hello(2);
    rig.effects.retain(|effect| brief(effect.clone()).contains("msend"));
    rig.expect(&["send 1 me#msend a#10.0.0.2", "send 1 me#msend b#10.0.0.2"]);
}

#[test]
fn who_does_not_come_back_by_itself_does_not_wait() {
    let mut rig = Rig::with(|settings| settings.reconnects = false).register();
    rig.commands_closed(1);
    rig.user("msend a");
    rig.dial_failed(2);
    assert_eq!(rig.waiting(), 1, "online still, as far as is known");
    rig.messages_closed(1);
    rig.forget();
    rig.wait_for_deadline();
    rig.dial_failed(3);
    rig.expect(&["dial 3", "show error: msend: not sent: refused: a"]);
    rig.user("msend b");
    rig.dial_failed(4);
    rig.expect(&["dial 4", "show error: msend: not sent: refused: b"]);
}

#[test]
fn before_the_first_register_nothing_waits() {
    let mut rig = Rig::new();
    rig.user("msend a");
    rig.dialed(1);
    rig.reply(1, "ERR 404 not a member");
    rig.expect(&["dial 1", "send 1 me#msend a#10.0.0.2", "show ERR 404 not a member"]);
}

#[test]
fn who_asks_twice_to_leave_does_not_come_back() {
    for refusal in ["ERR 409 already offline", "ERR 404 not a member"] {
        let mut rig = Rig::online();
        rig.user("disconnect");
        rig.reply(1, "OK disconnect");
        rig.user("disconnect");
        rig.reply(1, refusal);
        rig.messages_closed(1);
        rig.forget();
        assert_eq!(rig.state(), SessionState::Offline);
        rig.user("msend a");
        rig.expect(&["send 1 me#msend a#10.0.0.2"]);
    }
}

#[test]
fn a_session_is_idle_only_when_nothing_waits() {
    let mut rig = Rig::outage();
    assert!(rig.session.is_idle());
    rig.user("msend a");
    assert!(!rig.session.is_idle());
    rig.comes_back();
    assert!(!rig.session.is_idle(), "in flight");
    rig.reply(1, "OK msend seq=1");
    assert!(rig.session.is_idle());
}
