//! Lines of `stats`, by the metrics whose values they show.

use super::Metric;

/// A line of `stats`: its key, and the metric that has the same value.
#[derive(Clone, Copy, Debug)]
pub struct StatsKey {
    /// Key of the line.
    pub key: &'static str,
    /// Metric with the same value.
    pub metric: Metric,
    /// Part of the metric.
    pub part: StatsPart,
}

/// Part of a metric in a line of `stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsPart {
    /// The only series, without a label.
    Whole,
    /// The value of the label.
    Label,
    /// The name of what has the value. The name changes, so it is no label. Left out if empty.
    Name,
    /// The series with this value of the label.
    Series(&'static str),
    /// Sum of all series.
    Sum,
    /// A percentile of a histogram in recorded units.
    Percentile(u8),
}

const fn stat(key: &'static str, metric: Metric) -> StatsKey {
    StatsKey { key, metric, part: StatsPart::Whole }
}

const fn part(key: &'static str, metric: Metric, part: StatsPart) -> StatsKey {
    StatsKey { key, metric, part }
}

/// All lines of `stats`, in their order. A line whose metric has no value is left out.
pub const STATS: &[StatsKey] = &[
    part("version", Metric::BuildInfo, StatsPart::Label),
    stat("uptime_s", Metric::Uptime),
    part("epoch", Metric::EpochInfo, StatsPart::Label),
    stat("next_seq", Metric::NextSeq),
    stat("ttl_s", Metric::Ttl),
    stat("max_line", Metric::LineLimit),
    stat("members", Metric::Members),
    stat("online", Metric::MembersOnline),
    stat("offline", Metric::MembersOffline),
    stat("max_members", Metric::MembersLimit),
    stat("connections", Metric::Connections),
    stat("max_connections", Metric::ConnectionsLimit),
    stat("connections_refused", Metric::ConnectionsRefused),
    stat("connections_displaced", Metric::ConnectionsDisplaced),
    stat("client_bytes", Metric::ClientBytes),
    stat("max_client_bytes", Metric::ClientBytesLimit),
    stat("input_bytes", Metric::InputBytes),
    stat("history_messages", Metric::BacklogMessages),
    stat("history_bytes", Metric::BacklogBytes),
    stat("max_backlog", Metric::BacklogLimit),
    stat("oldest_s", Metric::BacklogAge),
    stat("newcomer_messages", Metric::NewcomerMessages),
    stat("newcomer_bytes", Metric::NewcomerBytes),
    part("deepest", Metric::DeepestMessages, StatsPart::Name),
    stat("deepest_pending", Metric::DeepestMessages),
    stat("messages_in", Metric::MessagesAccepted),
    stat("bytes_in", Metric::TextBytes),
    stat("deliveries_out", Metric::Deliveries),
    stat("bytes_out", Metric::DeliveredBytes),
    stat("expired", Metric::Expired),
    stat("dropped", Metric::Dropped),
    stat("gaps", Metric::Gaps),
    stat("forgotten", Metric::Forgotten),
    stat("registrations", Metric::Registrations),
    stat("reconnects", Metric::Reconnects),
    stat("takeovers", Metric::Takeovers),
    stat("connect_backs_failed", Metric::ConnectBacksFailed),
    part("lost_closed", Metric::SocketsEnded, StatsPart::Series("closed")),
    part("lost_reset", Metric::SocketsEnded, StatsPart::Series("reset")),
    part("lost_timeout", Metric::SocketsEnded, StatsPart::Series("timeout")),
    part("lost_stalled", Metric::SocketsEnded, StatsPart::Series("stalled")),
    part("lost_bad_ack", Metric::SocketsEnded, StatsPart::Series("bad_ack")),
    part("lost_error", Metric::SocketsEnded, StatsPart::Series("error")),
    part("errors", Metric::RequestsRefused, StatsPart::Sum),
    stat("accept_pauses", Metric::AcceptPauses),
    stat("journal_bytes", Metric::JournalBytes),
    stat("journal_segments", Metric::JournalSegments),
    stat("journal_commits", Metric::JournalCommits),
    stat("journal_failures", Metric::JournalFailures),
    stat("journal_waiting_bytes", Metric::JournalWaiting),
    part("journal_sync_us_p50", Metric::JournalSync, StatsPart::Percentile(50)),
    part("journal_sync_us_p99", Metric::JournalSync, StatsPart::Percentile(99)),
    #[cfg(feature = "engine")]
    part("site", Metric::SiteInfo, StatsPart::Label),
    #[cfg(feature = "engine")]
    stat("list_position", Metric::ListPosition),
    #[cfg(feature = "engine")]
    stat("list_lag", Metric::ListLag),
    #[cfg(feature = "engine")]
    stat("list_entry_age_s", Metric::ListEntryAge),
    #[cfg(feature = "engine")]
    stat("list_snapshot_age_s", Metric::ListSnapshotAge),
    #[cfg(feature = "engine")]
    part("batches_void", Metric::ListVoid, StatsPart::Sum),
    #[cfg(feature = "engine")]
    stat("withdrawn", Metric::ListWithdrawn),
    #[cfg(feature = "engine")]
    stat("engine_connected", Metric::EngineConnected),
    #[cfg(feature = "engine")]
    stat("engine_elections", Metric::EngineElections),
    #[cfg(feature = "engine")]
    stat("engine_waiting", Metric::EngineWaiting),
    #[cfg(feature = "engine")]
    stat("engine_waiting_bytes", Metric::EngineWaitingBytes),
    #[cfg(feature = "engine")]
    part("sites_live", Metric::SiteLive, StatsPart::Sum),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{MetricEntry, MetricKind};

    #[test]
    fn each_key_of_stats_stands_once_and_names_a_part_that_its_metric_has() {
        let mut keys = std::collections::BTreeSet::new();
        for StatsKey { key, metric, part } in STATS {
            assert!(keys.insert(key), "{key} stands twice");
            let MetricEntry { kind, label, .. } = metric.entry();
            let fits = match part {
                StatsPart::Whole | StatsPart::Name => {
                    label.is_none() && kind != MetricKind::Histogram
                }
                StatsPart::Label | StatsPart::Series(_) | StatsPart::Sum => label.is_some(),
                StatsPart::Percentile(percent) => kind == MetricKind::Histogram && *percent <= 100,
            };
            assert!(fits, "{key}: {part:?} of {metric:?}");
        }
    }
}
