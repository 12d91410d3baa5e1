//! TLS of the coordinator: its own key, the CA of its clients, and the credentials of a connection.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::access::{CaCheck, CertificateChain, Credentials};
use crate::config::{ConfigError, CoordinatorKeys, Fifos, SecurityConfig, load_ca};
use crate::net::Connection;
use crate::net::tls::{
    CaRoots, Certified, ChainFault, ClientSide, IdentityFault, ServerSide, TlsContext, TlsIdentity,
    Trust,
};
use crate::protocol::KeyName;
use crate::time::UnixMillis;

/// Contents of the files of `tls` and `ca`, checked.
#[derive(Clone, Debug)]
pub(super) struct TlsFiles {
    identity: TlsIdentity,
    roots: Option<CaRoots>,
}

/// Both sides of TLS connections: with clients, and with the listeners of participants.
#[derive(Debug)]
pub(super) struct TlsSides {
    server: ServerSide,
    client: ClientSide,
    roots: Option<CaRoots>,
}

impl TlsFiles {
    /// Loads the files. Returns `None` without `tls`.
    pub(super) fn load(config: &SecurityConfig, fifos: Fifos) -> Result<Option<Self>, ConfigError> {
        let Some(path) = &config.tls else { return Ok(None) };
        let unusable = |path: &Path, fault: IdentityFault| ConfigError::Unusable {
            path: path.to_owned(),
            reason: fault.to_string(),
        };
        let pem = CoordinatorKeys::load(path, fifos)?.pem;
        let identity = TlsIdentity::from_pem(pem.reveal().as_bytes());
        let identity = identity.map_err(|fault| unusable(path, fault))?;
        let roots = config.ca.as_deref().map(|path| {
            let roots = CaRoots::from_pem(&load_ca(path, fifos)?);
            roots.map_err(|fault| unusable(path, fault))
        });
        Ok(Some(Self { identity, roots: roots.transpose()? }))
    }

    /// Returns the name of the coordinator's key.
    pub(super) fn key(&self) -> KeyName {
        self.identity.key_name()
    }
}

impl TlsSides {
    /// Prepares both sides.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    pub(super) fn new(files: TlsFiles) -> io::Result<Self> {
        let TlsFiles { identity, roots } = files;
        let context = TlsContext::new();
        Ok(Self {
            server: context.server(&identity)?,
            client: context.client(&identity, Trust::AnyKey)?,
            roots,
        })
    }

    /// Begins the handshake with a client.
    pub(super) fn accept(&self, connection: Connection) -> io::Result<Connection> {
        connection.tls_server(&self.server)
    }

    /// Begins the handshake with a participant's listener, which must show `key`.
    pub(super) fn connect(
        &self,
        connection: Connection,
        key: Option<KeyName>,
    ) -> io::Result<Connection> {
        // A client without a key cannot ask for a connect-back.
        let key = key.ok_or(ErrorKind::PermissionDenied)?;
        connection.tls_client(&self.client.trusting(Trust::Keys(vec![key])))
    }

    /// Returns the credentials of a connection after its handshake.
    pub(super) fn credentials(&self, connection: &Connection, now: UnixMillis) -> Credentials {
        let Some(key) = connection.peer_key() else { return Credentials::NoCertificate };
        let Some(roots) = &self.roots else { return Credentials::of_key(key, CaCheck::Unknown) };
        let chain = CertificateChain::new(connection.peer_certificates());
        Credentials::Certificate { key, ca: check(roots, &chain, now), chain }
    }

    /// Checks the certificates of a client again. Returns the result if it is another one.
    pub(super) fn check_again(&self, shown: &Credentials, now: UnixMillis) -> Option<CaCheck> {
        let Credentials::Certificate { ca, chain, .. } = shown else { return None };
        let result = check(self.roots.as_ref()?, chain, now);
        (result != *ca).then_some(result)
    }

    /// Returns true if both trust the same CAs.
    pub(super) fn has_same_roots(&self, other: &Self) -> bool {
        self.roots == other.roots
    }
}

fn check(roots: &CaRoots, chain: &CertificateChain, now: UnixMillis) -> CaCheck {
    match roots.certify(chain.certificates(), now) {
        Ok(Certified { ids, until }) => CaCheck::Valid { names: ids.into(), until },
        Err(ChainFault::Expired | ChainFault::NotYetValid) => CaCheck::Expired,
        Err(
            ChainFault::Missing
            | ChainFault::UnknownIssuer
            | ChainFault::WrongName
            | ChainFault::WrongUsage
            | ChainFault::Invalid,
        ) => CaCheck::Unknown,
    }
}
