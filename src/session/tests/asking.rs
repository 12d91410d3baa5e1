use super::*;

#[test]
fn msends_are_pipelined_and_everything_else_waits_for_them() {
    let mut harness = Harness::new();
    for line in ["msend a", "msend  b#", "ping", "msend c", "disconnect"] {
        harness.user(line);
    }
    harness.expect(&["dial 1"]);
    harness.dialed(1);
    harness.expect(&["send 1 me#msend a#10.0.0.2", "send 1 me#msend  b##10.0.0.2"]);
    harness.reply(1, "OK msend seq=1");
    harness.expect(&["show OK msend seq=1"]);
    harness.reply(1, "ERR 409 offline: reconnect first");
    harness.expect(&["show ERR 409 offline: reconnect first", "send 1 me#ping#10.0.0.2"]);
    harness.reply(1, "OK ping");
    harness.expect(&["show OK ping", "send 1 me#msend c#10.0.0.2"]);
    harness.reply(1, "OK msend seq=2");
    harness.expect(&["show OK msend seq=2", "send 1 me#disconnect#10.0.0.2"]);
}

#[test]
fn local_commands_do_not_wait_for_replies() {
    let mut harness = Harness::online();
    for line in ["msend a", "ping", "members"] {
        harness.user(line);
    }
    harness.forget();
    harness.user("status");
    harness.user("help");
    let shown = harness.effects.drain(..).collect::<Vec<_>>();
    let [SessionEffect::Show(Notice::Status(status)), SessionEffect::Show(Notice::Help)] =
        &shown[..]
    else {
        panic!("{shown:?}")
    };
    assert_eq!((status.state, status.in_flight), (SessionState::Online, 1));
    harness.user("last");
    harness.expect(&["read last 10"]);
    harness.input(SessionInput::LastRead { failure: None });
    harness.reply(1, "OK msend seq=1");
    harness.expect(&["show OK msend seq=1", "send 1 me#ping#10.0.0.2"]);
}

/// A script that runs `join` and `status` wants to see the result of the join.
#[test]
fn local_commands_wait_for_a_command_that_changes_what_they_show() {
    let mut harness = Harness::new();
    harness.user("join 9001");
    harness.user("status");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.reply(1, OK_RECONNECT);
    harness.expect(&[&format!("show {OK_RECONNECT}")]);
    harness.hello(1);
    let state = |harness: &mut Harness| match harness.effects.pop() {
        Some(SessionEffect::Show(Notice::Status(status))) => status.state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&mut harness), SessionState::Online);
    harness.user("disconnect");
    harness.user("status");
    harness.forget();
    harness.command_socket_closed_with(1, "me#disconnect#10.0.0.2\n".len());
    harness.expect(&["show * command socket lost: reset", "dial 2"]);
    harness.dialed(2);
    harness.expect(&["send 2 me#disconnect#10.0.0.2"]);
    harness.reply(2, "OK disconnect");
    harness.message_socket_closed(1);
    assert!(harness.effects.iter().any(|it| matches!(it, SessionEffect::Show(Notice::Status(_)))));
}

#[test]
fn requests_in_flight_and_waiting_commands_are_bounded() {
    let mut harness = Harness::online();
    for _ in 0..256 {
        harness.user("msend x");
    }
    assert_eq!(harness.effects.len(), 256);
    harness.forget();
    for _ in 0..256 {
        assert!(harness.session.wants_user_lines());
        harness.user("msend x");
    }
    assert!(!harness.session.wants_user_lines());
    harness.expect(&[]);
    harness.user("msend x");
    harness.expect(&["show error: 256 commands are waiting; this one was dropped"]);
    harness.reply(1, "OK msend seq=1");
    assert!(harness.session.wants_user_lines());
    assert_eq!(harness.effects.len(), 2);
}

#[test]
fn rows_after_a_reply_belong_to_the_reply() {
    let mut harness = Harness::online();
    harness.user("members");
    harness.user("stats");
    harness.forget();
    harness.reply(1, "OK members 2");
    harness.reply(1, "me online 10.0.0.2:9001 pending=0 acked=0");
    harness.expect(&["show OK members 2", "show me online 10.0.0.2:9001 pending=0 acked=0"]);
    harness.reply(1, "ERR like but a row");
    harness.expect(&["show ERR like but a row", "send 1 me#stats#10.0.0.2"]);
    harness.reply(1, "OK stats 0");
    assert_eq!(Status::of(&harness.session, Millis::ZERO).in_flight, 0);
}

#[test]
fn the_rows_of_who_are_a_table_without_the_first_line() {
    const HEAD: &str = "show ID                STATE              FOR         LAG         OLDEST";
    let mut harness = Harness::online();
    harness.user("who");
    harness.user("who");
    harness.expect(&["send 1 me#members#10.0.0.2"]);
    harness.reply(1, "OK members 1");
    harness.reply(1, "bob offline 10.0.0.3:9001 pending=3 acked=0 seconds=90 oldest=7");
    harness.expect(&[
        HEAD,
        "show bob               offline     1 min 30 s           3            7 s",
        "send 1 me#members#10.0.0.2",
    ]);
    harness.reply(1, "OK members 0");
    harness.expect(&[HEAD]);
    harness.user("who");
    harness.command_socket_closed(1);
    harness.effects.drain(..2); // The request, and the end of the socket.
    harness.expect(&[
        "show error: who: the reply is lost: the command may or may not have been carried out",
    ]);
}

#[test]
fn the_commands_behind_last_wait_until_it_is_shown() {
    let mut harness = Harness::online();
    for line in ["last", "msend a", "last 3"] {
        harness.user(line);
    }
    harness.expect(&["read last 10"]);
    assert!(!harness.session.is_idle());
    harness.message(1, "1#bob#0#hi");
    harness.written(1);
    harness.expect(&["append 1 bob: hi", "ack 1 1"]);
    harness.input(SessionInput::LastRead { failure: None });
    harness.expect(&["send 1 me#msend a#10.0.0.2", "read last 3"]);
    harness.reply(1, "OK msend seq=2");
    harness.expect(&["show OK msend seq=2"]);
    harness.input(SessionInput::LastRead { failure: Some("denied") });
    harness.expect(&["show error: last: denied"]);
    assert!(harness.session.is_idle() && harness.session.has_failed());
    harness.user("last 7");
    harness.input(SessionInput::EndOfInput);
    harness.expect(&["read last 7"]);
    harness.input(SessionInput::LastRead { failure: None });
    harness.expect(&["send 1 me#disconnect#10.0.0.2"]);
}

#[test]
fn an_msend_whose_reply_is_lost_is_unknown_and_never_sent_again() {
    let mut harness = Harness::online();
    harness.user("msend a");
    harness.user("msend b");
    harness.user("ping");
    harness.forget();
    harness.reply(1, "OK msend seq=1");
    harness.command_socket_closed(1);
    harness.expect(&[
        "show OK msend seq=1",
        "show * command socket lost: reset",
        "show error: msend: the reply is lost: the message may or may not be accepted, and is not \
         sent again: b",
        "dial 2",
    ]);
    harness.dialed(2);
    harness.expect(&["send 2 me#ping#10.0.0.2"]);
    harness.command_socket_closed(2);
    harness.effects.remove(0);
    harness.expect(&[
        "show error: ping: the reply is lost: the command may or may not have been carried out",
    ]);
}

#[test]
fn requests_behind_a_refused_line_are_sent_again() {
    let mut harness = Harness::online();
    for text in ["a", "b", "c"] {
        harness.user(&format!("msend {text}"));
    }
    harness.forget();
    harness.reply(1, "ERR 413 line exceeds 65536 bytes");
    harness.expect(&["show ERR 413 line exceeds 65536 bytes", "hang up 1", "dial 2"]);
    harness.dialed(2);
    harness.expect(&["send 2 me#msend b#10.0.0.2", "send 2 me#msend c#10.0.0.2"]);
}

#[test]
fn an_unexpected_reply_closes_the_command_socket() {
    for line in ["OK pong", "OK", "hello", "", "OK msend seq=1"] {
        let mut harness = Harness::online();
        harness.user("ping");
        harness.forget();
        harness.reply(1, line);
        assert_eq!(brief(harness.effects.remove(0)), "hang up 1", "{line:?}");
    }
    let mut harness = Harness::online();
    harness.reply(1, "OK ping");
    assert_eq!(brief(harness.effects.remove(0)), "hang up 1", "nothing was asked");
}

#[test]
fn a_missing_reply_closes_the_command_socket() {
    let mut harness = Harness::online();
    harness.user("ping");
    harness.forget();
    assert_eq!(harness.wait_for_deadline(), 30_000);
    harness.expect(&[
        "hang up 1",
        "show * command socket lost: no reply from 10.0.0.1:5000 in 30 s",
        "show error: ping: the reply is lost: the command may or may not have been carried out",
    ]);
    harness.user("ping");
    assert_eq!(harness.wait_for_deadline(), 10_000);
    harness.expect(&[
        "dial 2",
        "hang up 2",
        "show error: ping: no answer from 10.0.0.1:5000 in 10 s",
    ]);
}

#[test]
fn without_a_coordinator_each_command_fails_by_itself() {
    let mut harness = Harness::new();
    harness.user("ping");
    harness.user("msend a");
    harness.dial_failed(1);
    harness.dial_failed(2);
    harness.expect(&[
        "dial 1",
        "show error: ping: refused",
        "dial 2",
        "show error: msend: not sent: refused: a",
    ]);
}

#[test]
fn events_of_closed_sockets_are_ignored() {
    let mut harness = Harness::online();
    harness.dialed(9);
    harness.dial_failed(9);
    harness.reply(9, "OK ping");
    harness.command_socket_closed(9);
    harness.message(9, "1#bob#0#x");
    harness.message_socket_closed(9);
    harness.expect(&[]);
}

#[test]
fn a_wrong_line_of_the_user_is_an_error_of_its_own() {
    let mut harness = Harness::new();
    harness.user("hello");
    harness.input(SessionInput::UserLineTooLong { max: 10 });
    harness.user("");
    harness.expect(&[
        "show error: unknown command 'hello'; 'help' lists the commands",
        "show error: line exceeds 10 bytes",
    ]);
    harness.user("ping");
    harness.user("ping 1");
    harness.expect(&["dial 1"]);
    harness.dial_failed(1);
    harness.expect(&["show error: ping: refused", "show error: ping takes no arguments"]);
    harness.user("quit");
    harness.expect(&["exit 1"]);
}

#[test]
fn text_from_the_network_cannot_control_the_terminal() {
    let mut harness = Harness::online();
    harness.user("ping");
    harness.forget();
    harness.message(1, "1#bob#0#\u{1b}[2J\u{202e}");
    harness.reply(1, "ERR 400 \u{1b}c");
    harness.expect(&["append 1 bob: \\u{1b}[2J\\u{202e}", "show ERR 400 \\u{1b}c"]);
}
