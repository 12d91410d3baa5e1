//! CPU of the coordinator for a delivery, without and with acknowledgements.

use anyhow::{Result, bail};

use super::{Report, Setup};
use crate::clients::{Pace, Run, Until};
use crate::machine::cores_line;
use crate::peers::{Connected, Peer, Plan};
use crate::table::{Row, Samples, Table, Values};

const MESSAGES: u64 = 100_000;
const WINDOW: u64 = 1_000;
const PLAN: Plan = Plan { publishers: 1, receivers: 100, text_bytes: 100, are_same: false };
const PEERS: [Peer; 2] = [Peer::Groupcast, Peer::GroupcastAcks];
const CPU: &str = "ns CPU";
const ELAPSED: &str = "ns elapsed";

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let Plan { receivers, text_bytes, .. } = PLAN;
    let about = format!(
        "{MESSAGES} messages of {text_bytes} B to {receivers} receivers, {WINDOW} without a reply \
         at once; {}. Values for a delivery",
        cores_line(setup.programs.cores)
    );
    let rows = PEERS.map(|peer| Row::new(peer.name())).into();
    let mut table = Table { title: "fan-out".to_owned(), about, rows };
    table.measure(setup.rounds, &mut |index| {
        round(setup, PEERS.get(index).copied().unwrap_or(Peer::Groupcast))
    });
    if let Some(fault) = table.rows.iter().find_map(|row| row.fault.clone()) {
        bail!(fault);
    }
    report.print("least / median / greatest value of the rounds:");
    for row in &table.rows {
        for column in [CPU, ELAPSED] {
            let samples = row.samples(column).unwrap_or_default();
            report.value(&format!("{}: {column}", row.name), spread(&samples, 1));
        }
    }
    Ok(())
}

fn round(setup: &Setup, peer: Peer) -> Result<Values> {
    let Connected { server, mut clients } = peer.connect(&setup.programs, PLAN)?;
    let before = server.usage()?;
    let run = clients.run(Pace::Unanswered(WINDOW), Until::Messages(MESSAGES))?;
    let after = server.usage()?;
    clients.settle()?;
    server.stop()?;
    let Run { deliveries, elapsed, .. } = run;
    let cpu = after.cpu_ns_since(&before) as f64 / deliveries as f64;
    Ok(vec![(CPU, cpu), (ELAPSED, elapsed.as_secs_f64() * 1e9 / deliveries as f64)])
}

/// Least, median and greatest value.
pub(super) fn spread(samples: &Samples, decimals: usize) -> String {
    let [least, median, most] = [0.0, 0.5, 1.0].map(|share| samples.quantile(share));
    format!("{least:.decimals$} / {median:.decimals$} / {most:.decimals$}")
}
