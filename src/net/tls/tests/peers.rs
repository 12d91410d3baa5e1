//! Peers that are not ours: rustls with its buffers, with any configuration, and records that no
//! honest peer would send.

use std::sync::Arc;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, Connection, ConnectionTrafficSecrets, ServerConfig};
use rustls::{ServerConnection, version};

use super::*;
use crate::net::tls::verifiers::{EveryClient, TrustedServer};

pub(super) fn pem_identity(pem: &[&str]) -> TlsIdentity {
    TlsIdentity::from_pem(pem.concat().as_bytes()).unwrap()
}

/// A peer with a wire to one of our streams.
pub(super) struct Peer {
    tls: Connection,
    wire: End,
    /// End of our stream.
    far: Option<End>,
}

/// Returns a certificate with a private key, which may be the key of another one.
fn certified(certificate: &str, private_key: &str) -> Arc<SingleCertAndKey> {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes()).unwrap();
    Arc::new(CertifiedKey::new(vec![certificate], any_supported_type(&key).unwrap()).into())
}

impl Peer {
    fn new(tls: Connection) -> Self {
        let ([wire, far], _) = wire();
        Self { tls, wire, far: Some(far) }
    }

    /// A client that trusts every server and shows a certificate, if it has one.
    pub(super) fn client(own: Option<(&str, &str)>) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[&version::TLS13]).unwrap().dangerous();
        let verifier = Arc::new(TrustedServer(Trust::AnyKey));
        let builder = builder.with_custom_certificate_verifier(verifier);
        let mut config = match own {
            Some((certificate, key)) => {
                builder.with_client_cert_resolver(certified(certificate, key))
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_secret_extraction = true;
        let name = "localhost".try_into().unwrap();
        Self::new(ClientConnection::new(Arc::new(config), name).unwrap().into())
    }

    pub(super) fn server(certificate: &str, private_key: &str) -> Self {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[&version::TLS13]).unwrap();
        let builder = builder.with_client_cert_verifier(Arc::new(EveryClient));
        let mut config = builder.with_cert_resolver(certified(certificate, private_key));
        config.enable_secret_extraction = true;
        Self::new(ServerConnection::new(Arc::new(config)).unwrap().into())
    }

    /// Returns our server at the other end of the wire.
    pub(super) fn with_server(&mut self, identity: &TlsIdentity) -> TlsStream<End> {
        let side = TlsContext::new().server(identity).unwrap();
        TlsStream::server(self.far.take().unwrap(), &side).unwrap()
    }

    /// Returns our client at the other end of the wire.
    pub(super) fn with_client(&mut self, identity: &TlsIdentity, trust: Trust) -> TlsStream<End> {
        let side = TlsContext::new().client(identity, trust).unwrap();
        TlsStream::client(self.far.take().unwrap(), &side).unwrap()
    }

    /// Carries out the handshake.
    pub(super) fn shake(&mut self, ours: &mut TlsStream<End>) -> Result<(), String> {
        for _ in 0..10 {
            self.exchange();
            ours.handshake().map_err(|error| error.to_string())?;
        }
        self.exchange();
        assert!(ours.handshake().unwrap() && !self.tls.is_handshaking());
        Ok(())
    }

    /// Sends and receives what is due.
    pub(super) fn exchange(&mut self) {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.wire).unwrap();
        }
        while self.tls.wants_read() && self.tls.read_tls(&mut self.wire).is_ok_and(|read| read > 0)
        {
            let _ = self.tls.process_new_packets();
        }
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.wire).unwrap();
        }
    }

    pub(super) fn write(&mut self, text: &[u8]) {
        self.tls.writer().write_all(text).unwrap();
        self.exchange();
    }

    pub(super) fn read(&mut self) -> Vec<u8> {
        self.exchange();
        let mut text = Vec::new();
        let end = self.tls.reader().read_to_end(&mut text).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::WouldBlock);
        text
    }

    pub(super) fn refresh_keys(&mut self) {
        self.tls.refresh_traffic_keys().unwrap();
        self.exchange();
    }

    /// Returns the keys with which this peer sends.
    pub(super) fn forger(self) -> Forger {
        let secrets = self.tls.dangerous_extract_secrets().unwrap();
        let (seq, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) = secrets.tx else {
            panic!("AES-128-GCM is the first suite where this test runs")
        };
        let key = UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap();
        let iv = iv.as_ref().try_into().unwrap();
        Forger { key: LessSafeKey::new(key), iv, seq, wire: self.wire }
    }
}

/// A peer that sends records of any type and text.
pub(super) struct Forger {
    key: LessSafeKey,
    iv: [u8; 12],
    seq: u64,
    pub(super) wire: End,
}

impl Forger {
    /// Returns a record of an inner type, with zeros behind it.
    pub(super) fn seal(&mut self, kind: u8, text: &[u8], zeros: usize) -> Vec<u8> {
        let mut inner = [text, &[kind], &vec![0; zeros]].concat();
        let length = (inner.len() + AES_128_GCM.tag_len()) as u16;
        let header = [0x17, 3, 3, (length >> 8) as u8, length as u8];
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.seq.to_be_bytes()).for_each(|(to, byte)| *to ^= byte);
        self.seq += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(header), &mut inner).unwrap();
        [&header[..], &inner].concat()
    }

    pub(super) fn send(&mut self, kind: u8, text: &[u8], zeros: usize) {
        let record = self.seal(kind, text, zeros);
        self.wire.write_all(&record).unwrap();
    }
}
