//! Blocking ends for setting up: a command socket, and the door for message sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::failure::{Failure, Result};

/// How long anything may take here before it counts as stuck.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// How long is listened, once everything has come, for what should not come.
pub const AFTERMATH: Duration = Duration::from_millis(50);

/// A command socket that has one request under way at a time.
#[derive(Debug)]
pub struct CommandSocket {
    stream: BufReader<TcpStream>,
    /// Our own address on the way to the coordinator, which stands in every request.
    ip: IpAddr,
}

impl CommandSocket {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let connected = TcpStream::connect(address).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.set_write_timeout(Some(DEADLINE))?;
            let ip = stream.local_addr()?.ip();
            Ok(Self { stream: BufReader::new(stream), ip })
        });
        connected.map_err(Failure::system(format!("cannot connect to {address}")))
    }

    /// Our own address on the way to the coordinator.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.stream.get_mut().write_all(bytes);
        written.map_err(Failure::system("cannot write a request"))
    }

    /// The next line that comes, without its end.
    ///
    /// # Errors
    ///
    /// Those of the socket, its end, and a line that does not come in time.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        read.map_err(Failure::system("cannot read a reply"))?;
        match line.strip_suffix('\n') {
            Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
            None => Err(Failure::Wrong("a command socket was closed".to_owned())),
        }
    }

    /// Has a request carried out; what stands behind `OK `.
    ///
    /// # Errors
    ///
    /// Another reply, and those of the socket.
    pub fn request(&mut self, id: &str, command: &str) -> Result<String> {
        self.write(format!("{id}#{command}#{}\n", self.ip).as_bytes())?;
        let reply = self.line()?;
        match reply.strip_prefix("OK ") {
            Some(behind) => Ok(behind.to_owned()),
            None => Err(Failure::Wrong(format!("{id}#{command}: {reply}"))),
        }
    }

    /// A value of `stats`.
    ///
    /// # Errors
    ///
    /// A reply without it, and those of the socket.
    pub fn stat(&mut self, key: &str) -> Result<u64> {
        let head = self.request("bench", "stats")?;
        let count: usize = head.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut found = None;
        for _ in 0..count {
            let line = self.line()?;
            if let Some((name, value)) = line.split_once(' ')
                && name == key
            {
                found = value.parse().ok();
            }
        }
        found.ok_or_else(|| Failure::Wrong(format!("stats without a number {key}")))
    }

    /// The socket, with nothing left to be read on it.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

/// Where the coordinator connects back to.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    port: u16,
}

impl Door {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub fn open() -> Result<Self> {
        Self::open_at(Ipv4Addr::LOCALHOST.into())
    }

    /// Listens on a free port of one of our addresses.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub fn open_at(ip: IpAddr) -> Result<Self> {
        let opened = TcpListener::bind((ip, 0)).and_then(|listener| {
            let port = listener.local_addr()?.port();
            // The reply comes after the connection: it is here by then, or never comes.
            listener.set_nonblocking(true)?;
            Ok(Self { listener, port })
        });
        opened.map_err(Failure::system("cannot listen for the coordinator"))
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The listener, which does not block.
    #[must_use]
    pub fn into_listener(self) -> TcpListener {
        self.listener
    }

    /// Registers `id`: its message socket.
    ///
    /// # Errors
    ///
    /// A refusal, and those of the sockets.
    pub fn register(&self, command: &mut CommandSocket, id: &str, acks: bool) -> Result<TcpStream> {
        self.enter(command, id, "register", acks).map(|(stream, _)| stream)
    }

    /// Brings `id` back: its message socket.
    ///
    /// # Errors
    ///
    /// A refusal, and those of the sockets.
    pub fn reconnect(&self, command: &mut CommandSocket, id: &str) -> Result<TcpStream> {
        self.enter(command, id, "reconnect", false).map(|(stream, _)| stream)
    }

    /// The message socket that `word`, `register` or `reconnect`, brings, and what else the reply
    /// says.
    ///
    /// # Errors
    ///
    /// A refusal, and those of the sockets.
    pub fn enter(
        &self,
        command: &mut CommandSocket,
        id: &str,
        word: &str,
        acks: bool,
    ) -> Result<(TcpStream, String)> {
        let options = if acks { " acks=1" } else { "" };
        let reply = command.request(id, &format!("{word} {}{options}", self.port))?;
        let accepted = self.listener.accept().and_then(|(stream, _)| {
            stream.set_nodelay(true)?;
            Ok((stream, reply))
        });
        accepted.map_err(Failure::system(format!("{id} was not connected back")))
    }
}

/// The value of ` key=value` in a reply.
#[must_use]
pub fn value_of<'a>(reply: &'a str, key: &str) -> Option<&'a str> {
    reply.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}
