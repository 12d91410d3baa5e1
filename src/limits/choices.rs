//! Options with a fixed list of words: `sync` and `overflow`.

use std::fmt;

use super::SYNC_PAUSE_MS_HIGHEST;

/// Time at which written records are synced to the disk (fsync).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before each confirmation.
    Always,
    /// This number of milliseconds after a write.
    Every(u64),
    /// Whenever the operating system does so by itself.
    Never,
}

impl SyncPolicy {
    /// Parses a word; the error lists the valid words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let pause_ms = || {
            let digits =
                text.strip_suffix("ms").filter(|digits| !digits.starts_with(['+', '0']))?;
            digits.parse().ok().filter(|pause_ms| *pause_ms <= SYNC_PAUSE_MS_HIGHEST)
        };
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => pause_ms().map(Self::Every).ok_or_else(|| {
                format!("always, never, or a pause from 1ms to {SYNC_PAUSE_MS_HIGHEST}ms")
            }),
        }
    }

    /// Returns the words for the first line of the coordinator.
    pub(crate) fn description(self) -> String {
        match self {
            Self::Always => "synced before each confirmation".to_owned(),
            Self::Every(pause_ms) => format!("synced every {pause_ms} ms"),
            Self::Never => "synced by the system only".to_owned(),
        }
    }
}

impl fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(pause_ms) => write!(f, "{pause_ms}ms"),
            Self::Never => f.write_str("never"),
        }
    }
}

/// Reaction to a message for which `max_backlog` has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Refuse the new message.
    Reject,
    /// Drop the oldest messages. Members that still need them get a gap.
    DropOldest,
}

impl Overflow {
    /// Parses a word; the error lists the valid words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::Reject, Self::DropOldest];
        let found = all.into_iter().find(|overflow| overflow.to_string() == text);
        found.ok_or_else(|| all.map(|overflow| overflow.to_string()).join(" or "))
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reject => "reject",
            Self::DropOldest => "drop-oldest",
        })
    }
}
