use super::*;

const OK_REGISTER: &str = "OK register epoch=00000000000000aa next=1 ttl=60";
const OK_RECONNECT: &str = "OK reconnect epoch=00000000000000aa next=1 ttl=60 missed=0 expired=0";

fn is_close(effect: &SessionEffect) -> bool {
    matches!(effect, SessionEffect::CloseMessages { .. })
}

#[test]
fn a_register_listens_first_and_asks_then() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.expect(&["listen 9001"]);
    rig.listening(9001);
    rig.expect(&["dial 1"]);
    rig.dialed(1);
    rig.expect(&["send 1 me#register 9001 acks=1 nonce=1#10.0.0.2"]);
    assert_eq!(rig.state(), SessionState::Registering);
}

#[test]
fn reply_and_greeting_come_in_either_order() {
    for greeting_first in [false, true] {
        let mut rig = Rig::new();
        rig.user("register 0");
        rig.listening(40_000);
        rig.dialed(1);
        rig.effects.retain(|effect| matches!(effect, SessionEffect::Show(_)));
        rig.expect(&["show * listening on port 40000"]);
        if greeting_first {
            rig.hello(7);
            let epoch = "append * epoch 00000000000000aa: numbers begin anew";
            rig.expect(&["close listener", epoch]);
            assert!(rig.wants(7), "the stream does not wait for the reply");
            rig.reply(1, OK_REGISTER);
            rig.expect(&[&format!("show {OK_REGISTER}")]);
        } else {
            rig.reply(1, OK_REGISTER);
            assert_eq!(rig.state(), SessionState::Registering);
            rig.hello(7);
            assert_eq!(rig.effects.len(), 3);
        }
        assert_eq!(rig.state(), SessionState::Online);
    }
}

#[test]
fn who_does_not_greet_with_the_nonce_is_dropped_and_takes_nobodys_place() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.forget();
    rig.input(SessionInput::Accepted { socket: MessageSocket(1), peer: STRANGER });
    rig.effects.retain(is_close);
    rig.expect(&["close 1"]);
    for (socket, line) in
        [(2, "hello#2#00000000000000aa"), (3, "1#bob#0#text"), (4, "hello"), (5, "\u{0}")]
    {
        rig.accepted(socket);
        rig.message(socket, line);
        rig.effects.retain(is_close);
        rig.expect(&[&format!("close {socket}")]);
    }
    rig.accepted(6);
    rig.hello(7);
    rig.expect(&[
        "close listener",
        "close 6",
        "append * epoch 00000000000000aa: numbers begin anew",
    ]);
}

#[test]
fn candidates_are_bounded_in_number_and_in_time() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.forget();
    for socket in 1..=8 {
        rig.accepted(socket);
    }
    rig.expect(&[]);
    rig.accepted(9);
    rig.effects.retain(is_close);
    rig.expect(&["close 1"]);
    assert_eq!(rig.wait_for_deadline(), 5_000);
    rig.effects.retain(is_close);
    assert_eq!(rig.effects.len(), 8);
}

#[test]
fn a_refusal_closes_the_listener_and_fails_the_command() {
    let mut rig = Rig::new();
    rig.user("reconnect 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.forget();
    rig.reply(1, "ERR 404 not a member");
    rig.expect(&["show ERR 404 not a member", "close listener"]);
    rig.user("quit");
    rig.expect(&["exit 1"]);
}

#[test]
fn a_refusal_drops_the_message_socket_that_came_before_it() {
    let mut rig = Rig::new();
    rig.user("reconnect 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.hello(1);
    rig.forget();
    rig.reply(1, "ERR 409 superseded by a later reconnect");
    rig.expect(&["close 1", "show ERR 409 superseded by a later reconnect"]);
    assert_eq!(rig.state(), SessionState::Offline);
}

#[test]
fn without_a_listener_or_a_coordinator_a_command_fails_at_once() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.input(SessionInput::ListenFailed { reason: "in use" });
    rig.expect(&["listen 9001", "show error: register: cannot listen on port 9001: in use"]);
    rig.user("register 9001");
    rig.listening(9001);
    rig.forget();
    rig.dial_failed(1);
    rig.expect(&["show error: register: refused", "close listener"]);
}

#[test]
fn a_coordinator_that_says_ok_and_does_not_greet_is_reconnected_to() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.reply(1, OK_REGISTER);
    rig.forget();
    assert_eq!(rig.wait_for_deadline(), 5_000);
    let shown = "show error: register: the coordinator did not greet in time";
    assert_eq!(brief(rig.effects.remove(0)), shown);
    assert!(matches!(rig.state(), SessionState::Paused { .. }));
}

#[test]
fn a_lost_register_becomes_a_reconnect_and_on_404_a_register() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.forget();
    rig.commands_closed(1);
    let SessionEffect::Show(Notice::TryFailed { command: "register", ms: paused, .. }) =
        rig.effects[2]
    else {
        panic!("{:?}", rig.effects);
    };
    rig.forget();
    assert_eq!(rig.wait_for_deadline(), paused);
    rig.listening(9001);
    rig.dialed(2);
    rig.expect(&["listen 9001", "dial 2", "send 2 me#reconnect 9001 acks=1 nonce=2#10.0.0.2"]);
    rig.reply(2, "ERR 404 not a member");
    rig.expect(&[
        "show * the coordinator does not know this participant: registering",
        "send 2 me#register 9001 acks=1 nonce=2#10.0.0.2",
    ]);
    rig.reply(2, OK_REGISTER);
    rig.hello(1);
    assert_eq!(rig.state(), SessionState::Online);
    rig.input(SessionInput::EndOfInput);
    rig.written(1);
    rig.reply(2, "OK disconnect");
    assert_eq!(rig.effects.last(), Some(&SessionEffect::Exit { code: 0 }));
}

#[test]
fn a_lost_reply_does_not_matter_once_the_coordinator_has_greeted() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.hello(1);
    rig.commands_closed(1);
    assert_eq!(rig.state(), SessionState::Online);
}

#[test]
fn replies_that_keep_getting_lost_end_in_a_failure() {
    let mut rig = Rig::new();
    rig.user("reconnect 9001");
    for try_number in 1..=6 {
        rig.listening(9001);
        rig.dialed(try_number);
        assert_eq!(rig.state(), SessionState::Reconnecting);
        rig.commands_closed(try_number);
        if try_number < 6 {
            rig.wait_for_deadline();
        }
    }
    assert_eq!(rig.state(), SessionState::Offline);
    assert_eq!(rig.session.next_deadline(), None);
}

#[test]
fn a_broken_message_socket_is_said_and_reconnected_at_the_same_port() {
    let mut rig = Rig::online();
    rig.messages_closed(1);
    let Some(SessionEffect::Show(Notice::Paused { ms })) = rig.effects.pop() else {
        panic!("no pause")
    };
    rig.expect(&["show * message connection lost: reset"]);
    assert!((200..=400).contains(&ms), "{ms}");
    rig.wait(ms - 1);
    rig.expect(&[]);
    rig.wait(1);
    rig.expect(&["listen 9001"]);
    rig.listening(9001);
    rig.expect(&["send 1 me#reconnect 9001 acks=1 nonce=2#10.0.0.2"]);
    rig.reply(1, OK_RECONNECT);
    rig.expect(&[&format!("show * reconnected: {OK_RECONNECT}")]);
    rig.hello(2);
    rig.expect(&["close listener"]);
    assert_eq!(rig.state(), SessionState::Online);
}

#[test]
fn pauses_grow_until_a_connection_has_lived_for_a_while() {
    let mut rig = Rig::online();
    rig.commands_closed(1);
    rig.messages_closed(1);
    let mut pauses = Vec::new();
    for socket in 0..8 {
        pauses.push(rig.wait_for_deadline());
        rig.listening(9001);
        rig.dial_failed(socket + 2);
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!(pauses[7] >= 15_000, "{pauses:?}");
    rig.wait_for_deadline();
    rig.listening(9001);
    rig.dialed(10);
    rig.reply(10, OK_RECONNECT);
    rig.hello(2);
    assert_eq!(rig.state(), SessionState::Online);
    rig.wait(10_000);
    rig.messages_closed(2);
    assert!(rig.wait_for_deadline() <= 400);
}

#[test]
fn a_failure_that_goes_on_is_said_once() {
    let mut rig = Rig::online();
    rig.commands_closed(1);
    rig.messages_closed(1);
    rig.forget();
    for socket in 2..6 {
        rig.wait_for_deadline();
        rig.listening(9001);
        rig.dial_failed(socket);
    }
    rig.effects.retain(|effect| matches!(effect, SessionEffect::Show(_)));
    assert_eq!(rig.effects.len(), 1, "{:?}", rig.effects);
}

#[test]
fn a_member_that_was_forgotten_registers_anew_and_says_so() {
    let mut rig = Rig::online();
    rig.messages_closed(1);
    rig.wait_for_deadline();
    rig.listening(9001);
    rig.forget();
    rig.reply(1, "ERR 404 not a member");
    rig.reply(1, OK_REGISTER);
    rig.expect(&[
        "show * the coordinator does not know this participant: registering",
        "send 1 me#register 9001 acks=1 nonce=2#10.0.0.2",
        &format!("show * registered anew, messages may have been missed: {OK_REGISTER}"),
    ]);
}

#[test]
fn nobody_comes_back_who_was_told_not_to_or_went_away() {
    let mut rig = Rig::with(|settings| settings.reconnects = false).register();
    rig.messages_closed(1);
    rig.expect(&["show * message connection lost: reset"]);
    assert_eq!(rig.session.next_deadline(), None);

    for word in ["disconnect", "deregister"] {
        for end_first in [false, true] {
            let mut rig = Rig::online();
            rig.user(word);
            rig.forget();
            if end_first {
                rig.messages_closed(1);
            }
            rig.reply(1, &format!("OK {word}"));
            rig.messages_closed(1);
            rig.expect(&[&format!("show OK {word}")]);
            assert_eq!(rig.session.next_deadline(), None);
            assert_eq!(rig.state(), SessionState::Offline);
        }
    }
}

/// A coordinator that keeps a journal greets before it can confirm, and may not come to that.
#[test]
fn a_register_of_which_nothing_is_left_but_a_greeting_is_not_forgotten() {
    for reconnects in [false, true] {
        let mut rig = Rig::with(|settings| settings.reconnects = reconnects);
        rig.user("register 9001");
        rig.listening(9001);
        rig.dialed(1);
        rig.hello(1);
        rig.written(1);
        rig.messages_closed(1);
        rig.commands_closed(1);
        assert!(matches!(rig.state(), SessionState::Paused { .. }), "{reconnects}");
        rig.wait_for_deadline();
        rig.listening(9001);
        rig.dialed(2);
        rig.forget();
        rig.reply(2, "ERR 404 not a member");
        rig.reply(2, OK_REGISTER);
        rig.hello(2);
        assert_eq!(rig.state(), SessionState::Online);
        assert_eq!(brief(rig.effects.remove(2)), format!("show {OK_REGISTER}"), "{reconnects}");
    }
}

#[test]
fn the_users_word_goes_before_a_reconnect_of_the_sessions_own() {
    let mut rig = Rig::online();
    rig.messages_closed(1);
    rig.forget();
    rig.user("disconnect");
    rig.expect(&["send 1 me#disconnect#10.0.0.2"]);
    rig.reply(1, "ERR 409 already offline");
    assert_eq!(rig.session.next_deadline(), None);

    let mut rig = Rig::online();
    rig.messages_closed(1);
    rig.wait_for_deadline();
    rig.listening(9001);
    rig.forget();
    rig.user("reconnect 9002");
    rig.expect(&["close listener", "listen 9002"]);
    rig.listening(9002);
    rig.reply(1, "ERR 502 cannot connect");
    rig.expect(&["send 1 me#reconnect 9002 acks=1 nonce=3#10.0.0.2"]);
    rig.reply(1, OK_RECONNECT);
    rig.hello(3);
    assert_eq!(rig.state(), SessionState::Online);
}

#[test]
fn a_takeover_reads_no_more_from_the_old_socket_and_keeps_it_if_refused() {
    let mut rig = Rig::online();
    rig.message(1, "1#bob#0#one");
    rig.user("reconnect 9002");
    rig.forget();
    rig.listening(9002);
    assert!(!rig.wants(1), "what `since` names must stay the last number taken");
    rig.expect(&[]);
    rig.written(1);
    rig.expect(&[
        "ack 1 1",
        "send 1 me#reconnect 9002 acks=1 nonce=2 since=00000000000000aa:1#10.0.0.2",
    ]);
    rig.reply(1, "ERR 503 shutting down");
    assert!(rig.wants(1));
    assert_eq!(rig.state(), SessionState::Online);

    rig.user("reconnect 9002");
    rig.listening(9002);
    rig.forget();
    rig.hello(2);
    rig.expect(&["close listener", "close 1"]);
    assert!(!rig.wants(1));
    rig.reply(1, &format!("OK reconnect epoch={EPOCH} next=2 ttl=60 missed=0 expired=0"));
    assert!(rig.wants(2) && !rig.wants(1));
}
