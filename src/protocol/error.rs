//! Errors of requests: every `ERR` reply.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::{Forbidden, LimitReached, Malformed, Seq, Unauthorized};

/// Error of a request: a code for programs, and a reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// 400: the request has a syntax error.
    Malformed(Malformed),
    /// 401: no line of the access file fits the client.
    Unauthorized(Box<Unauthorized>),
    /// 403: the access rules do not allow the request to a known client.
    Forbidden(Box<Forbidden>),
    /// 403: no participant can listen at this address. It is unspecified, multicast or broadcast,
    /// or it is an IPv6 link-local address, which names no interface.
    Unusable(IpAddr),
    /// 403: the request names an address that it does not come from.
    Foreign {
        /// The address that the request names.
        named: IpAddr,
        /// The address that the command socket comes from.
        peer: IpAddr,
    },
    /// 403: ports below 1024 are reserved for the system.
    LowPort(u16),
    /// 403: the port is the coordinator's own.
    OwnPort(u16),
    /// 403: the id was registered from another address.
    IdElsewhere {
        /// Address that the id was registered from.
        owner: IpAddr,
        /// The address that the request names.
        named: IpAddr,
    },
    /// 404: the id is not a member.
    NotAMember,
    /// 408: a line was not finished within `line_timeout`.
    Unfinished {
        /// `line_timeout` in milliseconds.
        timeout_ms: u64,
    },
    /// 409: the request conflicts with the state of its id.
    Conflict(Conflict),
    /// 413: a line is longer than `max_line`.
    TooLong {
        /// `max_line` in bytes.
        max: usize,
    },
    /// 413: a long line is not finished, and the unfinished lines of all clients exceed their
    /// limit.
    TooMuchUnfinished {
        /// Bytes of this line so far.
        bytes: usize,
        /// Most bytes of unfinished lines of all clients.
        max: usize,
    },
    /// 421: a limit on members or connections is reached.
    LimitReached(LimitReached),
    /// 429: the id sends faster than its `rate`.
    TooFast {
        /// `rate`: most texts a second.
        rate: u32,
        /// Milliseconds until the id may send again.
        wait_ms: u64,
    },
    /// 502: the connect-back failed.
    ConnectFailed {
        /// Address of the connect-back.
        address: SocketAddr,
        /// Error text of the operating system.
        reason: Box<str>,
    },
    /// 503: the coordinator shuts down.
    ShuttingDown,
    /// 506: the journal cannot be written.
    JournalFails,
    /// 506: the bytes that wait for the journal have reached their limit, because the disk is slow.
    JournalFull,
    /// 506: the coordinator has not read what others wrote: this is the last seq that it has read.
    JournalBehind(Seq),
    /// 507: the message would exceed `max_backlog`.
    BacklogFull {
        /// `max_backlog` in bytes.
        max: u64,
        /// Reason why old messages are still needed.
        holder: BacklogHolder,
    },
    /// 507: the last possible seq was given out.
    NoNumberLeft,
    /// 507: the sender has [`OWN_RANGES_MAX`](crate::limits::OWN_RANGES_MAX) ranges of own messages
    /// between messages that it has not acknowledged.
    TooManyUnacked {
        /// Most ranges of own seqs.
        max: usize,
    },
}

/// Holder of the oldest needed message in a full backlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BacklogHolder {
    /// The member that needs the oldest message.
    Member {
        /// Id of the member.
        id: Box<str>,
        /// Bytes of the messages from the oldest needed one to the newest.
        bytes: u64,
    },
    /// The journal: the newest messages are not committed, so that no older ones can be dropped.
    Journal,
}

/// Conflict of a request with the state of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// `register` of a member.
    AlreadyAMember,
    /// `register` while another `register` of the id is under way.
    AlreadyRegistering,
    /// `disconnect` of a member that is offline.
    AlreadyOffline,
    /// `msend` or `send` of a member that is offline.
    OfflineCannotSend,
    /// `send` with a number above the next one.
    NumberTooHigh {
        /// The next number.
        expected: u64,
    },
    /// `reconnect` replaced by a later one.
    Superseded,
    /// `reconnect` cancelled by `disconnect` or `deregister`.
    Cancelled,
}

impl RequestError {
    /// Returns the code on the wire.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unauthorized(_) => 401,
            Self::Unusable(_)
            | Self::Foreign { .. }
            | Self::LowPort(_)
            | Self::OwnPort(_)
            | Self::Forbidden(_)
            | Self::IdElsewhere { .. } => 403,
            Self::NotAMember => 404,
            Self::Unfinished { .. } => 408,
            Self::Conflict(_) => 409,
            Self::TooLong { .. } | Self::TooMuchUnfinished { .. } => 413,
            Self::LimitReached(_) => 421,
            Self::TooFast { .. } => 429,
            Self::ConnectFailed { .. } => 502,
            Self::ShuttingDown => 503,
            Self::JournalFails | Self::JournalFull | Self::JournalBehind(_) => 506,
            Self::BacklogFull { .. } | Self::TooManyUnacked { .. } | Self::NoNumberLeft => 507,
        }
    }
}

impl From<Malformed> for RequestError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Unauthorized> for RequestError {
    fn from(unauthorized: Unauthorized) -> Self {
        Self::Unauthorized(unauthorized.into())
    }
}

impl From<Forbidden> for RequestError {
    fn from(forbidden: Forbidden) -> Self {
        Self::Forbidden(forbidden.into())
    }
}

impl From<LimitReached> for RequestError {
    fn from(limit: LimitReached) -> Self {
        Self::LimitReached(limit)
    }
}

impl From<Conflict> for RequestError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl fmt::Display for RequestError {
    /// Writes `<code> <reason>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code())?;
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Unauthorized(unauthorized) => unauthorized.fmt(f),
            Self::Forbidden(forbidden) => forbidden.fmt(f),
            Self::Unusable(ip) => unusable(f, *ip),
            Self::Foreign { named, peer } => write!(
                f,
                "ip: {named} is not {peer}, the address that this request comes from: \
                 name {peer}, or start the coordinator with allow_foreign_ip=yes"
            ),
            Self::LowPort(port) => {
                write!(f, "port: {port} is below 1024: listen on a port from 1024 to 65535")
            }
            Self::OwnPort(port) => {
                write!(f, "port: {port} is the coordinator's own: listen on another port")
            }
            Self::IdElsewhere { owner, named } => write!(
                f,
                "id: registered from {owner}, not from {named}: use another id, \
                 or deregister this one on the coordinator's machine"
            ),
            Self::NotAMember => f.write_str("not a member: register first"),
            Self::Unfinished { timeout_ms } => unfinished(f, *timeout_ms),
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::TooLong { max } => {
                write!(f, "line exceeds {max} bytes (max_line): send a shorter line")
            }
            Self::TooMuchUnfinished { bytes, max } => too_much_unfinished(f, *bytes, *max),
            Self::LimitReached(limit) => limit.fmt(f),
            Self::TooFast { rate, wait_ms } => {
                write!(f, "rate: at most {rate} a second: try again in {wait_ms} ms")
            }
            Self::ConnectFailed { address, reason } => write!(
                f,
                "cannot connect to {address}: {reason}: listen there before you send the request, \
                 and check the firewall"
            ),
            Self::ShuttingDown => f.write_str("shutting down: try again later"),
            Self::JournalFails => f.write_str(
                "the journal cannot be written: try again later; the coordinator's log says why",
            ),
            Self::NoNumberLeft => write!(
                f,
                "no number left: {LAST} was the last one: start the coordinator with a new data_dir"
            ),
            Self::JournalFull => {
                f.write_str("the journal is behind, because the disk is slow: try again later")
            }
            Self::JournalBehind(last) => behind(f, *last),
            Self::BacklogFull { max, holder } => backlog_full(f, *max, holder),
            Self::TooManyUnacked { max } => write!(
                f,
                "more than {max} ranges of your own messages would follow your last ack: \
                 acknowledge the messages that you received, then send again"
            ),
        }
    }
}

const LAST: Seq = Seq::LAST;

fn behind(f: &mut fmt::Formatter<'_>, last: Seq) -> fmt::Result {
    write!(f, "the last message here is {last}: try again later, or at another coordinator")
}

fn unusable(f: &mut fmt::Formatter<'_>, ip: IpAddr) -> fmt::Result {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => write!(
            f,
            "ip: {ip} is link-local, and a request cannot name its interface: listen on another \
             address"
        ),
        IpAddr::V4(_) | IpAddr::V6(_) => {
            write!(
                f,
                "ip: {ip} is not the address of one machine: name the address that you listen on"
            )
        }
    }
}

fn unfinished(f: &mut fmt::Formatter<'_>, timeout_ms: u64) -> fmt::Result {
    write!(
        f,
        "line not finished within {timeout_ms} ms (line_timeout): connect and send the line again"
    )
}

fn backlog_full(f: &mut fmt::Formatter<'_>, max: u64, holder: &BacklogHolder) -> fmt::Result {
    write!(f, "backlog full: {max} bytes is the limit (max_backlog), {holder}: ")?;
    match holder {
        BacklogHolder::Member { id, .. } => {
            write!(f, "try again when {id} has acked them, or ask the operator to deregister {id}")
        }
        BacklogHolder::Journal => f.write_str("try again later"),
    }
}

fn too_much_unfinished(f: &mut fmt::Formatter<'_>, bytes: usize, max: usize) -> fmt::Result {
    write!(
        f,
        "line of {bytes} bytes is not finished, and the unfinished lines of all clients exceed \
         {max} bytes: connect and send the whole line at once"
    )
}

impl fmt::Display for BacklogHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { id, bytes } => write!(f, "{id} has not acked {bytes} bytes"),
            Self::Journal => f.write_str("the newest messages wait for the disk"),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyAMember => "already a member: reconnect",
            Self::AlreadyRegistering => {
                "already registering: wait for the reply to the first register"
            }
            Self::AlreadyOffline => "already offline",
            Self::OfflineCannotSend => "offline: reconnect first",
            Self::NumberTooHigh { expected } => return write!(f, "send: expected {expected}"),
            Self::Superseded => "superseded by a later reconnect",
            Self::Cancelled => "cancelled by a later disconnect or deregister",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If the peer can do something about an error, the text says what.
    #[test]
    fn a_refusal_says_what_is_wrong_and_what_to_do_next() {
        let (here, there): (IpAddr, IpAddr) = ([10, 0, 0, 7].into(), [10, 0, 0, 8].into());
        let holder = BacklogHolder::Member { id: "bob".into(), bytes: 90 };
        for (refusal, expected) in [
            (
                RequestError::Foreign { named: here, peer: there },
                "403 ip: 10.0.0.7 is not 10.0.0.8, the address that this request comes from: \
                 name 10.0.0.8, or start the coordinator with allow_foreign_ip=yes",
            ),
            (
                RequestError::LowPort(80),
                "403 port: 80 is below 1024: listen on a port from 1024 to 65535",
            ),
            (
                RequestError::IdElsewhere { owner: here, named: there },
                "403 id: registered from 10.0.0.7, not from 10.0.0.8: use another id, or \
                 deregister this one on the coordinator's machine",
            ),
            (RequestError::NotAMember, "404 not a member: register first"),
            (Conflict::AlreadyAMember.into(), "409 already a member: reconnect"),
            (
                Conflict::AlreadyRegistering.into(),
                "409 already registering: wait for the reply to the first register",
            ),
            (Conflict::OfflineCannotSend.into(), "409 offline: reconnect first"),
            (Conflict::NumberTooHigh { expected: 7 }.into(), "409 send: expected 7"),
            (
                RequestError::TooLong { max: 512 },
                "413 line exceeds 512 bytes (max_line): send a shorter line",
            ),
            (
                LimitReached::MembersAt { address: "10.0.0.7".into(), max: 256 }.into(),
                "421 too many members at 10.0.0.7: 256 is the limit (max_members_per_address): \
                 deregister one of them first",
            ),
            (
                LimitReached::ConnectionsFrom { address: "2001:db8::/64".into(), max: 256 }.into(),
                "421 too many connections from 2001:db8::/64: 256 is the limit \
                 (max_connections_per_address): close one of them first",
            ),
            (
                RequestError::BacklogFull { max: 100, holder },
                "507 backlog full: 100 bytes is the limit (max_backlog), bob has not acked 90 \
                 bytes: try again when bob has acked them, or ask the operator to deregister bob",
            ),
            (
                RequestError::BacklogFull { max: 100, holder: BacklogHolder::Journal },
                "507 backlog full: 100 bytes is the limit (max_backlog), the newest messages \
                 wait for the disk: try again later",
            ),
        ] {
            assert_eq!(refusal.to_string(), expected);
        }
    }
}
