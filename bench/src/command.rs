//! Blocking sockets for the setup: the command socket, and the listener for message sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketType};

use crate::socket::Socket;
use crate::tls::Tls;

/// Time after which anything counts as stalled.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A blocking socket for lines: a command socket with one request under way at a time.
#[derive(Debug)]
pub(crate) struct CommandSocket {
    stream: BufReader<Socket>,
    /// Local address of the socket, which is part of every request.
    pub(crate) ip: IpAddr,
}

impl CommandSocket {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        Self::connect_with(address, None)
    }

    /// Connects, with TLS if there is any.
    pub(crate) fn connect_with(address: SocketAddr, tls: Option<&Tls>) -> Result<Self> {
        let stream = TcpStream::connect(address);
        Self::new(stream.with_context(|| format!("cannot connect to {address}"))?, tls)
    }

    /// Connects from a local address.
    pub(crate) fn connect_from(ip: IpAddr, address: SocketAddr) -> Result<Self> {
        let connect = || -> std::io::Result<TcpStream> {
            let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
            rustix::net::bind(&socket, &SocketAddr::from((ip, 0)))?;
            rustix::net::connect(&socket, &address)?;
            Ok(socket.into())
        };
        Self::new(
            connect().with_context(|| format!("cannot connect from {ip} to {address}"))?,
            None,
        )
    }

    /// Takes a connected socket, sets its deadlines, and carries out the handshake.
    pub(crate) fn new(stream: TcpStream, tls: Option<&Tls>) -> Result<Self> {
        set_deadlines(&stream)?;
        let ip = stream.local_addr()?.ip();
        let mut stream = Socket::client(stream, tls)?;
        ensure!(stream.handshake().context("TLS")?, "no handshake in {DEADLINE:?}");
        Ok(Self { stream: BufReader::new(stream), ip })
    }

    /// Connects, and sends the first message of a handshake only. [`CommandSocket::shake_hands`]
    /// comes next.
    pub(crate) fn begin(address: SocketAddr, tls: &Tls) -> Result<Self> {
        let stream = TcpStream::connect(address);
        let stream = stream.with_context(|| format!("cannot connect to {address}"))?;
        set_deadlines(&stream)?;
        let ip = stream.local_addr()?.ip();
        stream.set_nonblocking(true)?;
        let mut stream = Socket::client(stream, Some(tls))?;
        stream.handshake().context("TLS")?;
        stream.tcp().set_nonblocking(false)?;
        Ok(Self { stream: BufReader::new(stream), ip })
    }

    /// Ends a handshake that was begun.
    pub(crate) fn shake_hands(&mut self) -> Result<()> {
        let is_done = self.stream.get_mut().handshake().context("TLS")?;
        ensure!(is_done, "no handshake in {DEADLINE:?}");
        Ok(())
    }

    /// Sets the longest time that a read waits.
    pub(crate) fn set_read_deadline(&self, wait: Duration) -> Result<()> {
        Ok(self.stream.get_ref().tcp().set_read_timeout(Some(wait))?)
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
        let request = format!("{id}#{command}#{}\n", self.ip);
        self.write(request.as_bytes())?;
        self.reply(&request)
    }

    /// Reads the reply to a request and returns what is behind `OK `.
    pub(crate) fn reply(&mut self, request: &str) -> Result<String> {
        let reply = self.line()?;
        match reply.strip_prefix("OK ") {
            Some(behind) => Ok(behind.to_owned()),
            None => bail!("{}: {reply}", request.trim_end()),
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

    /// Registers `id` with the messages on this connection, and returns the reply. The connection
    /// is a message socket then.
    pub(crate) fn register_here(&mut self, id: &str, acks: bool) -> Result<String> {
        self.request(id, &format!("register here{}", option(acks)))
    }

    pub(crate) fn into_stream(self) -> Socket {
        self.stream.into_inner()
    }
}

fn set_deadlines(stream: &TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(())
}

/// The option of a `register` or a `reconnect` by a member that acknowledges.
fn option(acks: bool) -> &'static str {
    if acks { " acks=1" } else { "" }
}

/// Address of a coordinator, and TLS if it speaks TLS.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Tls>,
}

impl Endpoint {
    pub(crate) fn connect(&self) -> Result<CommandSocket> {
        CommandSocket::connect_with(self.address, self.tls.as_ref())
    }

    /// Begins to connect a socket that does not block.
    pub(crate) fn begin_to_connect(&self) -> Result<Socket> {
        let stream = mio::net::TcpStream::connect(self.address).context("cannot connect")?;
        Socket::client(stream.into(), self.tls.as_ref())
    }
}

/// The listener that the coordinator connects back to.
#[derive(Debug)]
pub(crate) struct ConnectBack {
    /// The socket, which does not block.
    pub(crate) listener: TcpListener,
    pub(crate) port: u16,
    pub(crate) tls: Option<Tls>,
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
        // Without TLS the reply comes after the connection, so accepting need not wait.
        listener.set_nonblocking(true)?;
        Ok(Self { listener, port, tls: None })
    }

    /// Expects TLS on the message sockets, if there is any.
    pub(crate) fn with(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// Registers `id` and returns its message socket.
    pub(crate) fn register(
        &self,
        command: &mut CommandSocket,
        id: &str,
        acks: bool,
    ) -> Result<Socket> {
        self.enter(command, id, "register", acks).map(|(stream, _)| stream)
    }

    /// Reconnects `id` and returns its message socket.
    pub(crate) fn reconnect(&self, command: &mut CommandSocket, id: &str) -> Result<Socket> {
        self.enter(command, id, "reconnect", false).map(|(stream, _)| stream)
    }

    /// Sends `register` or `reconnect` and returns the message socket and the reply.
    pub(crate) fn enter(
        &self,
        command: &mut CommandSocket,
        id: &str,
        word: &str,
        acks: bool,
    ) -> Result<(Socket, String)> {
        let request = format!("{id}#{word} {}{}#{}\n", self.port, option(acks), command.ip);
        command.write(request.as_bytes())?;
        if self.tls.is_some() {
            self.await_connection(command)?;
        }
        // The handshake comes before the reply.
        let accepted = if self.tls.is_some() { Some(self.accept(id)?) } else { None };
        let reply = command.reply(&request)?;
        let stream = accepted.map_or_else(|| self.accept(id), Ok)?;
        Ok((stream, reply))
    }

    fn accept(&self, id: &str) -> Result<Socket> {
        let accepted = self.listener.accept();
        let (stream, _) = accepted.with_context(|| format!("{id} was not connected back"))?;
        set_deadlines(&stream)?;
        let mut stream = Socket::server(stream, self.tls.as_ref())?;
        ensure!(stream.handshake().context("TLS")?, "no handshake in {DEADLINE:?}");
        Ok(stream)
    }

    /// Waits for a connection, or for the reply that refuses one.
    fn await_connection(&self, command: &CommandSocket) -> Result<()> {
        let deadline = Timespec::try_from(DEADLINE)?;
        let mut sockets = [
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(command.stream.get_ref(), PollFlags::IN),
        ];
        poll(&mut sockets, Some(&deadline)).context("cannot wait for a connection")?;
        Ok(())
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
