//! `--init-keys` and `--invite`: the files of a group with TLS, and invitations to the group.
//!
//! ```text
//!   --init-keys CONFIG   coordinator.keys, coordinator.crt, access.txt beside CONFIG;
//!                        tls= and access= in CONFIG; an invitation on standard output
//!   --invite CONFIG      a line in the access file; an invitation on standard output
//! ```
//!
//! An invitation is the name of the coordinator's key and a secret. The access file has the name of
//! the secret only, so a reader of the access file cannot use the invitation.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::CoordinatorError;
use super::security::Security;
use crate::config::{
    AccessFile, ConfigError, CoordinatorConfig, Fifos, Invitation, PossibleProofs, stands_in_a_line,
};
use crate::net::tls::{generate_key, sha256};
use crate::protocol::{KeyName, Secret};
use crate::text;

/// Mode of a file with secrets.
const PRIVATE: u32 = 0o600;
/// Mode of a file that others may read.
const PUBLIC: u32 = 0o644;

/// Comment at the beginning of a new access file.
const ACCESS_HEADER: &str = "\
// Access rules, one a line: <who> <how> [<right>...]. After a change send SIGHUP to the
// coordinator. All words: config/README.md of groupcast, \"Access file\".
// The next line lets everybody join who has an invitation. It holds the SHA-256 of its secret.
";

/// Makes the keys and the access file of a group, and prints the first invitation.
///
/// # Errors
///
/// [`CoordinatorError::Config`] if a file exists already or the config has `tls` or `access`;
/// [`CoordinatorError::System`] for an error of the operating system. No new file is left then,
/// unless only the invitation could not be shown.
pub(super) fn init_keys(path: &Path, config: &CoordinatorConfig) -> Result<(), CoordinatorError> {
    let beside = |name: &str| path.with_file_name(name);
    let [keys, certificate, access] =
        ["coordinator.keys", "coordinator.crt", "access.txt"].map(beside);
    for (key, value) in [("tls", &config.security.tls), ("access", &config.security.access)] {
        if value.is_some() {
            return Err(unusable(path, format!("has {key}= already: nothing was changed")));
        }
    }
    check_config(path, [&keys, &access])?;
    let key =
        generate_key().map_err(|error| system("cannot make a key", io::Error::other(error)))?;
    let invitation = draw_invitation(key.name)?;
    let rule = rule_of(&invitation);
    let mut made = NewFiles::default();
    made.create(&keys, PRIVATE, key.private_key.as_bytes())?;
    made.create(&certificate, PUBLIC, key.certificate.as_bytes())?;
    made.create(&access, PRIVATE, format!("{ACCESS_HEADER}{rule}").as_bytes())?;
    append_to_config(path, &format!("\ntls={}\naccess={}\n", keys.display(), access.display()))?;
    made.keep();
    let [keys, certificate, access, path] = [&*keys, &certificate, &access, path].map(shown);
    eprintln!(
        "Made {keys}, {certificate} and {access}, and added tls= and access= to {path}. Give the \
         line below to the participants: everybody who has it can join. Paste it into a file that \
         only its user can read, and start: participant --keys FILE ...",
    );
    print(&invitation)
}

/// Adds a secret to the access file, and prints its invitation.
///
/// # Errors
///
/// As [`init_keys`].
pub(super) fn invite(path: &Path, config: &CoordinatorConfig) -> Result<(), CoordinatorError> {
    let security =
        Security::load(&config.security, Fifos::Awaited).map_err(CoordinatorError::Config)?;
    let key = security.key();
    let (access, key) = match (config.security.access.as_ref().zip(security.access), key) {
        (Some(access), Some(key)) => (access, key),
        (None, Some(_)) => {
            return Err(unusable(path, "has no access=: add it, and an access file".to_owned()));
        }
        (Some(_), None) => return Err(unusable(path, "has no tls=: add it".to_owned())),
        (None, None) => {
            let reason = "has no tls= and access=: make them with --init-keys".to_owned();
            return Err(unusable(path, reason));
        }
    };
    let (access, file) = access;
    let invitation = draw_invitation(key)?;
    let rule = file.line_of_secret(invitation.secret.name(sha256));
    append_rule(access, &rule, PossibleProofs::of(&config.security))?;
    eprintln!(
        "Added the line `{rule}` to {}. It counts under any id that no line names more closely, \
         and gives all rights if it names none: change it if that is too much. Then send SIGHUP to \
         the coordinator, if it runs.",
        shown(access)
    );
    print(&invitation)
}

/// Checks that the config can be replaced, and that lines of it can name these files.
fn check_config(path: &Path, files: [&Path; 2]) -> Result<(), CoordinatorError> {
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return Err(unusable(path, "is no regular file: nothing was changed".to_owned()));
    }
    let unnamed = |file: &&&Path| !file.to_str().is_some_and(stands_in_a_line);
    match files.iter().find(unnamed) {
        None => Ok(()),
        Some(file) => {
            let reason = "cannot stand in a config: give the folder another name";
            Err(unusable(file, reason.to_owned()))
        }
    }
}

/// Returns a path as people may see it.
fn shown(path: &Path) -> String {
    text::for_terminal(&path.display().to_string()).to_string()
}

fn draw_invitation(coordinator: KeyName) -> Result<Invitation, CoordinatorError> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| system("cannot draw a random number", io::Error::other(error)))?;
    Ok(Invitation { coordinator, secret: Secret::new(bits) })
}

/// Returns the line of the access file that lets everybody with the secret in.
fn rule_of(invitation: &Invitation) -> String {
    format!("* secret={}\n", invitation.secret.name(sha256))
}

fn print(invitation: &Invitation) -> Result<(), CoordinatorError> {
    let printed = writeln!(io::stdout(), "{}", invitation.reveal());
    let what = "cannot show the invitation: --invite makes another one";
    printed.map_err(|error| system(what, error))
}

/// Files that were made. They are removed again unless all are there.
#[derive(Debug, Default)]
struct NewFiles(Vec<PathBuf>);

impl NewFiles {
    /// Makes a file, which must not exist, and makes it durable.
    fn create(&mut self, path: &Path, mode: u32, text: &[u8]) -> Result<File, CoordinatorError> {
        let failed = |error: io::Error| {
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            let reason = if exists {
                "exists already, and is never overwritten".to_owned()
            } else {
                format!("cannot be written: {error}")
            };
            unusable(path, reason)
        };
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
        self.0.push(path.to_owned());
        file.write_all(text).and_then(|()| file.sync_all()).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        Ok(file)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for path in &self.0 {
            // If this fails, the next call says that the file exists.
            let _ = fs::remove_file(path);
        }
    }
}

/// Replaces the config file by one with `added` at its end. The file is the old or the new one at
/// every time, and keeps its mode and its owner.
fn append_to_config(path: &Path, added: &str) -> Result<(), CoordinatorError> {
    let failed = |error: io::Error| unusable(path, format!("cannot be changed: {error}"));
    let old = fs::metadata(path).map_err(failed)?;
    let mut text = fs::read(path).map_err(failed)?;
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(added.as_bytes());
    let path = fs::canonicalize(path).map_err(failed)?; // A symbolic link stays one.
    let new = path.with_extension("txt.new");
    let mut made = NewFiles::default();
    let file = made.create(&new, old.mode() & 0o7777, &text)?;
    let metadata = file.metadata().map_err(failed)?;
    if (metadata.uid(), metadata.gid()) != (old.uid(), old.gid()) {
        fchown(&file, Some(old.uid()), Some(old.gid())).map_err(failed)?;
    }
    file.set_permissions(old.permissions()).map_err(failed)?;
    fs::rename(&new, &path).map_err(failed)?;
    made.keep();
    sync_folder(&path).map_err(failed)
}

/// Appends a line to the access file, whose last line may lack its line feed. The new file must be
/// valid. After an error the file is as it was: with a part of the line it would not be valid.
fn append_rule(path: &Path, rule: &str, possible: PossibleProofs) -> Result<(), CoordinatorError> {
    let failed = |error: io::Error| unusable(path, format!("cannot be written: {error}"));
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut text = fs::read(path).map_err(failed)?;
    let length = text.len();
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(format!("{rule}\n").as_bytes());
    AccessFile::parse(path, &text, possible).map_err(CoordinatorError::Config)?;
    let mut file = OpenOptions::new().append(true).open(path).map_err(failed)?;
    let added = text.get(length..).unwrap_or_default();
    let appended = file.write_all(added).and_then(|()| file.sync_all());
    if appended.is_err() {
        file.set_len(length as u64).map_err(failed)?;
    }
    appended.map_err(failed)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn unusable(path: &Path, reason: String) -> CoordinatorError {
    CoordinatorError::Config(ConfigError::Unusable { path: path.to_owned(), reason })
}

fn system(what: &'static str, error: io::Error) -> CoordinatorError {
    CoordinatorError::System(what, error)
}
