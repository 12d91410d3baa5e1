//! What a coordinator costs that has nothing to do.

use std::time::Duration;

use super::Setup;
use crate::clock;
use crate::command::Door;
use crate::coordinator::{Coordinator, Start};
use crate::failure::Result;
use crate::process::Usage;
use crate::report::{Report, megabytes, ratio};

const MEMBERS: usize = 1000;
const SETTLE: Duration = Duration::from_secs(1);
const WATCH: Duration = Duration::from_secs(5);
const RSS_BYTES_MAX: u64 = 3_000_000;
const MEMBER_BYTES_MAX: f64 = 1024.0;
const WAKE_UPS: &str = "wake-ups of all threads in 5 s";

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let parameters =
        format!("a fresh coordinator, then {MEMBERS} online members with two sockets each");
    report.title("idle", parameters);
    let coordinator = Start::new(&setup.coordinator, 60, &[]).run()?;
    let (fresh, wake_ups) = watch(&coordinator)?;
    let rss = fresh.rss_bytes;
    report.figure("RSS", megabytes(rss), "at most 3 MB", rss <= RSS_BYTES_MAX);
    report.value("threads", fresh.threads);
    report.figure(WAKE_UPS, wake_ups, "0", wake_ups == 0);

    let door = Door::open()?;
    let mut sockets = Vec::new();
    for index in 0..MEMBERS {
        let mut command = coordinator.command()?;
        let messages = door.register(&mut command, &format!("member{index}"), false)?;
        sockets.push((command, messages));
    }
    let (full, wake_ups) = watch(&coordinator)?;
    let each = ratio(full.rss_bytes.saturating_sub(rss), MEMBERS as u64);
    report.value("RSS with the members", megabytes(full.rss_bytes));
    let is_met = each <= MEMBER_BYTES_MAX;
    report.figure("RSS a member", format!("{each:.0} B"), "at most 1 KiB", is_met);
    report.figure(WAKE_UPS, wake_ups, "0", wake_ups == 0);
    coordinator.server.stop()
}

/// How a coordinator stands that is left alone, and how often it wakes up.
fn watch(coordinator: &Coordinator) -> Result<(Usage, u64)> {
    clock::pause(SETTLE);
    let before = coordinator.server.usage()?;
    clock::pause(WATCH);
    let after = coordinator.server.usage()?;
    Ok((after, after.wake_ups_since(&before)))
}
