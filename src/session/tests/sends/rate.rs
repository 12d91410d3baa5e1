//! Texts that come faster than the rate of the member.

use super::*;

fn too_fast(ms: u64) -> String {
    format!("ERR 429 rate: at most 1 a second: try again in {ms} ms")
}

impl Harness {
    /// Refuses `texts` texts in flight, whose first one has the number `first` and is too early.
    fn refuse_early(&mut self, first: usize, texts: usize) {
        self.reply(1, &too_fast(700));
        for _ in 1..texts {
            self.reply(1, &format!("ERR 409 send: expected {first}"));
        }
    }

    fn shown(&mut self) -> Vec<String> {
        let shown = self.effects.drain(..).filter(|it| matches!(it, SessionEffect::Show(_)));
        shown.map(brief).collect()
    }
}

#[test]
fn a_text_that_comes_too_early_is_sent_again_after_the_time_that_the_reply_names() {
    for (ms, expected) in [(1000, 1000), (700, 700), (1, 200), (90_000, 30_000)] {
        let mut harness = Harness::sender();
        harness.texts(&["a", "b"]);
        harness.forget();
        harness.reply(1, &too_fast(ms));
        harness.reply(1, "ERR 409 send: expected 1");
        let notice = format!("* {}: messages wait and are sent at this rate", too_fast(ms));
        harness.expect(&[&format!("show {notice}")]);
        assert_eq!(harness.wait_for_deadline(), expected, "named: {ms}");
        harness.expect(&["send 1 me#send 1 a#10.0.0.2", "send 1 me#send 2 b#10.0.0.2"]);
        assert!(!harness.session.has_failed());
    }
}

#[test]
fn texts_wait_for_the_rate_as_long_as_it_takes_and_that_is_shown_once() {
    const TEXTS: usize = 200;
    let mut harness = Harness::sender();
    (0..TEXTS).for_each(|text| harness.texts(&[&text.to_string()]));
    harness.forget();
    let mut elapsed = 0;
    for accepted in 0..TEXTS {
        harness.refuse_early(accepted + 1, TEXTS - accepted);
        assert_eq!(harness.shown().len(), usize::from(accepted == 0), "after {accepted}");
        elapsed += harness.wait_for_deadline();
        harness.forget();
        harness.reply(1, &format!("OK send {} seq=9", accepted + 1));
        let shown = harness.shown();
        assert_eq!(shown, ["show OK msend seq=9"], "after {accepted}");
        if accepted + 1 == TEXTS {
            break;
        }
    }
    assert!(elapsed > 120_000, "texts may wait for longer than in an outage");
    assert!(!harness.session.has_failed());
}

#[test]
fn no_further_text_waits_for_the_rate() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.reply(1, &too_fast(700));
    harness.texts(&["b"]);
    assert_eq!(harness.waiting(), 1, "the second text stays with the user");
    harness.forget();
    harness.wait_for_deadline();
    harness.expect(&["send 1 me#send 1 a#10.0.0.2", "send 1 me#send 2 b#10.0.0.2"]);
}

#[test]
fn a_new_excess_of_the_rate_is_shown_again() {
    let mut harness = Harness::sender();
    for number in 1..=2 {
        harness.texts(&["a"]);
        harness.forget();
        harness.reply(1, &too_fast(700));
        assert_eq!(harness.shown().len(), 1, "{number}");
        harness.wait_for_deadline();
        harness.reply(1, &format!("OK send {number} seq=7"));
    }
}

#[test]
fn an_outage_ends_the_wait_for_the_rate() {
    let mut harness = Harness::sender();
    harness.texts(&["a"]);
    harness.reply(1, &too_fast(700));
    harness.forget();
    harness.message_socket_closed(1);
    let shown = harness.shown();
    let waits = "show * not online: messages wait up to 120 s and are sent when online again";
    assert!(shown.iter().any(|line| line == waits), "{shown:?}");
    harness.texts(&["b"]);
    assert_eq!(harness.waiting(), 2, "in an outage, texts wait");
    harness.wait(130_000);
    assert_eq!(harness.waiting(), 0, "and are given up");
    assert!(harness.session.has_failed());
}
