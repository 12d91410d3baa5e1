//! The one place where a run writes down what happens: verified, and measured.

use std::time::Instant;

use super::metrics::Measure;
use super::verifier::Verifier;
use super::verifier::fault::{Fault, shown};
use crate::clock;

/// Verifier, measure, and the clock that both go by.
#[derive(Debug)]
pub(super) struct Book {
    /// What is right.
    pub(super) verifier: Verifier,
    /// How fast it is.
    pub(super) measure: Measure,
    begin: Instant,
    /// When each member came back last.
    back_ns: Vec<u64>,
    /// Something went so wrong that the run cannot go on.
    pub(super) is_over: bool,
}

impl Book {
    /// Opens it; time begins now.
    #[must_use]
    pub(super) fn new(verifier: Verifier, measure: Measure) -> Self {
        let back_ns = vec![0; verifier.members()];
        Self { verifier, measure, begin: clock::now(), back_ns, is_over: false }
    }

    /// Nanoseconds since the run began.
    #[must_use]
    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(clock::now().duration_since(self.begin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Lets time begin anew.
    pub(super) fn begin(&mut self) {
        self.begin = clock::now();
    }

    /// Takes whole lines from a message socket.
    pub(super) fn take(&mut self, member: usize, run: &[u8], now_ns: u64) {
        let (measure, back_ns) = (&mut self.measure, self.back_ns.get(member));
        let back_ns = back_ns.copied().unwrap_or(0);
        let mut count = 0;
        self.verifier.take(member, run, now_ns, &mut |due_ns| {
            measure.arrived(due_ns, back_ns, now_ns);
            count += 1;
        });
        self.measure.delivered(now_ns, count);
    }

    /// A participant has shown a message.
    pub(super) fn shown(&mut self, member: usize, due_ns: u64, now_ns: u64) {
        let back_ns = self.back_ns.get(member).copied().unwrap_or(0);
        self.measure.arrived(due_ns, back_ns, now_ns);
    }

    /// `member` has come back.
    pub(super) fn is_back(&mut self, member: usize) {
        self.verifier.is_back(member);
        let now_ns = self.now_ns();
        if let Some(back_ns) = self.back_ns.get_mut(member) {
            *back_ns = now_ns;
        }
    }

    /// Takes the reply to a text; its number if it was accepted.
    pub(super) fn answered(&mut self, member: usize, line: &[u8]) -> Option<u64> {
        let seq = line
            .strip_prefix(b"OK msend seq=")
            .and_then(|seq| std::str::from_utf8(seq).ok()?.parse().ok());
        match seq {
            Some(seq) => {
                self.verifier.accepted(member, seq);
                return Some(seq);
            }
            None if line.starts_with(b"ERR 507") => {
                self.measure.refused += 1;
                self.verifier.refused(member, line);
            }
            None => self.fail(member, &Fault::Reply { line: shown(line) }),
        }
        None
    }

    /// A fault after which nothing can be as it should.
    pub(super) fn fail(&mut self, member: usize, fault: &Fault) {
        self.verifier.fault(member, fault);
        self.is_over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::verifier::Promise;

    #[test]
    fn latency_counts_from_when_a_message_was_due() {
        let promise = Promise { text_bytes: 40, acks: true, ttl_ns: u64::MAX, may_drop: false };
        let ids = ["a", "b", "c"].map(|id| (id.to_owned(), 1)).to_vec();
        let mut book = Book::new(Verifier::new(promise, ids), Measure::new().unwrap());
        let mut line = b"1#a#1700000000000#".to_vec();
        book.verifier.send(0, 2_000_000).unwrap().push(&mut line, 40);
        line.push(b'\n');
        assert_eq!(book.answered(0, b"OK msend seq=1"), Some(1));
        book.take(1, &line, 5_000_000);
        book.take(2, &line, 9_000_000);
        // Who comes back gets what was due before: that says nothing of the coordinator.
        book.measure.arrived(4, 5, 6);
        assert_eq!(book.measure.caught_up, 1);
        let latency = &book.measure.latency;
        assert_eq!(latency.len(), 2);
        for (found, expected) in [(latency.min(), 3_000_000), (latency.max(), 7_000_000)] {
            assert!(found.abs_diff(expected) < 10_000, "{found}");
        }
        assert_eq!(book.measure.last_ns, 9_000_000);
    }

    #[test]
    fn only_a_full_backlog_may_refuse_a_message() {
        for (line, refused, is_over) in [
            (&b"ERR 507 backlog is full"[..], 1, false),
            (b"ERR 409 offline", 0, true),
            (b"OK msend seq=", 0, true),
        ] {
            let promise = Promise { text_bytes: 40, acks: true, ttl_ns: 1, may_drop: false };
            let verifier = Verifier::new(promise, vec![("a".to_owned(), 1)]);
            let mut book = Book::new(verifier, Measure::new().unwrap());
            book.verifier.send(0, 1).unwrap();
            assert_eq!(book.answered(0, line), None);
            assert_eq!((book.measure.refused, book.is_over), (refused, is_over));
            assert_eq!(book.verifier.faults().count(), u64::from(is_over));
        }
    }
}
