//! Ends of a message socket, and of a life of the numbers, in words for the user.

use std::fmt;

use crate::protocol::{Bye, Seq};
use crate::text;

/// Consequence of a takeover by another program, for the user.
pub(super) const TAKEN_OVER: &str =
    "another program uses this id; staying offline, `reconnect` takes the id back";

/// A reason of the coordinator's in words for the user.
pub(super) fn fmt_bye(reason: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(bye) = Bye::parse(reason) else {
        return write!(f, "the coordinator closed it: {}", text::for_terminal(reason));
    };
    match bye {
        Bye::Disconnected => f.write_str("another program disconnected this id"),
        Bye::Deregistered => f.write_str("another program deregistered this id"),
        Bye::ShuttingDown => f.write_str("the coordinator is shutting down"),
        Bye::TakenOver(by) => write!(f, "taken over by {by}"),
        Bye::Stalled => f.write_str("stalled: this participant took no messages for too long"),
        Bye::Closed => f.write_str("the coordinator saw the connection end"),
        Bye::BadAck => f.write_str("the coordinator refused an acknowledgement"),
        Bye::NewEpoch => f.write_str("the coordinator began a new epoch"),
    }
}

pub(super) fn fmt_went_back(next: Seq, last: Seq, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "* numbers went back: the coordinator goes on with {next}, the last one here is ")?;
    write!(f, "{last}; messages may have been missed, and all that come are taken as new")
}
