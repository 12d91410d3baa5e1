//! A `register` while texts with numbers wait in the outbox file.

use super::*;

/// A `register` by hand whose reply this participant does not live to see: the member may have been
/// removed before, and the number may be one of its earlier registration.
#[test]
fn the_file_says_that_a_register_was_asked_for_before_the_request_leaves() {
    let mut harness = Harness::with_file(vec![stored(3, 1, "a")]);
    harness.user("register 9001");
    harness.listening(9001);
    harness.expect(&[
        "show * outbox: 1 message waits, to be sent when this participant is online",
        "listen 9001",
        "store register asked",
    ]);
    harness.stored(1);
    harness.expect(&["dial 1"]);
    harness.dialed(1);
    assert!(harness.effects.drain(..).map(brief).any(|effect| effect.contains("#register")));
    let mut harness = Harness::with(|settings| {
        let (epoch, texts) = (Epoch::parse(EPOCH), vec![stored(3, 1, "a"), stored(4, 0, "b")]);
        settings.outbox = Some(StoredOutbox { epoch, may_be_new: true, texts });
    });
    harness.goes_online(0);
    harness.expect(&["store done 3", "store epoch 00000000000000aa", "store number 4 1"]);
}

const MEMBER: &str = "ERR 409 already a member: use reconnect";

#[test]
fn numbers_stay_after_a_refused_register_unless_an_earlier_one_may_have_succeeded() {
    let trusted = &["store register refused", "send 1 me#send 1 a#10.0.0.2"][..];
    let given_up = &["store done 3", "store epoch 00000000000000aa"][..];
    for (may_be_new, expected) in [(false, trusted), (true, given_up)] {
        let mut harness = Harness::with(|settings| {
            let (epoch, texts) = (Epoch::parse(EPOCH), vec![stored(3, 1, "a")]);
            settings.outbox = Some(StoredOutbox { epoch, may_be_new, texts });
        });
        harness.user("register 9001");
        harness.listening(9001);
        harness.stored(usize::from(!may_be_new));
        harness.dialed(1);
        harness.forget();
        harness.reply(1, MEMBER);
        harness.stored(usize::from(!may_be_new));
        let refused = harness.effects.drain(..).map(brief).filter(|it| it.starts_with("store "));
        let mut found: Vec<String> = refused.collect();
        harness.user("reconnect 9001");
        harness.listening(9001);
        harness.reply(1, &format!("{OK}0"));
        harness.hello(1);
        harness.written(1);
        found.extend(harness.effects.drain(..).map(brief));
        found.retain(|effect| effect.contains("me#send ") || effect.starts_with("store "));
        assert_eq!(found, expected, "{may_be_new}");
    }
}

/// The command socket could not be opened for the `register`.
#[test]
fn numbers_stay_if_the_register_was_not_sent() {
    let mut harness = Harness::with_file(vec![stored(3, 1, "a")]);
    harness.user("register 9001");
    harness.listening(9001);
    harness.stored(1);
    harness.dial_failed(1);
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.dialed(2);
    harness.forget();
    harness.reply(2, &format!("{OK}0"));
    harness.hello(1);
    harness.written(1);
    let mut found: Vec<String> = harness.effects.drain(..).map(brief).collect();
    found.retain(|effect| effect.contains("me#send ") || effect.starts_with("store "));
    assert_eq!(found, ["store register refused", "send 2 me#send 1 a#10.0.0.2"]);
}
