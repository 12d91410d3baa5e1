//! Lines `key=value` behind the first three lines of a participant's config file.

use std::path::PathBuf;

use super::lines::{ConfigLine, ConfigLines};
use super::participant::file_name;
use super::peer_timeouts::PEER_TIMEOUT_KEYS;
use super::reach::Reach;
use super::{ConfigError, FoundValue, PeerTimeouts};

/// Values of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ParticipantLines {
    pub(super) reach: Reach,
    /// Path of the keys file.
    pub(super) keys: Option<PathBuf>,
    pub(super) peer_timeouts: PeerTimeouts,
}

/// Keys of the lines, which are options too.
const KEYS: [&str; 6] =
    ["passive", "listen", "advertise", "keys", PEER_TIMEOUT_KEYS[0], PEER_TIMEOUT_KEYS[1]];

/// Description of a valid name of a keys file.
pub(super) const KEYS_EXPECTED: &str = "the name of a keys file";

impl ParticipantLines {
    /// Takes the rest of a config file.
    pub(super) fn take(lines: &mut ConfigLines<'_>) -> Result<Self, ConfigError> {
        let mut values = Self::default();
        let mut written: Vec<(&'static str, usize)> = Vec::new();
        while let Some(line) = lines.next()? {
            let (key, text) = split(&line)?;
            if let Some((_, first)) = written.iter().find(|(other, _)| *other == key) {
                return Err(line.found(key, FoundValue::Again { first: *first }, "one"));
            }
            let assigned = match key {
                "keys" => values.assign_keys(text),
                _ if PEER_TIMEOUT_KEYS.contains(&key) => values.peer_timeouts.assign(key, text),
                _ => values.reach.assign_in_file(key, text),
            };
            assigned.map_err(|expected| line.error(key, text, expected))?;
            written.push((key, line.number));
        }
        Ok(values)
    }

    fn assign_keys(&mut self, text: &str) -> Result<(), String> {
        self.keys = Some(file_name(text).ok_or(KEYS_EXPECTED)?);
        Ok(())
    }
}

/// Returns the key and the value of a line.
fn split<'a>(line: &ConfigLine<'a>) -> Result<(&'static str, &'a str), ConfigError> {
    let Some((name, text)) = line.text.split_once('=') else {
        return Err(line.error("line", line.text, "key=value, or nothing more".to_owned()));
    };
    let (name, text) = (name.trim_end(), text.trim_start());
    let key = KEYS.into_iter().find(|key| *key == name);
    Ok((key.ok_or_else(|| line.error("key", name, KEYS.join(", ")))?, text))
}
