//! One publisher and many receivers, as fast as a window of unanswered messages allows.

use std::time::Duration;

use mio::{Events, Poll, Token};

use crate::clock;
use crate::command::{AFTERMATH, DEADLINE};
use crate::failure::{Failure, Result};
use crate::publisher::{Dialect, Publisher};
use crate::receiver::Receiver;
use crate::stream::wait;
use crate::texts::Checker;

const SCRATCH_BYTES: usize = 256 * 1024;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many messages.
    pub messages: u64,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// Messages sent and not answered, at most.
    pub in_flight: u64,
}

/// A publisher and its receivers, ready to go.
#[derive(Debug)]
pub struct Flood {
    load: Load,
    poll: Poll,
    events: Events,
    publisher: Publisher,
    receivers: Vec<Receiver>,
    /// Texts that were published before.
    published: u64,
    held: Vec<std::net::TcpStream>,
    scratch: Vec<u8>,
}

impl Flood {
    /// Takes over sockets that were set up.
    ///
    /// # Errors
    ///
    /// Those of the sockets and the poll.
    pub fn new(
        load: Load,
        publisher: std::net::TcpStream,
        dialect: Dialect,
        receivers: Vec<std::net::TcpStream>,
        acks: bool,
    ) -> Result<Self> {
        let poll = Poll::new().map_err(Failure::system("cannot poll"))?;
        let registry = poll.registry();
        let token = Token(receivers.len());
        let publisher = Publisher::new(publisher, dialect, load.text_bytes, registry, token)?;
        let receivers = receivers.into_iter().enumerate().map(|(index, stream)| {
            let checker = Checker::new(0, 1, load.text_bytes);
            Receiver::new(stream, checker, acks, registry, Token(index))
        });
        let receivers = receivers.collect::<Result<Vec<_>>>()?;
        let (events, scratch) = (Events::with_capacity(1024), vec![0; SCRATCH_BYTES]);
        let held = Vec::new();
        Ok(Self { load, poll, events, publisher, receivers, published: 0, held, scratch })
    }

    /// For a load that was published before and is to be received now; the command socket stays
    /// silent.
    ///
    /// # Errors
    ///
    /// Those of the sockets and the poll.
    pub fn listening(
        load: Load,
        command: std::net::TcpStream,
        receivers: Vec<std::net::TcpStream>,
    ) -> Result<Self> {
        let flood = Self::new(load, command, Dialect::groupcast(""), receivers, false)?;
        Ok(Self { published: load.messages, ..flood })
    }

    /// Keeps a socket open that nothing is expected on.
    pub fn hold(&mut self, stream: std::net::TcpStream) {
        self.held.push(stream);
    }

    /// Sends everything; how long it took until every receiver had all of it.
    ///
    /// # Errors
    ///
    /// What was lost, doubled, out of order or refused, and those of the sockets.
    pub fn run(&mut self) -> Result<Duration> {
        let begin = clock::now();
        self.publish()?;
        while !self.is_complete() {
            if !self.turn(DEADLINE)? {
                return Err(Failure::Wrong(self.stalled()));
            }
        }
        Ok(clock::now().duration_since(begin))
    }

    /// Listens for what should not come: a text too many is out of order too. Bytes that came, of
    /// all receivers together.
    ///
    /// # Errors
    ///
    /// What came, and those of the sockets.
    pub fn finish(mut self) -> Result<u64> {
        while self.turn(AFTERMATH)? {}
        Ok(self.receivers.iter().map(Receiver::bytes).sum())
    }

    /// Waits for something to happen; whether it did.
    fn turn(&mut self, timeout: Duration) -> Result<bool> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        for event in &self.events {
            match self.receivers.get_mut(event.token().0) {
                Some(receiver) => receiver.read(&mut self.scratch)?,
                None => self.publisher.read(&mut self.scratch)?,
            }
        }
        self.publish()?;
        Ok(!self.events.is_empty())
    }

    fn publish(&mut self) -> Result<()> {
        let due = self.load.messages - self.published;
        let end = due.min(self.publisher.answered() + self.load.in_flight);
        for number in self.publisher.offered()..end {
            self.publisher.offer(number);
        }
        self.publisher.write()
    }

    fn is_complete(&self) -> bool {
        let all = self.load.messages;
        self.publisher.answered() + self.published == all
            && self.receivers.iter().all(|receiver| receiver.next() == all)
    }

    fn stalled(&self) -> String {
        let (answered, all) = (self.publisher.answered(), self.load.messages);
        let least = self.receivers.iter().map(Receiver::next).min().unwrap_or(all);
        format!("stalled: {answered} of {all} answered, {least} delivered to everybody")
    }
}
