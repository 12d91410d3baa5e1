use super::*;

#[test]
fn msends_are_pipelined_and_everything_else_waits_for_them() {
    let mut rig = Rig::new();
    for line in ["msend a", "msend  b#", "ping", "msend c", "status"] {
        rig.user(line);
    }
    rig.expect(&["dial 1"]);
    rig.dialed(1);
    rig.expect(&["send 1 me#msend a#10.0.0.2", "send 1 me#msend  b##10.0.0.2"]);
    rig.reply(1, "OK msend seq=1");
    rig.expect(&["show OK msend seq=1"]);
    rig.reply(1, "ERR 409 offline: reconnect first");
    rig.expect(&["show ERR 409 offline: reconnect first", "send 1 me#ping#10.0.0.2"]);
    rig.reply(1, "OK ping");
    rig.expect(&["show OK ping", "send 1 me#msend c#10.0.0.2"]);
    rig.reply(1, "OK msend seq=2");
    assert!(matches!(rig.effects.last(), Some(SessionEffect::Show(Notice::Status(_)))));
}

#[test]
fn what_is_in_flight_and_what_waits_is_bounded() {
    let mut rig = Rig::online();
    for _ in 0..256 {
        rig.user("msend x");
    }
    assert_eq!(rig.effects.len(), 256);
    rig.forget();
    for _ in 0..256 {
        assert!(rig.session.wants_user_lines());
        rig.user("msend x");
    }
    assert!(!rig.session.wants_user_lines());
    rig.expect(&[]);
    rig.user("msend x");
    rig.expect(&["show error: 256 commands are waiting; this one was dropped"]);
    rig.reply(1, "OK msend seq=1");
    assert!(rig.session.wants_user_lines());
    assert_eq!(rig.effects.len(), 2);
}

#[test]
fn rows_behind_a_reply_belong_to_it() {
    let mut rig = Rig::online();
    rig.user("members");
    rig.user("stats");
    rig.forget();
    rig.reply(1, "OK members 2");
    rig.reply(1, "me online 10.0.0.2:9001 pending=0 acked=0");
    rig.expect(&["show OK members 2", "show me online 10.0.0.2:9001 pending=0 acked=0"]);
    rig.reply(1, "ERR like but a row");
    rig.expect(&["show ERR like but a row", "send 1 me#stats#10.0.0.2"]);
    rig.reply(1, "OK stats 0");
    assert_eq!(rig.session.status(Millis::ZERO).in_flight, 0);
}

#[test]
fn an_msend_whose_reply_is_lost_is_unknown_and_never_sent_again() {
    let mut rig = Rig::online();
    rig.user("msend a");
    rig.user("msend b");
    rig.user("ping");
    rig.forget();
    rig.reply(1, "OK msend seq=1");
    rig.commands_closed(1);
    rig.expect(&[
        "show OK msend seq=1",
        "show * command connection lost: reset",
        "show error: msend: the reply is lost, so it is unknown whether this was accepted; it \
         is not sent again: b",
        "dial 2",
    ]);
    rig.dialed(2);
    rig.expect(&["send 2 me#ping#10.0.0.2"]);
    rig.commands_closed(2);
    rig.effects.remove(0);
    rig.expect(&["show error: ping: the reply is lost, so it is unknown whether it was done"]);
}

#[test]
fn what_a_closing_coordinator_has_not_looked_at_is_sent_again() {
    let mut rig = Rig::online();
    for text in ["a", "b", "c"] {
        rig.user(&format!("msend {text}"));
    }
    rig.forget();
    rig.reply(1, "ERR 413 line exceeds 65536 bytes");
    rig.expect(&["show ERR 413 line exceeds 65536 bytes", "hang up 1", "dial 2"]);
    rig.dialed(2);
    rig.expect(&["send 2 me#msend b#10.0.0.2", "send 2 me#msend c#10.0.0.2"]);
}

#[test]
fn a_coordinator_that_answers_with_something_else_is_hung_up_on() {
    for line in ["OK pong", "OK", "hello", "", "OK msend seq=1"] {
        let mut rig = Rig::online();
        rig.user("ping");
        rig.forget();
        rig.reply(1, line);
        assert_eq!(brief(rig.effects.remove(0)), "hang up 1", "{line:?}");
    }
    let mut rig = Rig::online();
    rig.reply(1, "OK ping");
    assert_eq!(brief(rig.effects.remove(0)), "hang up 1", "nothing was asked");
}

#[test]
fn a_coordinator_that_does_not_answer_is_hung_up_on() {
    let mut rig = Rig::online();
    rig.user("ping");
    rig.forget();
    assert_eq!(rig.wait_for_deadline(), 30_000);
    rig.expect(&[
        "hang up 1",
        "show * command connection lost: no reply from 10.0.0.1:5000 in 30 s",
        "show error: ping: the reply is lost, so it is unknown whether it was done",
    ]);
    rig.user("ping");
    assert_eq!(rig.wait_for_deadline(), 10_000);
    rig.expect(&["dial 2", "hang up 2", "show error: ping: no answer from 10.0.0.1:5000"]);
}

#[test]
fn without_a_coordinator_each_command_fails_by_itself() {
    let mut rig = Rig::new();
    rig.user("ping");
    rig.user("msend a");
    rig.dial_failed(1);
    rig.dial_failed(2);
    rig.expect(&[
        "dial 1",
        "show error: ping: refused",
        "dial 2",
        "show error: msend: not sent: refused: a",
    ]);
}

#[test]
fn sockets_no_longer_in_use_are_not_listened_to() {
    let mut rig = Rig::online();
    rig.dialed(9);
    rig.dial_failed(9);
    rig.reply(9, "OK ping");
    rig.commands_closed(9);
    rig.message(9, "1#bob#0#x");
    rig.messages_closed(9);
    rig.expect(&[]);
}

#[test]
fn a_wrong_line_of_the_user_is_an_error_of_its_own() {
    let mut rig = Rig::new();
    rig.user("hello");
    rig.input(SessionInput::UserLineTooLong { max: 10 });
    rig.user("");
    rig.expect(&[
        "show error: unknown command 'hello'; 'help' lists them",
        "show error: line exceeds 10 bytes",
    ]);
    rig.user("ping");
    rig.user("ping 1");
    rig.expect(&["dial 1"]);
    rig.dial_failed(1);
    rig.expect(&["show error: ping: refused", "show error: ping takes no arguments"]);
    rig.user("quit");
    rig.expect(&["exit 1"]);
}

#[test]
fn whatever_text_arrives_the_terminal_is_not_driven_by_it() {
    let mut rig = Rig::online();
    rig.user("ping");
    rig.forget();
    rig.message(1, "1#bob#0#\u{1b}[2J\u{202e}");
    rig.reply(1, "ERR 400 \u{1b}c");
    rig.expect(&["append 1 bob: \\u{1b}[2J\\u{202e}", "show ERR 400 \\u{1b}c"]);
}
