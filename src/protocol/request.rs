//! Requests: `<id>#<command>#<ip>`.

use std::fmt;
use std::net::IpAddr;

use super::number::parse_number;
use super::{Epoch, Seq};
use crate::limits::{ID_BYTES_MAX, LISTEN_PORT_MIN, NONCE_BYTES_MAX};

/// One request of a command socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Who asks: see [`is_id`].
    pub id: &'a str,
    /// What for.
    pub command: Command<'a>,
    /// Where the participant listens; an IPv4-mapped IPv6 address is given as IPv4.
    pub ip: IpAddr,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Become a member, listening on `port`.
    Register {
        /// 1 to 65535.
        port: u16,
        /// For the connection that is asked for.
        options: Options<'a>,
    },
    /// Come back as a member, listening on `port`.
    Reconnect {
        /// 1 to 65535.
        port: u16,
        /// For the connection that is asked for.
        options: Options<'a>,
    },
    /// Cease to be a member.
    Deregister,
    /// Stay a member, offline.
    Disconnect,
    /// Send a text to all other members.
    Msend {
        /// See [`is_text`].
        text: &'a str,
    },
    /// List the members.
    Members,
    /// Show the counters.
    Stats,
    /// Answer.
    Ping,
}

/// What a message socket is asked to be like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// The member acknowledges what it took, and is told of gaps.
    pub acks: bool,
    /// What the coordinator greets with.
    pub nonce: Option<&'a str>,
    /// The last number taken, on `reconnect` only.
    pub since: Option<Since>,
}

/// The last number that a member has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The life that the number belongs to.
    pub epoch: Epoch,
    /// The number.
    pub seq: Seq,
}

impl<'a> Request<'a> {
    /// The request of a line without its end.
    ///
    /// # Errors
    ///
    /// The first part, from left to right, that is not as it must be.
    pub fn parse(line: &'a [u8]) -> Result<Self, Malformed> {
        if line.is_empty() {
            return Err(Malformed::Empty);
        }
        let line = std::str::from_utf8(line).map_err(|_| Malformed::NotUtf8)?;
        let (id, rest) = line.split_once('#').ok_or(Malformed::NoCommand)?;
        if !is_id(id) {
            return Err(Malformed::Id);
        }
        let (command, ip) = rest.rsplit_once('#').ok_or(Malformed::NoIp)?;
        let command = Command::parse(command)?;
        let ip: IpAddr = ip.parse().map_err(|_| Malformed::Ip)?;
        Ok(Self { id, command, ip: ip.to_canonical() })
    }
}

impl fmt::Display for Request<'_> {
    /// The line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.id, self.command, self.ip)
    }
}

impl<'a> Command<'a> {
    /// The word that asks for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::Reconnect { .. } => "reconnect",
            Self::Deregister => "deregister",
            Self::Disconnect => "disconnect",
            Self::Msend { .. } => "msend",
            Self::Members => "members",
            Self::Stats => "stats",
            Self::Ping => "ping",
        }
    }

    fn parse(text: &'a str) -> Result<Self, Malformed> {
        let (word, arguments) = match text.split_once(' ') {
            Some((word, arguments)) => (word, Some(arguments)),
            None => (text, None),
        };
        let bare = |command: Self| match arguments {
            Some(_) => Err(Malformed::Arguments(command.word())),
            None => Ok(command),
        };
        match word {
            "register" => {
                let (port, options) = parse_listening(arguments, false)?;
                Ok(Self::Register { port, options })
            }
            "reconnect" => {
                let (port, options) = parse_listening(arguments, true)?;
                Ok(Self::Reconnect { port, options })
            }
            "msend" => match arguments {
                None | Some("") => Err(Malformed::TextEmpty),
                Some(text) if is_text(text) => Ok(Self::Msend { text }),
                Some(_) => Err(Malformed::TextControl),
            },
            "deregister" => bare(Self::Deregister),
            "disconnect" => bare(Self::Disconnect),
            "members" => bare(Self::Members),
            "stats" => bare(Self::Stats),
            "ping" => bare(Self::Ping),
            _ => Err(Malformed::Command),
        }
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Register { port, options } | Self::Reconnect { port, options } => {
                write!(f, " {port}{options}")
            }
            Self::Msend { text } => write!(f, " {text}"),
            Self::Deregister | Self::Disconnect | Self::Members | Self::Stats | Self::Ping => {
                Ok(())
            }
        }
    }
}

impl fmt::Display for Options<'_> {
    /// Each option with a space before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.acks {
            f.write_str(" acks=1")?;
        }
        if let Some(nonce) = self.nonce {
            write!(f, " nonce={nonce}")?;
        }
        match self.since {
            Some(since) => write!(f, " since={since}"),
            None => Ok(()),
        }
    }
}

impl Since {
    fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.split_once(':')?;
        Some(Self { epoch: Epoch::parse(epoch)?, seq: Seq::parse(seq)? })
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

fn parse_listening(
    arguments: Option<&str>,
    may_name_since: bool,
) -> Result<(u16, Options<'_>), Malformed> {
    let mut words = arguments.ok_or(Malformed::NoPort)?.split(' ');
    let port = parse_port(words.next().unwrap_or_default()).ok_or(Malformed::Port)?;
    let mut options = Options::default();
    for word in words {
        let (key, value) = word.split_once('=').ok_or(Malformed::Option)?;
        let doubled = match (key, value) {
            ("acks", "1") => std::mem::replace(&mut options.acks, true),
            ("acks", _) => return Err(Malformed::Acks),
            ("nonce", nonce) if is_nonce(nonce) => options.nonce.replace(nonce).is_some(),
            ("nonce", _) => return Err(Malformed::Nonce),
            ("since", _) if !may_name_since => return Err(Malformed::SinceOnRegister),
            ("since", since) => {
                let since = Since::parse(since).ok_or(Malformed::Since)?;
                options.since.replace(since).is_some()
            }
            _ => return Err(Malformed::Option),
        };
        if doubled {
            return Err(Malformed::OptionDoubled);
        }
    }
    Ok((port, options))
}

/// 1 to 5 digits without a leading zero, 1 to 65535.
fn parse_port(text: &str) -> Option<u16> {
    let port = u16::try_from(parse_number(text)?).ok()?;
    (port != 0).then_some(port)
}

/// Whether a text is a nonce: 1 to 64 hex digits.
pub(super) fn is_nonce(text: &str) -> bool {
    (1..=NONCE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text is a participant id: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether a text may be sent: 1 or more characters, no control character but TAB.
#[must_use]
pub fn is_text(text: &str) -> bool {
    let allowed = if text.is_ascii() {
        // The common case, without decoding, and without an early end: so the compiler can look
        // at many bytes at a time.
        text.bytes().fold(true, |fine, b| fine & ((b >= b' ') & (b != 0x7f) | (b == b'\t')))
    } else {
        text.chars().all(|c| !c.is_control() || c == '\t')
    };
    allowed && !text.is_empty()
}

/// What is wrong with a request that could not be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each one's words stand in `Display`")]
pub enum Malformed {
    Empty,
    NotUtf8,
    NoCommand,
    NoIp,
    Id,
    Command,
    Arguments(&'static str),
    NoPort,
    Port,
    Option,
    OptionDoubled,
    Acks,
    Nonce,
    Since,
    SinceOnRegister,
    SinceAbove(Seq),
    TextEmpty,
    TextControl,
    Ip,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Empty => "line: empty, expected <id>#<command>#<ip>",
            Self::NotUtf8 => "line: not UTF-8",
            Self::NoCommand => "command: missing, expected <id>#<command>#<ip>",
            Self::NoIp => "ip: missing, expected <id>#<command>#<ip>",
            Self::Id => "id: expected 1 to 64 of A-Z a-z 0-9 . _ -",
            Self::Command => {
                "command: expected register, reconnect, deregister, disconnect, msend, members, \
                 stats or ping"
            }
            Self::Arguments(word) => return write!(f, "command: {word} takes no arguments"),
            Self::NoPort => "port: missing",
            Self::Port => return write!(f, "port: expected {LISTEN_PORT_MIN} to 65535"),
            Self::Option => "option: expected acks=1, nonce=<hex> or since=<epoch>:<number>",
            Self::OptionDoubled => "option: given twice",
            Self::Acks => "option acks: expected 1",
            Self::Nonce => "option nonce: expected 1 to 64 hex digits",
            Self::Since => "option since: expected <16 lower-case hex digits>:<number>",
            Self::SinceOnRegister => "option since: for reconnect only",
            Self::SinceAbove(last) => {
                return write!(f, "option since: above {last}, the last number given out");
            }
            Self::TextEmpty => "text: empty",
            Self::TextControl => "text: contains a control character other than TAB",
            Self::Ip => "ip: expected an IPv4 or IPv6 address",
        };
        f.write_str(words)
    }
}

#[cfg(test)]
mod tests;
