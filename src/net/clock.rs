//! The clocks of the machine. A loop reads them here, once in a turn, and passes the time on.
//!
//! Two other modules only measure durations: `journal/disk/directory.rs` (how long a sync takes)
//! and `net/engine/startup.rs` (the time limit of a start).

use std::io;
use std::time::{Duration, Instant, SystemTime};

use mio::Registry;

use super::clock_watch::ClockWatch;
use crate::limits::CLOCK_CHECK_MS;
use crate::time::{Millis, Now, UnixMillis};

/// A steady clock and the wall clock.
///
/// The steady clock counts from the start of the program, or continues from an earlier count. It
/// never jumps. On Linux (`CLOCK_BOOTTIME`) it includes the time that the machine sleeps.
#[derive(Debug)]
pub struct Clock {
    start: ClockReading,
    offset: Millis,
    watch: Option<ClockWatch>,
}

/// Reading of the steady clock.
#[derive(Clone, Copy, Debug)]
enum ClockReading {
    /// Time since the machine was switched on, sleep included.
    Boot(Duration),
    /// Reading on a system without `CLOCK_BOOTTIME`.
    Instant(Instant),
}

impl ClockReading {
    #[expect(clippy::disallowed_methods, reason = "this is the loop's clock")]
    fn take() -> Self {
        boot_time().map_or_else(|| Self::Instant(Instant::now()), Self::Boot)
    }

    fn elapsed(self) -> Duration {
        match self {
            // A clock that could be read once can be read again.
            Self::Boot(start) => boot_time().unwrap_or(start).saturating_sub(start),
            Self::Instant(start) => start.elapsed(),
        }
    }
}

impl Clock {
    /// Starts the steady clock at zero.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(Millis::ZERO)
    }

    /// Starts the steady clock at `offset`.
    #[must_use]
    pub fn start_at(offset: Millis) -> Self {
        Self { start: ClockReading::take(), offset, watch: None }
    }

    /// Wakes the loop of `registry` when the machine has slept or the wall clock was set. The
    /// timeout of a poll does not count the time that the machine sleeps.
    ///
    /// # Errors
    ///
    /// The error of the system. Without a watch, [`Clock::wake_by`] makes the loop check its clocks
    /// at regular intervals.
    pub fn watch(&mut self, registry: &Registry) -> io::Result<()> {
        self.watch = Some(ClockWatch::new(registry)?);
        Ok(())
    }

    /// Handles the event that came under [`super::CLOCK`].
    pub fn on_event(&self) {
        self.watch.iter().for_each(ClockWatch::on_event);
    }

    /// Returns the time at which a loop must check its clocks. Without a watch this is before
    /// `deadline`, if `deadline` is far away.
    #[must_use]
    pub fn wake_by(&self, deadline: Option<Millis>, now: Millis) -> Option<Millis> {
        match (&self.watch, deadline) {
            (Some(_), deadline) => deadline,
            (None, None) => Some(now.plus(CLOCK_CHECK_MS)),
            (None, Some(deadline)) => Some(deadline.min(now.plus(CLOCK_CHECK_MS))),
        }
    }

    /// Returns the time of both clocks.
    ///
    /// The steady time is rounded down, so a sleep of `deadline - now` never ends too early.
    #[must_use]
    pub fn now(&self) -> Now {
        let steady = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { steady: self.offset.plus(steady), unix: unix_now() }
    }
}

/// Returns the time since the machine was switched on, sleep included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn boot_time() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(Duration::from)
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn boot_time() -> Option<Duration> {
    None
}

/// Measures a duration.
#[derive(Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is one of the clocks")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Returns the time of the wall clock. A time before 1970 counts as the beginning of 1970.
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
