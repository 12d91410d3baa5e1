//! State of the disk after the end of a program, or of the machine.

use super::{ChangeKind, Done, File, State};
use support::rng::Rng;

impl File {
    /// Answers whether something else than a beginning is left of what was not synced.
    pub(super) fn lose(&mut self, rng: &mut Rng) -> bool {
        let cut = std::mem::take(&mut self.cut);
        if rng.percent(50) && self.bytes.len() == self.durable {
            self.bytes.extend(cut);
        }
        let outcome = if self.is_doomed { 0 } else { rng.below(6) };
        let (written, was_durable) = (self.bytes.len(), self.durable > 0);
        let tail = &mut self.bytes[self.durable.min(written)..];
        let mut is_scrambled = false;
        let mut left = tail.len();
        match outcome {
            0 => left = 0,
            1 => (),
            2 | 3 => left = rng.index(tail.len() + 1),
            4 => {
                // The length was written down, and of what it counts only a beginning.
                let from = rng.index(tail.len() + 1);
                tail[from..].fill(0);
                is_scrambled = from < tail.len();
            }
            _ => {
                let mut at = 0;
                while at < tail.len() {
                    let end = (at + 1 + rng.index(80)).min(tail.len());
                    if rng.percent(40) {
                        tail[at..end].fill(0);
                        is_scrambled = true;
                    }
                    at = end;
                }
            }
        }
        self.bytes.truncate(self.durable.min(written) + left);
        self.durable = self.bytes.len();
        self.is_doomed = false;
        // A file that was never durable as a whole excuses nothing.
        is_scrambled && was_durable
    }
}

impl State {
    pub(super) fn take_back(&mut self, done: Done, is_under_way: bool) {
        let is_done = is_under_way && self.rng.percent(50);
        match done {
            Done::Written { file, length } => {
                let more = self.files[file].bytes.len() - length;
                let kept = if is_under_way { self.rng.index(more + 1) } else { 0 };
                self.files[file].bytes.truncate(length + kept);
            }
            Done::Synced { file, durable, cut } if !is_done => {
                (self.files[file].durable, self.files[file].cut) = (durable, cut);
            }
            Done::Cut { file } if !is_done => {
                let cut = std::mem::take(&mut self.files[file].cut);
                self.files[file].bytes.extend(cut);
            }
            Done::Changed { names } if !is_done => {
                self.names = names;
                self.changes.pop();
            }
            Done::SyncedNames { names, changes } if !is_done => {
                (self.durable_names, self.changes) = (names, changes);
            }
            Done::Synced { .. }
            | Done::Cut { .. }
            | Done::Changed { .. }
            | Done::SyncedNames { .. } => (),
        }
    }

    pub(super) fn lose_names(&mut self) {
        let mut names = std::mem::take(&mut self.durable_names);
        let changes = std::mem::take(&mut self.changes);
        let outcome = self.rng.below(3);
        let until = self.rng.index(changes.len() + 1);
        for (at, change) in changes.into_iter().enumerate() {
            let is_there = match outcome {
                0 => at < until,
                1 => false,
                _ => self.rng.percent(50),
            };
            if !is_there {
                continue;
            }
            match change {
                ChangeKind::Link(name, file) => drop(names.insert(name, file)),
                ChangeKind::Rename(from, to, file) => {
                    names.remove(&from);
                    names.insert(to, file);
                }
                ChangeKind::Unlink(name) => drop(names.remove(&name)),
            }
        }
        self.durable_names = names.clone();
        self.names = names;
    }
}
