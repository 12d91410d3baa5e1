//! Parses the coordinator's config file: the port, the time to live, then one key per line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log::LevelFilter;

use super::lines::{self, ConfigLine, ConfigLines, Fifos};
use super::program::SITE_KEY_NAMES;
use super::{ConfigError, CoordinatorConfig, FoundValue, Location, Program, related_keys, value};
use crate::limits::TTL_SECONDS_MAX;

/// Location and text of each key that was given.
pub(super) type WrittenKeys = BTreeMap<&'static str, (Location, String)>;

/// Sources of the settings of a coordinator: the options, and the config file. An option wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigSource {
    /// Program whose keys count.
    pub(super) program: Program,
    /// Path of the config file. Without a file, `port` and `ttl` must be given.
    pub(super) file: Option<PathBuf>,
    /// Value of `--port`.
    pub(super) port: Option<String>,
    /// Value of `--ttl`.
    pub(super) ttl: Option<String>,
    /// Level of `-v`, which wins over `log_level`.
    pub(super) verbose: Option<LevelFilter>,
    /// Keys given as options, with their values: in any order, each key at most once.
    pub(super) keys: Vec<(&'static str, String)>,
}

impl ConfigSource {
    /// Returns the program whose keys count.
    #[must_use]
    pub const fn program(&self) -> Program {
        self.program
    }

    /// Reads the config file, and applies the options.
    ///
    /// # Errors
    ///
    /// The first fault of the file, or else of the options.
    pub fn load(&self, fifos: Fifos) -> Result<CoordinatorConfig, ConfigError> {
        let bytes = self.file.as_deref().map(|path| lines::read(path, fifos)).transpose()?;
        self.parse(bytes.as_deref())
    }

    pub(super) fn parse(&self, bytes: Option<&[u8]>) -> Result<CoordinatorConfig, ConfigError> {
        let mut config = CoordinatorConfig::new(0, 0);
        let mut written = WrittenKeys::new();
        match (&self.file, bytes, &self.port, &self.ttl) {
            (Some(path), Some(bytes), ..) => {
                config.take_file(self.program, (path, bytes), &mut written)?;
            }
            (_, _, Some(_), Some(_)) => (),
            (_, _, port, ttl) => return Err(missing(port.is_some(), ttl.is_some())),
        }
        if let Some(text) = &self.port {
            let port = parse_port(text).map_err(|expected| of_option("port", text, expected))?;
            config.listen.set_port(port);
        }
        if let Some(text) = &self.ttl {
            config.ttl_s = parse_ttl(text).map_err(|expected| of_option("ttl", text, expected))?;
        }
        for (name, text) in &self.keys {
            let Some(key) = self.program.find_key(name) else { continue };
            (key.assign)(&mut config, text)
                .map_err(|expected| of_option(key.name, text, expected))?;
            written.insert(key.name, (Location::Option, text.clone()));
        }
        if let Some(level) = self.verbose {
            config.log_level = level;
        }
        #[cfg(feature = "engine")]
        if self.program == Program::Site {
            super::site_keys::check(&config, &written)?;
        }
        related_keys::check(&config, &mut written)?;
        Ok(config)
    }
}

/// Returns the error of a command line without a config file that lacks an option.
fn missing(has_port: bool, has_ttl: bool) -> ConfigError {
    let missing = match (has_port, has_ttl) {
        (true, _) => "expected --ttl too, or one config file",
        (false, true) => "expected --port too, or one config file",
        (false, false) => "expected one, or --port and --ttl",
    };
    ConfigError::Usage(format!("found 0 config files, {missing}"))
}

fn of_option(field: &'static str, found: &str, expected: String) -> ConfigError {
    let found = FoundValue::Text(found.to_owned());
    ConfigError::Field { location: Location::Option, field, found, expected }
}

impl CoordinatorConfig {
    /// Takes the values of the file at `path`.
    fn take_file(
        &mut self,
        program: Program,
        (path, bytes): (&Path, &[u8]),
        written: &mut WrittenKeys,
    ) -> Result<(), ConfigError> {
        let mut lines = ConfigLines::new(path, bytes);
        self.listen.set_port(first_line(&mut lines, "port", PORT_EXPECTED, parse_port)?);
        self.ttl_s = first_line(&mut lines, "ttl", &ttl_expected(), parse_ttl)?;
        while let Some(line) = lines.next()? {
            self.take_line(program, &line, written)?;
        }
        Ok(())
    }

    fn take_line(
        &mut self,
        program: Program,
        line: &ConfigLine<'_>,
        written: &mut WrittenKeys,
    ) -> Result<(), ConfigError> {
        let Some((name, text)) = line.text.split_once('=') else {
            let expected = "key=value, or a comment that begins with //";
            return Err(line.error("line", line.text, expected.to_owned()));
        };
        let (name, text) = (name.trim_end(), text.trim_start());
        let Some(key) = program.find_key(name) else {
            return Err(line.error("key", name, expected_keys(program, name)));
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
}

/// Returns the description of a valid key, for a line with the key `name`.
fn expected_keys(program: Program, name: &str) -> String {
    match SITE_KEY_NAMES.contains(&name) {
        true => "a key of the coordinator: this one belongs to the program `site`".to_owned(),
        false => program.keys().map(|key| key.name).collect::<Vec<_>>().join(", "),
    }
}

/// Parses the next line, which must be there.
fn first_line<T>(
    lines: &mut ConfigLines<'_>,
    field: &'static str,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, ConfigError> {
    let line = lines.require(field, expected)?;
    parse(line.text).map_err(|expected| line.error(field, line.text, expected))
}

const PORT_EXPECTED: &str = "a port from 0 to 65535";

fn ttl_expected() -> String {
    format!("whole seconds from 0 to {TTL_SECONDS_MAX}")
}

fn parse_port(text: &str) -> Result<u16, String> {
    let port = value::whole(text, 0..=u64::from(u16::MAX)).ok();
    let port = port.and_then(|port| u16::try_from(port).ok());
    port.ok_or_else(|| PORT_EXPECTED.to_owned())
}

fn parse_ttl(text: &str) -> Result<u64, String> {
    value::whole(text, 0..=TTL_SECONDS_MAX).map_err(|_| ttl_expected())
}

#[cfg(test)]
mod tests;
