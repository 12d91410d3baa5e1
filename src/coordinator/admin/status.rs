//! The state of the coordinator as JSON, for the status page and for programs.

use std::fmt::Write as _;

use super::observed::{Observed, ObservedChange, Rate};
use super::readiness::ReadyState;
use super::rows::{MemberRows, RowChanges, push_comma};
use super::view::AdminView;
use crate::group::{WaitingMembers, waiting_members};
use crate::text::push_json;

/// Appends the whole state, with all rows and rates, and the changes up to a number.
pub(super) fn push_status(
    view: &AdminView<'_>,
    (observed, through): (&Observed, u64),
    rows: &MemberRows,
    json: &mut String,
) {
    push_scalars(view, rows.len(), json);
    json.push_str(",\"rates\":{\"interval_s\":1,\"accepted\":[");
    push_numbers(observed.rates.iter().map(|rate| rate.accepted), json);
    json.push_str("],\"delivered\":[");
    push_numbers(observed.rates.iter().map(|rate| rate.delivered), json);
    json.push_str("]},\"rows\":[");
    rows.push_all(json);
    json.push_str("],\"events\":[");
    push_changes(observed.changes_after(0).filter(|change| change.number <= through), json);
    json.push_str("]}");
}

/// Appends the state with what has changed since the last update.
pub(super) fn push_update(
    view: &AdminView<'_>,
    (observed, changes_known): (&Observed, u64),
    (rows, changes): (&MemberRows, &RowChanges),
    json: &mut String,
) {
    push_scalars(view, rows.len(), json);
    let Rate { accepted, delivered } = observed.rates.back().copied().unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = write!(
        json,
        ",\"rate\":{{\"accepted\":{accepted},\"delivered\":{delivered}}},\"changed\":[{}],\
         \"removed\":[{}],\"new_events\":[",
        changes.changed, changes.removed
    );
    push_changes(observed.changes_after(changes_known), json);
    json.push_str("]}");
}

/// Appends the beginning of an object: all that has one value.
fn push_scalars(view: &AdminView<'_>, rows: usize, json: &mut String) {
    let (stats, gauges) = (view.sources.group.stats(), view.sources.group.gauges());
    let ReadyState { reasons } = view.readiness();
    let (config, now) = (view.sources.config, view.now);
    let mut listed = String::new();
    for reason in &reasons {
        push_comma(&mut listed);
        push_json(reason, &mut listed);
    }
    let waiting = waiting_members(view.sources.group);
    let refused: u64 = view.sources.commands.refused.by_code().map(|(_, count)| count).sum();
    let _ = write!(
        json,
        "{{\"version\":\"{}\",\"name\":\"groupcast\",\"listen\":\"{}\",\"epoch\":\"{}\",\
         \"at_ms\":{},\"uptime_s\":{}.{:03},\"ttl_s\":{},\"ready\":{},\"reasons\":[{listed}]",
        env!("CARGO_PKG_VERSION"),
        config.listen,
        gauges.epoch,
        now.unix,
        view.sources.uptime_ms / 1000,
        view.sources.uptime_ms % 1000,
        gauges.ttl_s,
        reasons.is_empty(),
    );
    let _ = write!(
        json,
        ",\"members\":{{\"all\":{},\"online\":{},\"limit\":{},\"shown\":{rows}}},\
         \"connections\":{{\"now\":{},\"limit\":{}}},\
         \"messages\":{{\"accepted\":{},\"accepted_bytes\":{},\"delivered\":{},\
         \"delivered_bytes\":{},\"expired\":{},\"dropped\":{},\"refused\":{refused}}},\
         \"backlog\":{{\"messages\":{},\"bytes\":{},\"limit_bytes\":{},\"oldest_age_s\":{}.{:03},\
         \"overflow\":\"{}\",\"waiting_members\":{}}}",
        gauges.members,
        gauges.online,
        config.counts.max_members,
        view.sources.commands.connections,
        config.counts.max_connections,
        stats.messages_in,
        stats.bytes_in,
        stats.deliveries_out,
        stats.bytes_out,
        stats.expired,
        stats.dropped,
        gauges.history_messages,
        gauges.history_bytes,
        config.max_backlog,
        gauges.history_age_ms / 1000,
        gauges.history_age_ms % 1000,
        config.overflow,
        waiting.members,
    );
    push_deepest(waiting, json);
    push_journal(view, json);
    #[cfg(feature = "engine")]
    if let Some(site) = &view.sources.site {
        super::sites::push_sites(site, json);
    }
}

fn push_deepest(waiting: WaitingMembers<'_>, json: &mut String) {
    match waiting.deepest {
        None => json.push_str(",\"deepest\":null"),
        Some((id, pending)) => {
            json.push_str(",\"deepest\":{\"id\":");
            push_json(id, json);
            let _ = write!(json, ",\"pending\":{pending}}}");
        }
    }
}

fn push_journal(view: &AdminView<'_>, json: &mut String) {
    let Some(journal) = view.sources.journal else {
        return json.push_str(",\"journal\":null");
    };
    let _ = write!(
        json,
        ",\"journal\":{{\"bytes\":{},\"waiting_bytes\":{},\"waiting_limit_bytes\":{},\
         \"failing\":{},\"failures\":{}",
        journal.bytes,
        journal.waiting_bytes,
        journal.waiting_bytes_max,
        journal.is_failing,
        journal.failures,
    );
    if let Some(disk) = view.disk {
        let (free, all) = (disk.free_bytes, disk.bytes);
        let _ = write!(json, ",\"disk_free_bytes\":{free},\"disk_bytes\":{all}");
    }
    json.push('}');
}

fn push_numbers(numbers: impl Iterator<Item = u64>, json: &mut String) {
    for (at, number) in numbers.enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(json, "{comma}{number}");
    }
}

fn push_changes<'a>(changes: impl Iterator<Item = &'a ObservedChange>, json: &mut String) {
    for (at, change) in changes.enumerate() {
        let ObservedChange { number, at: time, id, what, reason } = change;
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(json, "{comma}{{\"n\":{number},\"at_ms\":{time},\"id\":");
        push_json(id, json);
        let _ = write!(json, ",\"what\":\"{what}\",\"reason\":");
        push_json(reason, json);
        json.push('}');
    }
}
