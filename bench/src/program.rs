//! What the programs here have in common: words for the user, and where the other programs are.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;

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
