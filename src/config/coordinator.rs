//! The coordinator's config: all keys with their defaults.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use log::LevelFilter;

use super::PeerTimeouts;
use crate::limits::http::METRICS_MEMBERS_DEFAULT;
use crate::limits::{
    BACKLOG_BYTES_DEFAULT, CONNECT_TIMEOUT_MS_DEFAULT, CONNECTIONS_DEFAULT,
    CONNECTIONS_PER_ADDRESS_DEFAULT, FORGET_AFTER_MS_DEFAULT, KEEP_DEFAULT, LINE_BYTES_DEFAULT,
    LINE_TIMEOUT_MS_DEFAULT, MEMBERS_DEFAULT, MEMBERS_PER_ADDRESS_DEFAULT, Overflow,
    PRESENCE_DELAY_MS_DEFAULT, STALL_TIMEOUT_MS_DEFAULT, SyncPolicy,
};

/// The checked config of a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// Address of `bind`, and port of line 1. 0: any free port.
    pub listen: SocketAddr,
    /// Time to live of a message in seconds (line 2), at most
    /// [`TTL_SECONDS_MAX`](crate::limits::TTL_SECONDS_MAX).
    pub ttl_s: u64,
    /// Most bytes of kept messages; at least twice `max_line`.
    pub max_backlog: u64,
    /// Rule for a message that would exceed `max_backlog`.
    pub overflow: Overflow,
    /// Most bytes of a request line, line feed included.
    pub max_line: usize,
    pub counts: CountLimits,
    pub presence: PresenceConfig,
    pub timeouts: Timeouts,
    /// Most verbose level of diagnostics to show.
    pub log_level: LevelFilter,
    pub storage: StorageConfig,
    pub security: SecurityConfig,
    pub http: HttpConfig,
}

/// Directory of the journal, and the time of its syncs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// Directory of the journal. Without one, messages are kept in memory only.
    pub data_dir: Option<PathBuf>,
    /// Time at which the journal is synced to disk.
    pub sync: SyncPolicy,
    /// The engine that keeps the journal of a site.
    #[cfg(feature = "engine")]
    pub engine: super::EngineConfig,
}

/// The HTTP server for metrics and the status page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address of the server. Without one, there is no server.
    pub listen: Option<SocketAddr>,
    /// File with the token that requests must show.
    pub token_file: Option<PathBuf>,
    /// Names, beside the own name of the machine, under which browsers may reach the server.
    pub names: Vec<String>,
    /// Most members with series and rows of their own.
    pub members_max: usize,
}

/// Rules about who may use the group. Paths are relative to the current directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityConfig {
    /// True if requests may name another address than their own.
    pub allow_foreign_ip: bool,
    /// Own key and certificate. Without this file there is no TLS.
    pub tls: Option<PathBuf>,
    /// Certificates of the CAs of clients. Only with `tls`.
    pub ca: Option<PathBuf>,
    /// Access file. Without one, everybody may do everything.
    pub access: Option<PathBuf>,
}

/// Limits on the numbers of command sockets, of members, and of messages for newcomers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountLimits {
    /// Number of newest messages that are kept for newcomers.
    pub keep: usize,
    /// Most command sockets.
    pub max_connections: usize,
    /// Most command sockets from one IPv4 address or IPv6 /64 network; loopback is exempt.
    pub max_connections_per_address: usize,
    /// Most members, registrations under way included.
    pub max_members: usize,
    /// Most members at one IPv4 address or IPv6 /64 network; loopback is exempt.
    pub max_members_per_address: usize,
}

/// Rules for members that come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceConfig {
    /// Milliseconds offline after which a member is deregistered; 0: never.
    pub forget_after_ms: u64,
    /// True if changes of members are announced.
    pub is_announced: bool,
    /// Milliseconds offline after which a member is announced offline, and the minimum from one
    /// announcement about an id to the next.
    pub delay_ms: u64,
}

/// Timeouts of sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Most milliseconds from the first byte of a request line to its end.
    pub line_ms: u64,
    /// Most milliseconds of a connect-back.
    pub connect_ms: u64,
    /// Milliseconds without progress after which a message socket with bytes due is closed.
    pub stall_ms: u64,
    /// Times after which the machine of a peer counts as gone.
    pub peer: PeerTimeouts,
}

impl CoordinatorConfig {
    /// Creates a config with all keys at their defaults.
    #[must_use]
    pub const fn new(port: u16, ttl_s: u64) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
            ttl_s,
            max_backlog: BACKLOG_BYTES_DEFAULT,
            overflow: Overflow::Reject,
            max_line: LINE_BYTES_DEFAULT,
            counts: CountLimits {
                keep: KEEP_DEFAULT,
                max_connections: CONNECTIONS_DEFAULT,
                max_connections_per_address: CONNECTIONS_PER_ADDRESS_DEFAULT,
                max_members: MEMBERS_DEFAULT,
                max_members_per_address: MEMBERS_PER_ADDRESS_DEFAULT,
            },
            presence: PresenceConfig {
                forget_after_ms: FORGET_AFTER_MS_DEFAULT,
                is_announced: false,
                delay_ms: PRESENCE_DELAY_MS_DEFAULT,
            },
            timeouts: Timeouts {
                line_ms: LINE_TIMEOUT_MS_DEFAULT,
                connect_ms: CONNECT_TIMEOUT_MS_DEFAULT,
                stall_ms: STALL_TIMEOUT_MS_DEFAULT,
                peer: PeerTimeouts::new(),
            },
            log_level: LevelFilter::Info,
            storage: StorageConfig {
                data_dir: None,
                sync: SyncPolicy::Always,
                #[cfg(feature = "engine")]
                engine: super::EngineConfig::new(),
            },
            security: SecurityConfig { allow_foreign_ip: false, tls: None, ca: None, access: None },
            http: HttpConfig {
                listen: None,
                token_file: None,
                names: Vec::new(),
                members_max: METRICS_MEMBERS_DEFAULT,
            },
        }
    }
}
