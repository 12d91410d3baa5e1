//! The one reader of the machine's clocks.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use mio::Registry;

use super::clock_watch::ClockWatch;
use crate::limits::CLOCK_LOOK_MS;
use crate::time::{Millis, Now, UnixMillis};

/// Both clocks, the steady one counted from the start of the program, or on from an earlier one.
///
/// The steady one never jumps, and counts the time that the machine sleeps where the system has a
/// clock that does (`CLOCK_BOOTTIME` of Linux).
#[derive(Debug)]
pub struct Clock {
    start: ClockReading,
    offset: Millis,
    watch: Option<ClockWatch>,
}

/// A reading of the steady clock.
#[derive(Clone, Copy, Debug)]
enum ClockReading {
    /// Since the machine was switched on, sleep included.
    Boot(Duration),
    /// Clock of a system without `CLOCK_BOOTTIME`.
    Instant(Instant),
}

impl ClockReading {
    #[expect(clippy::disallowed_methods, reason = "this is the loop's clock")]
    fn take() -> Self {
        boot_time().map_or_else(|| Self::Instant(Instant::now()), Self::Boot)
    }

    fn elapsed(self) -> Duration {
        match self {
            // The clock that could be read once can be read again.
            Self::Boot(start) => boot_time().unwrap_or(start).saturating_sub(start),
            Self::Instant(start) => start.elapsed(),
        }
    }
}

impl Clock {
    /// Begins to count.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(Millis::ZERO)
    }

    /// Begins to count at `offset`.
    #[must_use]
    pub fn start_at(offset: Millis) -> Self {
        Self { start: ClockReading::take(), offset, watch: None }
    }

    /// Wakes the loop of `registry` as soon as the machine has slept or its wall clock was set: a
    /// poll's own timeout stands still while the machine sleeps.
    ///
    /// # Errors
    ///
    /// Those of the system: then [`Clock::wake_by`] has the loop look now and then.
    pub fn watch(&mut self, registry: &Registry) -> io::Result<()> {
        self.watch = Some(ClockWatch::new(registry)?);
        Ok(())
    }

    /// Takes note of the event that came under [`super::CLOCK`].
    pub fn on_event(&self) {
        self.watch.iter().for_each(ClockWatch::on_event);
    }

    /// Returns the time at which a loop must look at its clocks if nothing else is due before
    /// `deadline`.
    #[must_use]
    pub fn wake_by(&self, deadline: Option<Millis>, now: Millis) -> Option<Millis> {
        match (&self.watch, deadline) {
            (Some(_), deadline) => deadline,
            (None, None) => Some(now.plus(CLOCK_LOOK_MS)),
            (None, Some(deadline)) => Some(deadline.min(now.plus(CLOCK_LOOK_MS))),
        }
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

/// The time since the machine was switched on, sleep included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn boot_time() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(Duration::from)
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn boot_time() -> Option<Duration> {
    None
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
