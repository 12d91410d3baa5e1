//! Builds the body of `/metrics`, a part in each turn.

use std::{iter, mem};

use bytes::Bytes;

use super::exposition::{OF_MEMBERS, push_head, push_member, push_samples};
use super::observed::Observed;
use super::view::AdminView;
use crate::coordinator::samples::SampleValue;
use crate::group::member_statuses;
use crate::limits::http::{HTTP_CONNECTIONS_MAX, TURN_HTTP_MEMBERS_MAX};
use crate::metrics::Metric;

/// A body of `/metrics` that is being built: everything but the members, and then the members.
#[derive(Debug)]
pub(super) struct MetricsBuild {
    text: String,
    /// Lines of the members, for each metric of [`OF_MEMBERS`].
    members: [String; OF_MEMBERS.len()],
    /// Last member that is in.
    after: Option<Box<str>>,
    /// Members that may still get series.
    left: usize,
}

impl MetricsBuild {
    /// Begins with the samples of all but the members.
    pub(super) fn begin(view: &AdminView<'_>, observed: &Observed, connections: usize) -> Self {
        let mut samples = view.samples();
        let members_max = view.sources.config.http.members_max;
        samples.count(Metric::Ready, u64::from(view.readiness().reasons.is_empty()));
        samples.distribution(Metric::DeliveryLatency, &observed.deliveries);
        samples.distribution(Metric::AckLatency, &observed.acks);
        samples.distribution(Metric::TurnTime, &observed.turns);
        samples.count(Metric::HttpConnections, connections as u64);
        samples.count(Metric::HttpConnectionsLimit, HTTP_CONNECTIONS_MAX as u64);
        for (code, responses) in observed.responses() {
            samples.labelled(Metric::HttpRequests, code, SampleValue::Count(responses));
        }
        if let Some(disk) = view.disk {
            samples.count(Metric::DiskFree, disk.free_bytes);
            samples.count(Metric::DiskBytes, disk.bytes);
        }
        let hidden = view.sources.group.member_count().saturating_sub(members_max);
        samples.count(Metric::MembersHidden, hidden as u64);
        let mut text = String::new();
        push_samples(&samples, &mut text);
        Self { text, members: Default::default(), after: None, left: members_max }
    }

    /// Adds the next members. Returns the parts of the body when all are in.
    pub(super) fn advance(&mut self, view: &AdminView<'_>) -> Option<Vec<Bytes>> {
        let share = self.left.min(TURN_HTTP_MEMBERS_MAX);
        let mut added = 0;
        let mut last = None;
        for member in member_statuses(view.sources.group, self.after.as_deref()).take(share) {
            for (metric, lines) in OF_MEMBERS.into_iter().zip(&mut self.members) {
                if lines.is_empty() {
                    push_head(metric.0, lines);
                }
                push_member(metric, &member, view.now, lines);
            }
            added += 1;
            last = Some(member.id.into());
        }
        self.left = self.left.saturating_sub(added);
        self.after = last.or(self.after.take());
        if added == share && self.left > 0 {
            return None;
        }
        let members = self.members.iter_mut().map(mem::take);
        let parts = iter::once(mem::take(&mut self.text)).chain(members);
        Some(parts.map(Bytes::from).collect())
    }
}
