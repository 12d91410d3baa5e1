//! Security of the connections: plain TCP, or TLS with the keys file. Without the feature `tls`
//! there is plain TCP alone.
//!
//! ```text
//!   command socket       TLS client   trusts the keys, or the CA and the name, of the keys file
//!   accepted connection  TLS server   trusts the same keys, or the key of the last command socket
//! ```

#[cfg(feature = "tls")]
mod keys_file;
#[cfg(feature = "tls")]
mod tls;

use std::error::Error;
use std::io;
#[cfg(feature = "tls")]
use std::rc::Rc;

use crate::config::ParticipantConfig;
use crate::net::Connection;
use crate::protocol::KeyName;
use crate::session::JoinCredentials;
use crate::time::UnixMillis;
#[cfg(feature = "tls")]
use tls::TlsSecurity;

/// Security of all connections of a participant. The parts share it.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerSecurity {
    /// `None`: plain TCP.
    #[cfg(feature = "tls")]
    tls: Option<Rc<TlsSecurity>>,
}

/// A keys file that is open, and what the session and the user learn of it.
#[derive(Debug, Default)]
pub(super) struct OpenedSecurity {
    pub(super) security: PeerSecurity,
    pub(super) credentials: JoinCredentials,
    /// Lines for the user.
    pub(super) notes: Vec<String>,
}

/// Reason for which a keys file is not used. No text of the file is in it.
pub(super) type UnusableKeys = Box<dyn Error>;

/// An accepted connection that is not the coordinator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UntrustedPeer {
    /// The key that the peer has shown; `None` before the end of the handshake.
    pub(super) key: Option<KeyName>,
    pub(super) reason: String,
}

impl PeerSecurity {
    /// Opens the keys file of a config. At the first start this makes the own key.
    pub(super) fn open(config: &ParticipantConfig) -> Result<OpenedSecurity, UnusableKeys> {
        #[cfg(feature = "tls")]
        if let Some(path) = &config.keys {
            return TlsSecurity::open(path).map_err(Box::from);
        }
        let _ = config; // Without TLS it names no keys file.
        Ok(OpenedSecurity::default())
    }

    /// Checks the keys file of a config, and makes nothing. Describes the file.
    pub(super) fn inspect(config: &ParticipantConfig) -> Result<Option<String>, UnusableKeys> {
        #[cfg(feature = "tls")]
        if let Some(path) = &config.keys {
            return tls::inspect(path).map(Some).map_err(Box::from);
        }
        let _ = config;
        Ok(None)
    }

    /// Trusts coordinators with these keys, for tests.
    #[cfg(all(test, feature = "tls"))]
    pub(super) fn trusting(
        keys: &[KeyName],
        own: &super::testing::TestKey,
    ) -> Result<Self, keys_file::KeysFileError> {
        let trust = crate::config::CoordinatorTrust::Keys(keys.to_vec());
        let tls = TlsSecurity::new("test.keys".as_ref(), trust, &own.identity())?;
        Ok(Self { tls: Some(Rc::new(tls)) })
    }

    /// Sets the time at which certificates of a CA are checked.
    pub(super) fn set_time(&self, now: impl FnOnce() -> UnixMillis) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.set_time(now());
        }
        let _ = now;
    }

    /// Prepares a connection to the coordinator.
    pub(super) fn client(&self, connection: Connection) -> io::Result<Connection> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.client(connection);
        }
        Ok(connection)
    }

    /// Prepares a connection to the listener.
    pub(super) fn server(&self, connection: Connection) -> io::Result<Connection> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.server(connection);
        }
        Ok(connection)
    }

    /// Returns true if an accepted connection begins with a handshake.
    pub(super) fn has_handshakes(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// A connection to the coordinator is established: its key is the coordinator's.
    pub(super) fn on_connected(&self, connection: &mut Connection) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.on_connected(connection);
        }
        let _ = connection;
    }

    /// Continues the handshake of an accepted connection. Returns true if it is done and the peer
    /// is the coordinator, as far as its key tells.
    pub(super) fn accept(&self, connection: &mut Connection) -> Result<bool, UntrustedPeer> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.accept(connection);
        }
        let _ = connection;
        Ok(true)
    }

    /// Sends the end of a connection that is closed. A peer that gets no end must assume that lines
    /// are missing. Half a line has no such end.
    pub(super) fn end(connection: &mut Connection) {
        #[cfg(feature = "tls")]
        tls::end(connection);
        #[cfg(not(feature = "tls"))]
        let _ = connection;
    }

    /// Explains to the user the error of a connection to the coordinator.
    pub(super) fn explain(&self, error: &io::Error) -> String {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.explain(error);
        }
        error.to_string()
    }

    /// Explains a coordinator that does not answer in time.
    pub(super) fn explain_silence(&self, connection: &Connection) -> &'static str {
        // The handshake of TCP is over once the socket is writable.
        match self.has_handshakes() && connection.is_writable() {
            true => "no answer to the TLS handshake; a coordinator without TLS gives none",
            false => "no answer",
        }
    }
}
