//! The command line of the participant.

use std::ffi::OsString;
use std::path::Path;

use getopts::Matches;
use log::LevelFilter;

use super::{
    Invocation, ProgramInfo, common_options, config_file, log_level, matches, run_unless_check,
};
use crate::config::{ConfigError, FoundValue, Location, ParticipantConfig};

/// Settings of a participant from file and command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantRun {
    /// Config of the file.
    pub config: ParticipantConfig,
    /// Options that only the command line has.
    pub options: ParticipantOptions,
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
    /// Reconnect automatically when the message socket breaks.
    pub reconnect: bool,
    /// Acknowledge a message only after an fsync of the log.
    pub sync: bool,
    /// Show the state of the group instead of joining it.
    pub top: bool,
    /// Number of lines after which `top` ends.
    pub count: Option<u64>,
}

impl ParticipantOptions {
    /// Returns the commands to run before the lines of the user.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let join = self.join.then(|| "join".to_owned());
        join.into_iter().chain(self.execute.iter().cloned()).collect()
    }

    /// Returns true if standard input is read. With commands of `-e`, only if asked for.
    #[must_use]
    pub fn reads_input(&self) -> bool {
        self.execute.is_empty() || self.interactive
    }
}

impl ParticipantRun {
    /// Name of the program.
    pub const PROGRAM: &str = "participant";

    /// Parses the arguments, without the program's name, and loads the config file.
    ///
    /// # Errors
    ///
    /// The first error of the command line, or else of the config file.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Invocation<Self>, ConfigError> {
        let mut options = common_options("warn");
        options
            .optmulti("e", "execute", EXECUTE, "CMD")
            .optflag("i", "interactive", "read standard input after the commands of -e")
            .optflag("", "exit-on-error", "exit after the first command of -e that fails")
            .optflag("", "join", JOIN)
            .optflag("f", "follow", FOLLOW)
            .optflag("q", "quiet", "print no messages; they are still logged and acknowledged")
            .optflag("", "no-reconnect", "do not reconnect automatically when a connection breaks")
            .optflag("", "sync", "sync the message log to disk before each acknowledgement")
            .optflag("", "top", TOP)
            .optopt("", "count", "end --top after N lines, each of one second", "N");
        let matches = matches(&options, arguments)?;
        let about = ProgramInfo {
            program: Self::PROGRAM,
            purpose: PARTICIPANT_PURPOSE,
            file: PARTICIPANT_FILE,
        };
        if let Some(text) = about.help_or_version(&matches, &options) {
            return Ok(Invocation::Show(text));
        }
        let log_level = log_level(&matches, LevelFilter::Warn)?;
        let file = config_file(&matches)?;
        let config = ParticipantConfig::load(Path::new(file))?;
        let options = ParticipantOptions {
            execute: matches.opt_strs("execute"),
            interactive: matches.opt_present("interactive"),
            exit_on_error: matches.opt_present("exit-on-error"),
            join: matches.opt_present("join"),
            follow: matches.opt_present("follow"),
            quiet: matches.opt_present("quiet"),
            reconnect: !matches.opt_present("no-reconnect"),
            sync: matches.opt_present("sync"),
            top: matches.opt_present("top"),
            count: count(&matches)?,
        };
        Ok(run_unless_check(&matches, file, Self { config, options, log_level }))
    }
}

/// Returns the number of `--count`, which needs `--top`.
fn count(matches: &Matches) -> Result<Option<u64>, ConfigError> {
    let Some(text) = matches.opt_str("count") else { return Ok(None) };
    if !matches.opt_present("top") {
        return Err(ConfigError::Usage("--count needs --top".to_owned()));
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(ConfigError::Field {
            location: Location::Option,
            field: "count",
            found: FoundValue::Text(text),
            expected: "a number of lines, 1 or more".to_owned(),
        }),
        Ok(count) => Ok(Some(count)),
    }
}

const EXECUTE: &str = "run this command instead of reading standard input; may be repeated";

const JOIN: &str = "first of all, join: reconnect, or register if needed, and keep trying until \
                    the coordinator answers";

const FOLLOW: &str = "keep running after the end of input, until a signal; a FIFO is read on after \
                      each writer";

const TOP: &str = "show rates, backlog, journal and members of the group, again each second, \
                   and join nothing; a terminal gets a screen, everything else lines";

const PARTICIPANT_PURPOSE: &str = "a member of a group, at a prompt or in a pipe";

const PARTICIPANT_FILE: &str = "\
The config file: line 1 is the participant's id (1 to 64 of A-Z a-z 0-9 . _ -),
line 2 the name of its message log, line 3 the coordinator's address or host
name and its port (10.0.0.1 5000, hub:5000, [::1]:5000). Blank lines and lines
that begin with // are skipped.
";
