//! Texts that an outbox file keeps.

use super::*;

mod failing;
mod register;

const OK: &str = "OK reconnect epoch=00000000000000aa next=1 max_line=512 published=";

const UNKNOWN: &str = "ERR 404 not a member: register first";

impl Harness {
    /// Creates a session with an outbox file that has these texts.
    fn with_file(texts: Vec<StoredText>) -> Self {
        let epoch = Epoch::parse(EPOCH);
        Self::with(|settings| {
            settings.outbox = Some(StoredOutbox { epoch, may_be_new: false, texts });
        })
    }

    /// Comes online by a `reconnect` of the user, with command socket 1 and message socket 1.
    fn goes_online(&mut self, published: u64) {
        self.user("reconnect 9001");
        self.listening(9001);
        self.dialed(1);
        self.reply(1, &format!("{OK}{published}"));
        self.hello(1);
        self.written(1);
        let is_ours = |effect: &SessionEffect| {
            let text = brief(effect.clone());
            text.contains("me#send ") || text.starts_with("store ")
        };
        self.effects.retain(is_ours);
    }

    fn stored(&mut self, entries: usize) {
        self.input(SessionInput::OutboxWritten { entries });
    }
}

fn stored(order: u64, number: u64, text: &str) -> StoredText {
    StoredText { order, number: NonZeroU64::new(number), text: text.into(), age_ms: 1000 }
}

#[test]
fn a_text_is_sent_when_the_file_has_it_with_its_number() {
    let mut harness = Harness::with_file(Vec::new());
    harness.goes_online(4);
    harness.user("msend a");
    harness.user("msend b");
    harness.expect(&["store text 1 5 a", "store text 2 6 b"]);
    harness.stored(1);
    harness.expect(&["send 1 me#send 5 a#10.0.0.2"]);
    harness.stored(1);
    harness.reply(1, "OK send 5 seq=1");
    harness.expect(&["send 1 me#send 6 b#10.0.0.2", "store done 1", "show OK msend seq=1"]);
}

#[test]
fn a_text_of_an_outage_is_shown_as_queued_when_the_file_has_it_and_numbered_when_online() {
    let mut harness = Harness::with_file(Vec::new());
    harness.user("msend a");
    harness.user("msend b");
    harness.expect(&[
        "store text 1 0 a",
        "show * not online: messages wait up to 7 days and are sent when online again",
        "store text 2 0 b",
    ]);
    harness.stored(2);
    harness.expect(&["show * queued, 1 waiting", "show * queued, 2 waiting"]);
    harness.goes_online(0);
    harness.expect(&["store number 1 1", "store number 2 2"]);
    harness.stored(1);
    harness.expect(&["show * sending 2 messages that waited", "send 1 me#send 1 a#10.0.0.2"]);
    harness.stored(1);
    harness.expect(&["send 1 me#send 2 b#10.0.0.2"]);
}

#[test]
fn texts_of_an_earlier_run_are_sent_with_their_numbers() {
    let texts = vec![stored(3, 7, "a"), stored(4, 8, "b"), stored(6, 0, "c")];
    let mut harness = Harness::with_file(texts);
    harness.input(SessionInput::Tick);
    harness.expect(&[
        "show * outbox: 3 messages wait, to be sent when this participant is online",
        "show * not online: messages wait up to 7 days and are sent when online again",
    ]);
    harness.goes_online(7);
    harness.expect(&[
        "send 1 me#send 7 a#10.0.0.2",
        "send 1 me#send 8 b#10.0.0.2",
        "store number 6 9",
    ]);
    harness.stored(1);
    harness.user("msend d");
    harness.stored(1);
    harness.reply(1, "OK send 7 duplicate=1");
    harness.reply(1, "OK send 8 seq=2");
    harness.expect(&[
        "send 1 me#send 9 c#10.0.0.2",
        "store text 7 10 d",
        "send 1 me#send 10 d#10.0.0.2",
        "store done 3",
        "show OK msend duplicate=1",
        "store done 4",
        "show OK msend seq=2",
    ]);
}

#[test]
fn texts_of_an_earlier_registration_that_may_be_accepted_are_given_up() {
    for published in [0, 9] {
        let mut harness = Harness::with_file(vec![stored(3, 7, "a"), stored(6, 0, "b")]);
        harness.goes_online(published);
        let number = published + 1;
        harness.expect(&[
            "store done 3",
            "store epoch 00000000000000aa",
            &format!("store number 6 {number}"),
        ]);
    }
}

#[test]
fn numbers_of_a_file_are_trusted_in_the_epoch_that_the_file_names_and_else_in_that_of_the_log() {
    let (aa, ab) = (Epoch::parse(EPOCH), Epoch::parse("00000000000000ab"));
    let same = &["send 1 me#send 7 a#10.0.0.2"][..];
    let named = &["store epoch 00000000000000aa", "send 1 me#send 7 a#10.0.0.2"][..];
    let other = &["store done 3", "store epoch 00000000000000aa"][..];
    for (file, log, expected) in [
        (aa, None, same),
        (aa, aa, same),
        (aa, ab, same),
        (ab, None, other),
        (ab, aa, other),
        (None, aa, named),
        (None, ab, other),
        (None, None, other),
    ] {
        let mut harness = Harness::with(|settings| {
            settings.log_position.epoch = log;
            let texts = vec![stored(3, 7, "a")];
            settings.outbox = Some(StoredOutbox { epoch: file, may_be_new: false, texts });
        });
        harness.goes_online(7); // The number is accepted, perhaps with another text.
        harness.expect(expected);
    }
}

/// The file tells the next run that a text was not accepted with its number.
#[test]
fn the_numbers_in_the_file_end_with_the_membership() {
    let mut harness = Harness::with_file(Vec::new());
    harness.goes_online(0);
    harness.user("msend a");
    harness.expect(&["store text 1 1 a"]);
    harness.message_socket_closed(1);
    harness.user("deregister");
    harness.reply(1, "OK deregister");
    harness.effects.retain(|effect| brief(effect.clone()).starts_with("store "));
    harness.expect(&["store epoch -"]);
    harness.goes_online(0);
    harness.expect(&["store epoch 00000000000000aa", "store number 1 1"]);
    harness.stored(4);
    harness.expect(&["show * sending 1 message that waited", "send 1 me#send 1 a#10.0.0.2"]);
}

#[test]
fn texts_that_may_be_accepted_are_given_up_when_the_member_is_unknown() {
    let mut harness = Harness::with_file(vec![stored(4, 1, "a")]);
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.reply(1, UNKNOWN);
    harness.user("register 9001");
    harness.listening(9001);
    let effects = harness.effects.drain(..).map(brief).collect::<Vec<_>>();
    assert!(effects.contains(&"store done 4".to_owned()), "{effects:?}");
    // The file must not name the number when the member is a new one.
    assert!(!effects.iter().any(|effect| effect.contains("#register")), "{effects:?}");
    let entries = effects.iter().filter(|effect| effect.starts_with("store ")).count();
    harness.input(SessionInput::OutboxWritten { entries });
    assert!(harness.effects.drain(..).map(brief).any(|effect| effect.contains("#register")));
}

#[test]
fn texts_wait_while_the_file_cannot_be_written() {
    let mut harness = Harness::with_file(Vec::new());
    harness.goes_online(0);
    harness.user("msend a");
    harness.forget();
    harness.input(SessionInput::OutboxFailed { reason: "no space" });
    harness.expect(&["show error: outbox: no space; until it can be written, no message is sent"]);
    assert_eq!(harness.wait_for_deadline(), 1000);
    harness.expect(&["retry outbox"]);
    harness.stored(1);
    harness.expect(&[
        "show * outbox: it can be written again",
        "show * queued, 1 waiting",
        "send 1 me#send 1 a#10.0.0.2",
    ]);
}

#[test]
fn the_file_keeps_its_texts_when_the_participant_goes_offline_or_ends() {
    let mut harness = Harness::with_file(Vec::new());
    harness.goes_online(0);
    harness.message_socket_closed(1);
    harness.user("msend a");
    harness.stored(1);
    harness.user("disconnect");
    harness.reply(1, "ERR 409 already offline");
    harness.forget();
    harness.user("quit");
    harness.expect(&[
        "show * outbox: 1 message waits, to be sent when this participant is online",
        "exit 1",
    ]);
}

#[test]
fn a_text_right_behind_a_disconnect_is_shown_as_queued() {
    for (command, refusal) in [("disconnect", None), ("deregister", Some("ERR 506 journal"))] {
        let mut harness = Harness::with_file(Vec::new());
        harness.goes_online(0);
        harness.user(command);
        harness.user("msend a");
        harness.stored(1);
        harness.expect(&[
            &format!("send 1 me#{command}#10.0.0.2"),
            "store text 2 0 a",
            "show * not online: messages wait up to 7 days and are sent when online again",
            "show * queued, 1 waiting",
        ]);
        let ok = format!("OK {command}");
        harness.reply(1, refusal.unwrap_or(&ok));
        harness.user("msend b");
        harness.stored(1);
        let shown = refusal.unwrap_or(&ok);
        match refusal {
            None => harness.expect(&[
                &format!("show {shown}"),
                "store text 3 0 b",
                "show * queued, 2 waiting",
            ]),
            Some(_) => harness.expect(&[
                &format!("show {shown}"),
                "store number 2 1",
                "store text 3 2 b",
                "show * sending 2 messages that waited",
                "send 1 me#send 1 a#10.0.0.2",
            ]),
        }
    }
}

#[test]
fn a_text_is_stored_while_a_join_is_under_way() {
    for command in ["join 9001", "reconnect 9001"] {
        let mut harness = Harness::with_file(Vec::new());
        harness.user(command);
        harness.listening(9001);
        harness.forget();
        harness.user("msend a");
        harness.stored(1);
        harness.expect(&["store text 1 0 a"]);
        assert_eq!(harness.wait_for_deadline(), 1000);
        harness.expect(&["show * queued, 1 waiting"]);
        harness.user("msend b");
        harness.expect(&["store text 2 0 b"]);
        assert!(harness.session.next_deadline() > Some(Millis::new(harness.now)));
        harness.stored(1);
        harness.expect(&["show * queued, 2 waiting"]);
        harness.dialed(1);
        harness.hello(1);
        harness.forget();
        harness.reply(1, &format!("{OK}4"));
        harness.expect(&[&format!("show {OK}4"), "store number 1 5", "store number 2 6"]);
    }
}

#[test]
fn a_text_is_shown_as_queued_when_the_join_fails_and_never_if_it_succeeds_soon() {
    for is_failing in [true, false] {
        let mut harness = Harness::with_file(Vec::new());
        harness.user("reconnect 9001");
        harness.listening(9001);
        harness.user("msend a");
        harness.stored(1);
        harness.dialed(1);
        harness.forget();
        if is_failing {
            harness.reply(1, "ERR 404 not a member");
            harness.expect(&[
                "show ERR 404 not a member",
                "store epoch -",
                "close listener",
                "show * not online: messages wait up to 7 days and are sent when online again",
                "show * queued, 1 waiting",
            ]);
        } else {
            harness.hello(1);
            harness.reply(1, &format!("{OK}0"));
            let is_queued = |effect: SessionEffect| brief(effect).contains("queued");
            assert!(!harness.effects.iter().cloned().any(is_queued));
            harness.forget();
            harness.stored(1);
            harness.expect(&["send 1 me#send 1 a#10.0.0.2"]);
        }
    }
}

#[test]
fn the_shell_learns_the_outcome_of_each_text_by_its_position() {
    let mut harness = Harness::with_file(vec![stored(4, 7, "a")]);
    harness.user("msend b");
    harness.user("msend c");
    assert_eq!(harness.session.last_order(), 6);
    harness.stored(2);
    harness.goes_online(6);
    harness.user("ping");
    assert_eq!(harness.session.last_order(), 7);
    harness.stored(2);
    harness.reply(1, "OK send 7 duplicate=1");
    harness.reply(1, "ERR 403 ip: not your address");
    harness.input(SessionInput::Stop);
    harness.input(SessionInput::Stop);
    let outcomes: Vec<String> = harness.outcomes.drain(..).map(brief).collect();
    assert_eq!(outcomes, ["done 4 Confirmed", "done 5 Refused", "done 6 Kept"]);
}

#[test]
fn the_file_keeps_a_text_that_is_refused_for_now_after_a_signal() {
    let mut harness = Harness::with_file(Vec::new());
    harness.goes_online(0);
    harness.user("msend a");
    harness.stored(1);
    harness.input(SessionInput::Stop);
    harness.forget();
    harness.reply(1, "ERR 506 the journal cannot be written");
    harness.expect(&["send 1 me#disconnect#10.0.0.2"]);
    harness.reply(1, "OK disconnect");
    harness.expect(&[
        "show OK disconnect",
        "show * outbox: 1 message waits, to be sent when this participant is online",
        "exit 0",
    ]);
}

#[test]
fn a_fast_input_waits_for_the_coordinator() {
    let mut harness = Harness::with_file(Vec::new());
    harness.goes_online(0);
    for number in 0..OUTBOX_AHEAD_MAX + 10 {
        harness.user(&format!("msend {number}"));
    }
    let stored = harness.effects.iter().filter(|it| matches!(it, SessionEffect::Store(_)));
    assert_eq!(stored.count(), OUTBOX_AHEAD_MAX);
}

/// A script ends when the session is idle. Nobody may be there to take the id back.
#[test]
fn texts_that_wait_for_a_join_of_the_user_keep_no_script_from_its_end() {
    let mut harness = Harness::with_file(Vec::new());
    harness.goes_online(0);
    harness.user("msend a");
    harness.stored(1);
    harness.command_socket_closed(1);
    harness.message(1, "bye#taken over by 10.0.0.3:9000");
    harness.user("msend b");
    harness.stored(1);
    assert!(harness.session.is_idle());
    harness.user("reconnect 9001");
    assert!(!harness.session.is_idle());
    harness.listening(9001);
    harness.dialed(2);
    harness.forget();
    harness.reply(2, &format!("{OK}1"));
    harness.hello(2);
    harness.written(1);
    harness.stored(1);
    let texts = |effect: &SessionEffect| brief(effect.clone()).contains("me#send ");
    harness.effects.retain(texts);
    harness.expect(&["send 2 me#send 1 a#10.0.0.2", "send 2 me#send 2 b#10.0.0.2"]);
}
