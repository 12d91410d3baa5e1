//! Everything that happens in a run, verified and measured on one clock.

use std::fmt::Display;
use std::time::Instant;

use super::metrics::Metrics;
use super::verifier::Verifier;
use super::verifier::fault::unexpected;
use crate::clock;

#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) verifier: Verifier,
    pub(super) metrics: Metrics,
    begin: Instant,
    /// Time of each member's last reconnect.
    reconnected_ns: Vec<u64>,
    /// The run cannot go on after a fault.
    pub(super) is_over: bool,
}

impl Recorder {
    pub(super) fn new(verifier: Verifier, metrics: Metrics, members: usize) -> Self {
        let reconnected_ns = vec![0; members];
        Self { verifier, metrics, begin: clock::now(), reconnected_ns, is_over: false }
    }

    /// Nanoseconds since the run began.
    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(clock::now().duration_since(self.begin).as_nanos()).unwrap_or(u64::MAX)
    }

    fn reconnected_ns(&self, member: usize) -> u64 {
        self.reconnected_ns.get(member).copied().unwrap_or(0)
    }

    /// Records whole lines of a message socket.
    pub(super) fn on_lines(&mut self, member: usize, run: &[u8], now_ns: u64) {
        let reconnected_ns = self.reconnected_ns(member);
        self.verifier.on_lines(member, run, now_ns);
        self.metrics.on_read(now_ns, self.verifier.due_ns.len() as u64);
        for due_ns in self.verifier.due_ns.drain(..) {
            self.metrics.on_delivery(due_ns, reconnected_ns, now_ns);
        }
    }

    /// Records a message that a participant shows; its message log is verified at the end.
    pub(super) fn on_shown(&mut self, member: usize, due_ns: u64, now_ns: u64) {
        self.metrics.on_delivery(due_ns, self.reconnected_ns(member), now_ns);
        self.metrics.on_read(now_ns, 1);
    }

    pub(super) fn on_reconnected(&mut self, member: usize) {
        self.verifier.on_reconnected(member);
        let now_ns = self.now_ns();
        if let Some(reconnected_ns) = self.reconnected_ns.get_mut(member) {
            *reconnected_ns = now_ns;
        }
    }

    /// Records the reply to a text; returns the number of an accepted one.
    pub(super) fn on_publish_reply(&mut self, member: usize, line: &[u8]) -> Option<u64> {
        let seq = line.strip_prefix(b"OK msend seq=");
        let seq = seq.and_then(|seq| std::str::from_utf8(seq).ok()?.parse().ok());
        match seq {
            Some(seq) => self.verifier.on_accepted(member, seq),
            None if line.starts_with(b"ERR 507") => {
                self.metrics.counts.refused += 1;
                self.verifier.on_refused(member, line);
            }
            None => self.fail(member, unexpected(line)),
        }
        seq
    }

    /// Records a fault that ends the run.
    pub(super) fn fail(&mut self, member: usize, fault: impl Display) {
        self.verifier.fault(member, fault);
        self.is_over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::verifier::Guarantees;

    fn recorder() -> Recorder {
        let guarantees =
            Guarantees { text_bytes: 40, acks: true, ttl_ns: u64::MAX, may_drop: false };
        let members = ["a", "b", "c"].map(|id| (id.to_owned(), 1)).to_vec();
        Recorder::new(Verifier::new(guarantees, members), Metrics::new().unwrap(), 3)
    }

    #[test]
    fn latency_counts_from_the_due_time() {
        let mut recorder = recorder();
        let mut line = b"1#a#1700000000000#".to_vec();
        recorder.verifier.send(0, 2_000_000).unwrap().push(&mut line, 40);
        line.push(b'\n');
        assert_eq!(recorder.on_publish_reply(0, b"OK msend seq=1"), Some(1));
        recorder.on_lines(1, &line, 5_000_000);
        recorder.on_lines(2, &line, 9_000_000);
        // A message that was due before a reconnect says nothing about the coordinator's latency.
        recorder.metrics.on_delivery(4, 5, 6);
        assert_eq!(recorder.metrics.counts.caught_up, 1);
        let latency = &recorder.metrics.latency;
        assert_eq!(latency.len(), 2);
        for (found, expected) in [(latency.min(), 3_000_000), (latency.max(), 7_000_000)] {
            assert!(found.abs_diff(expected) < 10_000, "{found}");
        }
        assert_eq!(recorder.metrics.last_ns, 9_000_000);
    }

    #[test]
    fn only_a_full_backlog_may_refuse_a_message() {
        for (line, refused, is_over) in [
            (&b"ERR 507 backlog is full"[..], 1, false),
            (b"ERR 409 offline", 0, true),
            (b"OK msend seq=", 0, true),
        ] {
            let mut recorder = recorder();
            recorder.verifier.send(0, 1).unwrap();
            assert_eq!(recorder.on_publish_reply(0, line), None);
            assert_eq!((recorder.metrics.counts.refused, recorder.is_over), (refused, is_over));
            assert_eq!(recorder.verifier.faults.count, u64::from(is_over));
        }
    }
}
