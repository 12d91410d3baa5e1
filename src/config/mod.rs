//! What both programs are asked to do: command line and config file, checked before anything runs.
//!
//! ```text
//!   arguments ──▶ options as written ─┐
//!                                     ├──▶ a valid config, or one Fault that says what was wrong
//!   file ──▶ lines ──▶ keys as written ┘
//! ```
//!
//! An option wins over the same key in the file. A value that breaks a rule is an error wherever it
//! stands, also where an option replaces it: a config file is either right or not.

mod cli;
mod coordinator;
mod coordinator_file;
mod endpoint;
mod error;
mod key;
mod lines;
mod participant;
mod stderr;
mod value;
mod write_line;

pub use cli::{
    CoordinatorRun, CoordinatorTask, Invocation, ParticipantOptions, ParticipantRun, task_or_exit,
};
pub use coordinator::CoordinatorConfig;
pub use endpoint::{Endpoint, Host};
pub use error::{ConfigError, FoundValue, Location};
pub use participant::ParticipantConfig;
pub use stderr::{report_failure, stderr_is_journal};
pub use write_line::{StandardStream, write_line};
