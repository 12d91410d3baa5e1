//! Metrics of a site of several coordinators. Only the program `site` has their values.

use super::{MetricEntry, counter, gauge};

/// Entries of all metrics that a coordinator alone does not have, in the order of all lists.
pub const SITE_METRICS: &[MetricEntry] = &[
    SITE_INFO,
    LIST_POSITION,
    LIST_LAG,
    LIST_ENTRY_AGE,
    LIST_SNAPSHOT_AGE,
    LIST_VOID,
    LIST_WITHDRAWN,
    ENGINE_CONNECTED,
    ENGINE_ELECTIONS,
    ENGINE_WAITING,
    ENGINE_WAITING_BYTES,
    ENGINE_WAITING_LIMIT,
    SITE_LIVE,
    SITE_ENDED,
    SITE_BATCH_AGE,
    SITE_POSITION,
    SITE_MEMBERS,
    SITE_MEMBERS_ONLINE,
];

/// 1, with the name of the site.
pub(super) const SITE_INFO: MetricEntry =
    gauge("site_info", "1. The label names this site.").by("site");
/// Position in the list.
pub(super) const LIST_POSITION: MetricEntry =
    gauge("list_position", "Last entry of the list that this site has read.");
/// Entries that the site lacks.
pub(super) const LIST_LAG: MetricEntry = gauge(
    "list_lag_entries",
    "Entries that the leader of the engine has, and this site has not read.",
);
/// Time since the last entry.
pub(super) const LIST_ENTRY_AGE: MetricEntry = gauge(
    "list_last_entry_age_seconds",
    "Time since this site has read an entry. A group at rest has an entry every 2 s.",
);
/// Age of the newest snapshot.
pub(super) const LIST_SNAPSHOT_AGE: MetricEntry = gauge(
    "list_snapshot_age_seconds",
    "Age of the newest whole snapshot in the list; no value before the first one.",
);
/// Batches that do not count.
pub(super) const LIST_VOID: MetricEntry = counter(
    "list_batches_void_total",
    "Batches in the list that do not count, by reason. A repetition is harmless.",
)
.by("reason");
/// Proposals that were withdrawn.
pub(super) const LIST_WITHDRAWN: MetricEntry = counter(
    "list_proposals_withdrawn_total",
    "Proposals of this site that were given up after engine_timeout (ERR 506).",
);
/// Connection to the engine.
pub(super) const ENGINE_CONNECTED: MetricEntry =
    gauge("engine_connected", "1 while a server of the engine is connected, else 0.");
/// Elections of the engine.
pub(super) const ENGINE_ELECTIONS: MetricEntry = counter(
    "engine_elections_total",
    "Changes of the server that leads the list, as far as this site has seen them.",
);
/// Requests that wait.
pub(super) const ENGINE_WAITING: MetricEntry =
    gauge("engine_waiting_requests", "Requests of members that wait for the engine.");
/// Bytes that wait.
pub(super) const ENGINE_WAITING_BYTES: MetricEntry =
    gauge("engine_waiting_bytes", "Bytes of proposals that wait for the engine.");
/// Most bytes that wait.
pub(super) const ENGINE_WAITING_LIMIT: MetricEntry = gauge(
    "engine_waiting_bytes_limit",
    "Bytes that may wait for the engine before requests get ERR 506.",
);
/// Life of each site.
pub(super) const SITE_LIVE: MetricEntry = gauge(
    "site_live",
    "1 if the site has made a batch in the last 15 s and has not ended, else 0.",
)
.by("site");
/// End of each site.
pub(super) const SITE_ENDED: MetricEntry =
    gauge("site_ended", "1 if the site has ended in good order, else 0.").by("site");
/// Last batch of each site.
pub(super) const SITE_BATCH_AGE: MetricEntry = gauge(
    "site_last_batch_age_seconds",
    "Time from the last batch of the site to the last batch of all, by the time of the list.",
)
.by("site");
/// Position of each site.
pub(super) const SITE_POSITION: MetricEntry = gauge(
    "site_position",
    "Last entry that the site had read when it made its last batch; no value until this site has \
     read that batch.",
)
.by("site");
/// Members of each site.
pub(super) const SITE_MEMBERS: MetricEntry =
    gauge("site_members", "Members that are at the site, or were there last.").by("site");
/// Members of each site that are online.
pub(super) const SITE_MEMBERS_ONLINE: MetricEntry =
    gauge("site_members_online", "Members with a message socket at the site.").by("site");
