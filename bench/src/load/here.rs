//! A connection of a member that asks for its messages on this connection (`reconnect here`).
//!
//! ```text
//!   connect ─▶ handshake, with TLS ─▶ request ─▶ OK ─▶ hello ─▶ messages
//! ```

use std::io::{self, ErrorKind, Read, Write};

use crate::socket::Socket;

/// Longest line of the reply and of the hello.
const LINE_BYTES_MAX: usize = 512;

#[derive(Debug)]
pub(super) struct HereSocket {
    socket: Socket,
    request: Vec<u8>,
    written: usize,
    /// The line that is read.
    line: Vec<u8>,
    reply: Option<String>,
}

/// The connection after the last step.
#[derive(Debug)]
pub(super) enum Step {
    Waiting(HereSocket),
    /// The coordinator refused, or ended the connection.
    Refused(String),
    /// The connection is a message socket. This is its first line.
    Ready(Socket, String),
}

impl HereSocket {
    /// Takes a socket that connects, and the request for it.
    pub(super) fn new(socket: Socket, request: Vec<u8>) -> Self {
        Self { socket, request, written: 0, line: Vec::new(), reply: None }
    }

    /// Goes on until the socket is not ready. Bytes behind the hello stay unread.
    pub(super) fn advance(mut self) -> Step {
        match self.read_lines() {
            Ok(Some(hello)) => match self.reply {
                Some(reply) if reply.starts_with("OK reconnect ") => {
                    Step::Ready(self.socket, hello)
                }
                Some(reply) => Step::Refused(reply),
                None => Step::Waiting(self),
            },
            Ok(None) => Step::Waiting(self),
            Err(_) if self.reply.is_some() => Step::Refused(self.reply.unwrap_or_default()),
            Err(error) => Step::Refused(error.to_string()),
        }
    }

    fn read_lines(&mut self) -> io::Result<Option<String>> {
        if !self.socket.is_connected()? || !self.socket.handshake()? {
            return Ok(None);
        }
        while let Some(rest) = self.request.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                written => self.written += written?,
            }
        }
        match self.socket.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => (),
            flushed => flushed?,
        }
        let mut byte = [0];
        loop {
            match self.socket.read(&mut byte) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                read => drop(read?),
            }
            self.line.extend_from_slice(&byte);
            if self.line.len() > LINE_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            if byte == *b"\n" {
                let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
                self.line.clear();
                match self.reply {
                    Some(_) => return Ok(Some(line)),
                    None => self.reply = Some(line),
                }
            }
        }
    }
}
