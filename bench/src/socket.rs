//! A TCP connection, plain or with TLS 1.3, that blocks or does not.
//!
//! A non-blocking socket is empty if a read returns fewer bytes than there is room for, as with
//! plain TCP.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mio::unix::SourceFd;
use mio::{Registry, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};

use crate::stream::BOTH;
use crate::tls::{NAME, Tls};

/// Bytes of records that one read takes.
const SCRATCH_BYTES: usize = 256 * 1024;
/// Least number of bytes to ask a socket for, however little room the reader has.
const READ_BYTES_MIN: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    tls: Option<Box<Session>>,
    is_blocking: bool,
}

/// One side of a TLS connection.
#[derive(Debug)]
struct Session {
    connection: Connection,
    records: Records,
    /// Text that no read has taken, from `start` on.
    text: Vec<u8>,
    start: usize,
    /// The peer has sent its `close_notify`.
    is_closed: bool,
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self { stream, tls: None, is_blocking: true }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Socket {
    /// Takes a connection that was made here. [`Socket::handshake`] comes next.
    pub(crate) fn client(stream: TcpStream, tls: Option<&Tls>) -> Result<Self> {
        let session = |tls: &Tls| {
            let name = ServerName::try_from(NAME).context("the name of a server")?;
            let connection = ClientConnection::new(Arc::clone(&tls.client), name)?;
            anyhow::Ok(Box::new(Session::new(connection.into())))
        };
        Ok(Self { stream, tls: tls.map(session).transpose()?, is_blocking: true })
    }

    /// Takes a connection that was accepted. [`Socket::handshake`] comes next.
    pub(crate) fn server(stream: TcpStream, tls: Option<&Tls>) -> Result<Self> {
        let session = |tls: &Tls| {
            let connection = ServerConnection::new(Arc::clone(&tls.server))?;
            anyhow::Ok(Box::new(Session::new(connection.into())))
        };
        Ok(Self { stream, tls: tls.map(session).transpose()?, is_blocking: true })
    }

    /// Continues the handshake. Returns true if it is done, and at once without TLS.
    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        match &mut self.tls {
            None => Ok(true),
            Some(session) => match session.handshake(&self.stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(error),
                Ok(()) => Ok(true),
            },
        }
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    /// Records of application data that were read. 0 without TLS.
    pub(crate) fn records(&self) -> u64 {
        self.tls.as_ref().map_or(0, |session| session.records.count)
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Tells if the connection is there. An error is the reason why it will never be.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        match (self.stream.take_error()?, self.stream.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(true),
            (None, Err(error)) if error.kind() == ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    /// Has the events of the socket, which does not block from here on, reported under `token`.
    pub(crate) fn watch(&mut self, registry: &Registry, token: Token) -> Result<()> {
        self.stream.set_nonblocking(true)?;
        self.is_blocking = false;
        let fd = self.stream.as_raw_fd();
        registry.register(&mut SourceFd(&fd), token, BOTH).context("cannot watch a socket")
    }

    /// Has the events reported under another token.
    pub(crate) fn watch_as(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.reregister(&mut SourceFd(&self.stream.as_raw_fd()), token, BOTH)
    }
}

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.stream.read(bytes),
            Some(session) => session.read(&self.stream, bytes, self.is_blocking),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.stream.write(bytes),
            Some(session) => session.write(&self.stream, bytes),
        }
    }

    /// Writes the records that wait. Without TLS nothing waits.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => Ok(()),
            Some(session) => session.flush(&self.stream),
        }
    }
}

impl Session {
    fn new(connection: Connection) -> Self {
        let (records, text) = (Records::default(), Vec::new());
        Self { connection, records, text, start: 0, is_closed: false }
    }

    fn handshake(&mut self, stream: &TcpStream) -> io::Result<()> {
        loop {
            self.flush(stream)?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            self.read_records(stream, &mut [])?;
        }
    }

    fn flush(&mut self, mut stream: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                written => drop(written?),
            }
        }
        Ok(())
    }

    fn write(&mut self, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.flush(stream)?;
        let taken = self.connection.writer().write(bytes)?;
        match self.flush(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(taken),
            flushed => flushed.map(|()| taken),
        }
    }

    fn read(
        &mut self,
        stream: &TcpStream,
        bytes: &mut [u8],
        is_blocking: bool,
    ) -> io::Result<usize> {
        let mut copied = self.take_text(bytes);
        if is_blocking && copied > 0 {
            return Ok(copied); // More may never come.
        }
        while copied < bytes.len() && !self.is_closed {
            match self.read_records(stream, bytes.get_mut(copied..).unwrap_or_default()) {
                // The next read finds an end, too.
                Err(error) if error.kind() != ErrorKind::InvalidData && copied > 0 => break,
                Err(error) => return Err(error),
                Ok((text_bytes, is_empty)) => {
                    copied += text_bytes;
                    if (is_empty || is_blocking) && copied > 0 {
                        break;
                    }
                }
            }
        }
        Ok(copied)
    }

    /// Moves text that was kept to `bytes`.
    fn take_text(&mut self, bytes: &mut [u8]) -> usize {
        let rest = self.text.get(self.start..).unwrap_or_default();
        let now = rest.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(rest) {
            *to = *from;
        }
        self.start += now;
        if self.start == self.text.len() {
            self.text.clear();
            self.start = 0;
        }
        now
    }

    /// Reads once from the socket. Copies text to `bytes`, and keeps the rest of it. Returns the
    /// number of bytes copied, and if the socket is empty.
    fn read_records(
        &mut self,
        mut stream: &TcpStream,
        bytes: &mut [u8],
    ) -> io::Result<(usize, bool)> {
        SCRATCH.with_borrow_mut(|scratch| {
            let asked = bytes.len().clamp(READ_BYTES_MIN, scratch.len());
            let read = stream.read(scratch.get_mut(..asked).unwrap_or_default())?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into()); // Without a `close_notify`.
            }
            let records = scratch.get(..read).unwrap_or_default();
            self.records.take(records);
            Ok((self.process(records, bytes)?, read < asked))
        })
    }

    fn process(&mut self, mut records: &[u8], bytes: &mut [u8]) -> io::Result<usize> {
        let mut copied = 0;
        while !records.is_empty() && self.connection.read_tls(&mut records)? > 0 {
            let state = self.connection.process_new_packets();
            let state =
                state.map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
            self.is_closed |= state.peer_has_closed();
            let mut waiting = state.plaintext_bytes_to_read();
            while waiting > 0 {
                let room = bytes.get_mut(copied..).unwrap_or_default();
                let read = if room.is_empty() {
                    let end = self.text.len();
                    self.text.resize(end + waiting, 0);
                    self.connection.reader().read(self.text.get_mut(end..).unwrap_or_default())?
                } else {
                    let read = self.connection.reader().read(room)?;
                    copied += read;
                    read
                };
                waiting -= read.min(waiting);
            }
        }
        Ok(copied)
    }
}

/// Counts records of application data in the bytes of a connection.
#[derive(Debug, Default)]
struct Records {
    count: u64,
    /// Beginning of a header: its type, version and length.
    header: [u8; 5],
    header_bytes: usize,
    /// Bytes of the record under way that are still to come.
    rest: usize,
}

impl Records {
    const APPLICATION_DATA: u8 = 23;

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.rest -= skipped;
            if self.rest > 0 {
                return;
            }
            while let Some((byte, behind)) = bytes.split_first() {
                if let Some(to) = self.header.get_mut(self.header_bytes) {
                    *to = *byte;
                }
                bytes = behind;
                self.header_bytes += 1;
                if self.header_bytes == self.header.len() {
                    let [kind, _, _, high, low] = self.header;
                    self.count += u64::from(kind == Self::APPLICATION_DATA);
                    self.rest = usize::from(u16::from_be_bytes([high, low]));
                    self.header_bytes = 0;
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::tls::Suite;

    /// Two ends of a connection after the handshake.
    fn ends(tls: &Tls) -> (Socket, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let other = tls.clone();
        let accepting = thread::spawn(move || {
            let mut server = Socket::server(listener.accept().unwrap().0, Some(&other)).unwrap();
            server.handshake().map(|is_done| assert!(is_done)).map(|()| server)
        });
        let mut client = Socket::client(TcpStream::connect(address).unwrap(), Some(tls)).unwrap();
        assert!(client.handshake().unwrap());
        (client, accepting.join().unwrap().unwrap())
    }

    #[test]
    fn text_arrives_whole_in_reads_of_every_size() {
        for suite in [Suite::Any, Suite::Aes128Gcm, Suite::ChaCha20Poly1305] {
            let tls = Tls::of_running_server(suite).unwrap();
            let (mut client, mut server) = ends(&tls);
            let text: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
            let sent = text.clone();
            let writing = thread::spawn(move || {
                server.write_all(&sent).unwrap();
                server.flush().unwrap();
                server
            });
            let (mut found, mut sizes) = (Vec::new(), [1, 7, 5_000, 40_000].into_iter().cycle());
            while found.len() < text.len() {
                let mut bytes = vec![0; sizes.next().unwrap()];
                let read = client.read(&mut bytes).unwrap();
                found.extend_from_slice(&bytes[..read]);
            }
            assert_eq!(found, text);
            drop(writing.join().unwrap());
            assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_server_with_another_certificate_is_refused() {
        let tls = Tls::new(Suite::Any).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let other = Tls::of_running_server(Suite::Any).unwrap();
        let accepting = thread::spawn(move || {
            let accepted = listener.accept().unwrap().0;
            Socket::server(accepted, Some(&other)).unwrap().handshake().is_ok()
        });
        let mut client = Socket::client(TcpStream::connect(address).unwrap(), Some(&tls)).unwrap();
        assert!(client.handshake().is_err());
        drop(client);
        assert!(!accepting.join().unwrap());
    }

    #[test]
    fn records_are_counted_wherever_the_bytes_are_split() {
        let mut bytes = Vec::new();
        for (kind, length) in [(22, 3), (23, 0), (23, 300), (20, 1), (23, 2)] {
            bytes.extend_from_slice(&[kind, 3, 3, (length >> 8) as u8, length as u8]);
            bytes.extend(std::iter::repeat_n(23, length));
        }
        for split in 0..=bytes.len() {
            let mut records = Records::default();
            let (first, second) = bytes.split_at(split);
            records.take(first);
            records.take(second);
            assert_eq!(records.count, 3, "split at {split}");
        }
    }
}
