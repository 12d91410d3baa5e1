//! What a coordinator must never do, in words.

use std::fmt;

/// Faults described in a report; the others are counted.
const DESCRIBED_MAX: usize = 10;

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Neither delivered nor counted in a gap.
    Lost { seq: u64 },
    /// Delivered, or counted in a gap, and delivered again.
    Doubled { seq: u64 },
    /// Delivered after a later one.
    Reordered { seq: u64, next: u64 },
    /// From before the member registered.
    TooEarly { seq: u64 },
    /// What its publisher itself sent.
    Own { seq: u64 },
    /// Not what was sent, or not what others got under this number.
    Altered { seq: u64, line: String },
    /// A publisher's texts have numbers in another order than they were sent in.
    OutOfTurn { seq: u64 },
    /// A gap that counts what it must not, or not what it must.
    Gap { line: String, why: String },
    /// A line that is none of the protocol's.
    Malformed { line: String },
    /// A reply that does not go with the request.
    Reply { line: String },
    /// A message was accepted under two numbers, or two under one.
    Number { seq: u64 },
    /// A connection that was closed for no reason known here.
    Closed { what: String },
    /// Something that did not come in time.
    Stuck { what: String },
    /// The coordinator counts another number of messages than were accepted here.
    Count { next: u64, expected: u64 },
    /// A message log does not hold what its participant showed.
    Log { what: String },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { seq } => {
                write!(f, "message {seq} is lost: neither delivered nor in a gap")
            }
            Self::Doubled { seq } => write!(f, "message {seq} was delivered or told lost twice"),
            Self::Reordered { seq, next } => {
                write!(f, "message {seq} is out of order: it came after message {}", next - 1)
            }
            Self::TooEarly { seq } => write!(f, "message {seq} is from before the registration"),
            Self::Own { seq } => write!(f, "message {seq} was delivered to its own publisher"),
            Self::Altered { seq, line } => {
                write!(f, "message {seq} is altered: not as sent, or as others got it: {line:?}")
            }
            Self::OutOfTurn { seq } => {
                write!(f, "message {seq} has a higher number than one sent after it")
            }
            Self::Gap { line, why } => write!(f, "{line:?} is wrong: {why}"),
            Self::Malformed { line } => write!(f, "not a line of the protocol: {line:?}"),
            Self::Reply { line } => write!(f, "unexpected reply: {line:?}"),
            Self::Number { seq } => {
                write!(f, "number {seq} was given to two messages, or one message has two")
            }
            Self::Closed { what } => write!(f, "{what} was closed by the coordinator"),
            Self::Stuck { what } => write!(f, "stuck: {what}"),
            Self::Count { next, expected } => {
                write!(f, "the coordinator's next number is {next}, by its replies {expected}")
            }
            Self::Log { what } => write!(f, "message log: {what}"),
        }
    }
}

/// All faults of a run: how many, and the first of them in words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    count: u64,
    described: Vec<String>,
}

impl Faults {
    /// Takes one down; `who` it happened to.
    pub(crate) fn add(&mut self, who: &str, fault: &Fault) {
        self.count += 1;
        if self.described.len() < DESCRIBED_MAX {
            self.described.push(format!("{who}: {fault}"));
        }
    }

    /// How many there are.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first of them.
    #[must_use]
    pub(crate) fn described(&self) -> &[String] {
        &self.described
    }
}

/// Bytes of a peer as they can be shown, cut where they get long.
#[must_use]
pub(crate) fn shown(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 120;
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\n');
    let mut shown: String = text.chars().take(CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
