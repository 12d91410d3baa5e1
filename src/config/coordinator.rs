//! What an operator can say to a coordinator.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::limits::{
    BACKLOG_BYTES_DEFAULT, CONNECT_TIMEOUT_MS_DEFAULT, CONNECTIONS_DEFAULT,
    CONNECTIONS_PER_ADDRESS_DEFAULT, FORGET_AFTER_MS_DEFAULT, LINE_BYTES_DEFAULT,
    LINE_TIMEOUT_MS_DEFAULT, MEMBERS_DEFAULT, MEMBERS_PER_ADDRESS_DEFAULT, Overflow,
    STALL_TIMEOUT_MS_DEFAULT, Sync,
};

/// All that an operator can say to a coordinator, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// `bind` and the port of line 1. With port 0 the operating system picks one.
    pub listen: SocketAddr,
    /// Line 2: seconds that a message lives, at most
    /// [`TTL_SECONDS_MAX`](crate::limits::TTL_SECONDS_MAX).
    pub ttl_s: u64,
    /// Bytes of kept messages; at least twice `max_line`.
    pub max_backlog: u64,
    /// What happens to a message that would exceed `max_backlog`.
    pub overflow: Overflow,
    /// Bytes of a request line, LF included.
    pub max_line: usize,
    /// Command sockets.
    pub max_connections: usize,
    /// Command sockets from one IPv4 address or IPv6 /64 network; loopback is exempt.
    pub max_connections_per_address: usize,
    /// Members, and registrations under way.
    pub max_members: usize,
    /// Of these, at one IPv4 address or IPv6 /64 network; loopback is exempt.
    pub max_members_per_address: usize,
    /// Milliseconds that a member may be offline before it is forgotten; 0: any time.
    pub forget_after_ms: u64,
    /// A line begun must be finished within it.
    pub line_timeout_ms: u64,
    /// A connect-back must succeed within it.
    pub connect_timeout_ms: u64,
    /// A message socket with bytes due must take one within it.
    pub stall_timeout_ms: u64,
    /// Whether requests may name addresses that they do not come from.
    pub allow_foreign_ip: bool,
    /// Where the journal is; without one messages are kept in memory only.
    pub data_dir: Option<PathBuf>,
    /// When the journal is made safe against power loss.
    pub sync: Sync,
}

impl CoordinatorConfig {
    /// A config with all keys at their defaults.
    #[must_use]
    pub const fn new(port: u16, ttl_s: u64) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
            ttl_s,
            max_backlog: BACKLOG_BYTES_DEFAULT,
            overflow: Overflow::Reject,
            max_line: LINE_BYTES_DEFAULT,
            max_connections: CONNECTIONS_DEFAULT,
            max_connections_per_address: CONNECTIONS_PER_ADDRESS_DEFAULT,
            max_members: MEMBERS_DEFAULT,
            max_members_per_address: MEMBERS_PER_ADDRESS_DEFAULT,
            forget_after_ms: FORGET_AFTER_MS_DEFAULT,
            line_timeout_ms: LINE_TIMEOUT_MS_DEFAULT,
            connect_timeout_ms: CONNECT_TIMEOUT_MS_DEFAULT,
            stall_timeout_ms: STALL_TIMEOUT_MS_DEFAULT,
            allow_foreign_ip: false,
            data_dir: None,
            sync: Sync::Always,
        }
    }
}
