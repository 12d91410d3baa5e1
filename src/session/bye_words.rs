//! The coordinator's reasons for closing a message socket, in words for the user.

use std::fmt;

use crate::protocol::Bye;

/// What follows from a takeover by another program.
pub(super) const TAKEN_OVER: &str =
    "another program uses this id; staying offline, `reconnect` takes the id back";

/// A reason of the coordinator's in words for the user.
pub(super) fn fmt_bye(bye: Bye, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
