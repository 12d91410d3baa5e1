//! Servers that are killed or stopped: all readers read the same.

use std::collections::BTreeMap;

use groupcast::net::engine::{Engine, EngineEntry, EngineJob, EngineReport, EngineStream};
use support::Timer;

use crate::client::Client;
use crate::servers::{LONG, Servers};

/// Publishes without a pause, at most 8 at a time, and remembers what was acknowledged.
struct Publisher {
    client: Client,
    sent: BTreeMap<u64, Vec<u8>>,
    stored: BTreeMap<u64, Vec<u8>>,
    number: u64,
}

impl Publisher {
    fn new(client: Client) -> Self {
        Self { client, sent: BTreeMap::new(), stored: BTreeMap::new(), number: 0 }
    }

    /// Publishes until `more` further entries are acknowledged. Lost ones are published again,
    /// as further entries.
    #[track_caller]
    fn publish(&mut self, more: usize) {
        let goal = self.stored.len() + more;
        let timer = Timer::start(LONG);
        while self.stored.len() < goal {
            assert!(timer.left().is_some(), "{} are stored", self.stored.len());
            while self.sent.len() < 8 {
                self.number += 1;
                let text = format!("text {}", self.number).into_bytes();
                let tag = self.client.publish(&text);
                self.sent.insert(tag, text);
            }
            self.take();
        }
    }

    /// Waits for one answer.
    #[track_caller]
    fn take(&mut self) {
        let (tag, position) = self.client.until(|report| match report {
            EngineReport::Stored { tag, position } => Some((*tag, Some(*position))),
            EngineReport::NotStored { tag, .. } => Some((*tag, None)),
            _ => None,
        });
        let text = self.sent.remove(&tag).unwrap();
        if let Some(position) = position {
            assert_eq!(self.stored.insert(position, text), None, "{position} twice");
        }
    }

    /// Checks that all acknowledged entries are where the answers said, for every reader.
    #[track_caller]
    fn check(mut self, options: &groupcast::net::engine::EngineOptions, mut live: Client) {
        while !self.sent.is_empty() {
            self.take();
        }
        let last = self.client.store(b"the end");
        self.stored.insert(last, b"the end".to_vec());
        let mut late = Client::open(options);
        late.read_from(1);
        let stored = late.entries_through(last);
        let expected: Vec<&EngineEntry> = stored.iter().collect();
        let seen: Vec<EngineEntry> = live.entries_through(last);
        assert_eq!(seen.iter().collect::<Vec<_>>(), expected, "two readers differ");
        let read: BTreeMap<u64, &[u8]> =
            stored.iter().map(|entry| (entry.position, &*entry.bytes)).collect();
        for (position, text) in &self.stored {
            assert_eq!(read.get(position), Some(&text.as_slice()), "position {position}");
        }
        assert!(live.reports.iter().all(|report| !matches!(
            report,
            EngineReport::Fault(_) | EngineReport::Missing { .. }
        )));
    }
}

fn is_whole(stream: &EngineStream) -> bool {
    !stream.leader.is_empty() && stream.followers.iter().all(|follower| follower.is_current)
}

#[test]
fn a_killed_leader_loses_nothing_and_all_readers_read_the_same() {
    let Some(mut servers) = Servers::start(3, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut live = Client::open(&options);
    live.read_from(1);
    assert_eq!(live.caught_up(), 0);
    let mut publisher = Publisher::new(Client::open(&options));
    let created_ns = publisher.client.stream.created_ns;
    publisher.publish(300);
    let leader = publisher.client.state_that(is_whole).leader;
    servers.named(&leader).kill();
    publisher.publish(300);
    servers.named(&leader).restart();
    let state = publisher.client.state_that(is_whole);
    assert_eq!((state.created_ns, state.replicas), (created_ns, 3));
    servers.named(&state.leader).kill();
    publisher.publish(100);
    publisher.check(&options, live);
}

#[test]
fn stopped_servers_lose_nothing_and_all_readers_read_the_same() {
    let Some(mut servers) = Servers::start(3, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut live = Client::open(&options);
    live.read_from(1);
    assert_eq!(live.caught_up(), 0);
    let mut publisher = Publisher::new(Client::open(&options));
    publisher.publish(50);
    let state = publisher.client.state_that(is_whole);
    let follower = state.followers[0].name.clone();
    servers.named(&follower).pause();
    publisher.publish(200);
    servers.named(&follower).resume();
    let leader = publisher.client.state_that(is_whole).leader;
    servers.named(&leader).pause();
    publisher.publish(100);
    servers.named(&leader).resume();
    publisher.client.state_that(is_whole);
    publisher.publish(100);
    publisher.check(&options, live);
}

#[test]
fn a_server_that_is_away_is_reported_and_found_again() {
    let Some(mut servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut client = Client::open(&options);
    client.read_from(1);
    client.store(b"one");
    servers.all[0].kill();
    client.until(|report| matches!(report, EngineReport::Disconnected { .. }).then_some(()));
    let tag = client.publish(b"nowhere");
    assert_eq!(client.refused(tag), ("no connection to a server".to_owned(), true));
    client.submit(EngineJob::AskStream);
    client.until(|report| matches!(report, EngineReport::StreamUnknown { .. }).then_some(()));
    client.submit(EngineJob::Purge { below: 1 });
    client.until(|report| matches!(report, EngineReport::NotPurged { .. }).then_some(()));
    servers.all[0].restart();
    client.connected();
    assert_eq!(client.store(b"two"), 2);
    assert_eq!(client.entries_through(2).len(), 2);
    // A stopped server does not answer: after that, nothing is certain.
    servers.all[0].pause();
    let tag = client.publish(b"perhaps");
    assert!(!client.refused(tag).1);
    servers.all[0].resume();
}
