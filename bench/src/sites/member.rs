//! One member that comes back, at the same site or at another one, until everything has come.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::group::answers;
use super::reader::{Faults, Ledger, Reader};
use crate::clock;
use crate::command::{number_of, value_of};
use crate::texts::Texts;

/// Time after which a thread looks if the run is over.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// Longest wait for a reply: an election, and `engine_timeout` after it.
pub(super) const REPLY_WAIT: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(20);
const BUFFER_BYTES: usize = 256 * 1024;

/// Facts that all threads of a run share.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) sites: Vec<SocketAddr>,
    pub(super) publishers: usize,
    /// Texts of each publisher.
    pub(super) texts: u64,
    pub(super) text_bytes: usize,
    /// Members whose site is gone try the next one. Otherwise they wait for their own.
    pub(super) moves: bool,
    pub(super) ledger: Ledger,
    /// Texts of each publisher that may be sent now.
    pub(super) allowed: AtomicU64,
    pub(super) deliveries: AtomicU64,
    /// Members that have everything.
    pub(super) complete: AtomicU64,
    pub(super) is_over: AtomicBool,
}

impl Run {
    pub(super) fn new(
        sites: Vec<SocketAddr>,
        publishers: usize,
        texts: u64,
        text_bytes: usize,
        moves: bool,
    ) -> Self {
        Self {
            sites,
            publishers,
            texts,
            text_bytes,
            moves,
            ledger: Ledger::new(publishers, texts),
            allowed: AtomicU64::new(texts),
            deliveries: AtomicU64::new(0),
            complete: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// The site where a member is online, for the sender of the member.
#[derive(Debug)]
pub(super) struct Home {
    /// Texts of the member that are confirmed.
    pub(super) confirmed: AtomicU64,
    state: Mutex<HomeState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HomeState {
    pub(super) site: usize,
    pub(super) is_online: bool,
    /// Number of the message socket.
    pub(super) visit: u64,
}

impl Home {
    pub(super) fn new(site: usize) -> Self {
        let state = HomeState { site, ..HomeState::default() };
        let confirmed = AtomicU64::new(0);
        Self { confirmed, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, HomeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> HomeState {
        *self.lock()
    }

    fn begin(&self) {
        let mut state = self.lock();
        *state = HomeState { is_online: true, visit: state.visit + 1, ..*state };
        drop(state);
        self.changed.notify_all();
    }

    fn leave(&self, run: &Run) {
        let mut state = self.lock();
        state.is_online = false;
        if run.moves {
            state.site = (state.site + 1) % run.sites.len();
        }
    }

    /// Waits until the member is online. `None` if the run is over.
    pub(super) fn await_online(&self, run: &Run) -> Option<HomeState> {
        let mut state = self.lock();
        while !state.is_online {
            if run.is_over() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(*state)
    }
}

/// Reads the messages of a member until the run is over. Returns what was wrong.
pub(super) fn read(run: &Run, id: &str, own: Option<usize>, home: &Home) -> Result<Faults> {
    let mut member = Member {
        run,
        id,
        own,
        home,
        reader: Reader::new(Texts::new(run.text_bytes), run.publishers),
        has_all: false,
    };
    while !run.is_over() {
        member.visit().with_context(|| id.to_owned())?;
        home.leave(run);
        clock::pause(PAUSE);
    }
    Ok(member.reader.end(run.texts, own))
}

struct Member<'a> {
    run: &'a Run,
    id: &'a str,
    /// Number of the publisher that the member is.
    own: Option<usize>,
    home: &'a Home,
    reader: Reader,
    has_all: bool,
}

impl Member<'_> {
    /// Has one message socket, from the request to its end. An error ends the run.
    fn visit(&mut self) -> Result<()> {
        let address = self.run.sites.get(self.home.state().site).context("no such site")?;
        let Ok(stream) = connect(*address) else { return Ok(()) };
        let mut lines = Lines::new(stream);
        let word = match self.reader.since() {
            Some(since) => format!("reconnect here acks=1{since}"),
            None => "register here acks=1".to_owned(),
        };
        if lines.write(format!("{}#{word}#-\n", self.id).as_bytes()).is_err() {
            return Ok(());
        }
        let Some(reply) = self.reply(&mut lines)? else { return Ok(()) };
        let epoch = value_of(&reply, "epoch").context("a reply without an epoch")?;
        self.reader.begin(epoch, number_of(&reply, "next")?)?;
        self.home.begin();
        self.take_all(&mut lines)
    }

    /// Waits for `OK`. `None` if the member must try again.
    fn reply(&self, lines: &mut Lines) -> Result<Option<String>> {
        let begin = clock::now();
        while !self.run.is_over() && clock::now() - begin < REPLY_WAIT {
            let Ok(line) = lines.next() else { return Ok(None) };
            let Some(line) = line else { continue };
            let reply = String::from_utf8_lossy(line).into_owned();
            // Not possible now: the end of a site, its engine, or another request of this member.
            let is_passing =
                ["ERR 503", "ERR 506", "ERR 409"].iter().any(|it| reply.starts_with(it));
            return match reply.strip_prefix("OK ") {
                Some(reply) => Ok(Some(reply.to_owned())),
                None if is_passing && self.reader.since().is_some() => Ok(None),
                None => bail!("{reply}"),
            };
        }
        Ok(None)
    }

    fn take_all(&mut self, lines: &mut Lines) -> Result<()> {
        let mut taken = 0;
        while !self.run.is_over() {
            match lines.next() {
                Ok(Some(line)) if line.starts_with(b"bye#") => return Ok(()),
                Ok(Some(line)) => {
                    self.reader.take(line, &self.run.ledger)?;
                    taken += 1;
                }
                Ok(None) => (),
                Err(_) => return Ok(()),
            }
            if taken > 0 && lines.is_empty() {
                self.run.deliveries.fetch_add(taken, Ordering::Relaxed);
                taken = 0;
                if lines.write(format!("ack {}\n", self.reader.seq).as_bytes()).is_err() {
                    return Ok(());
                }
            }
            if !self.has_all && self.reader.has_all(self.run.texts, self.own) {
                self.has_all = true;
                self.run.complete.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Connects to a site that serves.
pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    if !answers(stream.try_clone()?, Duration::from_secs(1)) {
        return Err(ErrorKind::NotConnected.into());
    }
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(REPLY_WAIT))?;
    Ok(stream)
}

/// Lines of a socket that blocks for a moment.
#[derive(Debug)]
pub(super) struct Lines {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    is_whole: bool,
}

impl Lines {
    pub(super) fn new(stream: TcpStream) -> Self {
        let stream = BufReader::with_capacity(BUFFER_BYTES, stream);
        Self { stream, line: Vec::new(), is_whole: false }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Returns true if the next line must be waited for.
    pub(super) fn is_empty(&self) -> bool {
        memchr::memchr(b'\n', self.stream.buffer()).is_none()
    }

    /// Returns the next line without its end. `None` if it is not there in a moment.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if std::mem::take(&mut self.is_whole) {
            self.line.clear();
        }
        match self.stream.read_until(b'\n', &mut self.line) {
            Ok(_) => (),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        self.is_whole = true;
        match self.line.split_last() {
            Some((b'\n', line)) => Ok(Some(line)),
            Some(_) | None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const TEXTS: u64 = 4;

    /// Is a site whose message sockets carry these numbers of publisher 0, one after the other.
    /// Returns the requests.
    fn run_site(listener: &TcpListener, sockets: &[&[u64]]) -> Vec<String> {
        let (mut texts, mut requests) = (Texts::new(20), Vec::new());
        for numbers in sockets {
            let mut lines = Lines::new(listener.accept().unwrap().0);
            assert_eq!(lines.next().unwrap(), Some(&b"bench#ping#-"[..]));
            lines.write(b"OK ping\n").unwrap();
            requests.push(String::from_utf8(lines.next().unwrap().unwrap().to_vec()).unwrap());
            lines.write(b"OK register epoch=00ff next=1 published=0\n").unwrap();
            for number in *numbers {
                let text = String::from_utf8(texts.text(0, *number).to_vec()).unwrap();
                lines.write(format!("{}#a#1#{text}\n", number + 1).as_bytes()).unwrap();
            }
            if numbers.ends_with(&[TEXTS - 1]) {
                while lines.next().is_ok_and(|line| line.is_some()) {} // Until the member ends.
            }
        }
        requests
    }

    /// Has a member read from such a site, and returns its faults and its requests.
    fn read_from(sockets: &[&[u64]]) -> (Faults, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let run = Run::new(vec![listener.local_addr().unwrap()], 1, TEXTS, 20, true);
        let home = Home::new(0);
        thread::scope(|scope| {
            let site = scope.spawn(|| run_site(&listener, sockets));
            let member = scope.spawn(|| read(&run, "eve", None, &home));
            while run.complete.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            run.end();
            (member.join().unwrap().unwrap(), site.join().unwrap())
        })
    }

    #[test]
    fn a_member_comes_back_with_its_last_number() {
        let (faults, requests) = read_from(&[&[0, 1], &[], &[2, 3]]);
        assert_eq!(faults, Faults::default());
        let back = "eve#reconnect here acks=1 since=00ff:2#-";
        assert_eq!(requests, ["eve#register here acks=1#-", back, back]);
    }

    #[test]
    fn a_site_that_loses_doubles_or_swaps_a_message_is_found() {
        let fault = |lost, doubled, out_of_order| Faults { lost, doubled, out_of_order };
        for (sockets, expected) in [
            (&[&[0, 1, 2, 3][..]][..], fault(0, 0, 0)),
            (&[&[0, 1, 3]], fault(1, 0, 0)),
            (&[&[0, 1, 1, 2, 3]], fault(0, 1, 0)),
            (&[&[0, 2, 1, 3]], fault(1, 1, 0)),
            (&[&[0, 1], &[3]], fault(1, 0, 0)),
            (&[&[0, 1], &[1, 2, 3]], fault(0, 1, 0)),
        ] {
            assert_eq!(read_from(sockets).0, expected, "{sockets:?}");
        }
    }
}
