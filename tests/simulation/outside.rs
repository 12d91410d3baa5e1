//! The outside of the coordinator: its sockets on the simulated network, and its random numbers.
//!
//! ```text
//!   World ── lend ──► Lent: Environment, Model ── take back ──► World
//!                       ▲          ▲
//!                SimStream …       SimObserver     while the coordinator runs
//! ```
//!
//! The coordinator owns its streams, and they reach the network only while the world lends it. All
//! bytes pass a check: `replies.rs` on command sockets, `message_sockets.rs` on message sockets.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use groupcast::access::Credentials;
use groupcast::coordinator::Platform;
use groupcast::group::ConnId;
use groupcast::net::{Connection, Key, Listen, Readiness};
use groupcast::protocol::KeyName;
use groupcast::time::UnixMillis;
use mio::Token;
use rustix::io::Errno;

use crate::access::model::Shown;
use crate::coordinator::COORDINATOR_IP;
use crate::coverage::CoveragePoint;
use crate::environment::{Environment, Node};
use crate::message_sockets::MessageChecks;
use crate::model::Model;
use crate::net::End;
use crate::observer::SimObserver;
use crate::outside_stream::SimStream;
use crate::replies::ReplyChecks;
use crate::writer::SimWriter;

/// State that the world lends.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) environment: Environment,
    pub(crate) model: Model,
}

/// State of the sockets of one coordinator.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) is_loud: bool,
    pub(crate) keys: BTreeMap<End, Key>,
    pub(crate) ends: BTreeMap<Key, End>,
    /// Connections that the listener has not accepted.
    accepting: VecDeque<End>,
    /// Ends with a write that found no room, until an event reports room.
    pub(crate) blocked: BTreeSet<End>,
    /// Ends of clients with an unfinished handshake.
    pub(crate) handshaking: BTreeSet<End>,
    /// Ends with a write that found no room during the shutdown. The last line is written once.
    pub(crate) full_at_end: BTreeSet<End>,
    pub(crate) replies: ReplyChecks,
    pub(crate) messages: MessageChecks,
    /// The group answered a `stats` in this turn.
    pub(crate) has_stats: bool,
    /// The journal has failed.
    pub(crate) has_failed: bool,
}

impl Sockets {
    /// Returns all open ends.
    pub(crate) fn ends(&self) -> impl Iterator<Item = End> {
        self.keys.keys().copied()
    }

    /// Returns the end of a client.
    pub(crate) fn client(&self, conn: ConnId) -> Option<End> {
        self.ends.get(&Key::from(Token(conn.0))).copied()
    }
}

/// The outside of one coordinator. Its clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Outside(pub(crate) Rc<RefCell<(Option<Lent>, Sockets)>>);

impl Outside {
    pub(crate) fn new(replies: ReplyChecks, is_loud: bool) -> Self {
        let sockets = Sockets {
            is_loud,
            keys: BTreeMap::new(),
            ends: BTreeMap::new(),
            accepting: VecDeque::new(),
            blocked: BTreeSet::new(),
            handshaking: BTreeSet::new(),
            full_at_end: BTreeSet::new(),
            replies,
            messages: MessageChecks::default(),
            has_stats: false,
            has_failed: false,
        };
        Self(Rc::new(RefCell::new((None, sockets))))
    }

    pub(crate) fn lend(&self, lent: Lent) {
        self.0.borrow_mut().0 = Some(lent);
    }

    pub(crate) fn take_back(&self) -> Lent {
        self.0.borrow_mut().0.take().expect("lent for this call")
    }

    /// Runs `work` with the network and the checks.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Lent, &mut Sockets) -> R) -> R {
        let (mut lent, mut sockets) =
            RefMut::map_split(self.0.borrow_mut(), |(lent, sockets)| (lent, sockets));
        work(lent.as_mut().expect("the coordinator runs only while the world lends"), &mut sockets)
    }

    pub(crate) fn sockets(&self) -> RefMut<'_, Sockets> {
        RefMut::map(self.0.borrow_mut(), |(_, sockets)| sockets)
    }

    /// Queues connections for the listener.
    pub(crate) fn arrive(&self, accepted: Vec<End>) {
        self.sockets().accepting.extend(accepted);
    }

    /// Returns the event of an end, as epoll reports it: all that is ready.
    pub(crate) fn event(&self, end: End) -> Option<(Key, Readiness)> {
        self.with(|lent, sockets| {
            let key = *sockets.keys.get(&end)?;
            let readiness = lent.environment.readiness(end);
            if readiness.is_writable {
                sockets.blocked.remove(&end);
            }
            Some((key, readiness))
        })
    }

    /// Checks that each member knows of the loop's end, if its socket had room. If the loop ended
    /// in time, each client has its replies, too.
    pub(crate) fn check_end(&self, is_in_time: bool) {
        self.with(|lent, sockets| {
            let Sockets { messages, replies, blocked, full_at_end, .. } = sockets;
            let has_no_room = |end| blocked.contains(&end) || full_at_end.contains(&end);
            messages.check_end(&lent.model, has_no_room);
            if is_in_time {
                replies.check_end(|end| blocked.contains(&end));
            }
        });
    }

    /// Returns true if a write on an end may succeed, and no event will report this.
    pub(crate) fn has_room(&self, end: End) -> bool {
        let sockets = self.sockets();
        sockets.keys.contains_key(&end) && !sockets.blocked.contains(&end)
    }

    fn stream(&self, end: End) -> SimStream {
        SimStream { end, is_handshaking: Cell::new(false), outside: self.clone() }
    }
}

/// The sockets, and chance.
#[derive(Debug)]
pub(crate) struct SimPlatform(pub(crate) Outside);

impl Platform for SimPlatform {
    type Stream = SimStream;
    type Listener = SimListener;
    type Writer = SimWriter;
    type Observer = SimObserver;

    fn connect(
        &mut self,
        _: Option<IpAddr>,
        address: SocketAddr,
        key: Option<KeyName>,
    ) -> io::Result<Connection<SimStream>> {
        let end = self.0.with(|Lent { environment, .. }, sockets| {
            if let Some(listening) = environment.listeners.get(&address) {
                let expected = environment.identities.key(*listening);
                assert_eq!(key, expected, "the key of the client that listens at {address}");
            }
            if !environment.calm && environment.rng.percent(1) {
                return Err(Errno::MFILE);
            }
            let end = environment.dial(Node::Coordinator, COORDINATOR_IP, address);
            sockets.messages.on_dialed(end);
            Ok(end)
        });
        let stream = self.0.stream(end?);
        stream.is_handshaking.set(key.is_some());
        Ok(Connection::over(stream))
    }

    fn begin(&mut self, connection: Connection<SimStream>) -> io::Result<Connection<SimStream>> {
        let stream = connection.stream();
        self.0.with(|Lent { environment, .. }, sockets| {
            if environment.identities.has_tls {
                stream.is_handshaking.set(true);
                sockets.handshaking.insert(stream.end);
            }
        });
        Ok(connection)
    }

    fn has_handshake_time(&mut self) -> bool {
        self.0.with(|Lent { environment, .. }, _| environment.calm || environment.rng.percent(90))
    }

    fn credentials(&self, connection: &Connection<SimStream>, _: UnixMillis) -> Credentials {
        let end = connection.stream().end;
        self.0.with(|Lent { environment, .. }, _| environment.client(end).credentials())
    }

    fn answer_in_plain_text(&mut self, connection: &mut Connection<SimStream>) -> bool {
        let end = connection.stream().end;
        self.0.with(|Lent { environment, model }, _| {
            let is_plain = environment.client(end).shown == Shown::Plain;
            if is_plain {
                model.cover(CoveragePoint::SpokeWithoutTls);
            }
            is_plain
        })
    }

    fn register(&mut self, connection: &mut Connection<SimStream>, key: Key) -> io::Result<()> {
        let end = connection.stream().end;
        self.0.with(|Lent { environment, .. }, sockets| {
            sockets.keys.insert(end, key);
            sockets.ends.insert(key, end);
            if end.side == 1 {
                sockets.replies.open(end);
            }
            environment.notify(end); // What is ready by now is an event, too.
        });
        Ok(())
    }

    fn reregister(&mut self, connection: &mut Connection<SimStream>, key: Key) -> io::Result<()> {
        let end = connection.stream().end;
        self.0.with(|Lent { environment, model }, sockets| {
            if !environment.calm && environment.rng.percent(1) {
                return Err(ErrorKind::OutOfMemory.into());
            }
            if let Some(old) = sockets.keys.insert(end, key) {
                sockets.ends.remove(&old);
            }
            sockets.ends.insert(key, end);
            sockets.replies.on_upgraded(end);
            sockets.messages.on_upgraded(end);
            environment.conns[end.conn].is_upgraded = true;
            // Not every system reports again what was reported under the old key.
            if environment.rng.percent(50) {
                environment.notify(end);
            }
            model.cover(CoveragePoint::Upgraded);
            Ok(())
        })
    }

    fn random(&mut self) -> io::Result<u64> {
        self.0.with(|Lent { environment, .. }, _| {
            let is_drawn = environment.calm || environment.rng.percent(95);
            is_drawn.then(|| environment.rng.next()).ok_or(ErrorKind::Other.into())
        })
    }
}

/// The coordinator's listener.
#[derive(Debug)]
pub(crate) struct SimListener(pub(crate) Outside);

impl Listen for SimListener {
    type Stream = SimStream;

    fn accept_one(&self) -> io::Result<(SimStream, SocketAddr)> {
        let (end, address) = self.0.with(|Lent { environment, .. }, sockets| {
            if sockets.accepting.is_empty() {
                return Err(io::Error::from(ErrorKind::WouldBlock));
            }
            if !environment.calm && environment.rng.percent(2) {
                return Err(Errno::MFILE.into());
            }
            let end = sockets.accepting.pop_front().ok_or(ErrorKind::WouldBlock)?;
            Ok((end, environment.address(end.peer())))
        })?;
        Ok((self.0.stream(end), address))
    }
}
