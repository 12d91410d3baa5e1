//! What the numbers were measured on, and with.

use std::fs;
use std::process::Command;

use crate::cores::Cores;
use crate::peers::{PEERS, Peer};

/// A description, line by line.
#[derive(Clone, Debug)]
pub struct Machine {
    lines: Vec<String>,
}

impl Machine {
    /// What can be found out about this one, and about some peers.
    #[must_use]
    pub fn look(cores: Option<Cores>, peers: &[Peer]) -> Self {
        let model = line_of("/proc/cpuinfo", "model name").unwrap_or("unknown".to_owned());
        let memory = line_of("/proc/meminfo", "MemTotal").unwrap_or("unknown".to_owned());
        let kernel = first_line("/proc/sys/kernel/osrelease");
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut lines = vec![
            format!("processor: {model}, {cpus} cores may be used"),
            format!("memory: {memory}; Linux {kernel}"),
            match cores {
                Some(Cores { own, server }) => {
                    format!("server alone on core {server}, all clients on core {own}")
                }
                None => "one core only: server and clients take turns on it".to_owned(),
            },
            format!("load of the machine when it began (1, 5, 15 minutes): {}", load()),
        ];
        let revision = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
        if let Some(revision) = revision.ok().filter(|output| output.status.success()) {
            let revision = String::from_utf8_lossy(&revision.stdout);
            lines.push(format!("groupcast at revision {}", revision.trim()));
        }
        for peer in peers {
            let name = peer.name().split(',').next().unwrap_or_default();
            lines.push(match peer.version() {
                Some(version) => format!("{name} {version}"),
                None => format!("{name}: NOT INSTALLED, not measured (`make bench-peers`)"),
            });
        }
        Self { lines }
    }

    /// Notes the load again.
    pub fn look_again(&mut self) {
        self.lines.insert(4.min(self.lines.len()), format!("when it ended: {}", load()));
    }

    /// Says one thing more.
    pub fn add(&mut self, line: String) {
        self.lines.push(line);
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Who is not installed.
    #[must_use]
    pub fn missing() -> Vec<Peer> {
        PEERS.into_iter().filter(|peer| peer.version().is_none()).collect()
    }
}

fn load() -> String {
    let load = first_line("/proc/loadavg");
    load.split_whitespace().take(3).collect::<Vec<_>>().join(", ")
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
