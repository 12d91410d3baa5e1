//! Memory and wake-ups of an idle coordinator.

use std::time::Duration;

use anyhow::Result;

use super::{Report, Setup};
use crate::clock;
use crate::command::ConnectBack;
use crate::coordinator::{Coordinator, Start};
use crate::process::Usage;
use crate::table::{megabytes, ratio};

const MEMBERS: usize = 1000;
const SETTLE: Duration = Duration::from_secs(1);
const WATCH: Duration = Duration::from_secs(5);
const WAKE_UPS: &str = "wake-ups of all threads in 5 s";

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let about = format!("a new coordinator, then {MEMBERS} online members with two sockets each");
    report.title("idle", about);
    let coordinator = Start::new(&setup.programs.coordinator, 60, &[]).run()?;
    let (fresh, wake_ups) = watch(&coordinator)?;
    let rss = fresh.rss_bytes;
    report.target("resident memory", rss as f64 / 1e6, 3.0, "MB");
    report.value("threads", fresh.threads);
    report.target(WAKE_UPS, wake_ups as f64, 0.0, "");

    let listener = ConnectBack::listen()?;
    let mut sockets = Vec::new();
    for index in 0..MEMBERS {
        let mut command = coordinator.command()?;
        let messages = listener.register(&mut command, &format!("member{index}"), false)?;
        sockets.push((command, messages));
    }
    let (full, wake_ups) = watch(&coordinator)?;
    let each = ratio(full.rss_bytes.saturating_sub(rss), MEMBERS as u64);
    report.value("resident memory with the members", megabytes(full.rss_bytes));
    report.target("resident memory of a member", each, 1024.0, "B");
    report.target(WAKE_UPS, wake_ups as f64, 0.0, "");
    coordinator.server.stop()
}

/// Returns the counters of an idle coordinator, and its wake-ups.
fn watch(coordinator: &Coordinator) -> Result<(Usage, u64)> {
    clock::pause(SETTLE);
    let before = coordinator.server.usage()?;
    clock::pause(WATCH);
    let after = coordinator.server.usage()?;
    Ok((after, after.wake_ups_since(&before)))
}
