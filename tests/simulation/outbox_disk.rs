//! A participant's outbox file: slow, sometimes failing, and what is left of it after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use groupcast::protocol::Epoch;
use groupcast::session::{OutboxEntry, SessionInput, StoredOutbox, StoredText};

use crate::environment::{Environment, Event};
use crate::slow_file::{SlowFile, WrittenEntries};
use crate::world::World;

/// The file of one participant, and what is on its way into it.
#[derive(Debug)]
pub(crate) struct OutboxDisk {
    /// Entries in the file, with the time at which each was written.
    written: Vec<(OutboxEntry, u64)>,
    /// Number of entries that a power loss leaves.
    durable: usize,
    pub(crate) file: SlowFile<OutboxEntry>,
}

impl OutboxDisk {
    pub(crate) fn new(participant: usize, must_sync: bool) -> Self {
        let file = SlowFile::new(participant, Event::OutboxDisk, must_sync);
        Self { written: Vec::new(), durable: 0, file }
    }

    /// Returns the texts that wait and the epoch of their numbers, for a new process.
    pub(crate) fn open(&mut self, now: u64) -> StoredOutbox {
        self.durable = self.written.len();
        let mut texts: BTreeMap<u64, StoredText> = BTreeMap::new();
        let (mut named, mut may_be_new) = (None, false);
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
                    (named, may_be_new) = (*epoch, false);
                }
                OutboxEntry::Register { is_refused } => may_be_new = !is_refused,
            }
        }
        StoredOutbox { epoch: named, may_be_new, texts: texts.into_values().collect() }
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
                | OutboxEntry::Done { .. }
                | OutboxEntry::Register { .. } => (),
            }
        }
        assert!(found.is_some(), "sent before it was written: {text}");
        assert!(sent.is_none() || sent == written, "another number is written: {text}");
        assert!(sent.is_none() || named == joined, "another epoch is written: {text}");
    }

    /// The write under way is done: returns the number of entries, or `None` if it has failed.
    fn done(&mut self, environment: &mut Environment, life: u32) -> Option<usize> {
        let WrittenEntries { entries, are_durable } = self.file.done(environment, life)?;
        let count = entries.len();
        self.store_written(entries, environment.now);
        if are_durable {
            self.durable = self.written.len();
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
        let entries = self.file.crash(environment);
        self.store_written(entries, environment.now);
        if with_machine {
            let lost = environment.rng.index(self.written.len() - self.durable + 1);
            for (entry, _) in self.written.drain(self.written.len() - lost..) {
                match entry {
                    OutboxEntry::Number { order, .. } | OutboxEntry::Done { order } => {
                        orders.insert(order);
                    }
                    OutboxEntry::Text { .. }
                    | OutboxEntry::Epoch { .. }
                    | OutboxEntry::Register { .. } => (),
                }
            }
        }
        self.durable = self.durable.min(self.written.len());
        let texts = self.written.iter().filter_map(|(entry, _)| match entry {
            OutboxEntry::Text { order, text, .. } => {
                orders.contains(order).then(|| text.to_string())
            }
            OutboxEntry::Number { .. }
            | OutboxEntry::Done { .. }
            | OutboxEntry::Epoch { .. }
            | OutboxEntry::Register { .. } => None,
        });
        texts.collect()
    }

    fn store_written(&mut self, entries: Vec<OutboxEntry>, now: u64) {
        self.written.extend(entries.into_iter().map(|entry| (entry, now)));
    }
}

impl World {
    pub(crate) fn store(&mut self, i: usize, entry: OutboxEntry) {
        let World { participants, environment, .. } = self;
        let life = participants[i].life;
        participants[i].outbox.as_mut().expect("a file").file.append(entry, environment, life);
    }

    pub(crate) fn retry_outbox(&mut self, i: usize) {
        let World { participants, environment, .. } = self;
        let life = participants[i].life;
        participants[i].outbox.as_mut().expect("a file").file.retry(environment, life);
    }

    pub(crate) fn on_outbox_disk(&mut self, i: usize, life: u32) {
        if !self.is_write_done(i, life, Event::OutboxDisk(i, life)) {
            return;
        }
        let World { participants, environment, .. } = self;
        match participants[i].outbox.as_mut().expect("a file").done(environment, life) {
            Some(entries) => self.input(i, SessionInput::OutboxWritten { entries }),
            None => self.input(i, SessionInput::OutboxFailed { reason: "no space left" }),
        }
        self.after_input(i);
    }
}
