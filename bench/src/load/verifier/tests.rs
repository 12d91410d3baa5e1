//! Feeds the verifier every fault that a coordinator must never show.

use super::*;

const TEXT_BYTES: usize = 40;
const TTL_NS: u64 = 1_000;
const EXPIRED_NS: u64 = 5_000;
const IDS: [&str; 3] = ["a", "b", "c"];

/// Three members; each test decides what is sent, answered and delivered.
struct Bench {
    verifier: Verifier,
    sent: Vec<Stamp>,
    delivered: u64,
}

impl Bench {
    fn new(acks: bool) -> Self {
        let guarantees =
            Guarantees { text_bytes: TEXT_BYTES, acks, ttl_ns: TTL_NS, may_drop: false };
        let members = IDS.map(|id| (id.to_owned(), 1)).to_vec();
        Self { verifier: Verifier::new(guarantees, members), sent: Vec::new(), delivered: 0 }
    }

    /// Sends message n of the n-th publisher, due at n.
    fn publish(publishers: &[usize], acks: bool) -> Self {
        let mut bench = Self::new(acks);
        for publisher in publishers {
            bench.send(*publisher);
            bench.verifier.on_accepted(*publisher, bench.sent.len() as u64);
        }
        bench
    }

    fn send(&mut self, publisher: usize) {
        let due_ns = self.sent.len() as u64 + 1;
        self.sent.push(self.verifier.send(publisher, due_ns).unwrap());
    }

    fn line(&self, seq: u64) -> Vec<u8> {
        let stamp = &self.sent[seq as usize - 1];
        let mut line = format!("{seq}#{}#1700000000000#", IDS[stamp.publisher]).into_bytes();
        stamp.push(&mut line, TEXT_BYTES);
        line.push(b'\n');
        line
    }

    fn deliver(&mut self, member: usize, seqs: &[u64]) {
        let run: Vec<u8> = seqs.iter().flat_map(|seq| self.line(*seq)).collect();
        self.deliver_bytes(member, &run, 100);
    }

    fn deliver_bytes(&mut self, member: usize, run: &[u8], now_ns: u64) {
        let delivered = &mut self.delivered;
        self.verifier.on_lines(member, run, now_ns, &mut |_| *delivered += 1);
    }

    #[track_caller]
    fn check(mut self, next: Option<u64>, expected: &[&str]) {
        self.verifier.finish(next, 200);
        assert_eq!(self.verifier.faults.first, expected);
        assert_eq!(self.delivered, self.verifier.received.deliveries);
    }
}

#[test]
fn a_right_run_has_no_faults() {
    let mut bench = Bench::publish(&[0, 1, 0, 2, 2], true);
    bench.deliver(1, &[1, 3, 4, 5]);
    bench.deliver(2, &[1, 2, 3]);
    assert!(!bench.verifier.is_complete());
    bench.deliver(0, &[2, 4]);
    bench.deliver(0, &[5]);
    assert!(bench.verifier.is_complete());
    assert_eq!(bench.verifier.received.deliveries, 10);
    bench.check(Some(6), &[]);
}

#[test]
fn a_reply_may_come_after_everything_else() {
    let mut bench = Bench::new(true);
    bench.send(0);
    bench.send(0);
    bench.deliver(1, &[1, 2]);
    bench.deliver(2, &[1, 2]);
    bench.verifier.settle();
    bench.verifier.on_accepted(0, 1);
    bench.verifier.on_accepted(0, 2);
    assert!(bench.verifier.is_complete());
    bench.check(None, &[]);
}

#[test]
fn lost_doubled_and_reordered_messages_are_found() {
    for (seqs, expected) in [
        (&[1, 2, 4][..], "b: message 3 is lost: neither delivered nor counted in a gap"),
        (&[1, 2, 3], "b: message 4 is lost: neither delivered nor counted in a gap"),
        (&[1, 2, 3, 3, 4], "b: message 3 was delivered or reported lost twice"),
        (&[1, 3, 2, 4], "b: message 2 is out of order: it came after message 3"),
    ] {
        for others_first in [false, true] {
            let mut bench = Bench::publish(&[0; 4], true);
            if others_first {
                bench.deliver(2, &[1, 2, 3, 4]);
            }
            bench.deliver(1, seqs);
            bench.verifier.settle();
            bench.deliver(2, if others_first { &[] } else { &[1, 2, 3, 4] });
            bench.check(None, &[expected]);
        }
    }
    let mut bench = Bench::publish(&[0, 0], true);
    bench.deliver(1, &[2]);
    bench.deliver(2, &[2]);
    let lost = "message 1 is lost: neither delivered nor counted in a gap";
    bench.check(None, &[&format!("b: {lost}"), &format!("c: {lost}")]);
}

#[test]
fn a_message_altered_in_any_byte_is_found() {
    let whole = Bench::publish(&[0], true).line(1);
    for at in 0..whole.len() - 1 {
        let mut bench = Bench::publish(&[0], true);
        bench.deliver(2, &[1]);
        let mut altered = whole.clone();
        altered[at] ^= 1;
        bench.deliver_bytes(1, &altered, 100);
        bench.verifier.finish(None, 200);
        assert!(bench.verifier.faults.count > 0, "byte {at}");
    }
}

#[test]
fn a_text_that_was_never_sent_is_found_even_if_all_receive_it() {
    let mut bench = Bench::new(true);
    bench.send(0);
    bench.sent[0].due_ns = 77;
    bench.deliver(1, &[1]);
    bench.verifier.finish(None, 200);
    let first = &bench.verifier.faults.first[0];
    let expected = "b: message 1 differs from what was sent or others received: ";
    assert!(first.starts_with(expected), "{first}");
}

#[test]
fn a_publisher_receives_none_of_its_own_messages() {
    let mut bench = Bench::publish(&[0], true);
    for member in [1, 2, 0] {
        bench.deliver(member, &[1]);
    }
    bench.check(None, &["a: message 1 was delivered to its publisher"]);
}

#[test]
fn a_gap_counts_expired_messages_of_others_in_its_range() {
    let count = "2 messages of other members have these numbers";
    let range = "its count does not fit its range";
    for (acks, gap, now_ns, expected) in [
        (true, "gap#2#1#3", EXPIRED_NS, None),
        (true, "gap#3#1#3", EXPIRED_NS, Some(count)),
        (true, "gap#1#1#3", EXPIRED_NS, Some(count)),
        (true, "gap#4#1#3", EXPIRED_NS, Some(range)),
        (true, "gap#0#1#3", EXPIRED_NS, Some(range)),
        (true, "gap#1#3#1", EXPIRED_NS, Some(range)),
        (true, "gap#1#1#99999999", EXPIRED_NS, Some("its range is far above all known numbers")),
        (true, "gap#2#1#3", 500, Some("message 1 is 0 ms old and lives 0 ms")),
        (false, "gap#2#1#3", EXPIRED_NS, Some("reported to a member without acks")),
    ] {
        let mut bench = Bench::publish(&[0, 1, 0, 0], acks);
        bench.deliver(2, &[1, 2, 3, 4]);
        bench.deliver(0, &[2]);
        bench.deliver_bytes(1, format!("{gap}\n").as_bytes(), now_ns);
        bench.verifier.settle();
        let expected: Vec<_> =
            expected.map(|why| format!("b: {gap:?} is wrong: {why}")).into_iter().collect();
        assert_eq!(bench.verifier.faults.first, expected);
        if expected.is_empty() {
            bench.deliver(1, &[4]);
            bench.check(None, &[]);
        }
    }
}

#[test]
fn a_message_is_either_delivered_or_reported_lost() {
    let overlap = "b: \"gap#2#1#2\" is wrong: its range was delivered or reported lost before";
    let twice = "b: message 2 was delivered or reported lost twice";
    for (delivered, expected) in [(&[1][..], overlap), (&[], twice)] {
        let mut bench = Bench::publish(&[0, 0], true);
        bench.deliver(2, &[1, 2]);
        bench.deliver(1, delivered);
        bench.deliver_bytes(1, b"gap#2#1#2\n", EXPIRED_NS);
        bench.deliver(1, &[2]);
        bench.check(None, &[expected]);
    }
}

#[test]
fn without_acks_only_a_reconnect_or_the_ttl_excuses_missing_messages() {
    for (has_reconnected, now_ns, unreported) in
        [(true, 100, 2), (false, EXPIRED_NS, 2), (false, 100, 0)]
    {
        let mut bench = Bench::publish(&[0, 0, 0], false);
        bench.deliver(2, &[1, 2, 3]);
        if has_reconnected {
            bench.verifier.on_reconnected(1);
        }
        let last = bench.line(3);
        bench.deliver_bytes(1, &last, now_ns);
        bench.verifier.finish(None, now_ns);
        assert_eq!(bench.verifier.received.unreported, unreported);
        assert_eq!(bench.verifier.faults.count, 2 - unreported);
    }
}

#[test]
fn each_number_is_given_once_and_the_coordinator_counts_right() {
    let mut bench = Bench::new(true);
    bench.send(0);
    bench.send(1);
    bench.verifier.on_accepted(0, 1);
    bench.verifier.on_accepted(1, 1);
    let expected = [
        "b: number 1 was given to two messages, or one message has two numbers",
        "b: message 1 is lost: neither delivered nor counted in a gap",
        "c: message 1 is lost: neither delivered nor counted in a gap",
    ];
    bench.check(None, &expected);
    let mut bench = Bench::publish(&[0], true);
    bench.deliver(1, &[1]);
    bench.deliver(2, &[1]);
    bench.check(Some(3), &["the run: the coordinator's next number is 3, by its replies 2"]);
}

#[test]
fn numbers_follow_the_order_of_sending_on_one_connection() {
    for (is_lost, expected) in
        [(false, &["a: message 2 has a higher number than one sent after it"][..]), (true, &[])]
    {
        let mut bench = Bench::new(true);
        bench.send(0);
        if is_lost {
            bench.verifier.on_connection_lost(0);
        }
        bench.send(0);
        bench.sent.swap(0, 1);
        bench.deliver(1, &[1, 2]);
        bench.deliver(2, &[1, 2]);
        bench.check(None, expected);
    }
}

#[test]
fn an_unknown_number_may_belong_to_a_publisher_that_crashed() {
    let mut bench = Bench::new(true);
    bench.send(0);
    bench.verifier.on_connection_lost(0);
    bench.send(0);
    bench.verifier.on_accepted(0, 2);
    bench.deliver(1, &[2]);
    bench.deliver_bytes(2, b"gap#2#1#2\n", EXPIRED_NS);
    // Message 1 may have been accepted from a; b did not receive it.
    bench.check(Some(3), &["b: message 1 is lost: neither delivered nor counted in a gap"]);
}

#[test]
fn a_message_is_forgotten_once_all_members_have_it() {
    let mut bench = Bench::new(true);
    for seq in 1..=1_000 {
        bench.send(0);
        bench.verifier.on_accepted(0, seq);
        bench.deliver(1, &[seq]);
        bench.deliver(2, &[seq]);
        bench.verifier.settle();
        assert!(bench.verifier.history.get(seq).is_none());
    }
    bench.check(None, &[]);
}
