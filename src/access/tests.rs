//! The table against examples, and against the rules of the access file as words.

mod examples;
mod model;

use std::net::IpAddr;

use super::testing::{key, rule, secret, valid_as};
use super::*;

const ALICE_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

pub(super) fn table(rules: &str) -> AccessTable {
    AccessTable::new(rules.lines().map(|line| rule(line.trim())))
}

pub(super) fn identity(credentials: Credentials) -> Identity<'static> {
    Identity { ip: ALICE_IP, credentials: Box::leak(Box::new(credentials)), secret: None }
}

pub(super) fn shows(number: u8) -> Identity<'static> {
    identity(Credentials::of_key(key(number), CaCheck::Unknown))
}
