//! `--check` with a keys file or an outbox file: reads the files, tells their state, and changes
//! nothing.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::security::PeerSecurity;
use super::{ParticipantError, outbox_file};
use crate::config::ParticipantRun;
use crate::text;

/// Shows the lines `checked` about the config, and the state of the files. Returns the exit code.
pub(super) fn check(run: &ParticipantRun, checked: &str) -> Result<u8, ParticipantError> {
    let mut lines = checked.to_owned();
    if let Some(keys) = PeerSecurity::inspect(&run.config).map_err(ParticipantError::Keys)? {
        lines.push_str(&keys);
        lines.push('\n');
    }
    if let Some(path) = &run.options.store.outbox {
        let found = outbox_file::inspect(path, &run.config.id)
            .map_err(|unusable| ParticipantError::Outbox(path.clone(), unusable))?;
        let path = path.display().to_string();
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{}: {found}", text::for_terminal(&path));
    }
    let shown = io::stdout().write_all(lines.as_bytes());
    shown.map_err(|error| ParticipantError::System("cannot write to standard output", error))?;
    Ok(0)
}
