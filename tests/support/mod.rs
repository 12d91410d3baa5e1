//! What every test of a running program needs: the program itself, sockets that wait with
//! deadlines, and a transcript of all that passed for when something was not as it should be.
//!
//! ```text
//!   Coordinator ── process, temporary config ──┐
//!   Member = Client + Listener + MessageSocket ├── Scene: transcript, exit status, stderr
//!   Client, MessageSocket ── both a Wire ──────┘
//! ```
//!
//! Nothing here sleeps. Silence is proved by a later line that must come and does come next.

pub(crate) mod coordinator;
#[cfg(feature = "participant")]
pub(crate) mod fake;
pub(crate) mod listener;
pub(crate) mod member;
#[cfg(target_os = "linux")]
pub(crate) mod netns;
#[cfg(feature = "participant")]
pub(crate) mod participant;
pub(crate) mod port;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) mod preload;
pub(crate) mod rng;
pub(crate) mod scene;
pub(crate) mod vitals;
pub(crate) mod wire;

use std::time::{Duration, Instant};

/// How long anything may take that must happen. Reached only by tests that fail.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The time that is left for something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    start: Instant,
    limit: Duration,
}

impl Timer {
    /// Starts to run.
    #[expect(clippy::disallowed_methods, reason = "the tests' only clock")]
    pub(crate) fn start(limit: Duration) -> Self {
        Self { start: Instant::now(), limit }
    }

    /// What has passed.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What is left of the limit; `None` at its end.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.limit.checked_sub(self.start.elapsed()).filter(|left| !left.is_zero())
    }
}

/// The value of `key` in a reply or a line of `members`.
#[track_caller]
pub(crate) fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let value = line.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key}= in {line:?}"))
}

/// The number that `key` has in a reply or a line of `members`.
#[track_caller]
pub(crate) fn number(line: &str, key: &str) -> u64 {
    let value = field(line, key);
    value.parse().unwrap_or_else(|_| panic!("{key}={value} is not a number in {line:?}"))
}
