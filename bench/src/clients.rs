//! Clients of one server on one poll: messages go in, and each receiver must get all of them.
//!
//! ```text
//!   Texts ─► publishers ─► server ─► receivers ─► Expectation: each text, once, in order, whole
//!     ▲                      └─ replies ─► publishers
//!     └ Pace: a window, or the clock
//! ```

use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::command::DEADLINE;
use crate::link::Link;
use crate::ranks::Ranks;
use crate::socket::Socket;
use crate::stream::wait;
use crate::texts::{Expectation, NUMBERS, Texts};
use crate::wire::Wire;

const SCRATCH_BYTES: usize = 256 * 1024;
/// Token of the first listener. The others have the next ones.
const LISTENERS: usize = usize::MAX / 2;
/// The poll waits whole milliseconds. Nearer to a due time than this, it does not wait.
const NEAR: Duration = Duration::from_millis(2);
/// Time to listen, once everything has come, for messages that must not come.
const AFTERMATH: Duration = Duration::from_millis(50);

/// The times at which messages are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// While the slowest receiver lacks fewer than this number of messages.
    Behind(u64),
    /// While a publisher has fewer than this number of messages without a reply.
    Unanswered(u64),
    /// One message after each interval. The time of a delivery counts from when it was due.
    Every(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Messages(u64),
    Elapsed(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    /// From the first message to the last delivery and reply.
    pub(crate) elapsed: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Schedule {
    begin: Instant,
    first: u64,
    interval: Duration,
}

impl Schedule {
    fn due(&self, number: u64) -> Instant {
        self.begin + self.interval * (number - self.first) as u32
    }
}

/// Makes the protocol of a receiver that connects.
pub(crate) type NewWire = Box<dyn Fn() -> Box<dyn Wire>>;

pub(crate) struct Clients {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    texts: Texts,
    publishers: Vec<Link>,
    receivers: Vec<(Link, Expectation)>,
    listeners: Vec<(TcpListener, NewWire)>,
    /// Sockets that stay open and bring nothing.
    silent: Vec<Socket>,
    /// Tokens of links that were read from and may owe acknowledgements.
    unacknowledged: Vec<usize>,
    progress: Progress,
    /// Times of the deliveries of the last run, if the run was by the clock.
    pub(crate) times: Vec<Duration>,
    /// Order of the receivers in the next run, or in the last one, if it is asked for.
    pub(crate) ranks: Option<Ranks>,
}

#[derive(Debug, Default)]
struct Progress {
    /// First message of the run.
    first: u64,
    /// Messages published since the clients exist.
    published: u64,
    /// Messages that are published when the run ends.
    end: u64,
    /// Receivers that must be there when the run ends.
    receivers: usize,
    schedule: Option<Schedule>,
}

impl Clients {
    pub(crate) fn new(text_bytes: usize) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(2048),
            scratch: vec![0; SCRATCH_BYTES],
            texts: Texts::new(text_bytes),
            publishers: Vec::new(),
            receivers: Vec::new(),
            listeners: Vec::new(),
            silent: Vec::new(),
            unacknowledged: Vec::new(),
            progress: Progress::default(),
            times: Vec::new(),
            ranks: None,
        })
    }

    pub(crate) fn add_publisher(
        &mut self,
        stream: impl Into<Socket>,
        wire: Box<dyn Wire>,
    ) -> Result<()> {
        let token = Token(2 * self.publishers.len() + 1);
        self.publishers.push(Link::new(stream.into(), wire, self.poll.registry(), token)?);
        Ok(())
    }

    /// Adds a receiver of all messages of `publishers` publishers, except those of `own`.
    pub(crate) fn add_receiver(
        &mut self,
        stream: impl Into<Socket>,
        wire: Box<dyn Wire>,
        publishers: usize,
        own: Range<usize>,
    ) -> Result<()> {
        let token = Token(2 * self.receivers.len());
        let link = Link::new(stream.into(), wire, self.poll.registry(), token)?;
        self.receivers.push((link, self.texts.expectation(publishers, own)));
        Ok(())
    }

    /// Adds a receiver for each connection that `listener`, which must not block, accepts.
    pub(crate) fn accept_from(
        &mut self,
        listener: std::net::TcpListener,
        new_wire: NewWire,
    ) -> Result<()> {
        let mut listener = TcpListener::from_std(listener);
        let token = Token(LISTENERS + self.listeners.len());
        self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
        self.listeners.push((listener, new_wire));
        Ok(())
    }

    pub(crate) fn keep(&mut self, stream: impl Into<Socket>) {
        self.silent.push(stream.into());
    }

    /// Publishes messages and waits until each one is answered and delivered to all receivers.
    pub(crate) fn run(&mut self, pace: Pace, until: Until) -> Result<Run> {
        let (begin, first) = (clock::now(), self.progress.published);
        let delivered = self.deliveries();
        self.progress.first = first;
        self.progress.end = match until {
            Until::Messages(messages) => first + messages,
            Until::Elapsed(_) => u64::MAX,
        };
        self.progress.schedule = match pace {
            Pace::Every(interval) => Some(Schedule { begin, first, interval }),
            Pace::Behind(_) | Pace::Unanswered(_) => None,
        };
        self.times.clear();
        let mut last_event = begin;
        loop {
            if matches!(until, Until::Elapsed(duration) if clock::now() - begin >= duration) {
                self.progress.end = self.progress.published;
            }
            self.publish(pace)?;
            if self.is_complete() {
                break;
            }
            let timeout = self.timeout();
            if self.turn(timeout)? {
                last_event = clock::now();
            } else if timeout == DEADLINE || clock::now() - last_event > DEADLINE {
                bail!(self.stalled());
            }
        }
        let elapsed = clock::now() - begin;
        self.acknowledge()?;
        let (messages, deliveries) =
            (self.progress.published - first, self.deliveries() - delivered);
        Ok(Run { messages, deliveries, elapsed })
    }

    /// Waits until `receivers` receivers have all `messages` messages that were published before.
    pub(crate) fn receive(&mut self, receivers: usize, messages: u64) -> Result<()> {
        (self.progress.receivers, self.progress.published) = (receivers, messages);
        self.run(Pace::Behind(0), Until::Messages(0)).map(drop)
    }

    /// TLS records that the receivers have read. `None` without TLS.
    pub(crate) fn records(&self) -> Option<u64> {
        let receivers = || self.receivers.iter().map(|(link, _)| link);
        receivers().any(Link::has_tls).then(|| receivers().map(Link::records).sum())
    }

    /// Replies to all publishers since the clients exist.
    pub(crate) fn replies(&self) -> u64 {
        self.publishers.iter().map(|publisher| publisher.replies).sum()
    }

    /// Listens for a moment. Each text that comes is one too many and is an error.
    pub(crate) fn settle(&mut self) -> Result<()> {
        while self.turn(AFTERMATH)? {}
        Ok(())
    }

    fn timeout(&self) -> Duration {
        let Some(schedule) = self.progress.schedule else { return DEADLINE };
        if self.least_taken() < self.progress.published {
            return Duration::ZERO; // A client that sleeps measures the time to wake up as well.
        }
        let due = schedule.due(self.progress.published);
        due.saturating_duration_since(clock::now()).saturating_sub(NEAR)
    }

    /// Waits for events and handles them. `false` if there was no event.
    fn turn(&mut self, timeout: Duration) -> Result<bool> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        let Self { publishers, receivers, scratch, times, unacknowledged, ranks, .. } = self;
        let (schedule, count) = (self.progress.schedule, publishers.len() as u64);
        let first = self.progress.first;
        let mut is_accepting = false;
        for event in &self.events {
            let Token(token) = event.token();
            if token >= LISTENERS {
                is_accepting = true;
                continue;
            }
            let link = if token % 2 == 1 {
                let Some(publisher) = publishers.get_mut(token / 2) else { continue };
                publisher.read(scratch, &mut |_| bail!("a publisher was sent a text"))?;
                publisher
            } else {
                let Some((receiver, expectation)) = receivers.get_mut(token / 2) else { continue };
                receiver.read(scratch, &mut |text| {
                    let (publisher, number) = expectation.take(text)?;
                    let message = number * count + publisher as u64;
                    if let Some(schedule) = &schedule {
                        times.push(clock::now().saturating_duration_since(schedule.due(message)));
                    }
                    if let Some(ranks) = ranks {
                        ranks.take(token / 2, message - first);
                    }
                    Ok(())
                })?;
                receiver
            };
            match schedule {
                None => link.acknowledge()?,
                // By the clock, no delivery waits for the acknowledgements of others.
                Some(_) => unacknowledged.push(token),
            }
        }
        let has_events = !self.events.is_empty();
        if !has_events {
            self.acknowledge()?;
        }
        if is_accepting {
            self.accept()?;
        }
        Ok(has_events)
    }

    fn accept(&mut self) -> Result<()> {
        let mut accepted = Vec::new();
        for (listener, new_wire) in &self.listeners {
            loop {
                match listener.accept() {
                    Ok((stream, _)) => accepted.push((stream, new_wire())),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(Error::new(error).context("cannot accept")),
                }
            }
        }
        accepted.into_iter().try_for_each(|(stream, wire)| {
            self.add_receiver(TcpStream::from(stream), wire, 1, 0..0)
        })
    }

    fn acknowledge(&mut self) -> Result<()> {
        for token in self.unacknowledged.drain(..) {
            if token % 2 == 1 {
                self.publishers.get_mut(token / 2).map_or(Ok(()), Link::acknowledge)?;
            } else if let Some((receiver, _)) = self.receivers.get_mut(token / 2) {
                receiver.acknowledge()?;
            }
        }
        Ok(())
    }

    fn publish(&mut self, pace: Pace) -> Result<()> {
        let (before, publishers) = (self.progress.published, self.publishers.len());
        let end = match pace {
            Pace::Unanswered(window) => {
                for index in 0..publishers {
                    while self.publishers.get(index).is_some_and(|it| it.unanswered() < window)
                        && self.progress.published < self.progress.end
                    {
                        self.publish_by(index)?;
                    }
                }
                before
            }
            Pace::Behind(window) => self.least_taken().saturating_add(window),
            Pace::Every(interval) => self.progress.schedule.map_or(before, |schedule| {
                let elapsed = (clock::now() - schedule.begin).as_nanos();
                schedule.first + 1 + (elapsed / interval.as_nanos().max(1)) as u64
            }),
        };
        while self.progress.published < end.min(self.progress.end) {
            // Publishers take turns.
            self.publish_by((self.progress.published % publishers.max(1) as u64) as usize)?;
        }
        if self.progress.published > before {
            self.publishers.iter_mut().try_for_each(Link::write)?;
        }
        Ok(())
    }

    fn publish_by(&mut self, index: usize) -> Result<()> {
        let Some(link) = self.publishers.get_mut(index).filter(|it| it.published < NUMBERS) else {
            bail!("publisher {index} cannot number its messages");
        };
        link.publish(self.texts.text(index, link.published));
        self.progress.published += 1;
        Ok(())
    }

    fn deliveries(&self) -> u64 {
        self.receivers.iter().map(|(_, expectation)| expectation.taken).sum()
    }

    /// Messages of which the slowest receiver has its part.
    fn least_taken(&self) -> u64 {
        let published = self.progress.published;
        let own = |it: &Expectation| -> u64 {
            let own = self.publishers.get(it.own.clone()).unwrap_or_default();
            own.iter().map(|link| link.published).sum()
        };
        let missing = self.receivers.iter().map(|(_, it)| published - own(it) - it.taken);
        published - missing.max().unwrap_or(0).min(published)
    }

    fn is_complete(&self) -> bool {
        let Progress { published, end, receivers, .. } = self.progress;
        published == end
            && self.receivers.len() >= receivers
            && self.publishers.iter().all(|publisher| publisher.unanswered() == 0)
            && self.least_taken() == end
    }

    fn stalled(&self) -> String {
        let (taken, receivers) = (self.least_taken(), self.receivers.len());
        let Progress { published, .. } = self.progress;
        let unanswered: u64 = self.publishers.iter().map(Link::unanswered).sum();
        format!(
            "stalled: {published} published, {unanswered} without a reply, {taken} delivered to \
             all of {receivers} receivers"
        )
    }
}
