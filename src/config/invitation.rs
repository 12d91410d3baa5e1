//! Invitations: one line that lets a participant find, check and join a group.

use crate::protocol::{KeyName, Secret};

/// Invitation of a coordinator: `gc1:<64 hex digits>:<32 hex digits>`.
///
/// It has no `Display`, and its `Debug` hides the secret.
#[derive(Clone, Copy, Debug)]
pub struct Invitation {
    /// Key of the coordinator.
    pub coordinator: KeyName,
    /// Secret that `register` brings.
    pub secret: Secret,
}

/// First characters of an invitation.
const START: &str = "gc1:";
/// First characters of the text of a key's name, which an invitation leaves out.
const NAME_START: &str = "sha256:";

impl Invitation {
    /// Description of a valid text, for errors.
    pub(super) const EXPECTED: &str =
        "gc1:, 64 lower-case hex digits, a colon and 32 lower-case hex digits";

    /// Returns true if a line is meant as an invitation.
    pub(super) fn is_meant(line: &str) -> bool {
        line.starts_with(START)
    }

    /// Parses the text of an invitation.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (key, secret) = text.strip_prefix(START)?.split_once(':')?;
        let coordinator = format!("{NAME_START}{key}").parse().ok()?;
        Some(Self { coordinator, secret: Secret::parse(secret)? })
    }

    /// Returns the text, with the secret: for the operator who asks for it, and for no log.
    #[must_use]
    pub fn reveal(&self) -> String {
        let name = self.coordinator.to_string();
        let key = name.strip_prefix(NAME_START).unwrap_or(&name);
        format!("{START}{key}:{}", self.secret.reveal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_a_key_and_a_secret() {
        let (key, secret) = ("0a".repeat(32), "f0".repeat(16));
        let text = format!("gc1:{key}:{secret}");
        let invitation = Invitation::parse(&text).unwrap();
        assert_eq!(invitation.coordinator, KeyName([0x0a; 32]));
        assert_eq!(invitation.secret.reveal(), secret);
        assert_eq!(invitation.reveal(), text);
        assert!(!format!("{invitation:?}").contains("f0f0"), "{invitation:?}");
    }

    #[test]
    fn every_other_text_is_refused() {
        let (key, secret) = ("0a".repeat(32), "f0".repeat(16));
        for text in [
            String::new(),
            "gc1:".to_owned(),
            format!("gc1:{key}"),
            format!("gc1:{key}:"),
            format!("gc1:{secret}:{key}"),
            format!("gc2:{key}:{secret}"),
            format!("GC1:{key}:{secret}"),
            format!("gc1:{key}:{secret}:"),
            format!("gc1:{key}:{secret} "),
            format!("gc1:{key}0:{secret}"),
            format!("gc1:{key}:{secret}0"),
            format!("gc1:sha256:{key}:{secret}"),
            format!("gc1:{}:{secret}", key.to_uppercase()),
            format!("gc1:{key}:{}", secret.to_uppercase()),
        ] {
            assert!(Invitation::parse(&text).is_none(), "{text:?}");
        }
    }
}
