//! Many members under load, verified while latency and cost are measured.
//!
//! ```text
//!   Plan ─▶ run ─▶ Workload: publishing, churn ─▶ Members ─┬─ sockets of lightweight members
//!                     │                                    └─ participants: prompts, message logs
//!                     ▼
//!             Recorder: Verifier (correct?), Metrics (how fast?) ─▶ Outcome ─▶ text, JSON, SVG
//! ```

mod arguments;
mod churn;
mod connect_back;
mod here;
mod member;
mod members;
mod message_socket;
mod metrics;
mod outcome;
mod pacer;
mod participants;
mod plan;
mod plot;
mod progress;
mod recorder;
mod run;
pub(crate) mod sweep;
mod syscalls;
mod timer;
mod verifier;
mod workload;
