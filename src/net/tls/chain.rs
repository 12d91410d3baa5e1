//! Certificate chains: from a CA of the configuration to the certificate of a peer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::identity::IdentityFault;
use super::verifiers::CHAIN_ALGORITHMS;
use crate::time::UnixMillis;

/// Prefix of an id in a URI of a certificate.
const ID_URI: &str = "groupcast:";

/// Most further certificates that a peer may show beside its own one. webpki tries them in every
/// order, so that the work grows with their factorial.
const CAS_BETWEEN_MAX: usize = 4;

/// Certificates of the CAs that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaRoots(Arc<[TrustAnchor<'static>]>);

/// Statements of a CA about a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Ids in the certificate: the entries `DNS:<id>` and `URI:groupcast:<id>` of its SAN.
    pub ids: Vec<String>,
    /// First time at which the certificate, or another one of its chain, is no longer valid.
    pub until: UnixMillis,
}

/// Reason for which a chain is not valid. The names of a certificate are never in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// The peer showed no certificate.
    Missing,
    /// A certificate of the chain has expired.
    Expired,
    /// A certificate of the chain is not valid yet.
    NotYetValid,
    /// No chain leads to a CA.
    UnknownIssuer,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is for another use.
    WrongUsage,
    /// A certificate is broken, or of a kind that is not used.
    Invalid,
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is none",
            Self::Expired => "it has expired",
            Self::NotYetValid => "it is not valid yet",
            Self::UnknownIssuer => "no known CA signed it",
            Self::WrongName => "it is for another name",
            Self::WrongUsage => "it is for another use",
            Self::Invalid => "it is not readable, or of a kind that is not used",
        })
    }
}

impl std::error::Error for ChainFault {}

impl From<Error> for ChainFault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "60 kinds of unreadable certificates")]
    fn from(error: Error) -> Self {
        match error {
            Error::CertExpired { .. } => Self::Expired,
            Error::CertNotValidYet { .. } => Self::NotYetValid,
            Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => Self::UnknownIssuer,
            Error::CertNotValidForName(_) => Self::WrongName,
            Error::RequiredEkuNotFoundContext(_) | Error::CaUsedAsEndEntity => Self::WrongUsage,
            _ => Self::Invalid,
        }
    }
}

impl CaRoots {
    /// Reads the certificates of CAs from PEM text.
    ///
    /// # Errors
    ///
    /// The text holds no certificate, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IdentityFault> {
        let mut anchors = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| IdentityFault::BadPem)?;
            let anchor = anchor_from_trusted_cert(&certificate);
            anchors.push(anchor.map_err(|_| IdentityFault::BadCertificate)?.to_owned());
        }
        if anchors.is_empty() {
            return Err(IdentityFault::NoCertificate);
        }
        Ok(Self(anchors.into()))
    }

    /// Checks the certificates of a TLS client at the time `now`, its own one first.
    ///
    /// # Errors
    ///
    /// The fault of the chain.
    pub fn certify<'a>(
        &self,
        certificates: impl Iterator<Item = &'a [u8]>,
        now: UnixMillis,
    ) -> Result<Certified, ChainFault> {
        let chain: Vec<CertificateDer<'_>> = certificates.map(CertificateDer::from).collect();
        let (end, rest) = split(&chain)?;
        let check = |now| self.verify(&end, rest, KeyUsage::client_auth(), now);
        check(unix_time(now))?;
        // After the end of all times the certificate itself has expired, and webpki says when.
        let Err(Error::CertExpired { mut not_after, .. }) = check(unix_seconds(u64::MAX)) else {
            return Err(ChainFault::Invalid);
        };
        // A CA in between may end earlier.
        for _ in rest {
            match check(not_after) {
                Err(Error::CertExpired { not_after: earlier, .. }) => not_after = earlier,
                Ok(()) | Err(_) => break,
            }
        }
        let uris = end.valid_uri_names().filter_map(|uri| uri.strip_prefix(ID_URI));
        let ids = end.valid_dns_names().chain(uris).map(str::to_owned).collect();
        // The certificate is valid in all of its last second.
        let until = UnixMillis(not_after.as_secs().saturating_add(1).saturating_mul(1000));
        Ok(Certified { ids, until })
    }

    /// Checks the chain of a TLS server that must have `name`.
    pub(super) fn check_server(
        &self,
        (end, rest): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), ChainFault> {
        check_count(rest)?;
        let end = EndEntityCert::try_from(end)?;
        self.verify(&end, rest, KeyUsage::server_auth(), now)?;
        Ok(end.verify_is_valid_for_subject_name(name)?)
    }

    fn verify(
        &self,
        end: &EndEntityCert<'_>,
        rest: &[CertificateDer<'_>],
        usage: KeyUsage,
        now: UnixTime,
    ) -> Result<(), Error> {
        end.verify_for_usage(CHAIN_ALGORITHMS, &self.0, rest, now, usage, None, None).map(drop)
    }
}

fn split<'a, 'c>(
    chain: &'a [CertificateDer<'c>],
) -> Result<(EndEntityCert<'a>, &'a [CertificateDer<'c>]), ChainFault> {
    let (end, rest) = chain.split_first().ok_or(ChainFault::Missing)?;
    check_count(rest)?;
    Ok((EndEntityCert::try_from(end)?, rest))
}

fn check_count(rest: &[CertificateDer<'_>]) -> Result<(), ChainFault> {
    if rest.len() > CAS_BETWEEN_MAX { Err(ChainFault::Invalid) } else { Ok(()) }
}

pub(super) fn unix_time(now: UnixMillis) -> UnixTime {
    unix_seconds(now.0 / 1000)
}

fn unix_seconds(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
