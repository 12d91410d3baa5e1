//! Syntax errors of requests, with their words.

use std::fmt;

use super::Seq;
use super::query::Query;
use crate::limits::LISTEN_PORT_MIN;

/// Syntax error of a request.
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
    Last,
    LastOnReconnect,
    Secret,
    SecretOnReconnect,
    Number,
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
            Self::Command => return expected_commands(f),
            Self::Arguments(word) => return write!(f, "command: {word} takes no arguments"),
            Self::NoPort => "port: missing",
            Self::Port => return write!(f, "port: expected {LISTEN_PORT_MIN} to 65535, or here"),
            Self::Option => {
                "option: expected acks=1, nonce=<hex>, since=<epoch>:<number>, last=<number> or \
                 secret=<hex>"
            }
            Self::OptionDoubled => "option: given twice",
            Self::Acks => "option acks: expected 1",
            Self::Nonce => "option nonce: expected 1 to 64 hex digits",
            Self::Since => "option since: expected <16 lower-case hex digits>:<number>",
            Self::SinceOnRegister => "option since: for reconnect only",
            Self::SinceAbove(last) => {
                return write!(f, "option since: above {last}, the last number given out");
            }
            Self::Last => "option last: expected 0 to 18446744073709551615, without leading zeros",
            Self::LastOnReconnect => "option last: for register only",
            Self::Secret => "option secret: expected 32 lower-case hex digits",
            Self::SecretOnReconnect => "option secret: for register only",
            Self::Number => "number: expected 1 to 18446744073709551615, without leading zeros",
            Self::TextEmpty => "text: empty",
            Self::TextControl => "text: contains a control character other than TAB",
            Self::Ip => "ip: expected an IPv4 or IPv6 address, or -",
        };
        f.write_str(words)
    }
}

fn expected_commands(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [others @ .., last] = Query::ALL;
    f.write_str("command: expected register, reconnect, deregister, disconnect, msend, send")?;
    for query in others {
        write!(f, ", {}", query.word())?;
    }
    write!(f, " or {}", last.word())
}
