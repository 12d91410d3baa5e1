//! Requests that were sent and not answered.

use std::collections::VecDeque;

use super::waiting::UserRequest;

/// A request without its reply.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) source: RequestSource,
    pub(super) word: &'static str,
    pub(super) bytes: usize,
    /// Lines still to come behind `OK members` and `OK stats`.
    pub(super) rows: u64,
}

/// On whose behalf a request was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestSource {
    /// The request of the user.
    User(UserRequest),
    /// The request of the attempt to become online that is under way.
    Join,
    /// The `disconnect` before the participant ends.
    Leave,
    /// The request of nobody any more: its reply is read and dropped.
    Nobody,
}

/// Returns how many of these requests the operating system has taken at least a part of, if it has
/// not taken the last `unsent` bytes of them.
pub(super) fn handed_over(requests: &VecDeque<InFlight>, unsent: usize) -> usize {
    let mut left = unsent;
    let is_unsent = |request: &&InFlight| {
        let is_unsent = request.bytes <= left;
        left = left.saturating_sub(request.bytes);
        is_unsent
    };
    requests.len().saturating_sub(requests.iter().rev().take_while(is_unsent).count())
}
