//! Ends of certificates, by the wall clock.
//!
//! The wall clock may be set while a timer runs. So a timer only tells when to look at the clock:
//! at the end of a certificate, and every [`CERTIFICATE_CHECK_MS`] before. The loop looks at it in
//! each turn, and wakes when the clock is set, if the system tells.

use std::collections::BTreeSet;

use super::sockets::CoordinatorTimer;
use crate::limits::tls::CERTIFICATE_CHECK_MS;
use crate::net::{Key, TimerId, TimerWheel};
use crate::time::{Now, UnixMillis};

/// Sockets by the times at which their certificates no longer count. Without a CA it is empty.
#[derive(Debug, Default)]
pub(super) struct CertificateEnds {
    ends: BTreeSet<(UnixMillis, Key)>,
    /// Timer for this end.
    timer: Option<(UnixMillis, TimerId)>,
}

impl CertificateEnds {
    /// Changes the time at which the certificate of a socket ends. `None`: it has none of a CA, or
    /// the socket is closed.
    pub(super) fn change(
        &mut self,
        key: Key,
        before: Option<UnixMillis>,
        until: Option<UnixMillis>,
    ) {
        if let Some(before) = before {
            self.ends.remove(&(before, key));
        }
        if let Some(until) = until {
            self.ends.insert((until, key));
        }
    }

    /// Removes and returns a socket whose certificate has ended.
    #[inline]
    pub(super) fn pop_due(&mut self, now: UnixMillis) -> Option<Key> {
        let first = self.ends.first().filter(|(until, _)| *until <= now);
        first.is_some().then(|| self.ends.pop_first())?.map(|(_, key)| key)
    }

    /// Sets the timer for the first end.
    pub(super) fn arm(&mut self, timers: &mut TimerWheel<CoordinatorTimer>, now: Now) {
        let first = self.ends.first().map(|(until, _)| *until);
        if first == self.timer.map(|(until, _)| until) {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            timers.cancel(timer);
        }
        self.timer = first.map(|until| {
            let left_ms = until.0.saturating_sub(now.unix.0).min(CERTIFICATE_CHECK_MS);
            (until, timers.insert(now.steady.plus(left_ms), CoordinatorTimer::Certificates))
        });
    }

    /// Returns the end of the certificate that ends first.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<UnixMillis> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// The timer was due.
    pub(super) fn on_timer(&mut self) {
        self.timer = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Slots, SocketTable};
    use crate::time::Millis;

    /// The wheel wakes so much late at most.
    const TICK_MS: u64 = 10;
    const HOUR_MS: u64 = 3_600_000;

    /// Ends of certificates, both clocks, and the timers.
    struct Clocks {
        ends: CertificateEnds,
        timers: TimerWheel<CoordinatorTimer>,
        now: Now,
    }

    impl Clocks {
        fn new() -> Self {
            let now = Now { steady: Millis::ZERO, unix: UnixMillis(100 * HOUR_MS) };
            Self { ends: CertificateEnds::default(), timers: TimerWheel::new(), now }
        }

        /// Returns the sockets whose certificates have ended, and sets the timer.
        fn turn(&mut self) -> Vec<Key> {
            while self.timers.pop_due(self.now.steady).is_some() {
                self.ends.on_timer();
            }
            let due = std::iter::from_fn(|| self.ends.pop_due(self.now.unix)).collect();
            self.ends.arm(&mut self.timers, self.now);
            due
        }

        /// Both clocks go on.
        fn pass(&mut self, ms: u64) {
            self.now.steady = self.now.steady.plus(ms);
            self.now.unix.0 += ms;
        }

        /// Runs turns when the timer says so, until a certificate has ended. Returns the
        /// milliseconds that pass.
        fn run(&mut self) -> u64 {
            let start = self.now.steady;
            while self.turn().is_empty() {
                let due = self.timers.next_deadline().expect("a certificate waits for its end");
                let left_ms = due.since(self.now.steady);
                assert!((1..=CERTIFICATE_CHECK_MS).contains(&left_ms), "{left_ms}");
                self.pass(left_ms);
            }
            self.now.steady.since(start)
        }
    }

    fn keys(count: usize) -> Vec<Key> {
        let mut slots = Slots::new(SocketTable::Command);
        (0..count).map(|at| slots.insert(at)).collect()
    }

    fn after(clocks: &Clocks, ms: u64) -> Option<UnixMillis> {
        Some(UnixMillis(clocks.now.unix.0 + ms))
    }

    #[test]
    fn certificates_end_in_the_order_of_their_ends() {
        let (mut clocks, keys) = (Clocks::new(), keys(4));
        for (key, ms) in keys.iter().zip([3000, 1000, 2000, 1000]) {
            let until = after(&clocks, ms);
            clocks.ends.change(*key, None, until);
        }
        assert_eq!(clocks.turn(), []);
        for (ms, expected) in [(999, vec![]), (1, vec![keys[1], keys[3]]), (1500, vec![keys[2]])] {
            clocks.pass(ms);
            assert_eq!(clocks.turn(), expected);
        }
        clocks.pass(HOUR_MS);
        assert_eq!(clocks.turn(), [keys[0]]);
        assert_eq!(clocks.turn(), []);
        assert_eq!(clocks.timers.next_deadline(), None, "no timer without a certificate");
    }

    #[test]
    fn a_socket_that_is_closed_or_checked_again_does_not_end() {
        let (mut clocks, keys) = (Clocks::new(), keys(2));
        let (soon, late) = (after(&clocks, 1000), after(&clocks, 5000));
        clocks.ends.change(keys[0], None, soon);
        clocks.ends.change(keys[1], None, soon);
        assert_eq!(clocks.turn(), []);
        clocks.ends.change(keys[0], soon, None);
        clocks.ends.change(keys[1], soon, late);
        clocks.pass(4999);
        assert_eq!(clocks.turn(), []);
        clocks.pass(1);
        assert_eq!(clocks.turn(), [keys[1]]);
    }

    #[test]
    fn a_certificate_ends_by_the_wall_clock_when_it_is_set_forward_or_backward() {
        let key = keys(1)[0];
        // The timer is at most a minute late if nothing else wakes the loop.
        for (step_ms, expected_ms) in [
            (0, 10 * HOUR_MS..=10 * HOUR_MS),
            (9 * i64::try_from(HOUR_MS).unwrap(), HOUR_MS..=HOUR_MS),
            (11 * i64::try_from(HOUR_MS).unwrap(), 0..=CERTIFICATE_CHECK_MS),
            (-50 * i64::try_from(HOUR_MS).unwrap(), 60 * HOUR_MS..=60 * HOUR_MS),
        ] {
            let mut clocks = Clocks::new();
            let until = after(&clocks, 10 * HOUR_MS);
            clocks.ends.change(key, None, until);
            assert_eq!(clocks.turn(), []);
            clocks.now.unix.0 = clocks.now.unix.0.checked_add_signed(step_ms).unwrap();
            let passed_ms = clocks.run();
            assert!(expected_ms.contains(&passed_ms), "{step_ms}: {passed_ms}");
        }
    }

    #[test]
    fn the_timer_follows_the_first_end() {
        let (mut clocks, keys) = (Clocks::new(), keys(3));
        for (key, ms) in [(keys[0], HOUR_MS), (keys[1], 30_000), (keys[2], 1)] {
            let until = after(&clocks, ms);
            clocks.ends.change(key, None, until);
            assert_eq!(clocks.turn(), []);
            let due = clocks.timers.next_deadline().unwrap();
            assert!(due <= Millis::new(ms.clamp(TICK_MS, CERTIFICATE_CHECK_MS)), "{due}");
        }
        assert!(clocks.run() <= TICK_MS);
    }
}
