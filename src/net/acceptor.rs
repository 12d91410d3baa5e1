//! The listening socket. Limits the connections of a turn, and pauses when no file is free.
//!
//! ```text
//!          on_event           WouldBlock
//!   drained ─────▶ accepting ──────────▶ drained
//!                   │     ▲
//!      out of files │     │ retry_at, or a file was closed; the reserve is refilled first
//!                   ▼     │
//!                   paused
//! ```

#[cfg(feature = "engine")]
mod reserved;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::socket::{self, BoundListener};
use super::{FileReserve, Transport};
use crate::limits;
use crate::time::Millis;

/// A listening socket.
///
/// When no file is free, connections stay in the kernel's accept queue and are not refused. No edge
/// reports a free file. So the caller tries again when this process closes a file, and at
/// [`Acceptor::retry_at`] at the latest.
#[derive(Debug)]
pub struct Acceptor<L = TcpListener> {
    listener: L,
    is_address_missing: bool,
    reserve: FileReserve,
    ready: bool,
    paused_until: Option<Millis>,
    /// Number of connections that may still be accepted in this turn.
    accepts_left: usize,
    pauses: u64,
}

/// A socket whose connections an [`Acceptor`] accepts.
pub trait Listen {
    /// The stream of a connection.
    type Stream;

    /// Accepts one connection, and returns the address of its peer.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if no connection waits, or the error of the operating system.
    fn accept_one(&self) -> io::Result<(Self::Stream, SocketAddr)>;
}

impl Listen for TcpListener {
    type Stream = Transport;

    fn accept_one(&self) -> io::Result<(Transport, SocketAddr)> {
        self.accept().map(|(stream, peer)| (Transport::plain(stream), peer))
    }
}

/// Result of [`Acceptor::accept`].
#[derive(Debug)]
pub enum Accept<S = Transport> {
    /// A new connection. Call `accept` again.
    Accepted(S, SocketAddr),
    /// The accept queue is empty. An edge reports the next connection.
    Drained,
    /// The limit of a turn is reached. Call `accept` again in the next turn.
    Yielded,
    /// No file or no memory is free for another connection. Try again at [`Acceptor::retry_at`].
    OutOfFiles(io::Error),
    /// The pause has not ended yet.
    Paused,
}

impl Acceptor {
    /// Listens on `address` and opens `reserve_files` files that clients cannot use.
    ///
    /// # Errors
    ///
    /// The error of the socket: the address is in use, or not ours, or not allowed.
    pub fn bind(address: SocketAddr, reserve_files: usize) -> io::Result<Self> {
        let BoundListener { listener, is_address_missing } = socket::listen(address)?;
        Ok(Self { is_address_missing, ..Self::over(listener, reserve_files) })
    }

    /// Accepts the connections of a listening socket that another program has made.
    ///
    /// # Errors
    ///
    /// The error of the socket.
    pub fn inherit(listener: std::net::TcpListener, reserve_files: usize) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::over(TcpListener::from_std(listener), reserve_files))
    }

    /// Returns true if no interface of this machine had the address when the listener was bound.
    /// Nobody can connect until an interface has the address.
    #[must_use]
    pub fn is_address_missing(&self) -> bool {
        self.is_address_missing
    }

    /// Registers the listener with `registry` under `token`.
    ///
    /// # Errors
    ///
    /// The error of the poll.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    /// Limits what the system keeps of the bytes that were written to a connection and not taken by
    /// its peer. Connections accepted from now on have the limit.
    ///
    /// # Errors
    ///
    /// The error of the socket's option.
    pub fn limit_send_buffer(&self, bytes: usize) -> io::Result<()> {
        Ok(sockopt::set_socket_send_buffer_size(&self.listener, bytes)?)
    }

    /// Returns the address of the listener, with the port that the system chose for port 0.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl<L: Listen> Acceptor<L> {
    /// Accepts the connections of `listener`, and opens `reserve_files` files that clients cannot
    /// use.
    #[must_use]
    pub fn over(listener: L, reserve_files: usize) -> Self {
        Self {
            listener,
            is_address_missing: false,
            reserve: FileReserve::new(reserve_files),
            ready: false,
            paused_until: None,
            accepts_left: limits::TURN_ACCEPTS_MAX,
            pauses: 0,
        }
    }

    /// Records an event of the listener.
    pub fn on_event(&mut self) {
        self.ready = true;
    }

    /// Ends a pause, because this process closed a file.
    pub fn file_closed(&mut self) {
        self.paused_until = None;
    }

    /// Begins a pause, so that no connection takes a file now.
    pub fn postpone(&mut self, now: Millis) {
        if self.is_due(now) {
            self.paused_until = Some(now.plus(limits::ACCEPT_PAUSE_MS));
        }
    }

    /// Returns true if `accept` may return a connection now. No event reports this.
    #[must_use]
    pub fn is_due(&self, now: Millis) -> bool {
        self.ready && self.paused_until.is_none_or(|until| until <= now)
    }

    /// Returns the end of the pause, if connections wait.
    #[must_use]
    pub fn retry_at(&self) -> Option<Millis> {
        self.paused_until.filter(|_| self.ready)
    }

    /// Returns the number of times that no file was free.
    #[must_use]
    pub fn pauses(&self) -> u64 {
        self.pauses
    }

    /// Closes one file of the reserve for a use that matters more than a new client. Returns false
    /// if the reserve is empty. The next `accept` refills the reserve first.
    pub fn release_one(&mut self) -> bool {
        self.reserve.release_one()
    }

    /// Opens the missing files of the reserve. Returns true if the reserve is complete.
    pub fn refill(&mut self) -> bool {
        self.reserve.refill()
    }

    /// Accepts one connection with a file of the reserve, during a pause, too. The caller closes
    /// the connection soon, and calls [`Acceptor::refill`] then.
    pub fn accept_with_reserve(&mut self) -> Option<(L::Stream, SocketAddr)> {
        if !self.ready || !self.reserve.release_one() {
            return None;
        }
        match self.listener.accept_one() {
            Ok(accepted) => Some(accepted),
            Err(error) => {
                self.ready = error.kind() != ErrorKind::WouldBlock;
                self.reserve.refill();
                None
            }
        }
    }

    /// Accepts one connection. Call it until it returns something other than [`Accept::Accepted`].
    pub fn accept(&mut self, now: Millis) -> Accept<L::Stream> {
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
            match self.listener.accept_one() {
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

    /// Begins a pause. An unexpected error causes a pause, too, because a pause cannot spin.
    fn pause(&mut self, error: io::Error, now: Millis) -> Accept<L::Stream> {
        self.paused_until = Some(now.plus(limits::ACCEPT_PAUSE_MS));
        self.accepts_left = limits::TURN_ACCEPTS_MAX;
        self.pauses = self.pauses.saturating_add(1);
        Accept::OutOfFiles(error)
    }
}

/// Returns true if the error concerns only the next connection in the queue, which is then gone.
/// Linux reports here the errors that a connection had while it waited.
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

    struct TestLoop {
        poll: Poll,
        acceptor: Acceptor,
        peers: Vec<Peer>,
    }

    impl TestLoop {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let mut acceptor = Acceptor::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
            acceptor.register(poll.registry(), LISTENER).unwrap();
            Self { poll, acceptor, peers: Vec::new() }
        }

        /// Connects `count` peers and waits for the event.
        fn arrive(&mut self, count: usize) {
            let address = self.acceptor.local_addr().unwrap();
            self.peers.extend((0..count).map(|_| Peer::connect(address).unwrap()));
            let mut events = Events::with_capacity(4);
            wait(&mut self.poll, &mut events, Millis::ZERO, Some(Millis::new(10_000))).unwrap();
            assert!(events.iter().any(|event| event.token() == LISTENER), "an edge for arrivals");
            self.acceptor.on_event();
        }

        /// Accepts as the loops do. Returns the number of connections and the last result.
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
    fn all_waiting_connections_are_accepted_and_then_an_edge_is_awaited() {
        let mut test_loop = TestLoop::new();
        assert!(matches!(test_loop.accept(0), (0, Accept::Drained)));
        for count in [1, 3] {
            test_loop.arrive(count);
            let (taken, end) = test_loop.accept(0);
            assert_eq!(taken, count);
            assert!(matches!(end, Accept::Drained));
            assert!(!test_loop.acceptor.is_due(Millis::ZERO));
        }
    }

    #[test]
    fn a_peer_that_does_not_read_takes_little_memory_of_the_system() {
        use std::io::Write as _;
        let mut test_loop = TestLoop::new();
        test_loop.acceptor.limit_send_buffer(16 * 1024).unwrap();
        test_loop.arrive(1);
        let Accept::Accepted(mut stream, _) = test_loop.acceptor.accept(Millis::ZERO) else {
            panic!("nobody is there")
        };
        let mut sent = 0;
        while let Ok(bytes) = stream.write(&[b'x'; 4096]) {
            sent += bytes;
        }
        // The peer's receive buffer counts, too.
        assert!((16 * 1024..512 * 1024).contains(&sent), "{sent} bytes");
    }

    #[test]
    fn a_turn_accepts_up_to_its_limit_and_the_next_turn_accepts_the_others() {
        let mut test_loop = TestLoop::new();
        test_loop.arrive(limits::TURN_ACCEPTS_MAX + 5);
        let (taken, end) = test_loop.accept(0);
        assert_eq!(taken, limits::TURN_ACCEPTS_MAX);
        assert!(matches!(end, Accept::Yielded));
        assert!(test_loop.acceptor.is_due(Millis::ZERO), "no edge reports the other connections");
        assert!(matches!(test_loop.accept(0), (5, Accept::Drained)));
    }

    #[test]
    fn without_free_files_it_pauses_until_a_file_is_closed_or_the_pause_ends() {
        let mut test_loop = TestLoop::new();
        test_loop.arrive(1);
        assert!(matches!(
            test_loop.acceptor.pause(Errno::MFILE.into(), Millis::new(5)),
            Accept::OutOfFiles(_)
        ));
        let retry = test_loop.acceptor.retry_at().unwrap();
        assert_eq!(retry, Millis::new(5 + limits::ACCEPT_PAUSE_MS));
        assert!(matches!(test_loop.accept(retry.as_u64() - 1), (0, Accept::Paused)));
        assert!(matches!(test_loop.accept(retry.as_u64()), (1, Accept::Drained)));
        assert_eq!(test_loop.acceptor.retry_at(), None);
        test_loop.arrive(1);
        let _ = test_loop.acceptor.pause(Errno::NFILE.into(), Millis::new(5));
        test_loop.acceptor.file_closed();
        assert!(test_loop.acceptor.is_due(Millis::new(5)));
        assert!(matches!(test_loop.accept(5), (1, Accept::Drained)));
        assert_eq!(test_loop.acceptor.pauses(), 2);
    }
}
