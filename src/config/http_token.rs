//! Reads the file of `http_token_file`: one line with the token.

use std::path::Path;

use super::lines::{self, ConfigLines, Fifos};
use super::{ConfigError, FoundValue};
use crate::limits::http::HTTP_TOKEN_BYTES_MIN;

/// Reads the token. No other user may read the file, or change it. Errors never show the token.
///
/// # Errors
///
/// The first fault.
pub fn load_http_token(path: &Path, fifos: Fifos) -> Result<String, ConfigError> {
    let bytes = lines::read_private(crate::limits::CONFIG_BYTES_MAX, path, fifos)?;
    let expected = format!(
        "a token of at least {HTTP_TOKEN_BYTES_MIN} letters, digits and signs, without ':'"
    );
    let mut lines = ConfigLines::new(path, &bytes);
    // A token may begin as a comment does.
    let Some(line) = lines.next_of_all()? else {
        return Err(lines.error("token", FoundValue::EndOfFile, &expected));
    };
    let is_token = line.text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !is_token || line.text.len() < HTTP_TOKEN_BYTES_MIN {
        return Err(line.found("token", FoundValue::Hidden, expected));
    }
    match lines.next()? {
        Some(line) => Err(line.found("line", FoundValue::Hidden, "the end of the file")),
        None => Ok(line.text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[track_caller]
    fn check(text: &str, mode: u32, expected: Result<&str, &str>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.txt");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let found = load_http_token(&path, Fifos::Awaited).map_err(|error| error.to_string());
        match (&found, expected) {
            (Ok(token), Ok(expected)) => assert_eq!(token, expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("{found:?}, expected {expected:?}"),
        }
        if let Err(error) = found {
            assert!(!error.contains("0123456789"), "the token is shown: {error}");
        }
    }

    #[test]
    fn a_file_has_one_token() {
        check("0123456789abcdef\r\n\n", 0o600, Ok("0123456789abcdef"));
        check("//23456789abcdef", 0o600, Ok("//23456789abcdef"));
        check("// for Prometheus\n0123456789abcdef\n", 0o600, Err(":1: token"));
        check("", 0o600, Err("found the end of the file"));
        check("0123456789\n", 0o600, Err(":1: token: found a value that is not shown, expected a"));
        check("0123456789 abcdef\n", 0o600, Err(":1: token"));
        check("0123456789abcdef\n0123456789abcdef\n", 0o600, Err(":2: line"));
        check("0123456789abcdef\n", 0o644, Err("mode: found 0644"));
    }
}
