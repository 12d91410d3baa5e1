//! The sites of a group, for the status page.

use std::fmt::Write as _;

use super::rows::push_comma;
use crate::coordinator::site_journal::SiteView;
use crate::journal::SiteStats;
use crate::text::push_json;

/// Most bytes of the name of a site: those of an id.
const LABEL_BYTES: usize = 64;

/// Name of the site of a member, kept in its row. Empty if there is one coordinator only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SiteLabel {
    bytes: [u8; LABEL_BYTES],
    length: usize,
}

impl SiteLabel {
    pub(super) fn new(name: &str) -> Self {
        let mut bytes = [0; LABEL_BYTES];
        let length = name.len().min(LABEL_BYTES);
        bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        Self { bytes, length }
    }

    fn name(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Appends the site of a row.
pub(super) fn push_label(site: SiteLabel, json: &mut String) {
    if site.length > 0 {
        json.push_str(",\"site\":");
        push_json(site.name(), json);
    }
}

/// Returns why the engine cannot be used; `None` if it can.
pub(super) fn engine_fault(site: &SiteView<'_>) -> Option<&'static str> {
    let is_full = site.list.waiting_bytes >= site.list.waiting_bytes_max;
    match site.engine.is_connected {
        false => Some("the engine cannot be reached: texts wait, then get ERR 506"),
        true if site.is_failing => Some("the engine does not answer: texts get ERR 506"),
        true if is_full => Some("the engine is slow: texts get ERR 506"),
        true => None,
    }
}

/// Appends the site, and all sites of the group, to the state of the coordinator.
pub(super) fn push_sites(site: &SiteView<'_>, json: &mut String) {
    let SiteView { list, engine, .. } = site;
    json.push_str(",\"site\":{\"name\":");
    push_json(list.site.as_str(), json);
    // Writing to a string cannot fail.
    let _ = write!(
        json,
        ",\"position\":{},\"lag\":{},\"withdrawn\":{},\"void\":{},\"waiting_requests\":{},\
         \"waiting_bytes\":{},\"waiting_limit_bytes\":{}",
        list.position,
        site.lag(),
        list.withdrawn,
        list.void().map(|(_, batches)| batches).sum::<u64>(),
        list.waiting_requests,
        list.waiting_bytes,
        list.waiting_bytes_max,
    );
    push_seconds(",\"entry_age_s\":", list.entry_age_ms, json);
    push_seconds(",\"snapshot_age_s\":", list.snapshot_age_ms, json);
    let (is_connected, elections) = (engine.is_connected, engine.elections);
    let _ = write!(
        json,
        ",\"engine\":{{\"connected\":{is_connected},\"elections\":{elections},\"leader\":"
    );
    push_json(engine.leader, json);
    json.push_str("}},\"sites\":[");
    let mut elements = String::new();
    for other in list.sites() {
        push_comma(&mut elements);
        push_site(&other, list.position.0, &mut elements);
    }
    json.push_str(&elements);
    json.push(']');
}

fn push_site(site: &SiteStats<'_>, newest: u64, json: &mut String) {
    let state = site.state();
    json.push_str("{\"name\":");
    push_json(site.name, json);
    let _ = write!(json, ",\"state\":\"{state}\"");
    push_seconds(",\"last_batch_s\":", Some(site.silent_ms), json);
    match site.position {
        None => json.push_str(",\"position\":null,\"lag\":null"),
        Some(position) => {
            let lag = newest.saturating_sub(position.0);
            let _ = write!(json, ",\"position\":{position},\"lag\":{lag}");
        }
    }
    let _ = write!(json, ",\"members\":{},\"online\":{}}}", site.members, site.online);
}

/// Appends a time in seconds, with three decimals.
fn push_seconds(name: &str, millis: Option<u64>, json: &mut String) {
    json.push_str(name);
    match millis {
        Some(millis) => {
            let _ = write!(json, "{}.{:03}", millis / 1000, millis % 1000);
        }
        None => json.push_str("null"),
    }
}
