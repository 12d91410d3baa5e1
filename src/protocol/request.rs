//! Requests of clients: lines `<id>#<command>#<ip>` on a command socket.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU64;

use super::counted_text::CountedText;
use super::ip::parse_ip_or_own;
use super::last_request::LastRequest;
use super::number::{parse_digits, parse_number};
use super::query::Query;
use super::text::Text;
use super::{Epoch, Malformed, SecretText, Seq};
use crate::limits::{ID_BYTES_MAX, NONCE_BYTES_MAX};

/// A request on a command socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Participant id: see [`is_id`].
    pub id: &'a str,
    /// Command and its arguments.
    pub command: Command<'a>,
    /// Address that the participant listens on; `None` for `-`, the address that the command socket
    /// comes from. An IPv4-mapped IPv6 address becomes an IPv4 address.
    pub ip: Option<IpAddr>,
}

/// Command of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Registers a new member.
    Register {
        /// Way of the message socket.
        to: DeliverTo,
        /// Options of the message socket.
        options: Options<'a>,
    },
    /// Brings a member back online.
    Reconnect {
        /// Way of the message socket.
        to: DeliverTo,
        /// Options of the message socket.
        options: Options<'a>,
    },
    /// Removes the member.
    Deregister,
    /// Takes the member offline.
    Disconnect,
    /// Sends a text to all other members.
    Msend {
        /// Text of the message.
        text: Text<'a>,
    },
    /// Sends a text to all other members exactly once.
    Send {
        /// Number that the sender gave to the text.
        number: NonZeroU64,
        /// Text of the message.
        text: Text<'a>,
    },
    /// Asks, and changes nothing.
    Query(Query),
}

/// Way in which a member gets its message socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliverTo {
    /// The coordinator connects to this port, from 1 to 65535.
    Port(u16),
    /// `here`: the command socket of the request becomes the message socket.
    Here,
}

/// Options of a message socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// `acks=1`: the member sends acks, and gets `gap` and `bye` lines.
    pub acks: bool,
    /// Nonce for the `hello` line.
    pub nonce: Option<&'a str>,
    /// Last seq that the member received, on `reconnect` only.
    pub since: Option<Since>,
    /// Most kept messages from before the registration that come first, on `register` only.
    pub last: Option<u64>,
    /// Secret of an invitation, on `register` only.
    pub secret: Option<SecretText<'a>>,
}

/// Last seq that a member received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Epoch of the seq.
    pub epoch: Epoch,
    /// Last received seq.
    pub seq: Seq,
}

impl<'a> Request<'a> {
    /// Parses a line without its LF.
    ///
    /// # Errors
    ///
    /// The leftmost part with a syntax error.
    pub fn parse(line: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse_whole(line, &mut CountedText::new([""], " "))
    }

    fn parse_whole(line: &'a [u8], last_number: &mut CountedText<1>) -> Result<Self, Malformed> {
        if line.is_empty() {
            return Err(Malformed::Empty);
        }
        let line = utf8(line)?;
        let (id, rest) = line.split_once('#').ok_or(Malformed::NoCommand)?;
        if !is_id(id) {
            return Err(Malformed::Id);
        }
        let (command, ip) = rest.rsplit_once('#').ok_or(Malformed::NoIp)?;
        let command = Command::parse(command.as_bytes(), last_number)?;
        let ip = parse_ip_or_own(ip).ok_or(Malformed::Ip)?;
        Ok(Self { id, command, ip })
    }

    /// Parses a line as [`Request::parse`] does. An id and an IP address that are written as in the
    /// last request are only compared, and so is the number of a `send` that is one more.
    ///
    /// # Errors
    ///
    /// See [`Request::parse`].
    pub fn parse_after(line: &'a [u8], last: &'a mut LastRequest) -> Result<Self, Malformed> {
        match last.strip(line) {
            Some((command, ip)) => {
                let command = Command::parse(command, last.number())?;
                Ok(Self { id: last.id(), command, ip })
            }
            None => {
                let request = Self::parse_whole(line, last.number())?;
                last.replace(&request, line);
                Ok(request)
            }
        }
    }
}

impl Request<'_> {
    /// Returns the line for the wire, with its LF and with the secret: for no log or error.
    #[must_use]
    pub fn reveal(&self) -> String {
        let mut line = format!("{self}");
        if let Command::Register { options: Options { secret: Some(secret), .. }, .. } =
            self.command
        {
            // The option stands behind the id, which has no space.
            line = line.replacen(MASKED_SECRET, &format!(" secret={}", secret.reveal()), 1);
        }
        line.push('\n');
        line
    }
}

/// Option of a secret, as people may see it.
const MASKED_SECRET: &str = " secret=...";

impl fmt::Display for Request<'_> {
    /// Writes the line without its LF, for people: three dots replace a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#", self.id, self.command)?;
        match self.ip {
            Some(ip) => ip.fmt(f),
            None => f.write_str("-"),
        }
    }
}

impl<'a> Command<'a> {
    /// Returns the first word of the command.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::Reconnect { .. } => "reconnect",
            Self::Deregister => "deregister",
            Self::Disconnect => "disconnect",
            Self::Msend { .. } => "msend",
            Self::Send { .. } => "send",
            Self::Query(query) => query.word(),
        }
    }

    /// Parses a command. `last_number` has the number of the last `send`.
    fn parse(bytes: &'a [u8], last_number: &mut CountedText<1>) -> Result<Self, Malformed> {
        if let Some(text) = bytes.strip_prefix(b"msend ") {
            return Text::parse(text).map(|text| Self::Msend { text });
        }
        if let Some(numbered) = bytes.strip_prefix(b"send ") {
            let (number, text) = match last_number.take_next(numbered) {
                Some(numbered) => numbered,
                None => split_number(numbered, last_number)?,
            };
            return Text::parse(text).map(|text| Self::Send { number, text });
        }
        let text = utf8(bytes)?;
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
                let (to, options) = parse_joining(arguments, Verb::Register)?;
                Ok(Self::Register { to, options })
            }
            "reconnect" => {
                let (to, options) = parse_joining(arguments, Verb::Reconnect)?;
                Ok(Self::Reconnect { to, options })
            }
            "msend" => Err(Malformed::TextEmpty),
            "send" => Err(Malformed::Number),
            "deregister" => bare(Self::Deregister),
            "disconnect" => bare(Self::Disconnect),
            other => bare(Self::Query(Query::parse(other).ok_or(Malformed::Command)?)),
        }
    }
}

/// Splits the rest of a `send` into its number and its text. Keeps the number.
#[cold]
fn split_number<'a>(
    bytes: &'a [u8],
    last_number: &mut CountedText<1>,
) -> Result<(NonZeroU64, &'a [u8]), Malformed> {
    let mut parts = bytes.splitn(2, |byte| *byte == b' ');
    let number = parts.next().and_then(parse_digits).and_then(NonZeroU64::new);
    let number = number.ok_or(Malformed::Number)?;
    last_number.set([number.get()]);
    Ok((number, parts.next().unwrap_or_default()))
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Register { to, options } | Self::Reconnect { to, options } => {
                write!(f, " {to}{options}")
            }
            Self::Msend { text } => write!(f, " {text}"),
            Self::Send { number, text } => write!(f, " {number} {text}"),
            Self::Deregister | Self::Disconnect | Self::Query(_) => Ok(()),
        }
    }
}

impl fmt::Display for Options<'_> {
    /// Writes each option with a space before it. Three dots replace a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.acks {
            f.write_str(" acks=1")?;
        }
        if let Some(nonce) = self.nonce {
            write!(f, " nonce={nonce}")?;
        }
        if let Some(since) = self.since {
            write!(f, " since={since}")?;
        }
        if let Some(last) = self.last {
            write!(f, " last={last}")?;
        }
        match self.secret {
            Some(_) => f.write_str(MASKED_SECRET),
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

/// Command that asks for a message socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Register,
    Reconnect,
}

fn parse_joining(
    arguments: Option<&str>,
    verb: Verb,
) -> Result<(DeliverTo, Options<'_>), Malformed> {
    let mut words = arguments.ok_or(Malformed::NoPort)?.split(' ');
    let to = DeliverTo::parse(words.next().unwrap_or_default()).ok_or(Malformed::Port)?;
    let mut options = Options::default();
    for word in words {
        let (key, value) = word.split_once('=').ok_or(Malformed::Option)?;
        let doubled = match (key, value) {
            ("acks", "1") => std::mem::replace(&mut options.acks, true),
            ("acks", _) => return Err(Malformed::Acks),
            ("nonce", nonce) if is_nonce(nonce) => options.nonce.replace(nonce).is_some(),
            ("nonce", _) => return Err(Malformed::Nonce),
            ("since", _) if verb == Verb::Register => return Err(Malformed::SinceOnRegister),
            ("since", since) => {
                let since = Since::parse(since).ok_or(Malformed::Since)?;
                options.since.replace(since).is_some()
            }
            ("last", _) if verb == Verb::Reconnect => return Err(Malformed::LastOnReconnect),
            ("last", last) => {
                let last = parse_number(last).ok_or(Malformed::Last)?;
                options.last.replace(last).is_some()
            }
            ("secret", _) if verb == Verb::Reconnect => return Err(Malformed::SecretOnReconnect),
            ("secret", secret) => {
                let secret = SecretText::parse(secret).ok_or(Malformed::Secret)?;
                options.secret.replace(secret).is_some()
            }
            _ => return Err(Malformed::Option),
        };
        if doubled {
            return Err(Malformed::OptionDoubled);
        }
    }
    Ok((to, options))
}

impl DeliverTo {
    /// Parses `here`, or a port: 1 to 5 digits without a leading zero, 1 to 65535.
    fn parse(text: &str) -> Option<Self> {
        if text == "here" {
            return Some(Self::Here);
        }
        let port = u16::try_from(parse_number(text)?).ok()?;
        (port != 0).then_some(Self::Port(port))
    }
}

impl fmt::Display for DeliverTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => port.fmt(f),
            Self::Here => f.write_str("here"),
        }
    }
}

/// Returns true for a nonce: 1 to 64 hex digits.
pub(super) fn is_nonce(text: &str) -> bool {
    (1..=NONCE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Returns true for a participant id: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_id_byte)
}

/// Returns true for a byte of an id.
#[inline]
pub(super) const fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)
}

#[cfg(test)]
mod tests;
