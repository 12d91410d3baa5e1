//! `--check`: reads the files that the config names, and changes nothing.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::security::Security;
use super::{CoordinatorError, admin};
use crate::config::{CoordinatorRun, Fifos};
use crate::text::{self, Counted};

/// Shows that the config `checked` is valid, with what its files hold.
pub(super) fn check(checked: &str, run: &CoordinatorRun) -> Result<(), CoordinatorError> {
    let security =
        Security::load(&run.config.security, Fifos::Awaited).map_err(CoordinatorError::Config)?;
    admin::load_token(&run.config.http, Fifos::Awaited).map_err(CoordinatorError::Config)?;
    #[cfg(feature = "engine")]
    super::site::read_login(&run.config)?;
    let mut lines = format!("{checked}: valid\n");
    if let (Some(path), Some(key)) = (&run.config.security.tls, security.key()) {
        let path = path.display().to_string();
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{}: key {key}", text::for_terminal(&path));
    }
    if let (Some(path), Some(file)) = (&run.config.security.access, &security.access) {
        let path = path.display().to_string();
        let count = Counted(file.rules.len(), "line", "lines");
        let _ = writeln!(lines, "{}: {count}", text::for_terminal(&path));
    }
    let shown = io::stdout().write_all(lines.as_bytes());
    shown.map_err(|error| CoordinatorError::System("cannot write to standard output", error))
}
