//! Replies: what the coordinator writes on a command socket, and how a participant reads it.

use std::fmt;
use std::net::SocketAddr;

use super::{Epoch, Refusal, Seq};

/// The first line of a reply; `members` and `stats` have lines of their own behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The id is a member and online.
    Register {
        /// The life of the numbers.
        epoch: Epoch,
        /// The lowest number that can come.
        next: Seq,
        /// Seconds that a message lives.
        ttl_s: u64,
    },
    /// The member is online again.
    Reconnect {
        /// The life of the numbers.
        epoch: Epoch,
        /// The lowest number that can come.
        next: Seq,
        /// Seconds that a message lives.
        ttl_s: u64,
        /// Kept, unexpired messages of others above the member's place.
        missed: u64,
        /// Lost messages of others above it.
        expired: u64,
    },
    /// The id is forgotten.
    Deregister,
    /// The member is offline.
    Disconnect,
    /// The message was accepted.
    Msend {
        /// Its number.
        seq: Seq,
    },
    /// So many [`MemberLine`]s follow.
    Members {
        /// How many.
        count: usize,
    },
    /// So many lines `<key> <value>` follow.
    Stats {
        /// How many.
        count: usize,
    },
    /// Here.
    Ping,
    /// Nothing was changed.
    Refused(Refusal),
}

impl fmt::Display for Reply {
    /// The line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { epoch, next, ttl_s } => {
                write!(f, "OK register epoch={epoch} next={next} ttl={ttl_s}")
            }
            Self::Reconnect { epoch, next, ttl_s, missed, expired } => write!(
                f,
                "OK reconnect epoch={epoch} next={next} ttl={ttl_s} missed={missed} \
                 expired={expired}"
            ),
            Self::Deregister => f.write_str("OK deregister"),
            Self::Disconnect => f.write_str("OK disconnect"),
            Self::Msend { seq } => write!(f, "OK msend seq={seq}"),
            Self::Members { count } => write!(f, "OK members {count}"),
            Self::Stats { count } => write!(f, "OK stats {count}"),
            Self::Ping => f.write_str("OK ping"),
            Self::Refused(refusal) => write!(f, "ERR {refusal}"),
        }
    }
}

impl<R: Into<Refusal>> From<R> for Reply {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

/// One line behind `OK members`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberLine<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether it has a message socket.
    pub online: bool,
    /// Where it was connected to last.
    pub address: SocketAddr,
    /// Kept, unexpired messages of others above its place.
    pub pending: u64,
    /// Its place.
    pub acked: Seq,
}

impl fmt::Display for MemberLine<'_> {
    /// The line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.online { "online" } else { "offline" };
        let Self { id, address, pending, acked, .. } = self;
        write!(f, "{id} {state} {address} pending={pending} acked={acked}")
    }
}

/// The first line of a reply as a participant reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyLine<'a> {
    /// It was done.
    Ok {
        /// The command that it answers.
        command: &'a str,
        /// What stands behind the command.
        fields: Fields<'a>,
    },
    /// It was refused.
    Err {
        /// What for, for programs.
        code: u16,
        /// What for, for people.
        reason: &'a str,
    },
}

impl<'a> ReplyLine<'a> {
    /// The reply of a line without its end; `None` if it is not one.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        let (first, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        match kind {
            "OK" => Some(Self::Ok { command: first, fields: Fields(behind) }),
            "ERR" => Some(Self::Err { code: first.parse().ok()?, reason: behind }),
            _ => None,
        }
    }
}

/// `key=value` pairs and bare numbers behind `OK <command>`; keys not asked for are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// The value of a key.
    #[must_use]
    pub fn value(self, key: &str) -> Option<&'a str> {
        self.0.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
    }

    /// The number that stands by itself: how many lines follow.
    #[must_use]
    pub fn count(self) -> Option<u64> {
        self.0.split(' ').find_map(|field| field.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_reads_what_it_knows_and_passes_over_the_rest() {
        let line = "OK reconnect epoch=00000000000000ff new=x next=7 ttl=60";
        let Some(ReplyLine::Ok { command, fields }) = ReplyLine::parse(line) else {
            panic!("{line} is a reply");
        };
        assert_eq!(command, "reconnect");
        assert_eq!(fields.value("epoch"), Some("00000000000000ff"));
        assert_eq!(fields.value("next"), Some("7"));
        assert_eq!(fields.value("ne"), None);
        assert_eq!(fields.count(), None);
        let Some(ReplyLine::Ok { fields, .. }) = ReplyLine::parse("OK members 12 sorted=1") else {
            panic!("that is a reply");
        };
        assert_eq!(fields.count(), Some(12));
    }

    #[test]
    fn a_refusal_has_a_code_and_a_reason() {
        let expected = ReplyLine::Err { code: 404, reason: "not a member" };
        assert_eq!(ReplyLine::parse("ERR 404 not a member"), Some(expected));
        for bad in ["", "OK", "ERR", "ERR x y", "YES ping", "hello"] {
            assert_eq!(ReplyLine::parse(bad), None, "{bad:?}");
        }
    }
}
