//! Replies: lines on a command socket, written by the coordinator and parsed by a participant.

use std::fmt::{self, Write as _};
use std::num::NonZeroU64;

use bytes::BytesMut;

use super::counted_text::CountedText;
use super::number::parse_number;
use super::{Epoch, Listing, Query, RequestError, Seq};

/// First line of a reply. A list has more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The id is a member and online.
    Register {
        /// Epoch of the seqs.
        epoch: Epoch,
        /// Lowest seq that can come.
        next: Seq,
        /// Time to live of a message, in seconds.
        ttl_s: u64,
        /// `max_line`: longest request line in bytes, LF included.
        line_bytes_max: usize,
        /// Number of messages from before the registration; `None` if none was asked for.
        past: Option<u64>,
    },
    /// The member is online again.
    Reconnect {
        /// Epoch of the seqs.
        epoch: Epoch,
        /// Lowest seq that can come.
        next: Seq,
        /// Time to live of a message, in seconds.
        ttl_s: u64,
        /// Number of kept messages of others after the member's cursor.
        missed: u64,
        /// Number of lost messages of others after the member's cursor.
        expired: u64,
        /// `max_line`: longest request line in bytes, LF included.
        line_bytes_max: usize,
        /// Number of the last accepted `send` of the member.
        published: u64,
    },
    /// The id is not a member any more.
    Deregister,
    /// The member is offline.
    Disconnect,
    /// The message was accepted.
    Msend {
        /// Seq of the message.
        seq: Seq,
    },
    /// The numbered text was accepted, now or before.
    Send {
        /// Number that the sender gave to the text.
        number: NonZeroU64,
        /// Seq of the message; `None` for a duplicate.
        seq: Option<Seq>,
    },
    /// The entries of the list follow.
    List {
        /// The list.
        listing: Listing,
        /// Number of lines that follow.
        count: usize,
    },
    /// Answer to `ping`.
    Ping,
    /// The request was refused and changed nothing.
    Refused(RequestError),
}

/// Writes the replies to one client.
#[derive(Debug)]
pub struct ReplyEncoder {
    /// The last reply to a `msend`.
    msend: CountedText<1>,
    /// The last reply to a `send`.
    send: CountedText<2>,
}

impl Default for ReplyEncoder {
    fn default() -> Self {
        Self {
            msend: CountedText::new(["OK msend seq="], "\n"),
            send: CountedText::new(["OK send ", " seq="], "\n"),
        }
    }
}

impl ReplyEncoder {
    /// Appends the line with its LF. The replies to messages, the most frequent ones, are written
    /// without the formatting machinery.
    pub fn encode(&mut self, reply: &Reply, out: &mut BytesMut) {
        if out.capacity() == 0 {
            out.reserve(REPLIES_BYTES);
        }
        match reply {
            Reply::Msend { seq } => self.msend.append([seq.as_u64()], out),
            Reply::Send { number, seq: Some(seq) } => {
                self.send.append([number.get(), seq.as_u64()], out);
            }
            Reply::Register { .. }
            | Reply::Reconnect { .. }
            | Reply::Deregister
            | Reply::Disconnect
            | Reply::Send { seq: None, .. }
            | Reply::List { .. }
            | Reply::Ping
            | Reply::Refused(_) => {
                // Writing to memory cannot fail.
                let _ = writeln!(out, "{reply}");
            }
        }
    }
}

impl fmt::Display for Reply {
    /// Writes the line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { epoch, next, ttl_s, line_bytes_max, past } => {
                write!(
                    f,
                    "OK register epoch={epoch} next={next} ttl={ttl_s} max_line={line_bytes_max} \
                     published=0"
                )?;
                match past {
                    Some(past) => write!(f, " last={past}"),
                    None => Ok(()),
                }
            }
            Self::Reconnect { epoch, next, ttl_s, missed, expired, line_bytes_max, published } => {
                write!(
                    f,
                    "OK reconnect epoch={epoch} next={next} ttl={ttl_s} missed={missed} \
                 expired={expired} max_line={line_bytes_max} published={published}"
                )
            }
            Self::Deregister => f.write_str("OK deregister"),
            Self::Disconnect => f.write_str("OK disconnect"),
            Self::Msend { seq } => write!(f, "OK msend seq={seq}"),
            Self::Send { number, seq: Some(seq) } => write!(f, "OK send {number} seq={seq}"),
            Self::Send { number, seq: None } => write!(f, "OK send {number} duplicate=1"),
            Self::List { listing, count } => {
                write!(f, "OK {} {count}", Query::List(*listing).word())
            }
            Self::Ping => f.write_str("OK ping"),
            Self::Refused(refusal) => write!(f, "ERR {refusal}"),
        }
    }
}

impl<R: Into<RequestError>> From<R> for Reply {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

/// Room that is made for the first reply, and for some that may follow.
const REPLIES_BYTES: usize = 512;

/// First line of a reply, parsed by a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyLine<'a> {
    /// The request succeeded.
    Ok {
        /// Command of the request.
        command: &'a str,
        /// Fields after the command.
        fields: Fields<'a>,
    },
    /// The request was refused.
    Err {
        /// Code for programs.
        code: u16,
        /// Reason for people.
        reason: &'a str,
    },
}

impl<'a> ReplyLine<'a> {
    /// Parses a line without its LF; `None` if it is no reply.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        let (first, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
        match kind {
            "OK" if !first.is_empty() => {
                Some(Self::Ok { command: first, fields: Fields(arguments) })
            }
            "ERR" if first.len() == 3 => {
                let code = u16::try_from(parse_number(first)?).ok()?;
                Some(Self::Err { code, reason: arguments })
            }
            _ => None,
        }
    }
}

/// Fields after `OK <command>`: `key=value` pairs and bare numbers. Unknown keys do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// Returns the value of a key.
    #[must_use]
    pub fn value(self, key: &str) -> Option<&'a str> {
        self.0.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
    }

    /// Returns the bare number: the number of lines that follow.
    #[must_use]
    pub fn count(self) -> Option<u64> {
        self.0.split(' ').find_map(parse_number)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{BacklogHolder, Conflict, LimitReached, Malformed};

    #[test]
    fn a_participant_reads_known_fields_and_skips_others() {
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
        let Some(ReplyLine::Ok { fields, .. }) = ReplyLine::parse("OK members +12 012") else {
            panic!("that is a reply");
        };
        assert_eq!(fields.count(), None, "not numbers of the wire");
    }

    #[test]
    fn a_refusal_has_a_code_and_a_reason() {
        let expected = ReplyLine::Err { code: 404, reason: "not a member" };
        assert_eq!(ReplyLine::parse("ERR 404 not a member"), Some(expected));
        for bad in [
            "",
            "OK",
            "OK ",
            "OK  ping",
            "ERR",
            "ERR x y",
            "ERR +404 y",
            "ERR 99 y",
            "ERR 0404 y",
            "YES ping",
            "ok ping",
            "hello",
        ] {
            assert_eq!(ReplyLine::parse(bad), None, "{bad:?}");
        }
    }

    /// Checks the command, the bare number and the values that a participant parses from a reply.
    #[track_caller]
    fn check(reply: &Reply, word: &str, number: Option<u64>, values: &[(&str, String)]) {
        let (line, mut encoder) = (reply.to_string(), ReplyEncoder::default());
        for _ in 0..2 {
            let mut encoded = BytesMut::new();
            encoder.encode(reply, &mut encoded);
            assert_eq!(encoded, format!("{line}\n").as_bytes());
        }
        let Some(ReplyLine::Ok { command, fields }) = ReplyLine::parse(&line) else {
            panic!("{line:?} is a reply");
        };
        assert_eq!((command, fields.count()), (word, number), "{line}");
        for (key, value) in values {
            assert_eq!(fields.value(key), Some(value.as_str()), "{line}");
        }
        assert_eq!(line.matches('=').count(), values.len(), "every key was looked at: {line}");
    }

    #[test]
    fn bare_replies_read_as_they_were_written() {
        check(&Reply::Deregister, "deregister", None, &[]);
        check(&Reply::Disconnect, "disconnect", None, &[]);
        check(&Reply::Ping, "ping", None, &[]);
    }

    proptest! {
        #[test]
        fn replies_read_as_they_were_written(
            bits in any::<u64>(),
            [next, ttl_s, missed, expired, published] in any::<[u64; 5]>(),
            [count, line_bytes_max] in any::<[usize; 2]>(),
        ) {
            let (epoch, next) = (Epoch::new(bits), Seq::new(next));
            let life = [
                ("epoch", epoch.to_string()),
                ("next", next.to_string()),
                ("ttl", ttl_s.to_string()),
                ("max_line", line_bytes_max.to_string()),
            ];
            let never = [("published", "0".to_owned())];
            for past in [None, Some(missed)] {
                let reply = Reply::Register { epoch, next, ttl_s, line_bytes_max, past };
                let past = past.map(|past| ("last", past.to_string()));
                let past: Vec<_> = past.into_iter().collect();
                check(&reply, "register", None, &[&life[..], &never, &past].concat());
            }
            let lost = [
                ("missed", missed.to_string()),
                ("expired", expired.to_string()),
                ("published", published.to_string()),
            ];
            let reply =
                Reply::Reconnect { epoch, next, ttl_s, missed, expired, line_bytes_max, published };
            check(&reply, "reconnect", None, &[&life[..], &lost].concat());
            check(&Reply::Msend { seq: next }, "msend", None, &[("seq", next.to_string())]);
            let number = NonZeroU64::MIN.saturating_add(published);
            let reply = Reply::Send { number, seq: Some(next) };
            check(&reply, "send", Some(number.get()), &[("seq", next.to_string())]);
            let duplicate = [("duplicate", "1".to_owned())];
            check(&Reply::Send { number, seq: None }, "send", Some(number.get()), &duplicate);
            let number = u64::try_from(count).ok();
            check(&Reply::List { listing: Listing::Members, count }, "members", number, &[]);
            check(&Reply::List { listing: Listing::Stats, count }, "stats", number, &[]);
        }

        #[test]
        fn refusals_read_as_they_were_written(
            named in any::<IpAddr>(),
            peer in any::<IpAddr>(),
            port in any::<u16>(),
            max in any::<usize>(),
            words in "[ -~]{0,40}",
        ) {
            let address = SocketAddr::new(named, port);
            let shown: Box<str> = named.to_string().into();
            for (refusal, expected) in [
                (RequestError::Malformed(Malformed::Id), 400),
                (RequestError::Unusable(named), 403),
                (RequestError::Foreign { named, peer }, 403),
                (RequestError::LowPort(port), 403),
                (RequestError::OwnPort(port), 403),
                (RequestError::IdElsewhere { owner: peer, named }, 403),
                (RequestError::NotAMember, 404),
                (RequestError::Unfinished { timeout_ms: max as u64 }, 408),
                (RequestError::Conflict(Conflict::Cancelled), 409),
                (RequestError::TooLong { max }, 413),
                (LimitReached::Members { max }.into(), 421),
                (LimitReached::Connections { max }.into(), 421),
                (RequestError::ConnectFailed { address, reason: words.clone().into() }, 502),
                (RequestError::ShuttingDown, 503),
                (LimitReached::MembersAt { address: shown.clone(), max }.into(), 421),
                (LimitReached::ConnectionsFrom { address: shown.clone(), max }.into(), 421),
                (LimitReached::Silent { max: Some(max) }.into(), 421),
                (RequestError::JournalFails, 506),
                (RequestError::JournalBehind(Seq::new(7)), 506),
                (
                    RequestError::BacklogFull { max: max as u64, holder: BacklogHolder::Journal },
                    507,
                ),
                (RequestError::TooManyUnacked { max }, 507),
                (RequestError::NoNumberLeft, 507),
            ] {
                let shown = refusal.to_string();
                let line = Reply::from(refusal).to_string();
                let Some(ReplyLine::Err { code, reason }) = ReplyLine::parse(&line) else {
                    panic!("{line:?} is a refusal");
                };
                assert_eq!(code, expected, "{line}");
                assert_eq!(shown, format!("{code} {reason}"));
                assert!(!reason.is_empty());
            }
        }
    }
}
