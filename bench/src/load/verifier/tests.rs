//! Feeds the verifier every fault that a coordinator must never show.
//!
//! A script of words says what happens, message n being the n-th that is sent and due at n:
//!
//! | word | meaning |
//! | --- | --- |
//! | `a+` | a sends a message, which is accepted |
//! | `a?` | a sends a message |
//! | `a=1` | the oldest unanswered message of a is accepted as number 1 |
//! | `a!` | the command socket of a is lost |
//! | `a~` | a has reconnected |
//! | `b:1,3` | b receives the messages 1 and 3 |
//! | `b:1,3@late` | the same after the ttl |
//! | `b:gap#2#1#3` | b receives this line after the ttl |
//! | `b:gap#2#1#3@early` | the same before the ttl |
//! | `settle` | everything is decided that can be |

use super::*;

const TEXT_BYTES: usize = 40;
const TTL_NS: u64 = 1_000;
const EARLY_NS: u64 = 100;
const LATE_NS: u64 = 5_000;
const IDS: [&str; 3] = ["a", "b", "c"];

struct Scripted {
    verifier: Verifier,
    sent: Vec<Stamp>,
}

impl Scripted {
    fn run(acks: bool, script: &str) -> Self {
        let guarantees =
            Guarantees { text_bytes: TEXT_BYTES, acks, ttl_ns: TTL_NS, may_drop: false };
        let verifier = Verifier::new(guarantees, IDS.map(|id| (id.to_owned(), 1)).to_vec());
        let mut scripted = Self { verifier, sent: Vec::new() };
        scripted.steps(script);
        scripted
    }

    fn steps(&mut self, script: &str) {
        script.split_whitespace().for_each(|word| self.step(word));
    }

    fn step(&mut self, word: &str) {
        if word == "settle" {
            return self.verifier.settle();
        }
        let (id, tail) = word.split_at(1);
        let member = IDS.iter().position(|known| *known == id).unwrap();
        match tail.split_at(1) {
            (kind @ ("+" | "?"), "") => {
                let due_ns = self.sent.len() as u64 + 1;
                self.sent.push(self.verifier.send(member, due_ns).unwrap());
                if kind == "+" {
                    self.verifier.on_accepted(member, due_ns);
                }
            }
            ("=", seq) => self.verifier.on_accepted(member, seq.parse().unwrap()),
            ("!", "") => self.verifier.on_connection_lost(member),
            ("~", "") => self.verifier.on_reconnected(member),
            (":", lines) => {
                let is_gap = lines.starts_with("gap");
                let (lines, at) = lines.split_once('@').unwrap_or((lines, ""));
                let is_late = if is_gap { at != "early" } else { at == "late" };
                let lines = match is_gap {
                    true => format!("{lines}\n").into_bytes(),
                    false => lines.split(',').flat_map(|seq| self.line(seq)).collect(),
                };
                self.verifier.on_lines(member, &lines, if is_late { LATE_NS } else { EARLY_NS });
            }
            _ => panic!("{word}"),
        }
    }

    fn line(&self, seq: &str) -> Vec<u8> {
        let stamp = &self.sent[seq.parse::<usize>().unwrap() - 1];
        let mut line = format!("{seq}#{}#1700000000000#", IDS[stamp.publisher]).into_bytes();
        stamp.push(&mut line, TEXT_BYTES);
        line.push(b'\n');
        line
    }

    /// Ends the run; returns all faults.
    fn faults(&mut self, next: Option<u64>) -> &[String] {
        self.verifier.finish(next, LATE_NS);
        assert_eq!(self.verifier.due_ns.len() as u64, self.verifier.received.deliveries);
        &self.verifier.faults.first
    }
}

#[track_caller]
fn check(acks: bool, script: &str, expected: &[&str]) {
    let mut scripted = Scripted::run(acks, script);
    assert_eq!(scripted.faults(None), expected, "{script}");
}

const LOST: &str = "is lost: neither delivered nor counted in a gap";

#[test]
fn a_right_run_has_no_faults() {
    for script in [
        "a+ b+ a+ c+ c+  b:1,3,4,5 c:1,2,3 a:2,4 a:5",
        "a? a?  b:1,2 c:1,2 settle a=1 a=2", // The replies come last.
    ] {
        let mut scripted = Scripted::run(true, script);
        assert!(scripted.verifier.is_complete(), "{script}");
        let next = scripted.sent.len() as u64 + 1;
        assert_eq!(scripted.faults(Some(next)), [""; 0], "{script}");
    }
    let mut incomplete = Scripted::run(true, "a+ b+ a+ c+ c+  b:1,3,4,5 c:1,2,3 a:2,4");
    assert!(!incomplete.verifier.is_complete());
}

#[test]
fn lost_doubled_and_reordered_messages_are_found() {
    for (received, expected) in [
        ("1,2,4", format!("b: message 3 {LOST}")),
        ("1,2,3", format!("b: message 4 {LOST}")),
        ("1,2,3,3,4", "b: message 3 was delivered or reported lost twice".to_owned()),
        ("1,3,2,4", "b: message 2 is out of order: it came after message 3".to_owned()),
    ] {
        check(true, &format!("a+ a+ a+ a+  b:{received} settle c:1,2,3,4"), &[&expected]);
        check(true, &format!("a+ a+ a+ a+  c:1,2,3,4 b:{received} settle"), &[&expected]);
    }
    let lost = ["b", "c"].map(|id| format!("{id}: message 1 {LOST}"));
    check(true, "a+ a+  b:2 c:2", &lost.each_ref().map(String::as_str));
    check(true, "a+  b:1 c:1 a:1", &["a: message 1 was delivered to its publisher"]);
}

#[test]
fn a_message_altered_in_any_byte_is_found() {
    let whole = Scripted::run(true, "a+").line("1");
    for at in 0..whole.len() - 1 {
        let mut scripted = Scripted::run(true, "a+ c:1");
        let mut altered = whole.clone();
        altered[at] ^= 1;
        scripted.verifier.on_lines(1, &altered, EARLY_NS);
        assert!(!scripted.faults(None).is_empty(), "byte {at}");
    }
    // A text that was never sent, though all receive it.
    let mut scripted = Scripted::run(true, "a?");
    scripted.sent[0].due_ns = 77;
    scripted.steps("b:1");
    let expected = "b: message 1 differs from what was sent or others received: ";
    assert!(scripted.faults(None)[0].starts_with(expected));
}

#[test]
fn a_gap_counts_expired_messages_of_others_in_its_range() {
    let count = "2 messages of other members have these numbers";
    let range = "its count does not fit its range";
    for (acks, gap, expected) in [
        (true, "gap#3#1#3", count),
        (true, "gap#1#1#3", count),
        (true, "gap#4#1#3", range),
        (true, "gap#0#1#3", range),
        (true, "gap#1#3#1", range),
        (true, "gap#1#1#99999999", "its range is far above all known numbers"),
        (true, "gap#2#1#3@early", "message 1 is 0 ms old and lives 0 ms"),
        (false, "gap#2#1#3", "reported to a member without acks"),
    ] {
        let script = format!("a+ b+ a+ a+  c:1,2,3,4 a:2 b:{gap} settle");
        let line = gap.trim_end_matches("@early");
        let found = &Scripted::run(acks, &script).verifier.faults.first;
        assert_eq!(*found, [format!("b: {line:?} is wrong: {expected}")]);
    }
    check(true, "a+ b+ a+ a+  c:1,2,3,4 a:2 b:gap#2#1#3 settle b:4", &[]);
    let overlap = "b: \"gap#2#1#2\" is wrong: its range was delivered or reported lost before";
    check(true, "a+ a+  c:1,2 b:1 b:gap#2#1#2 b:2", &[overlap]);
    let twice = "b: message 2 was delivered or reported lost twice";
    check(true, "a+ a+  c:1,2 b:gap#2#1#2 b:2", &[twice]);
}

#[test]
fn without_acks_only_a_reconnect_or_the_ttl_excuses_missing_messages() {
    for (received, unreported) in [("b~ b:3", 2), ("b:3@late", 2), ("b:3", 0)] {
        let mut scripted = Scripted::run(false, &format!("a+ a+ a+  c:1,2,3 {received}"));
        assert_eq!(scripted.faults(None).len(), 2 - unreported, "{received}");
        assert_eq!(scripted.verifier.received.unreported, unreported as u64, "{received}");
    }
}

#[test]
fn each_number_is_given_once_and_in_the_order_of_sending() {
    let number = "b: number 1 was given to two messages, or one message has two numbers";
    let lost = ["b", "c"].map(|id| format!("{id}: message 1 {LOST}"));
    check(true, "a? b? a=1 b=1", &[number, &lost[0], &lost[1]]);
    let mut scripted = Scripted::run(true, "a+ b:1 c:1");
    let expected = "the run: the coordinator's next number is 3, by its replies 2";
    assert_eq!(scripted.faults(Some(3)), [expected]);
    let order = "a: message 2 has a higher number than one sent after it";
    for (sent, expected) in [("a? a?", &[order][..]), ("a? a! a?", &[])] {
        let mut scripted = Scripted::run(true, sent);
        scripted.sent.swap(0, 1);
        scripted.steps("b:1,2 c:1,2");
        assert_eq!(scripted.faults(None), expected, "{sent}");
    }
}

#[test]
fn an_unknown_number_may_belong_to_a_publisher_that_crashed() {
    let mut scripted = Scripted::run(true, "a? a! a? a=2 b:2 c:gap#2#1#2");
    // Message 1 may have been accepted from a; b did not receive it.
    assert_eq!(scripted.faults(Some(3)), [format!("b: message 1 {LOST}")]);
}

#[test]
fn a_message_is_forgotten_once_all_members_have_it() {
    let mut scripted = Scripted::run(true, "");
    for seq in 1..=1_000 {
        scripted.steps(&format!("a+ b:{seq} c:{seq} settle"));
        assert!(scripted.verifier.history.get(seq).is_none());
    }
    assert_eq!(scripted.faults(None), [""; 0]);
}
