//! Measures a coordinator from outside: real processes, real sockets, the kernel's own accounts.
//!
//! ```text
//!   bench load        load ─► many members, churn, verified while measured; map in its mod.rs
//!   bench compare     cases ─► peers: the same work for all of them; results shows what came out
//!   bench cost        figures ─► Server (coordinator) ─► Usage: memory, CPU, wake-ups from /proc
//!      │
//!      ├─► CommandSocket, Door    setting up, one request at a time
//!      ├─► Publisher, Receiver    non-blocking ends, each checking what it gets
//!      ├─► Flood                  as many messages as the window allows
//!      └─► Exchange               messages at a rate, with their times under way
//!   bench durability  what safety on a disk costs, there and after a crash
//! ```
//!
//! One thread does all of this. It shares no code with the coordinator, so that a mistake made
//! there is not made here again. A run that loses, doubles or reorders anything fails; a missed
//! target is only printed, as times depend on the machine.

pub mod cases;
pub mod cli;
pub mod clock;
pub mod command;
pub mod compare;
pub mod coordinator;
pub mod cores;
pub mod cost;
pub mod durability;
pub mod exchange;
pub mod failure;
pub mod figures;
pub mod flood;
pub mod load;
pub mod peers;
pub mod process;
pub mod publisher;
pub mod receiver;
pub mod redis;
pub mod report;
pub mod results;
pub mod stream;
pub mod texts;

pub use cli::run;

use std::process::ExitCode;

use getopts::{Matches, Options};

/// A subcommand of the program.
#[derive(Debug)]
pub struct Subcommand {
    /// Word on the command line.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Further lines for `--help`: exit codes.
    pub details: &'static str,
    /// A subcommand that the program runs itself is not listed.
    pub is_hidden: bool,
    /// Its options.
    pub options: fn() -> Options,
    /// Does the work.
    pub run: fn(&Matches) -> Result<ExitCode, cli::Stop>,
}

const SUBCOMMANDS: [Subcommand; 5] = [
    load::sweep::SUBCOMMAND,
    compare::SUBCOMMAND,
    cost::SUBCOMMAND,
    durability::SUBCOMMAND,
    peers::floor_server::SUBCOMMAND,
];
