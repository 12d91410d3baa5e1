//! Parses the coordinator's config file: the port, the time to live, then one key per line.

use std::collections::BTreeMap;
use std::path::Path;

use super::key::{ConfigKey, KEYS};
use super::lines::{self, ConfigLine, ConfigLines};
use super::{ConfigError, CoordinatorConfig, FoundValue, Location, value};
use crate::limits::TTL_SECONDS_MAX;

/// Keys given as options, with their values: in any order, each key at most once.
pub(super) type Overrides = [(&'static ConfigKey, String)];

/// Location and text of each key that was given.
type WrittenKeys = BTreeMap<&'static str, (Location, String)>;

impl CoordinatorConfig {
    /// Loads the file at `path`, and applies `overrides`.
    pub(super) fn load(path: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::parse(path, &lines::read(path)?, overrides)
    }

    fn parse(path: &Path, bytes: &[u8], overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut lines = ConfigLines::new(path, bytes);
        let mut config = Self::new(parse_port(&mut lines)?, parse_ttl(&mut lines)?);
        let mut written = WrittenKeys::new();
        while let Some(line) = lines.next()? {
            config.take_line(&line, &mut written)?;
        }
        for (key, text) in overrides {
            if let Err(expected) = (key.assign)(&mut config, text) {
                let found = FoundValue::Text(text.clone());
                return Err(ConfigError::Field {
                    location: Location::Option,
                    field: key.name,
                    found,
                    expected,
                });
            }
            written.insert(key.name, (Location::Option, text.clone()));
        }
        config.check_backlog(&mut written)?;
        check_sync(&mut written)?;
        check_ca(&mut written)?;
        Ok(config)
    }

    fn take_line(
        &mut self,
        line: &ConfigLine<'_>,
        written: &mut WrittenKeys,
    ) -> Result<(), ConfigError> {
        let Some((name, text)) = line.text.split_once('=') else {
            return Err(line.error("line", line.text, "key=value".to_owned()));
        };
        let (name, text) = (name.trim_end(), text.trim_start());
        let Some(key) = ConfigKey::find(name) else {
            return Err(line.error("key", name, KEYS.each_ref().map(|key| key.name).join(", ")));
        };
        if let Some((Location::Line { number: first, .. }, _)) = written.get(key.name) {
            let (found, expected) = (FoundValue::Again { first: *first }, "one".to_owned());
            return Err(ConfigError::Field {
                location: line.location(),
                field: key.name,
                found,
                expected,
            });
        }
        written.insert(key.name, (line.location(), text.to_owned()));
        (key.assign)(self, text).map_err(|expected| line.error(key.name, text, expected))
    }

    /// Checks that `max_backlog` has room for two lines. The default backlog always has: see
    /// `limits`.
    fn check_backlog(&self, written: &mut WrittenKeys) -> Result<(), ConfigError> {
        let lowest = value::wide(self.max_line).saturating_mul(2);
        match written.remove("max_backlog") {
            Some((location, text)) if self.max_backlog < lowest => Err(ConfigError::Field {
                location,
                field: "max_backlog",
                found: FoundValue::Text(text),
                expected: format!("at least {}, twice max_line", value::show_size(lowest)),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Checks that `sync` is not given without `data_dir`. With an empty `data_dir`, `sync` has no
/// effect and is valid.
fn check_sync(written: &mut WrittenKeys) -> Result<(), ConfigError> {
    match written.remove("sync") {
        Some((location, text)) if !written.contains_key("data_dir") => Err(ConfigError::Field {
            location,
            field: "sync",
            found: FoundValue::Text(text),
            expected: "data_dir too: without data_dir nothing is kept on disk".to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Checks that `ca` is not given without `tls`.
fn check_ca(written: &mut WrittenKeys) -> Result<(), ConfigError> {
    match written.remove("ca") {
        Some((location, text)) if !text.is_empty() && !written.contains_key("tls") => {
            Err(ConfigError::Field {
                location,
                field: "ca",
                found: FoundValue::Text(text),
                expected: "tls too: without tls clients show no certificates".to_owned(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

fn parse_port(lines: &mut ConfigLines<'_>) -> Result<u16, ConfigError> {
    let expected = "a port from 0 to 65535";
    let line = lines.require("port", expected)?;
    let port = value::whole(line.text, 0..=u64::from(u16::MAX)).ok();
    let port = port.and_then(|port| u16::try_from(port).ok());
    port.ok_or_else(|| line.error("port", line.text, expected.to_owned()))
}

fn parse_ttl(lines: &mut ConfigLines<'_>) -> Result<u64, ConfigError> {
    let expected = format!("whole seconds from 0 to {TTL_SECONDS_MAX}");
    let line = lines.require("ttl", &expected)?;
    let ttl_s = value::whole(line.text, 0..=TTL_SECONDS_MAX);
    ttl_s.map_err(|_| line.error("ttl", line.text, expected))
}

#[cfg(test)]
mod tests;
