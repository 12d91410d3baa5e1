//! Two members that talk to each other at a steady rate, and how long each message takes.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::clock;
use crate::command::{AFTERMATH, CommandSocket, DEADLINE, Door};
use crate::coordinator::Coordinator;
use crate::failure::{Failure, Result};
use crate::publisher::{Dialect, Publisher};
use crate::receiver::Receiver;
use crate::report::Samples;
use crate::stream::wait;
use crate::texts::Checker;

const SCRATCH_BYTES: usize = 64 * 1024;
const MEMBERS: usize = 2;

/// How they talk.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    /// Messages a second, of both together.
    pub rate: u32,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// For how long.
    pub duration: Duration,
}

impl Talk {
    fn messages(&self) -> u64 {
        self.duration.as_secs() * u64::from(self.rate)
    }
}

/// Two members, online.
#[derive(Debug)]
pub struct Pair([Sockets; MEMBERS]);

#[derive(Debug)]
struct Sockets {
    id: &'static str,
    command: CommandSocket,
    messages: TcpStream,
}

impl Pair {
    /// Registers both.
    ///
    /// # Errors
    ///
    /// A refusal, and those of the sockets.
    pub fn register(coordinator: &Coordinator, door: &Door) -> Result<Self> {
        let register = |id| {
            let mut command = coordinator.command()?;
            let messages = door.register(&mut command, id, false)?;
            Ok(Sockets { id, command, messages })
        };
        Ok(Self([register("left")?, register("right")?]))
    }

    /// Has both talk: milliseconds from sending to delivery, of every message.
    ///
    /// # Errors
    ///
    /// What was lost, doubled, out of order or refused, and those of the sockets.
    pub fn talk(self, talk: Talk) -> Result<Samples> {
        let mut exchange = Exchange::new(self, talk)?;
        exchange.run()?;
        while exchange.turn(AFTERMATH)? {}
        Ok(Samples::new(exchange.times_ms))
    }
}

/// Message n is sent by member n % 2, and has to come to the other one.
#[derive(Debug)]
struct Exchange {
    talk: Talk,
    poll: Poll,
    events: Events,
    members: Vec<(Publisher, Receiver)>,
    scratch: Vec<u8>,
    sent_at: Vec<Instant>,
    times_ms: Vec<f64>,
}

impl Exchange {
    fn new(pair: Pair, talk: Talk) -> Result<Self> {
        let poll = Poll::new().map_err(Failure::system("cannot poll"))?;
        let registry = poll.registry();
        let members = pair.0.into_iter().enumerate().map(|(index, sockets)| {
            let Sockets { id, command, messages } = sockets;
            let (dialect, stream) = (Dialect::groupcast(id), command.into_stream());
            let token = Token(2 * index);
            let publisher = Publisher::new(stream, dialect, talk.text_bytes, registry, token)?;
            let others = (index as u64 + 1) % MEMBERS as u64;
            let checker = Checker::new(others, MEMBERS as u64, talk.text_bytes);
            let token = Token(2 * index + 1);
            Ok((publisher, Receiver::new(messages, checker, false, registry, token)?))
        });
        let members = members.collect::<Result<Vec<_>>>()?;
        let (events, scratch) = (Events::with_capacity(16), vec![0; SCRATCH_BYTES]);
        let (sent_at, times_ms) = (Vec::new(), Vec::new());
        Ok(Self { talk, poll, events, members, scratch, sent_at, times_ms })
    }

    fn run(&mut self) -> Result<()> {
        let begin = clock::now();
        let interval = Duration::from_secs(1) / self.talk.rate;
        let all = self.talk.messages();
        while self.times_ms.len() as u64 != all || !self.is_answered() {
            let sent = self.sent_at.len() as u64;
            let due = begin + interval * u32::try_from(sent).unwrap_or(u32::MAX);
            let now = clock::now();
            if sent < all && due <= now {
                self.send(sent, now)?;
                continue;
            }
            let left = if sent < all { due.duration_since(now) } else { DEADLINE };
            let is_stalled = !self.turn(left)? && sent == all;
            if is_stalled {
                let delivered = self.times_ms.len();
                return Err(Failure::Wrong(format!("{delivered} of {all} messages delivered")));
            }
        }
        Ok(())
    }

    fn send(&mut self, number: u64, now: Instant) -> Result<()> {
        let index = (number % MEMBERS as u64) as usize;
        if let Some((publisher, _)) = self.members.get_mut(index) {
            publisher.offer(number);
            self.sent_at.push(now);
            publisher.write()?;
        }
        Ok(())
    }

    fn is_answered(&self) -> bool {
        self.members.iter().all(|(publisher, _)| publisher.answered() == publisher.offered())
    }

    /// Waits for something to happen; whether it did.
    fn turn(&mut self, timeout: Duration) -> Result<bool> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        let now = clock::now();
        for event in &self.events {
            let Token(token) = event.token();
            let Some((publisher, receiver)) = self.members.get_mut(token / 2) else { continue };
            if token % 2 == 0 {
                publisher.write()?;
                publisher.read(&mut self.scratch)?;
                continue;
            }
            let before = receiver.next();
            receiver.read(&mut self.scratch)?;
            for number in (before..receiver.next()).step_by(MEMBERS) {
                if let Some(&sent_at) = self.sent_at.get(number as usize) {
                    self.times_ms.push(now.duration_since(sent_at).as_secs_f64() * 1e3);
                }
            }
        }
        Ok(!self.events.is_empty())
    }
}
