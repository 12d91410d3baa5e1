//! `last=N`: a newcomer asks for the conversation so far, with a new message log only.

use super::*;

const OK: &str = "OK register epoch=00000000000000aa next=3 ttl=60 published=0 last=2";
const OLD: &str = "ERR 400 option: expected acks=1, nonce=<hex> or since=<epoch>:<number>";

/// A participant that has asked its coordinator, after a `reconnect` if that comes first.
fn asking(log_position: LogPosition, line: &str) -> Harness {
    let mut harness = Harness::with(|settings| settings.log_position = log_position);
    harness.user(line);
    harness.listening(9001);
    harness.dialed(1);
    if line.starts_with("join") {
        harness.reply(1, "ERR 404 not a member: register first");
    }
    harness
}

/// Takes the last request from the effects.
fn last_request(harness: &mut Harness) -> String {
    let mut sent = harness.effects.drain(..).map(brief).filter(|it| it.starts_with("send"));
    let request = sent.next_back().unwrap();
    request.trim_start_matches("send 1 me#").trim_end_matches("#10.0.0.2").to_owned()
}

#[test]
fn a_newcomer_logs_each_message_of_the_past_once() {
    for line in ["register 9001 last=20", "join 9001 last=20"] {
        let mut harness = asking(LogPosition::default(), line);
        assert_eq!(last_request(&mut harness), "register 9001 acks=1 nonce=1 last=20");
        harness.hello(7);
        harness.message(7, "3#bob#0#c");
        harness.reply(1, OK);
        for line in ["3#bob#0#c", "4#me#0#of an earlier life", "5#bob#0#e"] {
            harness.message(7, line);
        }
        let appended: Vec<String> =
            harness.effects.drain(..).map(brief).filter(|it| it.starts_with("append")).collect();
        assert_eq!(appended.len(), 4, "the epoch and three messages: {appended:?}");
        harness.written(4);
        assert!(
            harness
                .effects
                .contains(&SessionEffect::Ack { socket: MessageSocket(7), seq: Seq::new(5) })
        );
    }
}

#[test]
fn a_participant_with_a_message_log_does_not_ask_for_the_past() {
    let log_position = LogPosition { epoch: Some(Epoch::new(0xaa)), last: Seq::new(5) };
    let mut harness = asking(log_position, "join 9001 last=20");
    assert!(
        !harness.effects.contains(&SessionEffect::Show(Notice::NoPast(NoPast::LogNotNew))),
        "as each time"
    );
    assert_eq!(last_request(&mut harness), "register 9001 acks=1 nonce=1");
    let mut harness = asking(log_position, "register 9001 last=20");
    assert!(harness.effects.contains(&SessionEffect::Show(Notice::NoPast(NoPast::LogNotNew))));
    assert_eq!(last_request(&mut harness), "register 9001 acks=1 nonce=1");
}

#[test]
fn a_log_that_has_an_epoch_since_the_first_try_is_not_new() {
    let mut harness = asking(LogPosition::default(), "join 9001 last=20");
    harness.hello(7);
    harness.written(1);
    harness.message_socket_closed(7);
    harness.command_socket_closed(1);
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.dialed(2);
    harness.reply(2, "ERR 404 not a member: register first");
    let request = last_request(&mut harness);
    assert!(request.ends_with("me#register 9001 acks=1 nonce=2"), "{request}");
}

#[test]
fn an_older_coordinator_is_asked_again_without_the_option() {
    for line in ["register 9001 last=20", "join 9001 last=20"] {
        let mut harness = asking(LogPosition::default(), line);
        harness.forget();
        harness.reply(1, OLD);
        let notice = "show * the coordinator is older than last=: earlier messages do not come";
        harness.expect(&[notice, "send 1 me#register 9001 acks=1 nonce=1#10.0.0.2"]);
        harness.reply(1, "OK register epoch=00000000000000aa next=5 ttl=60");
        harness.hello(7);
        assert_eq!((harness.state(), harness.session.has_failed()), (SessionState::Online, false));
    }
    let mut harness = asking(LogPosition::default(), "register 9001 last=20");
    harness.reply(1, OLD);
    harness.reply(1, OLD);
    assert!(harness.session.has_failed(), "it is another mistake");
}
