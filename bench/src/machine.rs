//! The machine and the versions that were measured, for the head of a document.

use std::fs;
use std::process::Command;

use procfs::prelude::*;
use procfs::{CpuInfo, LoadAverage, Meminfo};

use crate::cli;
use crate::cores::Cores;
use crate::peers::Peer;

/// Describes the machine and the versions of some peers, a line each.
pub(crate) fn describe(cores: Option<Cores>, peers: &[Peer]) -> Vec<String> {
    describe_with(cores_line(cores), peers)
}

/// The same, where the servers and the clients share all cores.
pub(crate) fn describe_shared(peers: &[Peer]) -> Vec<String> {
    describe_with("all servers and the clients share the cores".to_owned(), peers)
}

fn describe_with(cores: String, peers: &[Peer]) -> Vec<String> {
    let model = CpuInfo::current().ok();
    let model = model.as_ref().and_then(|info| info.model_name(0)).unwrap_or("unknown");
    let memory = Meminfo::current().map_or(0.0, |info| info.mem_total as f64 / 1e9);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut lines = vec![
        format!("processor: {model}, {cpus} cores may be used"),
        format!("memory: {memory:.1} GB; Linux {}", kernel.trim()),
        cores,
        format!("load average of the machine at the start (1, 5, 15 minutes): {}", load()),
    ];
    let revision = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    if let Some(revision) = revision.ok().filter(|output| output.status.success()) {
        let revision = String::from_utf8_lossy(&revision.stdout);
        lines.push(format!("groupcast at revision {}", revision.trim()));
    }
    for peer in peers {
        let name = peer.name();
        let software = name.split([',', ' ']).next().unwrap_or_default();
        lines.push(match peer.version() {
            Some(version) => format!("{software} {version}"),
            None => format!("{name}: {}", peer.not_installed()),
        });
    }
    lines
}

/// The head of a document that `make <make>` writes by `bench <make> ...`.
pub(crate) fn head(title: &str, make: &str, lines: &[String]) -> String {
    let (command, load) = (cli::command_line(), load());
    let lines: String = lines.iter().map(|line| format!("- {line}\n")).collect();
    format!(
        "# {title}\n\nWritten by `make {make}` (`{command}`). Changes by hand are lost.\n\
         How to read it: [README](README.md#how-to-read-values).\n\n\
         {lines}- load average at the end: {load}\n"
    )
}

pub(crate) fn cores_line(cores: Option<Cores>) -> String {
    match cores {
        Some(Cores { own, server }) => {
            format!("server alone on core {server}, clients on core {own}")
        }
        None => "one core only: the server and the clients share it".to_owned(),
    }
}

fn load() -> String {
    LoadAverage::current().map_or("unknown".to_owned(), |load| {
        format!("{}, {}, {}", load.one, load.five, load.fifteen)
    })
}
