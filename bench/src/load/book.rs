//! The one place where a run writes down what happens: verified, and measured.

use std::time::Instant;

use super::fault::{Fault, shown};
use super::measure::Measure;
use super::verifier::Verifier;
use crate::clock;

/// Verifier, measure, and the clock that both go by.
#[derive(Debug)]
pub(super) struct Book {
    /// What is right.
    pub(super) verifier: Verifier,
    /// How fast it is.
    pub(super) measure: Measure,
    begin: Instant,
    /// Something went so wrong that the run cannot go on.
    pub(super) is_over: bool,
}

impl Book {
    /// Opens it; time begins now.
    #[must_use]
    pub(super) fn new(verifier: Verifier, measure: Measure) -> Self {
        Self { verifier, measure, begin: clock::now(), is_over: false }
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
        let latency = &mut self.measure.latency;
        let mut count = 0;
        self.verifier.take(member, run, now_ns, &mut |due_ns| {
            latency.saturating_record(now_ns.saturating_sub(due_ns).max(1));
            count += 1;
        });
        self.measure.delivered(now_ns, count);
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
