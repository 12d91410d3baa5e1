//! A participant's listener, and the coordinator's connections to it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use super::DEADLINE;
use super::transcript::Transcript;
use super::wire::Wire;

/// Receive buffer of a peer that is meant to fill up soon.
const SMALL_BYTES: usize = 4096;

/// A listening socket on a free port.
pub struct Listener {
    transcript: Arc<Transcript>,
    listener: TcpListener,
    address: SocketAddr,
    /// The connection that takes up the whole queue.
    filler: Option<TcpStream>,
}

impl Listener {
    pub fn bind(transcript: &Arc<Transcript>, ip: &str) -> Self {
        Self::with(transcript, ip, 16, false)
    }

    /// One whose connections have a small receive buffer.
    pub fn small(transcript: &Arc<Transcript>, ip: &str) -> Self {
        Self::with(transcript, ip, 16, true)
    }

    /// One that does not answer: its queue is full, so whoever connects keeps waiting.
    pub fn blocked(transcript: &Arc<Transcript>, ip: &str) -> Self {
        let mut listener = Self::with(transcript, ip, 0, false);
        listener.filler = Some(TcpStream::connect(listener.address).unwrap());
        listener
    }

    fn with(transcript: &Arc<Transcript>, ip: &str, backlog: i32, small: bool) -> Self {
        let wanted = SocketAddr::new(ip.parse().unwrap(), 0);
        let family = if wanted.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        if small {
            set_socket_recv_buffer_size(&fd, SMALL_BYTES).unwrap();
        }
        bind(&fd, &wanted).unwrap();
        listen(&fd, backlog).unwrap();
        // On Linux this bounds `accept` too.
        set_socket_timeout(&fd, Timeout::Recv, Some(DEADLINE)).unwrap();
        let listener = TcpListener::from(fd);
        let address = listener.local_addr().unwrap();
        Self { transcript: Arc::clone(transcript), listener, address, filler: None }
    }

    /// Lets the one that waits get through, when the operating system tries again.
    pub fn unblock(&mut self) {
        if self.filler.take().is_some() {
            self.listener.accept().unwrap();
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next connection.
    #[track_caller]
    pub fn accept(&self) -> MessageSocket {
        match self.listener.accept() {
            Ok((stream, _)) => {
                let name = format!("message {}", self.address);
                self.transcript.record(&name, "< (connected)", b"");
                MessageSocket(Wire::new(&self.transcript, stream, name))
            }
            Err(error) => {
                self.transcript.fail(&format!("no connection to {}: {error}", self.address))
            }
        }
    }
}

/// A message socket, at the participant's end.
pub struct MessageSocket(Wire);

impl MessageSocket {
    /// The next line must be this delivery; returns when it was accepted.
    #[track_caller]
    pub fn delivery(&mut self, seq: u64, sender: &str, text: &str) -> u64 {
        let line = self.line();
        let mut fields = line.splitn(4, '#');
        let mut next = || fields.next().unwrap_or_default();
        let (found_seq, found_sender, unix_ms, found_text) = (next(), next(), next(), next());
        if (found_seq, found_sender, found_text) != (seq.to_string().as_str(), sender, text) {
            self.fail(&format!("expected {seq}#{sender}#...#{text}, got {line:?}"));
        }
        unix_ms.parse().unwrap_or_else(|_| self.fail(&format!("{unix_ms:?} is no time")))
    }

    /// Gaps must come next, any number of them, that make up this one.
    #[track_caller]
    pub fn gap(&mut self, count: u64, first: u64, last: u64) {
        let (mut counted, mut below) = (0, first - 1);
        while below < last {
            let line = self.expect_start("gap#");
            let numbers: Vec<u64> = line.split('#').filter_map(|word| word.parse().ok()).collect();
            match numbers[..] {
                [count, first, last] if count > 0 && below < first && first <= last => {
                    (counted, below) = (counted + count, last);
                }
                _ => self.fail(&format!("{line:?} is not a gap above {below}")),
            }
        }
        if (counted, below) != (count, last) {
            self.fail(&format!("expected gap#{count}#{first}#{last}, got {counted} up to {below}"));
        }
    }

    /// The coordinator must close the connection here, and say this reason first.
    #[track_caller]
    pub fn expect_bye(&mut self, reason: &str) {
        self.expect(&format!("bye#{reason}"));
        self.expect_closed();
    }

    /// Acknowledges everything up to a number.
    pub fn ack(&mut self, seq: u64) {
        self.say(&format!("ack {seq}"));
    }
}

impl Deref for MessageSocket {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.0
    }
}

impl DerefMut for MessageSocket {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.0
    }
}
