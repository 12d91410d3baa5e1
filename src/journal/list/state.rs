//! The state that follows from the list alone. All readers of the same entries have the same one.
//!
//! ```text
//!   entry ─► chain ─► ListBatch::read ─► judge: life, number, chain ─► its records, one by one
//!                        │              │
//!                        └── void ◄─────┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::batch::{BatchHeader, ListBatch, NoBatch};
use super::chain::{Chain, ChainCheck, ChainWindow};
use super::entry::ListEntry;
use super::homes::Homes;
use super::names::{Life, ListPosition, SiteName};
use super::record::{ListRecord, SharedRules};
use super::replaced_site::replaceable;
use super::snapshot::{PieceHeader, SnapshotName, read_piece};
use crate::limits::list::{
    HORIZON_ENTRIES, HORIZON_SLACK_MESSAGES, HORIZON_SLACK_MS, LIST_CLOCK_AHEAD_MS, SITE_DEAD_MS,
    SITES_MAX, SNAPSHOT_MARKS_MAX,
};
use crate::protocol::{Epoch, Seq};
use crate::time::UnixMillis;

/// State that follows from the list alone, without the group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListState {
    pub(super) chain: ChainWindow,
    /// Time of the last batch that counted. It never goes back.
    pub(super) time: UnixMillis,
    pub(super) rules: Option<SharedRules>,
    pub(super) epoch: ListEpoch,
    pub(super) sites: BTreeMap<SiteName, SiteState>,
    pub(super) homes: Homes,
    /// Last seq below its cursor to which no member goes back, and whose owner is forgotten.
    pub(super) horizon: Seq,
    /// Whole snapshots, oldest first.
    pub(super) marks: VecDeque<SnapshotMark>,
    /// The newest snapshot, while pieces of it are missing.
    pub(super) collecting: Option<Collecting>,
}

/// Epoch of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListEpoch {
    pub(super) epoch: Epoch,
    /// Entry in which the epoch began.
    pub(super) began_at: ListPosition,
    /// True once a batch came from a site that was shown another history in this epoch. The site
    /// may have confirmed messages that the list does not have, so a new epoch must begin.
    pub(super) is_doubtful: bool,
}

impl Default for ListEpoch {
    fn default() -> Self {
        let (epoch, began_at) = (Epoch::new(0), ListPosition::ZERO);
        Self { epoch, began_at, is_doubtful: false }
    }
}

/// A snapshot of which pieces are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collecting {
    pub(super) header: PieceHeader,
    /// True for each piece that was read.
    pub(super) has: Vec<bool>,
}

/// State of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteState {
    /// Life that counts now.
    pub life: Life,
    /// Entry in which this life began.
    pub began_at: ListPosition,
    /// Number of the last batch that counted.
    pub number: u64,
    /// Last entry that the site had read when it made that batch.
    pub seen: ListPosition,
    /// Time of the list at that batch.
    pub time: UnixMillis,
    /// True if the life ended in good order.
    pub has_ended: bool,
}

/// A whole snapshot in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotMark {
    /// Last entry that the snapshot contains.
    pub base: ListPosition,
    /// Last seq at that entry.
    pub last: Seq,
    /// Time of the list at that entry.
    pub time: UnixMillis,
}

/// Reason why a batch does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoidReason {
    /// The bytes are no batch.
    Damaged,
    /// The site was shown another history than this reader.
    OtherHistory {
        /// Entry that the batch names.
        position: ListPosition,
        /// Chain that the site had there.
        chain: Chain,
    },
    /// The site had not read enough of the list.
    TooOld,
    /// The batch is from an earlier life of the site, or from an unknown site.
    OtherLife,
    /// The batch is a repetition, or one before it is missing.
    OtherNumber {
        /// Number of the site's next batch.
        expected: u64,
    },
    /// The group has begun already, or has not begun.
    Founding,
    /// The group has as many sites as it may have.
    TooManySites,
}

impl fmt::Display for VoidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("it is no batch of groupcast, or is damaged"),
            Self::OtherHistory { position, .. } => {
                write!(f, "its site was shown another entry {position}")
            }
            Self::TooOld => f.write_str("its site had not read the last entries"),
            Self::OtherLife => f.write_str("it is from an earlier process of its site"),
            Self::OtherNumber { expected } => {
                write!(f, "it is a repetition: the next batch of its site is number {expected}")
            }
            Self::Founding => f.write_str("the group begins only once, with the first batch"),
            Self::TooManySites => write!(f, "a group has at most {SITES_MAX} sites"),
        }
    }
}

/// Result of reading an entry.
#[derive(Debug)]
pub(super) enum Judgement<'a> {
    /// The batch counts. Its records are applied now.
    Counts(ListBatch<'a>),
    /// The batch does not count, at no site.
    Void(VoidReason),
    /// The program is too old for the entry.
    Newer(u8),
}

impl ListState {
    /// Returns the last entry that was read.
    #[must_use]
    pub fn position(&self) -> ListPosition {
        self.chain.last().0
    }

    /// Returns the chain at the last entry that was read.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.chain.last().1
    }

    /// Returns the settings that all sites share; `None` before the group has begun.
    #[must_use]
    pub fn rules(&self) -> Option<SharedRules> {
        self.rules
    }

    /// Returns the sites, in the order of their names.
    pub fn sites(&self) -> impl Iterator<Item = (&SiteName, &SiteState)> {
        self.sites.iter()
    }

    /// Returns the whole snapshots, oldest first.
    pub fn marks(&self) -> impl ExactSizeIterator<Item = &SnapshotMark> {
        self.marks.iter()
    }

    /// Returns the time of the list.
    #[must_use]
    pub fn time(&self) -> UnixMillis {
        self.time
    }

    /// Returns the homes of the members.
    #[must_use]
    pub fn homes(&self) -> &Homes {
        &self.homes
    }

    /// Returns the state of a site.
    #[must_use]
    pub fn site(&self, name: &SiteName) -> Option<&SiteState> {
        self.sites.get(name)
    }

    /// Returns true if the site has made a batch lately.
    #[must_use]
    pub fn is_live(&self, site: &SiteState) -> bool {
        !site.has_ended && self.time.0.saturating_sub(site.time.0) < SITE_DEAD_MS
    }

    /// Returns true if the group has a live site of this name.
    #[must_use]
    pub fn is_live_name(&self, name: &SiteName) -> bool {
        self.sites.get(name).is_some_and(|site| self.is_live(site))
    }

    /// Returns the live site with the lowest name, which does what one site must do for all.
    #[must_use]
    pub fn lowest_live(&self) -> Option<&SiteName> {
        let mut live = self.sites.iter().filter(|(_, site)| self.is_live(site));
        live.next().map(|(name, _)| name)
    }

    /// Returns the newest snapshot from which a start gets all messages after `needed`, and before
    /// which entries can be removed. All live sites have confirmed its history since, and another
    /// snapshot follows, because servers that lose their newest entries may lose a snapshot.
    pub(super) fn last_needed_snapshot(&self, needed: Seq) -> Option<SnapshotMark> {
        let live = self.sites.values().filter(|site| self.is_live(site));
        let agreed = live.map(|site| site.seen).min()?;
        let is_enough = |mark: &&SnapshotMark| mark.last < needed && mark.base <= agreed;
        self.marks.iter().rev().skip(1).find(is_enough).copied()
    }

    /// Returns the last seq below its cursor to which no member goes back, and whose owner is
    /// forgotten.
    #[must_use]
    pub fn horizon(&self) -> Seq {
        self.horizon
    }

    /// Moves the horizon after an entry; `last` is the last seq at this entry. A message is below
    /// the horizon if it has expired at all sites, or if all members have it and no site keeps it
    /// for newcomers. All this follows from the list, so the horizon is the same at all sites.
    pub(super) fn raise_horizon(&mut self, last: Seq) {
        let ttl_ms = self.rules.map_or(u64::MAX, |rules| rules.ttl_ms);
        let kept_ms = ttl_ms.saturating_add(HORIZON_SLACK_MS);
        let is_over = |mark: &&SnapshotMark| mark.time.0.saturating_add(kept_ms) < self.time.0;
        let expired = self.marks.iter().take_while(is_over).last().map(|mark| mark.last);
        let has_all = self.position().0.is_multiple_of(HORIZON_ENTRIES).then(|| {
            let kept = Seq::new(last.as_u64().saturating_sub(HORIZON_SLACK_MESSAGES));
            self.homes.all().map(|(_, home)| home.acked).fold(kept, Seq::min)
        });
        self.horizon = self.horizon.max(expired.max(has_all).unwrap_or_default());
    }

    /// Returns true if a site that has read as far as `seen` may begin another epoch. A site that
    /// has not read the start of the current one does not know that its reason was dealt with.
    pub(super) fn may_begin_epoch(&self, seen: ListPosition) -> bool {
        seen >= self.epoch.began_at
    }

    /// Begins an epoch in the entry that was read last. Returns false if its site had not read
    /// enough.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch, seen: ListPosition) -> bool {
        let may_begin = self.may_begin_epoch(seen);
        if may_begin {
            self.epoch = ListEpoch { epoch, began_at: self.position(), is_doubtful: false };
        }
        may_begin
    }

    /// Compares the chain that was seen at a position before a restart.
    pub(super) fn check_chain(&self, position: ListPosition, chain: Chain) -> ChainCheck {
        self.chain.check(position, chain)
    }

    /// Reads the next entry, which is of the log. A batch that counts changes the state of its
    /// site.
    pub(super) fn read<'a>(&mut self, entry: &ListEntry<'a>) -> Judgement<'a> {
        let read = ListBatch::read(entry.bytes);
        let judged = match &read {
            Ok(batch) => self.judge(&batch.header, batch.records().next()),
            Err(NoBatch::Damaged) => Err(VoidReason::Damaged),
            Err(NoBatch::Newer(version)) => return Judgement::Newer(*version),
        };
        self.chain.add(entry);
        match (judged, read) {
            (Ok(()), Ok(batch)) => {
                self.accept(entry, &batch);
                Judgement::Counts(batch)
            }
            (Err(reason), _) => {
                if let VoidReason::OtherHistory { position, .. } = &reason {
                    self.epoch.is_doubtful |= *position >= self.epoch.began_at;
                }
                Judgement::Void(reason)
            }
            (Ok(()), Err(_)) => Judgement::Void(VoidReason::Damaged),
        }
    }

    /// Reads the next entry, which is of a snapshot. Returns the name of a snapshot that is whole
    /// now. A snapshot ends the ones with a lower base.
    pub(super) fn read_piece(&mut self, entry: &ListEntry<'_>) -> Option<SnapshotName> {
        self.chain.add(entry);
        let (header, _) = read_piece(entry.bytes)?;
        let base = header.name.base;
        if base >= entry.position || self.marks.back().is_some_and(|mark| base <= mark.base) {
            return None;
        }
        let index = usize::try_from(header.index).ok()?;
        match &mut self.collecting {
            Some(open) if open.header.is_of(&header) => *open.has.get_mut(index)? = true,
            Some(open) if open.header.name.base > base => return None,
            // Its site was shown another history.
            _ if self.chain.check(base, header.chain) != ChainCheck::Same => return None,
            Some(_) | None => {
                let mut has = vec![false; usize::try_from(header.count).ok()?];
                *has.get_mut(index)? = true;
                self.collecting = Some(Collecting { header, has });
            }
        }
        let is_whole = |open: &mut Collecting| open.has.iter().all(|has| *has);
        let PieceHeader { name, last, time, .. } = self.collecting.take_if(is_whole)?.header;
        if self.marks.len() >= SNAPSHOT_MARKS_MAX {
            // The oldest one stays: a member may need the messages behind it.
            let mut index = 0_usize;
            self.marks.retain(|_| {
                index = index.wrapping_add(1);
                index % 2 == 1
            });
        }
        self.marks.push_back(SnapshotMark { base: name.base, last, time });
        Some(name)
    }

    /// Checks that a batch counts. Its first record decides between the three kinds of batches:
    /// the one that founds the group, the first of a life, and all others.
    fn judge(&self, header: &BatchHeader, first: Option<ListRecord<'_>>) -> Result<(), VoidReason> {
        let BatchHeader { site, life, number, seen, chain, .. } = header;
        match self.chain.check(*seen, *chain) {
            ChainCheck::Same => (),
            ChainCheck::Unknown => return Err(VoidReason::TooOld),
            ChainCheck::Different => {
                return Err(VoidReason::OtherHistory { position: *seen, chain: *chain });
            }
        }
        let is_founding = matches!(first, Some(ListRecord::Found { .. }));
        if is_founding == self.rules.is_some() {
            return Err(VoidReason::Founding);
        }
        if is_founding {
            return Ok(());
        }
        let known = self.sites.get(site);
        if matches!(first, Some(ListRecord::Life)) && *number == 1 {
            // A late copy of the first batch of an earlier life has not seen the latest one.
            return match known {
                Some(latest) if *seen < latest.began_at => Err(VoidReason::OtherLife),
                None if self.sites.len() >= SITES_MAX && replaceable(self).is_none() => {
                    Err(VoidReason::TooManySites)
                }
                Some(_) | None => Ok(()),
            };
        }
        let latest = known.filter(|latest| latest.life == *life && !latest.has_ended);
        let latest = latest.ok_or(VoidReason::OtherLife)?;
        let expected = latest.number.saturating_add(1);
        if *number == expected { Ok(()) } else { Err(VoidReason::OtherNumber { expected }) }
    }

    /// Applies what a batch that counts says about its site, and the time.
    fn accept(&mut self, entry: &ListEntry<'_>, batch: &ListBatch<'_>) {
        let BatchHeader { site, life, number, seen, time, .. } = &batch.header;
        // One wrong clock must not set the time of all sites.
        let latest = UnixMillis(entry.stored.0.saturating_add(LIST_CLOCK_AHEAD_MS));
        self.time = self.time.max((*time).min(latest));
        let time = self.time;
        match batch.records().next() {
            Some(ListRecord::Found { rules, .. }) => self.rules = Some(rules),
            Some(ListRecord::Life) => {
                let (life, number, seen, began_at) = (*life, *number, *seen, entry.position);
                let state = SiteState { life, began_at, number, seen, time, has_ended: false };
                if !self.sites.contains_key(site) && self.sites.len() >= SITES_MAX {
                    replaceable(self).and_then(|old| self.sites.remove(&old));
                }
                self.sites.insert(site.clone(), state);
            }
            Some(_) | None => {
                let has_ended = batch.ends_life;
                if let Some(state) = self.sites.get_mut(site) {
                    *state = SiteState { number: *number, seen: *seen, time, has_ended, ..*state };
                }
            }
        }
    }
}
