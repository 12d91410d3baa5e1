//! Fan-out: what a delivery costs the server, and how long it takes.

use super::scene::{Pace, Scene};
use super::{Case, Metric, Values, Work};
use crate::failure::Result;
use crate::peers::stage::Stage;
use crate::peers::{Peer, Programs};
use crate::report::Samples;

/// Of so many messages one more goes before, so that memory is there and caches are warm.
const WARM_UP_PART: u64 = 10;

pub(super) fn play(case: &Case, programs: &Programs, peer: Peer) -> Result<Values> {
    play_on(case, peer.stage(programs, case.plan)?, case.messages_for(peer))
}

/// Plays one round on a stage that was set.
pub(super) fn play_on(case: &Case, stage: Stage, messages: u64) -> Result<Values> {
    let pace = match (case.work, case.interval()) {
        (_, Some(interval)) => Pace::Interval(interval),
        (Work::Saturated { window }, None) => Pace::Window(window),
        (Work::Paced(_) | Work::Storm | Work::Absent | Work::Logging, None) => Pace::Window(1),
    };
    let mut scene = Scene::new(stage)?;
    scene.play((messages / WARM_UP_PART).max(1), pace)?;
    scene.settle()?;
    let before = scene.stage().server()?.usage()?;
    let elapsed = scene.play(messages, pace)?;
    scene.settle()?;
    // Acknowledgements still under way are paid for too.
    let after = scene.stage().server()?.usage()?;
    let to = if scene.stage().skips_own { case.plan.receivers - 1 } else { case.plan.receivers };
    let deliveries = messages as f64 * to as f64;
    let mut values = Values::new();
    values.insert(Metric::Cpu, after.cpu_ns_since(&before) as f64 / deliveries);
    if case.interval().is_none() {
        values.insert(Metric::Elapsed, elapsed.as_secs_f64() * 1e9 / deliveries);
        return Ok(values);
    }
    let times = scene.times().iter().map(|time| time.as_secs_f64() * 1e6).collect();
    let times = Samples::new(times);
    values.insert(Metric::Median, times.quantile(0.5));
    values.insert(Metric::High, times.quantile(0.99));
    Ok(values)
}
