//! All members of a run on one poll: lightweight ones are sockets, real participants are processes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use mio::event::Event;
use mio::{Events, Poll, Registry, Token};

use super::connect_back::Listener;
use super::member::{Member, Profile, State};
use super::participants::{Participants, Transport};
use super::plan::{Pace, Plan};
use super::recorder::Recorder;
use super::timer::Timer;
use super::verifier::fault::malformed;
use crate::command::{ConnectBack, Endpoint, number_of, value_of};
use crate::socket::Socket;

/// Member i has token 2i for its command channel and 2i + 1 for its message socket.
const fn command_token(index: usize) -> Token {
    Token(2 * index)
}
const fn message_token(index: usize) -> Token {
    Token(2 * index + 1)
}
const TIMER: Token = Token(usize::MAX - 1);
const LISTENER: Token = Token(usize::MAX - 2);
const SCRATCH_BYTES: usize = 256 * 1024;
/// Time at the end of a run in which nothing more should come.
const LINGER: Duration = Duration::from_millis(200);

#[derive(Debug)]
enum Kind {
    Sockets(Listener),
    /// Messages come on connections that members make.
    Here {
        epoch: String,
    },
    Processes(Participants),
}

#[derive(Debug)]
pub(super) struct Members {
    poll: Poll,
    events: Events,
    timer: Timer,
    scratch: Vec<u8>,
    coordinator: Endpoint,
    pub(super) all: Vec<Member>,
    kind: Kind,
    /// Seconds that a message lives, by the reply to `register`.
    pub(super) ttl_s: u64,
}

impl Members {
    /// Registers the members of `plan` one after the other; returns the id and the first number of
    /// each.
    pub(super) fn register(
        plan: &Plan,
        participant: &Path,
        coordinator: &Endpoint,
        id: impl Fn(usize) -> String,
    ) -> Result<(Self, Vec<(String, u64)>)> {
        let poll = Poll::new().context("cannot poll")?;
        let ip = coordinator.connect()?.ip;
        let listener = ConnectBack::listen_on(ip)?.with(coordinator.tls.clone());
        let address = coordinator.address;
        let participants =
            plan.processes.then(|| Participants::new(participant, address)).transpose()?;
        let (mut all, mut firsts) = (Vec::new(), Vec::new());
        let (mut epoch, mut ttl_s) = (String::new(), 0);
        for index in 0..plan.participants {
            let id = id(index);
            let (transport, messages, frame, reply) = match &participants {
                Some(participants) => {
                    let token = command_token(index);
                    let (process, reply) = participants.register(&id, poll.registry(), token)?;
                    let frame = (String::new(), "\n".to_owned());
                    (Transport::Process(process), None, frame, reply)
                }
                None => {
                    let listener = (!plan.here).then_some(&listener);
                    let (mut commands, mut messages, reply) =
                        register_sockets(coordinator, listener, &id, plan.acks)?;
                    commands.watch(poll.registry(), command_token(index))?;
                    messages.watch(poll.registry(), message_token(index))?;
                    let frame = (format!("{id}#"), format!("#{ip}\n"));
                    (Transport::Socket(commands), Some(messages), frame, reply)
                }
            };
            value_of(&reply, "epoch").unwrap_or_default().clone_into(&mut epoch);
            ttl_s = number_of(&reply, "ttl").unwrap_or(0);
            firsts.push((id.clone(), number_of(&reply, "next")?));
            let is_windowed = matches!(plan.pace, Pace::Window(_)) && !plan.processes;
            let profile = Profile { index, id, frame, acks: plan.acks, is_windowed };
            all.push(Member::new(profile, transport, messages));
        }
        let kind = match participants {
            Some(participants) => Kind::Processes(participants),
            None if plan.here => Kind::Here { epoch },
            None => {
                let tokens = (LISTENER, 2 * all.len());
                Kind::Sockets(Listener::new(listener, epoch, poll.registry(), tokens)?)
            }
        };
        let timer = Timer::new(poll.registry(), TIMER)?;
        let (events, scratch) = (Events::with_capacity(1024), vec![0; SCRATCH_BYTES]);
        let coordinator = coordinator.clone();
        let members = Self { poll, events, timer, scratch, coordinator, all, kind, ttl_s };
        Ok((members, firsts))
    }

    pub(super) fn online(&self) -> usize {
        self.all.iter().filter(|member| member.state == State::Online).count()
    }

    /// Brings a member back, or has it take over while it is online.
    pub(super) fn reconnect(&mut self, recorder: &mut Recorder, index: usize) {
        let Some(member) = self.all.get_mut(index) else { return };
        let (registry, token) = (self.poll.registry(), command_token(index));
        let opened = match (member.transport(), &self.kind) {
            (Some(_), _) => Ok(()),
            (None, Kind::Processes(participants)) => participants
                .start(&member.profile.id, registry, token)
                .map(|process| member.open(Transport::Process(process))),
            (None, Kind::Sockets(_) | Kind::Here { .. }) => {
                connect(&self.coordinator, registry, token).map(|socket| {
                    member.open(Transport::Socket(socket));
                    member.state = State::Connecting;
                })
            }
        };
        match opened {
            Err(failure) => recorder.fail(index, format_args!("{failure:#}")),
            Ok(()) if member.state == State::Connecting => (),
            Ok(()) => self.request_reconnect(recorder, index),
        }
    }

    fn request_reconnect(&mut self, recorder: &mut Recorder, index: usize) {
        let Some(member) = self.all.get_mut(index) else { return };
        match &self.kind {
            Kind::Sockets(listener) => {
                member.reconnect(recorder, Some((listener.port, &listener.epoch)));
            }
            Kind::Here { epoch } => {
                let (registry, token) = (self.poll.registry(), message_token(index));
                match connect(&self.coordinator, registry, token) {
                    Ok(socket) => member.reconnect_here(recorder, socket, epoch),
                    Err(failure) => recorder.fail(index, format_args!("{failure:#}")),
                }
            }
            Kind::Processes(_) => member.reconnect(recorder, None),
        }
    }

    /// Waits for events for at most `timeout`, or for `timer_ns` where that is shorter, and handles
    /// the events.
    pub(super) fn turn(
        &mut self,
        recorder: &mut Recorder,
        timeout: Duration,
        timer_ns: Option<u64>,
    ) -> Result<()> {
        self.timer.wait(&mut self.poll, &mut self.events, timeout, timer_ns)?;
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.on_event(recorder, event);
        }
        self.events = events;
        if self.all.first().is_some_and(|member| member.profile.is_windowed) {
            let others = self.online().saturating_sub(1);
            self.all.iter_mut().for_each(|member| member.open_window(recorder, others));
        }
        Ok(())
    }

    fn on_event(&mut self, recorder: &mut Recorder, event: &Event) {
        let Token(token) = event.token();
        let has_ended = event.is_read_closed() || event.is_error();
        match (self.all.get_mut(token / 2), &mut self.kind) {
            (Some(member), Kind::Here { epoch })
                if event.token() == message_token(token / 2) && member.is_asking() =>
            {
                // Messages may be there behind the hello.
                if member.ask_here(recorder, epoch) {
                    member.read_messages(recorder, &mut self.scratch, has_ended);
                }
            }
            (Some(member), _) if event.token() == message_token(token / 2) => {
                member.read_messages(recorder, &mut self.scratch, has_ended);
            }
            (Some(member), _) if member.state == State::Connecting => {
                let Some(Transport::Socket(socket)) = member.transport_mut() else { return };
                match socket.is_connected().and_then(|is| Ok(is && socket.handshake()?)) {
                    Ok(true) => {
                        let _ = socket.tcp().set_nodelay(true);
                        self.request_reconnect(recorder, token / 2);
                    }
                    Ok(false) => (), // Not yet.
                    Err(error) => {
                        recorder.fail(token / 2, format_args!("cannot connect: {error}"));
                    }
                }
            }
            (Some(member), _) => {
                member.write(recorder);
                member.read_replies(recorder, &mut self.scratch, has_ended);
            }
            (None, Kind::Sockets(listener)) if event.token() == LISTENER => {
                listener.accept(self.poll.registry());
            }
            (None, Kind::Sockets(listener)) => {
                if let Some((hello, stream)) = listener.read_hello(token) {
                    self.on_hello(recorder, &hello, stream);
                }
            }
            // The timer ends the wait by its event alone.
            (None, Kind::Processes(_) | Kind::Here { .. }) => (),
        }
    }

    /// Gives a connection to the member that its nonce names.
    fn on_hello(&mut self, recorder: &mut Recorder, hello: &str, socket: Socket) {
        let Kind::Sockets(listener) = &self.kind else { return };
        let mut fields = hello.split('#').skip(1);
        let (nonce, epoch) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let index = nonce.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some((index, member)) = index.and_then(|index| Some((index, self.all.get_mut(index)?)))
        else {
            return;
        };
        if member.nonce() != nonce {
            return; // An earlier attempt.
        }
        if epoch != listener.epoch {
            return recorder.fail(index, malformed(hello.as_bytes()));
        }
        let _ = socket.tcp().set_nodelay(true);
        if socket.watch_as(self.poll.registry(), message_token(index)).is_ok() {
            member.on_connect_back(recorder, socket);
            // Text that TLS has opened already brings no event.
            member.read_messages(recorder, &mut self.scratch, false);
        }
    }

    /// Returns true if every text has a reply and every member has every message.
    pub(super) fn are_complete(&mut self, recorder: &mut Recorder) -> Result<bool> {
        match &mut self.kind {
            Kind::Sockets(_) | Kind::Here { .. } => Ok(recorder.verifier.is_complete()),
            Kind::Processes(_) if recorder.verifier.unanswered_of_all() > 0 => Ok(false),
            Kind::Processes(participants) => participants.have_all(recorder.now_ns()),
        }
    }

    /// Waits for messages that should not come, or ends the participants and verifies their logs.
    pub(super) fn finish(&mut self, recorder: &mut Recorder) -> Result<()> {
        if let Kind::Processes(participants) = &self.kind {
            let quit = |mut member: Member| (member.quit(recorder), member.profile);
            // All end at the same time; a second call finds none.
            let ending: Vec<_> = std::mem::take(&mut self.all).into_iter().map(quit).collect();
            for (process, profile) in ending {
                participants.finish(recorder, &profile, process)?;
            }
            return Ok(());
        }
        let end_ns = recorder.now_ns() + LINGER.as_nanos() as u64;
        while recorder.now_ns() < end_ns && !recorder.is_over {
            self.turn(recorder, LINGER, None)?;
        }
        Ok(())
    }

    /// CPU time of all participants, ended ones included.
    pub(super) fn cpu_ns(&self) -> Option<u64> {
        let is_known = matches!(self.kind, Kind::Processes(_));
        is_known.then(|| self.all.iter().map(Member::cpu_ns).sum())
    }
}

/// Registers a member; returns its command socket, its message socket and the reply. Without a
/// listener the messages come on a connection that is made here.
fn register_sockets(
    coordinator: &Endpoint,
    listener: Option<&ConnectBack>,
    id: &str,
    acks: bool,
) -> Result<(Socket, Socket, String)> {
    let mut commands = coordinator.connect()?;
    let (messages, reply) = match listener {
        Some(listener) => listener.enter(&mut commands, id, "register", acks)?,
        None => {
            let mut messages = coordinator.connect()?;
            let reply = messages.register_here(id, acks)?;
            (messages.into_stream(), reply)
        }
    };
    Ok((commands.into_stream(), messages, reply))
}

/// Begins to connect to the coordinator, and watches the socket.
fn connect(coordinator: &Endpoint, registry: &Registry, token: Token) -> Result<Socket> {
    let mut socket = coordinator.begin_to_connect()?;
    socket.watch(registry, token)?;
    Ok(socket)
}
