//! Transports: what carries the bytes of a [`Connection`](super::Connection) of the two programs.
//!
//! They are plain TCP, and TLS. No other part of the programs names a TCP stream.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::time::Duration;

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
#[cfg(all(feature = "tls", target_os = "linux"))]
use rustix::net::SendFlags;
use rustix::net::sockopt;

#[cfg(feature = "tls")]
use super::tls::{ClientSide, ServerSide, TlsStream, Wire};
use super::{Stream, UnackedBytes, socket, unacked};
use crate::limits::Keepalive;

/// Transport of a connection, with its socket.
#[derive(Debug)]
pub enum Transport {
    /// TCP without encryption.
    Plain(TcpStream),
    /// TLS over TCP.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

#[cfg(feature = "tls")]
impl Wire for TcpStream {
    #[cfg(target_os = "linux")]
    fn write_more(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&*self, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Transport {
    /// Wraps a TCP stream. Small writes leave at once.
    pub(super) fn plain(stream: TcpStream) -> Self {
        // If this fails, the peer is gone already, and the first read returns the error.
        let _ = stream.set_nodelay(true);
        Self::Plain(stream)
    }

    /// Starts a connection. [`Stream::connected`] returns the outcome.
    ///
    /// # Errors
    ///
    /// An error that the operating system reports at once, such as no route or no free file.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).map(Self::plain)
    }

    /// Starts a connection from our address `from`, if that address is of the same family. The peer
    /// may accept no other address of ours.
    ///
    /// # Errors
    ///
    /// An error that the operating system reports at once.
    pub(super) fn connect_from(from: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let is_loopback =
            [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&from);
        // A connection to the own machine comes from the address that it goes to.
        if is_loopback || from.is_ipv4() != address.is_ipv4() {
            return Self::connect(address);
        }
        socket::connect_from(from, address).map(Self::plain)
    }

    /// Speaks TLS as the server, over a socket that was accepted.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    #[cfg(feature = "tls")]
    pub fn tls_server(self, side: &ServerSide) -> io::Result<Self> {
        match self {
            Self::Plain(socket) => Ok(Self::Tls(Box::new(TlsStream::server(socket, side)?))),
            Self::Tls(_) => Err(ErrorKind::AlreadyExists.into()),
        }
    }

    /// Speaks TLS as the client, over a socket that connects or is connected.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    #[cfg(feature = "tls")]
    pub fn tls_client(self, side: &ClientSide) -> io::Result<Self> {
        match self {
            Self::Plain(socket) => Ok(Self::Tls(Box::new(TlsStream::client(socket, side)?))),
            Self::Tls(_) => Err(ErrorKind::AlreadyExists.into()),
        }
    }

    /// Returns the TLS connection, if there is one.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<&TlsStream<TcpStream>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(stream),
        }
    }

    /// Answers without TLS from now on, if the peer has spoken without TLS to our TLS server.
    /// Returns true if the answer can be read by the peer.
    #[cfg(feature = "tls")]
    pub fn answer_in_plain_text(&mut self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(stream) => stream.answer_in_plain_text(),
        }
    }

    /// Returns the socket. Each transport has one.
    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.wire(),
        }
    }

    /// Sets `TCP_USER_TIMEOUT`, if the system has this option.
    pub(super) fn set_user_timeout(&self, timeout_ms: u32) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        sockopt::set_tcp_user_timeout(self.socket(), timeout_ms)?;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = timeout_ms;
        Ok(())
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket().peer_addr()
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket().take_error()
    }
}

impl Source for Transport {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.register(registry, token, interests),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.wire_mut().register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.reregister(registry, token, interests),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.wire_mut().reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.deregister(registry),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.wire_mut().deregister(registry),
        }
    }
}

impl Read for Transport {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => tls_path::read(stream, buffer),
        }
    }
}

impl Write for Transport {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => tls_path::write(stream, bytes),
        }
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_vectored(slices),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => tls_path::write_vectored(stream, slices),
        }
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => tls_path::flush(stream),
        }
    }
}

impl Stream for Transport {
    /// TCP lets a socket connect to itself on a free ephemeral port. This is an error, too.
    fn connected(&mut self) -> io::Result<bool> {
        let socket = self.socket();
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(peer) if peer == socket.local_addr()? => {
                Err(io::Error::other("connected to itself"))
            }
            Ok(_) => match self {
                Self::Plain(_) => Ok(true), // Without a handshake of its own.
                #[cfg(feature = "tls")]
                Self::Tls(stream) => stream.handshake(),
            },
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    #[inline]
    fn is_handshaking(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_handshaking(),
        }
    }

    #[inline]
    fn wants_write(&self) -> bool {
        match self {
            Self::Plain(_) => false, // The operating system has all written bytes.
            #[cfg(feature = "tls")]
            Self::Tls(stream) => tls_path::wants_write(stream),
        }
    }

    #[inline]
    fn held_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.held_bytes(),
        }
    }

    #[inline]
    fn is_unfinished(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_unfinished(),
        }
    }

    /// On Linux, epoll(7) promises for TCP that a short read has emptied the stream.
    #[inline]
    fn short_read_drains(&self) -> bool {
        match self {
            Self::Plain(_) => cfg!(any(target_os = "linux", target_os = "android")),
            #[cfg(feature = "tls")]
            Self::Tls(_) => false, // A read is short at the end of a record.
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.shutdown_write(),
        }
    }

    fn notify_close(&mut self) {
        match self {
            Self::Plain(_) => (), // The close sends a FIN.
            #[cfg(feature = "tls")]
            Self::Tls(stream) => drop(stream.shutdown_write()), // The close follows in any case.
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    fn keep_alive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        let socket = self.socket();
        let Some(Keepalive { idle_s, interval_s, probes }) = keepalive else {
            return Ok(sockopt::set_socket_keepalive(socket, false)?);
        };
        sockopt::set_tcp_keepidle(socket, Duration::from_secs(idle_s))?;
        sockopt::set_tcp_keepintvl(socket, Duration::from_secs(interval_s))?;
        sockopt::set_tcp_keepcnt(socket, probes)?;
        sockopt::set_socket_keepalive(socket, true)?;
        Ok(())
    }

    fn unacked(&self) -> io::Result<UnackedBytes> {
        unacked::outstanding(self.socket())
    }
}

/// Calls that stay out of line, so that connections without TLS do not pay for it.
#[cfg(feature = "tls")]
mod tls_path {
    use std::io::{self, IoSlice, Read, Write};

    use mio::net::TcpStream;

    use crate::net::tls::TlsStream;

    type Tls = TlsStream<TcpStream>;

    #[cold]
    #[inline(never)]
    pub(super) fn read(stream: &mut Tls, buffer: &mut [u8]) -> io::Result<usize> {
        stream.read(buffer)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn write(stream: &mut Tls, bytes: &[u8]) -> io::Result<usize> {
        stream.write(bytes)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn write_vectored(stream: &mut Tls, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        stream.write_vectored(slices)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn flush(stream: &mut Tls) -> io::Result<()> {
        stream.flush()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn wants_write(stream: &Tls) -> bool {
        stream.wants_write()
    }
}
