//! Fan-out: CPU of the server for a delivery, the time of a delivery, and the order of receivers.

use anyhow::Result;

use super::{CPU, ELAPSED, P50, P99, RANK, RECORDS};
use crate::clients::{Pace, Run, Until};
use crate::peers::Connected;
use crate::ranks::Ranks;
use crate::table::{Samples, Values};

/// One message for this many is published before the measurement, to allocate memory and to fill
/// caches.
const WARM_UP_PART: u64 = 10;

/// With `is_for_ranks`, the order of the receivers is measured as well. The clients need time for
/// that, so it is measured in a run of its own unless messages are published by the clock.
pub(super) fn measure(
    connected: Connected,
    pace: Pace,
    messages: u64,
    is_for_ranks: bool,
) -> Result<Values> {
    let Connected { server, mut clients } = connected;
    clients.run(pace, Until::Messages((messages / WARM_UP_PART).max(1)))?;
    clients.settle()?;
    let is_by_clock = matches!(pace, Pace::Every(_));
    clients.ranks = (is_for_ranks && is_by_clock).then(Ranks::default);
    let records = clients.records();
    let before = server.usage()?;
    let Run { deliveries, elapsed, .. } = clients.run(pace, Until::Messages(messages))?;
    clients.settle()?;
    // This includes the cost of acknowledgements that are still under way after the run.
    let after = server.usage()?;
    let deliveries = deliveries as f64;
    let mut values = vec![(CPU, after.cpu_ns_since(&before) as f64 / deliveries)];
    if is_by_clock {
        let times = Samples::new(clients.times.iter().map(|it| it.as_secs_f64() * 1e6).collect());
        values.extend([(P50, times.quantile(0.5)), (P99, times.quantile(0.99))]);
    } else {
        values.push((ELAPSED, elapsed.as_secs_f64() * 1e9 / deliveries));
    }
    let records = records.zip(clients.records()).map(|(before, after)| after - before);
    values.extend(records.map(|records| (RECORDS, records as f64 / deliveries)));
    if is_for_ranks && !is_by_clock {
        clients.ranks = Some(Ranks::default());
        clients.run(pace, Until::Messages(messages))?;
        clients.settle()?;
    }
    let worst = clients.ranks.and_then(|ranks| ranks.worst_tenth());
    values.extend(worst.map(|worst| (RANK, worst)));
    Ok(values)
}
