//! Makes a key of our own: ECDSA P-256, in a certificate that the key itself signs.

use std::fmt;

use ring::error;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use super::verifiers::sha256;
use crate::protocol::KeyName;

/// A new key, as PEM text.
pub struct GeneratedKey {
    /// Name of the key.
    pub name: KeyName,
    /// The certificate with the public key.
    pub certificate: String,
    /// The private key, which is secret.
    pub private_key: String,
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug)]
pub struct KeyNotGenerated;

impl fmt::Display for KeyNotGenerated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot make a key: the operating system gives no random bytes")
    }
}

impl std::error::Error for KeyNotGenerated {}

impl From<error::Unspecified> for KeyNotGenerated {
    fn from(_: error::Unspecified) -> Self {
        Self
    }
}

impl From<error::KeyRejected> for KeyNotGenerated {
    fn from(_: error::KeyRejected) -> Self {
        Self
    }
}

// Tags of DER.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTF8_STRING: u8 = 0x0C;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xA0;

/// Version 3 of X.509.
const VERSION_3: &[u8] = &[INTEGER, 1, 2];
/// OID of `commonName`.
const COMMON_NAME: &[u8] = b"\x06\x03\x55\x04\x03";
/// OID of `ecdsa-with-SHA256`.
const ECDSA_SHA256: &[u8] = b"\x06\x08\x2A\x86\x48\xCE\x3D\x04\x03\x02";
/// OIDs of `id-ecPublicKey` and `prime256v1`.
const P256: &[u8] = b"\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07";

/// Makes a key and its certificate. The certificate has no end and names nobody: with groupcast
/// only its key counts.
///
/// # Errors
///
/// The operating system gives no random bytes.
pub fn generate_key() -> Result<GeneratedKey, KeyNotGenerated> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let private_key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)?;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, private_key.as_ref(), &random)?;
    let mut serial = [0; 16];
    random.fill(&mut serial)?;
    serial[0] = serial[0] & 0x3F | 0x40; // Positive, and without a leading zero.

    let public_key = subject_public_key_info(key.public_key().as_ref());
    let signed = to_be_signed(&serial, &public_key);
    let signature = key.sign(&random, &signed)?;
    let signature = der(BIT_STRING, &[&[0], signature.as_ref()]);
    let certificate = der(SEQUENCE, &[&signed, &der(SEQUENCE, &[ECDSA_SHA256]), &signature]);
    Ok(GeneratedKey {
        name: KeyName(sha256(&public_key)),
        certificate: pem("CERTIFICATE", &certificate),
        private_key: pem("PRIVATE KEY", private_key.as_ref()),
    })
}

fn subject_public_key_info(point: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[&der(SEQUENCE, &[P256]), &der(BIT_STRING, &[&[0], point])])
}

/// Returns the part of a certificate that is signed.
fn to_be_signed(serial: &[u8], public_key: &[u8]) -> Vec<u8> {
    let common_name = der(SEQUENCE, &[COMMON_NAME, &der(UTF8_STRING, &[b"groupcast"])]);
    let name = der(SEQUENCE, &[&der(SET, &[&common_name])]);
    let not_before = der(UTC_TIME, &[b"700101000000Z"]);
    let not_after = der(GENERALIZED_TIME, &[b"99991231235959Z"]); // No end, says RFC 5280.
    let fields: [&[u8]; 7] = [
        &der(VERSION, &[VERSION_3]),
        &der(INTEGER, &[serial]),
        &der(SEQUENCE, &[ECDSA_SHA256]),
        &name,
        &der(SEQUENCE, &[&not_before, &not_after]),
        &name,
        public_key,
    ];
    der(SEQUENCE, &fields)
}

/// Returns a value of DER: its tag, its length, and its parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [.., high, low] = content.len().to_be_bytes();
    let mut value = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    value.extend(content);
    value
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Bytes in a line of 64 characters.
const PEM_LINE_BYTES: usize = 48;

pub(super) fn pem(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in bytes.chunks(PEM_LINE_BYTES) {
        line.chunks(3).for_each(|group| text.extend(base64(group)));
        text.push('\n');
    }
    text + "-----END " + label + "-----\n"
}

/// Returns the four characters of one to three bytes.
fn base64(group: &[u8]) -> [char; 4] {
    let byte = |index| group.get(index).copied().map_or(0, u32::from);
    let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    [18, 12, 6, 0].map(|shift| {
        let is_padding = shift < 18 - 6 * group.len() as u32;
        let digit = BASE64.get((bits >> shift & 0x3F) as usize).copied().unwrap_or(b'=');
        if is_padding { '=' } else { digit.into() }
    })
}
