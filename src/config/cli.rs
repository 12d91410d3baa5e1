//! Parses the command lines of both programs.

mod participant;
mod script;
#[cfg(feature = "engine")]
mod site;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use getopts::{Matches, Options};
use log::LevelFilter;

use super::key::ConfigKey;
use super::stderr::report_failure;
use super::{
    ConfigError, ConfigSource, CoordinatorConfig, Endpoint, Fifos, FoundValue, Location, Program,
    value,
};

pub use participant::{Membership, ParticipantOptions, ParticipantRun, StoreOptions};
pub use script::ScriptOptions;
#[cfg(feature = "engine")]
pub use site::SiteTask;

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
    /// Check the files that the config names, and exit.
    Check {
        /// Path of the config file, or `options`: valid.
        checked: String,
        /// Settings, for which the files must be valid.
        run: CoordinatorRun,
    },
    /// A task that only the program `site` has.
    #[cfg(feature = "engine")]
    OfSite(SiteTask),
    /// Make the keys and the access file of the group of this config file, and exit.
    InitKeys(PathBuf, CoordinatorConfig),
    /// Make a further invitation to the group of this config file, and exit.
    Invite(PathBuf, CoordinatorConfig),
    /// Print the contents of the journal in this directory, and exit.
    Inspect(PathBuf),
    /// Ask the coordinator at this endpoint for a sign of life, and exit.
    Health(Endpoint),
}

/// Settings of a coordinator from file and command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRun {
    /// Config of the file, with the options of the command line over it.
    pub config: CoordinatorConfig,
    /// Sources of this config.
    pub source: ConfigSource,
    /// Start a new epoch: the journal was restored from a copy.
    pub new_epoch: bool,
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
        Self::of_program(Program::Coordinator, arguments)
    }

    /// Parses the arguments of a program that serves a group.
    ///
    /// # Errors
    ///
    /// The first error of the command line, or else of the config file.
    pub fn of_program(
        program: Program,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Invocation<CoordinatorTask>, ConfigError> {
        let options = coordinator_options(program);
        let matches = matches(&options, arguments)?;
        let about = program_info(program);
        if let Some(text) = about.help_or_version(&matches, &options) {
            return Ok(Invocation::Show(text));
        }
        #[cfg(feature = "engine")]
        if program == Program::Site
            && let Some(task) = site::inspect_task(&matches)?
        {
            return Ok(Invocation::Run(task));
        }
        if let Some(directory) = inspect_directory(&matches)? {
            return Ok(Invocation::Run(CoordinatorTask::Inspect(directory)));
        }
        if let Some(coordinator) = health_endpoint(&matches)? {
            return Ok(Invocation::Run(CoordinatorTask::Health(coordinator)));
        }
        let verbose = log_level(&matches, LevelFilter::Info)?;
        let file = optional_file(&matches)?;
        let value = |key: &'static ConfigKey| Some((key.name, matches.opt_str(&key.option())?));
        let source = ConfigSource {
            file: file.map(PathBuf::from),
            program,
            port: matches.opt_str("port"),
            ttl: matches.opt_str("ttl"),
            verbose,
            keys: program.keys().filter_map(value).collect(),
        };
        let config = source.load(Fifos::Awaited)?;
        let new_epoch = matches.opt_present("new-epoch");
        if let Some(task) = set_up_task(&matches, file, &config)? {
            return Ok(Invocation::Run(task));
        }
        let run = Self { config, source, new_epoch };
        let checked = file.unwrap_or("options").to_owned();
        #[cfg(feature = "engine")]
        if program == Program::Site
            && let Some(task) = site::found_task(&matches, &run)?
        {
            return Ok(Invocation::Run(task));
        }
        Ok(Invocation::Run(match matches.opt_present("check") {
            true => CoordinatorTask::Check { checked, run },
            false => CoordinatorTask::Serve(run),
        }))
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
    /// The argument that is not an option.
    argument: &'static str,
}

impl ProgramInfo {
    /// Returns the text of `--help` or `--version`.
    fn help_or_version(&self, matches: &Matches, options: &Options) -> Option<String> {
        let Self { program, purpose, file, argument } = self;
        let version = format!("{program} {}", env!("CARGO_PKG_VERSION"));
        if matches.opt_present("help") {
            let usage = options.usage(&format!("Usage: {program} [options] {argument}"));
            return Some(format!("{version}: {purpose}\n\n{usage}\n{file}\n{EXIT_CODES}"));
        }
        matches.opt_present("version").then(|| version + "\n")
    }
}

/// Returns the fixed parts of the help of a program that serves a group.
fn program_info(program: Program) -> ProgramInfo {
    let (purpose, file) = match program {
        Program::Coordinator => (COORDINATOR_PURPOSE, COORDINATOR_FILE),
        #[cfg(feature = "engine")]
        Program::Site => (site::PURPOSE, site::FILE),
    };
    ProgramInfo { program: program.name(), purpose, file, argument: "[<config file>]" }
}

/// Returns the options of a program that serves a group.
fn coordinator_options(program: Program) -> Options {
    let mut options = common_options("check the options and the files that they name, and exit");
    let (new_epoch, inspect, inspected) = match program {
        Program::Coordinator => (NEW_EPOCH, INSPECT, "DIR"),
        #[cfg(feature = "engine")]
        Program::Site => (site::NEW_EPOCH, site::INSPECT, "FILE"),
    };
    options.optflag("", "new-epoch", new_epoch);
    options.optflag(
        "",
        "init-keys",
        "make coordinator.keys, coordinator.crt and access.txt beside the config file, add \
         tls= and access= to it, print an invitation for participants, and exit",
    );
    options.optflag("", "invite", "print one more invitation for participants, and exit");
    options.optopt("", "inspect", inspect, inspected);
    options.optopt("", "health", HEALTH, "HOST:PORT");
    options.optopt("", "port", "port to listen on, instead of line 1; 0: any", "PORT");
    options.optopt("", "ttl", "time to live of a message, instead of line 2", "SECONDS");
    let default = CoordinatorConfig::new(0, 0);
    #[cfg(feature = "engine")]
    if program == Program::Site {
        site::add_options(&mut options);
    }
    for key in program.keys() {
        let shown = Some((key.show)(&default)).filter(|shown| !shown.is_empty());
        let shown = shown.unwrap_or_else(|| key.without_value().to_owned());
        let about = format!("{} (default {shown})", key.about);
        options.optopt("", &key.option(), &about, key.hint);
    }
    options
}

/// Returns the options of both programs.
fn common_options(check: &str) -> Options {
    let mut options = Options::new();
    options
        .optflag("h", "help", "show this text")
        .optflag("", "version", "show the version")
        .optflag("", "check", check)
        .optflagmulti("v", "verbose", "show more diagnostics; -vv shows even more");
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

/// Returns the level of `-v` or of `--log-level`, if one of them is given. `default` is the level
/// without them.
fn log_level(matches: &Matches, default: LevelFilter) -> Result<Option<LevelFilter>, ConfigError> {
    let steps = matches.opt_count("verbose");
    let Some(word) = matches.opt_str("log-level") else {
        let louder = LevelFilter::iter().skip_while(|level| *level < default).nth(steps);
        return Ok((steps > 0).then_some(louder.unwrap_or(LevelFilter::Trace)));
    };
    if steps > 0 {
        return Err(ConfigError::Usage(
            "found both --verbose and --log-level, expected one".to_owned(),
        ));
    }
    let level = value::log_level(&word).map_err(|expected| ConfigError::Field {
        location: Location::Option,
        field: "log_level",
        found: FoundValue::Text(word),
        expected,
    });
    level.map(Some)
}

/// Returns the task of `--init-keys` or `--invite`, which must be the only option.
fn set_up_task(
    matches: &Matches,
    file: Option<&str>,
    config: &CoordinatorConfig,
) -> Result<Option<CoordinatorTask>, ConfigError> {
    let is_given = |option: &str| matches.opt_present(option);
    let (option, task): (_, fn(PathBuf, CoordinatorConfig) -> CoordinatorTask) =
        match (is_given("init-keys"), is_given("invite")) {
            (false, false) => return Ok(None),
            (true, _) => ("init-keys", CoordinatorTask::InitKeys),
            (false, true) => ("invite", CoordinatorTask::Invite),
        };
    if has_others(matches, option) {
        return Err(ConfigError::Usage(format!("--{option} takes no other option")));
    }
    let Some(file) = file else {
        return Err(ConfigError::Usage(format!("--{option} needs a config file")));
    };
    if !cfg!(feature = "tls") {
        let reason = format!("--{option}: this program was built without TLS");
        return Err(ConfigError::Usage(reason));
    }
    Ok(Some(task(file.into(), config.clone())))
}

/// Returns the directory of `--inspect`, which must be the only option.
fn inspect_directory(matches: &Matches) -> Result<Option<PathBuf>, ConfigError> {
    let Some(directory) = matches.opt_str("inspect") else { return Ok(None) };
    check_alone(matches, "inspect")?;
    Ok(Some(directory.into()))
}

/// Returns the coordinator of `--health`, which must be the only option.
fn health_endpoint(matches: &Matches) -> Result<Option<Endpoint>, ConfigError> {
    let Some(text) = matches.opt_str("health") else { return Ok(None) };
    check_alone(matches, "health")?;
    let endpoint = Endpoint::parse(&text).map_err(|expected| ConfigError::Field {
        location: Location::Option,
        field: "health",
        found: FoundValue::Text(text),
        expected: expected.to_owned(),
    });
    endpoint.map(Some)
}

/// Checks that an option is alone, without a config file.
fn check_alone(matches: &Matches, option: &str) -> Result<(), ConfigError> {
    match has_others(matches, option) || !matches.free.is_empty() {
        true => {
            Err(ConfigError::Usage(format!("--{option} takes no other option and no config file")))
        }
        false => Ok(()),
    }
}

/// Options that are no keys, of all programs that serve a group.
const NOT_KEYS: [&str; 11] = [
    "check",
    "verbose",
    "new-epoch",
    "init-keys",
    "invite",
    "inspect",
    "health",
    "port",
    "ttl",
    "found",
    "import",
];

/// Returns true if another option than `option` is given.
fn has_others(matches: &Matches, option: &str) -> bool {
    let is_given =
        |other: &str| other != option && matches.opt_defined(other) && matches.opt_present(other);
    NOT_KEYS.iter().any(|other| is_given(other))
        || Program::all_keys().any(|key| is_given(&key.option()))
}

/// Returns the one argument that is not an option, if there is one.
fn optional_file(matches: &Matches) -> Result<Option<&str>, ConfigError> {
    match matches.free.as_slice() {
        [] => Ok(None),
        [file] => Ok(Some(file)),
        files => {
            let found = files.len();
            Err(ConfigError::Usage(format!("found {found} config files, expected one")))
        }
    }
}

const COORDINATOR_PURPOSE: &str = "serves one group: each message of a member goes to all others";

const NEW_EPOCH: &str = "use once after data_dir was restored from a copy: start a new epoch";

const INSPECT: &str = "print the contents of the journal in DIR and exit";

const HEALTH: &str = "ask the coordinator at HOST:PORT for a sign of life, and exit: 0 if it \
                      answers within 5 s, else 1; needs no file, and checks no key";

const COORDINATOR_FILE: &str = "\
The config file: line 1 is the port (0: any free port), line 2 is the time to
live of a message in whole seconds (0 to 31536000). With --port and --ttl no
file is needed. Then come lines key=value, in any order. The keys are the
options from --bind to --metrics-members, with _ for -, as in max_line=64k. An
option wins over its key. BYTES may end in k, m or g (1k = 1024). SECONDS may
have three decimals, but not for ttl and keepalive. Blank lines and lines that
begin with // are skipped.
";

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 failure while running, 2 wrong usage or config,
3 --timeout of a participant.
";

#[cfg(test)]
mod tests;
