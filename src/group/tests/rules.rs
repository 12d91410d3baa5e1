//! Settings that change while the group runs.

use super::*;

impl World {
    fn change(&mut self, change: impl FnOnce(&mut Rules)) -> Vec<Effect> {
        let mut rules = self.group.rules.clone();
        change(&mut rules);
        self.input(Input::RulesChanged { rules: &rules })
    }

    fn facts_of_expiry(&self) -> Vec<&str> {
        let facts = self.journal.facts.iter().map(String::as_str);
        facts.filter(|fact| fact.starts_with("Expired")).collect()
    }

    /// Sends one message in each of these seconds.
    fn send_at(&mut self, seconds: impl IntoIterator<Item = u64>) {
        for second in seconds {
            self.now = second * 1000;
            self.send("ann", &second.to_string());
        }
    }
}

#[test]
fn a_shorter_time_to_live_ends_exactly_what_is_too_old_and_tells_the_gap() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    let eve = world.register("eve", "acks=1");
    let bob = world.register("bob", "acks=1");
    world.input(Input::Lost { link: bob, how: SocketEnd::Closed });
    world.send_at(1..=5);
    world.now = 6_000;
    world.change(|rules| rules.ttl_ms = 3_000);
    assert_eq!(world.group.gauges().ttl_s, 3);
    assert_eq!(world.read(eve), "gap 2 1-2 3 4 5", "3 is exactly as old as it may be");
    let (bob, reply) = world.connect("bob", "reconnect acks=1");
    assert!(reply.to_string().contains(" missed=3 expired=2 "), "{reply}");
    assert_eq!(world.read(bob), "gap 2 1-2 3 4 5");
    world.now = 6_001;
    world.input(Input::Tick);
    assert_eq!(world.group.lines(Seq::ZERO).count(), 2, "time goes on");
    assert!(world.facts_of_expiry().is_empty());
}

#[test]
fn a_longer_time_to_live_keeps_what_is_there_and_writes_down_what_is_not() {
    let mut world = World::new(3_000);
    world.register("ann", "");
    let eve = world.register("eve", "acks=1");
    world.send_at(1..=5);
    world.now = 6_000;
    world.change(|rules| rules.ttl_ms = 60_000);
    assert_eq!(world.facts_of_expiry(), ["Expired { before: Seq(3) }"]);
    world.now = 60_000;
    world.input(Input::Tick);
    assert_eq!(world.read(eve), "gap 2 1-2 3 4 5");
    world.change(|rules| rules.ttl_ms = 100_000);
    assert_eq!(world.facts_of_expiry().len(), 1, "no other message has expired");
    world.change(|rules| rules.ttl_ms = 1_000);
    world.change(|rules| rules.ttl_ms = 2_000);
    assert_eq!(world.facts_of_expiry()[1..], ["Expired { before: Seq(6) }"]);
}

#[test]
fn a_recovery_does_not_bring_back_what_had_expired_by_a_shorter_time_to_live() {
    let recover = |facts: &[Fact<'_>]| {
        let mut rules = World::new(60_000).group.rules.clone();
        rules.keep = 10;
        let mut group = Group::recovering(rules);
        for (fact, at) in facts.iter().zip(1..) {
            let ordered = Ordered { ticket: None, is_committed: true };
            group.apply(*fact, ordered, Millis::new(at * 1000));
        }
        let lines = group.lines(Seq::ZERO).map(|(seq, ..)| seq.as_u64());
        (lines.collect::<Vec<u64>>(), group.expired_before().as_u64())
    };
    let lines = (1..=4).map(|seq| format!("{seq}#ann#0#x\n"));
    let lines: Vec<String> = lines.collect();
    let message = |seq: usize| {
        let line = &lines[seq - 1];
        let Ok(crate::protocol::MessageLine::Delivery(delivery)) =
            crate::protocol::MessageLine::parse(line.trim_end())
        else {
            panic!("{line}");
        };
        Fact::Numbered { delivery, line: line.as_bytes(), number: None }
    };
    let expired = Fact::Expired { before: Seq::new(3) };
    assert_eq!(recover(&[1, 2, 3, 4].map(message)), (vec![1, 2, 3, 4], 0));
    let facts = [message(1), message(2), message(3), expired, message(4)];
    assert_eq!(recover(&facts), (vec![3, 4], 3));
    // A segment that repeats messages tells it before them.
    let facts = [expired, message(1), message(2), message(3), message(4)];
    assert_eq!(recover(&facts), (vec![3, 4], 3));
}

#[test]
fn a_time_to_live_of_zero_begins_and_ends() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    let bob = world.register("bob", "acks=1");
    world.send("ann", "one");
    world.change(|rules| rules.ttl_ms = 0);
    world.send("ann", "two");
    world.take(bob, usize::MAX);
    world.input(Input::Delivered);
    world.send("ann", "three");
    world.input(Input::Delivered);
    world.change(|rules| rules.ttl_ms = 60_000);
    world.send("ann", "four");
    world.input(Input::Delivered);
    world.now = 59_000;
    assert_eq!(world.read(bob), "gap 1 3-3 four");
}

#[test]
fn other_limits_count_from_the_next_request_on_and_remove_nobody() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    world.register("bob", "");
    world.change(|rules| rules.members_max = 1);
    let reply = world
        .request_from(0, "eve#register 9300")
        .iter()
        .find_map(|effect| replied(effect).map(|(_, reply)| reply.to_string()));
    assert!(reply.unwrap().starts_with("ERR 421 "));
    assert_eq!(world.group.member_count(), 2);
    world.change(|rules| (rules.members_max, rules.line_bytes_max) = (3, 1));
    assert_eq!(world.group.rules.line_bytes_max, 4096, "it stays until a restart");
    world.register("eve", "");
    world.change(|rules| rules.backlog_bytes_max = 10);
    let reply = world.request("ann#msend longer than ten");
    assert!(reply.to_string().starts_with("ERR 507 "), "{reply}");
    world.request("eve#disconnect");
    world.change(|rules| rules.forget_after_ms = 5_000);
    world.now = 5_000;
    world.input(Input::Tick);
    assert_eq!(world.group.member_count(), 2, "eve was offline for 5 s");
}

#[test]
fn announcements_begin_and_end_without_a_word_about_the_past() {
    let mut world = World::new(60_000);
    let ann = world.register("ann", "");
    world.request("ann#msend before");
    world.change(|rules| rules.presence_delay_ms = Some(1_000));
    world.now = 10_000;
    world.input(Input::Tick);
    let bob = world.register("bob", "");
    world.input(Input::Tick);
    assert_eq!(world.read(ann), "bob registered");
    world.input(Input::Lost { link: bob, how: SocketEnd::Closed });
    world.change(|rules| rules.presence_delay_ms = Some(0));
    world.input(Input::Tick);
    assert_eq!(world.read(ann), "bob offline", "it no longer waits");
    world.change(|rules| rules.presence_delay_ms = None);
    world.connect("bob", "reconnect");
    world.now = 20_000;
    world.input(Input::Tick);
    assert_eq!(world.read(ann), "");
}
