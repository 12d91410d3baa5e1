//! Reads and writes the listener, the command socket and the message sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::server::{Participant, ParticipantTimer};
use super::socket::{Socket, SocketRole};
use crate::config::Host;
use crate::limits::{KEEPALIVE, LINE_BYTES_HIGHEST, PEER_TIMEOUT_MS, READ_BYTES, TURN_BYTES_MAX};
use crate::net::{Accept, Acceptor, Connection, Fill, Key, LISTENER, Transport};
use crate::protocol::Seq;
use crate::session::{CommandSocket, MessageSocket, SessionInput};
use crate::time::Millis;

/// Reason of an end of stream.
const ENDED: &str = "closed by the coordinator";

/// The next step for a connection.
enum NextStep {
    /// The session took a line: take the next one.
    GoOn,
    /// No complete line is in the buffer: read.
    Read,
    /// The session wants no line now.
    Pause,
    Close(String),
}

impl Participant {
    pub(super) fn listen(&mut self, port: u16, now: Millis) {
        match self.bind(port) {
            Ok((port, nonce)) => self.handle(SessionInput::Listening { port, nonce }, now),
            Err(error) => {
                self.handle(SessionInput::ListenFailed { reason: &error.to_string() }, now);
            }
        }
    }

    fn bind(&mut self, port: u16) -> io::Result<(u16, u128)> {
        self.listener = None; // The new listener may need the same port.
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(io::Error::other)?;
        let mut listener = Acceptor::bind(self.listening_address(port), 0)?;
        listener.register(self.parts.poll.registry(), LISTENER)?;
        let port = listener.local_addr()?.port();
        self.listener = Some(listener);
        Ok((port, u128::from_ne_bytes(bits)))
    }

    /// Returns the address to listen on. If the coordinator has a loopback address, other machines
    /// cannot connect. The addresses of a name can be IPv4 or IPv6, and can change.
    fn listening_address(&self, port: u16) -> SocketAddr {
        let ip = match self.parts.coordinator_address.coordinator.host {
            Host::Address(IpAddr::V4(ip)) if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Host::Address(IpAddr::V6(ip)) if ip.is_loopback() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            Host::Address(IpAddr::V4(_)) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Host::Address(IpAddr::V6(_)) | Host::Name(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        SocketAddr::new(ip, port)
    }

    pub(super) fn accept(&mut self, now: Millis) {
        while let Some(listener) = &mut self.listener {
            match listener.accept(now) {
                Accept::Accepted(stream, peer) => {
                    self.add_message_socket(stream, peer.ip(), now);
                }
                Accept::Yielded => {
                    self.must_come_back = true;
                    return;
                }
                Accept::OutOfFiles(error) => {
                    log::warn!("cannot accept a connection: {error}");
                    let retry_at = listener.retry_at();
                    retry_at.into_iter().for_each(|at| self.wake_at(at, ParticipantTimer::Accept));
                    return;
                }
                Accept::Drained | Accept::Paused => return,
            }
        }
    }

    fn add_message_socket(&mut self, stream: Transport, peer: IpAddr, now: Millis) {
        self.accepted = self.accepted.saturating_add(1);
        let number = MessageSocket(self.accepted);
        let connection = Connection::new(stream);
        match self.add(connection, SocketRole::Messages(number)) {
            Ok(_) => self.handle(SessionInput::Accepted { socket: number, peer }, now),
            Err(error) => log::warn!("cannot serve a connection from {peer}: {error}"),
        }
    }

    pub(super) fn add(&mut self, mut connection: Connection, role: SocketRole) -> io::Result<Key> {
        let watched = connection
            .keep_alive(KEEPALIVE)
            .and_then(|()| connection.set_user_timeout(PEER_TIMEOUT_MS));
        if let Err(error) = watched {
            log::warn!(
                "cannot set the TCP timeouts, so the loss of the coordinator's machine may be \
                 noticed late: {error}"
            );
        }
        let registry = self.parts.poll.registry();
        let mut registered = Ok(());
        let key = self.sockets.insert_with(|key| {
            registered = connection.register(registry, key);
            Socket::new(connection, role)
        });
        if let Err(error) = registered {
            self.sockets.remove(key);
            return Err(error);
        }
        Ok(key)
    }

    /// Reads a connection, and gives its lines to the session as long as the session wants them.
    pub(super) fn process_input(&mut self, key: Key, now: Millis) {
        let mut bytes = 0;
        loop {
            let next = match self.next_line(key, now) {
                NextStep::Read if bytes >= TURN_BYTES_MAX => {
                    self.must_come_back = true;
                    NextStep::Pause
                }
                NextStep::Read => self.read(key, &mut bytes),
                next @ (NextStep::GoOn | NextStep::Pause | NextStep::Close(_)) => next,
            };
            match next {
                NextStep::GoOn | NextStep::Read => self.run_effects(now),
                NextStep::Pause => return,
                NextStep::Close(reason) => return self.report_end(key, &reason, now),
            }
        }
    }

    /// Gives the next line in the buffer to the session.
    fn next_line(&mut self, key: Key, now: Millis) -> NextStep {
        if self.marked_for_close.contains(&key) {
            return NextStep::Pause;
        }
        let session = &mut self.parts.session;
        let Some(socket) = self.sockets.get_mut(key) else { return NextStep::Pause };
        socket.paused = false;
        let connection = &mut socket.connection;
        let (input, role) = (&mut connection.input, socket.role);
        match role {
            SocketRole::Dialer(number) => {
                if !connection.is_writable() {
                    return NextStep::Pause;
                }
                let is_connected = connection.connected();
                let ends = || Ok((connection.local_addr()?, connection.peer_addr()?));
                match is_connected.and_then(|is_connected| is_connected.then(ends).transpose()) {
                    Ok(None) => return NextStep::Pause,
                    Ok(Some((local, coordinator))) => {
                        socket.role = SocketRole::Commands(number);
                        self.dialer = None;
                        let (socket, ip) = (number, local.ip());
                        session.handle(SessionInput::Dialed { socket, ip, coordinator }, now);
                    }
                    Err(error) => return NextStep::Close(error.to_string()),
                }
            }
            SocketRole::Commands(number) => match input.next_line(LINE_BYTES_HIGHEST) {
                Ok(Some(line)) => {
                    session.handle(SessionInput::ReplyLine { socket: number, line }, now);
                }
                Ok(None) => return NextStep::Read,
                Err(too_long) => return NextStep::Close(too_long.to_string()),
            },
            SocketRole::Messages(number) if session.wants_message_line(number) => {
                match input.next_line(session.message_line_bytes_max(number)) {
                    Ok(Some(line)) => {
                        session.handle(SessionInput::MessageLine { socket: number, line }, now);
                    }
                    Ok(None) => return NextStep::Read,
                    Err(too_long) => return NextStep::Close(too_long.to_string()),
                }
            }
            SocketRole::Messages(_) => {
                socket.paused = true;
                return NextStep::Pause;
            }
        }
        NextStep::GoOn
    }

    fn read(&mut self, key: Key, bytes: &mut usize) -> NextStep {
        let Some(socket) = self.sockets.get_mut(key) else { return NextStep::Pause };
        let fill = socket.connection.fill(&mut self.scratch, READ_BYTES);
        if let Ok(fill) = &fill {
            *bytes = bytes.saturating_add(fill.bytes());
        }
        match fill {
            Ok(Fill::Drained(0)) => {
                self.scratch.settle(&mut socket.connection.input);
                NextStep::Pause
            }
            Ok(Fill::Eof(0)) => NextStep::Close(ENDED.to_owned()),
            Ok(Fill::Drained(_) | Fill::Yielded(_) | Fill::Eof(_)) => NextStep::GoOn,
            Err(error) => NextStep::Close(error.to_string()),
        }
    }

    fn report_end(&mut self, key: Key, reason: &str, now: Millis) {
        let Some(socket) = self.sockets.get(key) else { return };
        let (role, unsent) = (socket.role, socket.connection.output.len());
        self.marked_for_close.push(key);
        let input = match role {
            SocketRole::Dialer(_) => return self.on_connect_failed(key, reason, now),
            SocketRole::Commands(socket) => {
                SessionInput::CommandSocketClosed { socket, reason, unsent }
            }
            SocketRole::Messages(socket) => SessionInput::MessageSocketClosed { socket, reason },
        };
        self.handle(input, now);
    }

    fn find(&mut self, is_match: impl Fn(SocketRole) -> bool) -> Option<(Key, &mut Socket)> {
        self.sockets.iter_mut().find(|(_, socket)| is_match(socket.role))
    }

    pub(super) fn close_command_socket(&mut self, number: CommandSocket) {
        self.dialer.take_if(|dialer| dialer.is_for(number));
        let is_match =
            |role| role == SocketRole::Dialer(number) || role == SocketRole::Commands(number);
        let key = self.find(is_match).map(|(key, _)| key);
        self.marked_for_close.extend(key);
    }

    pub(super) fn close_message_socket(&mut self, number: MessageSocket) {
        let key = self.find(|role| role == SocketRole::Messages(number)).map(|(key, _)| key);
        self.marked_for_close.extend(key);
    }

    pub(super) fn send(&mut self, number: CommandSocket, line: &str) {
        if let Some((_, socket)) = self.find(|role| role == SocketRole::Commands(number)) {
            socket.connection.output.extend_from_slice(line.as_bytes());
        }
    }

    pub(super) fn ack(&mut self, number: MessageSocket, seq: Seq) {
        if let Some((_, socket)) = self.find(|role| role == SocketRole::Messages(number)) {
            socket.ack = Some(seq);
        }
    }

    /// Writes all output. Message sockets are written first, so that acknowledgements leave before
    /// the requests of the same turn.
    pub(super) fn flush(&mut self, now: Millis) {
        for is_messages in [true, false] {
            for key in self.sockets.keys().collect::<Vec<_>>() {
                let Some(socket) = self.sockets.get_mut(key) else { continue };
                if matches!(socket.role, SocketRole::Messages(_)) == is_messages
                    && !self.marked_for_close.contains(&key)
                    && let Err(error) = socket.flush()
                {
                    self.report_end(key, &error.to_string(), now);
                    self.must_come_back = true; // The session may have new output.
                }
            }
        }
    }

    /// Returns true if the session wants lines again of a paused message socket.
    pub(super) fn must_read_again(&self) -> bool {
        self.sockets.iter().any(|(_, socket)| match socket.role {
            SocketRole::Messages(number) => {
                socket.paused && self.parts.session.wants_message_line(number)
            }
            SocketRole::Dialer(_) | SocketRole::Commands(_) => false,
        })
    }

    pub(super) fn close_marked(&mut self) {
        for key in std::mem::take(&mut self.marked_for_close) {
            self.sockets.remove(key);
            self.listener.iter_mut().for_each(Acceptor::file_closed);
        }
    }
}
