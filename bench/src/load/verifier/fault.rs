//! Faults of a coordinator, in words, and the list of them that the report shows.

use std::fmt;

/// Faults that the report describes; further ones are only counted.
const DESCRIBED_MAX: usize = 10;

/// One broken guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Lost { seq: u64 },
    Doubled { seq: u64 },
    Reordered { seq: u64, next: u64 },
    TooEarly { seq: u64 },
    OwnMessage { seq: u64 },
    Altered { seq: u64, line: String },
    SenderOrder { seq: u64 },
    Gap { line: String, why: String },
    Malformed { line: String },
    Reply { line: String },
    DuplicateSeq { seq: u64 },
    Closed { what: &'static str },
    Stuck { what: String },
    NextSeq { next: u64, expected: u64 },
    MessageLog { what: String },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { seq } => {
                write!(f, "message {seq} is lost: neither delivered nor counted in a gap")
            }
            Self::Doubled { seq } => {
                write!(f, "message {seq} was delivered or reported lost twice")
            }
            Self::Reordered { seq, next } => {
                write!(f, "message {seq} is out of order: it came after message {}", next - 1)
            }
            Self::TooEarly { seq } => write!(f, "message {seq} is from before the registration"),
            Self::OwnMessage { seq } => write!(f, "message {seq} was delivered to its publisher"),
            Self::Altered { seq, line } => {
                write!(f, "message {seq} differs from what was sent or others received: {line:?}")
            }
            Self::SenderOrder { seq } => {
                write!(f, "message {seq} has a higher number than one sent after it")
            }
            Self::Gap { line, why } => write!(f, "{line:?} is wrong: {why}"),
            Self::Malformed { line } => write!(f, "not a line of the protocol: {line:?}"),
            Self::Reply { line } => write!(f, "unexpected reply: {line:?}"),
            Self::DuplicateSeq { seq } => {
                write!(f, "number {seq} was given to two messages, or one message has two numbers")
            }
            Self::Closed { what } => write!(f, "the coordinator closed {what}"),
            Self::Stuck { what } => write!(f, "stuck: {what}"),
            Self::NextSeq { next, expected } => {
                write!(f, "the coordinator's next number is {next}, by its replies {expected}")
            }
            Self::MessageLog { what } => write!(f, "message log: {what}"),
        }
    }
}

/// Number of faults in a run, and the first of them in words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) count: u64,
    pub(crate) first: Vec<String>,
}

impl Faults {
    /// Adds a fault that concerns `member`.
    pub(crate) fn add(&mut self, member: &str, fault: &Fault) {
        self.count += 1;
        if self.first.len() < DESCRIBED_MAX {
            self.first.push(format!("{member}: {fault}"));
        }
    }
}

/// Returns the beginning of a peer's line as text.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 120;
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\n');
    let mut excerpt: String = text.chars().take(CHARS_MAX).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}
