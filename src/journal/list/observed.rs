//! Counts of the journal of a site, for the metrics. Nothing here decides anything.

use std::collections::BTreeMap;

use super::names::{ListPosition, SiteName};
use super::site::SiteJournal;
use super::state::{ListState, VoidReason};
use crate::time::Millis;

/// Number of reasons for which a batch is void.
const REASONS: usize = 7;

/// Counters of a running journal.
#[derive(Clone, Debug, Default)]
pub(super) struct ListObserved {
    void: [u64; REASONS],
    withdrawn: u64,
    /// Time at which the last entry was read.
    entry_at: Option<Millis>,
    /// Last entry that each site had read when it made its last batch.
    positions: BTreeMap<SiteName, ListPosition>,
}

impl ListObserved {
    pub(super) fn on_entry(&mut self, now: Millis) {
        self.entry_at = Some(now);
    }

    /// Takes a batch that counts.
    pub(super) fn on_batch(&mut self, site: &SiteName, seen: ListPosition) {
        match self.positions.get_mut(site) {
            Some(position) => *position = seen,
            None => drop(self.positions.insert(site.clone(), seen)),
        }
    }

    pub(super) fn on_void(&mut self, reason: &VoidReason) {
        let (index, _) = of_reason(reason);
        if let Some(count) = self.void.get_mut(index) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn on_withdrawn(&mut self, proposals: usize) {
        self.withdrawn = self.withdrawn.saturating_add(proposals as u64);
    }
}

/// Words for the reasons, in the order of their counters.
const WORDS: [&str; REASONS] = [
    "damaged",
    "other_history",
    "too_old",
    "earlier_life",
    "repetition",
    "founding",
    "too_many_sites",
];

/// Returns the place of the counter of a reason, and its word.
fn of_reason(reason: &VoidReason) -> (usize, &'static str) {
    match reason {
        VoidReason::Damaged => (0, WORDS[0]),
        VoidReason::OtherHistory { .. } => (1, WORDS[1]),
        VoidReason::TooOld => (2, WORDS[2]),
        VoidReason::OtherLife => (3, WORDS[3]),
        VoidReason::OtherNumber { .. } => (4, WORDS[4]),
        VoidReason::Founding => (5, WORDS[5]),
        VoidReason::TooManySites => (6, WORDS[6]),
    }
}

impl VoidReason {
    /// Returns the word of the metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        of_reason(self).1
    }
}

/// The journal of a site in numbers.
#[derive(Clone, Copy, Debug)]
pub struct ListStats<'a> {
    /// Name of this site.
    pub site: &'a SiteName,
    /// Last entry that was read.
    pub position: ListPosition,
    /// Last entry that the engine has told as stored.
    pub confirmed: ListPosition,
    /// Milliseconds since the last entry was read.
    pub entry_age_ms: Option<u64>,
    /// Milliseconds of the list's time since the newest whole snapshot.
    pub snapshot_age_ms: Option<u64>,
    /// Proposals that were given up.
    pub withdrawn: u64,
    /// Requests whose proposals are not decided.
    pub waiting_requests: usize,
    /// Bytes of proposals that are not under way.
    pub waiting_bytes: usize,
    /// Bytes from which requests are refused.
    pub waiting_bytes_max: usize,
    list: &'a ListState,
    observed: &'a ListObserved,
}

/// A site in numbers, as this site sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteStats<'a> {
    /// Name of the site.
    pub name: &'a str,
    /// True if the site has made a batch lately, and has not ended.
    pub is_live: bool,
    /// True if the life of the site ended in good order.
    pub has_ended: bool,
    /// Milliseconds of the list's time since its last batch.
    pub silent_ms: u64,
    /// Last entry that the site had read then; `None` until a batch of it was read.
    pub position: Option<ListPosition>,
    /// Members that are at the site, or were there last.
    pub members: u64,
    /// Members with a message socket at the site.
    pub online: u64,
}

impl SiteStats<'_> {
    /// Returns the state of the site in one word.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match (self.is_live, self.has_ended) {
            (true, _) => "live",
            (false, true) => "ended",
            (false, false) => "silent",
        }
    }
}

impl<'a> ListStats<'a> {
    /// Returns a journal in numbers.
    #[must_use]
    pub fn of<T: Copy + Ord>(journal: &'a SiteJournal<T>, now: Millis) -> Self {
        let (list, observed) = (&journal.list, &journal.upkeep.observed);
        let snapshot = list.marks.back();
        Self {
            site: &journal.options.site,
            position: list.position(),
            confirmed: journal.upkeep.confirmed,
            entry_age_ms: observed.entry_at.map(|at| now.since(at)),
            snapshot_age_ms: snapshot.map(|mark| list.time.0.saturating_sub(mark.time.0)),
            withdrawn: observed.withdrawn,
            waiting_requests: journal.proposals.requests(),
            waiting_bytes: journal.waiting_bytes(),
            waiting_bytes_max: journal.options.waiting_bytes_max,
            list,
            observed,
        }
    }

    /// Returns the batches that are void, by the words of the reasons.
    pub fn void(self) -> impl Iterator<Item = (&'static str, u64)> {
        WORDS.into_iter().zip(self.observed.void)
    }

    /// Returns the sites in the order of their names. Linear in the members.
    #[must_use]
    pub fn sites(self) -> Vec<SiteStats<'a>> {
        let mut members: BTreeMap<&SiteName, (u64, u64)> = BTreeMap::new();
        for (_, home) in self.list.homes().all() {
            let (all, online) = members.entry(&home.site).or_default();
            *all = all.saturating_add(1);
            *online = online.saturating_add(u64::from(home.is_online));
        }
        let stats = self.list.sites().map(|(name, site)| {
            let (members, online) = members.get(name).copied().unwrap_or_default();
            SiteStats {
                name: name.as_str(),
                is_live: self.list.is_live(site),
                has_ended: site.has_ended,
                silent_ms: self.list.time.0.saturating_sub(site.time.0),
                position: self.observed.positions.get(name).copied(),
                members,
                online,
            }
        });
        stats.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Chain;

    #[test]
    fn each_reason_has_a_counter_and_a_word_of_its_own() {
        let position = ListPosition(1);
        let reasons = [
            VoidReason::Damaged,
            VoidReason::OtherHistory { position, chain: Chain::default() },
            VoidReason::TooOld,
            VoidReason::OtherLife,
            VoidReason::OtherNumber { expected: 1 },
            VoidReason::Founding,
            VoidReason::TooManySites,
        ];
        let mut observed = ListObserved::default();
        for (index, reason) in reasons.iter().enumerate() {
            assert_eq!(of_reason(reason), (index, WORDS[index]));
            (0..=index).for_each(|_| observed.on_void(reason));
        }
        assert_eq!(observed.void, [1, 2, 3, 4, 5, 6, 7]);
    }
}
