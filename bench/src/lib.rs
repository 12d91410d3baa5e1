//! Measures a coordinator from outside: real processes, real sockets, the kernel's own accounts.
//!
//! ```text
//!   figures ─► Server (coordinator, redis-server) ─► Usage: memory, CPU, wake-ups from /proc
//!      │
//!      ├─► CommandSocket, Door    setting up, one request at a time
//!      ├─► Publisher, Receiver    non-blocking ends, each checking what it gets
//!      ├─► Flood                  as many messages as the window allows
//!      └─► Exchange               messages at a rate, with their times under way
//!
//!   loadtest ─► load              many members, churn, verified while measured; map in its mod.rs
//!   sidebyside ─► cases ─► peers  the same work for all of them; results shows what came out
//!   durability ─► durability      what safety on a disk costs, there and after a crash
//! ```
//!
//! One thread does all of this. It shares no code with the coordinator, so that a mistake made
//! there is not made here again. A run that loses, doubles or reorders anything fails; a missed
//! target is only printed, as times depend on the machine.

pub mod cases;
pub mod clock;
pub mod command;
pub mod coordinator;
pub mod cores;
pub mod durability;
pub mod exchange;
pub mod failure;
pub mod figures;
pub mod flood;
pub mod load;
pub mod peers;
pub mod process;
pub mod program;
pub mod publisher;
pub mod receiver;
pub mod redis;
pub mod report;
pub mod results;
pub mod stream;
pub mod texts;
