//! Parses the keys files of both programs. They hold private keys, so no error shows a value.
//!
//! ```text
//!   coordinator.keys   a private key in PEM, and its certificates here or in coordinator.crt
//!   alice.keys         an invitation, or coordinator=sha256:..., or ca=FILE name=NAME;
//!                      then the participant's own private key and certificates in PEM
//! ```

use std::path::{Path, PathBuf};

use super::lines::{self, ConfigLine, ConfigLines, Fifos};
use super::pem::{self, PemBlock, PemEntry, SecretPem};
use super::{ConfigError, FoundValue, Invitation, endpoint};
use crate::limits::{
    CA_FILE_BYTES_MAX, CERTIFICATES_MAX, COORDINATOR_KEYS_MAX, KEYS_FILE_BYTES_MAX,
};
use crate::protocol::{KeyName, Secret};

/// Private key of the coordinator with its certificates, in PEM.
#[derive(Clone, Debug)]
pub struct CoordinatorKeys {
    /// The private key, then the certificates: its own first.
    pub pem: SecretPem,
}

/// Keys file of a participant.
#[derive(Clone, Debug)]
pub struct ParticipantKeys {
    /// Proof that the coordinator must give.
    pub trust: CoordinatorTrust,
    /// Secret of the invitation.
    pub secret: Option<Secret>,
    /// Own private key, then its certificates. `None` before the first start.
    pub own: Option<SecretPem>,
}

/// Proof that a coordinator must give to a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorTrust {
    /// The coordinator shows one of these keys. There is at least one.
    Keys(Vec<KeyName>),
    /// The coordinator shows a certificate of a CA for a name.
    Ca {
        /// File with the certificates of the CA, relative to the current directory.
        file: PathBuf,
        /// Name of the coordinator in its certificate.
        name: String,
    },
}

/// Blocks of PEM in a file.
#[derive(Debug, Default)]
struct WrittenPem {
    /// Line of the private key, and its text.
    private_key: Option<(usize, SecretPem)>,
    certificates: SecretPem,
    certificate_count: usize,
}

/// Lines of a participant's file.
#[derive(Debug, Default)]
struct WrittenTrust {
    keys: Vec<KeyName>,
    /// Line of the invitation, and its secret.
    secret: Option<(usize, Secret)>,
    /// Line of `ca`, with its file and its name.
    ca: Option<(usize, PathBuf, String)>,
}

impl CoordinatorKeys {
    /// Loads the file at `path`. If it has no certificate, the certificates are those of the file
    /// beside it with the ending `crt`.
    ///
    /// # Errors
    ///
    /// The first fault in the files, or [`ConfigError::Exposed`].
    pub fn load(path: &Path, fifos: Fifos) -> Result<Self, ConfigError> {
        let bytes = lines::read_private(KEYS_FILE_BYTES_MAX, path, fifos)?;
        let beside = path.with_extension("crt");
        Self::parse(path, &bytes, || {
            let bytes = lines::read_up_to(KEYS_FILE_BYTES_MAX, &beside, fifos)?;
            parse_certificates(&beside, &bytes)
        })
    }

    /// Parses `bytes`, the content of the file at `path`. If it has no certificate, `beside`
    /// returns the certificates.
    ///
    /// # Errors
    ///
    /// As [`CoordinatorKeys::load`].
    pub fn parse(
        path: &Path,
        bytes: &[u8],
        beside: impl FnOnce() -> Result<SecretPem, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let mut lines = ConfigLines::new(path, bytes);
        let mut written = WrittenPem::default();
        while let Some(entry) = pem::next(&mut lines)? {
            if let Some(line) = written.take(entry)? {
                return Err(line.found("line", FoundValue::Hidden, KEY_EXPECTED));
            }
        }
        let Some((_, mut pem)) = written.private_key else {
            return Err(lines.error("PEM", FoundValue::EndOfFile, KEY_EXPECTED));
        };
        match written.certificate_count {
            0 => pem.append(&beside()?),
            _ => pem.append(&written.certificates),
        }
        Ok(Self { pem })
    }
}

/// Loads the file with the certificates of CAs at `path`, as PEM text.
///
/// # Errors
///
/// The file cannot be read, is too large, or can be changed by other users.
pub fn load_ca(path: &Path, fifos: Fifos) -> Result<Vec<u8>, ConfigError> {
    lines::read_guarded(CA_FILE_BYTES_MAX, path, fifos)
}

impl ParticipantKeys {
    /// Loads the file at `path`.
    ///
    /// # Errors
    ///
    /// The first fault in the file, or [`ConfigError::Exposed`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &Self::read(path)?)
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is too long, or is open to others.
    pub fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
        lines::read_private(KEYS_FILE_BYTES_MAX, path, Fifos::Awaited)
    }

    /// Parses `bytes`, the content of the file at `path`.
    ///
    /// # Errors
    ///
    /// As [`ParticipantKeys::load`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let mut lines = ConfigLines::new(path, bytes);
        let (mut pem, mut trust) = (WrittenPem::default(), WrittenTrust::default());
        while let Some(entry) = pem::next(&mut lines)? {
            if let Some(line) = pem.take(entry)? {
                trust.take(&line)?;
            }
        }
        let own = match (pem.private_key, pem.certificate_count) {
            (None, 0) => None,
            (Some((_, mut own)), 1..) => {
                own.append(&pem.certificates);
                Some(own)
            }
            (Some(_), 0) => {
                return Err(lines.error("PEM", FoundValue::EndOfFile, "the key's CERTIFICATE too"));
            }
            (None, 1..) => {
                return Err(lines.error("PEM", FoundValue::EndOfFile, "its PRIVATE KEY too"));
            }
        };
        let secret = trust.secret.map(|(_, secret)| secret);
        let trust = match (trust.ca, trust.keys.is_empty()) {
            (Some((_, file, name)), _) => CoordinatorTrust::Ca { file, name },
            (None, false) => CoordinatorTrust::Keys(trust.keys),
            (None, true) => {
                return Err(lines.error("coordinator", FoundValue::EndOfFile, TRUST_EXPECTED));
            }
        };
        Ok(Self { trust, secret, own })
    }

    /// Returns the content of a keys file with the own key at its end. `bytes` is the content
    /// without it.
    #[must_use]
    pub fn with_own_key(bytes: &[u8], own: &SecretPem) -> Vec<u8> {
        let line_end = if bytes.is_empty() || bytes.ends_with(b"\n") { "" } else { "\n" };
        let comment = "// The own key of this participant. It is the owner of the id: keep it.\n";
        [bytes, line_end.as_bytes(), comment.as_bytes(), own.reveal().as_bytes()].concat()
    }
}

const KEY_EXPECTED: &str = "one PRIVATE KEY in PEM, and CERTIFICATEs";
const TRUST_EXPECTED: &str =
    "an invitation (gc1:...), coordinator=sha256:..., or ca=FILE name=NAME";
const CA_EXPECTED: &str = "ca=FILE name=NAME, with a host name or an IP address";

/// Parses a file with certificates alone.
fn parse_certificates(path: &Path, bytes: &[u8]) -> Result<SecretPem, ConfigError> {
    const EXPECTED: &str = "CERTIFICATEs in PEM";
    let mut lines = ConfigLines::new(path, bytes);
    let mut written = WrittenPem::default();
    while let Some(entry) = pem::next(&mut lines)? {
        if let Some(line) = written.take(entry)? {
            return Err(line.found("line", FoundValue::Hidden, EXPECTED));
        }
    }
    match (written.private_key, written.certificate_count) {
        (None, 1..) => Ok(written.certificates),
        (Some(_), _) => Err(lines.error(
            "PEM",
            FoundValue::Text("PRIVATE KEY".to_owned()),
            "no private key in a file that anybody may read",
        )),
        (None, 0) => Err(lines.error("PEM", FoundValue::EndOfFile, EXPECTED)),
    }
}

impl WrittenPem {
    /// Takes a block. Returns a line outside of all blocks.
    fn take<'a>(&mut self, entry: PemEntry<'a>) -> Result<Option<ConfigLine<'a>>, ConfigError> {
        match entry {
            PemEntry::Line(line) => return Ok(Some(line)),
            PemEntry::PrivateKey(PemBlock { first, text }) => {
                if let Some((number, _)) = self.private_key {
                    let found = FoundValue::Again { first: number };
                    return Err(first.found("PEM", found, "one private key"));
                }
                self.private_key = Some((first.number, text));
            }
            PemEntry::Certificate(PemBlock { first, text }) => {
                if self.certificate_count >= CERTIFICATES_MAX {
                    let found = FoundValue::Text("CERTIFICATE".to_owned());
                    let expected = format!("at most {CERTIFICATES_MAX} certificates");
                    return Err(first.found("PEM", found, expected));
                }
                self.certificate_count = self.certificate_count.saturating_add(1);
                self.certificates.append(&text);
            }
        }
        Ok(None)
    }
}

impl WrittenTrust {
    fn take(&mut self, line: &ConfigLine<'_>) -> Result<(), ConfigError> {
        if Invitation::is_meant(line.text) {
            return self.take_invitation(line);
        }
        match line.text.split_once('=') {
            Some(("coordinator", name)) => {
                let key = name.trim_start().parse();
                let expected = "sha256: and 64 lower-case hex digits";
                let key =
                    key.map_err(|_| line.found("coordinator", FoundValue::Hidden, expected))?;
                self.add_key(line, key)
            }
            Some(("ca", rest)) => self.take_ca(line, rest),
            Some(_) | None => Err(line.found("line", FoundValue::Hidden, TRUST_EXPECTED)),
        }
    }

    fn take_invitation(&mut self, line: &ConfigLine<'_>) -> Result<(), ConfigError> {
        let Some(Invitation { coordinator, secret }) = Invitation::parse(line.text) else {
            return Err(line.found("invitation", FoundValue::Hidden, Invitation::EXPECTED));
        };
        if let Some((first, _)) = self.secret {
            return Err(line.found("invitation", FoundValue::Again { first }, "one"));
        }
        self.secret = Some((line.number, secret));
        self.add_key(line, coordinator)
    }

    /// Adds a key of the coordinator. An invitation and a line may name the same key.
    fn add_key(&mut self, line: &ConfigLine<'_>, key: KeyName) -> Result<(), ConfigError> {
        if self.ca.is_some() {
            return Err(contradiction(line));
        }
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
        match self.keys.len() > COORDINATOR_KEYS_MAX {
            true => {
                let found = FoundValue::Text("another key".to_owned());
                let expected = format!("at most {COORDINATOR_KEYS_MAX} keys of coordinators");
                Err(line.found("coordinator", found, expected))
            }
            false => Ok(()),
        }
    }

    fn take_ca(&mut self, line: &ConfigLine<'_>, rest: &str) -> Result<(), ConfigError> {
        let (file, name) = rest.rsplit_once(" name=").unwrap_or_default();
        let (file, name) = (file.trim(), name.trim());
        let is_name = endpoint::is_name(name) || name.parse::<std::net::IpAddr>().is_ok();
        if file.is_empty() || !is_name {
            return Err(line.found("ca", FoundValue::Hidden, CA_EXPECTED));
        }
        if let Some((first, ..)) = self.ca {
            return Err(line.found("ca", FoundValue::Again { first }, "one"));
        }
        if !self.keys.is_empty() {
            return Err(contradiction(line));
        }
        self.ca = Some((line.number, file.into(), name.to_owned()));
        Ok(())
    }
}

fn contradiction(line: &ConfigLine<'_>) -> ConfigError {
    let found = FoundValue::Text("keys and a CA".to_owned());
    line.found("coordinator", found, "either keys of the coordinator, or a CA and a name")
}

#[cfg(test)]
mod tests;
