//! Many members at once, under load, verified while it is measured.
//!
//! ```text
//!   Plan ─▶ run ─▶ Driver: publishing, churn ─▶ Team ─┬─ Crowd: Members, all sockets on one poll
//!                     │                               └─ Processes: real participants, by their
//!                     ▼                                  prompts and message logs
//!                    Book: Verifier (what is right), Measure (how fast) ─▶ Outcome ─▶ SVG
//! ```

pub mod arguments;
mod churn;
mod lightweight;
mod lightweight_members;
mod member;
mod members;
mod metrics;
pub mod outcome;
mod pacer;
mod participant;
pub mod plan;
pub mod plot;
mod processes;
pub mod progress;
mod random;
mod recorder;
pub mod run;
pub mod sweep;
mod syscalls;
mod timer;
mod verifier;
mod workload;
