//! What the programs here have in common: a command line, words for the user, where the others are.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use getopts::{Matches, Options};

/// What the command line of `program` asks for.
///
/// # Errors
///
/// The exit code, where that was help, which is shown, or nothing that there is, which is said.
pub fn asked(program: &str, options: &Options, brief: &str) -> Result<Matches, ExitCode> {
    match parse(options, env::args_os().skip(1)) {
        Ok(matches) if matches.opt_present("help") => {
            say(&options.usage(brief));
            Err(ExitCode::SUCCESS)
        }
        Ok(matches) => Ok(matches),
        Err(fault) => Err(usage(program, &fault)),
    }
}

/// Those of `names` that an option which may be given again asks for; none: all of them.
///
/// # Errors
///
/// The exit code for one that there is not, which is said.
pub fn chosen(
    program: &str,
    matches: &Matches,
    option: &str,
    names: &[&str],
) -> Result<Vec<String>, ExitCode> {
    let chosen = matches.opt_strs(option);
    match chosen.iter().find(|name| !names.contains(&name.as_str())) {
        None => Ok(chosen),
        Some(unknown) => {
            let fault = format!("--{option}: found {unknown:?}, expected one of {}", listed(names));
            Err(usage(program, &fault))
        }
    }
}

/// Names as they can be typed.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    let quoted = |name: &&str| match name.contains(' ') {
        true => format!("{name:?}"),
        false => (*name).to_owned(),
    };
    names.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Says what is wrong with the command line of `program`; its exit code.
pub fn usage(program: &str, fault: &str) -> ExitCode {
    complain(program, &fault);
    ExitCode::from(2)
}

/// What the options of a command line say, which has nothing else.
///
/// # Errors
///
/// What is wrong, in words.
pub fn parse(
    options: &Options,
    arguments: impl Iterator<Item = OsString>,
) -> Result<Matches, String> {
    let matches = options.parse(arguments).map_err(|fault| fault.to_string())?;
    match matches.free.first() {
        None => Ok(matches),
        Some(free) => Err(format!("there are no arguments besides options: found {free:?}")),
    }
}

/// Says something on standard output.
pub fn say(text: &str) {
    // Who closed it does not want to know.
    let _ = write!(io::stdout(), "{text}");
}

/// Says on standard error what went wrong in `program`.
pub fn complain(program: &str, fault: &dyn Display) {
    // Where even this cannot be written, the exit code is all that is left to say.
    let _ = writeln!(io::stderr(), "{program}: {fault}");
}

/// The directory of this program, where the others are too.
#[must_use]
pub fn directory() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    own.parent().map_or_else(PathBuf::new, PathBuf::from)
}

/// A program in the directory of this one.
#[must_use]
pub fn beside(name: &str) -> PathBuf {
    directory().join(name)
}
