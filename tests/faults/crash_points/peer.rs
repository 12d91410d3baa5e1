//! A member over bare sockets that outlives the coordinator.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use support::{DEADLINE, field, number};

/// The coordinator is no more.
#[derive(Debug)]
pub(crate) struct Died;

/// One member: the replies and the deliveries that it received.
pub(crate) struct Peer {
    pub(crate) id: String,
    commands: Option<BufReader<TcpStream>>,
    messages: Option<BufReader<TcpStream>>,
    /// `OK register` has come; from then on it is a member until it says otherwise.
    pub(crate) is_member: bool,
    pub(crate) epoch: String,
    /// The last number it has taken, if any.
    last: u64,
    /// The lowest number that can come.
    pub(crate) first: u64,
    /// The last number of its own texts with a reply.
    published: u64,
    /// A text that was sent with the next number, and has no reply.
    pub(crate) pending: Option<String>,
    /// Sender and text by number.
    pub(crate) taken: BTreeMap<u64, (String, String)>,
}

/// A line; none if the other end is gone.
fn line(reader: &mut BufReader<TcpStream>) -> Result<String, Died> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(_) if line.ends_with('\n') => {
            line.pop();
            Ok(line)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing comes"),
        Ok(_) | Err(_) => Err(Died), // What is torn is nothing.
    }
}

fn reader(stream: TcpStream) -> BufReader<TcpStream> {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    BufReader::new(stream)
}

impl Peer {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            commands: None,
            messages: None,
            is_member: false,
            epoch: String::new(),
            last: 0,
            first: 0,
            published: 0,
            pending: None,
            taken: BTreeMap::new(),
        }
    }

    /// The first line of the reply.
    pub(crate) fn ask(&mut self, to: SocketAddr, command: &str) -> Result<String, Died> {
        if self.commands.is_none() {
            self.commands = Some(reader(TcpStream::connect(to).map_err(|_| Died)?));
        }
        let commands = self.commands.as_mut().unwrap();
        let request = format!("{}#{command}#127.0.0.1\n", self.id);
        commands.get_mut().write_all(request.as_bytes()).map_err(|_| Died)?;
        line(commands)
    }

    /// Sends the pending text with its number. Returns `OK`.
    pub(crate) fn send_pending(&mut self, to: SocketAddr) -> Result<String, Died> {
        let (number, text) = (self.published + 1, self.pending.as_ref().unwrap());
        let reply = self.ask(to, &format!("send {number} {text}"))?;
        assert!(reply.starts_with(&format!("OK send {number} ")), "{}: {reply:?}", self.id);
        self.published = number;
        self.pending = None;
        Ok(reply)
    }

    /// Returns the lines of `members` or `stats`.
    pub(crate) fn list(&mut self, to: SocketAddr, what: &str) -> Result<Vec<String>, Died> {
        let reply = self.ask(to, what)?;
        let count: usize = reply.rsplit(' ').next().unwrap().parse().unwrap();
        (0..count).map(|_| line(self.commands.as_mut().unwrap())).collect()
    }

    /// Becomes online, if it is not; a member of before by all means.
    pub(crate) fn come(&mut self, to: SocketAddr) -> Result<(), Died> {
        if self.messages.is_some() {
            return Ok(());
        }
        // The coordinator may have the same port elsewhere, to which it does not connect.
        let mut free = (0..9).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let is_other = |it: &TcpListener| it.local_addr().unwrap().port() != to.port();
        let listener = free.find(is_other).unwrap();
        set_socket_timeout(&listener, Timeout::Recv, Some(DEADLINE)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut reply = String::new();
        if !self.is_member {
            reply = self.ask(to, &format!("register {port} acks=1"))?;
        }
        if self.is_member || reply.starts_with("ERR 409 ") {
            // In the second case the reply was lost and the registration was not.
            let since = match self.last {
                0 => String::new(),
                last => format!(" since={}:{last}", self.epoch),
            };
            reply = self.ask(to, &format!("reconnect {port} acks=1{since}"))?;
        }
        assert!(reply.starts_with("OK re"), "{} is forgotten: {reply:?}", self.id);
        let epoch = field(&reply, "epoch");
        let published = number(&reply, "published");
        let last = self.published + u64::from(self.pending.is_some());
        assert!((self.published..=last).contains(&published), "{} then {reply}", self.published);
        assert!(self.epoch.is_empty() || self.epoch == epoch, "{} then {epoch}", self.epoch);
        self.epoch = epoch.to_owned();
        if !self.is_member {
            self.first = number(&reply, "next");
        }
        self.is_member = true;
        self.messages = Some(reader(listener.accept().unwrap().0));
        Ok(())
    }

    /// Takes what comes, up to a number, and acknowledges it.
    pub(crate) fn take(&mut self, through: u64) -> Result<(), Died> {
        while self.last < through {
            let messages = self.messages.as_mut().ok_or(Died)?;
            let Ok(line) = line(messages) else {
                self.messages = None;
                return Err(Died);
            };
            if line.starts_with("bye#") {
                self.messages = None;
                return Err(Died);
            }
            let fields: Vec<&str> = line.splitn(4, '#').collect();
            let [seq, sender, _, text] = fields[..] else { panic!("{}: {line:?}", self.id) };
            let seq: u64 = seq.parse().unwrap_or_else(|_| panic!("{}: {line:?}", self.id));
            assert!(seq > self.last, "{}: {seq} after {}", self.id, self.last);
            self.last = seq;
            self.taken.insert(seq, (sender.to_owned(), text.to_owned()));
            let ack = format!("ack {seq}\n");
            messages.get_mut().write_all(ack.as_bytes()).map_err(|_| Died)?;
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self, to: SocketAddr) -> Result<(), Died> {
        let reply = self.ask(to, "disconnect")?;
        assert!(reply == "OK disconnect" || reply.starts_with("ERR 409 "), "{reply:?}");
        self.drain();
        Ok(())
    }

    /// The coordinator is gone: what it has still said counts.
    pub(crate) fn forget(&mut self) {
        self.commands = None;
        self.drain();
    }

    fn drain(&mut self) {
        while self.messages.is_some() && self.take(u64::MAX).is_ok() {}
        self.messages = None;
    }
}
