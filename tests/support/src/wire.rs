//! Lines over a blocking socket, each wait with a deadline.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::transcript::Transcript;
use super::{DEADLINE, Timer};

/// A peer that takes nothing for this long is stuck.
const STUCK: Duration = Duration::from_millis(300);

/// Reason for a missing line.
#[derive(Debug)]
pub enum Missing {
    /// None came in time.
    Late,
    /// The stream ended.
    End,
    /// The connection broke.
    Broken(ErrorKind),
    /// The bytes are not UTF-8.
    NotUtf8(Vec<u8>),
}

/// One TCP connection to the coordinator, or from it.
pub struct Wire {
    pub stream: TcpStream,
    transcript: Arc<Transcript>,
    name: String,
    received: Vec<u8>,
}

impl Wire {
    pub fn new(transcript: &Arc<Transcript>, stream: TcpStream, name: String) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { stream, transcript: Arc::clone(transcript), name, received: Vec::new() }
    }

    /// Sends a line.
    pub fn say(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    /// Sends bytes as they are, in one write.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        self.transcript.record(&self.name, ">", bytes);
        if let Err(error) = self.stream.write_all(bytes) {
            self.transcript.fail(&format!("{}: cannot write: {error}", self.name));
        }
    }

    /// Writes bytes again and again for as long as they are taken: how many were. The last time
    /// may have ended within them.
    #[track_caller]
    pub fn write_until_stuck(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_write_timeout(Some(STUCK)).unwrap();
        let mut taken = 0;
        let error = loop {
            match self.stream.write(&bytes[taken % bytes.len()..]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => break error,
            }
        };
        self.stream.set_write_timeout(Some(DEADLINE)).unwrap();
        if error.kind() != ErrorKind::WouldBlock {
            self.fail(&format!("after {taken} bytes: {error}"));
        }
        taken
    }

    /// Ends our direction: what is due can still be read.
    pub fn half_close(&mut self) {
        self.transcript.record(&self.name, "> (end)", b"");
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next line, without its LF.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.line_within(Timer::start(DEADLINE)) {
            Ok(line) => line,
            Err(missing) => self.fail(&format!("expected a line: {missing:?}")),
        }
    }

    /// The next line must be this.
    #[track_caller]
    pub fn expect(&mut self, expected: &str) {
        let line = self.line();
        if line != expected {
            self.fail(&format!("expected {expected:?}, got {line:?}"));
        }
    }

    /// The next line must begin so.
    #[track_caller]
    pub fn expect_start(&mut self, expected: &str) -> String {
        let line = self.line();
        if !line.starts_with(expected) {
            self.fail(&format!("expected {expected:?} ..., got {line:?}"));
        }
        line
    }

    /// Waits until the other end's operating system has taken all that was written; it must not
    /// have refused any of it.
    #[track_caller]
    pub fn until_taken(&self) {
        let timer = Timer::start(DEADLINE);
        while self.unsent_bytes().is_some_and(|bytes| bytes > 0) {
            if timer.left().is_none() {
                self.fail("not all is taken");
            }
            std::thread::yield_now();
        }
        if let Some(error) = self.stream.take_error().unwrap() {
            self.fail(&format!("not all was taken: {error}"));
        }
    }

    /// Waits until nothing is on its way in either direction, and says when the other end will
    /// see whether we are still there; `None` if it will not.
    #[track_caller]
    pub fn probed_within(&self) -> Option<Duration> {
        self.until_taken();
        let timer = Timer::start(DEADLINE);
        while timer.left().is_some() {
            let (ours, theirs) = self.ends()?;
            let [_, timers] = kernel_row(&theirs, &ours)?;
            match timers.split_once(':')? {
                ("00", _) => return None,
                ("02", when) => return u64::from_str_radix(when, 16).ok().map(ticks),
                _ => std::thread::yield_now(), // What it has sent is not acknowledged yet.
            }
        }
        self.fail("something is always on its way")
    }

    /// Returns the bytes that Linux has still to send; `None` if the connection is gone.
    fn unsent_bytes(&self) -> Option<u64> {
        let (ours, theirs) = self.ends()?;
        let [queues, _] = kernel_row(&ours, &theirs)?;
        let (unsent, _) = queues.split_once(':')?;
        Some(u64::from_str_radix(unsent, 16).unwrap())
    }

    /// Both ports as Linux writes them; `None` if the connection is no more.
    fn ends(&self) -> Option<(String, String)> {
        let port = |address: SocketAddr| format!(":{:04X}", address.port());
        Some((port(self.stream.local_addr().unwrap()), port(self.stream.peer_addr().ok()?)))
    }

    /// Nothing must come for so long.
    #[track_caller]
    pub fn expect_silence(&mut self, time: Duration) {
        match self.line_within(Timer::start(time)) {
            Err(Missing::Late) => (),
            other => self.fail(&format!("expected nothing, got {other:?}")),
        }
    }

    /// The stream must end here, in good order, with nothing before its end.
    #[track_caller]
    pub fn expect_eof(&mut self) {
        match self.line_within(Timer::start(DEADLINE)) {
            Err(Missing::End) if self.received.is_empty() => (),
            other => self.fail(&format!("expected the end of the stream, got {other:?}")),
        }
    }

    /// Expects the end of the connection, of any kind.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        match self.line_within(Timer::start(DEADLINE)) {
            Err(Missing::End | Missing::Broken(_)) => (),
            other => self.fail(&format!("expected the end of the connection, got {other:?}")),
        }
    }

    /// Ends the test with all that is known.
    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        self.transcript.fail(&format!("{}: {what}", self.name))
    }

    /// Returns the next line, or the event that came in its place.
    pub fn line_within(&mut self, timer: Timer) -> Result<String, Missing> {
        loop {
            if let Some(at) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=at).take(at).collect();
                self.transcript.record(&self.name, "<", &line);
                return String::from_utf8(line)
                    .map_err(|error| Missing::NotUtf8(error.into_bytes()));
            }
            let left = timer.left().ok_or(Missing::Late)?;
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    self.transcript.record(&self.name, "< (end)", b"");
                    return Err(Missing::End);
                }
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                // Time-outs of a blocking socket, and signals.
                Err(error)
                    if [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted]
                        .contains(&error.kind()) => {}
                Err(error) => {
                    self.transcript.record(&self.name, "< (broken)", error.to_string().as_bytes());
                    return Err(Missing::Broken(error.kind()));
                }
            }
        }
    }
}

/// The queues and the timer that Linux has for one end of a connection.
fn kernel_row(local: &str, remote: &str) -> Option<[String; 2]> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[_, from, to, _, queues, timer, ..] = fields.as_slice() else { return None };
        let is_this = from.ends_with(local) && to.ends_with(remote);
        is_this.then(|| [queues.to_owned(), timer.to_owned()])
    })
}

/// Ticks of the tables in `/proc`, a hundred a second on every Linux there is.
fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 10)
}

/// A command socket.
pub struct Client(Wire);

impl Client {
    pub fn connect(transcript: &Arc<Transcript>, to: SocketAddr, from: Option<IpAddr>) -> Self {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        if let Some(ip) = from {
            bind(&fd, &SocketAddr::new(ip, 0)).unwrap();
        }
        if let Err(error) = connect(&fd, &to) {
            transcript.fail(&format!("cannot connect to {to}: {error}"));
        }
        let stream = TcpStream::from(fd);
        let name = format!("command {}", stream.local_addr().unwrap());
        Self(Wire::new(transcript, stream, name))
    }

    /// The first line of the reply to a request.
    #[track_caller]
    pub fn ask(&mut self, request: &str) -> String {
        self.say(request);
        self.line()
    }

    /// A request must be answered so.
    #[track_caller]
    pub fn check(&mut self, request: &str, expected: &str) {
        self.say(request);
        self.expect(expected);
    }

    /// A request must be refused with this code, and the reason must name `part`.
    #[track_caller]
    pub fn refused(&mut self, request: &str, code: u16, part: &str) {
        self.say(request);
        let reply = self.expect_start(&format!("ERR {code} "));
        if !reply.contains(part) {
            self.fail(&format!("{request:?}: {reply:?} does not name {part:?}"));
        }
    }

    /// Returns the lines of `members`.
    #[track_caller]
    pub fn members(&mut self) -> Vec<String> {
        self.say("observer#members#127.0.0.1");
        self.listed("OK members ")
    }

    /// The line that `members` has for an id.
    #[track_caller]
    pub fn member(&mut self, id: &str) -> Option<String> {
        let mut lines = self.members().into_iter();
        lines.find(|line| line.split(' ').next() == Some(id))
    }

    /// Returns the lines of `stats`.
    #[track_caller]
    pub fn stats(&mut self) -> BTreeMap<String, String> {
        self.say("observer#stats#127.0.0.1");
        let mut stats = BTreeMap::new();
        for line in self.listed("OK stats ") {
            let Some((key, value)) = line.split_once(' ') else {
                self.fail(&format!("{line:?} is not <key> <value>"));
            };
            stats.insert(key.to_owned(), value.to_owned());
        }
        stats
    }

    /// The number that `stats` shows for a key.
    #[track_caller]
    pub fn stat(&mut self, key: &str) -> u64 {
        self.stats()[key].parse().unwrap()
    }

    /// Asks until `stats` shows this number for a key.
    #[track_caller]
    pub fn until_stat(&mut self, key: &str, expected: u64) {
        let timer = Timer::start(DEADLINE);
        while self.stat(key) != expected {
            if timer.left().is_none() {
                self.fail(&format!("{key} does not come to {expected}"));
            }
        }
    }

    /// Asks until `done` is content with the line that `members` has for an id.
    #[track_caller]
    pub fn until_member(&mut self, id: &str, done: impl Fn(&str) -> bool) -> String {
        let timer = Timer::start(DEADLINE);
        let mut last = None;
        while timer.left().is_some() {
            last = self.member(id);
            if let Some(line) = last.as_deref().filter(|line| done(line)) {
                return line.to_owned();
            }
        }
        self.fail(&format!("{id} does not come to the state waited for, it is {last:?}"))
    }

    #[track_caller]
    pub fn listed(&mut self, start: &str) -> Vec<String> {
        let first = self.expect_start(start);
        let count: usize = first.strip_prefix(start).unwrap().parse().unwrap();
        (0..count).map(|_| self.line()).collect()
    }
}

impl Deref for Client {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.0
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.0
    }
}
