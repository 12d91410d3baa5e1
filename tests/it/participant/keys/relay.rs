//! A program that speaks TLS for a coordinator without TLS: it passes lines between a participant
//! and the coordinator, in both directions of connecting.
//!
//! ```text
//!   participant ══ TLS ══▶ relay ──▶ coordinator
//!   participant ◀══ TLS ══ relay ◀── coordinator      at the advertised port
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use groupcast::net::tls::{ClientSide, ServerSide, TlsContext, TlsIdentity, Trust, generate_key};
use groupcast::net::{
    Accept, Acceptor, Connection, Fill, Key, Scratch, Slots, SocketTable, Transport,
};
use groupcast::protocol::KeyName;
use groupcast::time::Millis;
use mio::{Events, Poll, Token, Waker};

/// Longest line that passes.
const LINE_BYTES_MAX: usize = 1 << 20;

const STOP: Token = Token(usize::MAX);

/// A key with its certificate.
#[derive(Clone)]
pub(super) struct RelayKey {
    pub(super) name: KeyName,
    pem: String,
}

impl RelayKey {
    pub(super) fn new() -> Self {
        let key = generate_key().unwrap();
        Self { name: key.name, pem: key.private_key + &key.certificate }
    }

    /// Returns the private key and the certificate.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn identity(&self) -> TlsIdentity {
        TlsIdentity::from_pem(self.pem.as_bytes()).unwrap()
    }
}

/// A relay on a thread of its own.
pub(super) struct Relay {
    /// The address for participants.
    pub(super) address: SocketAddr,
    /// The port that participants advertise.
    pub(super) advertised: u16,
    waker: Waker,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Relays to `coordinator`, and from it to the listener of a participant at `port`.
    pub(super) fn start(coordinator: SocketAddr, port: u16, key: &RelayKey) -> Self {
        let poll = Poll::new().unwrap();
        let bind = || Acceptor::bind((Ipv4Addr::LOCALHOST, 0).into(), 0).unwrap();
        let (front, back) = (bind(), bind());
        let (address, advertised) =
            (front.local_addr().unwrap(), back.local_addr().unwrap().port());
        let waker = Waker::new(poll.registry(), STOP).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let (key, is_stopped) = (key.clone(), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            let context = TlsContext::new();
            let server = context.server(&key.identity()).unwrap();
            let client = context.client(&key.identity(), Trust::AnyKey).unwrap();
            let listener = (Ipv4Addr::LOCALHOST, port).into();
            let (sockets, pairs) = (Slots::new(SocketTable::Command), Vec::new());
            let scratch = Scratch::new(65536);
            let mut relaying =
                Relaying { poll, coordinator, listener, server, client, sockets, pairs, scratch };
            relaying.run(front, back, &is_stopped);
        });
        Self { address, advertised, waker, is_over, thread: Some(thread) }
    }
}

impl Drop for Relay {
    /// Closes all connections.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.waker.wake().unwrap();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // A failed thread has said why.
        }
    }
}

/// The relay's loop.
struct Relaying {
    poll: Poll,
    coordinator: SocketAddr,
    listener: SocketAddr,
    server: ServerSide,
    client: ClientSide,
    sockets: Slots<Connection>,
    pairs: Vec<[Key; 2]>,
    scratch: Scratch,
}

impl Relaying {
    fn run(&mut self, mut front: Acceptor, mut back: Acceptor, is_over: &AtomicBool) {
        const FRONT: Token = Token(usize::MAX - 2);
        const BACK: Token = Token(usize::MAX - 1);
        front.register(self.poll.registry(), FRONT).unwrap();
        back.register(self.poll.registry(), BACK).unwrap();
        let mut events = Events::with_capacity(64);
        while !is_over.load(Ordering::Relaxed) {
            if let Err(error) = self.poll.poll(&mut events, None) {
                assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
            }
            for event in &events {
                match event.token() {
                    FRONT => front.on_event(),
                    BACK => back.on_event(),
                    STOP => (),
                    token => {
                        if let Some(connection) = self.sockets.get_mut(token.into()) {
                            connection.on_event(event);
                        }
                    }
                }
            }
            while let Accept::Accepted(stream, _) = front.accept(Millis::ZERO) {
                let secure = stream.tls_server(&self.server).unwrap();
                self.add(secure, self.coordinator, false);
            }
            while let Accept::Accepted(stream, _) = back.accept(Millis::ZERO) {
                self.add(stream, self.listener, true);
            }
            self.pass_all();
        }
    }

    /// Adds an accepted connection, and one to `to`, which is the one with TLS if `secures`.
    fn add(&mut self, accepted: Transport, to: SocketAddr, secures: bool) {
        let mut connected = Connection::connect(to).unwrap();
        if secures {
            connected = connected.tls_client(&self.client).unwrap();
        }
        let pair = [Connection::new(accepted), connected].map(|mut connection| {
            let key = self.sockets.next_key();
            connection.register(self.poll.registry(), key).unwrap();
            connection.assume_readable();
            self.sockets.insert(connection)
        });
        self.pairs.push(pair);
    }

    fn pass_all(&mut self) {
        for pair in std::mem::take(&mut self.pairs) {
            match self.pass(pair) {
                Ok(true) => self.pairs.push(pair),
                Ok(false) | Err(_) => {
                    for key in pair {
                        let connection = self.sockets.remove(key);
                        // A peer that is gone does not need the end.
                        connection.into_iter().for_each(|mut it| drop(it.shutdown_write()));
                    }
                }
            }
        }
    }

    /// Passes the lines of a pair. Returns false at the end of one direction.
    fn pass(&mut self, [one, other]: [Key; 2]) -> std::io::Result<bool> {
        for key in [one, other] {
            let connection = self.sockets.get_mut(key).unwrap();
            if !connection.is_writable() || !connection.connected()? {
                return Ok(true);
            }
        }
        let mut is_open = true;
        for (from, to) in [(one, other), (other, one)] {
            let mut lines = Vec::new();
            let from = self.sockets.get_mut(from).unwrap();
            loop {
                let fill = from.fill(&mut self.scratch, usize::MAX);
                while let Ok(Some(line)) = from.input.next_line(LINE_BYTES_MAX) {
                    lines.extend_from_slice(line);
                    lines.push(b'\n');
                }
                match fill? {
                    Fill::Drained(_) => break,
                    Fill::Yielded(_) => (),
                    Fill::Eof(_) => {
                        is_open = false;
                        break;
                    }
                }
            }
            let to = self.sockets.get_mut(to).unwrap();
            to.output.extend_from_slice(&lines);
            to.flush(usize::MAX)?;
        }
        Ok(is_open)
    }
}
