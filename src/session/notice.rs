//! Notices to the user, in words that are safe for a terminal.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::NotSent;
use super::bye_text::{TAKEN_OVER, fmt_bye, fmt_went_back};
use super::user_command::{Ask, BadCommand};
use crate::limits::{REPLY_TIMEOUT_MS, WAITING_BYTES_MAX, WAITING_MAX, WAITING_MS_MAX};
use crate::protocol::{Epoch, Seq};
use crate::text::{self, Counted};

/// A line for the user. A reply is shown as it came. An event begins with `* `, and a mistake or
/// a failure with `error: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A line of the coordinator's, in answer to the user.
    Reply(Box<str>),
    /// A line of the user's that cannot be carried out.
    BadCommand(BadCommand),
    /// A command that did not come to a reply.
    Failed {
        /// Which.
        command: &'static str,
        /// Why.
        why: Reason,
    },
    /// A request that may or may not have been carried out. It is not sent again.
    Unanswered {
        /// Which.
        command: &'static str,
        /// Text of an `msend`.
        text: Option<Box<str>>,
    },
    /// A request that was given up before it was sent.
    NotSent {
        /// Which.
        command: &'static str,
        /// Text of an `msend`.
        text: Option<Box<str>>,
        /// Why.
        why: NotSent,
    },
    /// Requests wait until the participant is online again.
    Waiting,
    /// Requests that waited are sent.
    SendingWaiting {
        /// Number of commands.
        commands: usize,
    },
    /// The port that the operating system picked.
    Listening {
        /// It.
        port: u16,
    },
    /// The coordinator's name leads to another address than before, or to the first one.
    Connected {
        /// Coordinator as the user names it.
        name: Box<str>,
        /// Address at which the coordinator was reached.
        address: SocketAddr,
    },
    /// The message socket broke.
    MessageSocketLost {
        /// Why.
        why: Reason,
    },
    /// Another program with this id, which listens here, is online.
    TakenOver(SocketAddr),
    /// The command socket broke.
    CommandSocketLost {
        /// Why.
        why: Reason,
    },
    /// A reconnect follows.
    Paused {
        /// In so many milliseconds.
        ms: u64,
    },
    /// A try to become online failed, and another one follows.
    TryFailed {
        /// What was tried.
        command: &'static str,
        /// Why it failed.
        why: Reason,
        /// The next one in so many milliseconds.
        ms: u64,
    },
    /// The coordinator does not know us, so we register.
    Forgotten,
    /// Online again, by itself.
    Reconnected {
        /// The coordinator's words.
        reply: Box<str>,
    },
    /// Online again, but as a new member.
    RegisteredAgain {
        /// Its words.
        reply: Box<str>,
    },
    /// The next number, and the last one taken of the same epoch, which is not below it.
    NumbersWentBack(Seq, Seq),
    /// The message log cannot be written.
    LogFailed {
        /// The operating system's words.
        reason: Box<str>,
    },
    /// The message log can be written again.
    LogRecovered,
    /// The answer to `status`.
    Status(Status),
    /// The answer to `help`.
    Help,
    /// A signal came before these could be carried out.
    Unfinished {
        /// Of the user.
        commands: usize,
    },
    /// What was not waited for at the end.
    Abandoned {
        /// Entries of the message log. They were not acknowledged.
        unwritten: usize,
        /// Requests.
        unanswered: usize,
    },
}

/// Why something did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The operating system's words.
    System(Box<str>),
    /// The coordinator's words, `ERR` and all.
    Refused(Box<str>),
    /// The id is registered from another address than ours.
    IdElsewhere {
        /// Ours.
        id: Box<str>,
        /// Our address now.
        ip: IpAddr,
        /// The coordinator's words, `ERR` and all.
        line: Box<str>,
    },
    /// No listener.
    NoListener {
        /// Where it should have been.
        port: u16,
        /// The operating system's words.
        reason: Box<str>,
    },
    /// The command socket could not be connected in time.
    DialTimeout {
        /// Coordinator as the user names it.
        coordinator: Box<str>,
    },
    /// No reply came in time.
    NoReply {
        /// Coordinator as the user names it.
        coordinator: Box<str>,
    },
    /// The coordinator said `OK` and did not greet.
    NoGreeting,
    /// The message log has entries that it cannot write.
    LogFailed,
    /// What came on the command socket was no reply, or not to what was asked.
    BadReply,
    /// What came on the message socket was neither a message nor a gap.
    BadMessage,
    /// The coordinator's reason for closing the message socket.
    Bye(Box<str>),
}

/// How a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Who it speaks for.
    pub id: Box<str>,
    /// Whether messages come.
    pub state: SessionState,
    /// Address or name of the coordinator, and its port, as the user names them.
    pub coordinator: Box<str>,
    /// Address at which the coordinator was reached last.
    pub address: Option<SocketAddr>,
    /// Where it listens, or listened last.
    pub port: Option<u16>,
    /// The life of the numbers.
    pub epoch: Option<Epoch>,
    /// The last number taken.
    pub last: Seq,
    /// Entries of the message log that are not yet written.
    pub unwritten: usize,
    /// Requests that are not sent yet: the coordinator is away.
    pub waiting: usize,
    /// Requests without a reply.
    pub in_flight: usize,
}

/// Whether messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// No, and nothing is done about it.
    Offline,
    /// Not yet.
    Registering,
    /// Not yet.
    Reconnecting,
    /// The next try comes in so many milliseconds.
    Paused {
        /// So many.
        ms: u64,
    },
    /// Yes.
    Online,
}

impl Notice {
    pub(super) fn unanswered(ask: &Ask) -> Self {
        Self::Unanswered { command: ask.command().word(), text: ask.text() }
    }

    pub(super) fn not_sent(ask: &Ask, why: NotSent) -> Self {
        Self::NotSent { command: ask.command().word(), text: ask.text(), why }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(line) => text::for_terminal(line).fmt(f),
            Self::BadCommand(bad) => write!(f, "error: {bad}"),
            Self::Failed { command, why } => write!(f, "error: {command}: {why}"),
            Self::Unanswered { command, text } => {
                write!(f, "error: {command}: the reply is lost, so it is unknown whether ")?;
                match text {
                    None => f.write_str("it was done"),
                    Some(_) => f.write_str("this was accepted; it is not sent again"),
                }?;
                QuotedText(text).fmt(f)
            }
            Self::NotSent { command, text, why } => {
                write!(f, "error: {command}: not sent: {why}{}", QuotedText(text))
            }
            Self::Waiting => {
                write!(f, "* not online: texts wait up to {WAITING_S_MAX} s {WAITING}")
            }
            Self::SendingWaiting { commands } => {
                write!(f, "* sending {} that waited", Counted(*commands, "command", "commands"))
            }
            Self::Listening { port } => write!(f, "* listening on port {port}"),
            Self::Connected { name, address } => write!(f, "* connected to {name} at {address}"),
            Self::MessageSocketLost { why } => write!(f, "* message connection lost: {why}"),
            Self::TakenOver(by) => write!(f, "* taken over by {by}: {TAKEN_OVER}"),
            Self::CommandSocketLost { why } => write!(f, "* command connection lost: {why}"),
            Self::Paused { ms } => write!(f, "* reconnecting in {}", Seconds(*ms)),
            Self::TryFailed { command, why, ms } => {
                write!(f, "* {command} failed: {why}; trying again in {}", Seconds(*ms))
            }
            Self::Forgotten => {
                f.write_str("* the coordinator does not know this participant: registering")
            }
            Self::Reconnected { reply } => {
                write!(f, "* reconnected: {}", text::for_terminal(reply))
            }
            Self::RegisteredAgain { reply } => {
                let reply = text::for_terminal(reply);
                write!(f, "* registered anew, messages may have been missed: {reply}")
            }
            Self::NumbersWentBack(next, last) => fmt_went_back(*next, *last, f),
            Self::LogFailed { reason } => write!(f, "error: message log: {reason}; {NOT_ACKED}"),
            Self::LogRecovered => f.write_str("* message log: it can be written again"),
            Self::Status(status) => status.fmt(f),
            Self::Help => f.write_str(HELP),
            Self::Unfinished { commands } => {
                write!(f, "error: quit: not done: {}", Counted(*commands, "command", "commands"))
            }
            Self::Abandoned { unwritten, unanswered } => {
                let entries = Counted(*unwritten, "entry", "entries");
                let replies = Counted(*unanswered, "reply", "replies");
                write!(f, "error: quit: not waited for: {entries} of the message log, {replies}")
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(text) | Self::Refused(text) => text::for_terminal(text).fmt(f),
            Self::IdElsewhere { id, ip, line } => write!(
                f,
                "{id} is registered from another address, and the address of this participant is \
                 {ip} now: have the operator send {id}#deregister#127.0.0.1 on the coordinator's \
                 machine, or start the coordinator with allow_foreign_ip=yes: {}",
                text::for_terminal(line)
            ),
            Self::NoListener { port, reason } => {
                write!(f, "cannot listen on port {port}: {}", text::for_terminal(reason))
            }
            Self::DialTimeout { coordinator } => write!(f, "no answer from {coordinator}"),
            Self::NoReply { coordinator } => {
                let seconds = REPLY_TIMEOUT_MS.div_euclid(1000);
                write!(f, "no reply from {coordinator} in {seconds} s")
            }
            Self::NoGreeting => f.write_str("the coordinator did not greet in time"),
            Self::LogFailed => f.write_str("the message log cannot be written"),
            Self::BadReply => f.write_str("the coordinator sent something that is no reply"),
            Self::BadMessage => f.write_str("the coordinator sent something that is no message"),
            Self::Bye(reason) => fmt_bye(reason, f),
        }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(commands) => {
                let commands = Counted(*commands, "command waits", "commands wait");
                write!(f, "{commands} already (at most {WAITING_MAX}, {WAITING_BYTES_MAX} bytes)")
            }
            Self::TooOld => write!(f, "not online within {WAITING_S_MAX} s"),
            Self::Unreachable(why) => why.fmt(f),
            Self::Left => f.write_str("offline at the user's request"),
            Self::Quit => f.write_str("the participant ends"),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        writeln!(f, "id {}", self.id)?;
        writeln!(f, "state {}", self.state)?;
        write!(f, "coordinator {}", self.coordinator)?;
        match self.address {
            Some(address) if *address.to_string() != *self.coordinator => {
                writeln!(f, " at {address}")
            }
            Some(_) | None => writeln!(f),
        }?;
        writeln!(f, "port {}", or_none(self.port.map(|port| port.to_string())))?;
        writeln!(f, "epoch {}", or_none(self.epoch.map(|epoch| epoch.to_string())))?;
        writeln!(f, "last {}", self.last)?;
        writeln!(f, "unwritten {}", self.unwritten)?;
        writeln!(f, "waiting {}", self.waiting)?;
        write!(f, "in_flight {}", self.in_flight)
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline => f.write_str("offline"),
            Self::Registering => f.write_str("registering"),
            Self::Reconnecting => f.write_str("reconnecting"),
            Self::Paused { ms } => write!(f, "reconnecting in {}", Seconds(*ms)),
            Self::Online => f.write_str("online"),
        }
    }
}

/// A text, if there is one, behind what is said of it.
struct QuotedText<'a>(&'a Option<Box<str>>);

impl fmt::Display for QuotedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => write!(f, ": {}", text::for_terminal(text)),
            None => Ok(()),
        }
    }
}

const NOT_ACKED: &str = "until it can be written, messages are not acknowledged";
const WAITING: &str = "and are sent when online again";
const WAITING_S_MAX: u64 = WAITING_MS_MAX.div_euclid(1000);

/// Milliseconds as people like them: `1.3 s`.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.div_ceil(100);
        write!(f, "{}.{} s", tenths / 10, tenths % 10)
    }
}

const HELP: &str = "\
register PORT    become a member; messages come to PORT (0: any that is free)
reconnect PORT   come back; what was missed and has not expired comes first
disconnect       go away and stay a member; messages are kept while they live
deregister       be forgotten
msend TEXT       send TEXT to all other members; it waits while the coordinator is away
members          list the members
stats            show the coordinator's counters
ping             ask the coordinator for a sign of life
status           show how this participant stands
help             show this
quit             disconnect and end; exit does the same";
