//! Tells the state machine where the members are, and which sites are silent.
//!
//! ```text
//!   home is this site ────────────────────────────────────► here
//!   home is live ─────────────────────────────────────────► elsewhere, as the list says
//!   home is dead or has ended, this is the lowest live site ─► here, offline: it decides for it
//!   home is dead or has ended, another one is ────────────► elsewhere, offline
//! ```

use std::collections::BTreeSet;

use super::homes::Home;
use super::names::SiteName;
use super::reading::{ReportHandler, put};
use super::site::{SiteJournal, SitePhase};
use crate::facts::{Fact, MemberSite, Replicated};
use crate::protocol::Seq;
use crate::time::Millis;

/// What the state machine knows of the list, beside the records.
#[derive(Clone, Debug, Default)]
pub(super) struct Located {
    /// Last seq that was forgotten.
    pub(super) horizon: Option<Seq>,
    /// True if a member came to this site since the last question.
    pub(super) has_joined: bool,
    /// Sites that are not live.
    silent: BTreeSet<SiteName>,
    /// True if this site decides for members of silent sites.
    decides: bool,
}

impl<T: Copy + PartialEq> SiteJournal<T> {
    /// Returns true if this site decides when a member is forgotten, or announced as offline.
    pub(super) fn decides_for(&self, home: &Home) -> bool {
        home.site == self.options.site
            || (self.located.decides && self.located.silent.contains(&home.site))
    }

    fn member_site(&self, home: &Home) -> MemberSite {
        if self.decides_for(home) {
            return MemberSite::Here;
        }
        let is_online = home.is_online && !self.located.silent.contains(&home.site);
        MemberSite::Elsewhere { is_online }
    }

    fn silent_sites(&self) -> BTreeSet<SiteName> {
        let others = self.list.sites().filter(|(name, _)| **name != self.options.site);
        let silent = others.filter(|(_, site)| !self.list.is_live(site));
        silent.map(|(name, _)| name.clone()).collect()
    }
}

impl<S: Replicated> ReportHandler<'_, S> {
    /// Locates all members: a recovery knows no other site.
    pub(super) fn locate_all(&mut self, at: Millis) {
        self.journal.located.silent = self.journal.silent_sites();
        self.locate(at, |_| true);
    }

    /// Locates the members of the sites that became silent, or are heard of again.
    pub(super) fn locate_changes(&mut self, at: Millis) {
        let journal = &mut *self.journal;
        if journal.phase != SitePhase::Serving {
            return;
        }
        let decides = journal.list.lowest_live() == Some(&journal.options.site);
        let has_changed = std::mem::replace(&mut journal.located.decides, decides) != decides;
        let silent = journal.silent_sites();
        if silent == journal.located.silent && !has_changed {
            return;
        }
        let before = std::mem::replace(&mut journal.located.silent, silent.clone());
        self.locate(at, |home| {
            let (was, is) = (before.contains(&home.site), silent.contains(&home.site));
            was != is || (has_changed && is)
        });
    }

    fn locate(&mut self, at: Millis, is_due: impl Fn(&Home) -> bool) {
        let journal = &*self.journal;
        for (id, home) in journal.list.homes().all().filter(|(_, home)| is_due(home)) {
            put(self.state, Fact::Located { id, site: journal.member_site(home) }, at);
        }
    }
}
