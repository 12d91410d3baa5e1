//! Owners of ids: addresses and keys.

use super::*;
use crate::access::CaCheck;
use crate::facts::{Ordered, Recorded, StateMachine};
use crate::protocol::KeyName;

const ELSEWHERE: &str = "10.0.0.8";

fn key(number: u8) -> Credentials {
    Credentials::of_key(KeyName([number; 32]), CaCheck::Unknown)
}

impl World {
    /// Returns the effects of a request of a client at `peer` with these credentials.
    pub(super) fn request_with(
        &mut self,
        (peer, shown): (&str, &Credentials),
        line: &str,
    ) -> Vec<Effect> {
        let peer: IpAddr = peer.parse().unwrap();
        let origin = Origin {
            conn: ConnId(9),
            peer,
            peer_port: 50_000,
            local: "10.0.0.1".parse().unwrap(),
            credentials: shown,
        };
        let line = format!("{line}#{peer}");
        self.input(Input::Request {
            origin: &origin,
            request: &Request::parse(line.as_bytes()).unwrap(),
        })
    }

    pub(super) fn answer_to(&mut self, client: (&str, &Credentials), line: &str) -> String {
        let effects = self.request_with(client, line);
        let reply = effects.iter().find_map(replied);
        reply.map_or_else(|| format!("{effects:?}"), |(_, reply)| reply.to_string())
    }

    /// Registers or reconnects a member, and returns its reply.
    pub(super) fn join_with(&mut self, client: (&str, &Credentials), line: &str) -> String {
        let effects = self.request_with(client, line);
        let Some(Effect::Connect { link, key, .. }) = effects.last() else {
            panic!("{line}: {effects:?}");
        };
        assert_eq!(
            key.as_deref().copied(),
            client.1.key(),
            "the listener must show the key of the request"
        );
        let effects = self.input(Input::Connected { link: *link });
        effects.iter().find_map(replied).unwrap().1.to_string()
    }

    pub(super) fn owner(&self, id: &str) -> PeerName {
        self.group.member_state(id).unwrap().owner
    }
}

const HOME: &str = "10.0.0.7";
const USES: [&str; 5] = ["disconnect", "deregister", "msend hi", "send 1 hi", "reconnect 9001"];
const OTHER_OWNER: &str = "ERR 403 id: belongs to another client, not to ";

#[test]
fn an_id_belongs_to_the_key_that_registered_it_at_every_address() {
    let mut world = World::new(60_000);
    assert!(world.join_with((HOME, &key(1)), "ann#register 9000").starts_with("OK register"));
    assert_eq!(world.owner("ann"), PeerName::Key(KeyName([1; 32])));
    assert!(world.answer_to((ELSEWHERE, &key(1)), "ann#msend hi").starts_with("OK msend"));
    assert!(world.join_with((ELSEWHERE, &key(1)), "ann#reconnect 9000").starts_with("OK rec"));
    assert_eq!(world.owner("ann"), PeerName::Key(KeyName([1; 32])));
    let reply = world.answer_to((ELSEWHERE, &key(1)), "ann#register 9000");
    assert_eq!(reply, "ERR 409 already a member: reconnect");
    assert_eq!(world.answer_to((HOME, &key(1)), "ann#disconnect"), "OK disconnect");
    assert_eq!(world.answer_to((HOME, &key(1)), "ann#deregister"), "OK deregister");
}

#[test]
fn another_key_and_a_client_without_tls_may_not_use_the_id_of_a_key() {
    for foreign_ip_allowed in [false, true] {
        let mut world = World::with(|rules| rules.foreign_ip_allowed = foreign_ip_allowed);
        world.join_with((HOME, &key(1)), "ann#register 9000");
        for line in USES.into_iter().chain(["register 9001"]) {
            let line = format!("ann#{line}");
            for peer in [HOME, ELSEWHERE] {
                let reply = world.answer_to((peer, &key(2)), &line);
                let expected = format!("{OTHER_OWNER}{}: use", KeyName([2; 32]));
                assert!(reply.starts_with(&expected), "{line}: {reply}");
                let reply = world.answer_to((peer, &Credentials::Plain), &line);
                assert!(reply.starts_with(&format!("{OTHER_OWNER}{peer}: use")), "{line}: {reply}");
            }
        }
    }
}

#[test]
fn a_key_at_the_address_of_an_id_becomes_its_owner_with_the_reconnect() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    let reply = world.answer_to((ELSEWHERE, &key(1)), "ann#reconnect 9001");
    assert!(reply.starts_with(OTHER_OWNER), "{reply}");
    assert!(world.answer_to((HOME, &key(1)), "ann#msend hi").starts_with("OK msend"));
    assert_eq!(world.owner("ann"), PeerName::Address(LOCAL_IP));
    assert!(world.join_with((HOME, &key(1)), "ann#reconnect 9001").starts_with("OK reconnect"));
    assert_eq!(world.owner("ann"), PeerName::Key(KeyName([1; 32])));
    let reply = world.request("ann#msend hi").to_string();
    assert!(reply.starts_with(OTHER_OWNER), "{reply}");
}

/// The key is checked first: such a client does not learn which ids are members.
#[test]
fn tls_without_a_certificate_may_ask_but_not_act() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    let nobody = Credentials::NoCertificate;
    for id in ["ann", "bob"] {
        for line in USES.into_iter().chain(["register 80", "register here"]) {
            let reply = world.answer_to((HOME, &nobody), &format!("{id}#{line}"));
            assert!(reply.starts_with("ERR 401 certificate: this connection"), "{line}: {reply}");
        }
        assert_eq!(world.answer_to((HOME, &nobody), &format!("{id}#ping")), "OK ping");
    }
    assert_eq!(world.answer_to(("127.0.0.1", &nobody), "ann#deregister"), "OK deregister");
}

/// The check of the request is not enough: another client may get the id before its fact is
/// applied.
#[test]
fn a_member_does_not_return_with_the_fact_of_another_key() {
    let mut world = World::new(60_000);
    world.join_with((HOME, &key(1)), "ann#register 9000");
    let apply = |world: &mut World, number, acked| {
        let (owner, address) = (PeerName::Key(KeyName([number; 32])), (LOCAL_IP, 9500).into());
        let fact = Fact::Returned { id: "ann", before: owner, owner, address, acked };
        let ordered = Ordered { ticket: None, is_committed: true };
        world.group.apply(fact, ordered, Millis::ZERO);
        world.group.member_state("ann").unwrap().address.port()
    };
    assert_eq!(apply(&mut world, 2, Seq::ZERO), 9000);
    assert_eq!(world.owner("ann"), PeerName::Key(KeyName([1; 32])));
    assert_eq!(apply(&mut world, 1, Seq::ZERO), 9500);
}
