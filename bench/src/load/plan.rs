//! One run, or one step of a sweep.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use super::verifier::stamp::TEXT_BYTES_MIN;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pace {
    /// Messages a second of all publishers together, sent by the clock: an open loop.
    Rate(f64),
    /// Messages that each publisher has in flight: a closed loop.
    Window(u64),
}

impl Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate} messages/s, open loop"),
            Self::Window(window) => write!(f, "window of {window} a publisher, closed loop"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Plan {
    /// Members, publishers included.
    pub(super) participants: usize,
    pub(super) publishers: usize,
    /// Bytes of each text.
    pub(super) size: usize,
    pub(super) pace: Pace,
    /// Messages of all publishers together.
    pub(super) messages: Option<u64>,
    pub(super) duration_s: Option<f64>,
    /// Members a second that disconnect, crash or take over.
    pub(super) churn: f64,
    /// Average time that a member is away.
    pub(super) away_ms: u64,
    pub(super) ttl_s: u64,
    pub(super) seed: u64,
    pub(super) acks: bool,
    /// Members are real participants, each a process.
    pub(super) processes: bool,
    /// Members get their messages on connections that they make.
    pub(super) here: bool,
    pub(super) tls: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            participants: 500,
            publishers: 1,
            size: 100,
            pace: Pace::Rate(100.0),
            messages: None,
            duration_s: None,
            churn: 0.0,
            away_ms: 500,
            ttl_s: 60,
            seed: 1,
            acks: true,
            processes: false,
            here: false,
            tls: false,
        }
    }
}

impl Plan {
    /// Time of publishing, if it is known before.
    pub(super) fn duration(&self) -> Option<Duration> {
        let by_rate = match (self.pace, self.messages) {
            (Pace::Rate(rate), Some(messages)) => Some(messages as f64 / rate),
            (Pace::Rate(_), None) | (Pace::Window(_), _) => None,
        };
        let shorter = match (self.duration_s, by_rate) {
            (Some(asked), Some(needed)) => Some(asked.min(needed)),
            (asked, needed) => asked.or(needed),
        };
        shorter.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// Says which value is out of its range.
    pub(super) fn check(&self) -> Result<(), String> {
        within("participants", &self.participants, 1..=100_000)?;
        within("publishers", &self.publishers, 1..=self.participants)?;
        within("size", &self.size, TEXT_BYTES_MIN..=60_000)?;
        match &self.pace {
            Pace::Rate(rate) => within("rate", rate, 0.001..=10e6)?,
            Pace::Window(window) => within("window", window, 1..=1_000_000)?,
        }
        within("duration", &self.duration_s.unwrap_or(0.0), 0.0..=1e6)?;
        within("churn", &self.churn, 0.0..=1e4)
    }
}

fn within<T: PartialOrd + Display>(
    option: &str,
    found: &T,
    range: RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(found) {
        return Ok(());
    }
    Err(format!("--{option}: found {found}, expected {} to {}", range.start(), range.end()))
}

impl Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.processes { "real participants" } else { "lightweight members" };
        write!(f, "{} {kind}, {} publishing, ", self.participants, self.publishers)?;
        write!(f, "{} B, {}", self.size, self.pace)?;
        if let Some(messages) = self.messages {
            write!(f, ", {messages} messages")?;
        }
        if let Some(seconds) = self.duration_s {
            write!(f, ", {seconds} s")?;
        }
        if self.churn > 0.0 {
            write!(f, ", churn {}/s away {} ms", self.churn, self.away_ms)?;
        }
        for (word, is_on) in [("here", self.here), ("TLS", self.tls)] {
            if is_on {
                write!(f, ", {word}")?;
            }
        }
        let acks = if self.acks { "on" } else { "off" };
        write!(f, ", acks {acks}, ttl {} s, seed {}", self.ttl_s, self.seed)
    }
}
