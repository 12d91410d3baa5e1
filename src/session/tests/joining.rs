use super::*;

fn is_close(effect: &SessionEffect) -> bool {
    matches!(effect, SessionEffect::CloseMessageSocket { .. })
}

#[test]
fn register_listens_before_it_sends_the_request() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.expect(&["listen 9001"]);
    harness.listening(9001);
    harness.expect(&["dial 1"]);
    harness.dialed(1);
    harness.expect(&["send 1 me#register 9001 acks=1 nonce=1#10.0.0.2"]);
    assert_eq!(harness.state(), SessionState::Registering);
}

#[test]
fn reply_and_hello_come_in_either_order() {
    for hello_first in [false, true] {
        let mut harness = Harness::new();
        harness.user("register 0");
        harness.listening(40_000);
        harness.dialed(1);
        harness.effects.retain(|effect| matches!(effect, SessionEffect::Show(_)));
        harness.expect(&["show * listening on port 40000"]);
        if hello_first {
            harness.hello(7);
            let epoch = "append * new epoch 00000000000000aa";
            harness.expect(&["close listener", epoch]);
            assert!(harness.wants(7), "the stream does not wait for the reply");
            harness.reply(1, OK_REGISTER);
            harness.expect(&[&format!("show {OK_REGISTER}")]);
        } else {
            harness.reply(1, OK_REGISTER);
            assert_eq!(harness.state(), SessionState::Registering);
            harness.hello(7);
            assert_eq!(harness.effects.len(), 3);
        }
        assert_eq!(harness.state(), SessionState::Online);
    }
}

#[test]
fn a_connection_without_the_nonce_is_dropped_and_the_coordinator_still_gets_in() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.input(SessionInput::Accepted { socket: MessageSocket(1), peer: STRANGER });
    harness.effects.retain(is_close);
    harness.expect(&["close 1"]);
    for (socket, line) in
        [(2, "hello#2#00000000000000aa"), (3, "1#bob#0#text"), (4, "hello"), (5, "\u{0}")]
    {
        harness.accepted(socket);
        harness.message(socket, line);
        harness.effects.retain(is_close);
        harness.expect(&[&format!("close {socket}")]);
    }
    harness.accepted(6);
    harness.hello(7);
    harness.expect(&["close listener", "close 6", "append * new epoch 00000000000000aa"]);
}

#[test]
fn candidates_are_bounded_in_number_and_in_time() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    for socket in 1..=8 {
        harness.accepted(socket);
    }
    harness.expect(&[]);
    harness.accepted(9);
    harness.effects.retain(is_close);
    harness.expect(&["close 1"]);
    harness.reply(1, OK_REGISTER);
    assert_eq!(harness.wait_for_deadline(), 5_000);
    harness.effects.retain(is_close);
    assert_eq!(harness.effects.len(), 8);
}

#[test]
fn a_refusal_closes_the_listener_and_fails_the_command() {
    let mut harness = Harness::new();
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.reply(1, "ERR 404 not a member");
    harness.expect(&["show ERR 404 not a member", "close listener"]);
    harness.user("quit");
    harness.expect(&["exit 1"]);
}

#[test]
fn a_refusal_drops_the_message_socket_that_came_before_it() {
    let mut harness = Harness::new();
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(1);
    harness.forget();
    harness.reply(1, "ERR 409 superseded by a later reconnect");
    harness.expect(&["close 1", "show ERR 409 superseded by a later reconnect"]);
    assert_eq!(harness.state(), SessionState::Offline);
}

#[test]
fn without_a_listener_or_a_coordinator_a_command_fails_at_once() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.input(SessionInput::ListenFailed { reason: "in use" });
    harness.expect(&["listen 9001", "show error: register: cannot listen on port 9001: in use"]);
    harness.user("register 9001");
    harness.listening(9001);
    harness.forget();
    harness.dial_failed(1);
    harness.expect(&["show error: register: refused", "close listener"]);
}

#[test]
fn a_hello_may_wait_as_long_as_the_reply() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.accepted(1);
    harness.wait(crate::limits::REPLY_TIMEOUT_MS - 1);
    harness.message(1, &format!("hello#{:032x}#{EPOCH}", harness.nonce));
    harness.reply(1, OK_REGISTER);
    assert_eq!(harness.state(), SessionState::Online);
}

#[test]
fn an_ok_without_a_hello_causes_a_reconnect() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.reply(1, OK_REGISTER);
    harness.forget();
    assert_eq!(harness.wait_for_deadline(), 5_000);
    let shown = "show error: register: the coordinator confirmed, but sent no hello in time";
    assert_eq!(brief(harness.effects.remove(0)), shown);
    assert!(matches!(harness.state(), SessionState::Paused { .. }));
}

#[test]
fn a_lost_register_becomes_a_reconnect_and_on_404_a_register() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.command_socket_closed(1);
    let SessionEffect::Show(Notice::TryFailed { command: "register", next, .. }) =
        &harness.effects[2]
    else {
        panic!("{:?}", harness.effects);
    };
    let paused = next.ms;
    harness.forget();
    assert_eq!(harness.wait_for_deadline(), paused);
    harness.listening(9001);
    harness.dialed(2);
    harness.expect(&["listen 9001", "dial 2", "send 2 me#reconnect 9001 acks=1 nonce=2#10.0.0.2"]);
    harness.reply(2, "ERR 404 not a member");
    harness.expect(&[
        "show * the coordinator does not know this participant: registering",
        "send 2 me#register 9001 acks=1 nonce=2#10.0.0.2",
    ]);
    harness.reply(2, OK_REGISTER);
    harness.hello(1);
    assert_eq!(harness.state(), SessionState::Online);
    harness.input(SessionInput::EndOfInput);
    harness.written(1);
    harness.reply(2, "OK disconnect");
    assert_eq!(harness.effects.last(), Some(&SessionEffect::Exit { code: 0 }));
}

#[test]
fn a_lost_reply_does_not_matter_after_the_hello() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(1);
    harness.command_socket_closed(1);
    assert_eq!(harness.state(), SessionState::Online);
}

#[test]
fn replies_that_keep_getting_lost_end_in_a_failure() {
    let mut harness = Harness::new();
    harness.user("reconnect 9001");
    for try_number in 1..=6 {
        harness.listening(9001);
        harness.dialed(try_number);
        assert_eq!(harness.state(), SessionState::Reconnecting);
        harness.command_socket_closed(try_number);
        if try_number < 6 {
            harness.wait_for_deadline();
        }
    }
    assert_eq!(harness.state(), SessionState::Offline);
    assert_eq!(harness.session.next_deadline(), None);
}

#[test]
fn a_broken_message_socket_is_reported_and_reconnected_at_the_same_port() {
    let mut harness = Harness::online();
    harness.message_socket_closed(1);
    let Some(SessionEffect::Show(Notice::Paused(NextAttempt { ms, .. }))) = harness.effects.pop()
    else {
        panic!("no pause")
    };
    harness.expect(&["show * message socket lost: reset"]);
    assert!((200..=400).contains(&ms), "{ms}");
    harness.wait(ms - 1);
    harness.expect(&[]);
    harness.wait(1);
    harness.expect(&["listen 9001"]);
    harness.listening(9001);
    harness.expect(&["send 1 me#reconnect 9001 acks=1 nonce=2#10.0.0.2"]);
    harness.reply(1, OK_RECONNECT);
    harness.expect(&[&format!("show * reconnected: {OK_RECONNECT}")]);
    harness.hello(2);
    harness.expect(&["close listener"]);
    assert_eq!(harness.state(), SessionState::Online);
}

#[test]
fn pauses_grow_until_a_connection_has_lived_for_a_while() {
    let mut harness = Harness::online();
    harness.command_socket_closed(1);
    harness.message_socket_closed(1);
    let mut pauses = Vec::new();
    for socket in 0..8 {
        pauses.push(harness.wait_for_deadline());
        harness.listening(9001);
        harness.dial_failed(socket + 2);
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!(pauses[7] >= 15_000, "{pauses:?}");
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.dialed(10);
    harness.reply(10, OK_RECONNECT);
    harness.hello(2);
    assert_eq!(harness.state(), SessionState::Online);
    harness.wait(10_000);
    harness.message_socket_closed(2);
    assert!(harness.wait_for_deadline() <= 400);
}

#[test]
fn a_repeated_failure_is_reported_once() {
    let mut harness = Harness::online();
    harness.command_socket_closed(1);
    harness.message_socket_closed(1);
    harness.forget();
    for socket in 2..6 {
        harness.wait_for_deadline();
        harness.listening(9001);
        harness.dial_failed(socket);
    }
    harness.effects.retain(|effect| matches!(effect, SessionEffect::Show(_)));
    assert_eq!(harness.effects.len(), 1, "{:?}", harness.effects);
}

#[test]
fn a_forgotten_member_registers_again_and_reports_it() {
    let mut harness = Harness::online();
    harness.message_socket_closed(1);
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.forget();
    harness.reply(1, "ERR 404 not a member");
    harness.reply(1, OK_REGISTER);
    harness.expect(&[
        "show * the coordinator does not know this participant: registering",
        "send 1 me#register 9001 acks=1 nonce=2#10.0.0.2",
        &format!("show * registered as a new member, messages may have been missed: {OK_REGISTER}"),
    ]);
}

#[test]
fn without_the_option_or_after_leaving_no_reconnect_follows() {
    let mut harness = Harness::with(|settings| settings.reconnects = false).register();
    harness.message_socket_closed(1);
    harness.expect(&["show * message socket lost: reset"]);
    assert_eq!(harness.session.next_deadline(), None);

    for word in ["disconnect", "deregister"] {
        for end_first in [false, true] {
            let mut harness = Harness::online();
            harness.user(word);
            harness.forget();
            if end_first {
                harness.message_socket_closed(1);
            }
            harness.reply(1, &format!("OK {word}"));
            harness.message_socket_closed(1);
            harness.expect(&[&format!("show OK {word}")]);
            assert_eq!(harness.session.next_deadline(), None);
            assert_eq!(harness.state(), SessionState::Offline);
        }
    }
}

/// A coordinator with a journal sends the hello before `OK`, and may end in between.
#[test]
fn a_register_with_a_hello_and_no_reply_is_tried_again() {
    for reconnects in [false, true] {
        let mut harness = Harness::with(|settings| settings.reconnects = reconnects);
        harness.user("register 9001");
        harness.listening(9001);
        harness.dialed(1);
        harness.hello(1);
        harness.written(1);
        harness.message_socket_closed(1);
        harness.command_socket_closed(1);
        assert!(matches!(harness.state(), SessionState::Paused { .. }), "{reconnects}");
        harness.wait_for_deadline();
        harness.listening(9001);
        harness.dialed(2);
        harness.forget();
        harness.reply(2, "ERR 404 not a member");
        harness.reply(2, OK_REGISTER);
        harness.hello(2);
        assert_eq!(harness.state(), SessionState::Online);
        assert_eq!(brief(harness.effects.remove(2)), format!("show {OK_REGISTER}"), "{reconnects}");
    }
}

#[test]
fn a_command_of_the_user_replaces_an_automatic_reconnect() {
    let mut harness = Harness::online();
    harness.message_socket_closed(1);
    harness.forget();
    harness.user("disconnect");
    harness.expect(&["send 1 me#disconnect#10.0.0.2"]);
    harness.reply(1, "ERR 409 already offline");
    assert_eq!(harness.session.next_deadline(), None);

    let mut harness = Harness::online();
    harness.message_socket_closed(1);
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.forget();
    harness.user("reconnect 9002");
    harness.expect(&["close listener", "listen 9002"]);
    harness.listening(9002);
    harness.reply(1, "ERR 502 cannot connect");
    harness.expect(&["send 1 me#reconnect 9002 acks=1 nonce=3#10.0.0.2"]);
    harness.reply(1, OK_RECONNECT);
    harness.hello(3);
    assert_eq!(harness.state(), SessionState::Online);
}

#[test]
fn a_takeover_reads_no_more_from_the_old_socket_and_keeps_it_if_refused() {
    let mut harness = Harness::online();
    harness.message(1, "1#bob#0#one");
    harness.user("reconnect 9002");
    harness.forget();
    harness.listening(9002);
    assert!(!harness.wants(1), "what `since` names must stay the last number taken");
    harness.expect(&[]);
    harness.written(1);
    harness.expect(&[
        "ack 1 1",
        "send 1 me#reconnect 9002 acks=1 nonce=2 since=00000000000000aa:1#10.0.0.2",
    ]);
    harness.reply(1, "ERR 503 shutting down");
    assert!(harness.wants(1));
    assert_eq!(harness.state(), SessionState::Online);

    harness.user("reconnect 9002");
    harness.listening(9002);
    harness.forget();
    harness.hello(2);
    harness.expect(&["close listener", "close 1"]);
    assert!(!harness.wants(1));
    harness.reply(1, &format!("OK reconnect epoch={EPOCH} next=2 ttl=60 missed=0 expired=0"));
    assert!(harness.wants(2) && !harness.wants(1));
}
