//! A shutdown of the session: stops reading, waits until the log is written, acknowledges, and then
//! sends `disconnect`.

use crate::limits::QUIT_MS;
use crate::time::Millis;

/// A shutdown under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionShutdown {
    /// The session exits at this time, even if work is left.
    until: Millis,
    /// `disconnect` was sent.
    asked: bool,
    /// The coordinator has sent `OK`, and its connect-back may still come.
    is_awaited: bool,
}

impl SessionShutdown {
    pub(super) const fn new(is_awaited: bool, now: Millis) -> Self {
        Self { until: now.plus(QUIT_MS), asked: false, is_awaited }
    }

    pub(super) const fn deadline(&self) -> Millis {
        self.until
    }

    /// Returns true if `disconnect` was sent.
    pub(super) const fn has_asked(&self) -> bool {
        self.asked
    }

    /// Returns true if a connect-back may still come.
    pub(super) const fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// Sets whether `disconnect` was sent. A coordinator that has not read it gets it again.
    pub(super) const fn set_asked(&mut self, asked: bool) {
        self.asked = asked;
    }
}
