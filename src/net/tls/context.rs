//! Configuration of TLS, and the memory that all connections of a loop share.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{ClientConfig, Resumption, WantsClientCert};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::time_provider::TimeProvider;
use rustls::{ConfigBuilder, ConfigSide, SupportedCipherSuite, WantsVerifier, version};

use super::chain::{CaRoots, unix_time};
use super::error::TlsError;
use super::identity::TlsIdentity;
use super::verifiers::{EveryClient, HANDSHAKE_ALGORITHMS, TrustedServer};
use crate::limits::tls::{RECORD_BYTES_MAX, SEALED_BYTES_MAX, WRITE_RECORDS_MAX};
use crate::protocol::KeyName;
use crate::time::UnixMillis;

/// Memory of reads and writes, and the time, for all TLS connections of a loop.
pub struct TlsContext {
    pub(super) scratch: RefCell<TlsScratch>,
    /// Bytes of records that wait for sockets, of all connections.
    pub(super) waiting_bytes: Cell<usize>,
    provider: Arc<CryptoProvider>,
    time: Arc<LoopTime>,
}

/// Memory that each read and each write uses from its start to its end.
pub(super) struct TlsScratch {
    /// Records that arrive, or text that leaves.
    pub(super) first: Box<[u8]>,
    /// Records that leave.
    pub(super) sealed: Box<[u8]>,
}

/// The server side of connections: who we are.
#[derive(Clone)]
pub struct ServerSide {
    pub(super) config: Arc<ServerConfig>,
    pub(super) context: Rc<TlsContext>,
}

/// The client side of connections: who we are, and which servers we trust.
#[derive(Clone)]
pub struct ClientSide {
    pub(super) config: Arc<ClientConfig>,
    pub(super) context: Rc<TlsContext>,
}

/// Trust of a client in its server. It holds in the handshake, before the client sends text.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The server may have any key. The caller checks the key.
    AnyKey,
    /// The server must have one of these keys. Names and dates of its certificate are ignored.
    Keys(Vec<KeyName>),
    /// The server must have a valid certificate of a CA, for this name.
    Ca {
        /// The CAs, one of which must have signed the chain.
        roots: CaRoots,
        /// A DNS name or an address.
        name: ServerName<'static>,
    },
}

impl Trust {
    /// Trusts servers with a certificate of `roots` for `name`. Returns `None` if `name` is no DNS
    /// name and no address.
    #[must_use]
    pub fn ca(roots: CaRoots, name: &str) -> Option<Self> {
        let name = ServerName::try_from(name).ok()?.to_owned();
        Some(Self::Ca { roots, name })
    }
}

/// Wall clock of the loop. Before the first reading it stands at 1970, when no CA is valid. Not all
/// processors have atomic numbers of 64 bits.
#[derive(Debug)]
struct LoopTime(Mutex<UnixMillis>);

impl LoopTime {
    fn set(&self, now: UnixMillis) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl TimeProvider for LoopTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(*self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl TlsContext {
    /// Allocates the memory of a loop.
    #[must_use]
    pub fn new() -> Rc<Self> {
        let provider = CryptoProvider {
            cipher_suites: suites(has_aes()).to_vec(),
            kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
            signature_verification_algorithms: HANDSHAKE_ALGORITHMS,
            ..default_provider()
        };
        let scratch = TlsScratch {
            first: vec![0; RECORD_BYTES_MAX].into(),
            sealed: vec![0; WRITE_RECORDS_MAX * SEALED_BYTES_MAX].into(),
        };
        Rc::new(Self {
            scratch: RefCell::new(scratch),
            waiting_bytes: Cell::new(0),
            provider: Arc::new(provider),
            time: Arc::new(LoopTime(Mutex::new(UnixMillis(0)))),
        })
    }

    /// Sets the time at which certificates of CAs are checked in handshakes.
    pub fn set_time(&self, now: UnixMillis) {
        self.time.set(now);
    }

    /// Makes the server side of connections.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    pub fn server(self: &Rc<Self>, identity: &TlsIdentity) -> Result<ServerSide, TlsError> {
        let builder = ServerConfig::builder_with_details(
            Arc::clone(&self.provider),
            Arc::clone(&self.time) as _,
        );
        let builder = tls13(builder)?.with_client_cert_verifier(Arc::new(EveryClient));
        let mut config = builder.with_cert_resolver(Arc::clone(&identity.certificate) as _);
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(ServerSide { config: Arc::new(config), context: Rc::clone(self) })
    }

    /// Makes the client side of connections.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    pub fn client(
        self: &Rc<Self>,
        identity: &TlsIdentity,
        trust: Trust,
    ) -> Result<ClientSide, TlsError> {
        let resolver = Arc::clone(&identity.certificate);
        let builder = self.client_builder(trust)?;
        Ok(self.client_side(builder.with_client_cert_resolver(resolver)))
    }

    /// Makes the client side of connections that show no key.
    ///
    /// # Errors
    ///
    /// As [`TlsContext::client`].
    pub fn client_without_key(self: &Rc<Self>, trust: Trust) -> Result<ClientSide, TlsError> {
        let builder = self.client_builder(trust)?;
        Ok(self.client_side(builder.with_no_client_auth()))
    }

    fn client_builder(
        &self,
        trust: Trust,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
        let builder = ClientConfig::builder_with_details(
            Arc::clone(&self.provider),
            Arc::clone(&self.time) as _,
        );
        let verifier = Arc::new(TrustedServer(trust));
        Ok(tls13(builder)?.dangerous().with_custom_certificate_verifier(verifier))
    }

    fn client_side(self: &Rc<Self>, mut config: ClientConfig) -> ClientSide {
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        ClientSide { config: Arc::new(config), context: Rc::clone(self) }
    }
}

impl ClientSide {
    /// Returns this side with another trust, as for one connection.
    #[must_use]
    pub fn trusting(&self, trust: Trust) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.dangerous().set_certificate_verifier(Arc::new(TrustedServer(trust)));
        Self { config: Arc::new(config), context: Rc::clone(&self.context) }
    }
}

fn tls13<S: ConfigSide>(
    builder: ConfigBuilder<S, rustls::WantsVersions>,
) -> Result<ConfigBuilder<S, WantsVerifier>, TlsError> {
    Ok(builder.with_protocol_versions(&[&version::TLS13])?)
}

/// Returns the cipher suites, the fastest one first. Without instructions for AES, ChaCha20 is
/// several times as fast.
pub(super) const fn suites(has_aes: bool) -> [SupportedCipherSuite; 3] {
    let (aes_128, aes_256, chacha) = (
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    );
    if has_aes { [aes_128, aes_256, chacha] } else { [chacha, aes_128, aes_256] }
}

/// Returns true if the processor has instructions for AES-GCM.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(super) fn has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}
#[cfg(target_arch = "aarch64")]
pub(super) fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull")
}
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn has_aes() -> bool {
    false
}

impl fmt::Debug for TlsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsContext").finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSide").finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSide").finish_non_exhaustive()
    }
}
