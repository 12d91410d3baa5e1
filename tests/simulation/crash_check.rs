//! The end of a coordinator, tried on a copy of its disk: what would be left.

use groupcast::group::Group;
use groupcast::journal::{JournalContents, RandomValues, Salt, Store, WriterJob};
use groupcast::protocol::Epoch;
use groupcast::time::Now;

use crate::coordinator::wall;
use crate::coordinator_journal::JournalState;
use crate::epoch_history::CoordinatorEnd;
use crate::model_journal::Restart;
use crate::world::World;

impl JournalState {
    /// Returns the number of segments that these jobs remove although messages in them were
    /// accepted since `oldest`.
    pub(crate) fn removes_early(&self, jobs: &[WriterJob], oldest: u64) -> u64 {
        let is_early = |job: &&WriterJob| match job {
            WriterJob::Remove { serial } => self.storage.newest(*serial) >= Some(oldest),
            WriterJob::Append { .. }
            | WriterJob::NewSegment(_)
            | WriterJob::Sync
            | WriterJob::Check => false,
        };
        jobs.iter().filter(is_early).count() as u64
    }
}

impl World {
    /// Checks that a coordinator that crashes now would find everything its members need, after a
    /// segment was removed early.
    pub(crate) fn check_crash_now(&self) {
        let World { journal_state: Some(journal_state), model, .. } = self else { return };
        for by_power in [false, true] {
            let twin = journal_state.storage.twin();
            let (at, troubled_at) = (twin.clock(), twin.troubled_at());
            match by_power {
                true => twin.cut_power(at),
                false => twin.kill(at),
            }
            twin.heal(at);
            let mut store = Store::open(twin.clone()).expect("a disk that does its work");
            let recovery =
                JournalContents::read(&mut store, Group::recovering(model.rules.clone()), || false);
            let recovery = recovery.expect("a disk that does its work");
            let unix = wall(at, journal_state.wall_ahead);
            let now = Now { steady: recovery.age(unix), unix };
            let draw = RandomValues { epoch: Epoch::new(0), salt: Salt(0) };
            let opened = recovery.open(store, journal_state.options(), draw, now);
            let back = Restart {
                end: CoordinatorEnd { at, by_power, troubled_at },
                was_clean: false,
                opened_at: now.steady.as_u64(),
                may_be_new: true,
                must_be_new: false,
                sync: journal_state.options().sync,
                written: twin.numbers(),
                begun_after: twin.begun_after(),
                is_copy: false,
            };
            let group = opened.expect("a disk that does its work").state;
            drop(model.surviving(&group, now, &back));
        }
    }
}
