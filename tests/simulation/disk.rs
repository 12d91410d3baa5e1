//! A participant's message log: slow, sometimes failing, and all that is left after a crash.

use std::collections::VecDeque;

use groupcast::protocol::Delivery;
use groupcast::session::LogEntry;

use crate::environment::{Environment, Event};
use crate::ledger::Ledger;
use crate::model::Model;

/// The log and what is on its way into it.
#[derive(Debug)]
pub(crate) struct Disk {
    participant: usize,
    /// The written log, checked against the promises.
    pub(crate) ledger: Ledger,
    pub(crate) entries: u64,
    /// With how often the coordinator had been put back from a copy when it sent that.
    pending: VecDeque<(LogEntry, u32)>,
    writing: usize,
    waits_for_retry: bool,
    pub(crate) fails_until: u64,
    /// Entries are synced before they are reported as written.
    must_sync: bool,
    /// State of the log at the last sync, and after each entry since.
    unsynced: Vec<Ledger>,
}

impl Disk {
    pub(crate) fn new(participant: usize, id: &str, must_sync: bool) -> Self {
        Self {
            participant,
            ledger: Ledger::new(id),
            entries: 0,
            pending: VecDeque::new(),
            writing: 0,
            waits_for_retry: false,
            fails_until: 0,
            must_sync,
            unsynced: vec![Ledger::new(id)],
        }
    }

    /// Opens the log for a new process. With `must_sync` its content is durable from then on.
    pub(crate) fn open(&mut self) -> &Ledger {
        if self.must_sync {
            self.unsynced = vec![self.ledger.clone()];
        }
        &self.ledger
    }

    pub(crate) fn append(
        &mut self,
        entry: (LogEntry, u32),
        environment: &mut Environment,
        life: u32,
    ) {
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
        environment.after(ms, Event::Disk(self.participant, life));
    }

    /// The write under way is done: how many entries it wrote, or that it failed.
    pub(crate) fn done(
        &mut self,
        environment: &mut Environment,
        model: &Model,
        life: u32,
    ) -> Option<usize> {
        let count = std::mem::take(&mut self.writing);
        if environment.now < self.fails_until {
            self.waits_for_retry = true;
            return None;
        }
        self.store_written(count, model);
        // Sooner or later the system writes it by itself.
        if self.must_sync || environment.rng.percent(20) {
            self.unsynced = vec![self.ledger.clone()];
        }
        if !self.pending.is_empty() {
            self.write(environment, life);
        }
        Some(count)
    }

    /// The process is gone: of what was being written, some is there. With the machine, some is
    /// gone that was written and not synced.
    pub(crate) fn crash(
        &mut self,
        environment: &mut Environment,
        model: &Model,
        with_machine: bool,
    ) {
        let count = environment.rng.index(self.writing + 1);
        self.store_written(count, model);
        if with_machine {
            let left = environment.rng.index(self.unsynced.len());
            let durable = self.unsynced.swap_remove(left);
            match self.must_sync {
                true => self.ledger = durable, // It has acknowledged nothing of what is gone.
                false => self.ledger.fall_back(durable),
            }
            self.unsynced = vec![self.ledger.clone()];
        }
        self.pending.clear();
        self.writing = 0;
        self.waits_for_retry = false;
    }

    /// Loses the log, as a participant without one does when it ends.
    pub(crate) fn forget(&mut self, id: &str) {
        self.ledger.fall_back(Ledger::new(id));
        self.unsynced = vec![self.ledger.clone()];
    }

    fn store_written(&mut self, count: usize, model: &Model) {
        for (entry, copies) in self.pending.drain(..count) {
            self.entries += 1;
            let life = |ledger: &Ledger| &model.epochs[&ledger.epoch.expect("no number without")];
            match entry {
                LogEntry::Epoch(epoch) if self.ledger.epoch == Some(epoch) => {
                    self.ledger.begin_anew();
                }
                LogEntry::Epoch(epoch) => self.ledger.begin(epoch),
                LogEntry::Message(message) => {
                    let (seq, accepted) = (message.seq(), message.accepted());
                    let (sender, text) = (message.sender(), message.text());
                    let line = Delivery { seq, sender, accepted, text }.to_string();
                    let life = life(&self.ledger);
                    self.ledger.take(life, copies, seq.as_u64(), &line);
                }
                LogEntry::Gap(gap) => {
                    let numbers = [gap.count, gap.first.as_u64(), gap.last.as_u64()];
                    let life = life(&self.ledger);
                    self.ledger.take_gap(life, copies, numbers, false);
                }
            }
            self.unsynced.push(self.ledger.clone());
        }
    }
}
