//! Identities: what a connection shows about its client.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::protocol::{KeyName, PeerName, SecretName};
use crate::time::UnixMillis;

/// Identity of the client that sends a request.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Address that the connection comes from, as the coordinator sees it.
    pub ip: IpAddr,
    /// Credentials of the connection.
    pub credentials: &'a Credentials,
    /// Name of the secret that a `register` brings.
    pub secret: Option<SecretName>,
}

/// Credentials of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The connection has no TLS.
    Plain,
    /// The client has shown no certificate in the handshake.
    NoCertificate,
    /// The client has shown a certificate, and has proved that it has the private key.
    Certificate {
        /// Name of the key.
        key: KeyName,
        /// Result of the check against the operator's CA.
        ca: CaCheck,
        /// The certificates, for a check against another CA.
        chain: CertificateChain,
    },
}

/// Certificates of a client in DER, its own one first. Empty if the coordinator has no `ca`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CertificateChain(Arc<[Box<[u8]>]>);

/// Result of the check of a certificate against the operator's CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaCheck {
    /// The certificate is not of the operator's CA, or the coordinator has no `ca`.
    Unknown,
    /// The certificate is of the operator's CA, but its dates do not include the present time.
    Expired,
    /// The certificate is of the operator's CA, and valid.
    Valid {
        /// Ids that the certificate names: `DNS:<id>` or `URI:groupcast:<id>`.
        names: Box<[String]>,
        /// First time at which the certificate, or another one of its chain, is no longer valid.
        until: UnixMillis,
    },
}

impl CertificateChain {
    /// Keeps certificates, the own one of the client first.
    pub fn new<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(certificates.map(Box::from).collect())
    }

    /// Returns the certificates.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|certificate| &**certificate)
    }
}

/// Names in certificates are never printed.
impl fmt::Debug for CertificateChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.0.len())
    }
}

impl Credentials {
    /// Returns the credentials of a key, without the certificates that showed it.
    #[must_use]
    pub fn of_key(key: KeyName, ca: CaCheck) -> Self {
        Self::Certificate { key, ca, chain: CertificateChain::default() }
    }

    /// Returns the key that the connection shows.
    #[must_use]
    pub const fn key(&self) -> Option<KeyName> {
        match self {
            Self::Certificate { key, .. } => Some(*key),
            Self::Plain | Self::NoCertificate => None,
        }
    }

    /// Returns the first time at which the certificate no longer counts; `None` if no CA vouches
    /// for the client.
    #[must_use]
    pub const fn certified_until(&self) -> Option<UnixMillis> {
        match self {
            Self::Certificate { ca: CaCheck::Valid { until, .. }, .. } => Some(*until),
            Self::Certificate { ca: CaCheck::Unknown | CaCheck::Expired, .. }
            | Self::Plain
            | Self::NoCertificate => None,
        }
    }

    /// Replaces the result of the check against the operator's CA.
    pub fn check_again(&mut self, result: CaCheck) {
        if let Self::Certificate { ca, .. } = self {
            *ca = result;
        }
    }

    /// The certificate is no longer valid. The key stays.
    pub fn expire(&mut self) {
        if self.certified_until().is_some() {
            self.check_again(CaCheck::Expired);
        }
    }
}

impl Identity<'_> {
    /// Returns the key that the connection shows.
    #[must_use]
    pub const fn key(&self) -> Option<KeyName> {
        self.credentials.key()
    }

    /// Returns the owner of the ids that this client registers: its key, or its address without
    /// TLS. `None` with TLS and without a certificate: such a client cannot register.
    #[must_use]
    pub fn owner(&self) -> Option<PeerName> {
        match *self.credentials {
            Credentials::Certificate { key, .. } => Some(PeerName::Key(key)),
            Credentials::Plain => Some(PeerName::Address(self.ip.to_canonical())),
            Credentials::NoCertificate => None,
        }
    }

    /// Returns the name of the client, for errors.
    #[must_use]
    pub fn peer_name(&self) -> PeerName {
        self.owner().unwrap_or(PeerName::Address(self.ip.to_canonical()))
    }

    /// Returns true if an id with this owner belongs to the client.
    ///
    /// An id that was registered without TLS belongs to its address. A client with a key at this
    /// address may go on with the id, and owns it from then on.
    pub(super) fn owns(&self, owner: PeerName) -> bool {
        match (owner, self.credentials) {
            (PeerName::Key(owner), Credentials::Certificate { key, .. }) => owner == *key,
            (PeerName::Address(ip), Credentials::Plain | Credentials::Certificate { .. }) => {
                ip.to_canonical() == self.ip.to_canonical()
            }
            (PeerName::Key(_), Credentials::Plain) | (_, Credentials::NoCertificate) => false,
        }
    }

    /// Returns true if the operator's CA vouches for the client as `name`.
    pub(super) fn is_certified_as(&self, name: &str) -> bool {
        match self.credentials {
            Credentials::Certificate { ca: CaCheck::Valid { names, .. }, .. } => {
                names.iter().any(|known| known == name)
            }
            Credentials::Certificate { ca: CaCheck::Unknown | CaCheck::Expired, .. }
            | Credentials::Plain
            | Credentials::NoCertificate => false,
        }
    }
}
