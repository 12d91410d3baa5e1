//! Each command of each client to an id in each state, by the owner of the id and the rules.

use super::*;
use crate::access::testing::valid_as;
use crate::access::{Identity, OwnedIds};
use crate::facts::Recorded;

const COMMANDS: [&str; 7] = [
    "register 9100",
    "register here",
    "reconnect 9100",
    "disconnect",
    "deregister",
    "msend hi",
    "members",
];

/// State of the id `ann`, which the client of `Clients::owner` registers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unknown,
    Registering,
    Online,
    Offline,
}

fn with_ca(number: u8, ca: CaCheck) -> Credentials {
    Credentials::of_key(KeyName([number; 32]), ca)
}

/// All clients: an address, and what the connection shows.
fn clients() -> Vec<(&'static str, Credentials)> {
    let valid = |name: &str| valid_as(&[name.to_owned()]);
    vec![
        ("10.0.0.7", Credentials::Plain),
        ("10.0.0.8", Credentials::Plain),
        ("10.0.0.7", Credentials::NoCertificate),
        ("10.0.0.7", with_ca(1, CaCheck::Unknown)),
        ("10.0.0.8", with_ca(1, CaCheck::Unknown)),
        ("10.0.0.7", with_ca(2, CaCheck::Unknown)),
        ("10.0.0.8", with_ca(3, valid("ann"))),
        ("10.0.0.8", with_ca(3, valid("bob"))),
        ("10.0.0.8", with_ca(3, CaCheck::Expired)),
    ]
}

/// Brings `ann` into a state. Returns false if the client may not register.
fn bring(world: &mut World, state: State, (peer, shown): (&str, &Credentials)) -> bool {
    if state == State::Unknown {
        return true;
    }
    let effects = world.request_with((peer, shown), "ann#register 9000");
    let Some(Effect::Connect { link, .. }) = effects.last() else { return false };
    let link = *link;
    if state != State::Registering {
        world.input(Input::Connected { link });
    }
    if state == State::Offline {
        world.input(Input::Lost { link, how: SocketEnd::Closed });
    }
    true
}

/// Returns the code of the answer that PROTOCOL.md names; 0 for `OK`.
fn expected(
    table: &AccessTable,
    state: State,
    owner: Option<PeerName>,
    command: &str,
    identity: &Identity<'_>,
) -> u16 {
    if command != "members" && *identity.credentials == Credentials::NoCertificate {
        return 401;
    }
    let mut owned = OwnedIds::default();
    let registered = owner.filter(|_| state != State::Unknown);
    registered.into_iter().for_each(|owner| owned.add(owner, "ann"));
    let of_member = owner.filter(|_| matches!(state, State::Online | State::Offline));
    let rights = match table.decide(identity, "ann", of_member, &owned) {
        Ok(rights) => rights,
        Err(refusal) => return refusal.code(),
    };
    let verb = command.split(' ').next().unwrap();
    match (verb, state) {
        ("members", _) => {
            if rights.may_list {
                0
            } else {
                403
            }
        }
        ("msend", _) if !rights.may_send => 403,
        ("register", State::Unknown) => 0,
        ("register", _) => 409,
        (_, State::Unknown | State::Registering) => 404,
        ("msend" | "disconnect", State::Offline) => 409,
        _ => 0,
    }
}

#[test]
fn every_command_is_decided_by_the_state_the_owner_and_the_rules() {
    let mut answers = std::collections::BTreeMap::<u16, usize>::new();
    for rules in [
        "* anyone",
        "* address=10.0.0.7",
        "ann key=1; * anyone",
        "a* key=1; a* key=2 receive",
        "ann ca; ann address=10.0.0.7",
        "ann ca receive list; ann key=2 send",
        "* anyone send; ann ca",
    ] {
        let all = clients();
        for (first, state) in all.iter().flat_map(|first| {
            [State::Unknown, State::Registering, State::Online, State::Offline]
                .map(|state| (first, state))
        }) {
            for ((peer, shown), command) in
                all.iter().flat_map(|client| COMMANDS.map(|command| (client, command)))
            {
                let mut world = World::with_rules(rules);
                if !bring(&mut world, state, (first.0, &first.1)) {
                    continue;
                }
                let owner =
                    Identity { ip: first.0.parse().unwrap(), credentials: &first.1, secret: None }
                        .owner();
                let identity =
                    Identity { ip: peer.parse().unwrap(), credentials: shown, secret: None };
                let code = expected(&table(rules), state, owner, command, &identity);
                let effects = world.request_with((peer, shown), &format!("ann#{command}"));
                let reply = effects.iter().find_map(replied).map(|(_, reply)| reply.to_string());
                let answer = match &reply {
                    Some(reply) => reply
                        .strip_prefix("ERR ")
                        .map_or(0, |it| it.split(' ').next().unwrap().parse().unwrap()),
                    None => 0,
                };
                let case = format!("{rules}: {first:?} {state:?}: {peer} {shown:?} {command}");
                assert_eq!(answer, code, "{case}: {reply:?}");
                *answers.entry(code).or_default() += 1;
                check_owner(&mut world, &effects, command, &identity, owner, &case);
            }
        }
    }
    for code in [0, 401, 403, 404, 409] {
        assert!(answers.get(&code) > Some(&100), "{code}: {answers:?}");
    }
}

/// Checks that the owner of `ann` changes with a `register` and a `reconnect` alone.
fn check_owner(
    world: &mut World,
    effects: &[Effect],
    command: &str,
    identity: &Identity<'_>,
    before: Option<PeerName>,
    case: &str,
) {
    let mut has_joined = effects.iter().any(|it| matches!(it, Effect::Upgrade { .. }));
    if let Some(Effect::Connect { link, .. }) = effects.last() {
        let effects = world.input(Input::Connected { link: *link });
        let reply = effects.iter().find_map(replied).map(|(_, reply)| reply.to_string());
        assert!(reply.as_ref().is_some_and(|it| it.starts_with("OK re")), "{case}: {reply:?}");
        has_joined = true;
    }
    let owner = world.group.member_state("ann").map(|state| state.owner);
    if has_joined {
        assert_eq!(owner, identity.owner(), "{case}");
    } else if command != "deregister" {
        assert!(owner.is_none() || owner == before, "{case}: {owner:?}");
    }
}

/// A key that a rule names for exactly this id takes the id over, and keeps it: the check of the
/// fact that follows does not refuse the key.
#[test]
fn a_key_of_a_rule_for_the_id_takes_the_id_of_another_key() {
    let mut world = World::with_rules("ann key=1; ann anyone");
    let (first, named) = (with_ca(2, CaCheck::Unknown), with_ca(1, CaCheck::Unknown));
    assert!(world.join_with(("10.0.0.8", &first), "ann#register 9000").starts_with("OK register"));
    assert_eq!(world.owner("ann"), PeerName::Key(KeyName([2; 32])));
    assert!(world.answer_to(("10.0.0.7", &named), "ann#msend hi").starts_with("OK msend"));
    // The decision about this client is remembered until the owner changes.
    assert!(world.answer_to(("10.0.0.8", &first), "ann#msend hi").starts_with("OK msend"));
    assert!(world.join_with(("10.0.0.7", &named), "ann#reconnect 9001").starts_with("OK rec"));
    assert_eq!(world.owner("ann"), PeerName::Key(KeyName([1; 32])));
    let reply = world.answer_to(("10.0.0.8", &first), "ann#msend hi");
    assert!(reply.starts_with("ERR 403 id: belongs to another client"), "{reply}");
}

#[test]
fn a_secret_lets_a_key_register_and_the_key_alone_come_back() {
    let mut world = World::with_rules("* secret=7");
    let (invited, other) = (with_ca(1, CaCheck::Unknown), with_ca(2, CaCheck::Unknown));
    let (home, away) = (("10.0.0.7", &invited), ("10.0.0.7", &other));
    let right = "0".repeat(31) + "7";
    let wrong = "0".repeat(31) + "8";
    assert!(world.answer_to(home, "ann#register 9000").starts_with("ERR 401 secret: missing"));
    let reply = world.answer_to(home, &format!("ann#register 9000 secret={wrong}"));
    assert!(reply.starts_with("ERR 401 secret: not valid"), "{reply}");
    let reply = world.join_with(home, &format!("ann#register 9000 secret={right}"));
    assert!(reply.starts_with("OK register"), "{reply}");
    assert!(world.answer_to(home, "ann#msend hi").starts_with("OK msend"));
    assert!(world.join_with(home, "ann#reconnect 9001").starts_with("OK reconnect"));
    assert!(world.answer_to(away, "ann#reconnect 9001").starts_with("ERR 401 secret: missing"));
    assert!(world.change_rules("* secret=7").is_empty());
    assert_eq!(world.change_rules("* secret=6").len(), 0, "the owner needs no secret now");
    let plain = ("10.0.0.7", &Credentials::Plain);
    let reply = world.answer_to(plain, &format!("eve#register 9000 secret={right}"));
    assert!(reply.starts_with("ERR 401 address"), "{reply}");
}

#[test]
fn a_reload_does_not_refuse_a_registration_by_a_secret_that_waits_for_its_connection() {
    let mut world = World::with_rules("* secret=7");
    let invited = with_ca(1, CaCheck::Unknown);
    let line = format!("ann#register 9000 secret={}7", "0".repeat(31));
    let effects = world.request_with(("10.0.0.7", &invited), &line);
    let Some(Effect::Connect { link, .. }) = effects.last() else { panic!("{effects:?}") };
    assert!(world.change_rules("* secret=7; bob key=2").is_empty());
    let effects = world.input(Input::Connected { link: *link });
    let reply = effects.iter().find_map(replied).unwrap().1.to_string();
    assert!(reply.starts_with("OK register"), "{reply}");
    // Without any invitation the registration is refused.
    let line = line.replace("ann", "eve");
    assert!(world.request_with(("10.0.0.7", &invited), &line).len() == 1);
    let effects = world.change_rules("bob key=2");
    let refused = effects.iter().find_map(replied).unwrap().1.to_string();
    assert!(refused.starts_with("ERR 401"), "{refused}");
}
