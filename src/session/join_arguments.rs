//! Arguments of `register`, `reconnect` and `join` at the prompt.

use std::fmt;

use super::BadCommand;
use super::join::JoinWay;
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

/// Parses the way of `register` or `reconnect`: PORT or `here`. A passive participant needs none.
/// `register` takes `last=N` behind it.
pub(super) fn parse_join(
    kind: JoinKind,
    arguments: &str,
    is_passive: bool,
) -> Result<UserCommand, BadCommand> {
    let word = kind.word();
    let usual = is_passive.then_some(JoinWay::Here);
    let (way, last) = match kind {
        JoinKind::Register => parse(word, arguments, usual)?,
        JoinKind::Reconnect if arguments.is_empty() => (usual.ok_or(BadCommand::Port(word))?, None),
        JoinKind::Reconnect => (parse_way(arguments).ok_or(BadCommand::Port(word))?, None),
    };
    Ok(UserCommand::Join { kind, way, last })
}

/// Parses `[PORT or here] [last=N]` of a `join`.
pub(super) fn parse_join_until_online(
    arguments: &str,
    is_passive: bool,
) -> Result<UserCommand, BadCommand> {
    let (way, last) = parse("join", arguments, Some(JoinWay::usual(is_passive)))?;
    Ok(UserCommand::JoinUntilOnline { way, last })
}

/// Parses `PORT [last=N]` or `here [last=N]`. The `usual` way needs no word.
fn parse(
    word: &'static str,
    arguments: &str,
    usual: Option<JoinWay>,
) -> Result<(JoinWay, Option<u64>), BadCommand> {
    let has_way = !arguments.is_empty() && !arguments.starts_with("last");
    let (way, option) = match (arguments.split_once(' '), usual) {
        (_, Some(usual)) if !has_way => (Some(usual), Some(arguments)),
        (Some((way, option)), _) => (parse_way(way), Some(option.trim_start())),
        (None, _) => (parse_way(arguments), None),
    };
    let way = way.ok_or(BadCommand::Port(word))?;
    let option = option.filter(|option| !option.is_empty());
    let last = option.map(|option| parse_last(option).ok_or(BadCommand::JoinOption(word)));
    Ok((way, last.transpose()?))
}

fn parse_last(option: &str) -> Option<u64> {
    option.strip_prefix("last=").filter(|text| is_number(text))?.parse().ok()
}

/// Parses `here`, or a port to listen on; 0 is any free one.
fn parse_way(text: &str) -> Option<JoinWay> {
    if text == "here" {
        return Some(JoinWay::Here);
    }
    let port = text.parse().ok().filter(|_| is_number(text))?;
    (port == 0 || port >= LISTEN_PORT_MIN).then_some(JoinWay::listen(port))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_may_ask_for_the_last_messages() {
        let register = |port, last| {
            let (kind, way) = (JoinKind::Register, JoinWay::listen(port));
            UserCommand::Join { kind, way, last }
        };
        let join = |port, last| {
            let way = JoinWay::listen(port);
            UserCommand::JoinUntilOnline { way, last }
        };
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
            let parsed = UserCommand::parse(line.as_bytes(), false);
            assert_eq!(parsed, expected.map(Some), "{line:?}");
        }
    }

    #[test]
    fn here_replaces_the_port_and_a_passive_participant_needs_none() {
        let (register, reconnect) = (JoinKind::Register, JoinKind::Reconnect);
        let command = |kind, way, last| Ok(UserCommand::Join { kind, way, last });
        let join = |way, last| Ok(UserCommand::JoinUntilOnline { way, last });
        let (here, any) = (JoinWay::Here, JoinWay::listen(0));
        for (line, active, passive) in [
            ("register here", command(register, here, None), command(register, here, None)),
            (
                "register here last=5",
                command(register, here, Some(5)),
                command(register, here, Some(5)),
            ),
            ("reconnect here", command(reconnect, here, None), command(reconnect, here, None)),
            ("join here", join(here, None), join(here, None)),
            ("join here last=5", join(here, Some(5)), join(here, Some(5))),
            ("join", join(any, None), join(here, None)),
            ("join 0", join(any, None), join(any, None)),
            ("join last=5", join(any, Some(5)), join(here, Some(5))),
            ("register", Err(BadCommand::Port("register")), command(register, here, None)),
            (
                "register last=5",
                Err(BadCommand::Port("register")),
                command(register, here, Some(5)),
            ),
            ("reconnect", Err(BadCommand::Port("reconnect")), command(reconnect, here, None)),
            (
                "reconnect here last=5",
                Err(BadCommand::Port("reconnect")),
                Err(BadCommand::Port("reconnect")),
            ),
            ("join Here", Err(BadCommand::Port("join")), Err(BadCommand::Port("join"))),
            (
                "join here 5",
                Err(BadCommand::JoinOption("join")),
                Err(BadCommand::JoinOption("join")),
            ),
        ] {
            let parse = |is_passive| UserCommand::parse(line.as_bytes(), is_passive);
            assert_eq!(parse(false), active.map(Some), "{line:?}");
            assert_eq!(parse(true), passive.map(Some), "{line:?}, passive");
        }
    }
}
