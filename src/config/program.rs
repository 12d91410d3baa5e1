//! The programs that serve a group, and their keys.

use super::key::{ConfigKey, KEYS};

/// Names of the keys of a site, also for a program that was built without them.
pub(super) const SITE_KEY_NAMES: [&str; 9] = [
    "engine",
    "group",
    "site",
    "engine_credentials",
    "engine_ca",
    "engine_timeout",
    "engine_monitor",
    "engine_replicas",
    "engine_bytes",
];

/// A program that serves a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Program {
    /// The coordinator of a group on one machine.
    #[default]
    Coordinator,
    /// One of several coordinators of a group, with the journal in an engine.
    #[cfg(feature = "engine")]
    Site,
}

impl Program {
    /// Returns the name of the program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            #[cfg(feature = "engine")]
            Self::Site => "site",
        }
    }

    /// Returns the keys of the config file, in the order of the help.
    pub(super) fn keys(self) -> impl Iterator<Item = &'static ConfigKey> {
        let further: &[ConfigKey] = match self {
            Self::Coordinator => &[],
            #[cfg(feature = "engine")]
            Self::Site => &super::site_keys::SITE_KEYS,
        };
        KEYS.iter().chain(further)
    }

    /// Returns the keys of all programs.
    pub(super) fn all_keys() -> impl Iterator<Item = &'static ConfigKey> {
        #[cfg(feature = "engine")]
        return Self::Site.keys();
        #[cfg(not(feature = "engine"))]
        return Self::Coordinator.keys();
    }

    /// Returns the key of this name.
    pub(super) fn find_key(self, name: &str) -> Option<&'static ConfigKey> {
        self.keys().find(|key| key.name == name)
    }
}
