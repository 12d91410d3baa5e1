//! Number of the requests that wait, as the user reads it.

use std::fmt;

/// Number of the requests that wait. They are messages, or messages and other commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingCount {
    pub(super) number: usize,
    /// True if each request sends a message.
    pub(super) are_messages: bool,
}

impl fmt::Display for WaitingCount {
    /// Writes the number and the noun: `2 messages`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, are_messages } = self;
        let noun = if *are_messages { "message" } else { "command" };
        let plural = if *number == 1 { "" } else { "s" };
        write!(f, "{number} {noun}{plural}")
    }
}
