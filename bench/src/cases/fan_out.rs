//! Fan-out: CPU of the server for a delivery, and the time of a delivery.

use anyhow::Result;

use super::{CPU, ELAPSED, P50, P99};
use crate::clients::{Pace, Run, Until};
use crate::peers::Connected;
use crate::table::{Samples, Values};

/// One message for this many is published before the measurement, to allocate memory and to fill
/// caches.
const WARM_UP_PART: u64 = 10;

pub(super) fn measure(connected: Connected, pace: Pace, messages: u64) -> Result<Values> {
    let Connected { server, mut clients } = connected;
    clients.run(pace, Until::Messages((messages / WARM_UP_PART).max(1)))?;
    clients.settle()?;
    let before = server.usage()?;
    let Run { deliveries, elapsed, .. } = clients.run(pace, Until::Messages(messages))?;
    clients.settle()?;
    // This includes the cost of acknowledgements that are still under way after the run.
    let after = server.usage()?;
    let deliveries = deliveries as f64;
    let cpu = (CPU, after.cpu_ns_since(&before) as f64 / deliveries);
    if !matches!(pace, Pace::Every(_)) {
        return Ok(vec![cpu, (ELAPSED, elapsed.as_secs_f64() * 1e9 / deliveries)]);
    }
    let times = Samples::new(clients.times.iter().map(|it| it.as_secs_f64() * 1e6).collect());
    Ok(vec![cpu, (P50, times.quantile(0.5)), (P99, times.quantile(0.99))])
}
