//! Parses the command lines of both programs.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use getopts::{Matches, Options};
use log::LevelFilter;

use super::coordinator_file::Overrides;
use super::key::{ConfigKey, KEYS};
use super::stderr::report_failure;
use super::{ConfigError, CoordinatorConfig, FoundValue, Location, ParticipantConfig};

/// Result of a command line: a text to print, or a program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation<R> {
    /// Print this text, which ends in a line feed, and exit.
    Show(String),
    /// Run the program.
    Run(R),
}

/// Task of the coordinator program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorTask {
    /// Run the coordinator.
    Serve(CoordinatorRun),
    /// Print the contents of the journal in this directory, and exit.
    Inspect(PathBuf),
}

/// Settings of a coordinator from file and command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRun {
    /// Config of the file, with the options of the command line over it.
    pub config: CoordinatorConfig,
    /// Start a new epoch: the journal was restored from a copy.
    pub new_epoch: bool,
    /// Most verbose level of diagnostics to show.
    pub log_level: LevelFilter,
}

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

impl CoordinatorRun {
    /// Name of the program.
    pub const PROGRAM: &str = "coordinator";

    /// Parses the arguments, without the program's name, and loads the config file.
    ///
    /// # Errors
    ///
    /// The first error of the command line, or else of the config file.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Invocation<CoordinatorTask>, ConfigError> {
        let mut options = common_options("info");
        options.optflag(
            "",
            "new-epoch",
            "use once after data_dir was restored from a copy: start a new epoch",
        );
        options.optopt("", "inspect", "print the contents of the journal in DIR and exit", "DIR");
        let default = CoordinatorConfig::new(0, 0);
        for key in &KEYS {
            let shown = Some((key.show)(&default)).filter(|shown| !shown.is_empty());
            let shown = shown.unwrap_or_else(|| "none: in memory only".to_owned());
            let about = format!("{} (default {shown})", key.about);
            options.optopt("", &key.option(), &about, key.hint);
        }
        let matches = matches(&options, arguments)?;
        let about = ProgramInfo {
            program: Self::PROGRAM,
            purpose: COORDINATOR_PURPOSE,
            file: COORDINATOR_FILE,
        };
        if let Some(text) = about.help_or_version(&matches, &options) {
            return Ok(Invocation::Show(text));
        }
        if let Some(directory) = inspect_directory(&matches)? {
            return Ok(Invocation::Run(CoordinatorTask::Inspect(directory)));
        }
        let log_level = log_level(&matches, LevelFilter::Info)?;
        let file = config_file(&matches)?;
        let value = |key: &'static ConfigKey| Some((key, matches.opt_str(&key.option())?));
        let overrides: Box<Overrides> = KEYS.iter().filter_map(value).collect();
        let config = CoordinatorConfig::load(Path::new(file), &overrides)?;
        let new_epoch = matches.opt_present("new-epoch");
        Ok(run_unless_check(
            &matches,
            file,
            CoordinatorTask::Serve(Self { config, new_epoch, log_level }),
        ))
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

/// Returns the task to run, or prints the text or the error and returns the exit code.
///
/// # Errors
///
/// 0 if the text was printed, 1 if it could not be printed, 2 for wrong usage or config.
pub fn task_or_exit<R>(
    program: &str,
    call: Result<Invocation<R>, ConfigError>,
) -> Result<R, ExitCode> {
    match call {
        Ok(Invocation::Run(run)) => Ok(run),
        Ok(Invocation::Show(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => Err(ExitCode::SUCCESS),
            Err(_) => Err(ExitCode::FAILURE),
        },
        Err(error) => {
            report_failure(program, &error);
            if error.is_usage() {
                report_failure(program, &format_args!("see '{program} --help'"));
            }
            Err(ExitCode::from(2))
        }
    }
}

/// Fixed parts of a program's help text.
struct ProgramInfo {
    program: &'static str,
    purpose: &'static str,
    file: &'static str,
}

impl ProgramInfo {
    /// Returns the text of `--help` or `--version`.
    fn help_or_version(&self, matches: &Matches, options: &Options) -> Option<String> {
        let Self { program, purpose, file } = self;
        let version = format!("{program} {}", env!("CARGO_PKG_VERSION"));
        if matches.opt_present("help") {
            let usage = options.usage(&format!("Usage: {program} [options] <config file>"));
            return Some(format!("{version}: {purpose}\n\n{usage}\n{file}\n{EXIT_CODES}"));
        }
        matches.opt_present("version").then(|| version + "\n")
    }
}

/// Returns the options of both programs.
fn common_options(default_level: &str) -> Options {
    let level = format!("off, error, warn, info, debug or trace (default {default_level})");
    let mut options = Options::new();
    options
        .optflag("h", "help", "show this text")
        .optflag("", "version", "show the version")
        .optflag("", "check", "check options and config file, and exit")
        .optflagmulti("v", "verbose", "show more diagnostics; -vv shows even more")
        .optopt("", "log-level", &level, "LEVEL");
    options
}

fn matches(
    options: &Options,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Matches, ConfigError> {
    let arguments = arguments.into_iter().map(|argument| {
        let not_utf8 = |bytes| ConfigError::Usage(format!("argument {bytes:?} is not UTF-8"));
        argument.into_string().map_err(not_utf8)
    });
    let arguments = arguments.collect::<Result<Vec<String>, ConfigError>>()?;
    options.parse(arguments).map_err(|fail| ConfigError::Usage(fail.to_string()))
}

fn log_level(matches: &Matches, default: LevelFilter) -> Result<LevelFilter, ConfigError> {
    let steps = matches.opt_count("verbose");
    let Some(word) = matches.opt_str("log-level") else {
        let louder = LevelFilter::iter().skip_while(|level| *level < default).nth(steps);
        return Ok(louder.unwrap_or(LevelFilter::Trace));
    };
    if steps > 0 {
        return Err(ConfigError::Usage(
            "found both --verbose and --log-level, expected one".to_owned(),
        ));
    }
    word.parse().map_err(|_| ConfigError::Field {
        location: Location::Option,
        field: "log_level",
        found: FoundValue::Text(word),
        expected: "off, error, warn, info, debug or trace".to_owned(),
    })
}

/// Returns the directory of `--inspect`, which must be the only option.
fn inspect_directory(matches: &Matches) -> Result<Option<PathBuf>, ConfigError> {
    let Some(directory) = matches.opt_str("inspect") else { return Ok(None) };
    let is_key = KEYS.iter().any(|key| matches.opt_present(&key.option()));
    let is_other = ["check", "verbose", "log-level", "new-epoch"]
        .iter()
        .any(|option| matches.opt_present(option));
    match is_key || is_other || !matches.free.is_empty() {
        true => {
            Err(ConfigError::Usage("--inspect takes no other option and no config file".to_owned()))
        }
        false => Ok(Some(directory.into())),
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

/// Returns the one argument that is not an option.
fn config_file(matches: &Matches) -> Result<&str, ConfigError> {
    match matches.free.as_slice() {
        [file] => Ok(file),
        files => {
            let found = files.len();
            Err(ConfigError::Usage(format!("found {found} config files, expected one")))
        }
    }
}

fn run_unless_check<R>(matches: &Matches, file: &str, run: R) -> Invocation<R> {
    match matches.opt_present("check") {
        true => Invocation::Show(format!("{file}: valid\n")),
        false => Invocation::Run(run),
    }
}

const EXECUTE: &str = "run this command instead of reading standard input; may be repeated";

const JOIN: &str = "first of all, join: reconnect, or register if needed, and keep trying until \
                    the coordinator answers";

const FOLLOW: &str = "keep running after the end of input, until a signal; a FIFO is read on after \
                      each writer";

const TOP: &str = "show rates, backlog, journal and members of the group, again each second, \
                   and join nothing; a terminal gets a screen, everything else lines";

const COORDINATOR_PURPOSE: &str = "serves one group: each message of a member goes to all others";

const PARTICIPANT_PURPOSE: &str = "a member of a group, at a prompt or in a pipe";

const COORDINATOR_FILE: &str = "\
The config file: line 1 is the port (0: any free port), line 2 is the time to
live of a message in whole seconds (0 to 31536000). Then come lines key=value,
in any order. The keys are the options from --bind to --sync, with _ for -, as
in max_line=64k. An option wins over its key. BYTES may end in k, m or g
(1k = 1024). SECONDS may have three decimals. Blank lines and lines that begin
with // are skipped.
";

const PARTICIPANT_FILE: &str = "\
The config file: line 1 is the participant's id (1 to 64 of A-Z a-z 0-9 . _ -),
line 2 the name of its message log, line 3 the coordinator's address or host
name and its port (10.0.0.1 5000, hub:5000, [::1]:5000). Blank lines and lines
that begin with // are skipped.
";

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 failure while running, 2 wrong usage or config.
";

#[cfg(test)]
mod tests;
