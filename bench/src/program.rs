//! What the programs here have in common: a command line, words for the user, where the others are.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;

use getopts::{Matches, Options};

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
