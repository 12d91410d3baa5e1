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

mod access_file;
mod cli;
mod coordinator;
mod coordinator_file;
mod endpoint;
mod endpoints;
mod error;
mod http_token;
mod invitation;
mod key;
mod keys_files;
mod lines;
mod participant;
mod participant_lines;
mod peer_timeouts;
mod pem;
mod program;
mod reach;
mod related_keys;
mod reload;
#[cfg(feature = "engine")]
mod site_keys;
mod stderr;
mod value;
mod write_line;

pub use access_file::{AccessFile, PossibleProofs};
#[cfg(feature = "engine")]
pub use cli::SiteTask;
pub use cli::{
    CoordinatorRun, CoordinatorTask, Invocation, Membership, ParticipantOptions, ParticipantRun,
    ScriptOptions, StoreOptions, task_or_exit,
};
pub use coordinator::{
    CoordinatorConfig, CountLimits, HttpConfig, PresenceConfig, SecurityConfig, StorageConfig,
    Timeouts,
};
pub use coordinator_file::ConfigSource;
pub use endpoint::{Endpoint, Host};
pub use endpoints::Endpoints;
pub use error::{ConfigError, FoundValue, Location};
pub use http_token::load_http_token;
pub use invitation::Invitation;
pub use keys_files::{CoordinatorKeys, CoordinatorTrust, ParticipantKeys, load_ca};
pub use lines::{Fifos, check_private, stands_in_a_line};
pub use participant::{COORDINATOR_VARIABLE, ParticipantConfig};
pub use peer_timeouts::PeerTimeouts;
pub use pem::SecretPem;
pub use program::Program;
pub use reach::{AdvertisedAddress, Reach};
pub use reload::{ConfigChange, SettingChange};
#[cfg(feature = "engine")]
pub use site_keys::{EngineConfig, load_credentials};
pub use stderr::{report_failure, stderr_is_journal};
pub use write_line::{StandardStream, write_line};
