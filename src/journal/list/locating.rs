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
use super::site::SitePhase;
use super::state::ListState;
use crate::facts::{Fact, MemberSite, Replicated};
use crate::protocol::Seq;
use crate::time::Millis;

/// Facts that the state machine has from the list, beside the records.
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

impl Located {
    /// Returns true if the site `own` decides when a member is forgotten, or announced as offline.
    pub(super) fn decides_for(&self, home: &Home, own: &SiteName) -> bool {
        home.site == *own || (self.decides && self.silent.contains(&home.site))
    }

    fn member_site(&self, home: &Home, own: &SiteName) -> MemberSite {
        if self.decides_for(home, own) {
            return MemberSite::Here;
        }
        MemberSite::Elsewhere { is_online: home.is_online && !self.silent.contains(&home.site) }
    }
}

fn silent_sites(list: &ListState, own: &SiteName) -> BTreeSet<SiteName> {
    let others = list.sites().filter(|(name, _)| *name != own);
    let silent = others.filter(|(_, site)| !list.is_live(site));
    silent.map(|(name, _)| name.clone()).collect()
}

impl<S: Replicated> ReportHandler<'_, S> {
    /// Locates all members: a recovery knows no other site.
    pub(super) fn locate_all(&mut self, at: Millis) {
        let journal = &mut *self.journal;
        journal.located.silent = silent_sites(&journal.list, &journal.options.site);
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
        let silent = silent_sites(&journal.list, &journal.options.site);
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
            let site = journal.located.member_site(home, &journal.options.site);
            put(self.state, Fact::Located { id, name: home.site.as_str(), site }, at);
        }
    }
}
