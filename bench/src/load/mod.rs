//! Many members at once, under load, verified while it is measured.
//!
//! ```text
//!   Plan ─▶ run ─▶ Driver: publishing, churn ─▶ Team ─┬─ Crowd: Members, all sockets on one poll
//!                     │                               └─ Processes: real participants, by their
//!                     ▼                                  prompts and message logs
//!                    Book: Verifier (what is right), Measure (how fast) ─▶ Outcome ─▶ SVG
//! ```

mod book;
pub mod call;
mod chance;
mod churn;
mod crowd;
mod crowd_team;
mod driver;
mod fault;
mod measure;
mod member;
pub mod outcome;
mod pacer;
mod participant;
pub mod plan;
pub mod plot;
mod processes;
mod records;
pub mod run;
mod settling;
mod source;
mod stamp;
pub mod sweep;
mod syscalls;
mod taker;
mod team;
mod timer;
mod verifier;
pub mod watch;
