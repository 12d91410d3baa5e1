//! The token that HTTP requests must show.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Name of the user that browsers send with the token.
const USER: &str = "groupcast";

/// A token, and the values of `Authorization` that show it.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::coordinator) struct HttpToken {
    bearer: Box<[u8]>,
    basic: Box<[u8]>,
}

impl HttpToken {
    pub(in crate::coordinator) fn new(token: &str) -> Self {
        let basic = STANDARD.encode(format!("{USER}:{token}"));
        Self { bearer: token.as_bytes().into(), basic: basic.into_bytes().into() }
    }

    /// Returns true if the value of an `Authorization` field shows the token.
    pub(super) fn is_shown_by(&self, value: Option<&[u8]>) -> bool {
        let Some(value) = value else { return false };
        let (scheme, shown) = match value.iter().position(|byte| *byte == b' ') {
            Some(at) => value.split_at(at),
            None => return false,
        };
        let shown = shown.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            is_same(shown, &self.bearer)
        } else {
            scheme.eq_ignore_ascii_case(b"basic") && is_same(shown, &self.basic)
        }
    }
}

/// Secrets are never printed.
impl std::fmt::Debug for HttpToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpToken")
    }
}

/// Compares two values in a time that does not tell where they differ.
fn is_same(shown: &[u8], expected: &[u8]) -> bool {
    let difference = shown.iter().zip(expected).fold(0, |all, (one, other)| all | (one ^ other));
    difference == 0 && shown.len() == expected.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_as_a_bearer_or_as_a_password() {
        let token = HttpToken::new("0123456789abcdef");
        let basic = format!("basic  {}", STANDARD.encode("groupcast:0123456789abcdef"));
        for right in ["Bearer 0123456789abcdef", "bearer  0123456789abcdef", &basic] {
            assert!(token.is_shown_by(Some(right.as_bytes())), "{right}");
        }
        let other_user = format!("Basic {}", STANDARD.encode("root:0123456789abcdef"));
        for wrong in
            ["", "Bearer", "Bearer ", "0123456789abcdef", "Bearer 0123456789abcdeg", &other_user]
        {
            assert!(!token.is_shown_by(Some(wrong.as_bytes())), "{wrong}");
        }
        assert!(!token.is_shown_by(None));
        assert!(!format!("{token:?}").contains("0123"));
    }
}
