//! A server and who publishes to it.

use std::net::TcpStream;

use crate::peers::link::Link;
use crate::process::Server;

/// A store with everybody connected.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) publishers: Vec<Link>,
    /// The message socket of who publishes: only who is online may.
    pub(super) held: Option<TcpStream>,
}
