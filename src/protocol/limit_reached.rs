//! Limits on the number of members and command sockets, as the reason of a refusal.

use std::fmt;

/// Table that has no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// Another member.
    Members {
        /// `max_members`.
        max: usize,
    },
    /// Another member at this address.
    MembersAt {
        /// The IPv4 address, or the IPv6 network.
        address: Box<str>,
        /// `max_members_per_address`.
        max: usize,
    },
    /// Another command socket.
    Connections {
        /// `max_connections`.
        max: usize,
    },
    /// Another command socket from this address.
    ConnectionsFrom {
        /// The IPv4 address, or the IPv6 network.
        address: Box<str>,
        /// `max_connections_per_address`.
        max: usize,
    },
    /// A command socket that has brought no request: it gives way to another one.
    Silent {
        /// `max_connections`; `None` if the process has no file left for another one.
        max: Option<usize>,
    },
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members { max } => write!(
                f,
                "too many members: {max} is the limit (max_members): deregister a member first"
            ),
            Self::MembersAt { address, max } => write!(
                f,
                "too many members at {address}: {max} is the limit (max_members_per_address): \
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
                    None => f.write_str("no file descriptor is left for another one"),
                }?;
                f.write_str(
                    ", and this one has sent no request: connect again when you have a request",
                )
            }
        }
    }
}
