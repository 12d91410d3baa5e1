//! The verifier is shown what a coordinator must never do.

use super::*;

const TEXT_BYTES: usize = 40;
const TTL_NS: u64 = 1_000;

/// Three members; messages are sent, answered, and then delivered as each test says.
struct Scene {
    verifier: Verifier,
    sent: Vec<(usize, Stamp)>,
    delivered: u64,
}

impl Scene {
    fn new(acks: bool) -> Self {
        let promise = Promise { text_bytes: TEXT_BYTES, acks, ttl_ns: TTL_NS, may_drop: false };
        let ids = ["a", "b", "c"].map(|id| (id.to_owned(), 1)).to_vec();
        Self { verifier: Verifier::new(promise, ids), sent: Vec::new(), delivered: 0 }
    }

    /// Sends message n for every publisher named, due at n.
    fn publish(publishers: &[usize]) -> Self {
        let mut scene = Self::new(true);
        for publisher in publishers {
            scene.send(*publisher);
            scene.verifier.accepted(*publisher, scene.sent.len() as u64);
        }
        scene
    }

    fn send(&mut self, publisher: usize) {
        let due_ns = self.sent.len() as u64 + 1;
        self.sent.push((publisher, self.verifier.send(publisher, due_ns).unwrap()));
    }

    fn line(&self, seq: u64) -> Vec<u8> {
        let (publisher, stamp) = &self.sent[seq as usize - 1];
        let mut line = format!("{seq}#{}#1700000000000#", ["a", "b", "c"][*publisher]).into_bytes();
        stamp.push(&mut line, TEXT_BYTES);
        line.push(b'\n');
        line
    }

    fn take(&mut self, member: usize, seqs: &[u64]) {
        let run: Vec<u8> = seqs.iter().flat_map(|seq| self.line(*seq)).collect();
        self.take_bytes(member, &run, 100);
    }

    fn take_bytes(&mut self, member: usize, run: &[u8], now_ns: u64) {
        let delivered = &mut self.delivered;
        self.verifier.take(member, run, now_ns, &mut |_| *delivered += 1);
    }

    #[track_caller]
    fn finds(mut self, expected: &[&str]) {
        self.verifier.finish(None, 200);
        assert_eq!(self.verifier.faults().described(), expected);
        assert_eq!(self.delivered, self.verifier.taken().deliveries);
    }
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let mut scene = Scene::publish(&[0, 1, 0, 2, 2]);
    scene.take(1, &[1, 3, 4, 5]);
    scene.take(2, &[1, 2, 3]);
    assert!(!scene.verifier.is_complete());
    scene.take(0, &[2, 4]);
    scene.take(0, &[5]);
    assert!(scene.verifier.is_complete());
    assert_eq!(scene.verifier.taken().deliveries, 10);
    scene.finds(&[]);
}

#[test]
fn a_reply_may_come_after_everything_else() {
    let mut scene = Scene::new(true);
    scene.send(0);
    scene.send(0);
    scene.take(1, &[1, 2]);
    scene.take(2, &[1, 2]);
    scene.verifier.settle();
    scene.verifier.accepted(0, 1);
    scene.verifier.accepted(0, 2);
    assert!(scene.verifier.is_complete());
    scene.finds(&[]);
}

#[test]
fn what_is_lost_doubled_or_reordered_is_found() {
    for (seqs, expected) in [
        (&[1, 2, 4][..], "b: message 3 is lost: neither delivered nor in a gap"),
        (&[1, 2, 3], "b: message 4 is lost: neither delivered nor in a gap"),
        (&[1, 2, 3, 3, 4], "b: message 3 was delivered or told lost twice"),
        (&[1, 3, 2, 4], "b: message 2 is out of order: it came after message 3"),
    ] {
        for others_first in [false, true] {
            let mut scene = Scene::publish(&[0, 0, 0, 0]);
            if others_first {
                scene.take(2, &[1, 2, 3, 4]);
            }
            scene.take(1, seqs);
            scene.verifier.settle();
            scene.take(2, if others_first { &[] } else { &[1, 2, 3, 4] });
            scene.finds(&[expected]);
        }
    }
}

#[test]
fn what_nobody_gets_is_lost_to_everybody_else() {
    let mut scene = Scene::publish(&[0, 0]);
    scene.take(1, &[2]);
    scene.take(2, &[2]);
    scene.finds(
        &["b", "c"]
            .map(|id| format!("{id}: message 1 is lost: neither delivered nor in a gap"))
            .each_ref()
            .map(String::as_str),
    );
}

#[test]
fn what_is_altered_in_any_byte_is_found() {
    let whole = Scene::publish(&[0]).line(1);
    for at in 0..whole.len() - 1 {
        let mut scene = Scene::publish(&[0]);
        scene.take(2, &[1]);
        let mut altered = whole.clone();
        altered[at] ^= 1;
        scene.take_bytes(1, &altered, 100);
        scene.verifier.finish(None, 200);
        assert!(scene.verifier.faults().count() > 0, "byte {at}");
    }
}

#[test]
fn a_text_that_nobody_sent_is_found_though_all_get_it() {
    let mut scene = Scene::new(true);
    scene.send(0);
    let stamp = Stamp { due_ns: 77, ..scene.sent[0].1 };
    scene.sent[0].1 = stamp;
    scene.take(1, &[1]);
    scene.verifier.finish(None, 200);
    let first = &scene.verifier.faults().described()[0];
    assert!(
        first.starts_with("b: message 1 is altered: not as sent, or as others got it"),
        "{first}"
    );
}

#[test]
fn a_publisher_gets_nothing_of_its_own() {
    let mut scene = Scene::publish(&[0]);
    for member in [1, 2, 0] {
        scene.take(member, &[1]);
    }
    scene.finds(&["a: message 1 was delivered to its own publisher"]);
}

#[test]
fn a_gap_counts_what_it_says_and_stands_where_it_was() {
    for (gap, now_ns, expected) in [
        ("gap#2#1#3\n", 5_000, None),
        ("gap#3#1#3\n", 5_000, Some("2 messages of others have these numbers")),
        ("gap#1#1#3\n", 5_000, Some("2 messages of others have these numbers")),
        ("gap#4#1#3\n", 5_000, Some("not so many numbers from first to last")),
        ("gap#2#1#3\n", 500, Some("message 1 is 0 ms old and lives 0 ms")),
        ("gap#0#3#1\n", 5_000, Some("not so many numbers from first to last")),
    ] {
        let mut scene = Scene::publish(&[0, 1, 0, 0]);
        scene.take(2, &[1, 2, 3, 4]);
        scene.take(0, &[2]);
        scene.take_bytes(1, gap.as_bytes(), now_ns);
        if expected.is_none() {
            scene.take(1, &[4]);
            scene.finds(&[]);
            continue;
        }
        scene.verifier.settle();
        let found = scene.verifier.faults().described().join("\n");
        let line = gap.trim_end();
        assert_eq!(found, format!("b: {line:?} is wrong: {}", expected.unwrap()));
    }
}

#[test]
fn what_was_delivered_must_not_be_told_lost_nor_the_reverse() {
    let mut scene = Scene::publish(&[0, 0]);
    scene.take(2, &[1, 2]);
    scene.take(1, &[1]);
    scene.take_bytes(1, b"gap#2#1#2\n", 5_000);
    scene.take(1, &[2]);
    scene.finds(&["b: \"gap#2#1#2\" is wrong: told of what was delivered, or told lost, before"]);

    let mut scene = Scene::publish(&[0, 0]);
    scene.take(2, &[1, 2]);
    scene.take_bytes(1, b"gap#2#1#2\n", 5_000);
    scene.take(1, &[2]);
    scene.finds(&["b: message 2 was delivered or told lost twice"]);
}

#[test]
fn without_acks_only_what_a_break_or_the_ttl_explains_may_be_missing() {
    for (is_back, now_ns, untold) in [(true, 100, 2), (false, 5_000, 2), (false, 100, 0)] {
        let mut scene = Scene::new(false);
        for seq in 1..=3 {
            scene.send(0);
            scene.verifier.accepted(0, seq);
        }
        scene.take(2, &[1, 2, 3]);
        if is_back {
            scene.verifier.is_back(1);
        }
        let last = scene.line(3);
        scene.take_bytes(1, &last, now_ns);
        scene.verifier.finish(None, now_ns);
        assert_eq!(scene.verifier.taken().untold, untold);
        assert_eq!(scene.verifier.faults().count(), 2 - untold);
    }
}

#[test]
fn numbers_are_given_once_and_counted_right() {
    let mut scene = Scene::new(true);
    scene.send(0);
    scene.send(1);
    scene.verifier.accepted(0, 1);
    scene.verifier.accepted(1, 1);
    scene.finds(&[
        "b: number 1 was given to two messages, or one message has two",
        "b: message 1 is lost: neither delivered nor in a gap",
        "c: message 1 is lost: neither delivered nor in a gap",
    ]);
    let mut scene = Scene::publish(&[0]);
    scene.take(1, &[1]);
    scene.take(2, &[1]);
    scene.verifier.finish(Some(3), 200);
    let expected = "the run: the coordinator's next number is 3, by its replies 2";
    assert_eq!(scene.verifier.faults().described(), [expected]);
}

#[test]
fn what_a_crash_left_open_may_be_a_publishers_own() {
    let mut scene = Scene::new(true);
    scene.send(0);
    scene.verifier.broken(0);
    scene.send(0);
    scene.verifier.accepted(0, 2);
    scene.take(1, &[2]);
    scene.take_bytes(2, b"gap#2#1#2\n", 5_000);
    scene.verifier.finish(Some(3), 200);
    // Message 1 was sent for all that anybody knows, and b did not get it.
    let lost = "b: message 1 is lost: neither delivered nor in a gap";
    assert_eq!(scene.verifier.faults().described(), [lost]);
}

#[test]
fn everything_is_forgotten_once_everybody_is_past_it() {
    let mut scene = Scene::new(true);
    for seq in 1..=1_000 {
        scene.send(0);
        scene.verifier.accepted(0, seq);
        scene.take(1, &[seq]);
        scene.take(2, &[seq]);
        scene.verifier.settle();
        assert!(scene.verifier.records.get(seq).is_none());
    }
    scene.finds(&[]);
}
