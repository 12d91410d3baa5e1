//! Announcements of members that come and go.

use super::*;
use crate::facts::{Announced, MemberState};
use crate::limits::{ANNOUNCEMENT_RETRY_MS, FORMER_IDS_MAX, TURN_ANNOUNCEMENTS_MAX};
use crate::protocol::Delivery;

const DELAY_MS: u64 = 5_000;

fn world_with(change: impl FnOnce(&mut Rules)) -> World {
    World::with(|rules| {
        rules.presence_delay_ms = Some(DELAY_MS);
        change(rules);
    })
}

fn world() -> World {
    world_with(|_| ())
}

impl World {
    /// Goes on to a time, through all deadlines.
    fn go_on(&mut self, until: u64) {
        self.input(Input::Tick);
        while let Some(at) = self.group.next_deadline().filter(|at| at.as_u64() <= until) {
            assert!(at.as_u64() > self.now, "it spins");
            self.now = at.as_u64();
            assert_eq!(self.input(Input::Tick), []);
        }
        self.now = until;
        self.input(Input::Tick);
    }

    /// Returns all kept announcements, each with its time.
    fn announced(&self) -> Vec<String> {
        let lines = self.group.lines(Seq::ZERO);
        let lines = lines.map(|(_, line, _)| String::from_utf8(line.to_vec()).unwrap());
        let announced = lines.filter_map(|line| {
            let (_, rest) = line.split_once("#@#")?;
            let (at, text) = rest.trim_end().split_once('#')?;
            Some(format!("{at} {text}"))
        });
        announced.collect()
    }

    fn lose(&mut self, link: LinkId) {
        self.input(Input::Lost { link, how: SocketEnd::Closed });
    }
}

#[test]
fn every_member_gets_each_change_the_subject_too() {
    let mut world = world();
    let ann = world.register("ann", "acks=1");
    world.go_on(0);
    world.now = 100;
    let bob = world.register("bob", "");
    world.go_on(100);
    assert_eq!(world.read(ann), "ann registered bob registered");
    assert_eq!(world.read(bob), "bob registered");
    world.ack(ann, 2);
    assert_eq!((world.acked("ann"), world.acked("bob")), (2, 2), "an announcement is acknowledged");
    world.send("ann", "own");
    world.now = 10_000;
    world.lose(bob);
    world.go_on(14_999);
    assert_eq!(world.read(ann), "");
    world.go_on(15_000);
    assert_eq!(world.read(ann), "bob offline");
    world.now = 30_000;
    let (bob, reply) = world.connect("bob", "reconnect");
    assert!(reply.to_string().contains(" missed=2 "), "its own end, too: {reply}");
    world.go_on(30_000);
    assert_eq!(world.read(bob), "own bob offline bob online");
    assert_eq!(world.read(ann), "bob online");
    world.request("bob#deregister");
    world.go_on(34_999);
    assert_eq!(world.read(ann), "", "less than the delay after the last one");
    world.go_on(35_000);
    assert_eq!(world.read(ann), "bob deregistered");
    world.request("ann#deregister");
    world.go_on(35_000);
    assert_eq!(world.announced().last().unwrap(), "35000 ann deregistered");
    world.go_on(40_000);
    assert_eq!(world.group.announced_states().count(), 0, "no id is kept");
    world.go_on(200_000);
    assert_eq!(world.group.next_deadline(), None, "no timer is left");
}

#[test]
fn nothing_is_announced_without_presence() {
    let mut world = World::new(60_000);
    let ann = world.register("ann", "");
    world.lose(ann);
    world.request("ann#deregister");
    world.go_on(60_000);
    assert_eq!((world.group.last(), world.group.announced_states().count()), (Seq::ZERO, 0));
}

#[test]
fn a_member_that_comes_back_in_time_was_never_away() {
    let mut world = world_with(|rules| rules.ttl_ms = 3_600_000);
    let mut ann = world.register("ann", "");
    world.go_on(20_000);
    for _ in 0..10 {
        world.lose(ann);
        world.go_on(world.now + DELAY_MS - 1);
        world.connect("ann", "reconnect");
        ann = world.connect("ann", "reconnect").0; // A takeover.
        world.go_on(world.now + DELAY_MS);
    }
    assert_eq!(world.announced(), ["0 ann registered"]);
    assert_eq!(world.group.next_announcing(), None, "no timer runs");
}

#[test]
fn a_member_that_flaps_makes_one_message_in_the_delay() {
    let mut world = world_with(|rules| rules.ttl_ms = 3_600_000);
    let mut ann = world.register("ann", "");
    let mut at = 0;
    for pause in (1..400).map(|step| step * 7_919 % 9_000) {
        at += pause;
        world.go_on(at);
        if at % 3 == 0 {
            world.request("ann#deregister");
        } else {
            world.lose(ann);
        }
        at += pause / 3;
        world.go_on(at);
        let how = if world.group.member_count() == 0 { "register" } else { "reconnect" };
        ann = world.connect("ann", how).0;
    }
    world.go_on(at + DELAY_MS);
    let announced = world.announced();
    let split = |line: &str| -> (u64, String) {
        let (at, text) = line.split_once(' ').unwrap();
        (at.parse().unwrap(), text.split_once(' ').unwrap().1.to_owned())
    };
    let all: Vec<(u64, String)> = announced.iter().map(|line| split(line)).collect();
    for pair in all.windows(2) {
        let [(first, before), (second, after)] = pair else { unreachable!() };
        assert!(second - first >= DELAY_MS, "{pair:?}");
        let is_online = |word: &str| matches!(word, "registered" | "online");
        assert!(before != after && !(is_online(before) && is_online(after)), "{pair:?}");
    }
    assert!(all.len() > 50, "{announced:?}");
    assert!(["registered", "online"].contains(&&*all.last().unwrap().1), "{announced:?}");
}

#[test]
fn an_id_that_was_not_announced_ends_without_a_word() {
    let mut world = world();
    world.register("ann", "");
    world.request("ann#deregister");
    assert_eq!(world.group.announced_states().count(), 0, "strangers may come and go for long");
    world.go_on(20_000);
    assert_eq!(world.announced(), [""; 0]);
}

#[test]
fn an_offline_member_may_be_announced_before_its_registration() {
    let mut world = world();
    world.register("ann", "");
    world.go_on(0);
    world.now = 1_000;
    world.request("ann#deregister");
    world.go_on(5_000);
    world.now = 6_000;
    let ann = world.register("ann", "");
    world.lose(ann);
    world.go_on(30_000);
    assert_eq!(
        world.announced(),
        ["0 ann registered", "5000 ann deregistered", "11000 ann offline"]
    );
}

#[test]
fn without_a_delay_every_change_is_announced_at_once() {
    let mut world = world_with(|rules| rules.presence_delay_ms = Some(0));
    world.now = 7;
    let ann = world.register("ann", "");
    world.go_on(7);
    world.lose(ann);
    world.go_on(7);
    world.connect("ann", "reconnect");
    world.go_on(7);
    world.request("ann#deregister");
    world.go_on(7);
    let expected = ["7 ann registered", "7 ann offline", "7 ann online", "7 ann deregistered"];
    assert_eq!(world.announced(), expected);
}

#[test]
fn a_forgotten_member_is_announced() {
    let mut world = world_with(|rules| rules.forget_after_ms = 8_000);
    let ann = world.register("ann", "");
    world.lose(ann);
    world.go_on(20_000);
    // The end comes 3 s after the last announcement, so that it waits for 2 s.
    assert_eq!(world.announced(), ["5000 ann offline", "10000 ann deregistered"]);
}

#[test]
fn an_announcement_waits_for_room_in_the_backlog() {
    let mut world = world_with(|rules| rules.backlog_bytes_max = 200);
    let ann = world.register("ann", "acks=1");
    world.go_on(0);
    world.register("bob", "acks=1");
    world.send("ann", &"x".repeat(155));
    world.go_on(9_000);
    assert_eq!(world.announced(), ["0 ann registered"]);
    let waits_until = world.group.next_announcing().unwrap().as_u64();
    assert!((9_001..=9_000 + ANNOUNCEMENT_RETRY_MS).contains(&waits_until), "{waits_until}");
    let refused = world.request(&format!("ann#msend {}", "x".repeat(155)));
    assert!(refused.to_string().starts_with("ERR 507 "), "{refused}");
    world.read(ann);
    let links = world.group.links.all_open();
    links.iter().for_each(|link| drop(world.read(*link)));
    world.ack(ann, 2);
    world.ack(links[1], 2);
    world.go_on(11_000);
    assert_eq!(*world.announced().last().unwrap(), format!("{waits_until} bob registered"));
}

#[test]
fn announcements_drop_the_oldest_messages_if_the_operator_wants_that() {
    let mut world = world_with(|rules| {
        rules.backlog_bytes_max = 200;
        rules.overflow = Overflow::DropOldest;
    });
    world.register("ann", "acks=1");
    world.go_on(0);
    world.register("bob", "acks=1");
    world.send("ann", &"x".repeat(155));
    world.go_on(0);
    assert_eq!(world.announced(), ["0 bob registered"]);
    assert_eq!(world.group.stats().dropped, 1);
}

#[test]
fn nothing_is_announced_while_the_journal_takes_nothing_or_at_the_end() {
    let mut world = world();
    world.input(Input::JournalFails(true));
    world.input(Input::JournalFails(false));
    let ann = world.register("ann", "");
    world.input(Input::JournalFails(true));
    world.go_on(2_500);
    assert_eq!(world.announced(), [""; 0]);
    world.input(Input::JournalFails(false));
    world.go_on(3_000);
    assert_eq!(world.announced(), ["3000 ann registered"]);
    world.input(Input::ShutDown);
    world.lose(ann);
    world.go_on(70_000);
    assert_eq!((world.group.last(), world.group.next_announcing()), (Seq::new(1), None));
}

#[test]
fn an_announcement_comes_behind_the_requests_of_its_turn() {
    let mut world = world_with(|rules| rules.presence_delay_ms = Some(0));
    let ann = world.register("ann", "");
    world.go_on(0);
    world.register("bob", "");
    world.send("bob", "first");
    world.register("eve", "");
    world.send("eve", "one");
    world.request("eve#deregister");
    world.input(Input::Tick);
    assert_eq!(world.read(ann), "ann registered first one bob registered");
}

#[test]
fn a_turn_announces_a_bounded_number_of_members() {
    let mut world = world_with(|rules| {
        rules.members_max = 1_000;
        rules.members_per_address_max = 1_000;
    });
    let count = TURN_ANNOUNCEMENTS_MAX + 10;
    for number in 0..count {
        world.register(&format!("m{number}"), "");
    }
    world.input(Input::Tick);
    assert_eq!(world.announced().len(), TURN_ANNOUNCEMENTS_MAX);
    assert_eq!(world.group.next_deadline(), Some(Millis::new(1)), "the next turn");
    world.input(Input::Tick);
    assert_eq!(world.announced().len(), count);
}

/// Lets the group begin with these facts of a journal, at the time 0.
fn recover(world: &mut World, facts: &[Fact<'_>]) {
    world.group = Group::recovering(world.group.rules.clone());
    let ordered = Ordered { ticket: None, is_committed: true };
    for fact in facts.iter().chain(&[Fact::Recovered { epoch: Epoch::new(1) }]) {
        world.group.apply(*fact, ordered, Millis::ZERO);
    }
}

#[test]
fn new_ids_wait_while_too_many_former_ones_do() {
    let mut world = world();
    let ids: Vec<String> = (0..FORMER_IDS_MAX).map(|number| format!("m{number}")).collect();
    let announced = Announced::Online;
    let facts = ids.iter().map(|id| Fact::Announced { id, announced });
    recover(&mut world, &facts.collect::<Vec<_>>());
    world.register("ann", "");
    world.go_on(DELAY_MS - 1);
    assert_eq!(world.group.last(), Seq::ZERO);
    world.now = DELAY_MS;
    world.go_on(2 * DELAY_MS + ANNOUNCEMENT_RETRY_MS);
    assert_eq!(world.group.last(), Seq::new(FORMER_IDS_MAX as u64 + 1));
    assert_eq!(world.group.announced_state("ann"), Some(Announced::Online));
    assert_eq!(world.group.announced_states().count(), 1);
}

fn member(id: &str) -> Fact<'_> {
    let owner = PeerName::Address(LOCAL_IP);
    let (registered_at, start, acked) = (Seq::ZERO, Seq::ZERO, Seq::ZERO);
    let (address, published) = ((LOCAL_IP, 9000).into(), 0);
    Fact::Member(MemberState { id, owner, address, registered_at, start, acked, published })
}

/// Returns all that is announced after a restart with these facts, if these members come back.
fn after_restart(facts: &[Fact<'_>], back: &[&str]) -> Vec<String> {
    let mut world = world();
    recover(&mut world, facts);
    world.go_on(2_000);
    back.iter().for_each(|id| drop(world.connect(id, "reconnect")));
    world.go_on(20_000);
    world.announced()
}

#[test]
fn a_restart_announces_only_the_members_that_stay_away() {
    let announced = |id, announced| Fact::Announced { id, announced };
    let online = [member("ann"), announced("ann", Announced::Online)];
    assert_eq!(after_restart(&online, &["ann"]), [""; 0]);
    assert_eq!(after_restart(&online, &[]), ["5000 ann offline"]);
    let offline = [member("ann"), announced("ann", Announced::Offline)];
    assert_eq!(after_restart(&offline, &[]), [""; 0]);
    // The record may be as young as the last announcement.
    assert_eq!(after_restart(&offline, &["ann"]), ["5000 ann online"]);
    let unknown = [member("ann")];
    assert_eq!(after_restart(&unknown, &["ann"]), [""; 0], "from a time without presence");
    assert_eq!(after_restart(&unknown, &[]), ["5000 ann offline"]);
    let registered = [announced("ann", Announced::Absent), member("ann")];
    assert_eq!(after_restart(&registered, &["ann"]), ["5000 ann registered"]);
    let former = [announced("ann", Announced::Online)];
    assert_eq!(after_restart(&former, &[]), ["5000 ann deregistered"]);
    let gone = [announced("ann", Announced::Absent)];
    assert_eq!(after_restart(&gone, &[]), [""; 0]);
}

#[test]
fn a_snapshot_names_all_announced_states() {
    let online = |id| Fact::Announced { id, announced: Announced::Online };
    let snapshot = Fact::Snapshot { epoch: Epoch::new(1), last: Seq::ZERO };
    let facts = [online("ann"), online("bob"), snapshot, online("bob"), Fact::AllNamed];
    assert_eq!(after_restart(&facts, &[]), ["5000 bob deregistered"]);
    let damaged = [online("ann"), online("bob"), snapshot, online("bob")];
    assert_eq!(after_restart(&damaged, &[]), ["5000 ann deregistered", "5000 bob deregistered"]);
}

#[test]
fn a_recovered_announcement_is_the_announced_state() {
    let delivery = |text| Delivery { seq: Seq::new(1), sender: "@", accepted: UnixMillis(0), text };
    for (text, expected) in [
        ("ann online", vec!["5000 ann offline"]),
        ("ann offline", vec![]),
        ("ann of a later version", vec!["5000 ann offline"]),
    ] {
        let delivery = delivery(text);
        let line = format!("{delivery}\n");
        let message = Fact::Numbered { delivery, line: line.as_bytes(), number: None };
        let mut world = world();
        recover(&mut world, &[member("ann"), message]);
        world.go_on(20_000);
        assert_eq!(world.announced()[1..], expected, "{text}");
    }
}

#[test]
fn a_recovery_forgets_ids_that_were_announced_and_are_gone() {
    let mut group = Group::recovering(world().group.rules.clone());
    let ordered = Ordered { ticket: None, is_committed: true };
    for number in 0..3 * FORMER_IDS_MAX {
        let id = format!("m{number}");
        let fact = Fact::Announced { id: &id, announced: Announced::Absent };
        group.apply(fact, ordered, Millis::new(number as u64 * 10));
        if number % 128 == 0 {
            assert!(group.announced_states().count() <= FORMER_IDS_MAX, "{number}");
        }
    }
}
