//! Why a request was refused: every `ERR` there is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Malformed;

/// A refusal: a code for programs, words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: the request could not be understood.
    Malformed(Malformed),
    /// 403: no participant can listen there (unspecified, multicast,
    /// broadcast, or a link-local address of IPv6, which names no interface).
    Unusable(IpAddr),
    /// 403: a request names an address that it does not come from.
    Foreign {
        /// The address that the request names.
        named: IpAddr,
        /// The address that the command socket comes from.
        peer: IpAddr,
    },
    /// 403: the port is one of the system's.
    LowPort(u16),
    /// 403: the port is the coordinator's own.
    OwnPort(u16),
    /// 403: the id was registered from another address.
    IdElsewhere,
    /// 404: the id is not a member.
    NotAMember,
    /// 408: a line was begun and not finished in time.
    Unfinished {
        /// `line_timeout` in milliseconds.
        timeout_ms: u64,
    },
    /// 409: not now.
    Misstep(Misstep),
    /// 413: a line has more bytes than it may.
    TooLong {
        /// `max_line`.
        max: usize,
    },
    /// 421: no room for another member.
    TooManyMembers {
        /// `max_members`.
        max: usize,
    },
    /// 421: no room for another command socket.
    TooManyConnections {
        /// `max_connections`.
        max: usize,
    },
    /// 502: the connect-back failed.
    ConnectFailed {
        /// Where to.
        address: SocketAddr,
        /// The operating system's words.
        reason: Box<str>,
    },
    /// 503: the coordinator is about to end.
    ShuttingDown,
    /// 506: nothing can be written down.
    JournalFails,
    /// 506: the disk does not keep up, and as much waits to be written as may.
    JournalFull,
    /// 507: the message would exceed `max_backlog`.
    BacklogFull {
        /// `max_backlog`.
        max: u64,
    },
}

/// A request that does not go with the state its id is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misstep {
    /// `register` of a member.
    AlreadyAMember,
    /// `register` while another one is under way.
    AlreadyRegistering,
    /// `disconnect` of a member that is offline.
    AlreadyOffline,
    /// `msend` of a member that is offline.
    OfflineCannotSend,
    /// `reconnect` overtaken by another one.
    Superseded,
    /// `reconnect` ended by `disconnect` or `deregister`.
    Cancelled,
}

impl Refusal {
    /// The code on the wire.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unusable(_)
            | Self::Foreign { .. }
            | Self::LowPort(_)
            | Self::OwnPort(_)
            | Self::IdElsewhere => 403,
            Self::NotAMember => 404,
            Self::Unfinished { .. } => 408,
            Self::Misstep(_) => 409,
            Self::TooLong { .. } => 413,
            Self::TooManyMembers { .. } | Self::TooManyConnections { .. } => 421,
            Self::ConnectFailed { .. } => 502,
            Self::ShuttingDown => 503,
            Self::JournalFails | Self::JournalFull => 506,
            Self::BacklogFull { .. } => 507,
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Misstep> for Refusal {
    fn from(misstep: Misstep) -> Self {
        Self::Misstep(misstep)
    }
}

impl fmt::Display for Refusal {
    /// `<code> <reason>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code())?;
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Unusable(IpAddr::V6(ip)) if ip.is_unicast_link_local() => {
                write!(f, "ip: {ip} is link-local, on an interface that no request can name")
            }
            Self::Unusable(ip) => write!(f, "ip: {ip} is not the address of one machine"),
            Self::Foreign { named, peer } => {
                write!(f, "ip: {named} is not {peer}, where this request comes from")
            }
            Self::LowPort(port) => write!(f, "port: {port} is below 1024"),
            Self::OwnPort(port) => write!(f, "port: {port} there is the coordinator itself"),
            Self::IdElsewhere => f.write_str("id: registered from another address"),
            Self::NotAMember => f.write_str("not a member"),
            Self::Unfinished { timeout_ms } => {
                write!(f, "line not finished within {timeout_ms} ms")
            }
            Self::Misstep(misstep) => misstep.fmt(f),
            Self::TooLong { max } => write!(f, "line exceeds {max} bytes"),
            Self::TooManyMembers { max } => write!(f, "too many members: {max} is the limit"),
            Self::TooManyConnections { max } => {
                write!(f, "too many connections: {max} is the limit")
            }
            Self::ConnectFailed { address, reason } => {
                write!(f, "cannot connect to {address}: {reason}")
            }
            Self::ShuttingDown => f.write_str("shutting down"),
            Self::JournalFails => f.write_str("the journal cannot be written"),
            Self::JournalFull => f.write_str("the journal is behind: the disk is slow, try later"),
            Self::BacklogFull { max } => write!(f, "backlog full: {max} bytes is the limit"),
        }
    }
}

impl fmt::Display for Misstep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyAMember => "already a member",
            Self::AlreadyRegistering => "already registering",
            Self::AlreadyOffline => "already offline",
            Self::OfflineCannotSend => "offline: reconnect first",
            Self::Superseded => "superseded by a later reconnect",
            Self::Cancelled => "cancelled",
        })
    }
}
