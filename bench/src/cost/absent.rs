//! What a kept message costs, whoever it is kept for.

use super::Setup;
use crate::command::Door;
use crate::coordinator::{Coordinator, Start};
use crate::failure::{Failure, Result};
use crate::flood::{Flood, Load};
use crate::publisher::Dialect;
use crate::report::{Report, megabytes, ratio};

const LOAD: Load = Load { messages: 1_000_000, text_bytes: 100, in_flight: 1_000 };
const OVERHEAD_BYTES_MAX: f64 = 24.0;
const DIFFERENCE_MAX: f64 = 0.01;

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let Load { messages, text_bytes, in_flight } = LOAD;
    let parameters =
        format!("{messages} messages of {text_bytes} bytes kept, {in_flight} in flight");
    report.title("absent", parameters);
    let one = keep(setup, report, 1)?;
    let many = keep(setup, report, 1000)?;
    let difference = (ratio(many, one) - 1.0).abs();
    let value = format!("{:.2} %", difference * 100.0);
    report.figure("difference", value, "at most 1 %", difference <= DIFFERENCE_MAX);
    Ok(())
}

/// Has messages kept for so many members: the resident memory.
fn keep(setup: &Setup, report: &mut Report, members: usize) -> Result<u64> {
    let options = ["--max-backlog", "1g"];
    let coordinator = Start::new(&setup.coordinator, 86_400, &options).run()?;
    let idle = coordinator.server.usage()?.rss_bytes;
    let door = Door::open()?;
    let mut command = coordinator.command()?;
    for index in 0..members {
        let id = format!("absent{index}");
        let _messages = door.register(&mut command, &id, false)?;
        command.request(&id, "disconnect")?;
    }
    let mut publisher = coordinator.command()?;
    let _messages = door.register(&mut publisher, "publisher", false)?;
    let dialect = Dialect::groupcast("publisher");
    let mut flood = Flood::new(LOAD, publisher.into_stream(), dialect, Vec::new(), false)?;
    let before = coordinator.server.usage()?;
    flood.run()?;
    let after = coordinator.server.usage()?;
    let rss = after.rss_bytes;
    let lines = command.stat("history_bytes")?;
    let kept = command.stat("history_messages")?;
    if kept != LOAD.messages {
        return Err(Failure::Wrong(format!("{kept} of {} messages kept", LOAD.messages)));
    }
    let over = rss as f64 - idle as f64 - lines as f64;
    let each = over / LOAD.messages as f64;
    report.value(&format!("RSS, {members} absent"), megabytes(rss));
    let name = format!("beside the lines ({}) and idle", megabytes(lines));
    let is_met = each <= OVERHEAD_BYTES_MAX;
    report.figure(&name, format!("{each:.1} B"), "at most 24 B a message", is_met);
    let cpu_ns = ratio(after.cpu_ns_since(&before), LOAD.messages);
    report.value("CPU of taking a message in", format!("{cpu_ns:.0} ns"));
    flood.finish()?;
    collect(&coordinator, &door, members)?;
    coordinator.server.stop()?;
    Ok(rss)
}

/// The last of the members comes back, and must get everything.
fn collect(coordinator: &Coordinator, door: &Door, members: usize) -> Result<()> {
    let mut command = coordinator.command()?;
    let id = format!("absent{}", members.saturating_sub(1));
    let messages = door.reconnect(&mut command, &id)?;
    let mut flood = Flood::listening(LOAD, command.into_stream(), vec![messages])?;
    flood.run()?;
    flood.finish()?;
    Ok(())
}
