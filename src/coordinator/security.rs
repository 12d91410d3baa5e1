//! Files about who may use the group: loaded together, at the start, by `--check` and by SIGHUP.

use crate::config::{ConfigError, SecurityConfig};
use crate::protocol::KeyName;

#[cfg(feature = "tls")]
use super::tls::TlsFiles;

/// Contents of all files, checked. A fault in one of them is a fault of all.
#[derive(Clone, Debug)]
pub(super) struct Security {
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsFiles>,
}

impl Security {
    /// Loads the files.
    ///
    /// # Errors
    ///
    /// The first fault.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unnecessary_wraps, reason = "only TLS has files that can be wrong")
    )]
    pub(super) fn load(config: &SecurityConfig) -> Result<Self, ConfigError> {
        #[cfg(not(feature = "tls"))]
        let _ = config;
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: TlsFiles::load(config)?,
        })
    }

    /// Returns the name of the coordinator's own key, with TLS.
    pub(super) fn key(&self) -> Option<KeyName> {
        #[cfg(feature = "tls")]
        let key = self.tls.as_ref().map(TlsFiles::key);
        #[cfg(not(feature = "tls"))]
        let key = None;
        key
    }
}
