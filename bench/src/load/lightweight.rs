//! All lightweight members and their sockets, on one poll.

use std::io::Read;
use std::net::SocketAddr;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::member::{Commands, Inbox, Member};
use super::members::State;
use super::plan::{Pace, Plan};
use super::recorder::Book;
use super::timer::Timer;
use super::verifier::fault::Fault;
use crate::command::{CommandSocket, Door, value_of};
use crate::failure::{Failure, Result};

const LISTENER: usize = 0;
const TIMER: usize = 1;
/// Member i has this plus 2i for its command socket, and one more for its message socket.
const MEMBERS: usize = 2;
/// What is watched for on every socket.
pub(super) const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
const SCRATCH_BYTES: usize = 256 * 1024;
/// Longest first line of a connection: `hello#<nonce>#<epoch>`.
const HELLO_BYTES_MAX: usize = 128;

/// A connection that has not said whose it is.
#[derive(Debug)]
struct Candidate {
    stream: TcpStream,
    hello: Vec<u8>,
}

/// Members and sockets.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) poll: Poll,
    pub(super) events: Events,
    pub(super) timer: Timer,
    listener: TcpListener,
    pub(super) port: u16,
    pub(super) coordinator: SocketAddr,
    pub(super) epoch: String,
    ttl_s: u64,
    pub(super) keeps_under_way: bool,
    pub(super) members: Vec<Member>,
    candidates: Vec<Option<Candidate>>,
    scratch: Vec<u8>,
}

/// The token of a member's command socket; its message socket has the next one.
pub(super) fn command_token(index: usize) -> usize {
    MEMBERS + 2 * index
}

/// Watches a socket that was set up.
fn watch(poll: &Poll, stream: std::net::TcpStream, token: Token) -> Result<TcpStream> {
    let watched = stream.set_nonblocking(true).and_then(|()| {
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, token, BOTH)?;
        Ok(stream)
    });
    watched.map_err(Failure::system("cannot watch a socket"))
}

impl Crowd {
    /// Registers all members of `plan`, one after the other; each with the first number to come.
    pub(super) fn register(
        plan: &Plan,
        coordinator: SocketAddr,
        ids: impl Fn(usize) -> String,
    ) -> Result<(Self, Vec<(String, u64)>)> {
        let keeps_under_way = matches!(plan.pace, Pace::Window(_));
        let poll = Poll::new().map_err(Failure::system("cannot poll"))?;
        let ip = CommandSocket::connect(coordinator)?.ip();
        let door = Door::open_at(ip)?;
        let port = door.port();
        let (mut members, mut firsts) = (Vec::new(), Vec::new());
        let (mut epoch, mut ttl_s) = (String::new(), 0);
        for index in 0..plan.participants {
            let id = ids(index);
            let mut commands = CommandSocket::connect(coordinator)?;
            let (messages, reply) = door.enter(&mut commands, &id, "register", plan.acks)?;
            let next = value_of(&reply, "next").and_then(|next| next.parse().ok());
            let first = next.ok_or_else(|| Failure::Wrong(format!("register: {reply}")))?;
            epoch = value_of(&reply, "epoch").unwrap_or_default().to_owned();
            ttl_s = value_of(&reply, "ttl").and_then(|ttl| ttl.parse().ok()).unwrap_or(0);
            firsts.push((id.clone(), first));
            let commands = watch(&poll, commands.into_stream(), Token(command_token(index)))?;
            let messages = watch(&poll, messages, Token(command_token(index) + 1))?;
            let sockets = (Commands::new(commands), Inbox::new(messages));
            let mut member = Member::new(index, id, ip.to_string(), sockets);
            (member.acks, member.keeps_under_way) = (plan.acks, keeps_under_way);
            members.push(member);
        }
        let mut listener = TcpListener::from_std(door.into_listener());
        let watched = poll.registry().register(&mut listener, Token(LISTENER), Interest::READABLE);
        watched.map_err(Failure::system("cannot watch the listener"))?;
        let timer = Timer::new(poll.registry(), Token(TIMER))?;
        let (events, scratch) = (Events::with_capacity(1024), vec![0; SCRATCH_BYTES]);
        let candidates = Vec::new();
        let crowd = Self {
            poll,
            events,
            timer,
            listener,
            port,
            coordinator,
            epoch,
            ttl_s,
            keeps_under_way,
            members,
            candidates,
            scratch,
        };
        Ok((crowd, firsts))
    }

    /// Seconds that a message lives, as the coordinator says.
    pub(super) fn ttl_s(&self) -> u64 {
        self.ttl_s
    }

    pub(super) fn on_event(&mut self, book: &mut Book, event: &Event) {
        let Token(token) = event.token();
        match token {
            LISTENER => self.accept(),
            TIMER => (), // It has done its work by ending the wait.
            _ => {
                let (index, is_inbox) = ((token - MEMBERS) / 2, (token - MEMBERS) % 2 == 1);
                if index >= self.members.len() {
                    return self.greet(book, token - MEMBERS - 2 * self.members.len());
                }
                let has_ended = event.is_read_closed() || event.is_error();
                let Some(member) = self.members.get_mut(index) else { return };
                if is_inbox {
                    member.read_messages(book, &mut self.scratch, has_ended);
                } else if member.state == State::Dialing {
                    self.dialled(book, index);
                } else {
                    member.write(book);
                    member.read_replies(book, &mut self.scratch, has_ended);
                }
            }
        }
    }

    /// Something happened on a command socket that was being connected.
    fn dialled(&mut self, book: &mut Book, index: usize) {
        let Some(member) = self.members.get_mut(index) else { return };
        let Some(commands) = &member.commands else { return };
        match (commands.stream.take_error(), commands.stream.peer_addr()) {
            (Ok(None), Ok(_)) => {
                let _ = commands.stream.set_nodelay(true);
                member.come_back(book, self.port, &self.epoch);
            }
            (Ok(None), Err(_)) => (), // Not yet.
            (Ok(Some(error)) | Err(error), _) => {
                book.fail(index, &Fault::Stuck { what: format!("cannot dial: {error}") });
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let free = self.candidates.iter().position(Option::is_none);
            let slot = free.unwrap_or(self.candidates.len());
            let token = Token(MEMBERS + 2 * self.members.len() + slot);
            if self.poll.registry().register(&mut stream, token, BOTH).is_err() {
                continue;
            }
            let candidate = Some(Candidate { stream, hello: Vec::new() });
            match self.candidates.get_mut(slot) {
                Some(free) => *free = candidate,
                None => self.candidates.push(candidate),
            }
        }
    }

    /// Reads whose a connection is; what stands behind the greeting is left to the member.
    fn greet(&mut self, book: &mut Book, slot: usize) {
        let Some(place) = self.candidates.get_mut(slot) else { return };
        let Some(mut candidate) = place.take() else { return };
        let mut byte = [0];
        while candidate.hello.len() < HELLO_BYTES_MAX && !candidate.hello.ends_with(b"\n") {
            match candidate.stream.read(&mut byte) {
                Ok(1) => candidate.hello.extend_from_slice(&byte),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    *place = Some(candidate);
                    return;
                }
                Ok(_) | Err(_) => return, // It ended without a word: some attempt given up.
            }
        }
        let hello = String::from_utf8_lossy(&candidate.hello);
        let mut fields = hello.trim_end().split('#').skip(1);
        let (nonce, epoch) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let digits = nonce.get(..8).unwrap_or_default();
        let index = usize::from_str_radix(digits, 16).unwrap_or(usize::MAX);
        let Some(member) = self.members.get_mut(index) else { return };
        if member.nonce() != nonce {
            return; // Of an attempt before.
        }
        if epoch != self.epoch {
            let line = hello.trim_end().to_owned();
            return book.fail(index, &Fault::Malformed { line });
        }
        let Candidate { mut stream, .. } = candidate;
        let token = Token(command_token(index) + 1);
        let _ = stream.set_nodelay(true);
        // Watched anew, what is there already brings an event.
        if self.poll.registry().reregister(&mut stream, token, BOTH).is_ok() {
            member.connected(book, Inbox::new(stream));
        }
    }
}
