//! The full backlog: refusals, drops and reports to the log.

use super::*;
use crate::limits::Overflow;
use crate::protocol::BacklogHolder;

impl World {
    /// Returns the changes of the backlog that this input reports.
    fn backlog_changes(&mut self, input: Input<'_>) -> Vec<BacklogChange> {
        let now = Now { steady: Millis::new(self.now), unix: UnixMillis(self.now) };
        self.group.handle(input, now, &mut self.journal);
        let effects = std::iter::from_fn(|| self.group.poll_effect());
        let changes = effects.filter_map(|effect| match effect {
            Effect::Backlog(change) => Some(change),
            Effect::Reply { .. }
            | Effect::List { .. }
            | Effect::Connect { .. }
            | Effect::Upgrade { .. }
            | Effect::Close { .. }
            | Effect::DrawEpoch
            | Effect::MemberChange(_) => None,
        });
        changes.collect()
    }

    fn changes_of(&mut self, line: &str) -> Vec<BacklogChange> {
        let origin = Origin {
            conn: ConnId(0),
            peer: LOCAL_IP,
            peer_port: 50_000,
            local: "10.0.0.1".parse().unwrap(),
            credentials: &Credentials::Plain,
        };
        let line = format!("{line}#{LOCAL_IP}");
        self.backlog_changes(Input::Request {
            origin: &origin,
            request: &Request::parse(line.as_bytes()).unwrap(),
        })
    }
}

#[test]
fn a_refusal_names_the_member_that_needs_the_oldest_message() {
    let mut world = World::with(|rules| rules.backlog_bytes_max = 24);
    let (ann, eve) = (world.register("ann", "acks=1"), world.register("eve", "acks=1"));
    world.register("bob", "");
    world.send("bob", "aa"); // 11 bytes each.
    world.send("bob", "bb");
    let full = |id: &str, bytes| -> Reply {
        let holder = BacklogHolder::Member { id: id.into(), bytes };
        RequestError::BacklogFull { max: 24, holder }.into()
    };
    world.read(ann);
    world.read(eve);
    world.ack(ann, 1);
    assert_eq!(world.request("bob#msend cc"), full("eve", 22));
    world.ack(eve, 2);
    assert_eq!(world.request("bob#msend cccccc"), full("ann", 11));
    world.send("bob", "cc");
}

#[test]
fn the_log_reports_refused_messages_once_at_the_start_and_once_at_the_end() {
    let mut world = World::with(|rules| {
        rules.backlog_bytes_max = 24;
        rules.ttl_ms = 3_600_000;
    });
    let ann = world.register("ann", "acks=1");
    world.register("bob", "");
    world.send("bob", "aa");
    world.send("bob", "bb");
    let holder = BacklogHolder::Member { id: "ann".into(), bytes: 22 };
    let refuses = BacklogChange::Refuses { max: 24, holder };
    assert_eq!(world.changes_of("bob#msend cc"), std::slice::from_ref(&refuses));
    for now in (0..20_000).step_by(9_999) {
        world.now = now;
        assert_eq!(world.changes_of("bob#msend cc"), [], "it is known");
        assert_eq!(world.backlog_changes(Input::Tick), []);
    }
    assert_eq!(world.group.next_deadline(), Some(Millis::new(19_998 + 10_000)));
    world.now = 29_997;
    assert_eq!(world.backlog_changes(Input::Tick), []);
    world.now = 29_998;
    let calm = BacklogChange::Calm { refused: 4, dropped: 0 };
    assert_eq!(world.backlog_changes(Input::Tick), [calm]);
    assert_eq!(world.backlog_changes(Input::Tick), []);
    assert_eq!(world.changes_of("bob#msend cc"), [refuses], "it is full again");
    world.read(ann);
}

#[test]
fn the_log_reports_dropped_messages_once_at_the_start_and_once_at_the_end() {
    let mut world = World::with(|rules| {
        rules.backlog_bytes_max = 24;
        rules.overflow = Overflow::DropOldest;
    });
    world.register("ann", "acks=1");
    world.register("bob", "");
    world.send("bob", "aa");
    world.send("bob", "bb");
    let holder = BacklogHolder::Member { id: "ann".into(), bytes: 22 };
    let drops = BacklogChange::Drops { max: 24, holder };
    assert_eq!(world.changes_of("bob#msend cc"), [drops]);
    assert_eq!(world.changes_of("bob#msend dd"), []);
    world.now = 10_000;
    let calm = BacklogChange::Calm { refused: 0, dropped: 2 };
    assert_eq!(world.backlog_changes(Input::Tick), [calm]);
    assert_eq!(world.group.stats().dropped, 2);
}

#[test]
fn a_full_backlog_refuses_until_a_member_has_caught_up() {
    let mut world = World::with(|rules| rules.backlog_bytes_max = 24);
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    world.send("bob", "aa"); // 11 bytes each.
    world.send("bob", "bb");
    let holder = BacklogHolder::Member { id: "ann".into(), bytes: 22 };
    let full = Reply::from(RequestError::BacklogFull { max: 24, holder });
    assert_eq!(world.request("bob#msend cc"), full);
    assert_eq!(world.read(ann), "aa bb");
    assert_eq!(world.request("bob#msend cc"), full, "sent is not acknowledged");
    world.ack(ann, 1);
    world.send("bob", "cc");
}
