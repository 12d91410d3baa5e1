//! Work on a stage: messages go in, as fast as a window allows or by the clock, and all of them
//! have to come out at every receiver.

use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::texts::{Expectation, NUMBERS, Texts};
use crate::clock;
use crate::command::{AFTERMATH, DEADLINE};
use crate::failure::{Failure, Result};
use crate::peers::stage::Stage;
use crate::stream::wait;

const SCRATCH_BYTES: usize = 256 * 1024;
/// The poll waits whole milliseconds; nearer to a due time than this it does not wait.
const NEAR: Duration = Duration::from_millis(2);

/// When messages are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As long as the slowest receiver is behind by less than so many.
    Window(u64),
    /// One each so often, whatever comes back; a delivery's time counts from when it was due.
    Interval(Duration),
}

/// A stage, and what everybody on it has got.
#[derive(Debug)]
pub(super) struct Scene {
    stage: Stage,
    expectations: Vec<Expectation>,
    texts: Texts,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    published: u64,
    /// Messages published in the end.
    end: u64,
    /// When the first message was due, which message that was, and how far apart they are.
    schedule: Option<(Instant, u64, Duration)>,
    times: Vec<Duration>,
    /// Who has read and may owe an answer for it.
    owing: Vec<usize>,
}

impl Scene {
    /// Takes over a stage.
    ///
    /// # Errors
    ///
    /// Those of the sockets and the poll.
    pub(super) fn new(mut stage: Stage) -> Result<Self> {
        let poll = Poll::new().map_err(Failure::system("cannot poll"))?;
        let receivers = stage.receivers.iter_mut();
        for (index, link) in receivers.chain(&mut stage.publishers).enumerate() {
            link.watch(poll.registry(), Token(index))?;
        }
        let (texts, publishers) = (Texts::new(stage.plan.text_bytes), stage.publishers.len());
        let own = |index| stage.skips_own.then_some(index);
        let expectations = (0..stage.receivers.len())
            .map(|index| texts.expectation(publishers, own(index)))
            .collect();
        let (events, scratch) = (Events::with_capacity(2048), vec![0; SCRATCH_BYTES]);
        let (times, owing, schedule) = (Vec::new(), Vec::new(), None);
        let (published, end) = (0, 0);
        let scene = Self {
            stage,
            expectations,
            texts,
            poll,
            events,
            scratch,
            published,
            end,
            schedule,
            times,
            owing,
        };
        Ok(scene)
    }

    /// The stage.
    #[must_use]
    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Has so many more messages published, and waits until everybody has them: how long it took.
    ///
    /// # Errors
    ///
    /// What was lost, doubled, out of order, altered or refused, and those of the sockets.
    pub(super) fn play(&mut self, messages: u64, pace: Pace) -> Result<Duration> {
        let begin = clock::now();
        self.end = self.published + messages;
        if self.end > NUMBERS {
            return Err(Failure::Wrong(format!("more than {NUMBERS} messages")));
        }
        self.schedule = match pace {
            Pace::Window(_) => None,
            Pace::Interval(interval) => Some((begin, self.published, interval)),
        };
        self.times.clear();
        self.publish(pace)?;
        let mut heard = clock::now();
        while !self.is_complete() {
            let timeout = self.timeout();
            if self.turn(timeout)? {
                heard = clock::now();
            } else if timeout == DEADLINE || clock::now().duration_since(heard) > DEADLINE {
                return Err(Failure::Wrong(self.stalled()));
            }
            self.publish(pace)?;
        }
        let elapsed = clock::now().duration_since(begin);
        self.answer()?;
        Ok(elapsed)
    }

    /// The times of all deliveries since the last play began, where it went by the clock.
    #[must_use]
    pub(super) fn times(&self) -> &[Duration] {
        &self.times
    }

    /// Listens for what should not come: a text too many is out of order.
    ///
    /// # Errors
    ///
    /// What came, and those of the sockets.
    pub(super) fn settle(&mut self) -> Result<()> {
        while self.turn(AFTERMATH)? {}
        Ok(())
    }

    fn timeout(&self) -> Duration {
        let Some((begin, first, interval)) = self.schedule else { return DEADLINE };
        if self.least_taken() < self.published {
            return Duration::ZERO; // Whoever sleeps here measures how long waking up takes.
        }
        let due = begin + interval * (self.published - first) as u32;
        due.saturating_duration_since(clock::now()).saturating_sub(NEAR)
    }

    /// Waits for something to happen; whether it did.
    fn turn(&mut self, timeout: Duration) -> Result<bool> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        let receivers = self.stage.receivers.len();
        let Self { stage, expectations, scratch, schedule, times, owing, .. } = self;
        for event in &self.events {
            let Token(index) = event.token();
            owing.push(index);
            let link = stage.receivers.get_mut(index);
            if let Some((receiver, expectation)) = link.zip(expectations.get_mut(index)) {
                let before = expectation.taken();
                receiver.read(scratch, &mut |text| expectation.take(text).map(|_| ()))?;
                if let Some((begin, first, interval)) = schedule {
                    let now = clock::now();
                    for number in before..expectation.taken() {
                        let due = *begin + *interval * (number - *first) as u32;
                        times.push(now.saturating_duration_since(due));
                    }
                }
            } else if let Some(publisher) = stage.publishers.get_mut(index - receivers) {
                publisher.read(scratch, &mut |_| Err("a publisher was sent a text".to_owned()))?;
            }
        }
        let (is_paced, has_read) = (self.schedule.is_some(), !self.events.is_empty());
        if !(is_paced && has_read) {
            self.answer()?; // By the clock, nobody's delivery waits for what others answer.
        }
        Ok(has_read)
    }

    /// Answers what was read.
    fn answer(&mut self) -> Result<()> {
        let receivers = self.stage.receivers.len();
        for index in self.owing.drain(..) {
            if let Some(link) = self.stage.receivers.get_mut(index) {
                link.answer()?;
            } else if let Some(link) = self.stage.publishers.get_mut(index - receivers) {
                link.answer()?;
            }
        }
        Ok(())
    }

    fn publish(&mut self, pace: Pace) -> Result<()> {
        let publishers = self.stage.publishers.len() as u64;
        let first = self.published;
        let end = match (pace, self.schedule) {
            (Pace::Window(window), _) => self.least_taken() + window,
            (Pace::Interval(_), Some((begin, first, interval))) => {
                let passed = clock::now().duration_since(begin).as_nanos();
                first + 1 + (passed / interval.as_nanos().max(1)) as u64
            }
            (Pace::Interval(_), None) => first,
        };
        for number in first..end.min(self.end) {
            let publisher = (number % publishers) as usize;
            let text = self.texts.text(publisher, number / publishers);
            if let Some(link) = self.stage.publishers.get_mut(publisher) {
                link.publish(text);
            }
            self.published += 1;
        }
        if self.published > first {
            for link in &mut self.stage.publishers {
                link.write()?;
            }
        }
        Ok(())
    }

    /// Of how many messages the slowest receiver has its part.
    fn least_taken(&self) -> u64 {
        let behind = self.expectations.iter().map(|expectation| {
            expectation.due(self.published) - expectation.taken() //.
        });
        // Behind by its part of the messages: nobody misses more than these.
        self.published - behind.max().unwrap_or(0).min(self.published)
    }

    fn is_complete(&self) -> bool {
        self.published == self.end
            && self.least_taken() == self.end
            && self.stage.publishers.iter().all(|publisher| publisher.is_answered())
    }

    fn stalled(&self) -> String {
        let (least, published) = (self.least_taken(), self.published);
        format!("stalled: {published} of {} published, {least} at everybody", self.end)
    }
}
