//! The kinds of lines for the user: outcomes of commands, and events.

use super::Notice;

/// Kind of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// A reply to a command of the user.
    Reply,
    /// A line of the answer to a command, which is not the first line of a reply.
    Row,
    /// A failure of a command.
    Error,
    /// An event that is no answer to a command.
    Event,
}

impl Notice {
    /// Returns the kind of the notice.
    #[must_use]
    pub const fn kind(&self) -> NoticeKind {
        match self {
            Self::Reply(_) => NoticeKind::Reply,
            Self::Member { .. } | Self::MembersTableHead | Self::Status(_) | Self::Help => {
                NoticeKind::Row
            }
            Self::BadCommand(_)
            | Self::Failed { .. }
            | Self::Unanswered { .. }
            | Self::NotSent { .. }
            | Self::Unfinished { .. }
            | Self::Abandoned { .. } => NoticeKind::Error,
            Self::Waiting { .. }
            | Self::RateLimited(_)
            | Self::Outbox(_)
            | Self::SendingWaiting(..)
            | Self::Listening { .. }
            | Self::Connected { .. }
            | Self::MessageSocketLost { .. }
            | Self::TakenOver(_)
            | Self::CommandSocketLost { .. }
            | Self::Paused(_)
            | Self::FailedOver(_)
            | Self::TryFailed { .. }
            | Self::Forgotten
            | Self::UseHere(_)
            | Self::NoPast(_)
            | Self::Reconnected { .. }
            | Self::RegisteredAgain { .. }
            | Self::NumbersWentBack(..)
            | Self::LogFailed { .. }
            | Self::LogRecovered => NoticeKind::Event,
        }
    }
}
