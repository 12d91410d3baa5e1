//! The table against examples, and against the rules of the access file as words.

mod examples;
mod model;

use std::net::IpAddr;

use super::*;
use crate::protocol::{KeyName, SecretName};

const ALICE_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

pub(super) fn key(number: u8) -> KeyName {
    KeyName([number; 32])
}

pub(super) fn secret(number: u8) -> SecretName {
    SecretName::new([number; 32])
}

/// A rule in words: `who proof [right...]`, with a number for the name of a key or a secret.
pub(super) fn rule(text: &str) -> AccessRule {
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

pub(super) fn table(rules: &str) -> AccessTable {
    AccessTable::new(rules.lines().map(|line| rule(line.trim())))
}

pub(super) fn identity(credentials: Credentials) -> Identity<'static> {
    Identity { ip: ALICE_IP, credentials: Box::leak(Box::new(credentials)), secret: None }
}

pub(super) fn shows(number: u8) -> Identity<'static> {
    identity(Credentials::Certificate { key: key(number), ca: CaCheck::Unknown })
}
