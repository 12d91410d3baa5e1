//! A participant's message log: slow, sometimes failing, and all that is left after a crash.

use groupcast::protocol::Delivery;
use groupcast::session::LogEntry;

use crate::environment::{Environment, Event};
use crate::ledger::Ledger;
use crate::model::Model;
use crate::slow_file::{SlowFile, WrittenEntries};

/// The log and what is on its way into it.
#[derive(Debug)]
pub(crate) struct Disk {
    /// The written log, checked against the promises.
    pub(crate) ledger: Ledger,
    pub(crate) entries: u64,
    /// With how often the coordinator had been put back from a copy when it sent that.
    pub(crate) file: SlowFile<(LogEntry, u32)>,
    /// State of the log at the last sync, and after each entry since.
    unsynced: Vec<Ledger>,
}

impl Disk {
    pub(crate) fn new(participant: usize, id: &str, must_sync: bool) -> Self {
        Self {
            ledger: Ledger::new(id),
            entries: 0,
            file: SlowFile::new(participant, Event::Disk, must_sync),
            unsynced: vec![Ledger::new(id)],
        }
    }

    /// Opens the log for a new process. With `must_sync` its content is durable from then on.
    pub(crate) fn open(&mut self) -> &Ledger {
        if self.file.must_sync {
            self.unsynced = vec![self.ledger.clone()];
        }
        &self.ledger
    }

    /// The write under way is done: how many entries it wrote, or that it failed.
    pub(crate) fn done(
        &mut self,
        environment: &mut Environment,
        model: &Model,
        life: u32,
    ) -> Option<usize> {
        let WrittenEntries { entries, are_durable } = self.file.done(environment, life)?;
        let count = entries.len();
        self.store_written(entries, model);
        if are_durable {
            self.unsynced = vec![self.ledger.clone()];
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
        let entries = self.file.crash(environment);
        self.store_written(entries, model);
        if with_machine {
            let left = environment.rng.index(self.unsynced.len());
            let durable = self.unsynced.swap_remove(left);
            match self.file.must_sync {
                true => self.ledger = durable, // It has acknowledged nothing of what is gone.
                false => self.ledger.fall_back(durable),
            }
            self.unsynced = vec![self.ledger.clone()];
        }
    }

    /// Loses the log, as a participant without one does when it ends.
    pub(crate) fn forget(&mut self, id: &str) {
        self.ledger.fall_back(Ledger::new(id));
        self.unsynced = vec![self.ledger.clone()];
    }

    fn store_written(&mut self, entries: Vec<(LogEntry, u32)>, model: &Model) {
        for (entry, copies) in entries {
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
