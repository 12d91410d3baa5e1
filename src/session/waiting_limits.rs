//! Limits of the requests that wait: in memory, and in an outbox file.

use std::fmt;

use crate::limits::{
    OUTBOX_BYTES_MAX, OUTBOX_MAX, OUTBOX_MS_MAX, WAITING_BYTES_MAX, WAITING_MAX, WAITING_MS_MAX,
};
use crate::text::Counted;

/// Most requests that wait, their bytes, and the time that a request may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingLimits {
    pub(super) number: usize,
    pub(super) bytes: usize,
    pub(super) ms: u64,
}

impl WaitingLimits {
    /// Limits of requests that wait in memory.
    pub(super) const MEMORY: Self =
        Self { number: WAITING_MAX, bytes: WAITING_BYTES_MAX, ms: WAITING_MS_MAX };
    /// Limits of texts that wait in a file.
    pub(super) const FILE: Self =
        Self { number: OUTBOX_MAX, bytes: OUTBOX_BYTES_MAX, ms: OUTBOX_MS_MAX };

    /// Returns the longest time in words: `120 s`, `7 days`.
    pub(super) const fn time(self) -> LongestWait {
        LongestWait(self.ms)
    }
}

/// Milliseconds that a request may wait, in seconds or whole days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongestWait(u64);

impl fmt::Display for LongestWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        match self.0.is_multiple_of(DAY_MS) {
            true => Counted(self.0.div_euclid(DAY_MS), "day", "days").fmt(f),
            false => write!(f, "{} s", self.0.div_euclid(1000)),
        }
    }
}
