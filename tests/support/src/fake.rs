//! A coordinator whose lines, right or wrong, the test writes.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::DEADLINE;

/// A coordinator that the test plays line by line.
pub struct Fake {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// One connection, from the participant or to it.
pub struct Talk {
    reader: BufReader<TcpStream>,
}

/// Options of a `register` or `reconnect`.
pub struct Wish {
    pub line: String,
    pub port: u16,
    pub nonce: String,
}

impl Fake {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // On Linux this bounds `accept` too.
        set_socket_timeout(&listener, Timeout::Recv, Some(DEADLINE)).unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// The next command socket.
    #[track_caller]
    pub fn accept(&self) -> Talk {
        Talk::new(self.listener.accept().expect("nobody connects").0)
    }

    /// The next command socket, asked to become online with `command`, which is granted and done.
    #[track_caller]
    pub fn join(&self, command: &str, epoch: &str) -> (Talk, Talk) {
        self.join_with(command, epoch, "")
    }

    /// As [`Self::join`], of a coordinator that knows `send`: the last accepted number is
    /// `published`.
    pub fn join_published(&self, command: &str, epoch: &str, published: u64) -> (Talk, Talk) {
        self.join_with(command, epoch, &format!(" max_line=65536 published={published}"))
    }

    fn join_with(&self, command: &str, epoch: &str, fields: &str) -> (Talk, Talk) {
        let mut commands = self.accept();
        let wish = commands.wish(command);
        let messages = wish.greet(epoch);
        commands.say(&format!("OK {command} epoch={epoch} next=1 ttl=60{fields}"));
        (commands, messages)
    }
}

impl Wish {
    /// Connects back, and says nothing.
    pub fn connect(&self) -> Talk {
        Talk::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap())
    }

    /// Connects from another address of this machine, and says nothing.
    pub fn connect_from(&self, ip: &str) -> Talk {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.unwrap();
        bind(&socket, &SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).unwrap();
        Talk::new(TcpStream::from(socket))
    }

    /// Connects back as a coordinator does.
    pub fn greet(&self, epoch: &str) -> Talk {
        let mut messages = self.connect();
        messages.say(&format!("hello#{}#{epoch}", self.nonce));
        messages
    }
}

impl Talk {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub fn say(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// The next line; empty if the participant has closed.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("nothing comes");
        line.trim_end_matches('\n').to_owned()
    }

    /// Returns true if nothing has come by now.
    pub fn is_silent(&self) -> bool {
        let stream = self.reader.get_ref();
        stream.set_nonblocking(true).unwrap();
        let next = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        let is_late = next.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        is_late && self.reader.buffer().is_empty()
    }

    /// The next line must be this.
    #[track_caller]
    pub fn expect(&mut self, expected: &str) {
        assert_eq!(self.line(), expected);
    }

    /// Waits for this line, and skips all lines before it.
    #[track_caller]
    pub fn expect_last(&mut self, expected: &str) {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the end, and not {expected:?}");
            if line == expected {
                return;
            }
        }
    }

    /// Expects that the participant closes, without a line before that.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line);
        let is_late = read.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(line.is_empty() && !is_late, "{read:?} {line:?}");
    }

    /// The next request must ask to become online with `command`.
    #[track_caller]
    pub fn wish(&mut self, command: &str) -> Wish {
        let line = self.line();
        let mut words = line.split(['#', ' ']).skip(1);
        assert_eq!(words.next(), Some(command), "{line:?}");
        let port = words.next().unwrap().parse().unwrap();
        let nonce = words.find_map(|word| word.strip_prefix("nonce=")).unwrap().to_owned();
        Wish { line, port, nonce }
    }
}
