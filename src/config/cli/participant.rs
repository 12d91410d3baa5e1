//! The command line of the participant.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use getopts::Matches;
use log::LevelFilter;

use super::script::ScriptOptions;
use super::{Invocation, ProgramInfo, common_options, log_level, matches, optional_file};
use crate::config::participant::ParticipantFields;
use crate::config::reach::ReachOptions;
use crate::config::{ConfigError, ParticipantConfig};

/// Settings of a participant from file and command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantRun {
    /// Config of the file.
    pub config: ParticipantConfig,
    /// Options that only the command line has.
    pub options: ParticipantOptions,
    /// With `--check`, if there is a keys file or an outbox file to check: the lines about the
    /// config, which is valid.
    pub checked: Option<String>,
    /// Most verbose level of diagnostics to show.
    pub log_level: LevelFilter,
}

/// Options of a participant that only the command line has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantOptions {
    /// Commands of `-e`, in their order.
    pub execute: Vec<String>,
    /// Read standard input after these commands.
    pub interactive: bool,
    /// Exit after the first of these commands that fails.
    pub exit_on_error: bool,
    /// Come online at the start, and keep trying.
    pub join: bool,
    /// Keep running after the end of input, until a signal.
    pub follow: bool,
    /// Print no messages.
    pub quiet: bool,
    /// Print the time of each message.
    pub time: bool,
    /// Keep the lines of the prompt for the next start.
    pub history: bool,
    /// Reconnect automatically when the message socket breaks.
    pub reconnect: bool,
    /// Files that keep messages and texts.
    pub store: StoreOptions,
    /// Show the state of the group instead of joining it.
    pub top: bool,
    /// Options for scripts.
    pub script: ScriptOptions,
}

/// Options of the files that keep messages and texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// Acknowledge a message only after an fsync of the log, and send a text only after an fsync of
    /// the outbox.
    pub sync: bool,
    /// Path of the outbox file, relative to the current directory.
    pub outbox: Option<PathBuf>,
}

/// The way in which a participant comes online and leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// The commands of the user decide.
    OfCommands,
    /// `join` comes first, and the participant stays a member.
    Joins,
    /// `join` comes first, and the participant leaves as found.
    Visits,
    /// Texts are sent without `join` if the id is online elsewhere. Leaves as found.
    VisitsToSend,
}

impl ParticipantOptions {
    /// Returns the options that were found.
    fn of(matches: &Matches) -> Result<Self, ConfigError> {
        Ok(Self {
            execute: matches.opt_strs("execute"),
            interactive: matches.opt_present("interactive"),
            exit_on_error: matches.opt_present("exit-on-error"),
            join: matches.opt_present("join"),
            follow: matches.opt_present("follow"),
            quiet: matches.opt_present("quiet"),
            time: matches.opt_present("time"),
            history: !matches.opt_present("no-history"),
            reconnect: !matches.opt_present("no-reconnect"),
            store: StoreOptions {
                sync: matches.opt_present("sync"),
                outbox: matches.opt_str("outbox").map(PathBuf::from),
            },
            top: matches.opt_present("top"),
            script: ScriptOptions::of(matches)?,
        })
    }

    /// Returns the commands to run before the lines of the user.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let join = match self.membership() {
            Membership::Joins | Membership::Visits => Some(self.script.join()),
            Membership::OfCommands | Membership::VisitsToSend => None,
        };
        let texts = self.script.send.iter().map(|text| format!("msend {text}"));
        join.into_iter().chain(self.execute.iter().cloned()).chain(texts).collect()
    }

    /// Returns true if standard input is read. With `-e`, `--send` or `--count`, only if asked for.
    #[must_use]
    pub fn reads_input(&self) -> bool {
        let has_work = !self.execute.is_empty() || self.script.has_verb();
        self.interactive || self.script.lines || !has_work
    }

    /// Returns true if the user gives commands, and so expects their replies.
    #[must_use]
    pub fn has_commands(&self) -> bool {
        self.interactive || !self.execute.is_empty() || !self.script.has_verb()
    }

    /// Returns the way in which the participant comes online and leaves.
    #[must_use]
    pub fn membership(&self) -> Membership {
        match (self.join, self.execute.is_empty() && self.script.has_verb()) {
            (true, _) => Membership::Joins,
            (false, false) => Membership::OfCommands,
            (false, true) if self.script.receives() => Membership::Visits,
            (false, true) => Membership::VisitsToSend,
        }
    }
}

impl ParticipantRun {
    /// Name of the program.
    pub const PROGRAM: &str = "participant";

    /// Parses the arguments, without the program's name, and loads the config file. `coordinator`
    /// is the value of [`COORDINATOR_VARIABLE`](crate::config::COORDINATOR_VARIABLE).
    ///
    /// # Errors
    ///
    /// The first error of the command line, or else of the config file.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
        coordinator: Option<OsString>,
    ) -> Result<Invocation<Self>, ConfigError> {
        let mut options = common_options(CHECK);
        options
            .optopt("", "log-level", LOG_LEVEL, "LEVEL")
            .optopt("", "id", "id of the participant, instead of line 1", "ID")
            .optopt("", "log", LOG, "FILE")
            .optflag("", "no-log", "keep no message log, and so no memory of what was received")
            .optmulti("", "coordinator", COORDINATOR, "HOST:PORT")
            .optflag("", "passive", PASSIVE)
            .optopt("", "listen", LISTEN, "ADDR")
            .optopt("", "advertise", ADVERTISE, "IP[:PORT]")
            .optopt("", "keys", KEYS, "FILE")
            .optopt("", "keepalive", KEEPALIVE, "SECONDS")
            .optopt("", "user-timeout", USER_TIMEOUT, "SECONDS")
            .optmulti("e", "execute", EXECUTE, "CMD")
            .optflag("i", "interactive", "read standard input after the commands of -e")
            .optflag("", "exit-on-error", "exit after the first command of -e that fails")
            .optflag("", "join", JOIN)
            .optflag("f", "follow", FOLLOW)
            .optflag("q", "quiet", "print no messages; they are still logged and acknowledged")
            .optflag("", "time", "print the time of each message before it, in UTC")
            .optflag("", "no-history", "do not keep the lines of the prompt for the next start")
            .optflag("", "no-reconnect", "do not reconnect automatically when a connection breaks")
            .optflag("", "sync", SYNC)
            .optopt("", "outbox", OUTBOX, "FILE")
            .optflag("", "top", TOP);
        ScriptOptions::declare(&mut options);
        let matches = matches(&options, arguments)?;
        let about = ProgramInfo {
            program: Self::PROGRAM,
            purpose: PARTICIPANT_PURPOSE,
            file: PARTICIPANT_FILE,
            argument: "[<config file>]",
        };
        if let Some(text) = about.help_or_version(&matches, &options) {
            return Ok(Invocation::Show(text));
        }
        check_exclusions(&matches)?;
        let log_level = log_level(&matches, LevelFilter::Warn)?.unwrap_or(LevelFilter::Warn);
        let file = optional_file(&matches)?;
        let fields = fields(&matches, coordinator);
        let config = ParticipantConfig::with_fields(file.map(Path::new), fields)?;
        let options = ParticipantOptions::of(&matches)?;
        let has_files = options.store.outbox.is_some() || config.keys.is_some();
        let is_check = matches.opt_present("check");
        let checked = checked_lines(file, &config);
        if is_check && !has_files {
            return Ok(Invocation::Show(checked));
        }
        let checked = is_check.then_some(checked);
        Ok(Invocation::Run(Self { config, options, checked, log_level }))
    }
}

/// Returns the lines of `--check` about a valid config.
fn checked_lines(file: Option<&str>, config: &ParticipantConfig) -> String {
    let checked = file.unwrap_or("options");
    match config.coordinators.len() {
        1 => format!("{checked}: valid\n"),
        _ => {
            let coordinators = &config.coordinators;
            format!("{checked}: valid\ncoordinators, tried in turn: {coordinators}\n")
        }
    }
}

/// Options that exclude others.
const EXCLUSIONS: [(&str, &[&str]); 4] = [
    ("top", &MEMBER_OPTIONS),
    ("no-log", &["log"]),
    ("lines", &["interactive"]),
    ("passive", &["listen", "advertise"]),
];

/// Options of a member of the group, which `--top` is not.
const MEMBER_OPTIONS: [&str; 24] = [
    "keepalive",
    "user-timeout",
    "log",
    "no-log",
    "passive",
    "listen",
    "advertise",
    "execute",
    "interactive",
    "exit-on-error",
    "join",
    "follow",
    "quiet",
    "no-history",
    "no-reconnect",
    "sync",
    "outbox",
    "send",
    "lines",
    "timeout",
    "exec",
    "last",
    "json",
    "time",
];

fn check_exclusions(matches: &Matches) -> Result<(), ConfigError> {
    for (option, excluded) in EXCLUSIONS {
        let both = excluded.iter().find(|it| matches.opt_present(it));
        if let (true, Some(other)) = (matches.opt_present(option), both) {
            return Err(ConfigError::Usage(format!("found both --{option} and --{other}")));
        }
    }
    let visits = matches.opt_present("count") && !matches.opt_present("execute");
    if matches.opt_present("last") && !matches.opt_present("join") && !visits {
        return Err(ConfigError::Usage("--last needs --join or --count".to_owned()));
    }
    let is_present = |name| matches.opt_present(name);
    if is_present("no-log") && is_present("sync") && !is_present("outbox") {
        return Err(ConfigError::Usage("found both --no-log and --sync".to_owned()));
    }
    let sends = is_present("send") || is_present("lines");
    if is_present("outbox") && sends && !is_present("join") {
        return Err(ConfigError::Usage(OUTBOX_OF_VISIT.to_owned()));
    }
    let drops_messages = matches.opt_present("no-log") && matches.opt_present("quiet");
    let uses_messages = matches.opt_present("count") || matches.opt_present("exec");
    if drops_messages && !uses_messages {
        return Err(ConfigError::Usage(NOTHING_KEPT.to_owned()));
    }
    Ok(())
}

const NOTHING_KEPT: &str = "--quiet and --no-log neither show nor keep a message; \
                            add --count N or --exec CMD, or leave one of them out";

const OUTBOX_OF_VISIT: &str = "--outbox keeps texts for a member that comes back: add --join, or \
                               leave it out";

/// Returns the fields of the config that are options, and `coordinator` of the environment.
fn fields(matches: &Matches, coordinator: Option<OsString>) -> ParticipantFields {
    ParticipantFields {
        id: matches.opt_str("id"),
        log_file: matches.opt_str("log"),
        has_no_log: matches.opt_present("no-log"),
        is_viewer: matches.opt_present("top"),
        coordinators: matches.opt_strs("coordinator"),
        reach: ReachOptions {
            is_passive: matches.opt_present("passive"),
            listen: matches.opt_str("listen"),
            advertise: matches.opt_str("advertise"),
        },
        keys: matches.opt_str("keys"),
        peer_timeouts: ["keepalive", "user-timeout"].map(|option| matches.opt_str(option)),
        usual_coordinators: coordinator.map(|it| it.to_string_lossy().into_owned()),
    }
}

const CHECK: &str = "check options, config file, --keys file and --outbox file, and exit";

const LOG_LEVEL: &str = "off, error, warn, info, debug or trace (default warn)";

const LOG: &str = "message log, instead of line 2 (default for an id that is not line 1: ID.log)";

const COORDINATOR: &str = "coordinator, instead of those of the file (default without a file: \
                           GROUPCAST_COORDINATOR in the environment); several are tried in turn";

const PASSIVE: &str = "get the messages on a connection that this participant makes: for NAT, \
                       containers and firewalls";

const LISTEN: &str = "listen on this address (default: all; 127.0.0.1 or ::1 if the coordinator \
                      is there)";

const ADVERTISE: &str = "the coordinator connects to this address and port, which are forwarded \
                         to the listener";

const KEYS: &str = "speak TLS with the invitation and the keys in FILE (mode 0600); the first \
                    start adds an own key";

const KEEPALIVE: &str = "silence of the coordinator's machine before the first of three TCP \
                         keepalive probes; 0: none (default 15)";

const USER_TIMEOUT: &str = "the connection ends if the coordinator's machine acknowledges no bytes \
                            for this time; 0: the system decides (default 30)";

const EXECUTE: &str = "run this command instead of reading standard input; may be repeated";

const JOIN: &str = "first of all, join: reconnect, or register if needed, and keep trying until \
                    the coordinator answers";

const SYNC: &str = "sync to disk: the message log before each acknowledgement, the outbox before \
                    each text is sent";

const OUTBOX: &str = "keep texts in FILE until the coordinator has confirmed them, also across \
                      kill -9 (with --sync: power loss)";

const FOLLOW: &str = "keep running after the end of input, until a signal; with a FIFO, wait for \
                      the next writer after each one";

const TOP: &str = "show rates, backlog, journal and members of the group, again each second, \
                   and join nothing; needs no id; a terminal gets a screen, \
                   everything else lines";

const PARTICIPANT_PURPOSE: &str = "a member of a group, at a prompt or in a pipe";

const PARTICIPANT_FILE: &str = "\
The config file: line 1 is the participant's id (1 to 64 of A-Z a-z 0-9 . _ -),
line 2 the name of its message log, line 3 the coordinator's address or host
name and its port (10.0.0.1 5000, hub:5000, [::1]:5000). Blank lines and lines
that begin with // are skipped. Further lines may be passive=yes, listen=ADDR,
advertise=IP[:PORT], keys=FILE, keepalive=SECONDS and user_timeout=SECONDS, or
one more coordinator of the group each: they are tried in turn.
Options win over the file; with --id and --coordinator no file is needed.
";
