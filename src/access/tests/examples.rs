//! Examples: rules, a client, an id with its owner, and the decision.

use std::sync::Arc;

use super::*;
use crate::protocol::PeerName;

const K1: &str = "sha256:0101010101010101010101010101010101010101010101010101010101010101";

/// Compares the decision about a client that names an id. The expected text has `K1` for the name
/// of the key 1.
#[track_caller]
fn check(
    rules: &str,
    identity: Identity<'_>,
    (id, owner): (&str, Option<PeerName>),
    expected: Result<Rights, &str>,
) {
    check_with(&[], rules, identity, (id, owner), expected);
}

/// As [`check`], where other members have these keys as owners.
#[track_caller]
fn check_with(
    owners: &[u8],
    rules: &str,
    identity: Identity<'_>,
    (id, owner): (&str, Option<PeerName>),
    expected: Result<Rights, &str>,
) {
    let mut owned = OwnedIds::default();
    owners.iter().for_each(|number| owned.add(PeerName::Key(key(*number)), "other"));
    let decision = table(rules).decide(&identity, id, owner, &owned);
    let decision = decision.map_err(|error| error.to_string());
    assert_eq!(decision, expected.map_err(|text| text.replace("K1", K1)), "{rules}");
}

const FREE: (&str, Option<PeerName>) = ("alice", None);

fn owned_by(number: u8) -> (&'static str, Option<PeerName>) {
    ("alice", Some(PeerName::Key(key(number))))
}

fn owned_at(ip: [u8; 4]) -> (&'static str, Option<PeerName>) {
    ("alice", Some(PeerName::Address(ip.into())))
}

const NO_LINE: &str =
    "401 key: no line of the access file lets K1 use this id: ask the operator to add one";
const OTHER_CA: &str = "401 certificate: of another CA than the operator's, or not made for \
                        clients (clientAuth): ask the operator for a certificate for K1";
const NO_ADDRESS: &str = "401 address: no line of the access file lets 10.0.0.7 use this id: ask \
                          the operator to add one";
const NO_CERTIFICATE: &str =
    "401 certificate: this connection shows none: start the participant with a keys file";
const OTHER: &str = "403 id: belongs to another client, not to K1: use another id, or ask the \
                     operator to deregister this one";
const OTHER_ID: &str = "403 id: no line of the access file lets K1 use it: use the id of this key, \
                        or ask the operator";
const NO_SECRET: &str = "401 secret: missing, and K1 does not own this id: register with the \
                         secret of an invitation";
const BAD_SECRET: &str = "401 secret: not valid, from K1: ask the operator for another invitation";

#[test]
fn the_rules_of_the_id_decide_and_else_those_of_the_longest_prefix() {
    let send = Rights { may_receive: false, may_list: false, ..Rights::ALL };
    for (rules, expected) in [
        ("alice key=1 send\n* anyone", Ok(send)),
        ("alice key=2\n* anyone", Err(NO_LINE)),
        ("al* key=1 send\n* anyone", Ok(send)),
        ("al* key=2\n* anyone", Err(NO_LINE)),
        ("al* key=2\nali* key=1 send", Ok(send)),
        ("al* key=1\nali* key=2", Err(OTHER_ID)),
        ("alice* key=1 send\n* anyone", Ok(send)),
        ("alice* key=1\nalice key=2", Err(OTHER_ID)),
        ("alicea* key=2\nalicea key=2\n* key=1 send", Ok(send)),
        ("Alice key=2\nbob key=2\nb* key=2\n* key=1 send", Ok(send)),
        ("@operator key=1\nbob key=1", Err(OTHER_ID)),
        ("@operator key=2\nbob key=2", Err(NO_LINE)),
    ] {
        check(rules, shows(1), FREE, expected);
    }
}

#[test]
fn without_a_line_nobody_may_anything() {
    let no_rules = AccessTable::new([]);
    for (credentials, expected) in [
        (Credentials::Plain, NO_ADDRESS.to_owned()),
        (Credentials::NoCertificate, NO_CERTIFICATE.to_owned()),
        (shows(1).credentials.clone(), NO_LINE.replace("K1", K1)),
    ] {
        let client = identity(credentials);
        let decision = no_rules.decide(&client, "alice", None, &OwnedIds::default());
        assert_eq!(decision.map_err(|error| error.to_string()), Err(expected));
        assert!(!no_rules.is_operator(&client));
    }
}

#[test]
fn a_key_of_one_id_replaces_the_owner_and_a_key_of_a_prefix_does_not() {
    check("alice key=1", shows(1), FREE, Ok(Rights::ALL));
    check("alice key=1", shows(1), owned_by(2), Ok(Rights::ALL));
    check("alice key=2", shows(1), owned_by(1), Err(NO_LINE));
    check("al* key=1\nal* key=2", shows(1), owned_by(1), Ok(Rights::ALL));
    check("al* key=1\nal* key=2", shows(1), owned_by(2), Err(OTHER));
    check("* key=1", shows(1), owned_by(2), Err(OTHER));
    check("* key=2", shows(1), owned_by(1), Err(NO_LINE));
    check("alice key=1", identity(Credentials::NoCertificate), FREE, Err(NO_CERTIFICATE));
    check("alice key=1", identity(Credentials::Plain), FREE, Err(NO_ADDRESS));
}

#[test]
fn a_certificate_of_the_ca_replaces_the_owner_of_the_ids_that_it_names() {
    let names = ["alice".to_owned(), "bob".to_owned()];
    let with = |ca| identity(Credentials::of_key(key(1), ca));
    let valid = with(valid_as(&names));
    check("* ca", valid, FREE, Ok(Rights::ALL));
    check("* ca", valid, owned_by(2), Ok(Rights::ALL));
    check("alice ca send", valid, ("bob", None), Err(NO_LINE));
    let other = "403 certificate: does not name this id: use the id that the one of K1 names";
    check("* ca", valid, ("carol", None), Err(other));
    check("* ca", valid, ("alic", None), Err(other));
    check("* ca", valid, ("Alice", None), Err(other));
    let expired =
        "401 certificate: expired or not valid yet: renew the one of K1, and check the clocks";
    check("* ca", with(CaCheck::Expired), owned_by(1), Err(expired));
    check("* anyone", with(CaCheck::Expired), owned_by(1), Ok(Rights::ALL));
    check("* key=2", with(CaCheck::Expired), FREE, Err(NO_LINE));
    check("* ca", with(CaCheck::Unknown), FREE, Err(OTHER_CA));
    check("* ca\n* key=2", with(CaCheck::Unknown), FREE, Err(NO_LINE));
    check("* ca\n* secret=5", with(CaCheck::Unknown), FREE, Err(NO_SECRET));
    check("* ca\n* key=2", identity(Credentials::NoCertificate), FREE, Err(NO_CERTIFICATE));
}

#[test]
fn a_secret_is_needed_once_and_afterwards_the_key_that_registered() {
    let brings = |number, name| Identity { secret: Some(secret(name)), ..shows(number) };
    check("* secret=5", brings(1, 5), FREE, Ok(Rights::ALL));
    check("* secret=5", brings(1, 6), FREE, Err(BAD_SECRET));
    check("* secret=5", shows(1), FREE, Err(NO_SECRET));
    check("* secret=5", shows(1), owned_by(1), Ok(Rights::ALL));
    check("* secret=6", shows(1), owned_by(1), Ok(Rights::ALL));
    check("* secret=5", brings(1, 6), owned_by(1), Ok(Rights::ALL));
    check("* secret=5", brings(1, 5), owned_by(2), Err(OTHER));
    check("* secret=5", brings(1, 6), owned_by(2), Err(BAD_SECRET));
    check("* secret=5", shows(1), owned_by(2), Err(NO_SECRET));
    check("* secret=5", shows(1), owned_at([10, 0, 0, 7]), Err(NO_SECRET));
    check("* secret=5", brings(1, 5), owned_at([10, 0, 0, 7]), Ok(Rights::ALL));
    check("* secret=5", brings(1, 5), owned_at([10, 0, 0, 8]), Err(OTHER));
    check("* key=2", brings(1, 5), FREE, Err(NO_LINE));
    check("* key=2", shows(1), owned_by(1), Err(NO_LINE));
    for (credentials, expected) in
        [(Credentials::Plain, NO_ADDRESS), (Credentials::NoCertificate, NO_CERTIFICATE)]
    {
        let client = Identity { secret: Some(secret(5)), ..identity(credentials) };
        check("* secret=5", client, FREE, Err(expected));
        check("* secret=5", client, owned_by(1), Err(expected));
    }
}

/// The secret that an owner brought is not known later, so all secrets of the same `who` count. An
/// access file with such rules is refused.
#[test]
fn invitations_with_different_rights_need_different_ids() {
    let brings = |name| Identity { secret: Some(secret(name)), ..shows(1) };
    let receives = Rights { may_send: false, may_list: false, ..Rights::ALL };
    let same = "* secret=5 receive\n* secret=6";
    check(same, brings(5), FREE, Ok(receives));
    check(same, shows(1), owned_by(1), Ok(Rights::ALL));
    let different = "al* secret=5 receive\n* secret=6";
    check(different, brings(5), FREE, Ok(receives));
    check(different, shows(1), owned_by(1), Ok(receives));
    check(different, brings(6), FREE, Err(BAD_SECRET));
    check(different, brings(5), ("bob", None), Err(BAD_SECRET));
}

#[test]
fn anyone_and_an_address_leave_the_id_to_its_owner() {
    let plain = identity(Credentials::Plain);
    let elsewhere = "403 id: registered from 10.0.0.8, not from 10.0.0.7: use another id, or \
                     deregister this one on the coordinator's machine";
    let not_by_key = "403 id: belongs to another client, not to 10.0.0.7: use another id, or ask \
                      the operator to deregister this one";
    for rules in ["* anyone", "* address=10.0.0.0/8", "alice anyone", "alice address=10.0.0.7"] {
        check(rules, shows(1), FREE, Ok(Rights::ALL));
        check(rules, shows(1), owned_by(1), Ok(Rights::ALL));
        check(rules, shows(1), owned_by(2), Err(OTHER));
        check(rules, shows(1), owned_at([10, 0, 0, 7]), Ok(Rights::ALL));
        check(rules, shows(1), owned_at([10, 0, 0, 8]), Err(OTHER));
        check(rules, plain, FREE, Ok(Rights::ALL));
        check(rules, plain, owned_at([10, 0, 0, 7]), Ok(Rights::ALL));
        check(rules, plain, owned_at([10, 0, 0, 8]), Err(elsewhere));
        check(rules, plain, owned_by(1), Err(not_by_key));
        check(rules, identity(Credentials::NoCertificate), owned_by(1), Err(NO_CERTIFICATE));
    }
    check("* address=10.0.0.8", plain, FREE, Err(NO_ADDRESS));
    check("* address=10.0.0.8", plain, owned_at([10, 0, 0, 8]), Err(NO_ADDRESS));
    check("* address=10.0.0.8", shows(1), owned_by(1), Err(NO_LINE));
    let no_certificate = identity(Credentials::NoCertificate);
    check("* anyone", no_certificate, FREE, Err(NO_CERTIFICATE));
    check("* address=10.0.0.7 list", no_certificate, FREE, Ok(rule("* anyone list").rights));
}

#[test]
fn a_key_that_a_line_or_a_member_knows_gets_403_for_another_id() {
    let brings = |name| Identity { secret: Some(secret(name)), ..shows(1) };
    for (owners, rules) in [(&[][..], "* key=2\nbob key=1"), (&[1], "* key=2")] {
        check_with(owners, rules, shows(1), FREE, Err(OTHER_ID));
        check_with(owners, rules, shows(1), owned_by(2), Err(OTHER));
        check_with(owners, rules, shows(1), owned_at([10, 0, 0, 7]), Err(OTHER));
        check_with(owners, rules, shows(1), owned_by(1), Err(NO_LINE));
    }
    for (owners, rules) in [(&[][..], "* secret=5\nbob key=1"), (&[1, 2], "* secret=5")] {
        check_with(owners, rules, shows(1), FREE, Err(NO_SECRET));
        check_with(owners, rules, brings(6), FREE, Err(BAD_SECRET));
        check_with(owners, rules, brings(6), owned_by(2), Err(BAD_SECRET));
        check_with(owners, rules, shows(1), owned_by(2), Err(OTHER));
    }
    check_with(&[2], "* key=2", shows(1), FREE, Err(NO_LINE));
    check_with(&[2], "* secret=5", shows(1), owned_by(2), Err(NO_SECRET));
    check_with(&[1], "* key=1", identity(Credentials::NoCertificate), FREE, Err(NO_CERTIFICATE));
}

#[test]
fn rules_that_fit_together_give_the_rights_of_all_and_the_highest_limits() {
    let rules = "alice key=1 send rate=5 max_text=9\nalice address=10.0.0.0/8 receive ids=2";
    check(rules, shows(1), FREE, Ok(rule("a anyone send receive rate=5 max_text=9").rights));
    check(rules, shows(2), FREE, Ok(rule("a anyone receive ids=2").rights));
    let rules = "alice key=1 send rate=5 max_text=9\nalice address=10.0.0.7 send rate=6";
    check(rules, shows(1), owned_by(1), Ok(rule("a anyone send rate=6").rights));
    check(rules, shows(1), owned_by(2), Ok(rule("a anyone send rate=5 max_text=9").rights));
}

#[test]
fn an_operator_has_a_rule_of_its_own() {
    let names = ["@operator".to_owned()];
    let certified = |ca| identity(Credentials::of_key(key(1), ca));
    let plain = identity(Credentials::Plain);
    for (rules, client, expected) in [
        ("@operator key=1", shows(1), true),
        ("@operator key=1", shows(2), false),
        ("@operator key=1", plain, false),
        ("@operator address=10.0.0.0/24", plain, true),
        ("@operator address=10.0.0.8", plain, false),
        ("@operator address=10.0.0.7", identity(Credentials::NoCertificate), true),
        ("@operator ca", certified(valid_as(&names)), true),
        ("@operator ca", certified(valid_as(&["alice".to_owned()])), false),
        ("@operator ca", certified(CaCheck::Expired), false),
        ("@operator secret=5", Identity { secret: Some(secret(5)), ..shows(1) }, false),
        ("* key=1\nalice key=1", shows(1), false),
    ] {
        assert_eq!(table(rules).is_operator(&client), expected, "{rules}");
    }
}

#[test]
fn one_owner_has_at_most_as_many_members_by_a_rule_as_it_says() {
    let names = ["alice".to_owned(), "dev1".to_owned(), "dev2".to_owned(), "de".to_owned()];
    let owned = |count: usize| {
        let mut owned = OwnedIds::default();
        names.iter().take(count).for_each(|id| owned.add(PeerName::Key(key(1)), id));
        names.iter().for_each(|id| owned.add(PeerName::Key(key(2)), id));
        owned
    };
    let limit = |max: usize| {
        format!(
            "421 too many members of {K1}: {max} is the limit (ids of the access file): \
                 deregister one of them first"
        )
    };
    for (rules, id, count, expected) in [
        ("dev* anyone ids=1\n* anyone ids=1", "dev3", 1, Ok(())),
        ("dev* anyone ids=1\n* anyone ids=1", "dev3", 2, Err(limit(1))),
        ("dev* anyone ids=3\n* anyone ids=1", "dev3", 4, Ok(())),
        ("dev* anyone ids=2\n* anyone ids=1", "dev3", 4, Err(limit(2))),
        ("dev* anyone ids=3\n* anyone ids=1", "bob", 0, Ok(())),
        ("dev* anyone ids=3\n* anyone ids=1", "bob", 1, Err(limit(1))),
        ("dev* anyone ids=3\n* anyone ids=2", "bob", 3, Ok(())),
        ("dev* anyone ids=1\ndev* key=1 ids=2", "dev3", 2, Ok(())),
        ("dev* anyone ids=1\ndev* key=1", "dev3", 4, Ok(())),
        ("dev* anyone ids=1\ndev* key=2", "dev3", 2, Err(limit(1))),
        ("dev* anyone ids=1\ndev3 anyone", "dev3", 4, Ok(())),
    ] {
        let (table, mut owned) = (Arc::new(table(rules)), owned(count));
        owned.count_by(Arc::clone(&table));
        let decision = table.decide_new(&shows(1), id, &owned);
        let decision = decision.map(|(owner, _)| assert_eq!(owner, PeerName::Key(key(1))));
        assert_eq!(decision.map_err(|error| error.to_string()), expected, "{rules}, {id}");
    }
}

/// A walk over all ids of the owner for each registration would take many minutes here.
#[test]
fn a_limit_of_ids_does_not_walk_over_all_ids_of_the_owner() {
    let count = 50_000;
    let table = Arc::new(table("* anyone ids=1\ndev* anyone\nalice anyone"));
    let (mut owned, owner) = (OwnedIds::default(), PeerName::Key(key(1)));
    owned.count_by(Arc::clone(&table));
    (0..count).for_each(|number| owned.add(owner, &format!("dev{number}")));
    owned.add(owner, "zoe");
    for number in 0..count {
        let refused = table.decide_new(&shows(1), &format!("x{number}"), &owned);
        assert_eq!(refused.map_err(|error| error.code()), Err(421));
    }
}

#[test]
fn a_new_member_belongs_to_its_key_or_to_its_address_without_tls() {
    let table = Arc::new(table("* address=10.0.0.7 ids=1\n@operator key=1"));
    let mut owned = OwnedIds::default();
    owned.count_by(Arc::clone(&table));
    let new = |credentials| table.decide_new(&identity(credentials), "alice", &owned);
    let expected = Ok((PeerName::Address(ALICE_IP), rule("* anyone ids=1").rights));
    assert_eq!(new(Credentials::Plain), expected);
    let owner = new(shows(1).credentials.clone()).map(|(owner, _)| owner);
    assert_eq!(owner, Ok(PeerName::Key(key(1))));
    let error = new(Credentials::NoCertificate).map_err(|error| error.to_string());
    assert_eq!(error, Err(NO_CERTIFICATE.to_owned()));
}

#[test]
fn a_reload_revokes_the_members_that_no_rule_fits_any_more() {
    let names = ["bob".to_owned()];
    let members = [
        ("alice", key(1), shows(1)),
        ("bob", key(2), identity(Credentials::of_key(key(2), valid_as(&names)))),
        ("carol", key(3), shows(3)),
        ("dave", key(4), shows(4)),
    ];
    let members = || {
        members.iter().map(|(id, owner, identity)| ConnectedMember {
            id,
            owner: PeerName::Key(*owner),
            identity: *identity,
        })
    };
    for (rules, expected) in [
        ("* anyone", &[][..]),
        ("* secret=5", &[]),
        ("* address=10.0.0.0/24", &[]),
        ("* key=9", &["alice", "bob", "carol", "dave"]),
        ("@operator key=1", &["alice", "bob", "carol", "dave"]),
        ("* ca", &["alice", "carol", "dave"]),
        ("* anyone\ncarol key=9", &["carol"]),
        ("* anyone\ncarol key=3 list", &[]),
        ("a* key=1\nc* key=3\nd* key=5\nb* ca", &["dave"]),
    ] {
        assert_eq!(table(rules).revoked(members()), expected, "{rules}");
    }
}
