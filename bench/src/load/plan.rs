//! What one run does.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::verifier::stamp::TEXT_BYTES_MIN;

/// When the next message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// By the clock, so many a second of all publishers together: an open loop.
    Rate(f64),
    /// As soon as fewer than so many of a publisher's are on their way: a closed loop.
    Window(u64),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate} messages/s, open loop"),
            Self::Window(window) => write!(f, "window of {window} a publisher, closed loop"),
        }
    }
}

/// One run, or one step of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Members, publishers included.
    pub participants: usize,
    /// How many of them publish.
    pub publishers: usize,
    /// Bytes of each text.
    pub size: usize,
    /// When they publish.
    pub pace: Pace,
    /// How many messages, all publishers together.
    pub messages: Option<u64>,
    /// For how long.
    pub duration_s: Option<f64>,
    /// Members a second that leave, crash or move while the load goes on.
    pub churn: f64,
    /// Milliseconds that one of them is away, on average.
    pub away_ms: u64,
    /// Seconds that a message lives.
    pub ttl_s: u64,
    /// What chance begins with.
    pub seed: u64,
    /// Whether members acknowledge.
    pub acks: bool,
    /// Whether members are real participants, each a process.
    pub processes: bool,
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
        }
    }
}

impl Plan {
    /// How long it publishes, if that is known before.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
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

    /// What is wrong with it, in words.
    ///
    /// # Errors
    ///
    /// The first thing that is.
    pub fn check(&self) -> Result<(), String> {
        let size_min = TEXT_BYTES_MIN;
        if self.participants == 0 || self.participants > 100_000 {
            return Err(format!(
                "--participants: found {}, expected 1 to 100000",
                self.participants
            ));
        }
        if self.publishers == 0 || self.publishers > self.participants {
            let (found, all) = (self.publishers, self.participants);
            return Err(format!("--publishers: found {found}, expected 1 to {all} participants"));
        }
        if self.size < size_min || self.size > 60_000 {
            return Err(format!("--size: found {}, expected {size_min} to 60000", self.size));
        }
        let is_paced = match self.pace {
            Pace::Rate(rate) => (0.001..=10e6).contains(&rate),
            Pace::Window(window) => (1..=1_000_000).contains(&window),
        };
        if !is_paced {
            return Err("--rate or --window: expected at least 0.001 or 1".to_owned());
        }
        let is_timed = self.duration_s.is_none_or(|seconds| (0.0..=1e6).contains(&seconds));
        if !is_timed || !(0.0..=1e4).contains(&self.churn) {
            return Err("--duration or --churn: expected a number from 0".to_owned());
        }
        Ok(())
    }
}

impl fmt::Display for Plan {
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
        let acks = if self.acks { "on" } else { "off" };
        write!(f, ", acks {acks}, ttl {} s, seed {}", self.ttl_s, self.seed)
    }
}
