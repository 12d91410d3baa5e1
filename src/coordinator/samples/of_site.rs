//! Values of the metrics that only a site of several coordinators has.

use super::{SampleValue, Samples};
use crate::coordinator::site_journal::SiteView;
use crate::metrics::Metric;

/// Adds the samples of a site.
pub(super) fn add_site<'a>(samples: &mut Samples<'a>, site: &SiteView<'a>) {
    let SiteView { list, engine, .. } = site;
    samples.labelled(Metric::SiteInfo, list.site.as_str(), SampleValue::Count(1));
    samples.count(Metric::ListPosition, list.position.0);
    samples.count(Metric::ListLag, site.lag());
    if let Some(age_ms) = list.entry_age_ms {
        samples.millis(Metric::ListEntryAge, age_ms);
    }
    if let Some(age_ms) = list.snapshot_age_ms {
        samples.millis(Metric::ListSnapshotAge, age_ms);
    }
    for (reason, batches) in list.void() {
        samples.labelled(Metric::ListVoid, reason, SampleValue::Count(batches));
    }
    samples.count(Metric::ListWithdrawn, list.withdrawn);
    samples.count(Metric::EngineConnected, u64::from(engine.is_connected));
    samples.count(Metric::EngineElections, engine.elections);
    samples.count(Metric::EngineWaiting, list.waiting_requests as u64);
    samples.count(Metric::EngineWaitingBytes, list.waiting_bytes as u64);
    samples.count(Metric::EngineWaitingLimit, list.waiting_bytes_max as u64);
    for other in list.sites() {
        let name = other.name;
        samples.labelled(Metric::SiteLive, name, SampleValue::Count(u64::from(other.is_live)));
        samples.labelled(Metric::SiteEnded, name, SampleValue::Count(u64::from(other.has_ended)));
        samples.labelled(Metric::SiteBatchAge, name, SampleValue::Millis(other.silent_ms));
        if let Some(position) = other.position {
            samples.labelled(Metric::SitePosition, name, SampleValue::Count(position.0));
        }
        samples.labelled(Metric::SiteMembers, name, SampleValue::Count(other.members));
        samples.labelled(Metric::SiteMembersOnline, name, SampleValue::Count(other.online));
    }
}
