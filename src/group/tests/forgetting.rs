//! Members that are offline for too long.

use super::*;
use crate::facts::Recorded;
use crate::limits::TURN_FORGETS_MAX;

fn world() -> World {
    World::late(|rules| {
        rules.forget_after_ms = 1_000;
        rules.members_max = 1_000;
        rules.members_per_address_max = 1_000;
    })
}

/// Returns the members that this turn forgets, as the journal records them.
fn forgotten(world: &mut World) -> Vec<String> {
    world.journal.facts.clear();
    assert_eq!(world.input(Input::Tick), []);
    let ids = world.journal.facts.iter().map(|fact| {
        let id = fact.strip_prefix("Deregistered { id: \"").unwrap_or_else(|| panic!("{fact}"));
        id.trim_end_matches("\" }").to_owned()
    });
    ids.collect()
}

#[test]
fn a_member_is_forgotten_after_its_time_and_no_earlier() {
    let mut world = world();
    let ann = world.register("ann", "");
    world.register("bob", "");
    assert_eq!(world.group.next_deadline(), None, "both are online");
    world.now = 500;
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    world.now = 700;
    world.request("bob#disconnect");
    assert_eq!(world.group.next_deadline(), Some(Millis::new(1_500)));
    world.now = 1_499;
    assert!(forgotten(&mut world).is_empty());
    world.now = 1_500;
    assert_eq!(forgotten(&mut world), ["ann"]);
    assert_eq!(world.request("ann#disconnect"), RequestError::NotAMember.into());
    assert_eq!(world.group.next_deadline(), Some(Millis::new(1_700)));
    world.now = 1_700;
    assert_eq!(forgotten(&mut world), ["bob"]);
    assert_eq!((world.group.next_deadline(), world.group.stats().members.forgotten), (None, 2));
    world.register("ann", "");
}

#[test]
fn a_member_that_comes_back_has_its_full_time_again() {
    let mut world = world();
    let ann = world.register("ann", "");
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    world.now = 999;
    let (ann, _) = world.connect("ann", "reconnect");
    assert_eq!(world.group.next_deadline(), None);
    world.now = 50_000;
    assert!(forgotten(&mut world).is_empty());
    world.input(Input::Garbled { link: ann });
    assert_eq!(world.group.next_deadline(), Some(Millis::new(51_000)));
}

#[test]
fn a_member_with_a_reconnect_under_way_is_not_forgotten() {
    let mut world = world();
    let ann = world.register("ann", "");
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    world.now = 900;
    let link = world.dial(1, "ann#reconnect 9900");
    world.now = 5_000;
    assert_eq!(world.group.next_deadline(), None);
    assert!(forgotten(&mut world).is_empty());
    // The reconnect failed, so that the member was offline all the time.
    world.input(Input::ConnectFailed { link, reason: "no".into() });
    assert_eq!(forgotten(&mut world), ["ann"]);
}

#[test]
fn no_member_is_forgotten_while_the_journal_fails() {
    let mut world = world();
    let ann = world.register("ann", "");
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    world.input(Input::JournalFails(true));
    world.now = 5_000;
    assert!(forgotten(&mut world).is_empty());
    assert_eq!(world.group.next_deadline(), None, "or the loop would spin");
    world.input(Input::JournalFails(false));
    assert_eq!(forgotten(&mut world), ["ann"]);
}

#[test]
fn the_offline_time_counts_from_the_start_of_the_program() {
    let mut world = world();
    world.now = 40;
    let ann = world.register("ann", "");
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    let mut group = Group::recovering(world.group.rules.clone());
    let ordered = Ordered { ticket: None, is_committed: true };
    for (state, _) in world.group.member_states() {
        group.apply(Fact::Member(state), ordered, Millis::new(40));
    }
    world.group = group;
    world.now = 7_000;
    let recovered = Fact::Recovered { epoch: Epoch::new(1) };
    world.group.apply(recovered, ordered, Millis::new(world.now));
    assert_eq!(world.group.next_deadline(), Some(Millis::new(8_000)));
    world.now = 8_000;
    assert_eq!(forgotten(&mut world), ["ann"]);
}

#[test]
fn many_members_are_forgotten_in_shares() {
    let mut world = world();
    let links: Vec<LinkId> =
        (0..TURN_FORGETS_MAX + 3).map(|i| world.register(&format!("m{i:03}"), "")).collect();
    for link in links {
        world.input(Input::Lost { link, how: SocketEnd::Closed });
    }
    world.now = 1_000;
    assert_eq!(forgotten(&mut world).len(), TURN_FORGETS_MAX);
    assert_eq!(world.group.next_deadline(), Some(Millis::new(1_000)), "the next turn comes now");
    assert_eq!(forgotten(&mut world).len(), 3);
}

#[test]
fn without_the_rule_nobody_is_ever_forgotten() {
    let mut world = World::late(|_| ());
    let ann = world.register("ann", "");
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    world.now = u64::MAX / 2;
    assert!(forgotten(&mut world).is_empty());
    assert_eq!(world.group.next_deadline(), None);
}
