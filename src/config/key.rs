//! The keys of the coordinator's config file: one table for the file, the options and the help.

use super::coordinator::CoordinatorConfig;
use super::value;
use crate::limits::http::METRICS_MEMBERS_HIGHEST;
use crate::limits::{
    BACKLOG_BYTES_HIGHEST, CONNECTIONS_HIGHEST, FORGET_AFTER_MS_HIGHEST, KEEP_HIGHEST,
    LINE_BYTES_HIGHEST, LINE_BYTES_LOWEST, MEMBERS_HIGHEST, PRESENCE_DELAY_MS_HIGHEST,
    TIMEOUT_MS_HIGHEST, TIMEOUT_MS_LOWEST,
};
use crate::limits::{Overflow, SyncPolicy};

/// A setting: `key=value` in the file, `--key VALUE` on the command line.
#[derive(Debug)]
pub(super) struct ConfigKey {
    /// Name in the file. The option has `-` instead of `_`.
    pub(super) name: &'static str,
    /// Placeholder of the value in the help: its unit or its choices.
    pub(super) hint: &'static str,
    /// Description for the help.
    pub(super) about: &'static str,
    /// Sets the value, or returns a description of the valid values.
    pub(super) assign: fn(&mut CoordinatorConfig, &str) -> Result<(), String>,
    /// Returns the value in the form of the config file.
    pub(super) show: fn(&CoordinatorConfig) -> String,
}

impl ConfigKey {
    /// Returns the default value in words, if the value in the file is empty.
    pub(super) fn without_value(&self) -> &'static str {
        match self.name {
            "data_dir" => "none: in memory only",
            "http" => "none: no HTTP server",
            "access" => "none: every client that reaches the port may do all",
            _ => "none",
        }
    }

    /// Returns the name of the option.
    pub(super) fn option(&self) -> String {
        self.name.replace('_', "-")
    }
}

fn timeout_ms(text: &str) -> Result<u64, String> {
    value::seconds(text, TIMEOUT_MS_LOWEST..=TIMEOUT_MS_HIGHEST)
}

/// All keys, in the order of the help.
pub(super) static KEYS: [ConfigKey; 28] = [
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
        about: "most bytes of messages kept for members, at least twice max_line",
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
        name: "keep",
        hint: "COUNT",
        about: "newest messages kept until they expire, for members that register with last=",
        assign: |config, text| {
            config.counts.keep = value::count(text, 0..=KEEP_HIGHEST)?;
            Ok(())
        },
        show: |config| config.counts.keep.to_string(),
    },
    ConfigKey {
        name: "max_line",
        hint: "BYTES",
        about: "longest request line, line feed included",
        assign: |config, text| {
            config.max_line = value::memory_size(text, LINE_BYTES_LOWEST..=LINE_BYTES_HIGHEST)?;
            Ok(())
        },
        show: |config| value::show_size(value::wide(config.max_line)),
    },
    ConfigKey {
        name: "max_connections",
        hint: "COUNT",
        about: "most command sockets at a time",
        assign: |config, text| {
            config.counts.max_connections = value::count(text, 1..=CONNECTIONS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.counts.max_connections.to_string(),
    },
    ConfigKey {
        name: "max_connections_per_address",
        hint: "COUNT",
        about: "most command sockets from one IPv4 address or IPv6 /64 network; loopback is exempt",
        assign: |config, text| {
            config.counts.max_connections_per_address =
                value::count(text, 1..=CONNECTIONS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.counts.max_connections_per_address.to_string(),
    },
    ConfigKey {
        name: "max_members",
        hint: "COUNT",
        about: "most members, offline ones and registrations under way included",
        assign: |config, text| {
            config.counts.max_members = value::count(text, 1..=MEMBERS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.counts.max_members.to_string(),
    },
    ConfigKey {
        name: "max_members_per_address",
        hint: "COUNT",
        about: "most members at one IPv4 address or IPv6 /64 network; loopback is exempt",
        assign: |config, text| {
            config.counts.max_members_per_address = value::count(text, 1..=MEMBERS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.counts.max_members_per_address.to_string(),
    },
    ConfigKey {
        name: "forget_after",
        hint: "SECONDS",
        about: "deregister a member after this time offline; 0: never",
        assign: |config, text| {
            config.presence.forget_after_ms = value::seconds(text, 0..=FORGET_AFTER_MS_HIGHEST)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.presence.forget_after_ms),
    },
    ConfigKey {
        name: "presence",
        hint: "yes|no",
        about: "tell all members who registers, comes, goes and deregisters",
        assign: |config, text| {
            config.presence.is_announced = value::yes_or_no(text)?;
            Ok(())
        },
        show: |config| value::show_yes_or_no(config.presence.is_announced),
    },
    ConfigKey {
        name: "presence_delay",
        hint: "SECONDS",
        about: "a member that comes back within this time was never away",
        assign: |config, text| {
            config.presence.delay_ms = value::seconds(text, 0..=PRESENCE_DELAY_MS_HIGHEST)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.presence.delay_ms),
    },
    ConfigKey {
        name: "line_timeout",
        hint: "SECONDS",
        about: "most time from the first byte of a request line to its end",
        assign: |config, text| {
            config.timeouts.line_ms = timeout_ms(text)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.timeouts.line_ms),
    },
    ConfigKey {
        name: "connect_timeout",
        hint: "SECONDS",
        about: "most time to connect back to a participant",
        assign: |config, text| {
            config.timeouts.connect_ms = timeout_ms(text)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.timeouts.connect_ms),
    },
    ConfigKey {
        name: "stall_timeout",
        hint: "SECONDS",
        about: "a member that reads nothing due to it for this time is set offline",
        assign: |config, text| {
            config.timeouts.stall_ms = timeout_ms(text)?;
            Ok(())
        },
        show: |config| value::show_seconds(config.timeouts.stall_ms),
    },
    ConfigKey {
        name: "keepalive",
        hint: "SECONDS",
        about: "silence of a peer before the first of three TCP keepalive probes; 0: none",
        assign: |config, text| config.timeouts.peer.assign_keepalive(text),
        show: |config| config.timeouts.peer.keepalive_s.to_string(),
    },
    ConfigKey {
        name: "user_timeout",
        hint: "SECONDS",
        about: "a peer whose machine acknowledges no bytes for this time is lost; 0: the system \
                decides",
        assign: |config, text| config.timeouts.peer.assign_user_timeout(text),
        show: |config| config.timeouts.peer.show_user_timeout(),
    },
    ConfigKey {
        name: "log_level",
        hint: "LEVEL",
        about: "off, error, warn, info, debug or trace",
        assign: |config, text| {
            config.log_level = value::log_level(text)?;
            Ok(())
        },
        show: |config| config.log_level.to_string().to_lowercase(),
    },
    ConfigKey {
        name: "allow_foreign_ip",
        hint: "yes|no",
        about: "accept requests whose <ip> is not the address that they come from",
        assign: |config, text| {
            config.security.allow_foreign_ip = value::yes_or_no(text)?;
            Ok(())
        },
        show: |config| value::show_yes_or_no(config.security.allow_foreign_ip),
    },
    ConfigKey {
        name: "data_dir",
        hint: "DIR",
        about: "keep members and messages in this directory across restarts and crashes; its \
                parent must exist",
        assign: |config, text| {
            config.storage.data_dir = value::file(text)?;
            Ok(())
        },
        show: |config| value::show_file(config.storage.data_dir.as_deref()),
    },
    ConfigKey {
        name: "sync",
        hint: "always|<n>ms|never",
        about: "when the journal is synced to disk: before each confirmation, within n \
                milliseconds, or when the operating system does it",
        assign: |config, text| {
            config.storage.sync = SyncPolicy::parse(text)?;
            Ok(())
        },
        show: |config| config.storage.sync.to_string(),
    },
    ConfigKey {
        name: "tls",
        hint: "FILE",
        about: "speak only TLS 1.3, with the key and the certificate in this file (see \
                --init-keys)",
        assign: |config, text| {
            config.security.tls = value::tls_file(text)?;
            Ok(())
        },
        show: |config| value::show_file(config.security.tls.as_deref()),
    },
    ConfigKey {
        name: "ca",
        hint: "FILE",
        about: "certificates of the CAs that vouch for the ids of clients; only with tls",
        assign: |config, text| {
            config.security.ca = value::file(text)?;
            Ok(())
        },
        show: |config| value::show_file(config.security.ca.as_deref()),
    },
    ConfigKey {
        name: "access",
        hint: "FILE",
        about: "file that says who may use which ids, and may send, receive and list; SIGHUP \
                reads the file again",
        assign: |config, text| {
            config.security.access = value::file(text)?;
            Ok(())
        },
        show: |config| value::show_file(config.security.access.as_deref()),
    },
    ConfigKey {
        name: "http",
        hint: "[IP:]PORT",
        about: "serve metrics and a status page over HTTP; a port alone means loopback",
        assign: |config, text| {
            config.http.listen = value::http_address(text)?;
            Ok(())
        },
        show: |config| config.http.listen.map_or_else(String::new, |it| it.to_string()),
    },
    ConfigKey {
        name: "http_token_file",
        hint: "FILE",
        about: "file with the token that HTTP requests must show; needed with access, unless http \
                is on loopback",
        assign: |config, text| {
            config.http.token_file = value::file(text)?;
            Ok(())
        },
        show: |config| value::show_file(config.http.token_file.as_deref()),
    },
    ConfigKey {
        name: "http_names",
        hint: "NAME,...",
        about: "names of this machine, beside its own one, under which browsers reach the status \
                page",
        assign: |config, text| {
            config.http.names = value::host_names(text)?;
            Ok(())
        },
        show: |config| config.http.names.join(","),
    },
    ConfigKey {
        name: "metrics_members",
        hint: "COUNT",
        about: "most members with values of their own in the metrics and on the status page",
        assign: |config, text| {
            config.http.members_max = value::count(text, 0..=METRICS_MEMBERS_HIGHEST)?;
            Ok(())
        },
        show: |config| config.http.members_max.to_string(),
    },
];
