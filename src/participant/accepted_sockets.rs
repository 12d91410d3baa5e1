//! The listener, and the message sockets: messages in, acknowledgements out. A message socket was
//! accepted, or was a command socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::event_loop::{EventLoop, ParticipantTimer};
use super::line_socket::{EndedSocket, LineSocket, SocketStep, watch};
use super::security::{PeerSecurity, UntrustedPeer};
use crate::config::{Endpoints, Host};
use crate::net::{
    Accept, Acceptor, Connection, Key, LISTENER, Readiness, Slots, SocketTable, Transport,
};
use crate::protocol::{Ack, KeyName, Seq};
use crate::session::MessageSocket;
use crate::time::Millis;

/// The listener, its connections, and the message sockets that were command sockets.
#[derive(Debug)]
pub(super) struct AcceptedSockets {
    /// Address to listen on.
    ip: IpAddr,
    security: PeerSecurity,
    listener: Option<Acceptor>,
    sockets: Slots<AcceptedSocket>,
    /// Sockets to be closed at the end of the turn.
    marked_for_close: Vec<Key>,
    /// Number of accepted connections so far.
    accepted: u64,
}

/// A message socket, or an accepted connection that may become one.
#[derive(Debug)]
struct AcceptedSocket {
    number: MessageSocket,
    lines: LineSocket,
    /// True if unread lines were left because the session did not want them. No event comes when it
    /// wants them again.
    paused: bool,
    /// Acknowledgement to write; a later one replaces it.
    ack: Option<Seq>,
    trust: PeerTrust,
}

/// State of the trust in a peer. Without TLS, each peer is trusted: its first line tells more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerTrust {
    /// No line is read.
    Handshake,
    Trusted,
    /// The handshake has failed, or the peer has shown this key.
    Failed(Option<KeyName>),
}

impl AcceptedSockets {
    /// Listens at `ip`. Without it, the coordinators decide which machines can connect.
    pub(super) fn new(
        coordinators: &Endpoints,
        ip: Option<IpAddr>,
        security: PeerSecurity,
    ) -> Self {
        Self {
            security,
            ip: ip.unwrap_or_else(|| listening_ip(coordinators)),
            listener: None,
            sockets: Slots::new(SocketTable::Message),
            marked_for_close: Vec::new(),
            accepted: 0,
        }
    }

    /// Opens the listener. Returns its port and a nonce.
    pub(super) fn listen(&mut self, port: u16, event_loop: &EventLoop) -> io::Result<(u16, u128)> {
        self.listener = None; // The new listener may need the same port.
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(io::Error::other)?;
        let mut listener = Acceptor::bind(SocketAddr::new(self.ip, port), 0)?;
        listener.register(event_loop.registry(), LISTENER)?;
        let port = listener.local_addr()?.port();
        self.listener = Some(listener);
        Ok((port, u128::from_ne_bytes(bits)))
    }

    /// Closes the listener. Accepted connections stay open.
    pub(super) fn close_listener(&mut self) {
        self.listener = None;
    }

    /// Records an event of the listener.
    pub(super) fn on_listener_event(&mut self) {
        self.listener.iter_mut().for_each(Acceptor::on_event);
    }

    /// Ends a pause of the listener, because this process closed a file.
    pub(super) fn file_closed(&mut self) {
        self.listener.iter_mut().for_each(Acceptor::file_closed);
    }

    /// Accepts a connection. Call it until it returns `None`.
    pub(super) fn accept(
        &mut self,
        event_loop: &mut EventLoop,
        now: Millis,
    ) -> Option<(MessageSocket, IpAddr)> {
        while let Some(listener) = &mut self.listener {
            match listener.accept(now) {
                Accept::Accepted(stream, peer) => match self.add(stream, event_loop) {
                    Ok(number) => return Some((number, peer.ip())),
                    Err(error) => {
                        log::warn!("cannot serve a connection from {}: {error}", peer.ip());
                    }
                },
                Accept::Yielded => {
                    event_loop.come_back();
                    return None;
                }
                Accept::OutOfFiles(error) => {
                    log::warn!("cannot accept a connection: {error}");
                    if let Some(at) = listener.retry_at() {
                        event_loop.wake_at(at, ParticipantTimer::Accept);
                    }
                    return None;
                }
                Accept::Drained | Accept::Paused => return None,
            }
        }
        None
    }

    fn add(&mut self, stream: Transport, event_loop: &EventLoop) -> io::Result<MessageSocket> {
        self.accepted = self.accepted.saturating_add(1);
        let number = MessageSocket(self.accepted);
        let mut connection = self.security.server(Connection::new(stream))?;
        watch(&mut connection, event_loop, self.sockets.next_key())?;
        let trust = match self.security.has_handshakes() {
            true => PeerTrust::Handshake,
            false => PeerTrust::Trusted,
        };
        let lines = LineSocket::new(connection);
        self.sockets.insert(AcceptedSocket { number, lines, paused: false, ack: None, trust });
        Ok(number)
    }

    /// Adds a connection that was a command socket, with the lines that were read and not used.
    /// Returns the error if it cannot be watched: then it is closed.
    pub(super) fn add_upgraded(
        &mut self,
        number: MessageSocket,
        mut lines: LineSocket,
        event_loop: &mut EventLoop,
    ) -> io::Result<()> {
        lines.reregister(event_loop.registry(), self.sockets.next_key())?;
        let trust = PeerTrust::Trusted;
        self.sockets.insert(AcceptedSocket { number, lines, paused: false, ack: None, trust });
        event_loop.come_back(); // No event comes for the lines in the buffer.
        Ok(())
    }

    /// Records an event of a connection.
    pub(super) fn on_event(&mut self, key: Key, event: impl Into<Readiness>) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.lines.on_event(event);
        }
    }

    /// Returns the keys of all connections.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.sockets.keys().collect()
    }

    /// Begins the reads of a turn from one connection.
    pub(super) fn begin_turn(&mut self, key: Key) {
        self.sockets.get_mut(key).into_iter().for_each(|socket| socket.lines.begin_turn());
    }

    /// Returns the next line in the buffer. `bytes_max` returns the limit of the line, or `None` if
    /// no line of this socket is wanted now.
    #[inline]
    pub(super) fn next(
        &mut self,
        key: Key,
        bytes_max: impl Fn(MessageSocket) -> Option<usize>,
    ) -> SocketStep<'_, MessageSocket> {
        if self.marked_for_close.contains(&key) {
            return SocketStep::Pause;
        }
        let Some(socket) = self.sockets.get_mut(key) else { return SocketStep::Pause };
        let bytes_max = bytes_max(socket.number);
        socket.paused = bytes_max.is_none();
        let Some(bytes_max) = bytes_max else { return SocketStep::Pause };
        let number = socket.number;
        match socket.lines.next_line(bytes_max) {
            Ok(Some(line)) => SocketStep::Line(number, line),
            Ok(None) => SocketStep::Read,
            Err(too_long) => SocketStep::End(too_long),
        }
    }

    /// Reads bytes into the buffer of a connection.
    pub(super) fn read(
        &mut self,
        key: Key,
        event_loop: &mut EventLoop,
    ) -> SocketStep<'_, MessageSocket> {
        let Some(socket) = self.sockets.get_mut(key) else { return SocketStep::Pause };
        if socket.trust != PeerTrust::Trusted {
            match socket.advance_handshake(&self.security) {
                Ok(true) => (),
                Ok(false) => return SocketStep::Pause,
                Err(reason) => return SocketStep::End(reason),
            }
        }
        match socket.lines.read(event_loop) {
            Ok(true) => SocketStep::Read,
            Ok(false) => SocketStep::Pause,
            Err(reason) => SocketStep::End(reason),
        }
    }

    /// Returns true if a line is wanted again of a socket that was left with unread lines.
    pub(super) fn must_read_again(&self, is_wanted: impl Fn(MessageSocket) -> bool) -> bool {
        self.sockets.iter().any(|(_, socket)| socket.paused && is_wanted(socket.number))
    }

    /// Sets the acknowledgement to write.
    pub(super) fn ack(&mut self, number: MessageSocket, seq: Seq) {
        if let Some((_, socket)) = self.find(number) {
            socket.ack = Some(seq);
        }
    }

    /// Writes the acknowledgement of a connection. Returns the end of the socket if that fails.
    pub(super) fn flush(&mut self, key: Key) -> Option<EndedSocket<MessageSocket>> {
        let socket = self.sockets.get_mut(key).filter(|_| !self.marked_for_close.contains(&key))?;
        let error = socket.flush().err()?;
        self.end(key, error.to_string())
    }

    /// Closes the connection with this number at the end of the turn.
    pub(super) fn close(&mut self, number: MessageSocket) {
        let key = self.find(number).map(|(key, _)| key);
        self.marked_for_close.extend(key);
    }

    /// Closes the marked connections. Returns true if there were any.
    pub(super) fn close_marked(&mut self) -> bool {
        let marked = std::mem::take(&mut self.marked_for_close);
        let removed = marked.iter().filter_map(|key| self.sockets.remove(*key));
        removed.for_each(|socket| socket.lines.close());
        !marked.is_empty()
    }

    /// Closes all sockets: the program exits.
    pub(super) fn close_all(&mut self) {
        self.marked_for_close = self.keys();
        self.close_marked();
    }

    /// Returns the key of a peer that is not the coordinator, if that is why the socket ends. The
    /// key is `None` if the handshake has failed.
    pub(super) fn untrusted(&self, key: Key) -> Option<Option<KeyName>> {
        match self.sockets.get(key)?.trust {
            PeerTrust::Failed(shown) => Some(shown),
            PeerTrust::Handshake | PeerTrust::Trusted => None,
        }
    }

    /// Closes the socket at the end of the turn. Describes its end.
    pub(super) fn end(&mut self, key: Key, reason: String) -> Option<EndedSocket<MessageSocket>> {
        let socket = self.sockets.get(key)?;
        self.marked_for_close.push(key);
        Some(socket.lines.end(socket.number, reason))
    }

    fn find(&mut self, number: MessageSocket) -> Option<(Key, &mut AcceptedSocket)> {
        self.sockets.iter_mut().find(|(_, socket)| socket.number == number)
    }
}

impl AcceptedSocket {
    /// Continues the handshake. Returns true if it is done, and the peer is trusted.
    #[cold]
    fn advance_handshake(&mut self, security: &PeerSecurity) -> Result<bool, String> {
        let accepted = self.lines.accept(security);
        match &accepted {
            Ok(true) => self.trust = PeerTrust::Trusted,
            Ok(false) => (),
            Err(UntrustedPeer { key, .. }) => self.trust = PeerTrust::Failed(*key),
        }
        accepted.map_err(|untrusted| untrusted.reason)
    }

    /// Writes the output buffer, then the acknowledgement.
    fn flush(&mut self) -> io::Result<()> {
        loop {
            if self.lines.is_flushed()
                && let Some(seq) = self.ack.take()
            {
                self.lines.push_ack(Ack { seq });
            }
            if !self.lines.flush()? || self.ack.is_none() {
                return Ok(());
            }
        }
    }
}

/// Returns the address to listen on. If the coordinator has a loopback address, other machines
/// cannot connect. The addresses of a name can be IPv4 or IPv6, and can change.
fn listening_ip(coordinators: &Endpoints) -> IpAddr {
    let mut all = coordinators.iter().map(|endpoint| listening_ip_for(&endpoint.host));
    let first = all.next().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let is_v4 = |ip: &IpAddr| ip.is_ipv4();
    all.fold(first, |one, other| match one == other {
        true => one,
        false if is_v4(&one) && is_v4(&other) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        false => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    })
}

fn listening_ip_for(coordinator: &Host) -> IpAddr {
    match coordinator {
        Host::Address(IpAddr::V4(ip)) if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Host::Address(IpAddr::V6(ip)) if ip.is_loopback() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        Host::Address(IpAddr::V4(_)) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Host::Address(IpAddr::V6(_)) | Host::Name(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests;
