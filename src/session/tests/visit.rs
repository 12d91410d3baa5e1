//! Visits: texts are sent, messages are taken, and the id is left as it was found.

mod silent;

use super::*;

const OK_RECONNECT: &str = "OK reconnect epoch=00000000000000aa next=4 ttl=60 missed=3 expired=0";
const UNKNOWN: &str = "ERR 404 not a member: register first";
const OFFLINE: &str = "ERR 409 offline: reconnect first";

fn visit(kind: VisitKind) -> Harness {
    Harness::with(|settings| settings.visit = kind)
}

/// A visit whose first text was sent on command socket 1.
fn sending() -> Harness {
    let mut harness = visit(VisitKind::SendsOnly);
    harness.user("msend hi");
    harness.expect(&["dial 1"]);
    harness.dialed(1);
    harness.expect(&["send 1 me#msend hi#10.0.0.2"]);
    harness
}

/// A visit whose first text was refused with this reply, and that has joined with `command`.
fn joined(refusal: &str, command: &str, ok: &str) -> Harness {
    let mut harness = sending();
    harness.reply(1, refusal);
    harness.expect(&["listen 0"]);
    harness.listening(9001);
    if command == "register" {
        harness.reply(1, UNKNOWN);
    }
    let sent = format!("send 1 me#{command} 9001 acks=1 nonce=1#10.0.0.2");
    assert!(harness.effects.drain(..).map(brief).any(|effect| effect == sent));
    harness.hello(7);
    harness.written(1);
    harness.forget();
    harness.reply(1, ok);
    harness.expect(&[&format!("show {ok}"), "send 1 me#msend hi#10.0.0.2"]);
    harness
}

/// A visit that is online and takes messages, with an id that was a member before or was not.
fn receiving_visit(is_member: bool) -> Harness {
    let mut harness = visit(VisitKind::Receives);
    harness.user("join");
    harness.listening(9001);
    harness.dialed(1);
    if !is_member {
        harness.reply(1, UNKNOWN);
    }
    harness.reply(1, if is_member { OK_RECONNECT } else { OK_REGISTER });
    harness.hello(7);
    harness
}

#[test]
fn an_id_that_is_online_elsewhere_is_not_taken_over() {
    let mut harness = sending();
    harness.input(SessionInput::EndOfInput);
    harness.reply(1, "OK msend seq=1");
    harness.expect(&["show OK msend seq=1", "exit 0"]);
}

/// Texts without numbers would overtake each other: the first may be refused because the id is
/// offline, and the second accepted because the id came online elsewhere between them.
#[test]
fn before_it_joins_a_visit_sends_each_text_after_the_reply_to_the_one_before() {
    let mut harness = sending();
    harness.user("msend there");
    harness.user("msend everybody");
    harness.expect(&[]);
    harness.reply(1, "OK msend seq=1");
    harness.expect(&["show OK msend seq=1", "send 1 me#msend there#10.0.0.2"]);
    harness.reply(1, OFFLINE);
    harness.expect(&["listen 0"]);
}

#[test]
fn an_offline_member_goes_offline_again_and_keeps_its_messages() {
    let mut harness = joined(OFFLINE, "reconnect", OK_RECONNECT);
    harness.message(7, "1#bob#0#for later");
    harness.reply(1, "OK msend seq=4");
    harness.expect(&["show OK msend seq=4"]);
    harness.user("quit");
    harness.expect(&["send 1 me#disconnect#10.0.0.2"]);
    harness.reply(1, "OK disconnect");
    harness.expect(&["show OK disconnect", "exit 0"]);
}

#[test]
fn a_stranger_deregisters_at_the_end() {
    let mut harness = joined(UNKNOWN, "register", OK_REGISTER);
    harness.reply(1, "OK msend seq=1");
    harness.expect(&["show OK msend seq=1"]);
    harness.user("quit");
    harness.expect(&["send 1 me#deregister#10.0.0.2"]);
    harness.reply(1, "OK deregister");
    harness.expect(&["show OK deregister", "exit 0"]);
}

#[test]
fn a_stranger_whose_id_was_taken_over_removes_no_member() {
    let mut harness = joined(UNKNOWN, "register", OK_REGISTER);
    harness.message(7, "bye#taken over by 10.0.0.3:9000");
    harness.forget();
    harness.reply(1, "OK msend seq=1");
    harness.user("quit");
    harness.expect(&["show OK msend seq=1", "exit 0"]);
}

#[test]
fn a_stranger_that_stays_registered_fails() {
    for (reply, said) in [
        (UNKNOWN, &["exit 0"][..]),
        (
            "ERR 506 the disk is full",
            &["show error: deregister: ERR 506 the disk is full", "exit 1"],
        ),
    ] {
        let mut harness = joined(UNKNOWN, "register", OK_REGISTER);
        harness.reply(1, "OK msend seq=1");
        harness.user("quit");
        harness.forget();
        harness.reply(1, reply);
        harness.expect(said);
    }
}

#[test]
fn an_id_that_is_taken_over_before_the_reply_is_not_taken_back() {
    let mut harness = visit(VisitKind::Receives);
    harness.user("join");
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(7);
    harness.written(1);
    harness.message(7, "bye#taken over by 10.0.0.3:9000");
    harness.forget();
    harness.reply(1, OK_RECONNECT);
    harness.expect(&[&format!("show {OK_RECONNECT}")]);
    assert_eq!(harness.state(), SessionState::Offline);
}

#[test]
fn an_id_that_another_program_registers_meanwhile_stays_a_member() {
    let mut harness = sending();
    harness.reply(1, UNKNOWN);
    harness.listening(9001);
    harness.hello(7);
    harness.written(1);
    harness.forget();
    harness.reply(1, OK_RECONNECT);
    harness.reply(1, "OK msend seq=4");
    harness.forget();
    harness.user("quit");
    harness.expect(&["send 1 me#disconnect#10.0.0.2"]);
}

#[test]
fn texts_that_wait_for_a_join_are_sent_in_their_order() {
    let mut harness = sending();
    harness.user("msend there");
    harness.reply(1, OFFLINE);
    harness.listening(9001);
    harness.hello(7);
    harness.written(1);
    harness.forget();
    harness.reply(1, OK_RECONNECT);
    harness.effects.remove(0);
    harness.expect(&["send 1 me#msend hi#10.0.0.2", "send 1 me#msend there#10.0.0.2"]);
}

#[test]
fn a_coordinator_that_is_away_is_reported_once_and_asked_again() {
    let mut harness = visit(VisitKind::SendsOnly);
    harness.user("msend hi");
    harness.expect(&["dial 1"]);
    harness.dial_failed(1);
    let shown = harness.effects.drain(..).map(brief).collect::<Vec<_>>();
    assert_eq!(shown[0], "show * queued, 1 waiting");
    assert!(shown[1].starts_with("show * msend failed: refused; trying again in "), "{shown:?}");
    for socket in 2..5 {
        harness.wait_for_deadline();
        harness.expect(&[&format!("dial {socket}")]);
        harness.dial_failed(socket);
        harness.expect(&[]);
    }
    harness.wait_for_deadline();
    harness.dialed(5);
    harness.forget();
    harness.reply(5, "OK msend seq=1");
    harness.user("quit");
    harness.expect(&["show OK msend seq=1", "exit 0"]);
}

#[test]
fn a_visit_that_receives_leaves_as_it_found() {
    for (is_member, last) in [(true, "disconnect"), (false, "deregister")] {
        let mut harness = receiving_visit(is_member);
        harness.message(7, "4#bob#0#hello");
        harness.forget();
        harness.written(2);
        harness.expect(&["ack 7 4"]);
        harness.user("quit");
        harness.expect(&[&format!("send 1 me#{last}#10.0.0.2")]);
    }
}

/// A visit as a member that was offline, whose first text was sent with its number.
fn sending_with_number() -> Harness {
    let mut harness = sending();
    harness.reply(1, OFFLINE);
    harness.listening(9001);
    harness.hello(7);
    harness.written(1);
    harness.forget();
    harness.reply(1, &format!("{OK_RECONNECT} max_line=512 published=0"));
    harness.effects.remove(0);
    harness.expect(&["send 1 me#send 1 hi#10.0.0.2"]);
    harness
}

/// The program that has the id now may use the same number, so a `duplicate=1` would prove nothing.
#[test]
fn a_text_without_a_reply_is_named_once_another_program_has_the_id() {
    for is_lost_first in [true, false] {
        let mut harness = sending_with_number();
        if is_lost_first {
            harness.command_socket_closed(1);
        }
        harness.message(7, "bye#taken over by 10.0.0.3:9000");
        if !is_lost_first {
            harness.command_socket_closed(1);
        }
        let named = "show error: msend: the reply is lost: ";
        let shown = harness.effects.drain(..).map(brief).collect::<Vec<_>>();
        assert!(shown.iter().any(|effect| effect.starts_with(named)), "{shown:?}");
        harness.user("msend there");
        harness.dialed(2);
        harness.effects.retain(|effect| matches!(effect, SessionEffect::Send { .. }));
        harness.expect(&["send 2 me#msend there#10.0.0.2"]);
    }
}

#[test]
fn a_text_without_a_reply_is_sent_again_where_nothing_reconnects() {
    let mut harness = Harness::with(|settings| {
        (settings.visit, settings.reconnects) = (VisitKind::SendsOnly, false);
    });
    harness.user("msend hi");
    harness.dialed(1);
    harness.reply(1, OFFLINE);
    harness.listening(9001);
    harness.hello(7);
    harness.written(1);
    harness.reply(1, &format!("{OK_RECONNECT} max_line=512 published=0"));
    harness.forget();
    harness.message_socket_closed(7);
    harness.command_socket_closed(1);
    harness.dialed(2);
    harness.effects.retain(|effect| matches!(effect, SessionEffect::Send { .. }));
    harness.expect(&["send 2 me#send 1 hi#10.0.0.2"]);
}

#[test]
fn a_visit_whose_id_is_taken_over_does_not_take_it_back() {
    let mut harness = sending();
    harness.reply(1, OFFLINE);
    harness.listening(9001);
    harness.hello(7);
    harness.written(1);
    harness.message(7, "bye#taken over by 10.0.0.3:9000");
    harness.forget();
    harness.command_socket_closed(1);
    harness.expect(&["dial 2"]);
    harness.dialed(2);
    harness.expect(&["send 2 me#msend hi#10.0.0.2"]);
    harness.reply(2, "OK msend seq=4");
    harness.user("quit");
    harness.expect(&["show OK msend seq=4", "exit 0"]);
}

/// The coordinator may not know of the end of the message socket.
#[test]
fn a_visit_without_its_message_socket_disconnects_nevertheless() {
    let mut harness = joined(OFFLINE, "reconnect", OK_RECONNECT);
    harness.message_socket_closed(7);
    harness.reply(1, "OK msend seq=4");
    harness.forget();
    harness.user("quit");
    harness.expect(&["send 1 me#disconnect#10.0.0.2"]);
    harness.reply(1, "ERR 409 offline: reconnect first");
    harness.expect(&["exit 0"]);
}

#[test]
fn a_visit_whose_message_socket_the_coordinator_has_ended_is_offline() {
    let mut harness = joined(OFFLINE, "reconnect", OK_RECONNECT);
    harness.forget();
    harness.message(7, "bye#shutting down");
    assert_eq!(brief(harness.effects.remove(0)), "close 7");
    harness.reply(1, "OK msend seq=4");
    harness.forget();
    harness.user("quit");
    harness.expect(&["exit 0"]);
}

const REFUSED: &str = "ERR 401 key: no line of the access file lets sha256:07: ask the operator";
const OF_OTHER: &str =
    "ERR 403 certificate: does not name this id: use the id that the one of sha256:07 names";

/// A refusal that lasts until an operator acts is the end of a visit, and not of a service.
#[test]
fn a_join_that_is_refused_for_good_ends_a_visit_that_sends() {
    for refusal in [REFUSED, OF_OTHER] {
        for command in ["reconnect", "register"] {
            let mut harness = sending();
            harness.user("msend there");
            harness.reply(1, if command == "register" { UNKNOWN } else { OFFLINE });
            harness.listening(9001);
            if command == "register" {
                harness.reply(1, UNKNOWN);
            }
            harness.forget();
            harness.reply(1, refusal);
            let unsent = "show error: msend: not sent: the participant shuts down: ";
            harness.expect(&[
                &format!("show error: join: {refusal}"),
                "show error: quit: 1 command was not finished",
                "close listener",
                &format!("{unsent}hi"),
                "exit 1",
            ]);
            assert!(harness.session.is_refused());
        }
    }
}

#[test]
fn a_join_that_is_refused_for_good_ends_a_visit_that_receives() {
    for refusal in [REFUSED, OF_OTHER] {
        let mut harness = visit(VisitKind::Receives);
        harness.user("join");
        harness.listening(9001);
        harness.dialed(1);
        harness.forget();
        harness.reply(1, refusal);
        harness.expect(&[&format!("show error: join: {refusal}"), "close listener", "exit 1"]);
    }
}

/// A member that the visit has registered is still a member.
#[test]
fn a_visit_that_was_online_and_is_refused_names_the_member_that_stays() {
    for is_member in [true, false] {
        let mut harness = receiving_visit(is_member);
        harness.written(1);
        harness.message(7, "bye#access revoked");
        harness.wait_for_deadline();
        harness.listening(9001);
        harness.forget();
        harness.reply(1, REFUSED);
        let shown = format!("show error: reconnect: {REFUSED}");
        if is_member {
            harness.expect(&[&shown, "close listener", "exit 1"]);
            continue;
        }
        harness.expect(&[&shown, "close listener", "send 1 me#deregister#10.0.0.2"]);
        harness.reply(1, REFUSED);
        harness.expect(&[&format!("show error: deregister: {REFUSED}"), "exit 1"]);
    }
}

#[test]
fn a_join_that_is_refused_for_now_ends_no_visit() {
    for refusal in
        ["ERR 421 too many members: 1 is the limit", "ERR 503 shutting down", "ERR 506 x"]
    {
        let mut harness = visit(VisitKind::Receives);
        harness.user("join");
        harness.listening(9001);
        harness.dialed(1);
        harness.reply(1, refusal);
        assert!(matches!(harness.state(), SessionState::Paused { .. }), "{refusal}");
        assert!(!harness.session.is_refused());
    }
}
