//! Arguments of `register`, `reconnect` and `join` at the prompt.

use std::fmt;

use super::BadCommand;
use super::join_kind::JoinKind;
use super::user_command::UserCommand;
use crate::limits::LISTEN_PORT_MIN;

/// Reason for which a `register` does not ask for messages from before the registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPast {
    /// The coordinator is older than `last=`.
    OlderCoordinator,
    /// The message log has seen a coordinator before.
    LogNotNew,
}

impl fmt::Display for NoPast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OlderCoordinator => {
                "* the coordinator is older than last=: earlier messages do not come"
            }
            Self::LogNotNew => {
                "* last= is left out: the message log is not new, and could get earlier messages \
                 a second time ('last N' shows its end)"
            }
        })
    }
}

/// Parses the port of `register` or `reconnect`. `register` takes `last=N` behind the port.
pub(super) fn parse_join(kind: JoinKind, arguments: &str) -> Result<UserCommand, BadCommand> {
    let word = kind.word();
    let (port, last) = match kind {
        JoinKind::Register => parse(word, arguments)?,
        JoinKind::Reconnect => (parse_port(arguments).ok_or(BadCommand::Port(word))?, None),
    };
    Ok(UserCommand::Join { kind, port, last })
}

/// Parses `[PORT] [last=N]` of a `join`.
pub(super) fn parse_join_until_online(arguments: &str) -> Result<UserCommand, BadCommand> {
    let has_port = !arguments.is_empty() && !arguments.starts_with("last");
    let any_port = if has_port { "" } else { "0 " };
    let (port, last) = parse("join", format!("{any_port}{arguments}").trim_end())?;
    Ok(UserCommand::JoinUntilOnline { port, last })
}

/// Parses `PORT [last=N]`.
fn parse(word: &'static str, arguments: &str) -> Result<(u16, Option<u64>), BadCommand> {
    let (port, option) = match arguments.split_once(' ') {
        Some((port, option)) => (port, Some(option.trim_start())),
        None => (arguments, None),
    };
    let port = parse_port(port).ok_or(BadCommand::Port(word))?;
    let last = option.map(|option| parse_last(option).ok_or(BadCommand::JoinOption(word)));
    Ok((port, last.transpose()?))
}

fn parse_last(option: &str) -> Option<u64> {
    option.strip_prefix("last=").filter(|text| is_number(text))?.parse().ok()
}

/// Parses a port to listen on; 0 is any free one.
fn parse_port(text: &str) -> Option<u16> {
    let port = text.parse().ok().filter(|_| is_number(text))?;
    (port == 0 || port >= LISTEN_PORT_MIN).then_some(port)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_may_ask_for_the_last_messages() {
        let register = |port, last| UserCommand::Join { kind: JoinKind::Register, port, last };
        let join = |port, last| UserCommand::JoinUntilOnline { port, last };
        for (line, expected) in [
            ("register 0  last=20 ", Ok(register(0, Some(20)))),
            ("register 9001 last=0", Ok(register(9001, Some(0)))),
            ("join last=20", Ok(join(0, Some(20)))),
            ("join  9001 last=20", Ok(join(9001, Some(20)))),
            ("register last=5", Err(BadCommand::Port("register"))),
            ("register 0 last=5 x", Err(BadCommand::JoinOption("register"))),
            ("register 0 5", Err(BadCommand::JoinOption("register"))),
            ("reconnect 0 last=5", Err(BadCommand::Port("reconnect"))),
            ("join x", Err(BadCommand::Port("join"))),
            ("join 80", Err(BadCommand::Port("join"))),
            ("join last=", Err(BadCommand::JoinOption("join"))),
            ("join last=+5", Err(BadCommand::JoinOption("join"))),
            ("join 0 last=18446744073709551616", Err(BadCommand::JoinOption("join"))),
        ] {
            assert_eq!(UserCommand::parse(line.as_bytes()), expected.map(Some), "{line:?}");
        }
    }
}
