//! Listeners at another address than the one that the request comes from.

use super::*;
use crate::access::testing::{key, rule};
use crate::access::{AccessTable, CaCheck};

const HOME: &str = "10.0.0.7";
const GATEWAY: &str = "192.0.2.1";

fn with_key(number: u8) -> Credentials {
    Credentials::of_key(key(number), CaCheck::Unknown)
}

impl World {
    /// Returns the effects of a request of a client at [`HOME`] that names the address `ip`.
    fn ask_from_home(&mut self, shown: &Credentials, line: &str, ip: &str) -> Vec<Effect> {
        let origin = Origin {
            conn: ConnId(9),
            peer: HOME.parse().unwrap(),
            peer_port: 50_000,
            local: "10.0.0.1".parse().unwrap(),
            credentials: shown,
        };
        let line = format!("{line}#{ip}");
        let request = Request::parse(line.as_bytes()).unwrap();
        self.input(Input::Request { origin: &origin, request: &request })
    }

    #[track_caller]
    fn joins_at(&mut self, shown: &Credentials, line: &str, at: &str) {
        let effects = self.ask_from_home(shown, line, at);
        let Some(Effect::Connect { link, address, from, key }) = effects.last() else {
            panic!("{line}#{at}: {effects:?}");
        };
        assert_eq!((address.ip(), *from), (at.parse().unwrap(), None));
        assert_eq!(key.as_deref().copied(), shown.key(), "the listener must show the key");
        let link = *link;
        self.input(Input::Connected { link });
    }

    #[track_caller]
    fn refused_at(&mut self, shown: &Credentials, line: &str, ip: &str, expected: &str) {
        let effects = self.ask_from_home(shown, line, ip);
        let reply = effects.iter().find_map(replied).map(|(_, reply)| reply.to_string());
        let reply = reply.unwrap_or_else(|| panic!("{line}#{ip}: {effects:?}"));
        assert!(reply.starts_with(expected), "{line}#{ip}: {reply}");
    }
}

#[test]
fn the_key_of_an_id_may_listen_at_another_address_and_no_other_client_may() {
    let foreign = "ERR 403 ip: 192.0.2.1 is not 10.0.0.7";
    let (ann, eve) = (with_key(1), with_key(2));
    let mut world = World::new(60_000);
    world.refused_at(&ann, "ann#reconnect 9000", GATEWAY, "ERR 404 not a member");
    for line in ["ann#register 9000", "ann#reconnect 9000"] {
        world.refused_at(&Credentials::Plain, line, GATEWAY, foreign);
        world.refused_at(&Credentials::NoCertificate, line, GATEWAY, "ERR 401 certificate");
    }
    world.joins_at(&ann, "ann#register 9000", GATEWAY);
    world.joins_at(&ann, "ann#reconnect 9000", GATEWAY);
    for line in ["ann#register 9000", "ann#reconnect 9000"] {
        world.refused_at(&eve, line, GATEWAY, foreign);
        world.refused_at(&eve, line, HOME, "ERR 403 id: belongs to another client");
    }
    // With `here` nobody connects, and other commands have no use for it.
    for line in ["ann#reconnect here", "ann#msend hi", "ann#disconnect", "ann#deregister"] {
        world.refused_at(&ann, line, GATEWAY, foreign);
    }
    world.joins_at(&ann, "amy#register 9001", "192.0.2.9");
}

#[test]
fn addresses_that_are_never_allowed_stay_so() {
    let ann = with_key(1);
    let mut world = World::new(60_000);
    for (ip, port, expected) in [
        ("127.0.0.1", 9000, "ERR 403 ip: 127.0.0.1 is not 10.0.0.7"),
        ("::1", 9000, "ERR 403 ip: ::1 is not 10.0.0.7"),
        ("10.0.0.1", 9000, "ERR 403 ip: 10.0.0.1 is not 10.0.0.7"),
        ("224.0.0.1", 9000, "ERR 403 ip: 224.0.0.1"),
        ("255.255.255.255", 9000, "ERR 403 ip: 255.255.255.255"),
        ("0.0.0.0", 9000, "ERR 403 ip: 0.0.0.0"),
        ("fe80::1", 9000, "ERR 403 ip: fe80::1"),
        (GATEWAY, 1023, "ERR 403 port"),
    ] {
        world.refused_at(&ann, &format!("ann#register {port}"), ip, expected);
    }
}

/// An id that was registered without TLS belongs to its address. Naming the address is not enough.
#[test]
fn an_id_of_an_address_is_not_taken_by_naming_the_address() {
    let mut world = World::new(60_000);
    let before = ("192.0.2.1", &Credentials::Plain);
    assert!(world.join_with(before, "ann#register 9000").starts_with("OK register "));
    for line in ["ann#reconnect 9000", "ann#reconnect here", "ann#register 9000"] {
        world.refused_at(&with_key(1), line, GATEWAY, "ERR 403 ip: 192.0.2.1 is not 10.0.0.7");
    }
}

#[test]
fn the_access_rules_say_whose_listener_may_be_elsewhere() {
    let (ann, eve) = (with_key(1), with_key(2));
    let mut world = World::with(|all| {
        let table = AccessTable::new(["ann key=1", "amy anyone"].map(rule));
        all.access = Some(AccessRules { table: table.into(), sha256: None });
    });
    world.joins_at(&ann, "ann#register 9000", GATEWAY);
    world.joins_at(&ann, "ann#reconnect 9000", GATEWAY);
    world.refused_at(&eve, "ann#reconnect 9000", GATEWAY, "ERR 401 key");
    world.refused_at(&eve, "bob#register 9000", GATEWAY, "ERR 401 key");
    world.joins_at(&eve, "amy#register 9001", GATEWAY);
    world.refused_at(&ann, "amy#reconnect 9001", GATEWAY, "ERR 403 ip: 192.0.2.1 is not");
}
