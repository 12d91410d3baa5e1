//! The listening socket: connections taken in, at a pace, and rest when there is no file for them.
//!
//! ```text
//!            note            WouldBlock
//!   drained ─────▶ accepting ──────────▶ drained
//!                   │     ▲
//!      out of files │     │ retry_at, or a file was closed: the reserve first
//!                   ▼     │
//!                   resting
//! ```

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustix::io::Errno;

use super::FileReserve;
use super::socket::{self, BoundListener};
use crate::limits;
use crate::time::Millis;

/// A listening socket.
///
/// Out of files, it refuses nobody: connections wait in the system's queue. No edge tells when to
/// try again, so it is done when a file of ours was closed, and at latest at
/// [`Acceptor::retry_at`].
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    is_address_missing: bool,
    reserve: FileReserve,
    ready: bool,
    paused_until: Option<Millis>,
    /// What this turn may still take.
    accepts_left: usize,
    pauses: u64,
}

/// What [`Acceptor::accept`] came to.
#[derive(Debug)]
pub enum Accept {
    /// A connection; go on.
    Accepted(TcpStream, SocketAddr),
    /// Nobody waits; an edge will tell when somebody does.
    Drained,
    /// Enough for this turn: come back in the next one.
    Yielded,
    /// There is no file, or no memory, for another connection: come back at the retry time.
    OutOfFiles(io::Error),
    /// It is not the retry time yet.
    Paused,
}

impl Acceptor {
    /// Listens on `address`, with `reserve_files` held back from those who come.
    ///
    /// # Errors
    ///
    /// Those of the socket: the address is in use, or not ours, or not allowed.
    pub fn bind(address: SocketAddr, reserve_files: usize) -> io::Result<Self> {
        let BoundListener { listener, is_address_missing } = socket::listen(address)?;
        Ok(Self {
            listener,
            is_address_missing,
            reserve: FileReserve::new(reserve_files),
            ready: false,
            paused_until: None,
            accepts_left: limits::TURN_ACCEPTS_MAX,
            pauses: 0,
        })
    }

    /// Returns true if no interface of this machine had the address when the listener was bound.
    /// Nobody can connect before one has it.
    #[must_use]
    pub fn is_address_missing(&self) -> bool {
        self.is_address_missing
    }

    /// Has arrivals reported under `token`.
    ///
    /// # Errors
    ///
    /// Those of the poll.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    /// Writes down that an event came.
    pub fn on_event(&mut self) {
        self.ready = true;
    }

    /// Writes down that a file of ours was closed: whoever waits for one may have it.
    pub fn file_closed(&mut self) {
        self.paused_until = None;
    }

    /// Lets those who wait go on waiting: nobody is to take a file now.
    pub fn postpone(&mut self, now: Millis) {
        if self.is_due(now) {
            self.paused_until = Some(now.plus(limits::ACCEPT_PAUSE_MS));
        }
    }

    /// Whether `accept` may bring something now; no event tells of it.
    #[must_use]
    pub fn is_due(&self, now: Millis) -> bool {
        self.ready && self.paused_until.is_none_or(|until| until <= now)
    }

    /// While out of files: when to call `accept` again.
    #[must_use]
    pub fn retry_at(&self) -> Option<Millis> {
        self.paused_until.filter(|_| self.ready)
    }

    /// How often it ran out of files.
    #[must_use]
    pub fn pauses(&self) -> u64 {
        self.pauses
    }

    /// Gives up one file of the reserve for something better than one more client; `false` if it
    /// has none left. The next `accept` makes the reserve whole first.
    pub fn release_one(&mut self) -> bool {
        self.reserve.release_one()
    }

    /// Takes in one connection; to be called until it answers something else than one.
    pub fn accept(&mut self, now: Millis) -> Accept {
        if !self.ready {
            return Accept::Drained;
        }
        if !self.is_due(now) {
            return Accept::Paused;
        }
        self.paused_until = None;
        if !self.reserve.refill() {
            return self.pause(Errno::MFILE.into(), now);
        }
        while self.accepts_left > 0 {
            self.accepts_left -= 1;
            match self.listener.accept() {
                Ok((stream, peer)) => return Accept::Accepted(stream, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.ready = false;
                    self.accepts_left = limits::TURN_ACCEPTS_MAX;
                    return Accept::Drained;
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => return self.pause(error, now),
            }
        }
        self.accepts_left = limits::TURN_ACCEPTS_MAX;
        Accept::Yielded
    }

    /// The address it listens on, with the port that the system chose if that was asked for.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Also for errors that nobody has foreseen: resting cannot spin.
    fn pause(&mut self, error: io::Error, now: Millis) -> Accept {
        self.paused_until = Some(now.plus(limits::ACCEPT_PAUSE_MS));
        self.accepts_left = limits::TURN_ACCEPTS_MAX;
        self.pauses = self.pauses.saturating_add(1);
        Accept::OutOfFiles(error)
    }
}

/// Whether an error belongs to the one connection that would have been next, which is gone: Linux
/// reports here what happened to it while it waited.
fn is_peer_error(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Interrupted
        || [
            Errno::CONNABORTED,
            Errno::CONNRESET,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NETDOWN,
            Errno::NETUNREACH,
            Errno::NOPROTOOPT,
            Errno::OPNOTSUPP,
            Errno::PERM,
            Errno::PROTO,
            Errno::TIMEDOUT,
        ]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Peer;

    use mio::{Events, Poll};

    use super::*;
    use crate::net::{LISTENER, wait};

    struct Loop {
        poll: Poll,
        acceptor: Acceptor,
        peers: Vec<Peer>,
    }

    impl Loop {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let mut acceptor = Acceptor::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
            acceptor.register(poll.registry(), LISTENER).unwrap();
            Self { poll, acceptor, peers: Vec::new() }
        }

        /// `count` more connections wait, and the event has come.
        fn arrive(&mut self, count: usize) {
            let address = self.acceptor.local_addr().unwrap();
            self.peers.extend((0..count).map(|_| Peer::connect(address).unwrap()));
            let mut events = Events::with_capacity(4);
            wait(&mut self.poll, &mut events, Millis::ZERO, Some(Millis::new(10_000))).unwrap();
            assert!(events.iter().any(|event| event.token() == LISTENER), "an edge for arrivals");
            self.acceptor.on_event();
        }

        /// Accepts as the loops do: how many were taken, and what ended it.
        fn accept(&mut self, now: u64) -> (usize, Accept) {
            let mut taken = 0;
            loop {
                let accept = self.acceptor.accept(Millis::new(now));
                if !matches!(accept, Accept::Accepted(..)) {
                    return (taken, accept);
                }
                taken += 1;
            }
        }
    }

    #[test]
    fn all_who_wait_are_taken_and_then_an_edge_is_awaited() {
        let mut looped = Loop::new();
        assert!(matches!(looped.accept(0), (0, Accept::Drained)));
        for count in [1, 3] {
            looped.arrive(count);
            let (taken, end) = looped.accept(0);
            assert_eq!(taken, count);
            assert!(matches!(end, Accept::Drained));
            assert!(!looped.acceptor.is_due(Millis::ZERO));
        }
    }

    #[test]
    fn a_turn_takes_so_many_and_the_next_one_the_rest() {
        let mut looped = Loop::new();
        looped.arrive(limits::TURN_ACCEPTS_MAX + 5);
        let (taken, end) = looped.accept(0);
        assert_eq!(taken, limits::TURN_ACCEPTS_MAX);
        assert!(matches!(end, Accept::Yielded));
        assert!(looped.acceptor.is_due(Millis::ZERO), "no edge will come for the rest");
        assert!(matches!(looped.accept(0), (5, Accept::Drained)));
    }

    #[test]
    fn out_of_files_it_rests_until_a_file_is_closed_or_the_time_has_come() {
        let mut looped = Loop::new();
        looped.arrive(1);
        assert!(matches!(
            looped.acceptor.pause(Errno::MFILE.into(), Millis::new(5)),
            Accept::OutOfFiles(_)
        ));
        let retry = looped.acceptor.retry_at().unwrap();
        assert_eq!(retry, Millis::new(5 + limits::ACCEPT_PAUSE_MS));
        assert!(matches!(looped.accept(retry.as_u64() - 1), (0, Accept::Paused)));
        assert!(matches!(looped.accept(retry.as_u64()), (1, Accept::Drained)));
        assert_eq!(looped.acceptor.retry_at(), None);
        looped.arrive(1);
        let _ = looped.acceptor.pause(Errno::NFILE.into(), Millis::new(5));
        looped.acceptor.file_closed();
        assert!(looped.acceptor.is_due(Millis::new(5)));
        assert!(matches!(looped.accept(5), (1, Accept::Drained)));
        assert_eq!(looped.acceptor.pauses(), 2);
    }
}
