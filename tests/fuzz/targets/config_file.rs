//! A file with arbitrary bytes, and the properties of the errors about it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use groupcast::config::{ConfigError, FoundValue, Location};
use groupcast::limits::CONFIG_BYTES_MAX;
use tempfile::TempDir;

thread_local! {
    static DIRECTORY: TempDir = in_memory().expect("a directory for one file");
}

/// Creates a directory in memory if there is a place for it. On some file systems a file that is
/// truncated and written is synced when it is closed, and a fuzzer does that all the time.
fn in_memory() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// Returns the path of this thread's file.
pub(super) fn path() -> PathBuf {
    DIRECTORY.with(|directory| directory.path().join("fuzzed"))
}

/// Checks that a config file is read in the same way behind a byte order mark and two lines that
/// are skipped, and with CR before each LF. Checks that each error names file, line and field.
pub(super) fn check<C: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    load: fn(&Path) -> Result<C, ConfigError>,
) -> Option<C> {
    let path = path();
    let load = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("the file can be written");
        load(&path)
    };
    let loaded = load(bytes);
    // With more bytes in front it would be too large.
    if bytes.len() > CONFIG_BYTES_MAX / 2 {
        return loaded.ok();
    }
    if let Err(error) = &loaded {
        check_error(error, bytes, &path);
    }
    let mut behind = load(&[b"\xEF\xBB\xBF// port\r\n\n", bytes].concat());
    if let Err(error) = &mut behind {
        lower_numbers(error, 2);
    }
    // The end of an empty file is on line 1, and not before it.
    if !bytes.is_empty() {
        assert_eq!(behind, loaded, "behind a comment");
    }
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    assert_eq!(load(&lines.join(&b"\r\n"[..])), loaded, "with CR");
    loaded.ok()
}

fn check_error(error: &ConfigError, bytes: &[u8], path: &Path) {
    let shown = error.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?} can control a terminal");
    match error {
        ConfigError::Field { location: Location::Line { number, .. }, field, expected, .. } => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(number), "{shown}: the file has {lines} lines");
            let start = format!("{}:{number}: {field}: found ", path.display());
            assert!(shown.starts_with(&start) && !expected.is_empty(), "{shown}");
        }
        ConfigError::TooLarge { .. } => assert!(shown.starts_with(&*path.to_string_lossy())),
        ConfigError::Usage(_)
        | ConfigError::Unreadable { .. }
        | ConfigError::Unusable { .. }
        | ConfigError::Exposed { .. }
        | ConfigError::Writable { .. }
        | ConfigError::Unawaited { .. }
        | ConfigError::Field { .. } => {
            panic!("a file gives no such error: {shown}")
        }
    }
}

/// Checks that an error shows nothing that may be a part of a secret or of a private key: a long
/// run of hex digits or of base64.
pub(super) fn check_hidden(error: &ConfigError) {
    let ConfigError::Field { found: FoundValue::Text(text), .. } = error else { return };
    for run in text.split(|char: char| !char.is_ascii_alphanumeric() && char != '+' && char != '/')
    {
        let hex = run.split(|char: char| !char.is_ascii_hexdigit()).map(str::len).max();
        assert!(run.len() < 16 && hex < Some(8), "{error} shows {run:?}");
    }
}

/// Lowers all numbers of lines.
fn lower_numbers(error: &mut ConfigError, by: usize) {
    let ConfigError::Field { location: Location::Line { number, .. }, found, .. } = error else {
        return;
    };
    *number -= by;
    if let FoundValue::Again { first } = found {
        *first -= by;
    }
}
