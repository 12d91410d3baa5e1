//! Values of the metrics, for `stats`, `/metrics` and the status page.

#[cfg(feature = "engine")]
mod of_site;

use std::borrow::Cow;
use std::fmt::Write;

use super::commands::CommandStats;
use crate::config::CoordinatorConfig;
use crate::group::{Group, waiting_members};
use crate::histogram::Histogram;
use crate::journal::JournalStats;
use crate::metrics::{Metric, STATS, StatsKey, StatsPart};
use crate::protocol::{Listing, Reply};

/// Value of a series.
#[derive(Clone, Copy, Debug)]
pub(super) enum SampleValue<'a> {
    /// A whole number.
    Count(u64),
    /// A time in milliseconds. Shown in seconds.
    Millis(u64),
    /// Values in buckets.
    Distribution(&'a Histogram),
}

/// Value of one series of a metric.
#[derive(Clone, Debug)]
pub(super) struct MetricSample<'a> {
    pub(super) metric: Metric,
    /// Value of the label, or the name of what has the value; empty without one.
    pub(super) label: Cow<'a, str>,
    pub(super) value: SampleValue<'a>,
}

/// Sources of the values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'a> {
    pub(super) config: &'a CoordinatorConfig,
    pub(super) group: &'a Group,
    pub(super) commands: CommandStats,
    pub(super) journal: Option<JournalStats<'a>>,
    pub(super) accept_pauses: u64,
    pub(super) uptime_ms: u64,
    #[cfg(feature = "engine")]
    pub(super) site: Option<super::site_journal::SiteView<'a>>,
}

/// The samples of all sources, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Samples<'a>(Vec<MetricSample<'a>>);

impl<'a> Samples<'a> {
    /// Collects the values that exist with and without `http`.
    pub(super) fn collect(sources: Sources<'a>) -> Self {
        let mut samples = Self::default();
        samples.add_server(sources);
        samples.add_group(sources.group);
        if let Some(journal) = sources.journal {
            samples.add_journal(journal);
        }
        #[cfg(feature = "engine")]
        if let Some(site) = sources.site {
            of_site::add_site(&mut samples, &site);
        }
        samples
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &MetricSample<'a>> {
        self.0.iter()
    }

    /// Adds a whole number.
    pub(super) fn count(&mut self, metric: Metric, value: u64) {
        self.labelled(metric, "", SampleValue::Count(value));
    }

    /// Adds a time.
    pub(super) fn millis(&mut self, metric: Metric, value: u64) {
        self.labelled(metric, "", SampleValue::Millis(value));
    }

    /// Adds a distribution.
    pub(super) fn distribution(&mut self, metric: Metric, values: &'a Histogram) {
        self.labelled(metric, "", SampleValue::Distribution(values));
    }

    /// Adds a series.
    pub(super) fn labelled(
        &mut self,
        metric: Metric,
        label: impl Into<Cow<'a, str>>,
        value: SampleValue<'a>,
    ) {
        self.0.push(MetricSample { metric, label: label.into(), value });
    }

    fn add_server(&mut self, sources: Sources<'a>) {
        let Sources { config, commands, accept_pauses, uptime_ms, .. } = sources;
        let version = env!("CARGO_PKG_VERSION");
        self.labelled(Metric::BuildInfo, version, SampleValue::Count(1));
        self.millis(Metric::Uptime, uptime_ms);
        self.count(Metric::LineLimit, config.max_line as u64);
        self.count(Metric::MembersLimit, config.counts.max_members as u64);
        self.count(Metric::BacklogLimit, config.max_backlog);
        self.count(Metric::Connections, commands.connections as u64);
        self.count(Metric::ConnectionsLimit, config.counts.max_connections as u64);
        self.count(Metric::ConnectionsRefused, commands.admission.refused);
        self.count(Metric::ConnectionsDisplaced, commands.admission.displaced);
        self.count(Metric::AcceptPauses, accept_pauses);
        self.count(Metric::ClientBytes, commands.kept_bytes as u64);
        self.count(Metric::ClientBytesLimit, commands.kept_bytes_max as u64);
        self.count(Metric::InputBytes, commands.input_bytes as u64);
        for (code, refused) in commands.refused.by_code() {
            self.labelled(Metric::RequestsRefused, code, SampleValue::Count(refused));
        }
    }

    fn add_group(&mut self, group: &'a Group) {
        let (stats, gauges) = (group.stats(), group.gauges());
        self.labelled(Metric::EpochInfo, gauges.epoch.to_string(), SampleValue::Count(1));
        self.count(Metric::NextSeq, gauges.next_seq.as_u64());
        self.count(Metric::Ttl, gauges.ttl_s);
        self.count(Metric::Members, gauges.members as u64);
        self.count(Metric::MembersOnline, gauges.online as u64);
        self.count(Metric::MembersOffline, gauges.members.saturating_sub(gauges.online) as u64);
        self.count(Metric::BacklogMessages, gauges.history_messages);
        self.count(Metric::BacklogBytes, gauges.history_bytes);
        self.millis(Metric::BacklogAge, gauges.history_age_ms);
        self.count(Metric::NewcomerMessages, gauges.newcomer_messages);
        self.count(Metric::NewcomerBytes, gauges.newcomer_bytes);
        let (id, pending) = waiting_members(group).deepest.unwrap_or_default();
        self.labelled(Metric::DeepestMessages, id, SampleValue::Count(pending));
        self.count(Metric::MessagesAccepted, stats.messages_in);
        self.count(Metric::TextBytes, stats.bytes_in);
        self.count(Metric::Deliveries, stats.deliveries_out);
        self.count(Metric::DeliveredBytes, stats.bytes_out);
        self.count(Metric::Expired, stats.expired);
        self.count(Metric::Dropped, stats.dropped);
        self.count(Metric::Gaps, stats.gaps);
        self.count(Metric::Registrations, stats.members.registrations);
        self.count(Metric::Reconnects, stats.members.reconnects);
        self.count(Metric::Takeovers, stats.members.takeovers);
        self.count(Metric::Forgotten, stats.members.forgotten);
        self.count(Metric::ConnectBacksFailed, stats.members.connect_backs_failed);
        for (reason, ended) in stats.ended.by_reason() {
            self.labelled(Metric::SocketsEnded, reason, SampleValue::Count(ended));
        }
    }

    fn add_journal(&mut self, journal: JournalStats<'a>) {
        self.count(Metric::JournalBytes, journal.bytes);
        self.count(Metric::JournalSegments, journal.segments as u64);
        self.count(Metric::JournalCommits, journal.commits);
        self.count(Metric::JournalFailures, journal.failures);
        self.count(Metric::JournalFailing, u64::from(journal.is_failing));
        self.count(Metric::JournalWaiting, journal.waiting_bytes as u64);
        self.count(Metric::JournalWaitingLimit, journal.waiting_bytes_max as u64);
        self.distribution(Metric::JournalSync, journal.syncs);
        self.distribution(Metric::JournalCommitBytes, journal.commit_bytes);
    }

    /// Returns the keys of `stats` with their values.
    pub(super) fn stats(&self) -> Vec<(&'static str, String)> {
        STATS.iter().filter_map(|key| Some((key.key, self.part(key)?))).collect()
    }

    /// Returns the reply `OK stats` with its lines.
    pub(super) fn stats_list(&self) -> String {
        let lines = self.stats();
        let mut list = format!("{}\n", Reply::List { listing: Listing::Stats, count: lines.len() });
        for (key, value) in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "{key} {value}");
        }
        list
    }

    /// Returns the value of a line of `stats`.
    fn part(&self, key: &StatsKey) -> Option<String> {
        let mut series = self.0.iter().filter(|sample| sample.metric == key.metric);
        let first = series.clone().next()?;
        Some(match key.part {
            StatsPart::Whole => first.value.whole().to_string(),
            StatsPart::Label => first.label.to_string(),
            StatsPart::Name if first.label.is_empty() => return None,
            StatsPart::Name => first.label.to_string(),
            StatsPart::Series(label) => {
                series.find(|sample| sample.label == label)?.value.whole().to_string()
            }
            StatsPart::Sum => series.map(|sample| sample.value.whole()).sum::<u64>().to_string(),
            StatsPart::Percentile(percent) => match first.value {
                SampleValue::Distribution(values) => values.percentile(percent).to_string(),
                SampleValue::Count(_) | SampleValue::Millis(_) => return None,
            },
        })
    }
}

impl SampleValue<'_> {
    /// Returns the value as a whole number, in whole seconds for a time.
    const fn whole(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Millis(millis) => *millis / 1000,
            Self::Distribution(values) => values.sum(),
        }
    }
}
