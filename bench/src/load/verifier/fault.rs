//! Faults of a coordinator in words: their number, and the first of them.

use std::fmt::Display;

/// Faults that the report describes; further ones are only counted.
const DESCRIBED_MAX: usize = 10;

#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) count: u64,
    pub(crate) first: Vec<String>,
}

impl Faults {
    pub(crate) fn add(&mut self, member: &str, fault: impl Display) {
        self.count += 1;
        if self.first.len() < DESCRIBED_MAX {
            self.first.push(format!("{member}: {fault}"));
        }
    }
}

pub(crate) fn malformed(line: &[u8]) -> String {
    format!("not a line of the protocol: {:?}", excerpt(line))
}

pub(crate) fn unexpected(reply: &[u8]) -> String {
    format!("unexpected reply: {:?}", excerpt(reply))
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
