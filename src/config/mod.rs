//! Parses and checks the command line and the config file of both programs.
//!
//! ```text
//!   arguments ──▶ options as written ─┐
//!                                     ├──▶ a valid config, or one ConfigError
//!   file ──▶ lines ──▶ keys as written ┘
//! ```
//!
//! An option wins over the same key in the file. An invalid value in the file is an error even if
//! an option replaces it: a config file is either valid or not.

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
    CoordinatorRun, CoordinatorTask, Invocation, Membership, ParticipantOptions, ParticipantRun,
    ScriptOptions, StoreOptions, task_or_exit,
};
pub use coordinator::{CoordinatorConfig, CountLimits, PresenceConfig, Timeouts};
pub use endpoint::{Endpoint, Host};
pub use error::{ConfigError, FoundValue, Location};
pub use participant::{COORDINATOR_VARIABLE, ParticipantConfig};
pub use stderr::{report_failure, stderr_is_journal};
pub use write_line::{StandardStream, write_line};
