//! What a command line asks for: to be told something, or to run.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use getopts::{Matches, Options};
use log::LevelFilter;

use super::coordinator_file::Overrides;
use super::key::{KEYS, Key};
use super::{CoordinatorConfig, Fault, Found, ParticipantConfig, Place};

/// What is left to do once the command line is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call<R> {
    /// Print this text, which ends in a line feed, and be done.
    Show(String),
    /// Run the program.
    Run(R),
}

/// A coordinator to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRun {
    /// The file's, with the options over it.
    pub config: CoordinatorConfig,
    /// Diagnostics above it are not shown.
    pub log_level: LevelFilter,
}

/// A participant to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantRun {
    /// The file's.
    pub config: ParticipantConfig,
    /// What only the command line can say.
    pub options: ParticipantOptions,
    /// Diagnostics above it are not shown.
    pub log_level: LevelFilter,
}

/// How a participant behaves in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantOptions {
    /// Commands to begin with, in this order.
    pub execute: Vec<String>,
    /// Stay after the end of input, until a signal.
    pub follow: bool,
    /// Reconnect by itself when a connection breaks.
    pub reconnect: bool,
}

impl CoordinatorRun {
    /// The program's name.
    pub const PROGRAM: &str = "coordinator";

    /// What `arguments`, without the program's name, ask for.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with the command line, or else with the config file.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Call<Self>, Fault> {
        let mut options = common_options("info");
        let default = CoordinatorConfig::new(0, 0);
        for key in &KEYS {
            let about = format!("{} (default {})", key.about, (key.show)(&default));
            options.optopt("", &key.option(), &about, key.hint);
        }
        let matches = matches(&options, arguments)?;
        let about = About { program: Self::PROGRAM, purpose: PASSES_ON, file: COORDINATOR_FILE };
        if let Some(text) = about.asked_for(&matches, &options) {
            return Ok(Call::Show(text));
        }
        let log_level = log_level(&matches, LevelFilter::Info)?;
        let file = config_file(&matches)?;
        let value = |key: &'static Key| Some((key, matches.opt_str(&key.option())?));
        let overrides: Box<Overrides> = KEYS.iter().filter_map(value).collect();
        let config = CoordinatorConfig::load(Path::new(file), &overrides)?;
        Ok(checked(&matches, file, Self { config, log_level }))
    }
}

impl ParticipantRun {
    /// The program's name.
    pub const PROGRAM: &str = "participant";

    /// What `arguments`, without the program's name, ask for.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with the command line, or else with the config file.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Call<Self>, Fault> {
        let mut options = common_options("warn");
        options
            .optmulti("e", "execute", "run this command first; may be given repeatedly", "CMD")
            .optflag("f", "follow", "stay after the end of input, until a signal")
            .optflag("", "no-reconnect", "do not reconnect when a connection breaks");
        let matches = matches(&options, arguments)?;
        let about = About { program: Self::PROGRAM, purpose: TAKES_PART, file: PARTICIPANT_FILE };
        if let Some(text) = about.asked_for(&matches, &options) {
            return Ok(Call::Show(text));
        }
        let log_level = log_level(&matches, LevelFilter::Warn)?;
        let file = config_file(&matches)?;
        let config = ParticipantConfig::load(Path::new(file))?;
        let options = ParticipantOptions {
            execute: matches.opt_strs("execute"),
            follow: matches.opt_present("follow"),
            reconnect: !matches.opt_present("no-reconnect"),
        };
        Ok(checked(&matches, file, Self { config, options, log_level }))
    }
}

/// Shows what is to be shown, and hands out what is to be run; otherwise the exit code.
///
/// # Errors
///
/// 0 if the text was shown, 1 if it could not be written, 2 if the call was at fault.
pub fn settle<R>(program: &str, call: Result<Call<R>, Fault>) -> Result<R, ExitCode> {
    match call {
        Ok(Call::Run(run)) => Ok(run),
        Ok(Call::Show(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => Err(ExitCode::SUCCESS),
            Err(_) => Err(ExitCode::FAILURE),
        },
        Err(fault) => {
            let mut words = format!("{program}: {fault}\n");
            if fault.is_usage() {
                words += &format!("{program}: see '{program} --help'\n");
            }
            // Where even this cannot be written, the exit code is all that is left to say.
            let _ = io::stderr().write_all(words.as_bytes());
            Err(ExitCode::from(2))
        }
    }
}

/// What a program says of itself.
struct About {
    program: &'static str,
    purpose: &'static str,
    file: &'static str,
}

impl About {
    /// The text for `--help` or `--version`.
    fn asked_for(&self, matches: &Matches, options: &Options) -> Option<String> {
        let Self { program, purpose, file } = self;
        let version = format!("{program} {}", env!("CARGO_PKG_VERSION"));
        if matches.opt_present("help") {
            let usage = options.usage(&format!("Usage: {program} [options] <config file>"));
            return Some(format!("{version}: {purpose}\n\n{usage}\n{file}\n{EXIT_CODES}"));
        }
        matches.opt_present("version").then(|| version + "\n")
    }
}

/// The options that both programs have.
fn common_options(default_level: &str) -> Options {
    let level = format!("off, error, warn, info, debug or trace (default {default_level})");
    let mut options = Options::new();
    options
        .optflag("h", "help", "show this text")
        .optflag("", "version", "show the version")
        .optflag("", "check", "check options and config file, run nothing")
        .optflagmulti("v", "verbose", "show more diagnostics; -vv shows more still")
        .optopt("", "log-level", &level, "LEVEL");
    options
}

fn matches(
    options: &Options,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Matches, Fault> {
    let arguments = arguments.into_iter().map(|argument| {
        let not_utf8 = |bytes| Fault::Usage(format!("argument {bytes:?} is not UTF-8"));
        argument.into_string().map_err(not_utf8)
    });
    let arguments = arguments.collect::<Result<Vec<String>, Fault>>()?;
    options.parse(arguments).map_err(|fail| Fault::Usage(fail.to_string()))
}

fn log_level(matches: &Matches, default: LevelFilter) -> Result<LevelFilter, Fault> {
    let steps = matches.opt_count("verbose");
    let Some(word) = matches.opt_str("log-level") else {
        let louder = LevelFilter::iter().skip_while(|level| *level < default).nth(steps);
        return Ok(louder.unwrap_or(LevelFilter::Trace));
    };
    if steps > 0 {
        return Err(Fault::Usage("found both --verbose and --log-level, expected one".to_owned()));
    }
    word.parse().map_err(|_| Fault::Field {
        place: Place::Option,
        field: "log_level",
        found: Found::Text(word),
        expected: "off, error, warn, info, debug or trace".to_owned(),
    })
}

/// The one argument that is not an option.
fn config_file(matches: &Matches) -> Result<&str, Fault> {
    match matches.free.as_slice() {
        [file] => Ok(file),
        files => {
            let found = files.len();
            Err(Fault::Usage(format!("found {found} config files, expected one")))
        }
    }
}

fn checked<R>(matches: &Matches, file: &str, run: R) -> Call<R> {
    match matches.opt_present("check") {
        true => Call::Show(format!("{file}: valid\n")),
        false => Call::Run(run),
    }
}

const PASSES_ON: &str = "what one member of the group sends, all others get";

const TAKES_PART: &str = "a member of the group, at a prompt or behind a pipe";

const COORDINATOR_FILE: &str = "\
The config file: line 1 is the port (0: the system picks one), line 2 how many
seconds a message lives (whole, 0 to 31536000). Then come lines key=value for
bind to allow_foreign_ip; the option of that name wins. BYTES may end in k, m
or g (1024^1 to ^3), SECONDS may have three decimals. Blank lines and lines
that begin with // are skipped.
";

const PARTICIPANT_FILE: &str = "\
The config file: line 1 is the participant's id (1 to 64 of A-Z a-z 0-9 . _ -),
line 2 the name of its message log, line 3 the coordinator's address, a space
and its port. Blank lines and lines that begin with // are skipped.
";

const EXIT_CODES: &str = "\
Exit codes: 0 fine, 1 failed at work, 2 wrong usage or config.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &str) -> Vec<OsString> {
        words.split_whitespace().map(OsString::from).collect()
    }

    #[track_caller]
    fn check(words: &str, expected: &str) {
        for fault in [
            CoordinatorRun::from_arguments(arguments(words)).unwrap_err(),
            ParticipantRun::from_arguments(arguments(words)).unwrap_err(),
        ] {
            assert_eq!((fault.to_string().as_str(), fault.is_usage()), (expected, true), "{words}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_told_what_is_wrong_with_it() {
        check("", "found 0 config files, expected one");
        check("a b", "found 2 config files, expected one");
        check("--data-dir x a", "Unrecognized option: 'data-dir'");
        check("--sync a", "Unrecognized option: 'sync'");
        check("--check --check a", "Option 'check' given more than once");
        check("--check=1 a", "Option 'check' does not take an argument");
        check("a --log-level", "Argument to option 'log-level' missing");
        check("-v --log-level info a", "found both --verbose and --log-level, expected one");
        check(
            "--log-level loud a",
            "--log-level: found \"loud\", expected off, error, warn, info, debug or trace",
        );
    }

    #[test]
    fn an_argument_that_is_not_text_is_said_to_be_none() {
        use std::os::unix::ffi::OsStringExt as _;
        let wrong = ["-e".into(), OsString::from_vec(b"msend \xff".to_vec()), "a".into()];
        let fault = ParticipantRun::from_arguments(wrong).unwrap_err();
        assert_eq!(fault.to_string(), "argument \"msend \\xFF\" is not UTF-8");
    }

    #[test]
    fn help_and_version_need_no_config_file_and_come_before_what_is_wrong_with_it() {
        for words in ["-h", "--help", "--help --check absent.txt", "--version --help"] {
            for call in [
                CoordinatorRun::from_arguments(arguments(words)).map(|call| text(&call)),
                ParticipantRun::from_arguments(arguments(words)).map(|call| text(&call)),
            ] {
                let text = call.unwrap();
                assert!(text.contains("\nUsage: ") && text.ends_with(EXIT_CODES), "{text}");
                assert!(text.lines().all(|line| line.len() <= 80), "{text}");
            }
        }
        let version = CoordinatorRun::from_arguments(arguments("--version absent.txt"));
        let expected = format!("coordinator {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(version.map(|call| text(&call)), Ok(expected));
    }

    fn text<R>(call: &Call<R>) -> String {
        match call {
            Call::Show(text) => text.clone(),
            Call::Run(_) => panic!("nothing shown"),
        }
    }

    fn run<R>(call: Result<Call<R>, Fault>) -> R {
        match call.unwrap() {
            Call::Run(run) => run,
            Call::Show(text) => panic!("{text}"),
        }
    }

    #[test]
    fn the_help_names_every_key_with_its_default() {
        let help = text(&CoordinatorRun::from_arguments(arguments("--help")).unwrap());
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for key in &KEYS {
            let default = (key.show)(&CoordinatorConfig::new(0, 0));
            let line = format!("--{} {} {} (default {default})", key.option(), key.hint, key.about);
            assert!(words.contains(&line), "{line}\n{help}");
        }
        assert!(help.contains(KEYS[0].name) && help.contains(KEYS[KEYS.len() - 1].name));
    }

    #[test]
    fn options_reach_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.txt");
        std::fs::write(&path, "5000\n60\nmax_line=1k\n").unwrap();
        let coordinator = |words: &str| {
            let words = format!("{words} {}", path.display());
            run(CoordinatorRun::from_arguments(arguments(&words)))
        };
        let plain = CoordinatorConfig { max_line: 1024, ..CoordinatorConfig::new(5000, 60) };
        assert_eq!(coordinator("").config, plain);
        let wins = CoordinatorConfig { max_line: 2048, max_members: 3, ..plain };
        assert_eq!(coordinator("--max-line 2k --max-members=3").config, wins);
        for (words, level) in [
            ("", LevelFilter::Info),
            ("-v", LevelFilter::Debug),
            ("-vv", LevelFilter::Trace),
            ("-v --verbose -v", LevelFilter::Trace),
            ("--log-level off", LevelFilter::Off),
            ("--log-level=error", LevelFilter::Error),
        ] {
            assert_eq!(coordinator(words).log_level, level, "{words}");
        }

        std::fs::write(&path, "a\nl\n::1 5000\n").unwrap();
        let participant = |words: &str| {
            let words = format!("{words} {}", path.display());
            run(ParticipantRun::from_arguments(arguments(&words)))
        };
        let plain = ParticipantOptions { execute: Vec::new(), follow: false, reconnect: true };
        assert_eq!(participant("").options, plain);
        assert_eq!(participant("").log_level, LevelFilter::Warn);
        assert_eq!(participant("-v").log_level, LevelFilter::Info);
        let all = ParticipantOptions {
            execute: vec!["ping".to_owned(), "stats".to_owned()],
            follow: true,
            reconnect: false,
        };
        assert_eq!(participant("-e ping -f --execute=stats --no-reconnect").options, all);
    }

    #[test]
    fn a_file_that_is_none_is_one_clear_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(path("large"), vec![b'\n'; 65_537]).unwrap();
        std::fs::write(path("full"), [vec![b'\n'; 65_536 - 7], b"5000\n60".to_vec()].concat())
            .unwrap();
        std::fs::write(path("empty"), "").unwrap();
        let error =
            |name: &str| CoordinatorRun::from_arguments([OsString::from(name)]).unwrap_err();
        for (path, expected) in [
            (path("absent"), "cannot be read: No such file or directory (os error 2)"),
            (path("."), "cannot be read: Is a directory (os error 21)"),
            (path("large"), "found more than 65536 bytes, expected fewer"),
            ("/dev/zero".to_owned(), "found more than 65536 bytes, expected fewer"),
        ] {
            let fault = error(&path);
            assert_eq!(fault.to_string(), format!("{path}: {expected}"));
            assert!(!fault.is_usage());
        }
        let empty = format!("{}:1: port: found the end of the file", path("empty"));
        assert!(error(&path("empty")).to_string().starts_with(&empty));
        let full = CoordinatorRun::from_arguments([OsString::from(path("full"))]);
        assert_eq!(run(full).config, CoordinatorConfig::new(5000, 60));
    }
}
