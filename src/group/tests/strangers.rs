//! Requests from addresses other than the member's.

use super::*;
use crate::facts::{Ordered, StateMachine};
use crate::protocol::PeerName;

impl World {
    fn request_of(&mut self, peer: &str, line: &str) -> Vec<Effect> {
        let peer: IpAddr = peer.parse().unwrap();
        let origin = Origin {
            conn: ConnId(7),
            peer,
            peer_port: 50_000,
            local: "10.0.0.1".parse().unwrap(),
            credentials: &Credentials::Plain,
        };
        let line = format!("{line}#{peer}");
        self.input(Input::Request {
            origin: &origin,
            request: &Request::parse(line.as_bytes()).unwrap(),
        })
    }

    fn reply_to(&mut self, peer: &str, line: &str) -> String {
        let effects = self.request_of(peer, line);
        let Some(Effect::Reply { reply, to: ConnId(7), .. }) = effects.last() else {
            panic!("{line}: {effects:?}");
        };
        reply.to_string()
    }
}

#[test]
fn from_the_coordinators_machine_any_id_can_be_disconnected_and_deregistered() {
    for operator in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
        let mut world = World::new(60_000);
        let ann = world.register("ann", "");
        let effects = world.request_of(operator, "ann#disconnect");
        assert_eq!(
            effects[0],
            Effect::Close { link: ann, closing_bytes: Box::default() },
            "{operator}"
        );
        assert_eq!(world.reply_to(operator, "ann#disconnect"), "ERR 409 already offline");
        // A connect-back under way is cancelled, as for any other client.
        let link = world.dial(1, "ann#reconnect 9900");
        let effects = world.request_of(operator, "ann#deregister");
        let cancelled = Conflict::Cancelled.into();
        assert_eq!(effects[0], Effect::Close { link, closing_bytes: Box::default() });
        assert_eq!(replied(&effects[1]), Some((ConnId(1), &cancelled)));
        assert_eq!(replied(&effects[2]), Some((ConnId(7), &Reply::Deregister)));
        assert_eq!(
            world.reply_to(operator, "ann#deregister"),
            "ERR 404 not a member: register first"
        );
    }
}

#[test]
fn an_operator_can_remove_members_but_not_act_for_them() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    for command in ["register 9001", "reconnect 9001", "msend hi"] {
        let reply = world.reply_to("127.0.0.1", &format!("ann#{command}"));
        assert!(reply.starts_with("ERR 403 id: registered from 10.0.0.7, not from "), "{reply}");
    }
}

#[test]
fn from_another_address_nobody_can_remove_a_member() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    for stranger in ["10.0.0.8", "128.0.0.1", "::2", "::ffff:10.0.0.8"] {
        for command in ["disconnect", "deregister"] {
            let reply = world.reply_to(stranger, &format!("ann#{command}"));
            assert!(reply.starts_with("ERR 403 id: registered from 10.0.0.7"), "{reply}");
        }
    }
}

#[test]
fn members_of_one_address_are_limited_and_other_addresses_are_not() {
    let mut world = World::with(|rules| rules.members_per_address_max = 2);
    world.register("ann", "");
    let pending = world.dial(1, "bob#register 9500"); // It counts while it is under way.
    let reply = world.request("eve#register 9501").to_string();
    let full = "ERR 421 too many members at 10.0.0.7: 2 is the limit";
    assert!(reply.starts_with(full), "{reply}");
    let elsewhere = world.request_of("10.0.0.8", "eve#register 9501");
    assert!(matches!(elsewhere[..], [Effect::Connect { .. }]), "{elsewhere:?}");
    world.input(Input::ConnectFailed { link: pending, reason: "no".into() });
    world.register("bob", "");
    assert!(world.request("dan#register 9502").to_string().starts_with(full));
    world.connect("bob", "reconnect"); // A member that comes back needs no more room.
    world.request("ann#deregister");
    world.register("dan", "");
}

#[test]
fn members_on_the_coordinators_machine_are_limited_by_max_members_only() {
    let mut world = World::with(|rules| rules.members_per_address_max = 1);
    for id in ["ann", "bob", "eve"] {
        let effects = world.request_of("127.0.0.1", &format!("{id}#register 9501"));
        assert!(matches!(effects[..], [Effect::Connect { .. }]), "{effects:?}");
    }
}

#[test]
fn the_addresses_of_one_ipv6_network_count_as_one() {
    let mut world = World::with(|rules| rules.members_per_address_max = 1);
    world.request_of("2001:db8::1", "ann#register 9501");
    let reply = world.reply_to("2001:db8::ffff:2", "bob#register 9501");
    assert!(reply.starts_with("ERR 421 too many members at 2001:db8::/64: 1 "), "{reply}");
    world.request_of("2001:db8:0:1::1", "bob#register 9501");
}

#[test]
fn the_owner_of_an_id_uses_it_from_any_address_of_the_member() {
    let mut world = World::new(60_000);
    let owner = PeerName::Address([10, 0, 0, 9].into());
    let fact = Fact::Registered { id: "ann", owner, address: (LOCAL_IP, 9000).into(), past: 0 };
    let ordered = Ordered { ticket: None, is_committed: true };
    world.group.apply(fact, ordered, Millis::ZERO);
    // The request comes from the address that the member listens on.
    let refused = world.request("ann#reconnect 9001");
    let expected = RequestError::IdElsewhere { owner: [10, 0, 0, 9].into(), named: LOCAL_IP };
    assert_eq!(refused, expected.into());
    let origin = Origin {
        conn: ConnId(0),
        peer: [10, 0, 0, 9].into(),
        peer_port: 50_000,
        local: "10.0.0.1".parse().unwrap(),
        credentials: &Credentials::Plain,
    };
    let request = Request::parse(b"ann#reconnect 9001#10.0.0.9").unwrap();
    let effects = world.input(Input::Request { origin: &origin, request: &request });
    assert!(matches!(effects[..], [Effect::Connect { .. }]), "{effects:?}");
}
