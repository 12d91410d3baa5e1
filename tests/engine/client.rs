//! An engine with a loop of its own, as the programs have one.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use groupcast::net::engine::{
    Engine, EngineEntry, EngineFault, EngineJob, EngineOptions, EngineReport, EngineStream,
    EngineSubject,
};
use groupcast::net::{Full, Pool};
use mio::{Events, Poll};
use support::Timer;

use crate::servers::LONG;

pub(crate) struct Client {
    engine: Engine,
    poll: Poll,
    events: Events,
    /// Reports that no wait has taken.
    pub(crate) reports: VecDeque<EngineReport>,
    pub(crate) stream: EngineStream,
    next_tag: u64,
}

impl Client {
    pub(crate) fn open(options: &EngineOptions) -> Self {
        let poll = Poll::new().unwrap();
        let waker = Pool::new(poll.registry()).unwrap().waker();
        let (engine, stream) =
            Engine::open(options, waker).unwrap_or_else(|error| panic!("{error}"));
        let (events, reports) = (Events::with_capacity(4), VecDeque::new());
        let mut client = Self { engine, poll, events, reports, stream, next_tag: 1 };
        let server = client.until(|report| match report {
            EngineReport::Connected { server } => Some(server.clone()),
            _ => None,
        });
        assert!(server.starts_with('n') && server.contains(" (127.0.0.1:"), "{server}");
        client
    }

    /// Waits for a report that fits, and takes it. The others stay for later waits.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, mut fits: impl FnMut(&EngineReport) -> Option<T>) -> T {
        let timer = Timer::start(LONG);
        let mut from = 0;
        loop {
            self.reports.extend(self.engine.reports());
            while let Some(report) = self.reports.get(from) {
                if let Some(found) = fits(report) {
                    self.reports.remove(from);
                    return found;
                }
                from += 1;
            }
            let Some(left) = timer.left() else {
                panic!("no such report: {:?}", self.reports);
            };
            self.poll.poll(&mut self.events, Some(left)).unwrap();
        }
    }

    /// Queues a job, and waits for room.
    #[track_caller]
    pub(crate) fn submit(&mut self, job: EngineJob) {
        let timer = Timer::start(LONG);
        let mut job = job;
        while let Err(Full(back)) = self.engine.try_submit(job) {
            job = back;
            self.reports.extend(self.engine.reports());
            let wait = timer.left().expect("no room for a job").min(Duration::from_millis(5));
            self.poll.poll(&mut self.events, Some(wait)).unwrap();
        }
    }

    #[track_caller]
    pub(crate) fn read_from(&mut self, position: u64) {
        self.submit(EngineJob::ReadFrom { position });
    }

    /// Publishes without waiting, and returns the tag.
    #[track_caller]
    pub(crate) fn publish(&mut self, bytes: &[u8]) -> u64 {
        self.publish_to(EngineSubject::Log, bytes)
    }

    #[track_caller]
    pub(crate) fn publish_to(&mut self, subject: EngineSubject, bytes: &[u8]) -> u64 {
        let tag = self.next_tag;
        self.next_tag += 1;
        let bytes = Bytes::copy_from_slice(bytes);
        self.submit(EngineJob::Publish { tag, subject, bytes });
        tag
    }

    /// Publishes, and waits for the position.
    #[track_caller]
    pub(crate) fn store(&mut self, bytes: &[u8]) -> u64 {
        let published = self.publish(bytes);
        self.until(|report| match report {
            EngineReport::Stored { tag, position } if *tag == published => Some(*position),
            EngineReport::NotStored { tag, reason, .. } if *tag == published => panic!("{reason}"),
            _ => None,
        })
    }

    /// Waits for the entry at `position`, and returns all before it, too.
    #[track_caller]
    pub(crate) fn entries_through(&mut self, position: u64) -> Vec<EngineEntry> {
        let mut entries: Vec<EngineEntry> = Vec::new();
        while entries.last().is_none_or(|last| last.position < position) {
            let entry = self.until(entry_of);
            assert!(entries.last().is_none_or(|last| last.position < entry.position));
            entries.push(entry);
        }
        entries
    }

    #[track_caller]
    pub(crate) fn state(&mut self) -> EngineStream {
        self.reports.retain(|report| stream_of(report).is_none());
        self.submit(EngineJob::AskStream);
        self.until(stream_of)
    }

    /// Asks until the state fits.
    #[track_caller]
    pub(crate) fn state_that(&mut self, fits: impl Fn(&EngineStream) -> bool) -> EngineStream {
        let timer = Timer::start(LONG);
        loop {
            assert!(timer.left().is_some(), "no such state: {:?}", self.reports);
            self.submit(EngineJob::AskStream);
            let answer = self.until(|report| match report {
                EngineReport::Stream(stream) => Some(Some(stream.clone())),
                EngineReport::StreamUnknown { .. } => Some(None),
                _ => None,
            });
            if let Some(stream) = answer.filter(|stream| fits(stream)) {
                return stream;
            }
        }
    }

    #[track_caller]
    pub(crate) fn connected(&mut self) {
        self.until(|report| matches!(report, EngineReport::Connected { .. }).then_some(()));
    }

    /// Waits for the answer to a publish that stores nothing: its reason, and if that is certain.
    #[track_caller]
    pub(crate) fn refused(&mut self, published: u64) -> (String, bool) {
        self.until(|report| match report {
            EngineReport::NotStored { tag, reason, is_certain } if *tag == published => {
                Some((reason.clone(), *is_certain))
            }
            EngineReport::Stored { tag, .. } if *tag == published => panic!("stored"),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn fault(&mut self) -> EngineFault {
        self.until(|report| match report {
            EngineReport::Fault(fault) => Some(*fault),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn caught_up(&mut self) -> u64 {
        self.until(|report| match report {
            EngineReport::CaughtUp { position } => Some(*position),
            _ => None,
        })
    }

    pub(crate) fn close(self) {
        assert!(self.engine.close(LONG), "the thread does not end");
    }
}

pub(crate) fn entry_of(report: &EngineReport) -> Option<EngineEntry> {
    match report {
        EngineReport::Entry(entry) => Some(entry.clone()),
        _ => None,
    }
}

pub(crate) fn stream_of(report: &EngineReport) -> Option<EngineStream> {
    match report {
        EngineReport::Stream(stream) => Some(stream.clone()),
        _ => None,
    }
}
