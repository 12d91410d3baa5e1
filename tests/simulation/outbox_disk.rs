//! A participant's outbox file: slow, sometimes failing, and what is left of it after a crash.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU64;

use groupcast::protocol::Epoch;
use groupcast::session::{OutboxEntry, SessionInput, StoredOutbox, StoredText};

use crate::environment::{Environment, Event, Node};
use crate::world::World;

/// The file of one participant, and what is on its way into it.
#[derive(Debug)]
pub(crate) struct OutboxDisk {
    participant: usize,
    /// Entries in the file, with the time at which each was written.
    written: Vec<(OutboxEntry, u64)>,
    /// Number of entries that a power loss leaves.
    durable: usize,
    pending: VecDeque<OutboxEntry>,
    writing: usize,
    waits_for_retry: bool,
    pub(crate) fails_until: u64,
    /// Entries are synced before they are reported as written.
    must_sync: bool,
}

impl OutboxDisk {
    pub(crate) fn new(participant: usize, must_sync: bool) -> Self {
        Self {
            participant,
            written: Vec::new(),
            durable: 0,
            pending: VecDeque::new(),
            writing: 0,
            waits_for_retry: false,
            fails_until: 0,
            must_sync,
        }
    }

    /// Returns the texts that wait and the epoch of their numbers, for a new process.
    pub(crate) fn open(&mut self, now: u64) -> StoredOutbox {
        self.durable = self.written.len();
        let mut texts: BTreeMap<u64, StoredText> = BTreeMap::new();
        let mut named = None;
        for (entry, at) in &self.written {
            match entry {
                OutboxEntry::Text { order, number, text } => {
                    let (order, number, text) = (*order, *number, text.clone());
                    let stored = StoredText { order, number, text, age_ms: now - at };
                    assert!(texts.insert(order, stored).is_none(), "an order is used once");
                }
                OutboxEntry::Number { order, number } => {
                    texts.get_mut(order).expect("numbered after it was stored").number =
                        Some(*number);
                }
                OutboxEntry::Done { order } => drop(texts.remove(order)),
                OutboxEntry::Epoch { epoch } => {
                    texts.values_mut().for_each(|text| text.number = None);
                    named = *epoch;
                }
            }
        }
        StoredOutbox { epoch: named, texts: texts.into_values().collect() }
    }

    /// Panics if a text is sent that the file does not have, with its number and with the epoch of
    /// the last reply to a join.
    pub(crate) fn check_sent(&self, text: &str, sent: Option<NonZeroU64>, joined: Option<Epoch>) {
        let (mut found, mut written, mut named) = (None, None, None);
        for (entry, _) in &self.written {
            match entry {
                OutboxEntry::Text { order, number, text: stored } if **stored == *text => {
                    (found, written) = (Some(*order), *number);
                }
                OutboxEntry::Number { order, number } if found == Some(*order) => {
                    written = Some(*number);
                }
                OutboxEntry::Epoch { epoch } => (written, named) = (None, *epoch),
                OutboxEntry::Text { .. }
                | OutboxEntry::Number { .. }
                | OutboxEntry::Done { .. } => (),
            }
        }
        assert!(found.is_some(), "sent before it was written: {text}");
        assert!(sent.is_none() || sent == written, "another number is written: {text}");
        assert!(sent.is_none() || named == joined, "another epoch is written: {text}");
    }

    fn push(&mut self, entry: OutboxEntry, environment: &mut Environment, life: u32) {
        self.pending.push_back(entry);
        if self.writing == 0 && !self.waits_for_retry {
            self.write(environment, life);
        }
    }

    fn retry(&mut self, environment: &mut Environment, life: u32) {
        assert!(self.waits_for_retry, "retried without having failed");
        self.waits_for_retry = false;
        self.write(environment, life);
    }

    fn write(&mut self, environment: &mut Environment, life: u32) {
        self.writing = self.pending.len();
        let ms = if environment.calm { 1 } else { environment.rng.pick(&[0, 1, 1, 5, 100, 3_000]) };
        environment.after(ms, Event::OutboxDisk(self.participant, life));
    }

    /// The write under way is done: returns the number of entries, or `None` if it has failed.
    fn done(&mut self, environment: &mut Environment, life: u32) -> Option<usize> {
        let count = std::mem::take(&mut self.writing);
        if environment.now < self.fails_until {
            self.waits_for_retry = true;
            return None;
        }
        self.store_written(count, environment.now);
        if self.must_sync || environment.rng.percent(20) {
            self.durable = self.written.len();
        }
        if !self.pending.is_empty() {
            self.write(environment, life);
        }
        Some(count)
    }

    /// The process is gone, and with the machine what was not synced. Returns the texts that are
    /// there without all their entries: without a sync nobody promised that these come once.
    pub(crate) fn crash(
        &mut self,
        environment: &mut Environment,
        with_machine: bool,
    ) -> Vec<String> {
        let mut orders = BTreeSet::new();
        let count = environment.rng.index(self.writing + 1);
        self.store_written(count, environment.now);
        if with_machine {
            let lost = environment.rng.index(self.written.len() - self.durable + 1);
            for (entry, _) in self.written.drain(self.written.len() - lost..) {
                match entry {
                    OutboxEntry::Number { order, .. } | OutboxEntry::Done { order } => {
                        orders.insert(order);
                    }
                    OutboxEntry::Text { .. } | OutboxEntry::Epoch { .. } => (),
                }
            }
        }
        self.durable = self.durable.min(self.written.len());
        self.pending.clear();
        self.writing = 0;
        self.waits_for_retry = false;
        let texts = self.written.iter().filter_map(|(entry, _)| match entry {
            OutboxEntry::Text { order, text, .. } => {
                orders.contains(order).then(|| text.to_string())
            }
            OutboxEntry::Number { .. } | OutboxEntry::Done { .. } | OutboxEntry::Epoch { .. } => {
                None
            }
        });
        texts.collect()
    }

    fn store_written(&mut self, count: usize, now: u64) {
        self.written.extend(self.pending.drain(..count).map(|entry| (entry, now)));
    }
}

impl World {
    pub(crate) fn store(&mut self, i: usize, entry: OutboxEntry) {
        let World { participants, environment, .. } = self;
        let life = participants[i].life;
        participants[i].outbox.as_mut().expect("a file").push(entry, environment, life);
    }

    pub(crate) fn retry_outbox(&mut self, i: usize) {
        let World { participants, environment, .. } = self;
        let life = participants[i].life;
        participants[i].outbox.as_mut().expect("a file").retry(environment, life);
    }

    pub(crate) fn on_outbox_disk(&mut self, i: usize, life: u32) {
        let World { participants, environment, .. } = self;
        let participant = &mut participants[i];
        if participant.life != life || participant.session.is_none() {
            return;
        }
        let paused_until = environment.inbox(Node::Participant(i)).paused_until;
        if paused_until > environment.now {
            let pause = paused_until - environment.now;
            return environment.after(pause, Event::OutboxDisk(i, life));
        }
        match participant.outbox.as_mut().expect("a file").done(environment, life) {
            Some(entries) => self.input(i, SessionInput::OutboxWritten { entries }),
            None => self.input(i, SessionInput::OutboxFailed { reason: "no space left" }),
        }
        self.after_input(i);
    }
}
