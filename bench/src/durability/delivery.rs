//! What a delivery costs a coordinator, by what it keeps.

use super::table::{Row, Table};
use super::{Setup, journal};
use crate::cases::{CASES, Case, FAN_OUT, Metric};
use crate::coordinator::Start;
use crate::failure::{Failure, Result};
use crate::peers::groupcast;
use crate::peers::stage::Stage;

/// How the titles begin.
pub(super) const TITLE: &str = "delivered";
pub(super) const MEMORY: &str = "memory only";
pub(super) const NEVER: &str = "sync=never";
pub(super) const ALWAYS: &str = "sync=always";

const TTL_S: u64 = 60;
const ROUNDS: usize = 7;

pub(super) fn measure(setup: &Setup, heard: &mut dyn FnMut(&str)) -> Result<Vec<Table>> {
    let found = CASES.into_iter().find(|case| case.name == FAN_OUT);
    let case = found.ok_or_else(|| Failure::Wrong(format!("there is no case {FAN_OUT}")))?;
    let case = if setup.is_quick { case.quick() } else { case };
    let rounds = setup.rounds_or(ROUNDS);
    Ok([false, true].map(|acks| with(setup, &case, rounds, acks, heard)).into())
}

fn with(
    setup: &Setup,
    case: &Case,
    rounds: usize,
    acks: bool,
    heard: &mut dyn FnMut(&str),
) -> Table {
    let mut rows = [MEMORY, NEVER, ALWAYS].map(Row::new);
    for round in 1..=rounds {
        for row in &mut rows {
            let measured = play(setup, case, &row.name, acks);
            heard(&match &measured {
                Ok(cpu) => format!("  {round} {:<22} {cpu:>9.1} ns", row.name),
                Err(failure) => format!("  {round} {:<22} FAILED: {failure}", row.name),
            });
            row.push(&measured);
        }
    }
    let (which, how) = match acks {
        false => ("", "nobody acknowledges"),
        true => (", acks", "all acknowledge what each read brought"),
    };
    let title = format!("{TITLE}, {}{which}", case.name);
    let (messages, bytes) = (case.messages, case.plan.text_bytes);
    let about = format!(
        "The case {} of `make bench`: {messages} messages of {bytes} B, {how}. {rounds} rounds, \
         in turns. CPU of the coordinator for each delivery, all its threads.",
        case.name
    );
    Table { title, about, unit: "ns", rows: rows.into() }
}

fn play(setup: &Setup, case: &Case, mode: &str, acks: bool) -> Result<f64> {
    let directory = setup.place.fresh()?;
    let values = case.play_on(stage(setup, case, directory.path(), mode, acks)?)?;
    let cpu = values.get(&Metric::Cpu).copied();
    cpu.ok_or_else(|| Failure::Wrong("no CPU was measured".to_owned()))
}

fn stage(
    setup: &Setup,
    case: &Case,
    directory: &std::path::Path,
    mode: &str,
    acks: bool,
) -> Result<Stage> {
    let coordinator = match mode.strip_prefix("sync=") {
        Some(sync) => journal::start(setup, directory, &["--sync", sync])?,
        None => {
            let (program, cores) = (&setup.programs.coordinator, setup.programs.cores);
            Start { cores, ..Start::new(program, TTL_S, &[]) }.run()?
        }
    };
    groupcast::stage(coordinator, case.plan, acks)
}
