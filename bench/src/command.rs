//! Blocking sockets for the setup: the command socket, and the listener for message sockets.

use anyhow::{Context as _, Result, bail};
use rustix::net::{AddressFamily, SocketType};

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Time after which anything counts as stalled.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A blocking socket for lines: a command socket with one request under way at a time.
#[derive(Debug)]
pub(crate) struct CommandSocket {
    stream: BufReader<TcpStream>,
    /// Local address of the socket, which is part of every request.
    pub(crate) ip: IpAddr,
}

impl CommandSocket {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address);
        Self::new(stream.with_context(|| format!("cannot connect to {address}"))?)
    }

    /// Connects from a local address.
    pub(crate) fn connect_from(ip: IpAddr, address: SocketAddr) -> Result<Self> {
        let connect = || -> std::io::Result<TcpStream> {
            let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
            rustix::net::bind(&socket, &SocketAddr::from((ip, 0)))?;
            rustix::net::connect(&socket, &address)?;
            Ok(socket.into())
        };
        Self::new(connect().with_context(|| format!("cannot connect from {ip} to {address}"))?)
    }

    /// Takes a connected socket and sets its deadlines.
    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let ip = stream.local_addr()?.ip();
        Ok(Self { stream: BufReader::new(stream), ip })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).context("cannot write to a socket")
    }

    /// Reads the next line, without its end.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("cannot read from a socket")?;
        match line.strip_suffix('\n') {
            Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
            None => bail!("a socket was closed"),
        }
    }

    /// Sends a request and returns the reply after `OK `. Another reply is an error.
    pub(crate) fn request(&mut self, id: &str, command: &str) -> Result<String> {
        self.write(format!("{id}#{command}#{}\n", self.ip).as_bytes())?;
        let reply = self.line()?;
        match reply.strip_prefix("OK ") {
            Some(behind) => Ok(behind.to_owned()),
            None => bail!("{id}#{command}: {reply}"),
        }
    }

    /// Reads a value of `stats`.
    pub(crate) fn stat(&mut self, key: &str) -> Result<u64> {
        let lines = self.list("stats")?;
        let mut values = lines.iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let value = values.next().and_then(|value| value.parse().ok());
        value.with_context(|| format!("stats without a number {key}"))
    }

    /// Sends a request whose reply counts further lines, and returns these lines.
    pub(crate) fn list(&mut self, command: &str) -> Result<Vec<String>> {
        let head = self.request("bench", command)?;
        let count: usize = head.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
        (0..count).map(|_| self.line()).collect()
    }

    pub(crate) fn read_to_end(&mut self) -> Result<()> {
        self.stream.read_to_end(&mut Vec::new()).map(drop).context("a socket is not closed")
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

/// The listener that the coordinator connects back to.
#[derive(Debug)]
pub(crate) struct ConnectBack {
    /// The socket, which does not block.
    pub(crate) listener: TcpListener,
    pub(crate) port: u16,
}

impl ConnectBack {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn listen() -> Result<Self> {
        Self::listen_on(Ipv4Addr::LOCALHOST.into())
    }

    /// Listens on a free port of a local address.
    pub(crate) fn listen_on(ip: IpAddr) -> Result<Self> {
        let listener = TcpListener::bind((ip, 0)).context("cannot listen for the coordinator")?;
        let port = listener.local_addr()?.port();
        // The reply comes after the connection, so accepting need not wait.
        listener.set_nonblocking(true)?;
        Ok(Self { listener, port })
    }

    /// Registers `id` and returns its message socket.
    pub(crate) fn register(
        &self,
        command: &mut CommandSocket,
        id: &str,
        acks: bool,
    ) -> Result<TcpStream> {
        self.enter(command, id, "register", acks).map(|(stream, _)| stream)
    }

    /// Reconnects `id` and returns its message socket.
    pub(crate) fn reconnect(&self, command: &mut CommandSocket, id: &str) -> Result<TcpStream> {
        self.enter(command, id, "reconnect", false).map(|(stream, _)| stream)
    }

    /// Sends `register` or `reconnect` and returns the message socket and the reply.
    pub(crate) fn enter(
        &self,
        command: &mut CommandSocket,
        id: &str,
        word: &str,
        acks: bool,
    ) -> Result<(TcpStream, String)> {
        let options = if acks { " acks=1" } else { "" };
        let reply = command.request(id, &format!("{word} {}{options}", self.port))?;
        let accepted = self.listener.accept();
        let (stream, _) = accepted.with_context(|| format!("{id} was not connected back"))?;
        stream.set_nodelay(true)?;
        Ok((stream, reply))
    }
}

/// Returns the number of ` key=number` in a reply.
pub(crate) fn number_of(reply: &str, key: &str) -> Result<u64> {
    let number = value_of(reply, key).and_then(|number| number.parse().ok());
    number.with_context(|| format!("a reply without a number {key}: {reply}"))
}

/// Returns the value of ` key=value` in a reply.
pub(crate) fn value_of<'a>(reply: &'a str, key: &str) -> Option<&'a str> {
    reply.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}
