use super::*;
use crate::session::SessionEffect;

const NOW: Millis = Millis::ZERO;

fn lost() -> Reason {
    Reason::BadReply
}

fn soon() -> NextAttempt {
    NextAttempt { ms: 300, coordinator: None }
}

/// A join of the user whose request was sent, and its effects.
fn asked(kind: JoinKind, port: u16) -> (Join, SessionOutput) {
    let mut output = SessionOutput::default();
    let mut join = Join::of_user(kind, JoinWay::listen(port), None, &mut output);
    assert_eq!(output.poll(), Some(SessionEffect::Listen { port }));
    ask(&mut join, &mut output, port.max(9001));
    (join, output)
}

fn ask(join: &mut Join, output: &mut SessionOutput, port: u16) {
    assert!(!join.wants_to_ask());
    join.on_listening(port, 1, output);
    assert!(join.wants_to_ask());
    join.mark_asked();
    join.check();
}

/// Ends the pause of a join, and sends its request.
fn ask_after_pause(join: &mut Join, output: &mut SessionOutput) {
    let until = join.deadline().expect("the join pauses");
    join.end_pause(output, Millis::new(until.as_u64() - 1));
    assert!(join.is_waiting());
    join.end_pause(output, until);
    assert!(!join.is_waiting());
    ask(join, output, 9001);
}

#[test]
fn only_a_retry_turns_a_404_into_a_register() {
    let (mut join, mut output) = asked(JoinKind::Reconnect, 9001);
    assert_eq!(join.refuse(404, false), RefusedJoin::Fails, "the user asked for a reconnect");
    join.on_reply_lost();
    assert!(join.try_later(lost(), soon(), &mut output, NOW));
    ask_after_pause(&mut join, &mut output);
    assert_eq!(join.refuse(404, false), RefusedJoin::Fails, "the user asked for a reconnect");

    let (mut join, mut output) = asked(JoinKind::Register, 9001);
    join.on_reply_lost();
    assert!(join.try_later(lost(), soon(), &mut output, NOW));
    ask_after_pause(&mut join, &mut output);
    assert_eq!(
        (join.kind(), join.refuse(404, false)),
        (JoinKind::Reconnect, RefusedJoin::Registers)
    );
    assert_eq!((join.kind(), join.wants_to_ask()), (JoinKind::Register, true));
    join.mark_asked();
    assert_eq!(
        join.refuse(404, false),
        RefusedJoin::Fails,
        "a register that is refused as unknown"
    );

    let mut join = Join::automatic(JoinWay::listen(9001), NOW.plus(1));
    ask_after_pause(&mut join, &mut output);
    join.on_hello(&mut output);
    assert_eq!(join.refuse(404, false), RefusedJoin::Retries, "the listener is closed");
}

#[test]
fn a_refusal_ends_a_join_of_the_user_unless_the_lost_request_is_under_way() {
    let (mut join, mut output) = asked(JoinKind::Register, 9001);
    assert_eq!((join.is_retry(), join.refuse(409, false)), (false, RefusedJoin::Fails));
    assert!(join.try_later(lost(), soon(), &mut output, NOW));
    assert_eq!((join.is_retry(), join.refuse(409, false)), (true, RefusedJoin::Retries));
    assert_eq!(join.refuse(403, false), RefusedJoin::Fails);
    let mut join = Join::automatic(JoinWay::listen(9001), NOW);
    for code in [403, 404, 409, 503] {
        assert_eq!(
            (join.is_retry(), join.refuse(code, false)),
            (true, RefusedJoin::Retries),
            "{code}"
        );
    }
}

#[test]
fn a_join_of_the_user_has_a_limited_number_of_attempts_and_reports_a_failure_once() {
    let (mut join, mut output) = asked(JoinKind::Register, 9001);
    for attempt in 0..LOST_REPLIES_MAX {
        assert!(join.try_later(lost(), soon(), &mut output, NOW), "{attempt}");
        assert_eq!(output.poll(), Some(SessionEffect::CloseListener));
        let reported = matches!(output.poll(), Some(SessionEffect::Show(Notice::TryFailed { .. })));
        assert_eq!(reported, attempt == 0);
        ask_after_pause(&mut join, &mut output);
        while output.poll().is_some() {}
    }
    assert!(!join.try_later(lost(), soon(), &mut output, NOW));
    assert_eq!(output.poll(), Some(SessionEffect::CloseListener));
    let failed = Notice::Failed { command: "reconnect", why: lost() };
    assert_eq!(output.poll(), Some(SessionEffect::Show(failed)));

    let mut join = Join::automatic(JoinWay::listen(9001), NOW);
    for _ in 0..=LOST_REPLIES_MAX {
        assert!(join.try_later(lost(), soon(), &mut output, NOW));
    }
}

#[test]
fn another_port_is_taken_only_if_the_user_named_none() {
    for (asked_for, next) in [(0, 0), (9001, 9001)] {
        let (mut join, mut output) = asked(JoinKind::Register, asked_for);
        let shown = asked_for == 0;
        let listening = SessionEffect::Show(Notice::Listening { port: 9001 });
        assert_eq!(output.poll(), shown.then_some(listening));
        assert_eq!(join.on_listen_failed(), None, "the listener is open");
        join.try_later(lost(), soon(), &mut output, NOW);
        join.end_pause(&mut output, Millis::new(u64::MAX));
        assert_eq!(join.on_listen_failed(), Some(9001));
        assert!(matches!(join.way(), JoinWay::Listen(port) if port.number == next));
    }
}

#[test]
fn the_hello_and_the_reply_come_in_either_order() {
    let (mut join, mut output) = asked(JoinKind::Reconnect, 9001);
    assert!(join.stops_reading() && join.may_take_over() && join.is_waited_for());
    join.on_hello(&mut output);
    assert!(join.has_hello_only() && !join.stops_reading() && !join.may_take_over());
    assert_eq!((join.is_waited_for(), join.state(NOW)), (false, None));
    join.check();

    let (mut join, mut output) = asked(JoinKind::Reconnect, 9001);
    join.confirm("OK reconnect", &mut output, NOW);
    let reply = Notice::Reply("OK reconnect".into());
    assert_eq!(output.poll(), Some(SessionEffect::Show(reply)));
    assert!(join.stops_reading() && join.may_take_over() && !join.is_waited_for());
    let until = NOW.plus(HELLO_TIMEOUT_MS);
    assert_eq!(join.deadline(), Some(until));
    assert!(join.is_hello_late(until) && !join.is_hello_late(NOW));
}
