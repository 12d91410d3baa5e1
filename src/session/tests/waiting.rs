use super::*;

const WAITING: &str = "show * not online: messages wait up to 120 s and are sent when online again";

impl Harness {
    /// Creates a session whose message socket is broken and whose command socket is open.
    fn in_outage() -> Self {
        let mut harness = Self::online();
        harness.message_socket_closed(1);
        harness.forget();
        harness
    }

    /// Reconnects automatically, with command socket 1.
    fn reconnects(&mut self) {
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

    pub(super) fn waiting(&self) -> usize {
        Status::of(&self.session, Millis::new(self.now)).waiting
    }
}

#[test]
fn commands_of_an_outage_are_sent_in_order_once_online() {
    let mut harness = Harness::in_outage();
    for line in ["msend a", "msend b", "ping", "msend c"] {
        harness.user(line);
    }
    let queued = [1, 2, 3, 4].map(|waiting| format!("show * queued, {waiting} waiting"));
    harness.expect(&[&queued[0], WAITING, &queued[1], &queued[2], &queued[3]]);
    assert_eq!(harness.waiting(), 4);
    harness.reconnects();
    harness.expect(&[
        "show * sending 4 commands that waited",
        "send 1 me#msend a#10.0.0.2",
        "send 1 me#msend b#10.0.0.2",
    ]);
    harness.user("msend d");
    harness.reply(1, "OK msend seq=1");
    harness.reply(1, "OK msend seq=2");
    harness.reply(1, "OK ping");
    harness.reply(1, "OK msend seq=3");
    harness.reply(1, "OK msend seq=4");
    harness.expect(&[
        "show OK msend seq=1",
        "show OK msend seq=2",
        "send 1 me#ping#10.0.0.2",
        "show OK ping",
        "send 1 me#msend c#10.0.0.2",
        "send 1 me#msend d#10.0.0.2",
        "show OK msend seq=3",
        "show OK msend seq=4",
    ]);
    assert_eq!(harness.waiting(), 0);
    harness.user("quit");
    harness.reply(1, "OK disconnect");
    assert_eq!(
        harness.effects.last(),
        Some(&SessionEffect::Exit { code: 0 }),
        "waiting is no failure"
    );
}

#[test]
fn local_commands_do_not_wait_behind_waiting_messages() {
    let mut harness = Harness::in_outage();
    harness.user("msend a");
    harness.user("ping");
    harness.user("help");
    harness.user("nonsense");
    harness.forget();
    harness.user("status");
    let Some(SessionEffect::Show(Notice::Status(status))) = harness.effects.pop() else {
        panic!("no status")
    };
    assert!(status.to_string().contains("\nwaiting 2\n"), "{status}");
}

#[test]
fn a_query_without_a_message_before_it_is_sent_at_once() {
    let mut harness = Harness::in_outage();
    harness.user("ping");
    harness.expect(&["send 1 me#ping#10.0.0.2"]);
}

#[test]
fn messages_wait_while_the_command_socket_is_dialed_again() {
    let mut harness = Harness::online();
    harness.command_socket_closed(1);
    harness.forget();
    harness.user("msend a");
    harness.user("msend b");
    harness.dial_failed(2);
    let queued = ["show * queued, 1 waiting", "show * queued, 2 waiting"];
    harness.expect(&["dial 2", queued[0], queued[1], WAITING]);
    assert_eq!(harness.state(), SessionState::Online);
    let mut pauses = Vec::new();
    for socket in 3..6 {
        pauses.push(harness.wait_for_deadline());
        harness.dial_failed(socket);
    }
    assert!(pauses[0] >= 200 && pauses[0] <= 400 && pauses.is_sorted(), "{pauses:?}");
    harness.expect(&["dial 3", "dial 4", "dial 5"]);
    harness.user("ping");
    harness.wait_for_deadline();
    harness.dialed(6);
    harness.expect(&[
        "show * queued, 3 waiting",
        "dial 6",
        "show * sending 3 commands that waited",
        "send 6 me#msend a#10.0.0.2",
        "send 6 me#msend b#10.0.0.2",
    ]);
    harness.reply(6, "OK msend seq=1");
    harness.reply(6, "OK msend seq=2");
    harness.expect(&["show OK msend seq=1", "show OK msend seq=2", "send 6 me#ping#10.0.0.2"]);
    harness.reply(6, "OK ping");
    harness.command_socket_closed(6);
    harness.user("msend c");
    harness.dial_failed(7);
    assert!(harness.wait_for_deadline() <= 400, "the pauses begin anew");
}

#[test]
fn a_message_refused_as_offline_waits() {
    for refusal in ["ERR 409 offline: reconnect first", "ERR 404 not a member", "ERR 503 ends"] {
        for end_first in [false, true] {
            let mut harness = Harness::online();
            for text in ["a", "b", "c"] {
                harness.user(&format!("msend {text}"));
            }
            harness.reply(1, "OK msend seq=1");
            if end_first {
                harness.message_socket_closed(1);
            }
            harness.forget();
            harness.reply(1, refusal);
            harness.reply(1, refusal);
            harness.expect(&[WAITING]);
            harness.user("msend d");
            if !end_first {
                harness.message_socket_closed(1);
            }
            harness.forget();
            harness.reconnects();
            harness.expect(&[
                "show * sending 3 messages that waited",
                "send 1 me#msend b#10.0.0.2",
                "send 1 me#msend c#10.0.0.2",
                "send 1 me#msend d#10.0.0.2",
            ]);
        }
    }
}

#[test]
fn a_message_refused_for_another_reason_is_not_sent_again() {
    for refusal in ["ERR 400 text", "ERR 403 elsewhere", "ERR 506 journal", "ERR 507 full"] {
        let mut harness = Harness::online();
        harness.user("msend a");
        harness.forget();
        harness.reply(1, refusal);
        harness.expect(&[&format!("show {refusal}")]);
        assert_eq!(harness.waiting(), 0);
    }
}

#[test]
fn a_refused_message_is_retried_while_the_message_socket_stays_open() {
    let mut harness = Harness::online();
    harness.user("msend a");
    harness.reply(1, "ERR 409 offline: reconnect first");
    harness.forget();
    assert!(harness.wait_for_deadline() <= 400);
    harness.expect(&["show * sending 1 message that waited", "send 1 me#msend a#10.0.0.2"]);
}

#[test]
fn after_a_broken_command_socket_only_unsent_requests_are_sent_again() {
    let length = "me#msend a#10.0.0.2\n".len();
    for unsent in 0..=3 * length {
        let mut harness = Harness::online();
        for text in ["a", "b", "c"] {
            harness.user(&format!("msend {text}"));
        }
        harness.forget();
        harness.command_socket_closed_with(1, unsent);
        harness.dialed(2);
        let texts = |start: &str| {
            let all = harness.effects.iter().cloned().map(brief);
            let all = all.filter(|line| line.starts_with(start));
            all.map(|line| line.replace("#10.0.0.2", "").pop().unwrap()).collect::<String>()
        };
        let (unknown, sent) = (texts("show error: msend: the reply is lost"), texts("send 2"));
        assert_eq!(format!("{unknown}{sent}"), "abc", "{unsent}");
        assert_eq!(sent.len(), unsent / length, "a part of a request may have been enough");
    }
}

#[test]
fn waiting_commands_are_bounded_in_number_and_each_further_message_is_named() {
    let mut harness = Harness::in_outage();
    for number in 0..1000 {
        harness.user(&format!("msend {number}"));
    }
    harness.forget();
    harness.user("msend one\u{1b}");
    harness.user("msend more");
    let full = "1000 messages wait already (at most 1000, 1048576 bytes)";
    harness.expect(&[
        &format!("show error: msend: not sent: {full}: one\\u{{1b}}"),
        &format!("show error: msend: not sent: {full}: more"),
    ]);
    assert_eq!(harness.waiting(), 1000);
    assert!(harness.session.wants_user_lines(), "the user can still say something");
}

#[test]
fn one_long_message_that_waits_is_named_as_one() {
    let mut harness = Harness::in_outage();
    harness.user(&format!("msend {}", "x".repeat(1 << 20)));
    harness.forget();
    harness.user("msend more");
    let full = "1 message waits already (at most 1000, 1048576 bytes)";
    harness.expect(&[&format!("show error: msend: not sent: {full}: more")]);
}

#[test]
fn waiting_commands_are_bounded_in_bytes() {
    let mut harness = Harness::in_outage();
    let text = "x".repeat(400_000);
    for _ in 0..4 {
        harness.user(&format!("msend {text}"));
    }
    assert_eq!(harness.waiting(), 3);
    harness.reconnects();
    harness.reply(1, "OK msend seq=1");
    assert_eq!(harness.waiting(), 1, "what was in flight is bounded too");
}

#[test]
fn a_message_that_waits_too_long_is_given_up_and_named() {
    let mut harness = Harness::in_outage();
    harness.input(SessionInput::Tick);
    harness.user("msend old");
    harness.now += 1;
    harness.user("msend young");
    harness.forget();
    let listen_fails = |harness: &mut Harness| {
        if matches!(harness.state(), SessionState::Reconnecting) {
            harness.input(SessionInput::ListenFailed { reason: "in use" });
        }
    };
    let start = harness.now - 1;
    while harness.waiting() == 2 {
        harness.wait_for_deadline();
        listen_fails(&mut harness);
    }
    assert_eq!(harness.now - start, 120_000);
    harness.effects.retain(|effect| brief(effect.clone()).contains("not sent"));
    let why = "waited 120 s: the coordinator did not accept it in that time";
    harness.expect(&[&format!("show error: msend: not sent: {why}: old")]);
    while harness.waiting() == 1 {
        harness.wait_for_deadline();
        listen_fails(&mut harness);
    }
    assert_eq!(harness.now - start, 120_001);
    harness.user("quit");
    assert_eq!(harness.effects.last(), Some(&SessionEffect::Exit { code: 1 }));
}

#[test]
fn disconnect_names_each_unsent_message() {
    for word in ["disconnect", "deregister"] {
        let mut harness = Harness::in_outage();
        harness.user("msend a");
        harness.user("msend b");
        harness.forget();
        harness.user(word);
        harness.expect(&[
            "show error: msend: not sent: you asked to go offline: a",
            "show error: msend: not sent: you asked to go offline: b",
            &format!("send 1 me#{word}#10.0.0.2"),
        ]);
        harness.reply(1, &format!("OK {word}"));
        harness.forget();
        harness.user("msend c");
        harness.expect(&["send 1 me#msend c#10.0.0.2"]);
        harness.reply(1, "ERR 409 offline: reconnect first");
        harness.expect(&["show ERR 409 offline: reconnect first"]);
    }
}

#[test]
fn quit_names_each_unsent_message_and_fails() {
    for input in [SessionInput::Stop, SessionInput::EndOfInput, SessionInput::UserLine(b"quit")] {
        let mut harness = Harness::in_outage();
        harness.user("msend a");
        harness.user("ping");
        harness.forget();
        harness.input(input);
        harness.expect(&[
            "show error: msend: not sent: the participant shuts down: a",
            "show error: ping: not sent: the participant shuts down",
            "exit 1",
        ]);
    }
}

#[test]
fn waiting_messages_are_sent_after_a_reconnect_of_the_user() {
    let mut harness = Harness::in_outage();
    harness.user("msend a");
    harness.user("reconnect 9002");
    harness.user("msend b");
    harness.listening(9002);
    harness.forget();
    harness.reply(1, OK_RECONNECT);
    harness.hello(2);
    harness.effects.retain(|effect| brief(effect.clone()).contains("msend"));
    harness.expect(&["send 1 me#msend a#10.0.0.2", "send 1 me#msend b#10.0.0.2"]);
}

#[test]
fn without_automatic_reconnect_messages_do_not_wait() {
    let mut harness = Harness::with(|settings| settings.reconnects = false).register();
    harness.command_socket_closed(1);
    harness.user("msend a");
    harness.dial_failed(2);
    assert_eq!(harness.waiting(), 1, "online still, as far as is known");
    harness.message_socket_closed(1);
    harness.forget();
    harness.wait_for_deadline();
    harness.dial_failed(3);
    harness.expect(&["dial 3", "show error: msend: not sent: refused: a"]);
    harness.user("msend b");
    harness.dial_failed(4);
    harness.expect(&["dial 4", "show error: msend: not sent: refused: b"]);
}

#[test]
fn before_the_first_register_nothing_waits() {
    let mut harness = Harness::new();
    harness.user("msend a");
    harness.dialed(1);
    harness.reply(1, "ERR 404 not a member");
    harness.expect(&["dial 1", "send 1 me#msend a#10.0.0.2", "show ERR 404 not a member"]);
}

#[test]
fn a_second_disconnect_causes_no_reconnect() {
    for refusal in ["ERR 409 already offline", "ERR 404 not a member"] {
        let mut harness = Harness::online();
        harness.user("disconnect");
        harness.reply(1, "OK disconnect");
        harness.user("disconnect");
        harness.reply(1, refusal);
        harness.message_socket_closed(1);
        harness.forget();
        assert_eq!(harness.state(), SessionState::Offline);
        harness.user("msend a");
        harness.expect(&["send 1 me#msend a#10.0.0.2"]);
    }
}

#[test]
fn a_session_is_idle_only_when_nothing_waits() {
    let mut harness = Harness::in_outage();
    assert!(harness.session.is_idle());
    harness.user("msend a");
    assert!(!harness.session.is_idle());
    harness.reconnects();
    assert!(!harness.session.is_idle(), "in flight");
    harness.reply(1, "OK msend seq=1");
    assert!(harness.session.is_idle());
}
