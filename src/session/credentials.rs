//! Credentials of a participant that speaks TLS.

use crate::protocol::{KeyName, Secret};

/// Own key and secret of a participant. Without TLS there is neither.
#[derive(Clone, Copy, Debug, Default)]
pub struct JoinCredentials {
    /// Name of the own key, which the connections show.
    pub key: Option<KeyName>,
    /// Secret of an invitation, for `register`.
    pub secret: Option<Secret>,
}
