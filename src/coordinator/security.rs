//! Files about who may use the group: loaded together, at the start, by `--check` and by SIGHUP.

use std::sync::Arc;

use crate::access::AccessTable;
use crate::config::{AccessFile, ConfigError, Fifos, PossibleProofs, SecurityConfig};
use crate::group::{AccessRules, Sha256};
use crate::protocol::KeyName;
use crate::text::Counted;

#[cfg(feature = "tls")]
use super::tls::TlsFiles;

/// Contents of all files, checked. A fault in one of them is a fault of all.
#[derive(Clone, Debug)]
pub(super) struct Security {
    pub(super) access: Option<AccessFile>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsFiles>,
}

impl Security {
    /// Loads the files.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub(super) fn load(config: &SecurityConfig, fifos: Fifos) -> Result<Self, ConfigError> {
        let possible = PossibleProofs::of(config);
        let access = config.access.as_deref().map(|path| AccessFile::load(path, possible, fifos));
        Ok(Self {
            access: access.transpose()?,
            #[cfg(feature = "tls")]
            tls: TlsFiles::load(config, fifos)?,
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

    /// Returns the table of the access file.
    pub(super) fn access_table(&self) -> Option<Arc<AccessTable>> {
        self.access.as_ref().map(|file| Arc::new(file.clone().into_table()))
    }

    /// Returns the access rules of a new group.
    pub(super) fn access_rules(&self) -> Option<AccessRules> {
        #[cfg(feature = "tls")]
        let sha256: Option<Sha256> = Some(crate::net::tls::sha256);
        #[cfg(not(feature = "tls"))]
        let sha256: Option<Sha256> = None;
        self.access_table().map(|table| AccessRules { table, sha256 })
    }

    /// Returns words for people, as `no TLS, access.txt with 31 lines`.
    pub(super) fn summary(&self, config: &SecurityConfig) -> String {
        let transport = match self.key() {
            Some(key) => format!("TLS, key {key}"),
            None => "no TLS".to_owned(),
        };
        match (&self.access, &config.access) {
            (Some(file), Some(path)) => {
                let lines = Counted(file.rules.len(), "line", "lines");
                format!("{transport}, {} with {lines}", path.display())
            }
            _ if self.key().is_some() => transport,
            _ => "no TLS: whoever reaches this port can read and send".to_owned(),
        }
    }
}
