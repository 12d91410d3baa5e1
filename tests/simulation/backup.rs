//! Copies of the coordinator's directory, taken at any moment and put back later.

use groupcast::limits::Sync;
use groupcast::protocol::Epoch;

use crate::hub_journal::{Cleanness, Keep};
use crate::life::Downfall;
use crate::model_journal::Copied;
use crate::nature::{Node, RecoveryEvent};
use crate::storage::Storage;
use crate::world::World;
use support::rng::Rng;

/// Who takes copies, by a chance of its own, so that it changes nothing for the others.
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
    end: Downfall,
    cleanness: Cleanness,
    syncs: Vec<Sync>,
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
    fn take(keep: &Keep, is_up: bool, model: Copied, now: u64) -> Option<Self> {
        if keep.starting.is_some() || !is_up && keep.end.is_none() {
            return None;
        }
        let storage = keep.storage.copy(now);
        let troubled_at = storage.troubled_at();
        Some(Self {
            boot: keep.copy_boot.unwrap_or(keep.boot),
            spans: keep.spans.clone(),
            end: keep.end.unwrap_or(Downfall { at: now, by_power: false, troubled_at }),
            cleanness: keep.cleanness,
            syncs: keep.syncs.clone(),
            drawn: keep.drawn.clone(),
            is_scrambled: keep.is_scrambled,
            storage,
            model,
        })
    }

    fn put_back(&self, keep: &mut Keep, now: u64) {
        keep.storage = self.storage.put_back(now);
        keep.copy_boot = Some(self.boot);
        keep.spans.clone_from(&self.spans);
        keep.end = Some(self.end);
        keep.cleanness = self.cleanness;
        keep.syncs.clone_from(&self.syncs);
        keep.drawn.clone_from(&self.drawn);
        keep.is_scrambled = self.is_scrambled;
    }
}

impl World {
    /// Takes a copy, or puts it back; mostly when some have taken more than it holds, and others
    /// have not: these may be back first, and bring the numbers past those of the others.
    pub(crate) fn on_backup(&mut self) {
        if self.nature.calm {
            return;
        }
        let above = self.above();
        let is_split = !above.is_empty() && above.len() < self.people.len() + self.raws.len();
        let World { hub, backups: Some(backups), keep: Some(keep), nature, model, .. } = self
        else {
            return;
        };
        let pauses = if backups.copy.is_some() { [50, 300, 900] } else { [300, 3_000, 30_000] };
        let pause = backups.rng.pick(&pauses);
        let pause = backups.rng.between(20, pause);
        let is_wanted = hub.is_some() || backups.rng.percent(20);
        if !is_wanted
            || backups.copy.is_some() && backups.rng.percent(if is_split { 40 } else { 97 })
        {
            return nature.after(pause, RecoveryEvent::Backup);
        }
        if backups.copy.is_none() {
            nature.after(pause, RecoveryEvent::Backup);
            backups.copy = Copy::take(keep, hub.is_some(), model.copy(), nature.now);
            let is_taken = backups.copy.is_some();
            return self.trace(|| format!("copied: {is_taken}"));
        }
        let begins_epoch = backups.rng.percent(20);
        let ms = backups.rng.pick(&[100, 2_000, 70_000, 70_000]);
        nature.after(pause + ms, RecoveryEvent::Backup);
        self.put_back(begins_epoch);
        for node in above {
            self.nature.inbox(node).paused_until = self.nature.now + ms;
        }
    }

    fn put_back(&mut self, begins_epoch: bool) {
        self.trace(|| format!("puts the copy back, and begins a new epoch: {begins_epoch}"));
        if self.hub.is_some() {
            self.end_hub(false);
        } else {
            self.end_journal(false);
        }
        let World { backups: Some(backups), keep: Some(keep), nature, model, .. } = self else {
            return;
        };
        let Some(copy) = &backups.copy else { return };
        copy.put_back(keep, nature.now);
        nature.copies += 1;
        model.put_back(copy.model.clone(), nature.copies, begins_epoch);
        if backups.rng.percent(80) {
            backups.copy = None;
        }
    }

    /// Those that have taken more than the copy holds.
    fn above(&self) -> Vec<Node> {
        let copy = self.backups.as_ref().and_then(|backups| backups.copy.as_ref());
        let Some((epoch, last)) = copy.map(|copy| copy.model.last()) else { return Vec::new() };
        let people = self.people.iter().map(|person| &person.disk.ledger);
        let people = people.enumerate().map(|(i, ledger)| (Node::Person(i), ledger));
        let raws = self.raws.iter().map(|raw| &raw.ledger).enumerate();
        let all = people.chain(raws.map(|(i, ledger)| (Node::Raw(i), ledger)));
        let above = all.filter(|(_, ledger)| ledger.epoch == Some(epoch) && ledger.last > last);
        above.map(|(node, _)| node).collect()
    }
}
