//! A coordinator and its members, driven in steps: the next step begins when all that the last one
//! caused has come. So the coordinator does the same work in the same turns in every run.

use std::io::{Read, Write};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::command::CommandSocket;
use crate::coordinator::Coordinator;
use crate::peers::groupcast::Deliveries;
use crate::socket::Socket;
use crate::texts::{Expectation, Texts};
use crate::wire::{Frame, Wire as _};

pub(super) const TEXT_BYTES: usize = 100;

#[derive(Debug)]
struct Member {
    id: String,
    command: CommandSocket,
    messages: Socket,
    wire: Deliveries,
    expectation: Expectation,
    /// Messages that the member has published.
    published: u64,
    /// An incomplete message at the end of the bytes that were read.
    part: Vec<u8>,
}

/// The command that publishes a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Msend,
    /// With the number of the text.
    Send,
}

#[derive(Debug)]
pub(super) struct Group {
    coordinator: Coordinator,
    members: Vec<Member>,
    texts: Texts,
    verb: Verb,
    /// Highest number of a message.
    seq: u64,
}

impl Group {
    pub(super) fn connect(coordinator: Coordinator, members: usize, acks: bool) -> Result<Self> {
        let (texts, listener) = (Texts::new(TEXT_BYTES), coordinator.connect_back()?);
        let mut all = Vec::new();
        for index in 0..members {
            let (id, mut command) = (format!("member{index}"), coordinator.command()?);
            let messages = listener.register(&mut command, &id, acks)?;
            let expectation = texts.expectation(members, index..index + 1);
            let wire = Deliveries::new(TEXT_BYTES, acks);
            let (published, part) = (0, Vec::new());
            all.push(Member { id, command, messages, wire, expectation, published, part });
        }
        Ok(Self { coordinator, members: all, texts, verb: Verb::Msend, seq: 0 })
    }

    pub(super) fn with(self, verb: Verb) -> Self {
        Self { verb, ..self }
    }

    /// Each of the first `publishers` members publishes `messages` messages with one write. All
    /// requests are there when the coordinator goes on, and the step ends with the last delivery.
    pub(super) fn publish(&mut self, publishers: usize, messages: u64) -> Result<()> {
        let is_one_write = publishers == 1;
        if !is_one_write {
            self.stop()?;
        }
        for (index, member) in self.members.iter_mut().enumerate().take(publishers) {
            let mut requests = Vec::new();
            for number in member.published..member.published + messages {
                self.verb.write(&mut requests, &member.id, number)?;
                requests.extend_from_slice(self.texts.text(index, number));
                requests.extend_from_slice(b"#127.0.0.1\n");
            }
            member.published += messages;
            member.command.write(&requests)?;
        }
        if !is_one_write {
            self.go_on()?;
        }
        for member in self.members.iter_mut().take(publishers) {
            for number in member.published - messages..member.published {
                let (reply, expected) = (member.command.line()?, self.verb.reply(number));
                ensure!(reply.starts_with(&expected), "{}: {reply}", member.id);
            }
        }
        self.seq += publishers as u64 * messages;
        let seq = self.seq;
        self.members.iter_mut().try_for_each(|member| member.receive(seq))
    }

    /// All members but the publisher acknowledge the messages up to `lag` below the highest one.
    /// The acknowledgements are there at once, and the step ends when they have counted.
    pub(super) fn acknowledge(&mut self, lag: u64) -> Result<()> {
        self.stop()?;
        let ack = format!("ack {}\n", self.seq - lag);
        for member in self.members.iter_mut().skip(1) {
            member.messages.write_all(ack.as_bytes()).context("cannot acknowledge")?;
        }
        self.go_on()?;
        let publisher = self.members.first_mut().context("a group without members")?;
        publisher.command.request(&publisher.id, "ping").map(drop)
    }

    /// Requires that every member has every message, and ends the coordinator.
    pub(super) fn finish(mut self) -> Result<()> {
        let total: u64 = self.members.iter().map(|member| member.published).sum();
        for member in &mut self.members {
            let (taken, due) = (member.expectation.taken, total - member.published);
            ensure!(taken == due, "{} has {taken} of {due} messages", member.id);
        }
        self.coordinator.server.stop()
    }

    fn pid(&self) -> Result<Pid> {
        let pid = i32::try_from(self.coordinator.server.child.id()).ok().and_then(Pid::from_raw);
        pid.context("a process without a number")
    }

    /// Stops the process, so that it sees all that is written until it goes on at one time.
    fn stop(&self) -> Result<()> {
        kill_process(self.pid()?, Signal::STOP).context("cannot stop the coordinator")?;
        let stopped = waitpid(Some(self.pid()?), WaitOptions::UNTRACED)?;
        ensure!(stopped.is_some_and(|(_, status)| status.stopped()), "the coordinator ended");
        Ok(())
    }

    fn go_on(&self) -> Result<()> {
        kill_process(self.pid()?, Signal::CONT).context("cannot wake the coordinator")
    }
}

impl Verb {
    /// Writes the beginning of the request with the text `index` of a member, counted from 0.
    fn write(self, requests: &mut Vec<u8>, id: &str, index: u64) -> Result<()> {
        match self {
            Self::Msend => write!(requests, "{id}#msend ")?,
            Self::Send => write!(requests, "{id}#send {} ", index + 1)?,
        }
        Ok(())
    }

    /// Returns the beginning of the reply.
    fn reply(self, index: u64) -> String {
        match self {
            Self::Msend => "OK msend seq=".to_owned(),
            Self::Send => format!("OK send {} seq=", index + 1),
        }
    }
}

impl Member {
    /// Reads until all messages of others are there, of `published` messages altogether.
    fn receive(&mut self, published: u64) -> Result<()> {
        let mut scratch = [0; 64 * 1024];
        while self.expectation.taken < published - self.published {
            let read = self.messages.read(&mut scratch);
            let read = read.with_context(|| format!("{} gets no message", self.id))?;
            ensure!(read > 0, "the message socket of {} was closed", self.id);
            self.part.extend_from_slice(scratch.get(..read).unwrap_or_default());
            let mut rest = self.part.as_slice();
            while let Some((frame, used)) = self.wire.frame(rest)? {
                if let Frame::Text(text) = frame {
                    self.expectation.take(text)?;
                }
                rest = rest.get(used..).unwrap_or_default();
            }
            let used = self.part.len() - rest.len();
            self.part.drain(..used);
        }
        Ok(())
    }
}
