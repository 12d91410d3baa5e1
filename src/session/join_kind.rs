//! Kinds of attempts.

/// The two ways to become online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `register`: as a new member.
    Register,
    /// `reconnect`: as a member that was offline, or takes over from itself.
    Reconnect,
}

impl JoinKind {
    /// The command's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Reconnect => "reconnect",
        }
    }
}
