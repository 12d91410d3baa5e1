use super::*;

#[test]
fn a_message_is_acknowledged_after_it_is_written_and_many_at_once() {
    let mut rig = Rig::online();
    rig.message(1, "1#bob#0#one");
    rig.message(1, "4#bob#0#a#b");
    rig.expect(&["append 1 bob: one", "append 4 bob: a#b"]);
    rig.written(2);
    rig.expect(&["ack 1 4"]);
    rig.written(0);
    rig.expect(&[]);
}

#[test]
fn a_repeat_is_dropped_and_yet_acknowledged_to_the_connection_that_brought_it() {
    let mut rig = Rig::online();
    rig.message(1, "1#bob#0#one");
    rig.message(1, "2#bob#0#two");
    rig.written(2);
    rig.messages_closed(1);
    rig.wait_for_deadline();
    rig.listening(9001);
    rig.hello(2);
    assert!(!rig.wants(2), "the reply says whether numbers of before are repeats");
    rig.reply(1, &format!("OK reconnect epoch={EPOCH} next=3 ttl=60 missed=0 expired=0"));
    assert!(rig.wants(2));
    rig.forget();
    rig.message(2, "1#bob#0#one");
    rig.expect(&["ack 2 1"]);
    rig.message(2, "gap#1#2#2");
    rig.expect(&["ack 2 2"]);
    rig.message(2, "3#bob#0#three");
    rig.expect(&["append 3 bob: three"]);
}

#[test]
fn a_gap_is_taken_and_acknowledged_as_a_number() {
    let mut rig = Rig::online();
    rig.message(1, "gap#3#1#5");
    rig.written(1);
    rig.message(1, "5#bob#0#five");
    rig.expect(&["append * gap: 3 lost, from 1 to 5", "ack 1 5"]);
}

#[test]
fn a_new_epoch_begins_the_numbers_anew() {
    let log_position = LogPosition { epoch: Some(Epoch::new(1)), last: Seq::new(50) };
    let mut rig = Rig::with(|settings| settings.log_position = log_position);
    rig.user("reconnect 9001");
    rig.listening(9001);
    rig.forget();
    rig.dialed(1);
    rig.expect(&["send 1 me#reconnect 9001 acks=1 nonce=1 since=0000000000000001:50#10.0.0.2"]);
    rig.hello(1);
    rig.message(1, "3#bob#0#three");
    rig.expect(&[
        "close listener",
        "append * epoch 00000000000000aa: numbers begin anew",
        "append 3 bob: three",
    ]);
    rig.written(1);
    rig.expect(&[]);
    rig.written(1);
    rig.expect(&["ack 1 3"]);
}

#[test]
fn in_the_same_epoch_what_the_log_remembers_is_not_taken_again() {
    let epoch = Epoch::parse(EPOCH);
    let mut rig =
        Rig::with(|settings| settings.log_position = LogPosition { epoch, last: Seq::new(2) });
    rig.user("reconnect 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.hello(1);
    rig.reply(1, &format!("OK reconnect epoch={EPOCH} next=3 ttl=60 missed=0 expired=0"));
    rig.forget();
    rig.message(1, "2#bob#0#two");
    rig.expect(&["ack 1 2"]);
}

#[test]
fn what_is_no_message_costs_the_connection_and_the_session_comes_back() {
    for line in ["", "nonsense", "1#bob", "hello#1#00000000000000aa", "x\u{85}"] {
        let mut rig = Rig::online();
        rig.message(1, line);
        assert_eq!(brief(rig.effects.remove(0)), "close 1");
        assert!(matches!(rig.state(), SessionState::Paused { .. }), "{line:?}");
    }
    let mut rig = Rig::online();
    rig.input(SessionInput::MessageLine { socket: MessageSocket(1), line: b"1#bob#0#\xff" });
    assert!(matches!(rig.state(), SessionState::Paused { .. }));
}

#[test]
fn a_log_that_is_behind_stops_the_reading() {
    let mut rig = Rig::online();
    for seq in 1..=4096 {
        assert!(rig.wants(1));
        rig.message(1, &format!("{seq}#bob#0#x"));
    }
    assert!(!rig.wants(1));
    rig.written(1);
    assert!(rig.wants(1));
    rig.written(4095);
    rig.message(1, &format!("5000#bob#0#{}", "x".repeat(1024 * 1024)));
    assert!(!rig.wants(1));
    assert_eq!(rig.session.status(Millis::ZERO).unwritten, 1);
}

#[test]
fn a_log_that_cannot_be_written_is_said_tried_again_and_acknowledged_later() {
    let mut rig = Rig::online();
    rig.message(1, "1#bob#0#one");
    rig.forget();
    rig.input(SessionInput::LogFailed { reason: "disk full" });
    assert_eq!(rig.effects.len(), 1);
    for _ in 0..3 {
        rig.forget();
        assert_eq!(rig.wait_for_deadline(), 1_000);
        rig.expect(&["retry log"]);
        assert_eq!(rig.session.next_deadline(), None);
        rig.input(SessionInput::LogFailed { reason: "disk full" });
        rig.expect(&[]);
    }
    rig.wait_for_deadline();
    rig.forget();
    rig.written(1);
    rig.expect(&["show * message log: it can be written again", "ack 1 1"]);
}

#[test]
fn a_reconnect_waits_for_the_log_so_that_what_is_taken_is_never_counted_as_lost() {
    let mut rig = Rig::online();
    rig.message(1, "1#bob#0#one");
    rig.written(1);
    rig.message(1, "2#bob#0#two");
    rig.input(SessionInput::LogFailed { reason: "disk full" });
    rig.messages_closed(1);
    rig.forget();
    rig.wait(400);
    rig.listening(9001);
    rig.expect(&["listen 9001"]);
    rig.forget();
    rig.user("reconnect 9001");
    rig.listening(9001);
    rig.expect(&[
        "close listener",
        "listen 9001",
        "show error: reconnect: the message log cannot be written",
        "close listener",
        "show * reconnecting in 0.7 s",
    ]);
    rig.forget();
    rig.wait(800);
    rig.listening(9001);
    rig.written(1);
    rig.expect(&[
        "retry log",
        "listen 9001",
        "show * message log: it can be written again",
        "send 1 me#reconnect 9001 acks=1 nonce=4 since=00000000000000aa:2#10.0.0.2",
    ]);
}

#[test]
fn after_a_takeover_by_another_program_it_stays_offline_until_the_user_asks() {
    let mut rig = Rig::online();
    rig.message(1, "bye#taken over by 10.0.0.2:9001"); // The listener on this port is closed.
    rig.expect(&[
        "close 1",
        "show * taken over by 10.0.0.2:9001: another program uses this id; staying offline, \
         `reconnect` takes the id back",
    ]);
    assert_eq!((rig.state(), rig.session.next_deadline()), (SessionState::Offline, None));
    rig.wait(600_000);
    rig.expect(&[]);
    rig.user("reconnect 9002");
    rig.listening(9002);
    rig.hello(2);
    rig.reply(1, &format!("OK reconnect epoch={EPOCH} next=1 ttl=60 missed=0 expired=0"));
    rig.messages_closed(2);
    assert!(matches!(rig.state(), SessionState::Paused { .. }), "{:?}", rig.state());
}

/// The reply to a `reconnect` was lost, and its connection came too late to be let in.
#[test]
fn a_takeover_by_a_try_of_ones_own_that_was_given_up_is_not_that_of_another() {
    let mut rig = Rig::online();
    rig.user("reconnect 9002");
    rig.listening(9002);
    rig.commands_closed(1);
    rig.forget();
    rig.message(1, "bye#taken over by 10.0.0.2:9002");
    rig.expect(&["close 1", "show * message connection lost: taken over by 10.0.0.2:9002"]);
    assert!(matches!(rig.state(), SessionState::Paused { .. }), "{:?}", rig.state());
}

#[test]
fn a_reason_is_said_in_words_and_it_comes_back() {
    for (reason, words) in [
        ("stalled", "stalled: this participant took no messages for too long"),
        ("new epoch", "the coordinator began a new epoch"),
        ("bad ack", "the coordinator refused an acknowledgement"),
        ("out of cheese", "the coordinator closed it: out of cheese"),
    ] {
        let mut rig = Rig::online();
        rig.message(1, &format!("bye#{reason}"));
        rig.effects.pop(); // When it tries again.
        rig.expect(&["close 1", &format!("show * message connection lost: {words}")]);
        assert!(matches!(rig.state(), SessionState::Paused { .. }), "{:?}", rig.state());
    }
}
