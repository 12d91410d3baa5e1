//! Access rules: each right, each error, and rules that change while members are online.

mod certificates;
mod owners;

use std::sync::Arc;

use super::*;
use crate::access::testing::rule;
use crate::access::{AccessTable, CaCheck};
use crate::protocol::KeyName;

const OPERATORS: &str = "@operator address=10.0.0.9";

fn table(rules: &str) -> Arc<AccessTable> {
    Arc::new(AccessTable::new(rules.split("; ").map(rule)))
}

/// A digest that tests can compute: 32 times the value of the last digit.
fn sha256(secret: &[u8]) -> [u8; 32] {
    [secret.last().unwrap() - b'0'; 32]
}

impl World {
    fn with_rules(rules: &str) -> Self {
        Self::with(|all| {
            all.access = Some(AccessRules { table: table(rules), sha256: Some(sha256) });
        })
    }

    fn change_rules(&mut self, rules: &str) -> Vec<Effect> {
        self.input(Input::AccessChanged { table: table(rules), checked: &[] })
    }

    /// Returns the ids that are online.
    fn online(&self) -> String {
        let online = self.group.members().filter(|line| line.online).map(|line| line.id);
        online.collect::<Vec<_>>().join(" ")
    }
}

/// Checks the answers to `requests` of a client without TLS at 10.0.0.7.
#[track_caller]
fn check(rules: &str, requests: &[(&str, &str)]) {
    let mut world = World::with_rules(rules);
    for (line, expected) in requests {
        let reply = match world.request_from(0, line).last() {
            Some(Effect::Connect { link, .. }) => {
                let effects = world.input(Input::Connected { link: *link });
                effects.iter().find_map(replied).unwrap().1.to_string()
            }
            Some(Effect::Reply { reply, .. }) => reply.to_string(),
            Some(Effect::List { .. }) => "OK".to_owned(),
            other => panic!("{line}: {other:?}"),
        };
        assert!(reply.starts_with(expected), "{rules}: {line}: {reply}");
    }
}

#[test]
fn no_line_is_401_and_a_missing_right_is_403() {
    let nobody = "ERR 401 address: no line of the access file lets 10.0.0.7 use this id";
    for rules in ["ann address=10.0.0.8", "ann anyone; bob* anyone", OPERATORS] {
        let joining = ["register 9000", "register here", "reconnect 9000", "register 80"];
        let others = ["msend hi", "send 1 hi", "disconnect", "deregister", "members", "stats"];
        for line in joining.into_iter().chain(others) {
            check(rules, &[(&format!("eve#{line}"), nobody), ("eve#ping", "OK ping")]);
        }
    }
    let send = "ERR 403 right: the access file does not give send";
    let list = "ERR 403 right: the access file does not give list";
    let joined = ("ann#register 9000", "OK register");
    check("* anyone receive list", &[joined, ("ann#msend hi", send), ("ann#send 1 hi", send)]);
    check("* anyone receive list", &[("ann#msend hi", send), ("ann#members", "OK")]);
    check("* anyone send receive", &[joined, ("ann#members", list), ("ann#stats", list)]);
    check("* anyone list", &[joined, ("ann#disconnect", "OK"), ("ann#deregister", "OK")]);
    check("* anyone", &[("ann#msend hi", "ERR 404"), ("ann#reconnect 9000", "ERR 404")]);
    check("* anyone", &[("ann#register 80", "ERR 403 port"), joined, ("ann#msend hi", "OK")]);
}

#[test]
fn a_text_that_is_too_long_or_too_early_is_refused_and_changes_nothing() {
    let too_long = "ERR 403 text: 4 bytes exceed 3 (max_text of this id)";
    let joined = ("ann#register 9000", "OK register");
    let requests = [joined, ("ann#msend abcd", too_long), ("ann#msend abc", "OK msend seq=1")];
    check("* anyone send max_text=3", &requests);
    let requests = [joined, ("ann#send 1 abcd", too_long), ("ann#send 1 abc", "OK send 1 seq=1")];
    check("* anyone send max_text=3", &requests);
    let mut world = World::with_rules("* anyone rate=2");
    world.register("ann", "");
    let too_fast = "ERR 429 rate: at most 2 a second: try again in 500 ms";
    for (now, expected) in [
        (0, "OK msend seq=1"),
        (0, "OK msend seq=2"),
        (0, too_fast),
        (0, too_fast),
        (499, "ERR 429 rate: at most 2 a second: try again in 1 ms"),
        (500, "OK msend seq=3"),
        (500, too_fast),
        (9_000, "OK msend seq=4"),
    ] {
        world.now = now;
        assert_eq!(world.request("ann#msend hi").to_string(), expected, "at {now}");
    }
    assert!(world.request("ann#send 1 hi").to_string().starts_with("OK send 1"));
    assert_eq!(world.request("ann#send 2 hi").to_string(), too_fast);
    let duplicate = world.request("ann#send 1 hi").to_string();
    assert_eq!(duplicate, "OK send 1 duplicate=1", "it is no text more");
    world.change_rules("* anyone rate=5");
    assert!(world.request("ann#send 2 hi").to_string().starts_with("OK send 2"));
}

#[test]
fn a_rate_is_spent_by_accepted_texts_of_an_online_member_alone() {
    let mut world = World::with_rules("* anyone rate=1");
    let ann = world.register("ann", "");
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    assert!(world.request("ann#msend hi").to_string().starts_with("ERR 409 offline"));
    world.connect("ann", "reconnect");
    world.input(Input::JournalFails(true));
    assert!(world.request("ann#msend hi").to_string().starts_with("ERR 506"));
    world.input(Input::JournalFails(false));
    assert!(world.request("ann#msend hi").to_string().starts_with("OK msend"));
    assert!(world.request("ann#msend hi").to_string().starts_with("ERR 429"));
}

#[test]
fn a_limit_of_ids_counts_members_and_registrations_under_way() {
    let mut world = World::with_rules("* anyone ids=2; b* anyone ids=1; other anyone");
    world.register("ann", "");
    let pending = world.dial(5, "eve#register 9100");
    let full = "ERR 421 too many members of 10.0.0.7: 2 is the limit (ids of the access file)";
    assert!(world.request("eva#register 9101").to_string().starts_with(full));
    let busy = world.request("eve#register 9101").to_string();
    assert!(busy.starts_with("ERR 409 already registering"), "{busy}");
    world.input(Input::ConnectFailed { link: pending, reason: "refused".into() });
    world.register("eva", "");
    assert!(world.request("eve#register 9101").to_string().starts_with(full));
    world.register("bob", "");
    assert!(world.request("bea#register 9101").to_string().starts_with("ERR 421"));
    world.register("other", "");
    world.request("ann#deregister");
    world.register("eve", "");
}

#[test]
fn operators_list_and_remove_any_id_and_other_machines_do_not() {
    let own_machine = ("127.0.0.1", &Credentials::Plain);
    let operator = ("10.0.0.9", &Credentials::Plain);
    let rules = &format!("a* address=10.0.0.7; {OPERATORS}");
    let mut world = World::with_rules(rules);
    for (id, removal) in [("ann", "disconnect"), ("ann", "deregister"), ("amy", "deregister")] {
        if world.group.members().all(|line| line.id != id) {
            world.register(id, "");
        }
        let line = format!("{id}#{removal}");
        let reply = world.answer_to(own_machine, &line);
        assert!(reply.starts_with("ERR 401 address"), "{reply}");
        assert_eq!(world.answer_to(operator, &line), format!("OK {removal}"));
    }
    assert_eq!(world.group.member_count(), 0);
    assert!(world.answer_to(operator, "eve#deregister").starts_with("ERR 404"));
    for list in ["members", "stats"] {
        let effects = world.request_with(operator, &format!("eve#{list}"));
        assert!(matches!(effects[..], [Effect::List { .. }]), "{effects:?}");
    }
    let reply = world.answer_to(operator, "eve#register here");
    assert!(reply.starts_with("ERR 401 address"), "no line lets it join: {reply}");
}

#[test]
fn a_member_that_may_not_receive_gets_nothing_and_holds_up_no_backlog() {
    let rules = "sensor* anyone send; * anyone";
    let mut world = World::with(|all| {
        all.backlog_bytes_max = 400;
        all.access = Some(AccessRules { table: table(rules), sha256: None });
    });
    let sensor = world.register("sensor1", "acks=1 nonce=aa last=9");
    let (away, _) = world.connect("sensor2", "register");
    world.input(Input::Lost { link: away, how: SocketEnd::Closed });
    let bob = world.register("bob", "");
    assert_eq!(world.take(sensor, usize::MAX), "hello#aa#0000000000000001\n");
    for round in 0..40 {
        world.send(["bob", "sensor1"][round % 2], "a text of some bytes, and some more");
        world.read(bob);
    }
    assert!(!world.group.is_due(sensor));
    assert_eq!(world.take(sensor, usize::MAX), "");
    for line in world.group.members().filter(|line| line.id.starts_with("sensor")) {
        assert_eq!((line.pending, line.acked.as_u64(), line.oldest_s), (0, 40, 0), "{line}");
    }
    let (_, reply) = world.connect("sensor2", "reconnect acks=1");
    assert!(reply.to_string().contains(" next=41 ttl=60 missed=0 expired=0 "), "{reply}");
    assert!(world.ack(sensor, 40).is_empty());
}

#[test]
fn a_right_to_receive_begins_and_ends_with_the_rules() {
    let all = "* anyone";
    let mute = "ann anyone send; * anyone";
    for acks in ["", "acks=1"] {
        let mut world = World::with_rules(mute);
        let (ann, _) = (world.register("ann", acks), world.register("bob", ""));
        world.send("bob", "before");
        assert_eq!(world.read(ann), "");
        assert!(world.change_rules(all).is_empty());
        world.send("bob", "first");
        world.send("ann", "own");
        assert_eq!(world.take(ann, "2#bob#0#fir".len()), "2#bob#0#fir");
        world.send("bob", "second");
        assert!(world.change_rules(mute).is_empty());
        world.send("bob", "third");
        assert_eq!(world.take(ann, usize::MAX), "st\n", "a begun line is finished");
        assert_eq!(world.acked("ann"), 5);
        world.change_rules(all);
        world.send("bob", "fourth");
        assert_eq!(world.read(ann), "fourth");
        assert_eq!(world.online(), "ann bob");
    }
}

/// A coordinator that starts with other rules must not send what the member could not receive.
#[test]
fn the_cursor_of_a_member_that_may_not_receive_is_recorded_at_the_last_number() {
    let mut world = World::with_rules("ann anyone send; * anyone");
    for id in ["ann", "bob", "carol", "dave"] {
        world.register(id, "");
    }
    for last in 1..=8 {
        world.send("bob", "text");
        let mut recorded = 0;
        world.group.take_cursor_changes(|fact| {
            if let Fact::Acked { id: "ann", acked } = fact {
                recorded = acked.as_u64();
            }
        });
        assert_eq!(recorded, last);
    }
}

#[test]
fn an_offline_member_keeps_its_messages_while_no_rule_fits() {
    let mut world = World::with_rules("* anyone");
    let (ann, _) = (world.register("ann", ""), world.register("bob", ""));
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    world.send("bob", "one");
    world.change_rules("bob anyone");
    world.send("bob", "two");
    assert!(world.request("ann#reconnect 9100").to_string().starts_with("ERR 401"));
    world.change_rules("* anyone");
    let (ann, _) = world.connect("ann", "reconnect");
    assert_eq!(world.read(ann), "one two");
}

#[test]
fn exactly_the_members_that_no_rule_fits_any_more_are_closed_with_the_reason() {
    let mut world = World::with_rules("* anyone");
    let ids = ["ann", "bob", "eve"];
    let [ann, _, eve] = ids.map(|id| world.register(id, "acks=1"));
    let closed = |effects: Vec<Effect>| {
        let closes = effects.iter().map(|effect| {
            let Effect::Close { link, closing_bytes } = effect else { panic!("{effect:?}") };
            (*link, String::from_utf8(closing_bytes.to_vec()).unwrap())
        });
        closes.collect::<Vec<_>>()
    };
    let bye = "bye#access revoked\n".to_owned();
    let effects = world.change_rules("bob anyone; eve address=10.0.0.8; ann address=10.0.0.0/8");
    assert_eq!(closed(effects), [(eve, bye.clone())]);
    assert_eq!(world.online(), "ann bob");
    assert!(world.request("eve#msend hi").to_string().starts_with("ERR 401 address"));
    assert!(world.request("ann#msend hi").to_string().starts_with("OK"));
    let effects = world.change_rules("bob anyone; eve anyone");
    assert_eq!(closed(effects), [(ann, bye)]);
    assert!(
        closed(world.change_rules("bob anyone send; eve anyone")).is_empty(),
        "a lost right closes nothing"
    );
    world.connect("eve", "reconnect");
    assert_eq!(world.online(), "bob eve");
}

#[test]
fn a_connect_back_that_no_rule_fits_any_more_is_refused() {
    let mut world = World::with_rules("* anyone");
    world.register("ann", "");
    let (new, again) = (world.dial(5, "bob#register 9100"), world.dial(6, "ann#reconnect 9101"));
    let effects = world.change_rules("eve anyone");
    let refused = effects.iter().filter_map(replied).map(|(to, reply)| {
        assert!(reply.to_string().starts_with("ERR 401 address"), "{reply}");
        to.0
    });
    let mut refused: Vec<usize> = refused.collect();
    refused.sort_unstable();
    assert_eq!(refused, [5, 6]);
    let closes = effects.iter().filter(|effect| matches!(effect, Effect::Close { .. }));
    assert_eq!(closes.count(), 3, "two connect-backs and a message socket: {effects:?}");
    for link in [new, again] {
        assert!(world.input(Input::Connected { link }).is_empty());
    }
    assert_eq!((world.online(), world.group.member_count()), (String::new(), 1));
}

#[test]
fn a_group_without_rules_ignores_new_rules() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    assert!(world.change_rules("bob address=10.0.0.8").is_empty());
    assert!(world.request("ann#msend hi").to_string().starts_with("OK"));
}

#[test]
fn after_a_restart_the_rules_decide_about_recorded_owners() {
    let restart = |rules: &str| {
        let mut group = Group::recovering(Rules {
            access: Some(AccessRules { table: table(rules), sha256: None }),
            ..World::new(60_000).group.rules
        });
        let owner = PeerName::Address(LOCAL_IP);
        let address = (LOCAL_IP, 9000).into();
        let ordered = Ordered { ticket: None, is_committed: true };
        let mut apply = |fact| group.apply(fact, ordered, Millis::ZERO);
        apply(Fact::Registered { id: "ann", owner, address, past: 0 });
        apply(Fact::Registered { id: "bob", owner, address, past: 0 });
        let text = "hi".into();
        let accepted = UnixMillis(0);
        apply(Fact::Accepted { sender: "bob", number: None, accepted, text });
        apply(Fact::Recovered { epoch: Epoch::new(2) });
        group.check();
        let ann = group.members().next().unwrap();
        (ann.pending, group.gauges().history_messages)
    };
    assert_eq!(restart("* anyone"), (1, 1));
    assert_eq!(restart("ann anyone send; * anyone"), (0, 0));
    assert_eq!(restart("ann ca send; * anyone"), (0, 0), "the most that the owner can have");
    assert_eq!(restart("ann address=10.0.0.8 send; * anyone"), (1, 1), "no rule fits");
}
