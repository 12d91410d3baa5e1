//! TLS 1.3 for a round: certificates of the server and of its clients, and the cipher suite.
//!
//! ```text
//!   Tls::new ─► a directory with keys and certificates ─► server
//!        └────► settings of both directions ────────────► Socket
//! ```
//!
//! Each side requires the certificate of the other side. There are no session tickets, and no
//! session is resumed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::CertifiedKey;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::version::TLS13;
use support::peer_verifier::PeerVerifier;
use tempfile::TempDir;

/// Key and certificate of the server, in one file.
const BOTH: &str = "server.pem";
const KEY: &str = "server.key";
const CERTIFICATE: &str = "server.crt";
const CLIENTS: &str = "clients.crt";
/// Settings for servers that use OpenSSL and cannot switch session tickets off by themselves.
const OPENSSL: &str = "openssl.cnf";
const NO_TICKETS: &str = "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\n\
                          system_default = tls\n[tls]\nNumTickets = 0\n";
/// Name in all certificates. Nobody compares it.
pub(crate) const NAME: &str = "bench";

/// Cipher suites that a client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suite {
    /// The server chooses.
    Any,
    Aes128Gcm,
    ChaCha20Poly1305,
}

impl Suite {
    fn provider(self) -> CryptoProvider {
        let all = default_provider();
        match self {
            Self::Any => all,
            Self::Aes128Gcm => CryptoProvider {
                cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
                ..all
            },
            Self::ChaCha20Poly1305 => {
                let suite = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
                CryptoProvider { cipher_suites: vec![suite], ..all }
            }
        }
    }
}

/// Settings of all connections of a round, and the files of the server.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) client: Arc<ClientConfig>,
    /// For connections that the coordinator makes.
    pub(crate) server: Arc<ServerConfig>,
    /// `None` if the server has its keys already.
    directory: Option<Arc<TempDir>>,
}

impl Tls {
    /// Makes keys for a server that is started here, and for all of its clients.
    pub(crate) fn new(suite: Suite) -> Result<Self> {
        let (of_server, of_clients) = (generate()?, generate()?);
        let directory = TempDir::new().context("cannot make a directory for keys")?;
        let (key, certificate) = (of_server.signing_key.serialize_pem(), of_server.cert.pem());
        let both = key.clone() + &certificate;
        let files = [
            (BOTH, both),
            (KEY, key),
            (CERTIFICATE, certificate),
            (CLIENTS, of_clients.cert.pem()),
            (OPENSSL, NO_TICKETS.to_owned()),
        ];
        for (name, text) in files {
            let path = directory.path().join(name);
            let written = fs::write(&path, text);
            // The coordinator refuses a key that others can read.
            written
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let expected = Some(of_server.cert.der().clone());
        Ok(Self {
            directory: Some(Arc::new(directory)),
            ..Self::settings(suite, &of_clients, expected)?
        })
    }

    /// Makes keys for clients of a server that is running. Its certificate is not checked.
    pub(crate) fn of_running_server(suite: Suite) -> Result<Self> {
        Self::settings(suite, &generate()?, None)
    }

    fn settings(
        suite: Suite,
        of_clients: &CertifiedKey<rcgen::KeyPair>,
        expected: Option<CertificateDer<'static>>,
    ) -> Result<Self> {
        let provider = Arc::new(suite.provider());
        let peer = PeerVerifier::new(expected);
        let chain = || vec![of_clients.cert.der().clone()];
        let key = || PrivateKeyDer::Pkcs8(of_clients.signing_key.serialize_der().into());

        let client = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let client = client.with_protocol_versions(&[&TLS13])?.dangerous();
        let client = client.with_custom_certificate_verifier(Arc::clone(&peer) as _);
        let mut client = client.with_client_auth_cert(chain(), key())?;
        client.resumption = Resumption::disabled();

        let server = ServerConfig::builder_with_provider(provider);
        let server = server.with_protocol_versions(&[&TLS13])?;
        let server = server.with_client_cert_verifier(peer);
        let mut server = server.with_single_cert(chain(), key())?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { client: Arc::new(client), server: Arc::new(server), directory: None })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.as_ref().map(|directory| directory.path().join(name)).unwrap_or_default()
    }

    /// File with the private key and the certificate of the server.
    pub(crate) fn key_and_certificate(&self) -> PathBuf {
        self.path(BOTH)
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.path(KEY)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.path(CERTIFICATE)
    }

    /// Has a server that uses OpenSSL send no session tickets.
    pub(crate) fn without_tickets(&self, command: &mut Command) {
        command.env("OPENSSL_CONF", self.path(OPENSSL));
    }

    /// File with the certificate of all clients.
    pub(crate) fn clients(&self) -> PathBuf {
        self.path(CLIENTS)
    }
}

fn generate() -> Result<CertifiedKey<rcgen::KeyPair>> {
    rcgen::generate_simple_self_signed([NAME.to_owned()]).context("cannot make a certificate")
}
