//! Receivers that come one after another, each of whom has to get all that was published before.

use mio::{Events, Interest, Poll, Token};

use super::texts::{Expectation, Texts};
use crate::clock;
use crate::command::DEADLINE;
use crate::failure::{Failure, Result};
use crate::peers::link::Link;
use crate::peers::wire::Wire;
use crate::stream::wait;

const SCRATCH_BYTES: usize = 256 * 1024;
const DOOR: Token = Token(usize::MAX);

/// Those who came.
#[derive(Debug)]
pub(super) struct Crowd {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    texts: Texts,
    members: Vec<(Link, Expectation)>,
    door: Option<mio::net::TcpListener>,
}

impl Crowd {
    /// Nobody yet, for texts so long.
    ///
    /// # Errors
    ///
    /// Those of the poll.
    pub(super) fn new(text_bytes: usize) -> Result<Self> {
        let poll = Poll::new().map_err(Failure::system("cannot poll"))?;
        let (events, scratch) = (Events::with_capacity(2048), vec![0; SCRATCH_BYTES]);
        let (texts, members, door) = (Texts::new(text_bytes), Vec::new(), None);
        Ok(Self { poll, events, scratch, texts, members, door })
    }

    /// Has more come through this door, which must not block.
    ///
    /// # Errors
    ///
    /// Those of the poll.
    pub(super) fn open(&mut self, door: std::net::TcpListener) -> Result<()> {
        let mut door = mio::net::TcpListener::from_std(door);
        let watched = self.poll.registry().register(&mut door, DOOR, Interest::READABLE);
        watched.map_err(Failure::system("cannot watch the door"))?;
        self.door = Some(door);
        Ok(())
    }

    /// Adds somebody.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub(super) fn add(&mut self, stream: std::net::TcpStream, wire: Box<dyn Wire>) -> Result<()> {
        let mut link = Link::new(stream, wire)?;
        link.watch(self.poll.registry(), Token(self.members.len()))?;
        self.members.push((link, self.texts.expectation(1, None)));
        Ok(())
    }

    /// Until so many are there and each has so many messages. `wire` is what those speak who come
    /// through the door.
    ///
    /// # Errors
    ///
    /// What was lost, doubled, out of order or altered, and those of the sockets.
    pub(super) fn take(
        &mut self,
        members: usize,
        messages: u64,
        wire: &dyn Fn() -> Box<dyn Wire>,
    ) -> Result<()> {
        let mut heard = clock::now();
        while !self.has(members, messages) {
            wait(&mut self.poll, &mut self.events, DEADLINE)?;
            if !self.events.is_empty() {
                heard = clock::now();
            } else if clock::now().duration_since(heard) >= DEADLINE {
                return Err(Failure::Wrong(self.stalled(members, messages)));
            }
            let mut is_door = false;
            for event in &self.events {
                match self.members.get_mut(event.token().0) {
                    Some((link, expectation)) => {
                        let taken = &mut |text: &[u8]| expectation.take(text).map(|_| ());
                        link.read(&mut self.scratch, taken)?;
                    }
                    None => is_door = true,
                }
            }
            for event in &self.events {
                if let Some((link, _)) = self.members.get_mut(event.token().0) {
                    link.answer()?;
                }
            }
            if is_door {
                self.admit(wire)?;
            }
        }
        Ok(())
    }

    fn admit(&mut self, wire: &dyn Fn() -> Box<dyn Wire>) -> Result<()> {
        while let Some(door) = &self.door {
            match door.accept() {
                Ok((stream, _)) => self.add(stream.into(), wire())?,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Failure::System("cannot accept".to_owned(), error)),
            }
        }
        Ok(())
    }

    fn has(&self, members: usize, messages: u64) -> bool {
        let mut there = self.members.iter();
        self.members.len() == members && there.all(|(_, taken)| taken.taken() >= messages)
    }

    fn stalled(&self, members: usize, messages: u64) -> String {
        let least = self.members.iter().map(|(_, taken)| taken.taken()).min();
        let (least, there) = (least.unwrap_or(0), self.members.len());
        format!("stalled: {there} of {members} are there, each with {least} of {messages} or more")
    }
}
