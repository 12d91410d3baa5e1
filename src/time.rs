//! Time as a value: nobody here reads a clock.

use std::fmt;
use std::time::Duration;

/// Milliseconds of the steady clock, counted from the start of the program. It never jumps, and it
/// goes on while the machine sleeps, where the system has such a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u64);

impl Millis {
    /// The beginning.
    pub const ZERO: Self = Self(0);

    /// `millis` after the beginning.
    #[must_use]
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// This moment and `millis` more; the end of time is as far as it goes.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this moment; 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time from `earlier` to this moment; nothing if `earlier` is later.
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

/// Milliseconds since 1970-01-01T00:00:00Z by the wall clock, which may jump: for people only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The last millisecond of the last year that RFC 3339 can write.
    pub const END_OF_9999: Self = Self(253_402_300_799_999);
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One reading of both clocks: a turn takes it once and hands it down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// By the clock that every deadline and every age is measured with.
    pub steady: Millis,
    /// What a delivery shows to people.
    pub unix: UnixMillis,
}
