//! Access rules in short words for tests.

use super::{AccessRule, CaCheck, Proof, Rights, Who};
use crate::protocol::{KeyName, SecretName};
use crate::time::UnixMillis;

/// Name of a key that tests can tell apart.
pub(crate) fn key(number: u8) -> KeyName {
    KeyName([number; 32])
}

/// Check of a certificate for these ids, which ends after all tests.
pub(crate) fn valid_as(names: &[String]) -> CaCheck {
    CaCheck::Valid { names: names.into(), until: UnixMillis::END_OF_9999 }
}

/// Name of a secret that tests can tell apart.
pub(crate) fn secret(number: u8) -> SecretName {
    SecretName::new([number; 32])
}

/// Parses a rule in words: `who proof [right...]`, with a number for the name of a key or a secret.
pub(crate) fn rule(text: &str) -> AccessRule {
    let mut words = text.split(' ');
    let who = Who::parse(words.next().unwrap()).unwrap();
    let proof = match words.next().unwrap().split_once('=') {
        Some(("key", number)) => Proof::Key(key(number.parse().unwrap())),
        Some(("secret", number)) => Proof::Secret(secret(number.parse().unwrap())),
        Some(("address", range)) => Proof::Address(range.parse().unwrap()),
        Some(other) => panic!("{other:?}"),
        None if text.contains(" ca") => Proof::Ca,
        None => Proof::Anyone,
    };
    let mut rights = Rights { may_send: false, may_receive: false, may_list: false, ..Rights::ALL };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("send", _) => rights.may_send = true,
            ("receive", _) => rights.may_receive = true,
            ("list", _) => rights.may_list = true,
            ("rate", n) => rights.rate = Some(n.parse().unwrap()),
            ("max_text", n) => rights.text_bytes_max = Some(n.parse().unwrap()),
            ("ids", n) => rights.ids_max = Some(n.parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    if !(rights.may_send || rights.may_receive || rights.may_list) {
        (rights.may_send, rights.may_receive, rights.may_list) = (true, true, true);
    }
    AccessRule { who, proof, rights }
}
