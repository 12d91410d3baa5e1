//! Measures groupcast from outside: real processes, real sockets, the counters of the kernel.
//!
//! ```text
//!   bench load ───────► load          many members, churn; every delivery verified
//!   bench compare ────► cases ──┐     groupcast and its peers at the same work
//!   bench cost ───────► cost ───┼─► peers: Server ─► Usage: CPU, memory, wake-ups from /proc
//!   bench durability ─► ────────┤          Clients ─► Links with the Wire of the peer
//!   bench sites ──────► sites ──┘          Texts ─► every delivery verified
//!                           └──► table: rounds, ratios, targets ─► document, plot
//!   bench instructions ► instructions     user instructions of units of work, under callgrind
//! ```
//!
//! One thread drives all clients, each on a `Socket` that is plain or speaks TLS. The program
//! shares no code with the coordinator, so a mistake in the coordinator is not repeated here. A
//! round that loses, doubles, reorders or alters a message fails. A missed target is only reported,
//! because times depend on the machine.

mod cases;
mod cli;
mod clients;
mod clock;
mod command;
mod compare;
mod coordinator;
mod cores;
mod cost;
mod directory;
mod durability;
mod instructions;
mod link;
mod load;
mod machine;
mod peers;
mod plot;
mod process;
mod ranks;
mod sites;
mod socket;
mod stream;
mod table;
mod texts;
mod tls;
mod wire;

use std::env;
use std::process::ExitCode;

use getopts::{Matches, Options};

#[derive(Debug)]
pub(crate) struct Subcommand {
    name: &'static str,
    /// One line for `--help`.
    about: &'static str,
    /// Further lines for `--help`.
    exit_codes: &'static str,
    /// A subcommand that the program runs itself is not listed.
    is_hidden: bool,
    options: fn() -> Options,
    run: fn(&Matches) -> anyhow::Result<ExitCode>,
}

const SUBCOMMANDS: [Subcommand; 7] = [
    load::sweep::SUBCOMMAND,
    compare::SUBCOMMAND,
    cost::SUBCOMMAND,
    durability::SUBCOMMAND,
    sites::SUBCOMMAND,
    instructions::SUBCOMMAND,
    peers::floor_server::SUBCOMMAND,
];

fn main() -> ExitCode {
    cli::run(env::args_os().skip(1))
}
