//! Publishers that have so many messages under way each, and wait for every answer.

use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::cases::texts::{NUMBERS, Texts};
use crate::clock;
use crate::command::DEADLINE;
use crate::failure::{Failure, Result};
use crate::peers::link::Link;

const SCRATCH_BYTES: usize = 256 * 1024;

/// When nothing more is published.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// After so long.
    Passed(Duration),
    /// With so many messages of all together.
    Published(u64),
}

/// The publishers.
#[derive(Debug)]
pub(super) struct Crew {
    links: Vec<Link>,
    texts: Texts,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    published: u64,
}

impl Crew {
    pub(super) fn new(mut links: Vec<Link>, text_bytes: usize) -> Result<Self> {
        let poll = Poll::new().map_err(Failure::system("cannot poll"))?;
        for (index, link) in links.iter_mut().enumerate() {
            link.watch(poll.registry(), Token(index))?;
        }
        let (events, scratch) = (Events::with_capacity(1024), vec![0; SCRATCH_BYTES]);
        Ok(Self { links, texts: Texts::new(text_bytes), poll, events, scratch, published: 0 })
    }

    /// How many messages were confirmed since the crew came.
    pub(super) fn confirmed(&self) -> u64 {
        self.links.iter().map(Link::answered).sum()
    }

    /// Has each publish with `window` messages under way, and waits for all answers: how many, and
    /// in which time.
    ///
    /// # Errors
    ///
    /// A refusal, an answer that does not come, and those of the sockets.
    pub(super) fn play(&mut self, window: u64, until: Until) -> Result<(u64, Duration)> {
        let (begin, first) = (clock::now(), self.published);
        for index in 0..self.links.len() {
            self.publish(index, window, begin, first, until)?;
        }
        while self.links.iter().any(|link| !link.is_answered()) {
            self.turn(window, begin, first, until)?;
        }
        let passed = clock::now().duration_since(begin);
        Ok((self.published - first, passed))
    }

    fn turn(&mut self, window: u64, begin: Instant, first: u64, until: Until) -> Result<()> {
        let polled = self.poll.poll(&mut self.events, Some(DEADLINE));
        polled.map_err(Failure::system("cannot poll"))?;
        if self.events.is_empty() {
            let unanswered: u64 = self.links.iter().map(Link::unanswered).sum();
            return Err(Failure::Wrong(format!("{unanswered} messages are not confirmed")));
        }
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for index in ready {
            if let Some(link) = self.links.get_mut(index) {
                let stray = &mut |_: &[u8]| Err("a publisher was sent a text".to_owned());
                link.read(&mut self.scratch, stray)?;
            }
            self.publish(index, window, begin, first, until)?;
        }
        Ok(())
    }

    /// Has one publish what its window allows.
    fn publish(
        &mut self,
        index: usize,
        window: u64,
        begin: Instant,
        first: u64,
        until: Until,
    ) -> Result<()> {
        let Some(link) = self.links.get_mut(index) else { return Ok(()) };
        let most = match until {
            Until::Passed(duration) if clock::now().duration_since(begin) >= duration => 0,
            Until::Passed(_) => u64::MAX,
            Until::Published(messages) => first + messages - self.published,
        };
        for _ in 0..window.saturating_sub(link.unanswered()).min(most) {
            let number = link.answered() + link.unanswered();
            if number >= NUMBERS {
                return Err(Failure::Wrong(format!("more than {NUMBERS} messages of one")));
            }
            link.publish(self.texts.text(index, number));
            self.published += 1;
        }
        link.write()
    }
}
