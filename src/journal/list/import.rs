//! The first entries of a list that goes on with the group of one coordinator.
//!
//! ```text
//!   founding ─► snapshot of the members ─► purge below it ─► life ─► messages, cursors ─► end
//! ```
//!
//! The snapshot is the state before the first kept message. The messages follow as batches, with
//! the times at which the coordinator accepted them. So they have their numbers and times again.

use super::batch::BatchHeader;
use super::entry::{EntryKind, ListEntry};
use super::homes::Home;
use super::names::{Life, ListPosition, MemberVisit, SiteName};
use super::record::ListRecord;
use super::snapshot::pieces;
use super::state::{Judgement, ListState};
use crate::facts::Recorded;
use crate::protocol::Seq;
use crate::time::UnixMillis;

/// A list that is made.
#[derive(Debug)]
pub struct ListImport {
    list: ListState,
    site: SiteName,
    life: Life,
}

impl ListImport {
    /// Begins with an empty list. `random` makes the life of the importing process unlike others.
    #[must_use]
    pub fn new(site: SiteName, random: u64) -> Self {
        let life = Life { began: ListPosition::ZERO, random };
        Self { list: ListState::default(), site, life }
    }

    /// Returns the last entry that was read.
    #[must_use]
    pub fn position(&self) -> ListPosition {
        self.list.position()
    }

    /// Reads the next entry. Returns false if it is not the next one, or a batch that is void.
    pub fn read(&mut self, entry: &ListEntry<'_>) -> bool {
        if entry.position != self.position().next() {
            return false;
        }
        match entry.kind {
            EntryKind::Log => matches!(self.list.read(entry), Judgement::Counts(_)),
            EntryKind::Snapshot => {
                self.list.read_piece(entry);
                true
            }
        }
    }

    /// Gives a member its home at the importing site.
    pub fn add_member(&mut self, id: &str, acked: Seq) {
        let index = u32::try_from(self.list.homes().all().count()).unwrap_or(u32::MAX);
        let visit = MemberVisit { position: self.position(), index };
        let home = Home { site: self.site.clone(), visit, is_online: false, acked };
        self.list.homes.set(id, home);
    }

    /// Returns the visit of a member.
    #[must_use]
    pub fn visit(&self, id: &str) -> Option<MemberVisit> {
        self.list.homes().of(id).map(|home| home.visit)
    }

    /// Returns the entries of a snapshot of the members.
    pub fn snapshot<S: Recorded>(&self, state: &S) -> Vec<Vec<u8>> {
        pieces(&self.list, state, &self.site, self.life.random)
    }

    /// Returns the next batch of the importing process.
    #[must_use]
    pub fn batch(&self, time: UnixMillis, records: &[ListRecord<'_>]) -> Vec<u8> {
        let known = self.list.site(&self.site).filter(|site| site.life == self.life);
        let header = BatchHeader {
            site: self.site.clone(),
            life: self.life,
            number: known.map_or(1, |site| site.number.saturating_add(1)),
            seen: self.list.position(),
            chain: self.list.chain(),
            time,
        };
        let mut encoded = Vec::new();
        records.iter().for_each(|record| record.encode(&mut encoded));
        header.encode(u32::try_from(records.len()).unwrap_or(u32::MAX), &encoded)
    }
}
