//! The command socket: replies in, requests out.

use super::event_loop::EventLoop;
use super::line_socket::{EndedSocket, LineSocket, SocketStep};
use crate::limits::LINE_BYTES_HIGHEST;
use crate::net::{Connection, Key, Readiness};
use crate::session::CommandSocket;

/// The connected command socket. There is at most one.
#[derive(Debug, Default)]
pub(super) struct CommandConnection {
    current: Option<OpenCommandSocket>,
    /// Sockets to be closed at the end of the turn.
    marked_for_close: Vec<LineSocket>,
}

#[derive(Debug)]
struct OpenCommandSocket {
    number: CommandSocket,
    key: Key,
    lines: LineSocket,
}

impl CommandConnection {
    /// Takes a connection that is established, and registered under `key`.
    pub(super) fn open(&mut self, number: CommandSocket, key: Key, connection: Connection) {
        self.mark_current();
        self.current = Some(OpenCommandSocket { number, key, lines: LineSocket::new(connection) });
    }

    /// Records an event of the socket with this key.
    pub(super) fn on_event(&mut self, key: Key, event: impl Into<Readiness>) {
        if let Some(current) = self.current.as_mut().filter(|current| current.key == key) {
            current.lines.on_event(event);
        }
    }

    /// Begins the reads of a turn.
    pub(super) fn begin_turn(&mut self) {
        self.current.iter_mut().for_each(|current| current.lines.begin_turn());
    }

    /// Returns the next line in the buffer.
    pub(super) fn next(&mut self) -> SocketStep<'_, CommandSocket> {
        let Some(current) = &mut self.current else { return SocketStep::Pause };
        let number = current.number;
        match current.lines.next_line(LINE_BYTES_HIGHEST) {
            Ok(Some(line)) => SocketStep::Line(number, line),
            Ok(None) => SocketStep::Read,
            Err(too_long) => SocketStep::End(too_long),
        }
    }

    /// Reads bytes into the buffer.
    pub(super) fn read(&mut self, event_loop: &mut EventLoop) -> SocketStep<'_, CommandSocket> {
        let Some(current) = &mut self.current else { return SocketStep::Pause };
        match current.lines.read(event_loop) {
            Ok(true) => SocketStep::Read,
            Ok(false) => SocketStep::Pause,
            Err(reason) => SocketStep::End(reason),
        }
    }

    /// Adds a request to the output.
    pub(super) fn send(&mut self, number: CommandSocket, line: &str) {
        if let Some(current) = self.current.as_mut().filter(|current| current.number == number) {
            current.lines.push(line);
        }
    }

    /// Writes the requests. Returns the end of the socket if the write fails.
    pub(super) fn flush(&mut self) -> Option<EndedSocket<CommandSocket>> {
        let error = self.current.as_mut()?.lines.flush().err()?;
        self.end(error.to_string())
    }

    /// Closes the socket with this number at the end of the turn.
    pub(super) fn close(&mut self, number: CommandSocket) {
        if self.current.as_ref().is_some_and(|current| current.number == number) {
            self.mark_current();
        }
    }

    /// Removes and returns the socket with this number, which becomes a message socket.
    pub(super) fn take(&mut self, number: CommandSocket) -> Option<LineSocket> {
        let taken = self.current.take_if(|current| current.number == number)?;
        Some(taken.lines)
    }

    /// Closes the marked sockets. Returns true if there were any.
    pub(super) fn close_marked(&mut self) -> bool {
        let marked = std::mem::take(&mut self.marked_for_close);
        let is_any = !marked.is_empty();
        marked.into_iter().for_each(LineSocket::close);
        is_any
    }

    /// Closes all sockets: the program exits.
    pub(super) fn close_all(&mut self) {
        self.mark_current();
        self.close_marked();
    }

    /// Closes the socket at the end of the turn. Describes its end.
    pub(super) fn end(&mut self, reason: String) -> Option<EndedSocket<CommandSocket>> {
        let current = self.current.as_ref()?;
        let ended = current.lines.end(current.number, reason);
        self.mark_current();
        Some(ended)
    }

    fn mark_current(&mut self) {
        self.marked_for_close.extend(self.current.take().map(|current| current.lines));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use mio::Token;

    use super::*;
    use crate::participant::line_socket::watch;
    use crate::participant::testing::{WAIT, event_loop, read_line, run};

    const OURS: CommandSocket = CommandSocket(1);
    const OTHER: CommandSocket = CommandSocket(2);

    /// The part with a socket that is open, and its peer.
    fn open() -> (EventLoop, CommandConnection, TcpStream) {
        let event_loop = event_loop();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut connection = Connection::connect(listener.local_addr().unwrap()).unwrap();
        let key = Key::from(Token(7));
        watch(&mut connection, &event_loop, key).unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(WAIT)).unwrap();
        let mut part = CommandConnection::default();
        part.open(OURS, key, connection);
        (event_loop, part, peer)
    }

    /// Runs turns until the socket has a line or its end. Writes in each turn.
    fn next(event_loop: &mut EventLoop, part: &mut CommandConnection) -> Result<String, String> {
        let on_event = |part: &mut CommandConnection, key: Option<Key>, event: &_| {
            part.on_event(key.unwrap(), event);
        };
        run(event_loop, part, on_event, |part, event_loop| {
            part.begin_turn();
            assert_eq!(part.flush(), None);
            loop {
                let step = match part.next() {
                    SocketStep::Read => part.read(event_loop),
                    step @ (SocketStep::Line(..) | SocketStep::Pause | SocketStep::End(_)) => step,
                };
                match step {
                    SocketStep::Line(number, line) => {
                        assert_eq!(number, OURS);
                        return Some(Ok(String::from_utf8(line.to_vec()).unwrap()));
                    }
                    SocketStep::Read => (),
                    SocketStep::Pause => return None,
                    SocketStep::End(reason) => return Some(Err(reason)),
                }
            }
        })
    }

    #[test]
    fn requests_leave_and_replies_arrive_up_to_the_end() {
        let (mut event_loop, mut part, mut peer) = open();
        part.send(OTHER, "no\n");
        part.send(OURS, "stats\n");
        peer.write_all(b"OK\none: 1\n").unwrap();
        assert_eq!(next(&mut event_loop, &mut part), Ok("OK".to_owned()));
        assert_eq!(read_line(&peer), "stats\n");
        assert_eq!(next(&mut event_loop, &mut part), Ok("one: 1".to_owned()));
        drop(peer);
        let reason = next(&mut event_loop, &mut part).unwrap_err();
        part.send(OURS, "late\n");
        let ended = part.end(reason).unwrap();
        let reason = "closed by the coordinator".to_owned();
        assert_eq!(ended, EndedSocket { socket: OURS, reason, unsent: 5 });
        assert!(part.close_marked());
        assert!(!part.close_marked());
    }

    #[test]
    fn a_closed_socket_writes_and_reads_nothing_more() {
        let (mut event_loop, mut part, mut peer) = open();
        peer.write_all(b"one\n").unwrap();
        part.close(OTHER);
        assert!(!part.close_marked(), "the number of another socket");
        assert_eq!(next(&mut event_loop, &mut part), Ok("one".to_owned()));
        part.send(OURS, "unsent\n");
        part.close(OURS);
        assert!(matches!(part.next(), SocketStep::Pause));
        assert!(matches!(part.read(&mut event_loop), SocketStep::Pause));
        assert_eq!(part.flush(), None);
        assert!(part.close_marked());
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_line_above_the_limit_ends_the_socket() {
        let (mut event_loop, mut part, mut peer) = open();
        let writer = std::thread::spawn(move || {
            // The other side closes the socket early.
            let _ = peer.write_all(&b"x".repeat(LINE_BYTES_HIGHEST));
        });
        let reason = next(&mut event_loop, &mut part).unwrap_err();
        drop(part);
        writer.join().unwrap();
        assert!(reason.contains(&LINE_BYTES_HIGHEST.to_string()), "{reason}");
    }
}
