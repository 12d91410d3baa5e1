//! `join`: reconnects or registers, and keeps trying.

use super::*;

/// A new participant whose `join` was asked for.
fn joining() -> Harness {
    let mut harness = Harness::new();
    harness.user("join 9001");
    harness.expect(&["listen 9001"]);
    harness.listening(9001);
    harness.expect(&["dial 1"]);
    harness
}

#[test]
fn a_new_participant_reconnects_and_then_registers_without_a_word_about_loss() {
    let mut harness = joining();
    harness.dialed(1);
    harness.expect(&["send 1 me#reconnect 9001 acks=1 nonce=1#10.0.0.2"]);
    harness.reply(1, "ERR 404 not a member: register first");
    harness.expect(&["send 1 me#register 9001 acks=1 nonce=1#10.0.0.2"]);
    harness.reply(1, OK_REGISTER);
    harness.expect(&[&format!("show {OK_REGISTER}")]);
    harness.hello(7);
    assert_eq!(harness.state(), SessionState::Online);
}

#[test]
fn a_member_of_before_reconnects() {
    let mut harness = joining();
    harness.dialed(1);
    harness.reply(1, OK_RECONNECT);
    harness.hello(7);
    assert_eq!(harness.state(), SessionState::Online);
    assert!(!harness.session.has_failed());
}

#[test]
fn a_forgotten_member_registers_and_says_that_messages_may_be_missing() {
    let log_position = LogPosition { epoch: Some(Epoch::new(0xaa)), last: Seq::new(5) };
    let mut harness = Harness::with(|settings| settings.log_position = log_position);
    harness.user("join");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.reply(1, "ERR 404 not a member: register first");
    assert!(harness.effects.contains(&SessionEffect::Show(Notice::Forgotten)));
    harness.forget();
    harness.reply(1, OK_REGISTER);
    let again = Notice::RegisteredAgain { reply: OK_REGISTER.into() };
    assert!(harness.effects.contains(&SessionEffect::Show(again)), "{:?}", harness.effects);
}

#[test]
fn without_a_coordinator_it_keeps_trying_and_reports_the_same_failure_once() {
    let mut harness = joining();
    harness.user("msend early");
    harness.expect(&[]);
    harness.dial_failed(1);
    let shown: Vec<String> = harness.effects.drain(..).map(brief).collect();
    assert_eq!(shown[0], "close listener");
    assert!(shown[1].starts_with("show * join failed: refused; trying again in "), "{shown:?}");
    assert_eq!(shown[2], "show * queued, 1 waiting");
    assert_eq!(
        shown[3],
        "show * not online: messages wait up to 120 s and are sent when online again"
    );
    for socket in 2..5 {
        harness.wait_for_deadline();
        harness.expect(&["listen 9001"]);
        harness.listening(9001);
        harness.dial_failed(socket);
        harness.effects.retain(|effect| matches!(effect, SessionEffect::Show(_)));
        harness.expect(&[]);
    }
    assert!(!harness.session.has_failed(), "nothing has failed yet");
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.dialed(5);
    harness.reply(5, "ERR 404 not a member: register first");
    harness.forget();
    harness.reply(5, OK_REGISTER);
    harness.expect(&[&format!("show {OK_REGISTER}")]);
}

#[test]
fn the_next_commands_wait_for_the_first_attempt() {
    let mut harness = joining();
    harness.user("msend after it");
    harness.dialed(1);
    harness.reply(1, "ERR 404 not a member: register first");
    harness.forget();
    harness.reply(1, OK_REGISTER);
    harness.expect(&[&format!("show {OK_REGISTER}")]);
    harness.hello(7);
    let sent = SessionEffect::Send {
        socket: CommandSocket(1),
        line: "me#msend after it#10.0.0.2\n".into(),
    };
    assert!(harness.effects.contains(&sent), "{:?}", harness.effects);
}

#[test]
fn a_stop_while_it_tries_is_no_failure() {
    for fails_first in [false, true] {
        let mut harness = joining();
        if fails_first {
            harness.dial_failed(1);
        }
        harness.forget();
        harness.input(SessionInput::Stop);
        let last = harness.effects.pop().map(brief);
        assert_eq!(last.as_deref(), Some("exit 0"), "{:?}", harness.effects);
    }
}

#[test]
fn a_quit_before_the_join_succeeds_is_a_failure() {
    let mut harness = joining();
    harness.input(SessionInput::EndOfInput);
    harness.expect(&[]); // The end of the input waits for the first attempt.
    harness.dial_failed(1);
    let last = harness.effects.drain(..).map(brief).collect::<Vec<_>>();
    let end = ["show error: quit: 1 command was not finished", "exit 1"];
    assert_eq!(last[last.len() - 2..], end, "{last:?}");
}

#[test]
fn a_coordinator_that_talks_nonsense_is_reported_once_and_under_the_name_of_the_command() {
    let mut harness = joining();
    for socket in 1..4 {
        harness.dialed(socket);
        harness.forget();
        harness.reply(socket, "220 mail.example.org");
        let is_notice = |effect: &SessionEffect| matches!(effect, SessionEffect::Show(_));
        let shown = harness.effects.iter().filter(|it| is_notice(it)).cloned().map(brief);
        let shown = shown.collect::<Vec<_>>();
        match socket {
            1 => assert!(shown[0].starts_with("show * join failed: the coordinator sent a line")),
            _ => assert_eq!(shown, [""; 0]),
        }
        assert_eq!(shown.len(), usize::from(socket == 1), "{shown:?}");
        harness.wait_for_deadline();
        harness.listening(9001);
    }
    harness.forget();
    harness.dial_failed(4);
    let shown = harness.effects.drain(..).map(brief).collect::<Vec<_>>();
    assert!(shown[1].starts_with("show * join failed: refused; "), "not reconnect: {shown:?}");
}

#[test]
fn a_join_whose_message_socket_was_taken_over_does_not_take_the_id_back() {
    let mut harness = joining();
    harness.dialed(1);
    harness.hello(7);
    harness.written(1);
    harness.message(7, "bye#taken over by 10.0.0.3:9000");
    harness.command_socket_closed(1);
    assert_eq!(harness.state(), SessionState::Offline);
}
