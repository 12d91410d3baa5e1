//! Reasons why the engine does not start.

use std::fmt;

/// A reason why a stream is not founded or opened, with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// The name of a group has other characters than letters, digits, `-` and `_`, or is too long.
    Group { name: String },
    /// The list of servers, the CA or the credentials cannot be used.
    Options { key: &'static str, reason: String },
    /// The monitor of a server does not tell the settings of the server.
    Monitor { url: String, reason: String },
    /// No server could be reached in time.
    Unreachable { reason: String },
    /// The servers refuse the credentials.
    Unauthorized { reason: String },
    /// A server was reached and did not answer or refused the question.
    Unanswered { question: &'static str, reason: String },
    /// The stream is to be created, and is there.
    Exists { stream: String },
    /// The stream is to be opened, and is not there.
    Missing { stream: String },
    /// A setting of the stream is another one.
    Setting { stream: String, setting: String, found: String, expected: String },
    /// A setting of a server is another one.
    Server { server: String, setting: &'static str, found: String, expected: String },
    /// A thread or its runtime could not be started.
    Thread { reason: String },
}

impl EngineError {
    pub(super) fn thread(reason: &dyn fmt::Display) -> Self {
        Self::Thread { reason: reason.to_string() }
    }

    /// Returns true if the config must be changed.
    #[must_use]
    pub const fn is_of_config(&self) -> bool {
        matches!(self, Self::Group { .. } | Self::Options { .. })
    }

    /// Returns true if the servers say that the stream is not there.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group { name } => write!(
                f,
                "group {name:?} is not 1 to 64 letters, digits, '-' and '_': choose another name"
            ),
            Self::Options { key, reason } => write!(f, "{key}: {reason}"),
            Self::Monitor { url, reason } => write!(f, "engine_monitor: {url}: {reason}"),
            Self::Unreachable { reason } => {
                write!(
                    f,
                    "no server of the engine can be reached: {reason}: check engine and engine_ca"
                )
            }
            Self::Unauthorized { reason } => {
                write!(f, "the engine refuses the credentials: {reason}: check engine_credentials")
            }
            Self::Unanswered { question, reason } => {
                let advice = if reason.contains("Permissions Violation") {
                    ": check group, and the rights of the user in the config of the servers"
                } else {
                    ""
                };
                write!(f, "the engine does not answer {question}: {reason}{advice}")
            }
            Self::Exists { stream } => write!(
                f,
                "stream {stream} exists: start a site without --found, or choose another group"
            ),
            Self::Missing { stream } => {
                write!(f, "stream {stream} does not exist: found it once with --found")
            }
            Self::Setting { stream, setting, found, expected } => write!(
                f,
                "stream {stream} has {setting} {found}, expected {expected}: it was not founded by \
                 groupcast, or was changed"
            ),
            Self::Server { server, setting, found, expected } => write!(
                f,
                "server {server} has {setting} {found}, expected {expected}: change its \
                 configuration"
            ),
            Self::Thread { reason } => write!(f, "the engine's thread cannot be started: {reason}"),
        }
    }
}

impl std::error::Error for EngineError {}
