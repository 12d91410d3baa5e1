//! The next attempt to reach a coordinator, as the user sees it.

use std::fmt;

use super::Reason;
use super::notice::Seconds;

/// Time and coordinator of the next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextAttempt {
    /// Milliseconds until the attempt.
    pub ms: u64,
    /// Coordinator as the user names it; `None` if there is only one.
    pub coordinator: Option<Box<str>>,
}

/// A coordinator that does not serve this participant now, and the one that is used instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftCoordinator {
    /// The coordinator as the user names it.
    pub left: Box<str>,
    /// Reason of the failure.
    pub why: Reason,
    /// The next coordinator as the user names it.
    pub next: Box<str>,
}

impl NextAttempt {
    /// Writes that a reconnect follows.
    pub(super) fn fmt_reconnect(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Seconds(self.ms);
        match &self.coordinator {
            None => write!(f, "* reconnecting in {seconds}"),
            Some(name) => write!(f, "* reconnecting to {name} in {seconds}"),
        }
    }

    /// Writes that a command has failed, and that this attempt follows.
    pub(super) fn fmt_after(
        &self,
        command: &str,
        why: &Reason,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let seconds = Seconds(self.ms);
        match &self.coordinator {
            None => write!(f, "* {command} failed: {why}; trying again in {seconds}"),
            Some(name) => write!(f, "* {command} failed: {why}; trying {name} in {seconds}"),
        }
    }
}

impl fmt::Display for LeftCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left, why, next } = self;
        write!(f, "* coordinator {left}: {why}; going on with {next}")
    }
}
