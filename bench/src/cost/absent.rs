//! Memory and CPU for messages that are kept for one and for a thousand offline members.

use anyhow::{Result, ensure};

use super::{Report, Setup};
use crate::cases::absent::{collect, register_offline};
use crate::clients::{Pace, Until};
use crate::command::ConnectBack;
use crate::coordinator::Start;
use crate::peers::Plan;
use crate::peers::groupcast::{self, Deliveries};
use crate::table::{megabytes, ratio};

const MESSAGES: u64 = 1_000_000;
const WINDOW: u64 = 1_000;
const PLAN: Plan = Plan { publishers: 1, receivers: 0, text_bytes: 100, are_same: false };

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let bytes = PLAN.text_bytes;
    report.title(
        "absent",
        format_args!("{MESSAGES} messages of {bytes} B are kept, {WINDOW} under way at once"),
    );
    let one = keep(setup, report, 1)?;
    let many = keep(setup, report, 1000)?;
    let difference = (ratio(many, one) - 1.0).abs();
    report.target("difference of the two", difference * 100.0, 1.0, "%");
    Ok(())
}

/// Returns the resident memory with all messages kept for a number of members.
fn keep(setup: &Setup, report: &mut Report, members: usize) -> Result<u64> {
    let options = ["--max-backlog", "1g"];
    let coordinator = Start::new(&setup.programs.coordinator, 86_400, &options).run()?;
    let idle = coordinator.server.usage()?.rss_bytes;
    let mut command = coordinator.command()?;
    register_offline(&coordinator, members)?;
    let mut publisher = groupcast::connect(&coordinator, PLAN, false)?;
    let before = coordinator.server.usage()?;
    publisher.run(Pace::Unanswered(WINDOW), Until::Messages(MESSAGES))?;
    let after = coordinator.server.usage()?;
    let rss = after.rss_bytes;
    let lines = command.stat("history_bytes")?;
    let kept = command.stat("history_messages")?;
    ensure!(kept == MESSAGES, "{kept} of {MESSAGES} messages are kept");
    let each = (rss as f64 - idle as f64 - lines as f64) / MESSAGES as f64;
    report.value(&format!("resident memory, {members} offline"), megabytes(rss));
    let name = format!("of a message, besides lines ({}) and idle", megabytes(lines));
    report.target(&name, each, 24.0, "B");
    let cpu_ns = ratio(after.cpu_ns_since(&before), MESSAGES);
    report.value("CPU to accept a message", format!("{cpu_ns:.0} ns"));
    publisher.settle()?;

    let id = format!("member{}", members.saturating_sub(1));
    let stream = ConnectBack::listen()?.reconnect(&mut command, &id)?;
    let wire = Box::new(Deliveries::new(PLAN.text_bytes, false));
    collect(PLAN.text_bytes, MESSAGES, stream, wire)?;
    coordinator.server.stop()?;
    Ok(rss)
}
