//! The only functions that read the clock and sleep.

use std::thread;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a measurement of time reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Sleeps, while an idle process is measured or a server starts.
#[expect(clippy::disallowed_methods, reason = "an idle process is measured over time")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}
