//! A byte stream below a [`Connection`](super::Connection): TCP, or what a simulation has instead.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use rustix::net::sockopt;

use super::{UnackedBytes, unacked};
use crate::limits::Keepalive;

/// A non-blocking byte stream. Reads and writes return `WouldBlock` instead of waiting.
pub trait Stream: Read + Write {
    /// Returns true if a connection that was started is established, and false if it is still in
    /// progress.
    ///
    /// # Errors
    ///
    /// The reason why the connection failed.
    fn connected(&self) -> io::Result<bool>;

    /// Closes our side.
    ///
    /// # Errors
    ///
    /// The error of the connection.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Turns on probes of a silent peer.
    ///
    /// # Errors
    ///
    /// The error of the socket's options.
    fn keep_alive(&self, keepalive: Keepalive) -> io::Result<()>;

    /// Returns the state of the written bytes.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    fn unacked(&self) -> io::Result<UnackedBytes>;
}

/// Readiness that an event reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// Bytes can be read.
    pub is_readable: bool,
    /// An end, an error or urgent data is there. A short read does not prove an empty stream then.
    pub is_special: bool,
    /// A write may succeed, or returns an error.
    pub is_writable: bool,
}

impl From<&Event> for Readiness {
    fn from(event: &Event) -> Self {
        Self {
            is_readable: event.is_readable(),
            is_special: event.is_read_closed() || event.is_error() || event.is_priority(),
            is_writable: event.is_writable() || event.is_write_closed() || event.is_error(),
        }
    }
}

impl Stream for TcpStream {
    /// TCP lets a socket connect to itself on a free ephemeral port. This is an error, too.
    fn connected(&self) -> io::Result<bool> {
        if let Some(error) = self.take_error()? {
            return Err(error);
        }
        match self.peer_addr() {
            Ok(peer) if peer == self.local_addr()? => Err(io::Error::other("connected to itself")),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn keep_alive(&self, keepalive: Keepalive) -> io::Result<()> {
        let Keepalive { idle_s, interval_s, probes } = keepalive;
        sockopt::set_tcp_keepidle(self, Duration::from_secs(idle_s))?;
        sockopt::set_tcp_keepintvl(self, Duration::from_secs(interval_s))?;
        sockopt::set_tcp_keepcnt(self, probes)?;
        sockopt::set_socket_keepalive(self, true)?;
        Ok(())
    }

    fn unacked(&self) -> io::Result<UnackedBytes> {
        unacked::outstanding(self)
    }
}
