//! Lines for the shell in the documents.

use std::fs;
use std::path::Path;

/// Returns the first command that begins so in a document, on one line.
#[track_caller]
pub(crate) fn command(document: &str, start: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(path).unwrap();
    let (before, rest) =
        text.split_once(start).unwrap_or_else(|| panic!("{document} has no {start:?}"));
    assert!(before.is_empty() || !before.ends_with(char::is_alphanumeric), "{start:?}");
    let mut command = start.to_owned();
    for line in rest.lines() {
        // The first line goes on behind `start`.
        let line = if command == start { line.trim_end() } else { line.trim() };
        match line.strip_suffix('\\') {
            Some(part) => command += part,
            None => return command + line,
        }
    }
    panic!("{document}: {start:?} has no end")
}
