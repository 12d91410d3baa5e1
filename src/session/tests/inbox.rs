use super::*;

#[test]
fn a_message_is_acknowledged_after_it_is_written_and_many_at_once() {
    let mut harness = Harness::online();
    harness.message(1, "1#bob#0#one");
    harness.message(1, "4#bob#0#a#b");
    harness.expect(&["append 1 bob: one", "append 4 bob: a#b"]);
    harness.written(2);
    harness.expect(&["ack 1 4"]);
    harness.written(0);
    harness.expect(&[]);
}

#[test]
fn a_repeated_message_is_dropped_and_acknowledged_on_its_connection() {
    let mut harness = Harness::online();
    harness.message(1, "1#bob#0#one");
    harness.message(1, "2#bob#0#two");
    harness.written(2);
    harness.message_socket_closed(1);
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.hello(2);
    assert!(!harness.wants(2), "the reply says whether numbers of before are repeats");
    harness.reply(1, &format!("OK reconnect epoch={EPOCH} next=3 ttl=60 missed=0 expired=0"));
    assert!(harness.wants(2));
    harness.forget();
    harness.message(2, "1#bob#0#one");
    harness.expect(&["ack 2 1"]);
    harness.message(2, "gap#1#2#2");
    harness.expect(&["ack 2 2"]);
    harness.message(2, "3#bob#0#three");
    harness.expect(&["append 3 bob: three"]);
}

#[test]
fn a_gap_is_taken_and_acknowledged_as_a_number() {
    let mut harness = Harness::online();
    harness.message(1, "gap#3#1#5");
    harness.written(1);
    harness.message(1, "5#bob#0#five");
    harness.expect(&["append * gap: 3 messages lost, from 1 to 5", "ack 1 5"]);
}

#[test]
fn a_new_epoch_starts_the_numbers_again() {
    let log_position = LogPosition { epoch: Some(Epoch::new(1)), last: Seq::new(50) };
    let mut harness = Harness::with(|settings| settings.log_position = log_position);
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.forget();
    harness.dialed(1);
    harness.expect(&["send 1 me#reconnect 9001 acks=1 nonce=1 since=0000000000000001:50#10.0.0.2"]);
    harness.hello(1);
    harness.message(1, "3#bob#0#three");
    harness.expect(&[
        "close listener",
        "append * new epoch 00000000000000aa",
        "append 3 bob: three",
    ]);
    harness.written(1);
    harness.expect(&[]);
    harness.written(1);
    harness.expect(&["ack 1 3"]);
}

#[test]
fn in_the_same_epoch_messages_in_the_log_are_not_taken_again() {
    let epoch = Epoch::parse(EPOCH);
    let mut harness =
        Harness::with(|settings| settings.log_position = LogPosition { epoch, last: Seq::new(2) });
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(1);
    harness.reply(1, &format!("OK reconnect epoch={EPOCH} next=3 ttl=60 missed=0 expired=0"));
    harness.forget();
    harness.message(1, "2#bob#0#two");
    harness.expect(&["ack 1 2"]);
}

#[test]
fn an_invalid_line_closes_the_message_socket_and_the_session_reconnects() {
    for line in ["", "nonsense", "1#bob", "hello#1#00000000000000aa", "x\u{85}"] {
        let mut harness = Harness::online();
        harness.message(1, line);
        assert_eq!(brief(harness.effects.remove(0)), "close 1");
        assert!(matches!(harness.state(), SessionState::Paused { .. }), "{line:?}");
    }
    let mut harness = Harness::online();
    harness.input(SessionInput::MessageLine { socket: MessageSocket(1), line: b"1#bob#0#\xff" });
    assert!(matches!(harness.state(), SessionState::Paused { .. }));
}

#[test]
fn a_slow_log_stops_reading() {
    let mut harness = Harness::online();
    for seq in 1..=4096 {
        assert!(harness.wants(1));
        harness.message(1, &format!("{seq}#bob#0#x"));
    }
    assert!(!harness.wants(1));
    harness.written(1);
    assert!(harness.wants(1));
    harness.written(4095);
    harness.message(1, &format!("5000#bob#0#{}", "x".repeat(1024 * 1024)));
    assert!(!harness.wants(1));
    assert_eq!(Status::of(&harness.session, Millis::ZERO).unwritten, 1);
}

#[test]
fn a_failed_log_write_is_reported_retried_and_acknowledged_later() {
    let mut harness = Harness::online();
    harness.message(1, "1#bob#0#one");
    harness.forget();
    harness.input(SessionInput::LogFailed { reason: "disk full" });
    assert_eq!(harness.effects.len(), 1);
    for _ in 0..3 {
        harness.forget();
        assert_eq!(harness.wait_for_deadline(), 1_000);
        harness.expect(&["retry log"]);
        assert_eq!(harness.session.next_deadline(), None);
        harness.input(SessionInput::LogFailed { reason: "disk full" });
        harness.expect(&[]);
    }
    harness.wait_for_deadline();
    harness.forget();
    harness.written(1);
    harness.expect(&["show * message log: it can be written again", "ack 1 1"]);
}

#[test]
fn a_join_says_that_the_log_cannot_be_written_and_the_next_commands_go_on() {
    let mut harness = Harness::online();
    harness.message(1, "1#bob#0#one");
    harness.input(SessionInput::LogFailed { reason: "disk full" });
    harness.message_socket_closed(1);
    harness.user("join 9001");
    harness.forget();
    harness.listening(9001);
    let shown = harness.effects.iter().cloned().map(brief).collect::<Vec<_>>();
    assert!(
        shown.iter().any(|line| line.contains("join failed: the message log cannot be written")),
        "{shown:?}"
    );
    harness.forget();
    harness.user("status");
    assert!(!harness.effects.is_empty(), "the prompt goes on");
}

#[test]
fn a_reconnect_waits_for_the_log_so_that_no_taken_message_counts_as_lost() {
    let mut harness = Harness::online();
    harness.message(1, "1#bob#0#one");
    harness.written(1);
    harness.message(1, "2#bob#0#two");
    harness.input(SessionInput::LogFailed { reason: "disk full" });
    harness.message_socket_closed(1);
    harness.forget();
    harness.wait(400);
    harness.listening(9001);
    harness.expect(&["listen 9001"]);
    harness.forget();
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.expect(&[
        "close listener",
        "listen 9001",
        "show error: reconnect: the message log cannot be written",
        "close listener",
        "show * reconnecting in 0.7 s",
    ]);
    harness.forget();
    harness.wait(800);
    harness.listening(9001);
    harness.written(1);
    harness.expect(&[
        "retry log",
        "listen 9001",
        "show * message log: it can be written again",
        "send 1 me#reconnect 9001 acks=1 nonce=4 since=00000000000000aa:2#10.0.0.2",
    ]);
}

#[test]
fn after_a_takeover_by_another_program_the_session_stays_offline_until_the_user_asks() {
    let mut harness = Harness::online();
    harness.message(1, "bye#taken over by 10.0.0.2:9001"); // The listener on this port is closed.
    harness.expect(&[
        "close 1",
        "show * taken over by 10.0.0.2:9001: another program uses this id. This \
         participant stays offline; `reconnect` takes the id back",
    ]);
    assert_eq!((harness.state(), harness.session.next_deadline()), (SessionState::Offline, None));
    harness.wait(600_000);
    harness.expect(&[]);
    harness.user("reconnect 9002");
    harness.listening(9002);
    harness.hello(2);
    harness.reply(1, &format!("OK reconnect epoch={EPOCH} next=1 ttl=60 missed=0 expired=0"));
    harness.message_socket_closed(2);
    assert!(matches!(harness.state(), SessionState::Paused { .. }), "{:?}", harness.state());
}

/// The reply to a `reconnect` was lost, and its connect-back came after the listener closed.
#[test]
fn a_takeover_by_an_abandoned_own_attempt_causes_a_reconnect() {
    let mut harness = Harness::online();
    harness.user("reconnect 9002");
    harness.listening(9002);
    harness.command_socket_closed(1);
    harness.forget();
    harness.message(1, "bye#taken over by 10.0.0.2:9002");
    harness.expect(&["close 1", "show * message socket lost: taken over by 10.0.0.2:9002"]);
    assert!(matches!(harness.state(), SessionState::Paused { .. }), "{:?}", harness.state());
}

#[test]
fn a_bye_is_reported_in_words_and_the_session_reconnects() {
    for (reason, words) in [
        ("stalled", "stalled: this participant took no messages for too long"),
        ("new epoch", "the coordinator started a new epoch"),
        ("bad ack", "the coordinator refused an acknowledgement"),
        ("out of cheese", "the coordinator closed it, reason: out of cheese"),
    ] {
        let mut harness = Harness::online();
        harness.message(1, &format!("bye#{reason}"));
        harness.effects.pop(); // The notice of the next attempt.
        harness.expect(&["close 1", &format!("show * message socket lost: {words}")]);
        assert!(matches!(harness.state(), SessionState::Paused { .. }), "{:?}", harness.state());
    }
}
