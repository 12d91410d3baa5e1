//! The table against the rules of the access file as words, for arbitrary rules and clients.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::protocol::{KeyName, PeerName, RequestError};

const IDS: [&str; 5] = ["a", "ab", "abc", "b", "c"];

/// Client by numbers, of which few are equal to those of the rules.
#[derive(Clone, Copy, Debug)]
struct Client {
    kind: u8,
    key: u8,
    is_valid: bool,
    named: usize,
    secret: Option<u8>,
    ip: u8,
}

impl Client {
    fn check<T>(&self, decide: impl FnOnce(&Identity<'_>) -> T) -> T {
        let names = IDS.map(str::to_owned);
        let ca = if self.is_valid { valid_as(&names[self.named..]) } else { CaCheck::Expired };
        let credentials = match self.kind {
            0 => Credentials::Plain,
            1 => Credentials::NoCertificate,
            _ => Credentials::of_key(key(self.key), ca),
        };
        decide(&Identity {
            ip: [10, 0, 0, self.ip].into(),
            credentials: &credentials,
            secret: self.secret.map(secret),
        })
    }
}

fn any_client() -> impl Strategy<Value = Client> {
    (0_u8..5, 0_u8..3, any::<bool>(), 0..IDS.len(), option::of(0_u8..3), 0_u8..4).prop_map(
        |(kind, key, is_valid, named, secret, ip)| Client {
            kind,
            key,
            is_valid,
            named,
            secret,
            ip,
        },
    )
}

fn any_rule() -> impl Strategy<Value = String> {
    let who = select(vec!["a", "ab", "b", "*", "a*", "ab*", "abc*", "@operator"]);
    let proof = select(vec![
        "key=0",
        "key=1",
        "ca",
        "secret=0",
        "secret=1",
        "address=10.0.0.1",
        "address=10.0.0.2/31",
        "anyone",
    ]);
    let rights = select(vec!["", " send", " receive", " send rate=2", " list ids=1", " ids=2"]);
    (who, proof, rights).prop_map(|(who, proof, rights)| format!("{who} {proof}{rights}"))
}

fn any_owner() -> impl Strategy<Value = Option<PeerName>> {
    option::of(prop_oneof![
        (0_u8..3).prop_map(|number| PeerName::Key(key(number))),
        (0_u8..3).prop_map(|ip| PeerName::Address([10, 0, 0, ip].into())),
    ])
}

/// The length of `who` as a description of `id`: a longer one is more specific. `None` if it does
/// not describe the id.
fn specificity(who: &str, id: &str) -> Option<usize> {
    match who.strip_suffix('*') {
        Some(prefix) => id.starts_with(prefix).then_some(prefix.len()),
        None => (who == id).then_some(usize::MAX),
    }
}

/// Returns true if the rule fits the client, and true if the client may use the id then: the id is
/// free or belongs to the client, or the rule replaces the owner.
fn fits(rule: &str, identity: &Identity<'_>, id: &str, owner: Option<PeerName>) -> (bool, bool) {
    let words: Vec<&str> = rule.split(' ').collect();
    let shown = identity.key();
    let belongs = match (owner, identity.credentials) {
        (None, _) => true,
        (Some(_), Credentials::NoCertificate) => false,
        (Some(PeerName::Key(owner)), _) => Some(owner) == shown,
        (Some(PeerName::Address(ip)), _) => ip == identity.ip,
    };
    let (fits, replaces_owner) = match words[1].split_once('=').unwrap_or((words[1], "")) {
        ("key", number) => (shown == Some(key(number.parse().unwrap())), !words[0].contains('*')),
        ("ca", _) => {
            let certified = matches!(
                identity.credentials,
                Credentials::Certificate { ca: CaCheck::Valid { names, .. }, .. }
                    if names.contains(&id.to_owned())
            );
            (certified, true)
        }
        ("secret", number) => {
            let brings = identity.secret == Some(secret(number.parse().unwrap()));
            let registered = owner.is_some() && owner == shown.map(PeerName::Key);
            (shown.is_some() && (brings || registered), false)
        }
        ("address", range) => (range.parse::<AddressRange>().unwrap().contains(identity.ip), false),
        _ => (*identity.credentials != Credentials::NoCertificate, false),
    };
    (fits, replaces_owner || belongs)
}

/// The decision by the words of the rules: the rights, or the code of the error.
fn decided(
    rules: &[String],
    identity: &Identity<'_>,
    id: &str,
    owner: Option<PeerName>,
    owned: &OwnedIds,
) -> Result<Rights, u16> {
    let best = rules.iter().filter_map(|it| specificity(it.split(' ').next().unwrap(), id)).max();
    let deciding: Vec<&String> = rules
        .iter()
        .filter(|it| best.is_some() && specificity(it.split(' ').next().unwrap(), id) == best)
        .collect();
    let mut code = 401;
    let mut rights: Option<Rights> = None;
    for text in &deciding {
        match fits(text, identity, id, owner) {
            (true, true) => {
                let more = rule(text).rights;
                rights = Some(rights.map_or(more, |rights| rights.union(more)));
            }
            (true, false) => code = 403,
            (false, _) => (),
        }
    }
    match *identity.credentials {
        Credentials::NoCertificate => rights.ok_or(401),
        Credentials::Certificate { key, ref ca, .. } if code == 401 => {
            rights.ok_or(code_of_unfit(rules, &deciding, identity, (key, ca, owner, owned)))
        }
        Credentials::Plain | Credentials::Certificate { .. } => rights.ok_or(code),
    }
}

/// The code of the error for a certificate that no rule fits, even if the owner had it.
fn code_of_unfit(
    rules: &[String],
    deciding: &[&String],
    identity: &Identity<'_>,
    (key, ca, owner, owned): (KeyName, &CaCheck, Option<PeerName>, &OwnedIds),
) -> u16 {
    let decides = |proof: &str| deciding.iter().any(|text| text.contains(proof));
    let own = PeerName::Key(key);
    let is_named = rules.iter().any(|text| text.contains(&format!(" key={}", key.0[0])));
    let is_known = is_named || owned.of(own).count() > 0;
    let is_wrong_secret = decides(" secret=") && identity.secret.is_some();
    let is_expired = decides(" ca") && *ca == CaCheck::Expired;
    let must_register = decides(" secret=") && owner.is_none();
    let names_other = decides(" ca") && matches!(ca, CaCheck::Valid { .. });
    let is_401 = is_wrong_secret || is_expired || !names_other && must_register;
    let is_403 = names_other || is_known && owner != Some(own);
    if !is_401 && is_403 { 403 } else { 401 }
}

/// The `who` of the rules that decide about an id.
fn deciding_who<'a>(rules: &'a [String], id: &str) -> Option<&'a str> {
    let all = rules.iter().map(|text| text.split(' ').next().unwrap());
    let fitting = all.filter_map(|who| Some((specificity(who, id)?, who)));
    fitting.max_by_key(|(specificity, _)| *specificity).map(|(_, who)| who)
}

fn code<T>(decision: Result<T, RequestError>) -> Result<T, u16> {
    decision.map_err(|error| error.code())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_table_decides_as_the_words_of_the_rules_in_any_order(
        rules in vec(any_rule(), 0..8),
        client in any_client(),
        id in select(IDS.to_vec()),
        owner in any_owner(),
        owned in vec((any_owner(), select(IDS.to_vec())), 0..3),
        turn in 0_usize..8,
    ) {
        let mut all = OwnedIds::default();
        owned.into_iter().for_each(|(owner, id)| {
            owner.into_iter().for_each(|owner| all.add(owner, id));
        });
        client.check(|identity| {
            let expected = decided(&rules, identity, id, owner, &all);
            let table = AccessTable::new(rules.iter().map(|text| rule(text)));
            let decision = table.decide(identity, id, owner, &all);
            assert_eq!(code(decision.clone()), expected);
            if let Ok(rights) = &decision {
                let most = table.most_rights(id, owner).unwrap();
                assert_eq!(most.union(*rights), most);
            }
            let mut turned: Vec<&String> = rules.iter().rev().collect();
            turned.rotate_left(turn.min(rules.len()));
            let turned = AccessTable::new(turned.into_iter().map(|text| rule(text)));
            assert_eq!(turned.decide(identity, id, owner, &all), decision);
            assert_eq!(turned.is_operator(identity), table.is_operator(identity));
            if let Some(owner) = owner {
                let revoked = table.revoked([ConnectedMember { id, owner, identity: *identity }]);
                assert_eq!(revoked.is_empty(), expected.is_ok());
            }
        });
    }

    /// Ids are added and removed, and the rules are replaced, before a client registers.
    #[test]
    fn the_limit_of_ids_counts_the_ids_of_the_owner_with_the_same_who(
        earlier in vec(any_rule(), 0..8),
        rules in vec(any_rule(), 0..8),
        changes in vec((any::<bool>(), any_owner(), select(IDS.to_vec())), 0..24),
        replaced_at in 0_usize..24,
        client in any_client(),
        id in select(IDS.to_vec()),
    ) {
        let table = |rules: &[String]| {
            Arc::new(AccessTable::new(rules.iter().map(|text| rule(text))))
        };
        let (mut owned, mut all) = (OwnedIds::default(), Vec::new());
        owned.count_by(table(&earlier));
        let replaced_at = replaced_at.min(changes.len());
        let mut change = |owned: &mut OwnedIds, (is_new, owner, id): (bool, Option<PeerName>, _)| {
            let Some(owner) = owner else { return };
            if is_new {
                owned.add(owner, id);
                all.push((owner, id));
            } else {
                owned.remove(owner, id);
                let known = all.iter().position(|it| *it == (owner, id));
                if let Some(at) = known {
                    all.remove(at);
                }
            }
        };
        changes[..replaced_at].iter().for_each(|it| change(&mut owned, *it));
        let table = table(&rules);
        owned.count_by(Arc::clone(&table));
        changes[replaced_at..].iter().for_each(|it| change(&mut owned, *it));
        client.check(|identity| {
            let expected = decided(&rules, identity, id, None, &owned).and_then(|rights| {
                let owner = identity.owner().ok_or(401_u16)?;
                let who = deciding_who(&rules, id);
                let same = |(other, id): &&(PeerName, &str)| {
                    *other == owner && deciding_who(&rules, id) == who
                };
                let same: std::collections::BTreeSet<_> = all.iter().filter(same).collect();
                match rights.ids_max {
                    Some(max) if same.len() >= max => Err(421),
                    Some(_) | None => Ok((owner, rights)),
                }
            });
            assert_eq!(code(table.decide_new(identity, id, &owned)), expected);
        });
    }

    #[test]
    fn a_further_rule_about_the_same_ids_takes_no_rights_away(
        rules in vec(any_rule(), 1..6),
        who in select(vec!["ab", "a*", "*"]),
        client in any_client(),
        owner in any_owner(),
    ) {
        client.check(|identity| {
            let rules = rules.iter().map(|text| {
                let (_, proof) = text.split_once(' ').unwrap();
                rule(&format!("{who} {proof}"))
            });
            let nobody = OwnedIds::default();
            let decide =
                |rules| AccessTable::new(rules).decide(identity, "ab", owner, &nobody);
            let all: Vec<AccessRule> = rules.collect();
            let fewer = all[1..].to_vec();
            if let Ok(rights) = decide(fewer) {
                let more = decide(all);
                assert_eq!(more.clone().map(|more| more.union(rights)), more);
            }
        });
    }
}
