//! Copies of the coordinator's directory, taken at any moment and put back later.

use groupcast::limits::SyncPolicy;
use groupcast::protocol::Epoch;

use crate::coordinator_journal::{Cleanness, JournalState};
use crate::environment::{Event, Node};
use crate::epoch_history::CoordinatorEnd;
use crate::model_journal::Copied;
use crate::storage::Storage;
use crate::world::World;
use support::rng::Rng;

/// Takes copies and puts them back. It draws from its own seed, so the rest of the run does not
/// change.
#[derive(Debug)]
pub(crate) struct Backups {
    rng: Rng,
    copy: Option<Copy>,
}

/// A copy, and all that is known of how it was.
#[derive(Debug)]
struct Copy {
    storage: Storage,
    boot: u8,
    spans: Vec<(u64, i128)>,
    end: CoordinatorEnd,
    cleanness: Cleanness,
    syncs: Vec<SyncPolicy>,
    drawn: Vec<Epoch>,
    is_scrambled: bool,
    model: Copied,
}

impl Backups {
    /// In half of the runs with a journal there is somebody.
    pub(crate) fn of(seed: u64, is_journaled: bool) -> Option<Self> {
        let mut rng = Rng::new(seed.rotate_left(32));
        let is_there = is_journaled && rng.percent(50);
        is_there.then_some(Self { rng, copy: None })
    }
}

impl Copy {
    /// Of a coordinator that works, or of what is left of one. A start is waited for.
    fn take(journal_state: &JournalState, is_up: bool, model: Copied, now: u64) -> Option<Self> {
        if journal_state.starting.is_some() || !is_up && journal_state.end.is_none() {
            return None;
        }
        let storage = journal_state.storage.copy(now);
        let troubled_at = storage.troubled_at();
        Some(Self {
            boot: journal_state.copy_boot.unwrap_or(journal_state.boot),
            spans: journal_state.spans.clone(),
            end: journal_state.end.unwrap_or(CoordinatorEnd {
                at: now,
                by_power: false,
                troubled_at,
            }),
            cleanness: journal_state.cleanness,
            syncs: journal_state.syncs.clone(),
            drawn: journal_state.drawn.clone(),
            is_scrambled: journal_state.is_scrambled,
            storage,
            model,
        })
    }

    fn put_back(&self, journal_state: &mut JournalState, now: u64) {
        journal_state.storage = self.storage.put_back(now);
        journal_state.copy_boot = Some(self.boot);
        journal_state.spans.clone_from(&self.spans);
        journal_state.end = Some(self.end);
        journal_state.cleanness = self.cleanness;
        journal_state.syncs.clone_from(&self.syncs);
        journal_state.drawn.clone_from(&self.drawn);
        journal_state.is_scrambled = self.is_scrambled;
    }
}

impl World {
    /// Takes a copy, or puts it back; mostly when some have taken more than it holds, and others
    /// have not: these may be back first, and bring the numbers past those of the others.
    pub(crate) fn on_backup(&mut self) {
        if self.environment.calm {
            return;
        }
        let above = self.above();
        let is_split = !above.is_empty() && above.len() < self.participants.len() + self.raws.len();
        let World {
            coordinator,
            backups: Some(backups),
            journal_state: Some(journal_state),
            environment,
            model,
            ..
        } = self
        else {
            return;
        };
        let pauses = if backups.copy.is_some() { [50, 300, 900] } else { [300, 3_000, 30_000] };
        let pause = backups.rng.pick(&pauses);
        let pause = backups.rng.between(20, pause);
        let is_wanted = coordinator.is_some() || backups.rng.percent(20);
        if !is_wanted
            || backups.copy.is_some() && backups.rng.percent(if is_split { 40 } else { 97 })
        {
            return environment.after(pause, Event::Backup);
        }
        if backups.copy.is_none() {
            environment.after(pause, Event::Backup);
            backups.copy =
                Copy::take(journal_state, coordinator.is_some(), model.copy(), environment.now);
            let is_taken = backups.copy.is_some();
            return self.trace(|| format!("copied: {is_taken}"));
        }
        let begins_epoch = backups.rng.percent(20);
        let ms = backups.rng.pick(&[100, 2_000, 70_000, 70_000]);
        environment.after(pause + ms, Event::Backup);
        self.put_back(begins_epoch);
        for node in above {
            self.environment.inbox(node).paused_until = self.environment.now + ms;
        }
    }

    fn put_back(&mut self, begins_epoch: bool) {
        self.trace(|| format!("puts the copy back, and begins a new epoch: {begins_epoch}"));
        if self.coordinator.is_some() {
            self.end_coordinator(false);
        } else {
            self.end_journal(false);
        }
        let World {
            backups: Some(backups),
            journal_state: Some(journal_state),
            environment,
            model,
            ..
        } = self
        else {
            return;
        };
        let Some(copy) = &backups.copy else { return };
        copy.put_back(journal_state, environment.now);
        environment.copies += 1;
        model.put_back(copy.model.clone(), environment.copies, begins_epoch);
        if backups.rng.percent(50) {
            backups.copy = None;
        }
    }

    /// Those that have taken more than the copy holds.
    fn above(&self) -> Vec<Node> {
        let copy = self.backups.as_ref().and_then(|backups| backups.copy.as_ref());
        let Some((epoch, last)) = copy.map(|copy| copy.model.last()) else { return Vec::new() };
        let participants = self.participants.iter().map(|participant| &participant.disk.ledger);
        let participants =
            participants.enumerate().map(|(i, ledger)| (Node::Participant(i), ledger));
        let raws = self.raws.iter().map(|raw| &raw.ledger).enumerate();
        let all = participants.chain(raws.map(|(i, ledger)| (Node::Raw(i), ledger)));
        let above = all.filter(|(_, ledger)| ledger.epoch == Some(epoch) && ledger.last > last);
        above.map(|(node, _)| node).collect()
    }
}
