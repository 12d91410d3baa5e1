//! Published entries come back: in order, from any position, and over holes in the feed.

use groupcast::limits::engine::ENTRY_BYTES_MAX;
use groupcast::net::engine::{Engine, EngineJob, EngineReport, EngineSubject};

use crate::client::Client;
use crate::servers::Servers;

#[test]
fn what_is_published_comes_back_in_order_from_any_position() {
    let Some(servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    let founded = Engine::found(&options, servers.new_stream()).unwrap();
    assert_eq!((founded.first, founded.last, founded.replicas), (1, 0, 1));
    let mut client = Client::open(&options);
    assert_eq!(client.stream.created_ns, founded.created_ns);
    assert!(client.stream.time_ns > Some(founded.created_ns), "the engine tells its time");
    client.read_from(1);
    assert_eq!(client.caught_up(), 0);
    let texts: Vec<Vec<u8>> = vec![b"one".to_vec(), Vec::new(), vec![0xff; ENTRY_BYTES_MAX]];
    for (text, position) in texts.iter().zip(1..) {
        assert_eq!(client.store(text), position);
    }
    let snapshot = client.publish_to(EngineSubject::Snapshot, b"piece");
    let live = client.entries_through(4);
    let positions: Vec<u64> = live.iter().map(|entry| entry.position).collect();
    assert_eq!(positions, [1, 2, 3, 4]);
    assert!(live.iter().zip(&texts).all(|(entry, text)| entry.bytes == *text));
    let subjects: Vec<EngineSubject> = live.iter().map(|entry| entry.subject).collect();
    assert_eq!(subjects[2..], [EngineSubject::Log, EngineSubject::Snapshot]);
    assert!(live.windows(2).all(|two| two[0].stored_ns <= two[1].stored_ns));
    let stored = EngineReport::Stored { tag: snapshot, position: 4 };
    client.until(|report| (*report == stored).then_some(()));
    for from in 0..=4_u64 {
        client.read_from(from);
        let entries = client.entries_through(4);
        assert_eq!(entries, live[usize::try_from(from.max(1) - 1).unwrap()..], "from {from}");
        assert_eq!(client.caught_up(), 4);
    }
    client.read_from(5);
    assert_eq!(client.caught_up(), 4);
    client.store(b"five");
    let state = client.state();
    assert_eq!((state.first, state.last, state.replicas), (1, 5, 1));
    client.close();
}

#[test]
fn a_reader_that_takes_nothing_gets_everything_later() {
    let Some(servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let (mut writer, mut reader) = (Client::open(&options), Client::open(&options));
    reader.read_from(1);
    assert_eq!(reader.caught_up(), 0);
    // Far more than the queue of reports, the entries ahead, and the feed's messages can hold.
    let (count, mut last) = (300, 0);
    for number in 0..count {
        let mut text = vec![b'x'; ENTRY_BYTES_MAX / 2];
        text.extend_from_slice(format!("{number}").as_bytes());
        last = writer.store(&text);
    }
    assert_eq!(last, count);
    // Small ones, which overflow by number.
    let small = 5_000;
    for _ in 0..small {
        writer.publish(b"small");
    }
    let stored = |report: &EngineReport| match report {
        EngineReport::Stored { .. } => Some(()),
        EngineReport::NotStored { reason, .. } => panic!("{reason}"),
        _ => None,
    };
    (0..small).for_each(|_| writer.until(stored));
    let entries = reader.entries_through(count + small);
    assert_eq!(entries.len() as u64, count + small, "no position is left out");
    assert!(entries.iter().zip(1..).all(|(entry, position)| entry.position == position));
    for (entry, number) in entries.iter().zip(0..count) {
        assert!(entry.bytes.ends_with(format!("x{number}").as_bytes()), "{number}");
    }
}

#[test]
fn removed_entries_are_reported_as_missing() {
    let Some(servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut client = Client::open(&options);
    for _ in 1..=10 {
        client.store(b"x");
    }
    client.submit(EngineJob::Purge { below: 5 });
    client.until(|report| (*report == EngineReport::Purged { below: 5 }).then_some(()));
    client.read_from(3);
    let missing = |report: &EngineReport| match report {
        EngineReport::Missing { first, last } => Some((*first, *last)),
        EngineReport::Entry(entry) => panic!("{entry:?}"),
        _ => None,
    };
    assert_eq!(client.until(missing), (3, 4));
    assert_eq!(client.entries_through(10).len(), 6);
    // All of them.
    client.submit(EngineJob::Purge { below: 11 });
    client.until(|report| (*report == EngineReport::Purged { below: 11 }).then_some(()));
    client.read_from(1);
    assert_eq!(client.until(missing), (1, 10));
    assert_eq!(client.caught_up(), 10);
    assert_eq!(client.store(b"eleven"), 11);
    assert_eq!(client.entries_through(11).len(), 1);
}
