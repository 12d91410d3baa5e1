//! A peer with everybody connected: what a case is played on.

use std::net::TcpStream;

use super::link::Link;
use super::wire::Wire;
use crate::cores::gone_when_closed;
use crate::failure::{Failure, Result};
use crate::process::Server;

/// Who is to be connected.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections that publish.
    pub publishers: usize,
    /// Connections that receive.
    pub receivers: usize,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// Whether receiver n is publisher n too, where the peer knows that.
    pub are_same: bool,
}

/// Everybody, connected.
#[derive(Debug)]
pub struct Stage {
    /// Who is connected.
    pub plan: Plan,
    /// Those that publish.
    pub publishers: Vec<Link>,
    /// Those that receive.
    pub receivers: Vec<Link>,
    /// Whether nobody gets its own messages.
    pub skips_own: bool,
    server: Option<Server>,
    held: Vec<TcpStream>,
}

impl Stage {
    pub(super) fn new(plan: Plan) -> Self {
        let (publishers, receivers, held) = (Vec::new(), Vec::new(), Vec::new());
        Self { plan, publishers, receivers, skips_own: false, server: None, held }
    }

    pub(super) fn publisher(&mut self, stream: TcpStream, wire: Box<dyn Wire>) -> Result<()> {
        self.publishers.push(Link::new(stream, wire)?);
        Ok(())
    }

    pub(super) fn receiver(&mut self, stream: TcpStream, wire: Box<dyn Wire>) -> Result<()> {
        self.receivers.push(Link::new(stream, wire)?);
        Ok(())
    }

    /// Keeps a socket open that nothing is expected on.
    pub(super) fn hold(&mut self, stream: TcpStream) -> Result<()> {
        gone_when_closed(&stream).map_err(Failure::system("cannot hold a socket"))?;
        self.held.push(stream);
        Ok(())
    }

    pub(super) fn served_by(mut self, server: Server) -> Self {
        self.server = Some(server);
        self
    }

    /// The server.
    ///
    /// # Errors
    ///
    /// That there is none, which is a mistake of ours.
    pub fn server(&self) -> Result<&Server> {
        self.server.as_ref().ok_or_else(|| Failure::Wrong("a stage without a server".to_owned()))
    }
}
