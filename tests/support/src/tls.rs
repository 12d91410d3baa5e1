//! Peers with TLS: clients of the coordinator, and listeners of participants.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::peer_verifier::PeerVerifier;
use super::{DEADLINE, Timer};

/// A key with its certificate.
#[derive(Debug)]
pub struct Identity {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

/// A CA that signs certificates for ids.
#[derive(Debug)]
pub struct Ca {
    key: KeyPair,
    params: CertificateParams,
    certificate: rcgen::Certificate,
}

impl Identity {
    /// Makes a key, and a certificate that it signs itself.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = params(name).self_signed(&key).unwrap();
        Self { key, certificate }
    }

    /// Makes a key, and a certificate with further changes that it signs itself.
    pub fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = params("someone");
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        Self { key, certificate }
    }

    /// Returns the private key and the certificate in PEM.
    pub fn pem(&self) -> String {
        self.key.serialize_pem() + &self.certificate.pem()
    }

    /// Returns the certificate in DER.
    pub fn certificate(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// Writes the private key and the certificate to a file that only its user can read.
    pub fn write(&self, path: &Path) -> PathBuf {
        write_private(path, &self.pem());
        path.to_owned()
    }

    /// Returns the SHA-256 that names the key, as `sha256:` and 64 hex digits.
    pub fn name(&self) -> String {
        use rcgen::PublicKeyData as _;
        let digest =
            ring::digest::digest(&ring::digest::SHA256, &self.key.subject_public_key_info());
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }

    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (vec![self.certificate.der().clone()], key.into())
    }
}

impl Ca {
    pub fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = params("a CA");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { key, params, certificate }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Makes a certificate with these names, which is valid until `days` from now.
    pub fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut signed = params("of a CA");
        for name in names {
            let name = (*name).to_owned();
            signed.subject_alt_names.push(match name.contains(':') {
                true => SanType::URI(name.try_into().unwrap()),
                false => SanType::DnsName(name.try_into().unwrap()),
            });
        }
        change(&mut signed);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = signed.signed_by(&key, &issuer).unwrap();
        Identity { key, certificate }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params
}

/// Writes a file that only its user can read.
pub fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// One end of a TLS connection. Each call has a deadline.
#[derive(Debug)]
pub struct TlsPeer {
    connection: Connection,
    pub socket: TcpStream,
    received: Vec<u8>,
}

impl TlsPeer {
    /// Connects, and completes the handshake.
    #[track_caller]
    pub fn connect(address: SocketAddr, identity: Option<&Identity>) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        Self::connect_over(socket, identity).unwrap()
    }

    /// Connects as a new member, whose message socket is this connection. Each option has a space
    /// before it.
    #[track_caller]
    pub fn register_here(
        address: SocketAddr,
        id: &str,
        identity: &Identity,
        options: &str,
    ) -> Self {
        let mut peer = Self::connect(address, Some(identity));
        peer.say(&format!("{id}#register here{options}#-"));
        peer.expect_start("OK register ");
        peer
    }

    /// Completes the handshake as the client.
    pub fn connect_over(socket: TcpStream, identity: Option<&Identity>) -> io::Result<Self> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(PeerVerifier::new(None));
        let config = match identity {
            Some(identity) => {
                let (chain, key) = identity.chain();
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let name = ServerName::try_from("groupcast").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Self::shake_hands(connection.into(), socket)
    }

    /// Accepts a connection, and completes the handshake as the server.
    pub fn accept(listener: &TcpListener, identity: &Identity) -> io::Result<Self> {
        let (chain, key) = identity.chain();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(PeerVerifier::new(None))
            .with_single_cert(chain, key)
            .unwrap();
        let (socket, _) = listener.accept()?;
        Self::shake_hands(ServerConnection::new(Arc::new(config)).unwrap().into(), socket)
    }

    fn shake_hands(mut connection: Connection, mut socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(&mut socket)?;
        }
        Ok(Self { connection, socket, received: Vec::new() })
    }

    /// Returns the first certificate that the peer has shown, in DER.
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        Some(self.connection.peer_certificates()?.first()?.to_vec())
    }

    /// Sends a line.
    #[track_caller]
    pub fn say(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Sends bytes as text.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(bytes)?;
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// Returns the next line; `None` after a `close_notify`.
    pub fn read_line(&mut self) -> io::Result<Option<String>> {
        let timer = Timer::start(DEADLINE);
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(Some(String::from_utf8(line[..end].to_vec()).unwrap()));
            }
            let mut buffer = [0; 16_384];
            match self.connection.reader().read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.socket.set_read_timeout(timer.left().or(Some(DEADLINE)))?;
                    if timer.left().is_none() {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    self.connection.read_tls(&mut self.socket)?;
                    let processed = self.connection.process_new_packets();
                    processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the next line, which must come.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.read_line() {
            Ok(Some(line)) => line,
            other => panic!("expected a line, got {other:?}"),
        }
    }

    /// The next line must begin so.
    #[track_caller]
    pub fn expect_start(&mut self, expected: &str) -> String {
        let line = self.line();
        assert!(line.starts_with(expected), "expected {expected:?} ..., got {line:?}");
        line
    }

    /// Sends a request, and returns its reply.
    #[track_caller]
    pub fn ask(&mut self, request: &str) -> String {
        self.say(request);
        self.line()
    }

    /// Ends our direction with a `close_notify`.
    pub fn close_notify(&mut self) {
        self.connection.send_close_notify();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket).unwrap();
        }
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends our direction without a `close_notify`.
    pub fn cut(&mut self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }
}
