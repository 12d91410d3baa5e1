//! Time as a value. A shell reads its clocks in `net/clock.rs`, and passes the time on.

use std::fmt;
use std::time::Duration;

/// Milliseconds on the steady clock. This clock never jumps. It continues while the machine sleeps,
/// if the system has such a clock.
///
/// The clock of a participant starts at zero with the program. The clock of a coordinator with a
/// journal is the group time, which goes on over restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u64);

impl Millis {
    /// Start of the clock.
    pub const ZERO: Self = Self(0);

    /// Returns the time `millis` after the start of the clock.
    #[must_use]
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the start of the clock.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns the time `millis` later, at most the highest value.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Returns the milliseconds since `earlier`; 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the duration since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.since(earlier))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z on the wall clock. This clock may jump, so that it is
/// only for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Last millisecond of the year 9999, the last one that RFC 3339 can write.
    pub const END_OF_9999: Self = Self(253_402_300_799_999);
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One reading of both clocks, taken once in a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Reading of the steady clock, for all deadlines and ages.
    pub steady: Millis,
    /// Reading of the wall clock, for the times in deliveries.
    pub unix: UnixMillis,
}
