//! Entries on their way into a file of a participant, on a disk that is slow and sometimes fails.

use std::collections::VecDeque;

use crate::environment::{Environment, Event, Node};
use crate::world::World;

/// The writes of one file. Its owner has the content of the file.
#[derive(Debug)]
pub(crate) struct SlowFile<T> {
    participant: usize,
    /// Makes the event at the end of a write, which names the process.
    on_done: fn(usize, u32) -> Event,
    pending: VecDeque<T>,
    writing: usize,
    waits_for_retry: bool,
    pub(crate) fails_until: u64,
    /// Entries are synced before they are reported as written.
    pub(crate) must_sync: bool,
}

/// Entries of a write that has ended.
#[derive(Debug)]
pub(crate) struct WrittenEntries<T> {
    pub(crate) entries: Vec<T>,
    /// A power loss leaves these entries, and all before them.
    pub(crate) are_durable: bool,
}

impl<T> SlowFile<T> {
    pub(crate) fn new(
        participant: usize,
        on_done: fn(usize, u32) -> Event,
        must_sync: bool,
    ) -> Self {
        Self {
            participant,
            on_done,
            pending: VecDeque::new(),
            writing: 0,
            waits_for_retry: false,
            fails_until: 0,
            must_sync,
        }
    }

    pub(crate) fn append(&mut self, entry: T, environment: &mut Environment, life: u32) {
        self.pending.push_back(entry);
        if self.writing == 0 && !self.waits_for_retry {
            self.write(environment, life);
        }
    }

    pub(crate) fn retry(&mut self, environment: &mut Environment, life: u32) {
        assert!(self.waits_for_retry, "retried without having failed");
        self.waits_for_retry = false;
        self.write(environment, life);
    }

    fn write(&mut self, environment: &mut Environment, life: u32) {
        self.writing = self.pending.len();
        let ms = if environment.calm { 1 } else { environment.rng.pick(&[0, 1, 1, 5, 100, 3_000]) };
        environment.after(ms, (self.on_done)(self.participant, life));
    }

    /// The write under way is done: returns its entries, or `None` if it has failed.
    pub(crate) fn done(
        &mut self,
        environment: &mut Environment,
        life: u32,
    ) -> Option<WrittenEntries<T>> {
        let count = std::mem::take(&mut self.writing);
        if environment.now < self.fails_until {
            self.waits_for_retry = true;
            return None;
        }
        let entries = self.pending.drain(..count).collect();
        // Sooner or later the system writes it by itself.
        let are_durable = self.must_sync || environment.rng.percent(20);
        if !self.pending.is_empty() {
            self.write(environment, life);
        }
        Some(WrittenEntries { entries, are_durable })
    }

    /// The process is gone: returns those entries of the write under way that are in the file.
    pub(crate) fn crash(&mut self, environment: &mut Environment) -> Vec<T> {
        let count = environment.rng.index(self.writing + 1);
        let entries = self.pending.drain(..count).collect();
        self.pending.clear();
        self.writing = 0;
        self.waits_for_retry = false;
        entries
    }
}

impl World {
    /// Returns true if a write of this process ends now. The process may be gone. If it is stopped,
    /// the event comes again when the process goes on.
    pub(crate) fn is_write_done(&mut self, i: usize, life: u32, event: Event) -> bool {
        let World { participants, environment, .. } = self;
        if participants[i].life != life || participants[i].session.is_none() {
            return false;
        }
        let paused_until = environment.inbox(Node::Participant(i)).paused_until;
        if paused_until > environment.now {
            environment.after(paused_until - environment.now, event);
            return false;
        }
        true
    }
}
