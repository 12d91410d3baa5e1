//! CPU of the coordinator for a delivery, without a journal and with one.

use anyhow::Result;

use super::{Measured, Setup, store};
use crate::cases::{CPU, Case, FAN_OUT};
use crate::peers::{Connected, groupcast};
use crate::table::{Row, Table, Target, Values, count};

const MEMORY: &str = "memory only";
const MODES: [&str; 3] = [MEMORY, "sync=never", "sync=always"];
const TTL_S: u64 = 60;
const ROUNDS: usize = 7;
const RATIO_MAX: f64 = 1.3;

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let case = if setup.is_quick { FAN_OUT.quick() } else { FAN_OUT };
    let mut measured = Measured::default();
    for acks in [false, true] {
        let table = with(setup, &case, acks);
        for mode in MODES.into_iter().filter(|mode| *mode != MEMORY) {
            let name = format!("{}: {mode} to {MEMORY}", table.title);
            let found = table.ratio(mode, MEMORY, CPU);
            measured.targets.push(Target::at_most(name, found, RATIO_MAX));
        }
        measured.tables.push(table);
    }
    Ok(measured)
}

fn with(setup: &Setup, case: &Case, acks: bool) -> Table {
    let rounds = setup.rounds_or(ROUNDS);
    let (which, how) = match acks {
        false => ("", "no member acknowledges"),
        true => (", acks", "each member acknowledges after each read"),
    };
    let (messages, bytes) = (case.messages, case.plan.text_bytes);
    let about = format!(
        "The case {} of `make bench`: {messages} messages of {bytes} B; {how}. {}. \
         CPU of the coordinator, all threads.",
        case.name,
        count(rounds, "round")
    );
    let (title, rows) = (format!("delivered, {}{which}", case.name), MODES.map(Row::new).into());
    let mut table = Table { title, about, rows };
    table.measure(rounds, &mut |index| {
        round(setup, case, MODES.get(index).copied().unwrap_or(MEMORY), acks)
    });
    table
}

fn round(setup: &Setup, case: &Case, mode: &str, acks: bool) -> Result<Values> {
    let directory = setup.directory.fresh()?;
    let coordinator = match mode.strip_prefix("sync=") {
        Some(sync) => store::journaled(setup, directory.path(), &["--sync", sync])?,
        None => setup.programs.coordinator(TTL_S, &[]).run()?,
    };
    let clients = groupcast::connect(&coordinator, case.plan, acks)?;
    case.measure_on(Connected { server: coordinator.server, clients })
}
