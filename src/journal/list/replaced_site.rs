//! The site whose place a new one may take when the group has as many sites as it may have.

use super::names::SiteName;
use super::state::{ListState, SiteState};
use crate::limits::list::{CHAIN_VALUES_MAX, SITE_FORGOTTEN_MS};

/// Returns a site that has ended, or is dead for a day, and has no members. The first batch of its
/// life is so old that a late copy does not count.
pub(super) fn replaceable(list: &ListState) -> Option<SiteName> {
    let is_gone = |site: &SiteState| {
        site.has_ended || list.time.0.saturating_sub(site.time.0) > SITE_FORGOTTEN_MS
    };
    let is_old = |site: &SiteState| {
        list.position().0.saturating_sub(site.began_at.0) > CHAIN_VALUES_MAX as u64
    };
    let has_members = |name: &SiteName| list.homes().all().any(|(_, home)| home.site == *name);
    let mut old = list.sites().filter(|(_, site)| is_gone(site) && is_old(site));
    old.find(|(name, _)| !has_members(name)).map(|(name, _)| name.clone())
}
