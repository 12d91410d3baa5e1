//! The own certificate and its private key.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::verifiers::key_name;
use crate::limits::tls::CERTIFICATE_BYTES_MAX;
use crate::protocol::KeyName;

/// The own certificate, the certificates of its chain, and its private key.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    pub(super) certificate: Arc<SingleCertAndKey>,
    key_name: KeyName,
}

/// Reason for which PEM text is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityFault {
    /// The text is not PEM.
    BadPem,
    /// A certificate is missing.
    NoCertificate,
    /// A certificate cannot be read.
    BadCertificate,
    /// The certificates are longer than [`CERTIFICATE_BYTES_MAX`].
    CertificatesTooLong,
    /// The private key is missing.
    NoKey,
    /// There is more than one private key.
    SecondKey,
    /// The private key cannot be read, or is of a kind that is not used.
    BadKey,
    /// The private key belongs to another certificate.
    KeyOfAnother,
}

impl fmt::Display for IdentityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPem => f.write_str("the PEM text is broken"),
            Self::NoCertificate => f.write_str("a certificate is missing"),
            Self::BadCertificate => f.write_str("a certificate is not readable"),
            Self::CertificatesTooLong => {
                write!(f, "the certificates are longer than {CERTIFICATE_BYTES_MAX} bytes")
            }
            Self::NoKey => f.write_str("the private key is missing"),
            Self::SecondKey => f.write_str("there is more than one private key"),
            Self::BadKey => f.write_str(
                "the private key is not readable, or of a kind that is not used; expected ECDSA \
                 P-256, P-384, Ed25519 or RSA",
            ),
            Self::KeyOfAnother => f.write_str("the private key is not the one of the certificate"),
        }
    }
}

impl std::error::Error for IdentityFault {}

impl TlsIdentity {
    /// Reads certificates, the own one first, and one private key from PEM text.
    ///
    /// # Errors
    ///
    /// The fault of the text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IdentityFault> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|_| IdentityFault::BadPem)?;
        let own = certificates.first().ok_or(IdentityFault::NoCertificate)?;
        let key_name = key_name(own).map_err(|_| IdentityFault::BadCertificate)?;
        if certificates.iter().map(|der| der.len()).sum::<usize>() > CERTIFICATE_BYTES_MAX {
            return Err(IdentityFault::CertificatesTooLong);
        }
        let mut keys = PrivateKeyDer::pem_slice_iter(pem);
        let key = keys.next().ok_or(IdentityFault::NoKey)?.map_err(|_| IdentityFault::BadPem)?;
        if keys.next().is_some() {
            return Err(IdentityFault::SecondKey);
        }
        let key = any_supported_type(&key).map_err(|_| IdentityFault::BadKey)?;
        let certified = CertifiedKey::new(certificates, key);
        certified.keys_match().map_err(|_| IdentityFault::KeyOfAnother)?;
        Ok(Self { certificate: Arc::new(certified.into()), key_name })
    }

    /// Returns the name of the own key.
    #[must_use]
    pub fn key_name(&self) -> KeyName {
        self.key_name
    }
}
