//! The keys of a site: the engine, and the group in the engine.

use std::path::{Path, PathBuf};

use super::coordinator_file::WrittenKeys;
use super::key::ConfigKey;
use super::{ConfigError, CoordinatorConfig, Fifos, FoundValue, Location, lines, value};
use crate::limits::list::{
    CREDENTIALS_BYTES_MAX, ENGINE_BYTES_DEFAULT, ENGINE_BYTES_LOWEST, ENGINE_TIMEOUT_MS_DEFAULT,
    SITE_LINE_BYTES_HIGHEST,
};
use crate::limits::{TIMEOUT_MS_HIGHEST, TIMEOUT_MS_LOWEST};
use crate::protocol::is_id;

/// The engine that keeps the list of a group, and this site of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// URLs of servers of the engine.
    pub servers: Vec<String>,
    /// Name of the group in the engine.
    pub group: String,
    /// Name of this site.
    pub site: String,
    /// File with the credentials of this site.
    pub credentials: Option<PathBuf>,
    /// Certificates of the CAs of the servers.
    pub ca: Option<PathBuf>,
    /// Milliseconds after which a request that was not sent to the engine gets `ERR 506`. A request
    /// that was sent waits for its outcome.
    pub timeout_ms: u64,
    /// URLs of the monitors of the servers.
    pub monitors: Vec<String>,
    /// Number of servers that store the list, when the group is founded.
    pub replicas: u32,
    /// Most bytes of the list, when the group is founded.
    pub bytes_max: u64,
}

impl EngineConfig {
    /// Creates a config with all keys at their defaults.
    pub(super) const fn new() -> Self {
        Self {
            servers: Vec::new(),
            group: String::new(),
            site: String::new(),
            credentials: None,
            ca: None,
            timeout_ms: ENGINE_TIMEOUT_MS_DEFAULT,
            monitors: Vec::new(),
            replicas: 3,
            bytes_max: ENGINE_BYTES_DEFAULT,
        }
    }
}

/// The keys of a site, beside those of a coordinator.
pub(super) static SITE_KEYS: [ConfigKey; 9] = [
    ConfigKey {
        name: "engine",
        hint: "URL,...",
        about: "servers of NATS JetStream that keep the list: nats://HOST:PORT, tls://HOST:PORT",
        assign: |config, text| {
            config.storage.engine.servers = urls(text, &["nats://", "tls://"])?;
            Ok(())
        },
        show: |config| config.storage.engine.servers.join(","),
    },
    ConfigKey {
        name: "group",
        hint: "NAME",
        about: "name of the group in the engine, the same at all its sites: A-Z a-z 0-9 - _",
        assign: |config, text| {
            let expected = "1 to 64 of A-Z a-z 0-9 _ -";
            config.storage.engine.group = name(text, !text.contains('.'), expected)?;
            Ok(())
        },
        show: |config| config.storage.engine.group.clone(),
    },
    ConfigKey {
        name: "site",
        hint: "NAME",
        about: "name of this site, another one at each site: A-Z a-z 0-9 - _ .",
        assign: |config, text| {
            config.storage.engine.site = name(text, true, "1 to 64 of A-Z a-z 0-9 . _ -")?;
            Ok(())
        },
        show: |config| config.storage.engine.site.clone(),
    },
    ConfigKey {
        name: "engine_credentials",
        hint: "FILE",
        about: "credentials of this site for the engine (mode 0600), as nsc writes them",
        assign: |config, text| {
            config.storage.engine.credentials = value::file(text)?;
            Ok(())
        },
        show: |config| value::show_file(config.storage.engine.credentials.as_deref()),
    },
    ConfigKey {
        name: "engine_ca",
        hint: "FILE",
        about: "certificates of the CAs of the engine's servers; every connection then has TLS",
        assign: |config, text| {
            config.storage.engine.ca = value::file(text)?;
            Ok(())
        },
        show: |config| value::show_file(config.storage.engine.ca.as_deref()),
    },
    ConfigKey {
        name: "engine_timeout",
        hint: "SECONDS",
        about: "a request that was not sent to the engine gets ERR 506 after this time; one that \
                was sent waits for its outcome",
        assign: |config, text| {
            let range = TIMEOUT_MS_LOWEST..=TIMEOUT_MS_HIGHEST;
            config.storage.engine.timeout_ms = value::seconds(text, range)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.storage.engine.timeout_ms),
    },
    ConfigKey {
        name: "engine_monitor",
        hint: "URL,...",
        about: "monitors of servers that this site reaches (http://HOST:PORT): a server that does \
                not sync each write is refused",
        assign: |config, text| {
            config.storage.engine.monitors = urls(text, &["http://"])?;
            Ok(())
        },
        show: |config| config.storage.engine.monitors.join(","),
    },
    ConfigKey {
        name: "engine_replicas",
        hint: "1|3|5",
        about: "servers that store the list; counts when the group is founded",
        assign: |config, text| {
            config.storage.engine.replicas = match text {
                "1" => 1,
                "3" => 3,
                "5" => 5,
                _ => return Err("1, 3 or 5".to_owned()),
            };
            Ok(())
        },
        show: |config| config.storage.engine.replicas.to_string(),
    },
    ConfigKey {
        name: "engine_bytes",
        hint: "BYTES",
        about: "most bytes of the list in the engine; counts when the group is founded",
        assign: |config, text| {
            let range = ENGINE_BYTES_LOWEST..=u64::MAX / 2;
            config.storage.engine.bytes_max = value::size(text, range)?;
            Ok(())
        },
        show: |config| value::show_size(config.storage.engine.bytes_max),
    },
];

/// Reads the file of `engine_credentials`. No other user may read the file, or change it.
///
/// # Errors
///
/// The first fault.
pub fn load_credentials(path: &Path) -> Result<String, ConfigError> {
    // A site that loses the engine reads them again.
    let bytes = lines::read_private(CREDENTIALS_BYTES_MAX, path, Fifos::Refused)?;
    String::from_utf8(bytes).map_err(|_| ConfigError::Unusable {
        path: path.to_owned(),
        reason: "is not UTF-8".to_owned(),
    })
}

fn name(text: &str, is_allowed: bool, expected: &str) -> Result<String, String> {
    match is_id(text) && is_allowed {
        true => Ok(text.to_owned()),
        false => Err(expected.to_owned()),
    }
}

fn urls(text: &str, schemes: &[&str]) -> Result<Vec<String>, String> {
    let urls: Vec<String> = text.split(',').map(|url| url.trim().to_owned()).collect();
    let is_url = |url: &String| {
        let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        rest.is_some_and(|rest| !rest.is_empty())
    };
    let expected = || format!("one or more of {}HOST:PORT, with commas", schemes.join("... or "));
    urls.iter().all(is_url).then_some(urls).ok_or_else(expected)
}

/// Checks the keys of a site: what it needs, and what several sites cannot have.
pub(super) fn check(config: &CoordinatorConfig, written: &WrittenKeys) -> Result<(), ConfigError> {
    for needed in ["engine", "group", "site"] {
        if !written.contains_key(needed) {
            return Err(ConfigError::Usage(format!("found no {needed}=, which a site needs")));
        }
    }
    let refused = |key: &'static str, expected: &str| match written.get(key) {
        Some((location, text)) if !text.is_empty() => {
            Err(field(location.clone(), key, text, expected))
        }
        Some(_) | None => Ok(()),
    };
    refused("data_dir", "none: the engine keeps the list of a site")?;
    if config.max_line > SITE_LINE_BYTES_HIGHEST {
        let highest = value::show_size(value::wide(SITE_LINE_BYTES_HIGHEST));
        refused("max_line", &format!("at most {highest}: a batch must have room for a line"))?;
    }
    if config.ttl_s == 0 {
        let expected = "at least 1: sites apply messages at different times";
        return Err(field(Location::Option, "ttl", "0", expected));
    }
    Ok(())
}

fn field(location: Location, field: &'static str, found: &str, expected: &str) -> ConfigError {
    let (found, expected) = (FoundValue::Text(found.to_owned()), expected.to_owned());
    ConfigError::Field { location, field, found, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Program;
    use crate::config::program::SITE_KEY_NAMES;

    #[test]
    fn the_names_of_the_keys_of_a_site_are_those_of_their_table() {
        assert_eq!(SITE_KEYS.each_ref().map(|key| key.name), SITE_KEY_NAMES);
    }

    #[test]
    fn an_invalid_name_is_answered_with_the_characters_of_a_valid_one() {
        for (key, expected) in
            [("site", "1 to 64 of A-Z a-z 0-9 . _ -"), ("group", "1 to 64 of A-Z a-z 0-9 _ -")]
        {
            let key = Program::Site.find_key(key).unwrap();
            let long = "a".repeat(65);
            for wrong in ["", "a b", "\u{e9}", &long] {
                let found = (key.assign)(&mut CoordinatorConfig::new(0, 1), wrong);
                assert_eq!(found, Err(expected.to_owned()), "{wrong:?}");
            }
        }
    }
}
