//! Time of the innermost steps of the coordinator: to parse a line, keep a message, pull a run, set
//! a timer; and to encode, read and replay the records of a journal.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use groupcast::access::Credentials;
use groupcast::facts::{Fact, MemberState, Ordered, StateMachine as _};
use groupcast::group::{ConnId, Effect, Group, Input, LinkId, Origin, Rules, Ticket};
use groupcast::journal::{
    BootId, MemoryJournal, Record, Salt, SegmentHeader, SegmentItem, SyncMode, encode, read,
};
use groupcast::limits::{KEEP_DEFAULT, Overflow};
use groupcast::net::TimerWheel;
use groupcast::protocol::{Ack, Epoch, LineBuffer, MessageLine, PeerName, Request, Seq};
use groupcast::time::{Millis, Now, UnixMillis};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TEXT_BYTES: usize = 100;
const MESSAGES: u64 = 1_000;
const TIMERS: u64 = 1_000;
/// Place of a recovered fact.
const RECOVERED: Ordered<Ticket> = Ordered { ticket: None, is_committed: true };

fn now(millis: u64) -> Now {
    Now { steady: Millis::new(millis), unix: UnixMillis(millis) }
}

fn msend() -> String {
    format!("publisher#msend {}#127.0.0.1", "x".repeat(TEXT_BYTES))
}

fn rules() -> Rules {
    Rules {
        ttl_ms: 60_000,
        line_bytes_max: 4096,
        members_per_address_max: usize::MAX,
        forget_after_ms: 0,
        presence_delay_ms: None,
        members_max: 10_000,
        backlog_bytes_max: 1 << 30,
        overflow: Overflow::Reject,
        keep: KEEP_DEFAULT,
        foreign_ip_allowed: false,
        listening: (HOME, 5000).into(),
        access: None,
    }
}

/// A group with an online publisher and receivers.
struct World {
    group: Group,
    links: Vec<LinkId>,
}

impl World {
    fn new(receivers: u64) -> Self {
        let mut world = Self { group: Group::new(rules(), Epoch::new(1)), links: Vec::new() };
        world.links = (0..receivers).filter_map(|index| world.register(&member(index))).collect();
        world.register("publisher");
        world
    }

    /// Carries out a request and returns the link of its connect-back.
    fn request(&mut self, line: &[u8]) -> Option<LinkId> {
        let origin = Origin {
            conn: ConnId(0),
            peer: HOME,
            peer_port: 50_000,
            local: HOME,
            credentials: &Credentials::Plain,
        };
        if let Ok(request) = Request::parse(line) {
            self.group.handle(
                Input::Request { origin: &origin, request: &request },
                now(0),
                &mut MemoryJournal,
            );
        }
        let mut link_found = None;
        while let Some(effect) = self.group.poll_effect() {
            if let Effect::Connect { link, .. } = effect {
                link_found = Some(link);
            }
        }
        link_found
    }

    fn register(&mut self, id: &str) -> Option<LinkId> {
        let link = self.request(format!("{id}#register 9000#127.0.0.1").as_bytes())?;
        self.group.handle(Input::Connected { link }, now(0), &mut MemoryJournal);
        while self.group.poll_effect().is_some() {}
        Some(link)
    }

    fn publish(&mut self, line: &[u8]) {
        for _ in 0..MESSAGES {
            self.request(line);
        }
    }

    /// Pulls everything for every receiver, as if its socket took all bytes.
    fn pull(&mut self) -> usize {
        let mut pulled = 0;
        for link in &self.links {
            while let Some(run) = self.group.run_for(*link) {
                let (bytes, through) = run.write(|slices, through| {
                    (slices.iter().map(|slice| slice.len()).sum(), through)
                });
                pulled += bytes;
                let wrote = Input::Wrote { link: *link, bytes, through };
                self.group.handle(wrote, now(0), &mut MemoryJournal);
            }
        }
        pulled
    }
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    let line = msend();
    group.bench_function("msend", |bencher| {
        bencher.iter(|| Request::parse(black_box(line.as_bytes())));
    });
    group.bench_function("ack", |bencher| bencher.iter(|| Ack::parse(black_box(b"ack 1234567"))));
    let delivery = format!("1234567#publisher#1700000000000#{}", "x".repeat(TEXT_BYTES));
    group.bench_function("delivery", |bencher| {
        bencher.iter(|| MessageLine::parse(black_box(&delivery)).is_ok());
    });
    let lines = format!("{line}\n").repeat(MESSAGES as usize);
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("lines", |bencher| {
        bencher.iter(|| {
            let mut buffer = LineBuffer::default();
            let mut count = 0;
            for piece in lines.as_bytes().chunks(64 * 1024) {
                buffer.extend(piece);
                while let Ok(Some(_)) = buffer.next_line(64 * 1024) {
                    count += 1;
                }
            }
            count
        });
    });
}

fn history(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("history");
    let line = msend();
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("append", |bencher| {
        let append = |world: &mut World| world.publish(line.as_bytes());
        bencher.iter_batched_ref(|| World::new(1), append, BatchSize::SmallInput);
    });
    for receivers in [1, 100] {
        group.throughput(Throughput::Elements(MESSAGES * receivers));
        group.bench_function(format!("pull by {receivers}"), |bencher| {
            let world = || {
                let mut world = World::new(receivers);
                world.publish(line.as_bytes());
                world
            };
            let least = MESSAGES as usize * TEXT_BYTES * receivers as usize;
            let pull = |world: &mut World| {
                assert!(world.pull() > least, "every receiver gets every message");
            };
            bencher.iter_batched_ref(world, pull, BatchSize::SmallInput);
        });
    }
}

fn wheel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wheel");
    group.throughput(Throughput::Elements(TIMERS));
    group.bench_function("insert and cancel", |bencher| {
        let mut wheel = TimerWheel::new();
        bencher.iter(|| {
            let ids: Vec<_> = (0..TIMERS)
                .map(|index| wheel.insert(Millis::new(60_000 + 7 * index), index))
                .collect();
            for id in ids {
                black_box(wheel.cancel(id));
            }
        });
    });
    group.bench_function("insert and expire", |bencher| {
        let fill = || {
            let mut wheel = TimerWheel::new();
            for index in 0..TIMERS {
                wheel.insert(Millis::new(7 * index), index);
            }
            wheel
        };
        let empty = |wheel: &mut TimerWheel<u64>| {
            while let Some(value) = wheel.pop_due(Millis::new(7 * TIMERS)) {
                black_box(value);
            }
        };
        bencher.iter_batched_ref(fill, empty, BatchSize::SmallInput);
    });
}

fn lines() -> Vec<String> {
    let text = "x".repeat(TEXT_BYTES);
    (1..=MESSAGES).map(|seq| format!("{seq}#publisher#1700000000000#{text}\n")).collect()
}

fn put(lines: &[String], out: &mut Vec<u8>) {
    for line in lines {
        encode(
            &Record::Accepted { number: None, line: line.as_bytes() },
            Millis::new(7),
            Salt(1),
            out,
        );
    }
}

fn member(index: u64) -> String {
    format!("receiver{index}")
}

/// A group that recovers, with members that are due all messages.
fn recovering(members: u64) -> Group {
    let mut group = Group::recovering(rules());
    for index in 0..members {
        let (registered_at, acked) = (Seq::new(0), Seq::new(0));
        let (id, address) = (&*member(index), (HOME, 9000).into());
        let owner = PeerName::Address(HOME);
        let start = registered_at;
        let state = MemberState { id, owner, address, registered_at, start, acked, published: 0 };
        group.apply(Fact::Member(state), RECOVERED, Millis::new(0));
    }
    group
}

/// Reads a segment and applies its records.
fn recover(segment: &[u8], group: &mut Group) {
    let Ok((_, records)) = read(black_box(segment)) else { return };
    for found in records {
        let SegmentItem::Record { at, record, delivery } = found else { continue };
        if let Record::Accepted { number, line } = record {
            if let Some(delivery) = delivery {
                group.apply(Fact::Numbered { delivery, line, number }, RECOVERED, at);
            }
        } else if let Record::Acked { id, acked } = record {
            group.apply(Fact::Acked { id, acked }, RECOVERED, at);
        }
    }
    assert_eq!(group.last(), Seq::new(MESSAGES), "every message is recovered");
}

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(MESSAGES));
    let lines = lines();
    let mut records = Vec::new();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            records.clear();
            put(&lines, &mut records);
        });
    });
    let mut segment = Vec::new();
    let (boot, sync) = (BootId([0; 16]), SyncMode::Always);
    SegmentHeader { serial: 1, salt: Salt(1), boot, sync, repeats: false }.encode(&mut segment);
    put(&lines, &mut segment);
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let records = read(black_box(&segment)).map(|(_, records)| records);
            let is_whole = |found: &SegmentItem<'_>| matches!(found, SegmentItem::Record { .. });
            let whole = records.into_iter().flatten().filter(is_whole).count();
            assert_eq!(whole as u64, MESSAGES, "every record is read");
        });
    });
    group.bench_function("read and replay", |bencher| {
        let recover = |group: &mut Group| recover(&segment, group);
        bencher.iter_batched_ref(|| recovering(1), recover, BatchSize::SmallInput);
    });
    // The journal of a wide group has more cursors than messages.
    for index in 0..MESSAGES {
        let id = &member(index);
        let acked = Seq::new(MESSAGES / 2);
        encode(&Record::Acked { id, acked }, Millis::new(8), Salt(1), &mut segment);
    }
    group.throughput(Throughput::Elements(2 * MESSAGES));
    group.bench_function("read and replay with as many cursors", |bencher| {
        let recover = |group: &mut Group| recover(&segment, group);
        bencher.iter_batched_ref(|| recovering(MESSAGES), recover, BatchSize::SmallInput);
    });
}

criterion_group!(minds, parse, history, wheel, journal);
criterion_main!(minds);
