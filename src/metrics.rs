//! Table of all metrics: one name, kind and description for `stats`, `/metrics`, the status page,
//! `--top` and the documents.
//!
//! Names follow the conventions of Prometheus: a prefix, base units, `_total` for counters. A limit
//! ends in `_limit`, so that a program can divide the value by its limit.

mod site_metrics;
mod stats_keys;

pub use site_metrics::SITE_METRICS;
pub use stats_keys::{STATS, StatsKey, StatsPart};

/// Prefix of all names.
pub const PREFIX: &str = "groupcast_";

/// Kind of a metric, as Prometheus distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows while the program runs.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Numbers of values up to each of a list of bounds.
    Histogram,
}

impl MetricKind {
    /// Returns the word of the text format of Prometheus.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Entry of the table.
#[derive(Clone, Copy, Debug)]
pub struct MetricEntry {
    /// Name without [`PREFIX`].
    pub name: &'static str,
    /// Kind of the metric.
    pub kind: MetricKind,
    /// Name of the label, if there is one series for each of its values.
    pub label: Option<&'static str>,
    /// Description in one sentence.
    pub help: &'static str,
    /// Buckets of a histogram.
    pub buckets: Buckets,
}

/// Upper bounds of the buckets of a histogram, and their unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Bounds in ascending order.
    pub bounds: &'static [u64],
    /// Number of recorded units in one unit of the metric: 1000 for milliseconds and seconds.
    pub per_unit: u64,
}

const NO_BUCKETS: Buckets = Buckets { bounds: &[], per_unit: 1 };
/// Milliseconds, shown in seconds.
const LATENCIES: Buckets = Buckets {
    bounds: &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000, 600_000],
    per_unit: 1_000,
};
/// Microseconds, shown in seconds.
const WORK_TIMES: Buckets = Buckets {
    bounds: &[
        10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
        500_000, 1_000_000, 5_000_000,
    ],
    per_unit: 1_000_000,
};
/// Sizes in bytes.
const SIZES: Buckets =
    Buckets { bounds: &[100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000], per_unit: 1 };

const fn entry(kind: MetricKind, name: &'static str, help: &'static str) -> MetricEntry {
    MetricEntry { name, kind, label: None, help, buckets: NO_BUCKETS }
}

const fn counter(name: &'static str, help: &'static str) -> MetricEntry {
    entry(MetricKind::Counter, name, help)
}

const fn gauge(name: &'static str, help: &'static str) -> MetricEntry {
    entry(MetricKind::Gauge, name, help)
}

const fn histogram(buckets: Buckets, name: &'static str, help: &'static str) -> MetricEntry {
    MetricEntry { buckets, ..entry(MetricKind::Histogram, name, help) }
}

impl MetricEntry {
    const fn by(self, label: &'static str) -> Self {
        Self { label: Some(label), ..self }
    }
}

/// Declares the metrics with their entries, in the order of all lists.
macro_rules! metrics {
    ($($(#[$attribute:meta])* $metric:ident => $entry:expr,)*) => {
        /// A metric of the coordinator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the entries describe the metrics")]
        pub enum Metric {
            $($(#[$attribute])* $metric,)*
        }

        impl Metric {
            /// All metrics, in the order of all lists.
            pub const ALL: &[Self] = &[$($(#[$attribute])* Self::$metric,)*];

            /// Returns the entry of the table.
            #[must_use]
            pub const fn entry(self) -> MetricEntry {
                match self {
                    $($(#[$attribute])* Self::$metric => $entry,)*
                }
            }
        }
    };
}

metrics! {
    BuildInfo => gauge(
        "build_info",
        "1. The label names the version of the program.",
    ).by("version"),
    EpochInfo => gauge("epoch_info", "1. The label names the current epoch.").by("epoch"),
    Uptime => gauge("uptime_seconds", "Seconds since the start of the coordinator."),
    Ready => gauge("ready", "1 if /readyz answers 200, else 0."),
    NextSeq => gauge("next_seq", "The seq of the next message."),
    Ttl => gauge("message_ttl_seconds", "Seconds that a message lives."),
    LineLimit => gauge("request_line_bytes_limit", "Longest request line in bytes, LF included."),
    Members => gauge("members", "Members, online or offline."),
    MembersOnline => gauge("members_online", "Members with a message socket."),
    MembersOffline => gauge("members_offline", "Members without a message socket."),
    MembersLimit => gauge("members_limit", "Most members (max_members)."),
    Connections => gauge("connections", "Command sockets."),
    ConnectionsLimit => gauge("connections_limit", "Most command sockets (max_connections)."),
    ConnectionsRefused => counter(
        "connections_refused_total",
        "Command sockets that were refused because there was no room, with ERR 421 or without a \
         reply.",
    ),
    ConnectionsDisplaced => counter(
        "connections_displaced_total",
        "Silent command sockets that were closed for a new one.",
    ),
    AcceptPauses => counter(
        "accept_pauses_total",
        "Pauses of accepting because no file descriptor was free.",
    ),
    ClientBytes => gauge(
        "client_memory_bytes",
        "Bytes kept for command sockets: unfinished lines, requests not carried out, replies not \
         taken.",
    ),
    ClientBytesLimit => gauge("client_memory_bytes_limit", "Most bytes kept for command sockets."),
    InputBytes => gauge(
        "client_input_bytes",
        "The part of client_memory_bytes that is unfinished lines and requests not carried out.",
    ),
    BacklogMessages => gauge("backlog_messages", "Messages kept for members."),
    BacklogBytes => gauge("backlog_bytes", "Encoded bytes of the messages kept for members."),
    BacklogLimit => gauge("backlog_bytes_limit", "Most bytes kept for members (max_backlog)."),
    BacklogAge => gauge(
        "backlog_oldest_age_seconds",
        "Age of the oldest message kept for members; 0 if no message is kept.",
    ),
    NewcomerMessages => gauge(
        "newcomer_messages",
        "Older messages that all members have, and that are kept for newcomers only (keep).",
    ),
    NewcomerBytes => gauge("newcomer_bytes", "Encoded bytes of the messages kept for newcomers."),
    DeepestMessages => gauge(
        "deepest_member_pending_messages",
        "Most messages that wait for one member. `stats` and /status.json name the member.",
    ),
    MessagesAccepted => counter("messages_accepted_total", "Messages accepted."),
    TextBytes => counter("message_text_bytes_total", "Bytes of the texts of accepted messages."),
    Deliveries => counter("deliveries_total", "Messages written to message sockets."),
    DeliveredBytes => counter("delivered_bytes_total", "Bytes written to message sockets."),
    Expired => counter(
        "messages_expired_total",
        "Messages that expired while a member still needed them.",
    ),
    Dropped => counter(
        "messages_dropped_total",
        "Messages dropped to make room (overflow=drop-oldest) while a member still needed them.",
    ),
    Gaps => counter("gaps_total", "Gaps: a member found messages lost."),
    Registrations => counter("registrations_total", "Ids that became members."),
    Reconnects => counter(
        "reconnects_total",
        "Members that came online again, takeovers included.",
    ),
    Takeovers => counter(
        "takeovers_total",
        "Message sockets that a new one of the same member replaced.",
    ),
    Forgotten => counter("members_forgotten_total", "Members deregistered by forget_after."),
    ConnectBacksFailed => counter(
        "connect_backs_failed_total",
        "Connect-backs to a listener that failed (ERR 502).",
    ),
    SocketsEnded => counter(
        "message_sockets_ended_total",
        "Message sockets that ended, by reason.",
    ).by("reason"),
    RequestsRefused => counter(
        "requests_refused_total",
        "Requests that got ERR, by code.",
    ).by("code"),
    DeliveryLatency => histogram(
        LATENCIES,
        "delivery_latency_seconds",
        "Time from accepting a message to writing it to a message socket that was there before, \
         for the last message of each write; milliseconds are counted.",
    ),
    AckLatency => histogram(
        LATENCIES,
        "ack_latency_seconds",
        "Time from accepting a message to its acknowledgement on a message socket that was there \
         before, for each acknowledgement that moves a cursor; milliseconds are counted.",
    ),
    TurnTime => histogram(
        WORK_TIMES,
        "turn_seconds",
        "Time of a turn of the loop without its sleep.",
    ),
    JournalBytes => gauge("journal_bytes", "Bytes of the journal."),
    JournalSegments => gauge("journal_segments", "Segments of the journal."),
    JournalCommits => counter("journal_commits_total", "Commits written."),
    JournalFailures => counter(
        "journal_failures_total",
        "Failed writes and syncs of the journal.",
    ),
    JournalFailing => gauge("journal_failing", "1 while the journal cannot be written, else 0."),
    JournalWaiting => gauge("journal_waiting_bytes", "Bytes that wait for the disk."),
    JournalWaitingLimit => gauge(
        "journal_waiting_bytes_limit",
        "Bytes that may wait for the disk before requests get ERR 506.",
    ),
    JournalSync => histogram(
        WORK_TIMES,
        "journal_sync_seconds",
        "Time of a sync of the journal.",
    ),
    JournalCommitBytes => histogram(
        SIZES,
        "journal_commit_bytes",
        "Bytes of a commit of the journal.",
    ),
    DiskFree => gauge(
        "disk_free_bytes",
        "Free bytes of the disk of the journal, for a program without privileges.",
    ),
    DiskBytes => gauge("disk_bytes", "Size of the disk of the journal in bytes."),
    HttpConnections => gauge("http_connections", "HTTP connections."),
    HttpConnectionsLimit => gauge("http_connections_limit", "Most HTTP connections."),
    HttpRequests => counter(
        "http_requests_total",
        "Requests answered over HTTP, by status.",
    ).by("code"),
    MembersHidden => gauge(
        "members_without_series",
        "Members above metrics_members, which have no series of their own.",
    ),
    MemberOnline => gauge("member_online", "1 if the member is online, else 0.").by("member"),
    MemberPending => gauge(
        "member_pending_messages",
        "Messages of others that wait for the member.",
    ).by("member"),
    MemberPendingBytes => gauge(
        "member_pending_bytes",
        "Encoded bytes from the oldest message that waits for the member to the newest message.",
    ).by("member"),
    MemberLag => gauge(
        "member_lag_seconds",
        "Age of the oldest message that waits for the member; 0 if no message waits.",
    ).by("member"),
    MemberSince => gauge(
        "member_since_timestamp_seconds",
        "Unix time at which the member became online or offline.",
    ).by("member"),
    #[cfg(feature = "engine")]
    SiteInfo => site_metrics::SITE_INFO,
    #[cfg(feature = "engine")]
    ListPosition => site_metrics::LIST_POSITION,
    #[cfg(feature = "engine")]
    ListLag => site_metrics::LIST_LAG,
    #[cfg(feature = "engine")]
    ListEntryAge => site_metrics::LIST_ENTRY_AGE,
    #[cfg(feature = "engine")]
    ListSnapshotAge => site_metrics::LIST_SNAPSHOT_AGE,
    #[cfg(feature = "engine")]
    ListVoid => site_metrics::LIST_VOID,
    #[cfg(feature = "engine")]
    ListWithdrawn => site_metrics::LIST_WITHDRAWN,
    #[cfg(feature = "engine")]
    EngineConnected => site_metrics::ENGINE_CONNECTED,
    #[cfg(feature = "engine")]
    EngineElections => site_metrics::ENGINE_ELECTIONS,
    #[cfg(feature = "engine")]
    EngineWaiting => site_metrics::ENGINE_WAITING,
    #[cfg(feature = "engine")]
    EngineWaitingBytes => site_metrics::ENGINE_WAITING_BYTES,
    #[cfg(feature = "engine")]
    EngineWaitingLimit => site_metrics::ENGINE_WAITING_LIMIT,
    #[cfg(feature = "engine")]
    SiteLive => site_metrics::SITE_LIVE,
    #[cfg(feature = "engine")]
    SiteEnded => site_metrics::SITE_ENDED,
    #[cfg(feature = "engine")]
    SiteBatchAge => site_metrics::SITE_BATCH_AGE,
    #[cfg(feature = "engine")]
    SitePosition => site_metrics::SITE_POSITION,
    #[cfg(feature = "engine")]
    SiteMembers => site_metrics::SITE_MEMBERS,
    #[cfg(feature = "engine")]
    SiteMembersOnline => site_metrics::SITE_MEMBERS_ONLINE,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All entries, also those of metrics that this build does not have.
    fn entries() -> impl Iterator<Item = MetricEntry> {
        let has = |entry: &&MetricEntry| {
            Metric::ALL.iter().any(|metric| metric.entry().name == entry.name)
        };
        let others = SITE_METRICS.iter().filter(move |entry| !has(entry));
        Metric::ALL.iter().map(|metric| metric.entry()).chain(others.copied())
    }

    #[cfg(feature = "engine")]
    #[test]
    fn the_metrics_of_a_site_are_the_last_ones_of_the_table() {
        let all: Vec<&str> = entries().map(|entry| entry.name).collect();
        let of_site: Vec<&str> = SITE_METRICS.iter().map(|entry| entry.name).collect();
        assert!(all.ends_with(&of_site), "{all:?}");
    }

    #[test]
    fn names_follow_the_conventions_and_stand_once() {
        let mut names = std::collections::BTreeSet::new();
        for entry in entries() {
            let MetricEntry { name, kind, label, help, buckets } = entry;
            assert!(names.insert(name), "{name} stands twice");
            let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(name.bytes().all(is_word), "{name}");
            assert_eq!(name.ends_with("_total"), kind == MetricKind::Counter, "{name}");
            assert!(!name.ends_with("_ms") && !name.ends_with("_us"), "{name}: not a base unit");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{name}: {help}");
            assert!(label != Some("le"), "{name}: the label of buckets");
            assert_eq!(buckets == NO_BUCKETS, kind != MetricKind::Histogram, "{name}");
            assert!(buckets.bounds.is_sorted(), "{name}");
        }
        for MetricEntry { name, .. } in entries() {
            if let Some(limited) = name.strip_suffix("_limit") {
                let has_value = names.contains(limited) || limited == "request_line_bytes";
                assert!(has_value, "{name} limits nothing");
            }
        }
    }
}
