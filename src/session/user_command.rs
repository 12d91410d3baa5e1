//! Parses the user's lines into commands.

use std::fmt;

use super::Notice;
use super::join::JoinWay;
use super::join_arguments::{parse_join, parse_join_until_online};
use super::join_kind::JoinKind;
use crate::limits::{LAST_MESSAGES_DEFAULT, LAST_MESSAGES_MAX, LISTEN_PORT_MIN};
use crate::protocol::{Command, Listing, Query, Text};

/// A parsed line of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UserCommand {
    /// `register PORT [last=N]` or `reconnect PORT`; `here` instead of PORT.
    Join {
        kind: JoinKind,
        way: JoinWay,
        /// Messages from before the registration to ask for.
        last: Option<u64>,
    },
    /// `join [PORT] [last=N]`, `join here [last=N]`: `reconnect`, or else `register`, until it
    /// succeeds.
    JoinUntilOnline {
        way: JoinWay,
        /// Messages from before the registration to ask for.
        last: Option<u64>,
    },
    /// A command that is one request and its reply.
    Ask(Ask),
    /// `last [N]`: the last messages of the message log.
    Last {
        count: usize,
    },
    Status,
    Help,
    /// `quit` or `exit`
    Quit,
    /// An invalid line. It is reported after the commands before it.
    Bad(BadCommand),
}

/// Commands that change the membership or send a message, with their purpose.
const MEMBER_COMMANDS: [(&str, &str); 7] = [
    ("join [PORT] [last=N]", "be online: reconnect, or register if needed; keeps trying"),
    ("register PORT [last=N]", "become a member at PORT (0: any free one); get N messages first"),
    ("reconnect PORT", "go online again; missed messages that have not expired come first"),
    ("join here", "be online without a listener (NAT, firewall); here may replace any PORT"),
    ("disconnect", "go offline and stay a member; messages are kept until they expire"),
    ("deregister", "stop being a member"),
    ("msend TEXT", "send TEXT to all other members; it waits while the coordinator is away"),
];

/// Commands whose answer is the participant's own, with their purpose.
const LOCAL_COMMANDS: [(&str, &str); 5] = [
    ("who", "show the members as a table: since when, messages that wait, age of the oldest"),
    ("last [N]", "show the last N messages of the message log (default 10)"),
    ("status", "show the state of this participant"),
    ("help", "show this list"),
    ("quit", "disconnect and exit; exit does the same"),
];

/// A command that is one request and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Disconnect,
    Deregister,
    /// The text, byte for byte. The coordinator decides which texts are valid.
    Msend(Box<str>),
    Query(Query),
    /// `members`, shown as a table.
    Who,
}

impl UserCommand {
    /// Parses a line without its line feed. Returns `None` for a blank line. `is_passive` decides
    /// the way of a join that names none.
    pub(super) fn parse(line: &[u8], is_passive: bool) -> Result<Option<Self>, BadCommand> {
        let line = std::str::from_utf8(line).map_err(|_| BadCommand::NotUtf8)?.trim_start();
        if line.contains('\n') {
            return Err(BadCommand::LineFeed); // On the wire, a line feed ends the request.
        }
        let (word, tail) = match line.split_once(' ') {
            Some((word, tail)) => (word, Some(tail)),
            None => (line.trim_end(), None),
        };
        if word == "msend" {
            let text = tail.unwrap_or_default();
            return Ok(Some(Self::Ask(Ask::Msend(text.into()))));
        }
        let arguments = tail.unwrap_or_default().trim();
        let command = match word {
            "" => return Ok(None),
            "register" => return parse_join(JoinKind::Register, arguments, is_passive).map(Some),
            "reconnect" => return parse_join(JoinKind::Reconnect, arguments, is_passive).map(Some),
            "join" => return parse_join_until_online(arguments, is_passive).map(Some),
            "last" => return parse_last(arguments).map(Some),
            "disconnect" => Self::Ask(Ask::Disconnect),
            "deregister" => Self::Ask(Ask::Deregister),
            "who" => Self::Ask(Ask::Who),
            "status" => Self::Status,
            "help" => Self::Help,
            "quit" | "exit" => Self::Quit,
            other => match Query::parse(other) {
                Some(query) => Self::Ask(Ask::Query(query)),
                None => return Err(BadCommand::Unknown(other.chars().take(40).collect())),
            },
        };
        match arguments.is_empty() {
            true => Ok(Some(command)),
            false => Err(BadCommand::Arguments(word.into())),
        }
    }

    /// Returns all commands in the form in which `help` shows them, and `exit`.
    pub(super) fn usages() -> impl Iterator<Item = &'static str> {
        let tables = MEMBER_COMMANDS.into_iter().chain(LOCAL_COMMANDS);
        let queries = Query::ALL.into_iter().map(Query::word);
        tables.map(|(usage, _)| usage).chain(queries).chain(["exit"])
    }

    /// Writes the lines of `help`: each command with its purpose.
    pub(super) fn fmt_help(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queries = Query::ALL.map(|query| (query.word(), query.purpose()));
        let lines = MEMBER_COMMANDS.into_iter().chain(queries).chain(LOCAL_COMMANDS);
        for (number, (usage, purpose)) in lines.enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{usage:<22} {purpose}")?;
        }
        Ok(())
    }

    /// Returns the approximate number of bytes of memory that the command takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Ask(ask) => ask.bytes(),
            Self::Join { .. }
            | Self::JoinUntilOnline { .. }
            | Self::Last { .. }
            | Self::Status
            | Self::Help
            | Self::Quit
            | Self::Bad(_) => size_of::<Self>(),
        }
    }
}

impl Ask {
    /// Returns the request to send.
    pub(super) fn command(&self) -> Command<'_> {
        match self {
            Self::Disconnect => Command::Disconnect,
            Self::Deregister => Command::Deregister,
            Self::Msend(text) => Command::Msend { text: Text::from(&**text) },
            Self::Query(query) => Command::Query(*query),
            Self::Who => Command::Query(Query::List(Listing::Members)),
        }
    }

    /// Returns the word that the user types.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Who => "who",
            Self::Disconnect | Self::Deregister | Self::Msend(_) | Self::Query(_) => {
                self.command().word()
            }
        }
    }

    /// Returns the notice for a line of the reply: the first line, or a row.
    pub(super) fn notice(&self, line: &str, is_first: bool) -> Notice {
        let is_table = *self == Self::Who;
        match self {
            Self::Who if is_first => Notice::MembersTableHead,
            Self::Who | Self::Query(Query::List(Listing::Members)) if !is_first => {
                Notice::Member { line: line.into(), is_table }
            }
            Self::Who | Self::Disconnect | Self::Deregister | Self::Msend(_) | Self::Query(_) => {
                Notice::Reply(line.into())
            }
        }
    }

    /// Returns the approximate number of bytes of memory that the command takes.
    pub(super) fn bytes(&self) -> usize {
        let text = match self {
            Self::Msend(text) => text.len(),
            Self::Disconnect | Self::Deregister | Self::Query(_) | Self::Who => 0,
        };
        text.saturating_add(size_of::<UserCommand>())
    }

    /// Returns the text of an `msend`.
    pub(super) fn text(&self) -> Option<Box<str>> {
        match self {
            Self::Msend(text) => Some(text.clone()),
            Self::Disconnect | Self::Deregister | Self::Query(_) | Self::Who => None,
        }
    }

    pub(super) const fn is_message(&self) -> bool {
        matches!(self, Self::Msend(_))
    }

    /// Returns true if the coordinator takes the text of an `msend`, whatever its length.
    pub(super) fn is_valid_text(&self) -> bool {
        matches!(self, Self::Msend(text) if Text::is_valid(text))
    }

    /// Returns true if the reply is a list.
    pub(super) const fn is_list(&self) -> bool {
        matches!(self, Self::Query(Query::List(_)) | Self::Who)
    }

    /// Returns true if the command makes the participant go offline.
    pub(super) const fn is_leave(&self) -> bool {
        matches!(self, Self::Disconnect | Self::Deregister)
    }
}

fn parse_last(count: &str) -> Result<UserCommand, BadCommand> {
    let count = match count {
        "" => Some(LAST_MESSAGES_DEFAULT),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    let count = count.filter(|count| (1..=LAST_MESSAGES_MAX).contains(count));
    Ok(UserCommand::Last { count: count.ok_or(BadCommand::LastCount)? })
}

/// Reason why a line of the user is no valid command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadCommand {
    /// The line is not UTF-8.
    NotUtf8,
    /// The line contains a line feed.
    LineFeed,
    /// The line has more bytes than this limit.
    TooLong(usize),
    /// There is no such command.
    Unknown(Box<str>),
    /// This command takes no arguments.
    Arguments(Box<str>),
    /// This command needs a valid port.
    Port(&'static str),
    /// `last` needs a valid number of messages.
    LastCount,
    /// This command takes `last=N` behind the port, and nothing else.
    JoinOption(&'static str),
    /// The queue of commands is full, at this number.
    TooMany(usize),
}

impl fmt::Display for BadCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("line: not UTF-8"),
            Self::LineFeed => f.write_str("line: contains a line feed"),
            Self::TooLong(max) => write!(f, "line exceeds {max} bytes"),
            Self::Unknown(word) => {
                let word = crate::text::for_terminal(word);
                write!(f, "unknown command '{word}'; 'help' lists the commands")
            }
            Self::Arguments(word) => write!(f, "{word} takes no arguments"),
            Self::Port(word) => {
                write!(
                    f,
                    "{word}: port: expected {LISTEN_PORT_MIN} to 65535, 0 for any free one, or here"
                )
            }
            Self::LastCount => {
                write!(f, "last: expected a number of messages from 1 to {LAST_MESSAGES_MAX}")
            }
            Self::JoinOption(word) => {
                write!(
                    f,
                    "{word}: expected last=NUMBER or nothing behind the port or here, as in last=20"
                )
            }
            Self::TooMany(max) => write!(f, "{max} commands are waiting; this one was dropped"),
        }
    }
}

/// Returns all commands of the user with their arguments, such as `register PORT`.
pub fn command_usages() -> impl Iterator<Item = &'static str> {
    UserCommand::usages()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn msend(text: &str) -> UserCommand {
        UserCommand::Ask(Ask::Msend(text.into()))
    }

    #[test]
    fn a_text_is_kept_byte_for_byte_after_exactly_one_space() {
        for (line, text) in [
            ("msend hi", "hi"),
            ("msend  two ", " two "),
            (" msend \t#", "\t#"),
            ("msend", ""),
            ("msend ", ""),
            ("msend \u{1b}\u{0}", "\u{1b}\u{0}"),
        ] {
            assert_eq!(
                UserCommand::parse(line.as_bytes(), false),
                Ok(Some(msend(text))),
                "{line:?}"
            );
        }
    }

    #[test]
    fn the_other_commands_ignore_spaces_around_them() {
        let join = |kind, port| {
            let way = JoinWay::listen(port);
            Ok(Some(UserCommand::Join { kind, way, last: None }))
        };
        let until_online = |port| {
            let way = JoinWay::listen(port);
            Ok(Some(UserCommand::JoinUntilOnline { way, last: None }))
        };
        for (line, expected) in [
            ("register 9001", join(JoinKind::Register, 9001)),
            ("register 1024", join(JoinKind::Register, 1024)),
            ("register 65535", join(JoinKind::Register, 65535)),
            ("  reconnect   0 ", join(JoinKind::Reconnect, 0)),
            ("join", until_online(0)),
            ("join 9001 ", until_online(9001)),
            ("members ", Ok(Some(UserCommand::Ask(Ask::Query(Query::List(Listing::Members)))))),
            ("last", Ok(Some(UserCommand::Last { count: 10 }))),
            (" last  1000 ", Ok(Some(UserCommand::Last { count: 1000 }))),
            (" who ", Ok(Some(UserCommand::Ask(Ask::Who)))),
            ("quit", Ok(Some(UserCommand::Quit))),
            (" exit ", Ok(Some(UserCommand::Quit))),
            ("", Ok(None)),
            (" \t", Ok(None)),
        ] {
            assert_eq!(UserCommand::parse(line.as_bytes(), false), expected, "{line:?}");
        }
    }

    /// The text of `help` as a user sees it.
    struct Help;

    impl fmt::Display for Help {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            UserCommand::fmt_help(f)
        }
    }

    #[test]
    fn each_command_in_the_help_is_understood() {
        let help = Help.to_string();
        let last = "quit                   disconnect and exit; exit does the same";
        assert_eq!(help.lines().last(), Some(last));
        for line in help.lines() {
            let (usage, purpose) = line.split_at(23);
            assert!(usage.ends_with(' ') && !purpose.starts_with(' '), "{line:?} is in columns");
            let command =
                usage.trim_end().replace("PORT", "9001").replace('N', "3").replace(['[', ']'], "");
            assert!(
                matches!(UserCommand::parse(command.as_bytes(), false), Ok(Some(_))),
                "{line:?}"
            );
        }
    }

    #[test]
    fn an_invalid_command_is_reported() {
        let port = |word| BadCommand::Port(word);
        for (line, expected) in [
            (&b"hello you"[..], BadCommand::Unknown("hello".into())),
            (b"Quit", BadCommand::Unknown("Quit".into())),
            (b"exit now", BadCommand::Arguments("exit".into())),
            (b"ping 1", BadCommand::Arguments("ping".into())),
            (b"register", port("register")),
            (b"register x", port("register")),
            (b"register 80", port("register")),
            (b"reconnect 1023", port("reconnect")),
            (b"register +1", port("register")),
            (b"reconnect 65536", port("reconnect")),
            (b"reconnect 1 2", port("reconnect")),
            (b"last 0", BadCommand::LastCount),
            (b"last 1001", BadCommand::LastCount),
            (b"last +1", BadCommand::LastCount),
            (b"last 1 2", BadCommand::LastCount),
            (b"msend \xff", BadCommand::NotUtf8),
            (b"msend a\nb", BadCommand::LineFeed),
        ] {
            assert_eq!(UserCommand::parse(line, false), Err(expected), "{line:?}");
        }
    }
}
