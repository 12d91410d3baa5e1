//! Limits on the numbers of members and command sockets, as the reason of an `ERR 421`.

use std::fmt;

/// A limit that is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// Limit `max_members` on members.
    Members {
        /// Most members in all.
        max: usize,
    },
    /// Limit `max_members_per_address` on members.
    MembersAt {
        /// IPv4 address, or IPv6 /64 network.
        address: Box<str>,
        /// Most members at one address.
        max: usize,
    },
    /// Limit `ids` of the access file on the members of one owner.
    MembersOf {
        /// Key or address of the owner.
        owner: Box<str>,
        /// Most members of one owner.
        max: usize,
    },
    /// Limit `max_connections` on command sockets.
    Connections {
        /// Most command sockets.
        max: usize,
    },
    /// Limit `max_connections_per_address` on command sockets.
    ConnectionsFrom {
        /// IPv4 address, or IPv6 /64 network.
        address: Box<str>,
        /// Most command sockets from one address.
        max: usize,
    },
    /// A command socket without a request so far is closed, to make room for another one.
    Silent {
        /// `max_connections`; `None` if the process has no file descriptor left.
        max: Option<usize>,
    },
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members { max } => write!(
                f,
                "too many members: {max} is the limit (max_members): ask the operator to \
                 deregister one, or to raise the limit"
            ),
            Self::MembersAt { address, max } => write!(
                f,
                "too many members at {address}: {max} is the limit (max_members_per_address): \
                 deregister one of them first"
            ),
            Self::MembersOf { owner, max } => write!(
                f,
                "too many members of {owner}: {max} is the limit (ids of the access file): \
                 deregister one of them first"
            ),
            Self::Connections { max } => write!(
                f,
                "too many connections: {max} is the limit (max_connections): try again later"
            ),
            Self::ConnectionsFrom { address, max } => write!(
                f,
                "too many connections from {address}: {max} is the limit \
                 (max_connections_per_address): close one of them first"
            ),
            Self::Silent { max } => {
                f.write_str("too many connections: ")?;
                match max {
                    Some(max) => write!(f, "{max} is the limit (max_connections)"),
                    None => f.write_str("the coordinator has no file descriptor left"),
                }?;
                f.write_str(
                    ", and this one has sent no request: connect again when you have a request",
                )
            }
        }
    }
}
