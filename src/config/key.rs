//! The keys of the coordinator's config file, each of them an option too: one table for all uses.

use std::path::PathBuf;

use super::coordinator::CoordinatorConfig;
use super::value;
use crate::limits::{
    BACKLOG_BYTES_HIGHEST, CONNECTIONS_HIGHEST, FORGET_AFTER_MS_HIGHEST, LINE_BYTES_HIGHEST,
    LINE_BYTES_LOWEST, MEMBERS_HIGHEST, TIMEOUT_MS_HIGHEST, TIMEOUT_MS_LOWEST,
};
use crate::limits::{Overflow, Sync};

/// What can be set by `key=value` in the file and by `--key VALUE` on the command line.
#[derive(Debug)]
pub(super) struct ConfigKey {
    /// As the file has it; the option has `-` where this has `_`.
    pub(super) name: &'static str,
    /// Stands for the value in the help: its unit or its choices.
    pub(super) hint: &'static str,
    /// What it means.
    pub(super) about: &'static str,
    /// Takes the value over, or says what was expected.
    pub(super) assign: fn(&mut CoordinatorConfig, &str) -> Result<(), String>,
    /// The value as it could have been written.
    pub(super) show: fn(&CoordinatorConfig) -> String,
}

impl ConfigKey {
    /// The key of this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The name of the option.
    pub(super) fn option(&self) -> String {
        self.name.replace('_', "-")
    }
}

fn timeout_ms(text: &str) -> Result<u64, String> {
    value::seconds(text, TIMEOUT_MS_LOWEST..=TIMEOUT_MS_HIGHEST)
}

/// In the order of the help.
pub(super) static KEYS: [ConfigKey; 15] = [
    ConfigKey {
        name: "bind",
        hint: "IP",
        about: "address to listen on",
        assign: |config, text| {
            config.listen.set_ip(value::local_ip(text)?);
            Ok(())
        },
        show: |config| config.listen.ip().to_string(),
    },
    ConfigKey {
        name: "max_backlog",
        hint: "BYTES",
        about: "kept messages that some member still needs, at least twice max_line",
        assign: |config, text| {
            config.max_backlog = value::size(text, 0..=BACKLOG_BYTES_HIGHEST)?;
            Ok(())
        },
        show: |config| value::show_size(config.max_backlog),
    },
    ConfigKey {
        name: "overflow",
        hint: "reject|drop-oldest",
        about: "when max_backlog is reached: refuse the new message, or drop the oldest ones",
        assign: |config, text| {
            config.overflow = Overflow::parse(text)?;
            Ok(())
        },
        show: |config| config.overflow.to_string(),
    },
    ConfigKey {
        name: "max_line",
        hint: "BYTES",
        about: "longest request line, its line feed included",
        assign: |config, text| {
            config.max_line = value::memory_size(text, LINE_BYTES_LOWEST..=LINE_BYTES_HIGHEST)?;
            Ok(())
        },
        show: |config| value::show_size(value::wide(config.max_line)),
    },
    ConfigKey {
        name: "max_connections",
        hint: "COUNT",
        about: "command sockets at a time",
        assign: |config, text| {
            config.max_connections = value::count(text, 1..=CONNECTIONS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.max_connections.to_string(),
    },
    ConfigKey {
        name: "max_connections_per_address",
        hint: "COUNT",
        about: "of these, from one IPv4 address or IPv6 /64 network; loopback is exempt",
        assign: |config, text| {
            config.max_connections_per_address = value::count(text, 1..=CONNECTIONS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.max_connections_per_address.to_string(),
    },
    ConfigKey {
        name: "max_members",
        hint: "COUNT",
        about: "members, offline ones and registrations under way included",
        assign: |config, text| {
            config.max_members = value::count(text, 1..=MEMBERS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.max_members.to_string(),
    },
    ConfigKey {
        name: "max_members_per_address",
        hint: "COUNT",
        about: "of these, at one IPv4 address or IPv6 /64 network; loopback is exempt",
        assign: |config, text| {
            config.max_members_per_address = value::count(text, 1..=MEMBERS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.max_members_per_address.to_string(),
    },
    ConfigKey {
        name: "forget_after",
        hint: "SECONDS",
        about: "a member that is offline for so long is deregistered; 0: never",
        assign: |config, text| {
            config.forget_after_ms = value::seconds(text, 0..=FORGET_AFTER_MS_HIGHEST)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.forget_after_ms),
    },
    ConfigKey {
        name: "line_timeout",
        hint: "SECONDS",
        about: "a request line begun must be finished within it",
        assign: |config, text| {
            config.line_timeout_ms = timeout_ms(text)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.line_timeout_ms),
    },
    ConfigKey {
        name: "connect_timeout",
        hint: "SECONDS",
        about: "connecting back to a participant must succeed within it",
        assign: |config, text| {
            config.connect_timeout_ms = timeout_ms(text)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.connect_timeout_ms),
    },
    ConfigKey {
        name: "stall_timeout",
        hint: "SECONDS",
        about: "a member that takes no byte for so long though some are due becomes offline",
        assign: |config, text| {
            config.stall_timeout_ms = timeout_ms(text)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.stall_timeout_ms),
    },
    ConfigKey {
        name: "allow_foreign_ip",
        hint: "yes|no",
        about: "whether requests may name addresses that they do not come from",
        assign: |config, text| {
            config.allow_foreign_ip = value::yes_or_no(text)?;
            Ok(())
        },
        show: |config| if config.allow_foreign_ip { "yes" } else { "no" }.to_owned(),
    },
    ConfigKey {
        name: "data_dir",
        hint: "DIR",
        about: "keep members and messages in this directory, across any end; its parent must exist",
        assign: |config, text| {
            config.data_dir = (!text.is_empty()).then(|| PathBuf::from(text));
            Ok(())
        },
        show: |config| match &config.data_dir {
            Some(path) => path.display().to_string(),
            None => String::new(),
        },
    },
    ConfigKey {
        name: "sync",
        hint: "always|<n>ms|never",
        about: "when what is kept there is made safe against power loss: before it is confirmed, \
                so many milliseconds later, or when the system gets to it",
        assign: |config, text| {
            config.sync = Sync::parse(text)?;
            Ok(())
        },
        show: |config| config.sync.to_string(),
    },
];
