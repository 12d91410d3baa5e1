mod rate;

use super::*;
use crate::limits::{QUIT_MS, REPLY_TIMEOUT_MS};

const OFFLINE: &str = "ERR 409 offline: reconnect first";
const FULL: &str = "ERR 507 backlog full";

impl Harness {
    /// Creates a member that is online at a coordinator that knows `send`.
    fn sender() -> Self {
        let mut harness = Self::online();
        harness.reconnects_with(0);
        harness
    }

    /// The message socket ends, and another one follows: the last accepted number is `published`.
    fn reconnects_with(&mut self, published: u64) {
        self.message_socket_closed(1);
        while matches!(self.state(), SessionState::Paused { .. }) {
            self.wait_for_deadline();
        }
        self.listening(9001);
        let reply = format!("OK reconnect epoch={EPOCH} next=1 max_line=512 published={published}");
        self.reply(1, &reply);
        self.hello(1);
        let is_send = |effect: &SessionEffect| brief(effect.clone()).contains("me#send ");
        self.effects.retain(is_send);
    }

    fn texts(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.user(&format!("msend {text}")));
    }
}

#[test]
fn texts_have_the_numbers_after_the_last_accepted_one() {
    let mut harness = Harness::sender();
    harness.texts(&["a", "b"]);
    harness.reply(1, "OK send 1 seq=5");
    harness.reply(1, "OK send 2 seq=7");
    harness.expect(&[
        "send 1 me#send 1 a#10.0.0.2",
        "send 1 me#send 2 b#10.0.0.2",
        "show OK msend seq=5",
        "show OK msend seq=7",
    ]);
    harness.reconnects_with(2);
    harness.texts(&["c"]);
    harness.expect(&["send 1 me#send 3 c#10.0.0.2"]);
}

#[test]
fn a_text_that_the_coordinator_refuses_anyway_has_no_number() {
    let mut harness = Harness::sender();
    let longest = "x".repeat(512 - "me#send 1 #10.0.0.2\n".len());
    let longest_without_number = 512 - "me#msend #10.0.0.2\n".len();
    assert_eq!(harness.session.text_bytes_max(), Some(longest_without_number));
    harness.texts(&["\u{7}", &format!("{longest}x"), &longest]);
    harness.expect(&[
        "send 1 me#msend \u{7}#10.0.0.2",
        &format!("send 1 me#msend {longest}x#10.0.0.2"),
        &format!("send 1 me#send 1 {longest}#10.0.0.2"),
    ]);
}

#[test]
fn a_text_whose_reply_is_lost_is_sent_again_with_its_number() {
    let mut harness = Harness::sender();
    harness.texts(&["a", "b"]);
    harness.reply(1, "OK send 1 seq=5");
    harness.forget();
    harness.command_socket_closed(1);
    harness.dialed(2);
    harness.texts(&["c"]);
    harness.reply(2, "OK send 2 duplicate=1");
    harness.reply(2, "OK send 3 seq=7");
    harness.expect(&[
        "show * command socket lost: reset",
        "dial 2",
        "send 2 me#send 2 b#10.0.0.2",
        "send 2 me#send 3 c#10.0.0.2",
        "show OK msend duplicate=1",
        "show OK msend seq=7",
    ]);
    assert!(!harness.session.has_failed());
}

#[test]
fn a_text_refused_for_now_is_not_overtaken() {
    for refusal in [FULL, "ERR 506 the journal cannot be written", "ERR 503 shutting down"] {
        let mut harness = Harness::sender();
        harness.texts(&["a", "b"]);
        harness.forget();
        harness.reply(1, refusal);
        let waits = harness.effects.iter().cloned().map(brief).next().unwrap_or_default();
        assert!(waits.contains(": messages wait up to 120 s"), "{waits}");
        assert_eq!(waits.contains(refusal), !refusal.contains("503"), "{waits}");
        harness.reply(1, "ERR 409 send: expected 1");
        harness.texts(&["c"]);
        harness.forget();
        harness.wait_for_deadline();
        if refusal.contains("503") {
            assert_eq!(brief(harness.effects.remove(0)), "show * sending 3 messages that waited");
        }
        harness.expect(&[
            "send 1 me#send 1 a#10.0.0.2",
            "send 1 me#send 2 b#10.0.0.2",
            "send 1 me#send 3 c#10.0.0.2",
        ]);
        assert!(!harness.session.has_failed());
    }
}

#[test]
fn a_refusal_for_now_is_shown_once_until_a_text_is_accepted() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.forget();
    harness.reply(1, FULL);
    harness.user("ping");
    let shown = |harness: &mut Harness| {
        let shown = harness.effects.drain(..).filter(|it| matches!(it, SessionEffect::Show(_)));
        shown.map(brief).collect::<Vec<_>>()
    };
    assert!(shown(&mut harness)[0].contains(FULL));
    for bytes in 0..3 {
        harness.wait_for_deadline();
        harness.reply(1, &format!("{FULL}: {bytes} bytes"));
        assert_eq!(shown(&mut harness), [""; 0]);
    }
    harness.wait_for_deadline();
    harness.reply(1, "ERR 506 journal");
    assert!(shown(&mut harness)[0].contains("ERR 506"), "another reason");
    harness.wait_for_deadline();
    harness.reply(1, "OK send 1 seq=5");
    assert_eq!(
        shown(&mut harness),
        ["show * sending 1 command that waited", "show OK msend seq=5"]
    );
    harness.reply(1, "OK ping");
    for end in ["OK send 2 seq=6", "ERR 403 ip: not your address"] {
        harness.texts(&["b"]);
        harness.forget();
        harness.reply(1, FULL);
        assert!(shown(&mut harness)[0].contains(FULL), "a new refusal");
        harness.wait_for_deadline();
        harness.reply(1, end);
        harness.forget();
    }
    harness.texts(&["c"]);
    harness.reply(1, FULL);
    harness.wait(130_000);
    harness.texts(&["d"]);
    harness.forget();
    harness.reply(1, FULL);
    assert!(shown(&mut harness)[0].contains(FULL), "the text before was given up");
}

#[test]
fn a_text_waits_while_the_coordinator_has_no_room_for_its_socket() {
    let mut harness = Harness::sender();
    harness.texts(&["a", "b"]);
    harness.reply(1, "ERR 421 too many connections: 9 is the limit (max_connections)");
    harness.command_socket_closed(1);
    assert_eq!(harness.waiting(), 2);
    harness.forget();
    while harness.effects.is_empty() {
        harness.wait_for_deadline();
    }
    harness.dialed(2);
    harness.forget();
    harness.reply(2, "OK send 1 seq=5");
    harness.reply(2, "OK send 2 seq=6");
    harness.expect(&["show OK msend seq=5", "show OK msend seq=6"]);
    assert!(!harness.session.has_failed());
}

#[test]
fn the_texts_behind_a_failed_one_get_its_number() {
    let mut harness = Harness::sender();
    harness.texts(&["a", "b"]);
    harness.forget();
    harness.reply(1, "ERR 403 ip: not your address");
    harness.texts(&["c"]);
    harness.expect(&["show ERR 403 ip: not your address"]);
    harness.reply(1, "ERR 409 send: expected 1");
    harness.expect(&["send 1 me#send 1 b#10.0.0.2", "send 1 me#send 2 c#10.0.0.2"]);
}

#[test]
fn the_texts_behind_a_refused_one_are_named_after_a_signal() {
    let mut harness = Harness::sender();
    harness.texts(&["a", "b"]);
    harness.input(SessionInput::Stop);
    harness.forget();
    harness.reply(1, FULL);
    harness.reply(1, "ERR 409 send: expected 1");
    let shown = harness.effects.drain(..).map(brief).collect::<Vec<_>>();
    assert_eq!(shown[0], format!("show {FULL}"));
    assert!(shown[1].starts_with("show error: msend: not sent: "), "{shown:?}");
    assert!(harness.session.has_failed());
}

#[test]
fn a_number_that_another_program_has_used_is_not_a_confirmation() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.reply(1, "OK send 1 duplicate=1");
    harness.reply(1, "OK send 2 seq=9");
    harness.expect(&[
        "send 1 me#send 1 a#10.0.0.2",
        "send 1 me#send 2 a#10.0.0.2",
        "show OK msend seq=9",
    ]);
}

#[test]
fn a_number_that_is_too_high_is_replaced_if_nobody_sends_the_ones_below() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.reply(1, "OK send 1 seq=1");
    harness.texts(&["b"]);
    harness.forget();
    harness.reply(1, "ERR 409 send: expected 1"); // It was restored from a copy.
    harness.expect(&["send 1 me#send 1 b#10.0.0.2"]);
}

#[test]
fn unanswered_texts_are_given_up_if_the_coordinator_does_not_know_their_numbers() {
    for published in [0, 2, 5] {
        let mut harness = Harness::sender();
        harness.texts(&["a"]);
        harness.reply(1, "OK send 1 seq=1");
        harness.texts(&["b", "c"]);
        harness.command_socket_closed(1);
        harness.message_socket_closed(1);
        harness.dialed(2);
        harness.texts(&["d"]);
        harness.wait_for_deadline();
        harness.listening(9001);
        harness.forget();
        let ok = format!("OK reconnect epoch={EPOCH} next=1 max_line=512 published={published}");
        harness.reply(2, &ok);
        harness.hello(2);
        let shown: Vec<String> = harness.effects.drain(..).map(brief).collect();
        let lost = shown.iter().filter(|line| line.contains("the reply is lost")).count();
        let sent: Vec<&str> =
            shown.iter().filter_map(|line| line.strip_prefix("send 2 me#send ")).collect();
        let texts = ["2 b#10.0.0.2", "3 c#10.0.0.2", "4 d#10.0.0.2"];
        match published {
            2 => assert_eq!((lost, &sent[..]), (0, &texts[..])),
            0 => assert_eq!((lost, &sent[..]), (2, &["1 d#10.0.0.2"][..])),
            _ => assert_eq!((lost, &sent[..]), (2, &["6 d#10.0.0.2"][..])),
        }
    }
}

#[test]
fn unanswered_texts_are_given_up_in_a_new_epoch() {
    let mut harness = Harness::sender();
    harness.texts(&["a", "b"]);
    harness.command_socket_closed(1);
    harness.message_socket_closed(1);
    harness.dialed(2);
    harness.texts(&["c"]);
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.forget();
    harness.reply(2, "OK reconnect epoch=00000000000000ab next=1 max_line=512 published=1");
    harness.hello(2);
    let shown: Vec<String> = harness.effects.drain(..).map(brief).collect();
    assert_eq!(shown.iter().filter(|line| line.contains("the reply is lost")).count(), 2);
    assert!(shown.contains(&"send 2 me#send 2 c#10.0.0.2".to_owned()), "{shown:?}");
}

#[test]
fn after_a_new_registration_texts_that_were_only_refused_are_sent() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.reply(1, OFFLINE);
    harness.message_socket_closed(1);
    while matches!(harness.state(), SessionState::Paused { .. }) {
        harness.wait_for_deadline();
    }
    harness.listening(9001);
    harness.reply(1, "ERR 404 not a member: register");
    harness.forget();
    harness.reply(1, &format!("OK register epoch={EPOCH} next=1 max_line=512 published=0"));
    harness.hello(2);
    let sent = harness.effects.drain(..).map(brief).filter(|line| line.contains("me#send"));
    assert_eq!(sent.collect::<Vec<_>>(), ["send 1 me#send 1 a#10.0.0.2"]);
}

#[test]
fn a_coordinator_that_does_not_know_send_gets_msend() {
    let mut harness = Harness::sender();
    harness.message_socket_closed(1);
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.reply(1, &format!("OK reconnect epoch={EPOCH} next=1 ttl=60"));
    harness.hello(1);
    harness.forget();
    harness.texts(&["a"]);
    harness.expect(&["send 1 me#msend a#10.0.0.2"]);
}

#[test]
fn a_new_registration_does_not_have_the_numbers_of_the_last_one() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.command_socket_closed(1);
    harness.message_socket_closed(1);
    harness.dialed(2);
    harness.user("register 9001");
    harness.listening(9001);
    harness.forget();
    harness.reply(2, &format!("OK register epoch={EPOCH} next=1 max_line=512 published=0"));
    harness.hello(2);
    let shown: Vec<String> = harness.effects.drain(..).map(brief).collect();
    assert!(shown.iter().any(|line| line.contains("the reply is lost")), "{shown:?}");
    assert!(!shown.iter().any(|line| line.contains("me#send ")), "{shown:?}");
}

/// The other program may have used the number, so a `duplicate=1` would prove nothing. And nobody
/// may be there to take the id back: a text that waits for that would keep a script from its end.
#[test]
fn a_text_without_a_reply_is_named_when_another_program_takes_the_id_over() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.command_socket_closed(1);
    harness.forget();
    harness.message(1, "bye#taken over by 10.0.0.3:9000");
    let shown = harness.effects.drain(..).map(brief).collect::<Vec<_>>();
    let named = "show error: msend: the reply is lost: ";
    assert!(shown.iter().any(|effect| effect.starts_with(named)), "{shown:?}");
    assert!(harness.session.is_idle());
    harness.user("msend b");
    harness.dialed(2);
    harness.reply(2, "OK msend seq=9");
    harness.expect(&["send 2 me#msend b#10.0.0.2", "show OK msend seq=9"]);
}

/// A coordinator that is stopped still takes connections, and answers nothing.
#[test]
fn a_text_without_a_reply_in_time_is_sent_again_after_a_pause() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.forget();
    let mut pauses = vec![];
    for socket in 1..5 {
        assert_eq!(harness.wait_for_deadline(), REPLY_TIMEOUT_MS, "{socket}");
        harness.expect(&[
            &format!("hang up {socket}"),
            "show * command socket lost: no reply from 10.0.0.1:5000 in 30 s",
            "show * not online: messages wait up to 120 s and are sent when online again",
        ]);
        pauses.push(harness.wait_for_deadline());
        harness.expect(&[&format!("dial {}", socket + 1)]);
        harness.dialed(socket + 1);
        harness.expect(&[
            "show * sending 1 message that waited",
            &format!("send {} me#send 1 a#10.0.0.2", socket + 1),
        ]);
    }
    assert!(pauses[0] >= 200 && pauses[0] <= 400 && pauses.is_sorted(), "{pauses:?}");
    harness.reply(5, "OK send 1 seq=5");
    harness.expect(&["show OK msend seq=5"]);
    assert!(!harness.session.has_failed());
}

#[test]
fn quit_gives_a_coordinator_that_does_not_answer_no_further_time() {
    const LOST: &str = "show error: msend: the reply is lost: the message may or may not be \
                        accepted, and is not sent again: a";
    for is_sent_again in [false, true] {
        let mut harness = Harness::sender();
        harness.texts(&["a"]);
        if !is_sent_again {
            harness.user("quit"); // It waits for the reply.
        }
        harness.forget();
        harness.wait(REPLY_TIMEOUT_MS);
        if is_sent_again {
            harness.wait_for_deadline();
            harness.dialed(2);
            harness.forget();
            harness.user("quit");
            harness.expect(&[]);
        } else {
            assert!(harness.effects.drain(..).map(brief).any(|effect| effect == LOST));
            harness.dialed(2);
            harness.expect(&["send 2 me#disconnect#10.0.0.2"]);
        }
        assert!(harness.wait_for_deadline() <= QUIT_MS);
        let lost = "show error: quit: 1 request got no reply";
        harness.expect(&[lost, "exit 1"]);
    }
}
