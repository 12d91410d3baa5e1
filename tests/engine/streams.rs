//! Streams that are deleted, created again, purged, put back, or full: no reader stays silent.

use groupcast::limits::engine::ENTRY_BYTES_MAX;
use groupcast::net::engine::{Engine, EngineFault, EngineReport, NewStream};

use crate::client::Client;
use crate::raw::Raw;
use crate::servers::Servers;

#[test]
fn a_deleted_stream_and_one_that_is_created_again_are_faults() {
    let Some(servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut client = Client::open(&options);
    client.read_from(1);
    assert_eq!(client.caught_up(), 0);
    for _ in 0..3 {
        client.store(b"x");
    }
    let mut raw = Raw::connect(&servers.all[0]);
    raw.api("DELETE", "");
    assert_eq!(client.fault(), EngineFault::Gone);
    let tag = client.publish(b"to nobody");
    assert_eq!(client.refused(tag), ("no server leads the stream".to_owned(), true));
    let again = Engine::found(&options, servers.new_stream()).unwrap();
    assert_ne!(again.created_ns, client.stream.created_ns);
    client.read_from(1);
    assert_eq!(client.fault(), EngineFault::Recreated { created_ns: again.created_ns });
    // Both at once, for a reader that has read more than there is now. A look of the reader can
    // still come between the two; then it says that the stream is gone, and goes on when told.
    let mut client = Client::open(&options);
    client.read_from(1);
    client.store(b"one");
    raw.api("DELETE", "");
    let again = Engine::found(&options, servers.new_stream()).unwrap();
    assert_eq!(raw.ask("groupcast.g.log", "other")["seq"], 1);
    let mut fault = client.fault();
    if fault == EngineFault::Gone {
        client.read_from(1);
        fault = client.fault();
    }
    match fault {
        EngineFault::Recreated { created_ns } => assert_eq!(created_ns, again.created_ns),
        EngineFault::Rewritten { position } => assert_eq!(position, 1),
        fault @ (EngineFault::Gone | EngineFault::Rewound { .. }) => panic!("{fault:?}"),
    }
}

#[test]
fn a_purge_by_hand_is_reported_to_a_reader_that_is_behind() {
    let Some(servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let (mut reader, mut writer) = (Client::open(&options), Client::open(&options));
    reader.read_from(1);
    assert_eq!(reader.caught_up(), 0);
    // More than the reader's queues can hold.
    let text = vec![b'x'; ENTRY_BYTES_MAX];
    for _ in 0..250 {
        writer.store(&text);
    }
    Raw::connect(&servers.all[0]).api("PURGE", "");
    writer.store(b"last");
    let (mut next, mut missing) = (1, 0);
    while next <= 251 {
        next = reader.until(|report| match report {
            EngineReport::Entry(entry) => {
                assert_eq!(entry.position, next);
                Some(next + 1)
            }
            EngineReport::Missing { first, last } => {
                assert_eq!(*first, next);
                missing += last + 1 - first;
                Some(last + 1)
            }
            EngineReport::Fault(fault) => panic!("{fault:?}"),
            _ => None,
        });
    }
    assert_eq!(next, 252);
    assert!(missing > 50, "{missing} are missing");
}

#[test]
fn an_older_store_that_is_put_back_is_a_fault_for_those_who_have_read_more() {
    let Some(mut servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut client = Client::open(&options);
    client.read_from(1);
    for _ in 0..5 {
        client.store(b"old");
    }
    servers.all[0].kill();
    let kept = servers.keep(0);
    servers.all[0].restart();
    client.connected();
    for _ in 0..5 {
        client.store(b"new");
    }
    servers.all[0].kill();
    servers.put_back(0, &kept);
    servers.all[0].restart();
    // The reader that is online, and a start from a position.
    let rewound = EngineFault::Rewound { last: 5, expected: 10 };
    assert_eq!(client.fault(), rewound);
    let mut late = Client::open(&options);
    late.read_from(11);
    assert_eq!(late.fault(), rewound);
    late.read_from(6);
    assert_eq!(late.caught_up(), 5);
    late.close();
}

#[test]
fn an_end_that_went_back_and_was_overtaken_at_once_is_a_fault() {
    let Some(mut servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut client = Client::open(&options);
    client.store(b"one");
    servers.all[0].kill();
    let kept = servers.keep(0);
    servers.all[0].restart();
    client.connected();
    client.read_from(1);
    client.store(b"two");
    assert_eq!(client.entries_through(2).len(), 2);
    servers.all[0].kill();
    servers.put_back(0, &kept);
    servers.all[0].restart();
    client.connected();
    // The feed brings a second entry 2.
    assert_eq!(Raw::connect(&servers.all[0]).ask("groupcast.g.log", "other")["seq"], 2);
    assert_eq!(client.fault(), EngineFault::Rewritten { position: 2 });
}

#[test]
fn a_full_stream_refuses_for_certain() {
    let Some(servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    Engine::found(&options, NewStream { replicas: 1, bytes_max: 1 << 20 }).unwrap();
    let mut client = Client::open(&options);
    let text = vec![b'x'; ENTRY_BYTES_MAX - 1000];
    for _ in 0..4 {
        client.store(&text);
    }
    let mut refused = |text: &[u8]| {
        let published = client.publish(text);
        client.refused(published)
    };
    assert_eq!(refused(&text), ("maximum bytes exceeded".to_owned(), true));
    let too_long = vec![b'x'; ENTRY_BYTES_MAX + 1];
    assert_eq!(refused(&too_long), ("entry of 262145 bytes exceeds 262144".to_owned(), true));
    assert_eq!(client.state().last, 4);
}
