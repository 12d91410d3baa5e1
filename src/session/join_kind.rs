//! The two commands that bring a participant online.

/// Command that brings a participant online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `register`: as a new member.
    Register,
    /// `reconnect`: as a member that was offline, or takes over from itself.
    Reconnect,
}

impl JoinKind {
    /// Returns the first word of the command.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Reconnect => "reconnect",
        }
    }
}
