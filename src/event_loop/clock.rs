//! The one reader of the machine's clocks.

use std::time::{Duration, Instant, SystemTime};

use crate::time::{Millis, Now, UnixMillis};

/// Both clocks, the steady one counted from the start of the program, or on from an earlier one.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    offset: Millis,
}

impl Clock {
    /// Begins to count.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(Millis::ZERO)
    }

    /// Begins to count at `offset`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the loop's clock")]
    pub fn start_at(offset: Millis) -> Self {
        Self { start: Instant::now(), offset }
    }

    /// What both clocks show.
    ///
    /// The steady one is rounded down, so a sleep of `deadline - now` never ends too early.
    #[must_use]
    pub fn now(&self) -> Now {
        let steady = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { steady: self.offset.plus(steady), unix: unix_now() }
    }
}

/// Measures how long something takes.
#[derive(Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is one of the clocks")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it is since then.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// What the wall clock shows; the beginning of 1970 if it was set to a time before that.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the loop's clock")]
pub(super) fn unix_now() -> UnixMillis {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_starts_at_zero_and_never_goes_back() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(first.steady < Millis::new(10_000), "{}", first.steady);
        assert!(clock.now().steady >= first.steady);
    }

    #[test]
    fn the_wall_clock_counts_milliseconds_since_1970() {
        let year_2020_ms = 1_577_836_800_000;
        let year_2200_ms = 7_258_118_400_000;
        let unix = Clock::start().now().unix.0;
        assert!((year_2020_ms..year_2200_ms).contains(&unix), "{unix}");
    }
}
