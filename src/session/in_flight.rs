//! One request that was sent and not answered, and the number of requests that the operating system
//! has taken.

use std::collections::VecDeque;

use super::Notice;
use super::user_request::UserRequest;

/// A request that was sent and has no reply yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) source: RequestSource,
    pub(super) word: &'static str,
    pub(super) bytes: usize,
    /// Number of lines still to come of a list.
    pub(super) rows: u64,
}

/// The sender of a request within the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestSource {
    /// A command of the user.
    User(UserRequest),
    /// The `register` or `reconnect` under way.
    Join,
    /// The `disconnect` of a shutdown.
    Leave,
    /// A request that was given up: its reply is read and dropped.
    GivenUp,
}

impl RequestSource {
    /// Returns the notice for a line of the reply: the first line, or a row.
    pub(super) fn notice(&self, line: &str, is_first: bool) -> Notice {
        match self {
            Self::User(request) => request.ask.notice(line, is_first),
            Self::Join | Self::Leave | Self::GivenUp => Notice::Reply(line.into()),
        }
    }

    /// Returns true if the reply has rows behind its first line.
    pub(super) const fn has_rows(&self) -> bool {
        match self {
            Self::User(request) => request.ask.is_list(),
            Self::Join | Self::Leave | Self::GivenUp => false,
        }
    }
}

/// Returns the number of requests of which the operating system has taken at least one byte, if it
/// has not taken the last `unsent` bytes of all requests.
pub(super) fn handed_over(requests: &VecDeque<InFlight>, unsent: usize) -> usize {
    let mut left = unsent;
    let is_unsent = |request: &&InFlight| {
        let is_unsent = request.bytes <= left;
        left = left.saturating_sub(request.bytes);
        is_unsent
    };
    requests.len().saturating_sub(requests.iter().rev().take_while(is_unsent).count())
}
