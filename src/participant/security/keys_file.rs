//! The keys file: reads it, and adds the own key at the first start.
//!
//! ```text
//!   alice.keys, locked ─▶ alice.keys.unfinished ─▶ fsync ─▶ rename ─▶ fsync of the directory
//! ```
//!
//! The name always leads to a whole file. The lock lets the first of two programs make the key, and
//! the second one find it.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use crate::config::{ConfigError, ParticipantKeys, SecretPem};
use crate::limits::{KEYS_FILE_BYTES_MAX, KEYS_FILE_TRIES_MAX};
use crate::net::tls::{IdentityFault, KeyNotGenerated, TlsError, TlsIdentity, generate_key};
use crate::participant::file_state::{is_at, sync_directory_entry};
use crate::text;

/// A keys file that has an own key.
#[derive(Debug)]
pub(super) struct OpenedKeys {
    pub(super) keys: ParticipantKeys,
    pub(super) identity: TlsIdentity,
    /// True if the own key was made now.
    pub(super) is_new: bool,
}

/// Reason for which a keys file is not used. No text of the file is in it.
#[derive(Debug)]
pub(in crate::participant) enum KeysFileError {
    /// The file, or the file of the CA, is not valid.
    Invalid(ConfigError),
    /// A key or a certificate in this file is not used.
    Identity(PathBuf, IdentityFault),
    /// The name of the coordinator is neither a DNS name nor an address.
    BadName(String),
    /// An own key could not be made.
    NotGenerated(KeyNotGenerated),
    /// The own key could not be added to this file.
    NotWritten(PathBuf, io::Error),
    /// The cryptography cannot use the key.
    Tls(TlsError),
}

impl KeysFileError {
    pub(super) fn identity(path: &Path, fault: IdentityFault) -> Self {
        Self::Identity(path.to_owned(), fault)
    }
}

impl fmt::Display for KeysFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| text::for_terminal(&path.display().to_string()).to_string();
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::Identity(file, fault) => write!(f, "{}: PEM: {fault}", path(file)),
            Self::BadName(name) => {
                write!(f, "name={}: expected a DNS name or an address", text::for_terminal(name))
            }
            Self::NotGenerated(error) => error.fmt(f),
            Self::NotWritten(file, error) => write!(
                f,
                "{}: the key of the participant, which the first start makes, cannot be added: \
                 {error}: start once where the file can be written, and copy it here",
                path(file)
            ),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeysFileError {}

impl From<ConfigError> for KeysFileError {
    fn from(error: ConfigError) -> Self {
        Self::Invalid(error)
    }
}

impl From<TlsError> for KeysFileError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl OpenedKeys {
    /// Reads the file, and adds an own key if it has none.
    pub(super) fn open(path: &Path) -> Result<Self, KeysFileError> {
        let keys = ParticipantKeys::load(path)?;
        match &keys.own {
            Some(own) => Self::new(path, own, &keys),
            None => Self::open_first(path),
        }
    }

    fn new(path: &Path, own: &SecretPem, keys: &ParticipantKeys) -> Result<Self, KeysFileError> {
        let identity = TlsIdentity::from_pem(own.reveal().as_bytes())
            .map_err(|fault| KeysFileError::identity(path, fault))?;
        Ok(Self { keys: keys.clone(), identity, is_new: false })
    }

    /// Adds an own key, unless another program does.
    fn open_first(path: &Path) -> Result<Self, KeysFileError> {
        let not_written = |error| KeysFileError::NotWritten(path.to_owned(), error);
        // The next read of a pipe would find nothing, and that of a FIFO would wait for a writer.
        if !fs::metadata(path).map_err(not_written)?.is_file() {
            return Err(not_written(io::Error::other("it is no regular file")));
        }
        let _lock = lock(path).map_err(not_written)?;
        let bytes = ParticipantKeys::read(path)?;
        let keys = ParticipantKeys::parse(path, &bytes)?;
        if let Some(own) = &keys.own {
            return Self::new(path, own, &keys);
        }
        let key = generate_key().map_err(KeysFileError::NotGenerated)?;
        let own = SecretPem::from(key.private_key + &key.certificate);
        let bytes = ParticipantKeys::with_own_key(&bytes, &own);
        if bytes.len() > KEYS_FILE_BYTES_MAX {
            let (path, bytes_max) = (path.to_owned(), KEYS_FILE_BYTES_MAX);
            return Err(ConfigError::TooLarge { path, bytes_max }.into());
        }
        let keys = ParticipantKeys::parse(path, &bytes)?;
        replace(path, &bytes).map_err(not_written)?;
        Ok(Self { is_new: true, ..Self::new(path, &own, &keys)? })
    }
}

/// Locks the file that has this name. Another program may put a new file in its place meanwhile.
fn lock(path: &Path) -> io::Result<File> {
    for _ in 0..KEYS_FILE_TRIES_MAX {
        let file = File::open(path)?;
        file.lock()?;
        if is_at(&file, path) {
            return Ok(file);
        }
    }
    Err(io::Error::other("other programs replace it again and again"))
}

/// Replaces the content of a file. Keeps its owner and its permissions.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?; // A symbolic link stays.
    let mut unfinished = OsString::from(&path);
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => (),
    }
    let replaced = write(&unfinished, &path, bytes).and_then(|()| fs::rename(&unfinished, &path));
    if replaced.is_err() {
        // The first error is reported. Another one does not matter.
        let _ = fs::remove_file(&unfinished);
    }
    replaced.and_then(|()| sync_directory_entry(&path))
}

fn write(unfinished: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = fs::metadata(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
