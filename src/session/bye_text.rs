//! Texts for the user: why a message socket ended, and numbers that went back.

use std::fmt;

use crate::protocol::{Bye, Seq};
use crate::text;

/// Consequence of a takeover by another program.
pub(super) const TAKEN_OVER: &str =
    "another program uses this id. This participant stays offline; `reconnect` takes the id back";

/// Writes the reason of a `bye` in words for the user.
pub(super) fn fmt_bye(reason: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(bye) = Bye::parse(reason) else {
        return write!(f, "the coordinator closed it, reason: {}", text::for_terminal(reason));
    };
    match bye {
        Bye::Disconnected => f.write_str("another program disconnected this id"),
        Bye::Deregistered => f.write_str("another program deregistered this id"),
        Bye::ShuttingDown => f.write_str("the coordinator is shutting down"),
        Bye::TakenOver(by) => write!(f, "taken over by {by}"),
        Bye::Stalled => f.write_str("stalled: this participant took no messages for too long"),
        Bye::Closed => f.write_str("the coordinator saw the connection end"),
        Bye::BadAck => f.write_str("the coordinator refused an acknowledgement"),
        Bye::NewEpoch => f.write_str("the coordinator started a new epoch"),
        Bye::AccessRevoked => f.write_str("the coordinator no longer lets this id in"),
        Bye::CertificateExpired => f.write_str("the certificate of this participant has expired"),
    }
}

pub(super) fn fmt_went_back(next: Seq, last: Seq, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "* numbers went back: the coordinator continues with {next}, the last number here ")?;
    write!(f, "is {last}. Messages may have been missed; all that follow are logged as new")
}
