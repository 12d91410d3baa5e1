//! The only place that reads the clock, or waits for nothing but time.

use std::thread;
use std::time::{Duration, Instant};

/// This moment.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "whoever measures time must read a clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Lets time pass, for what a process costs that is left alone.
#[expect(clippy::disallowed_methods, reason = "to watch a process idle is to wait")]
pub fn pause(duration: Duration) {
    thread::sleep(duration);
}
