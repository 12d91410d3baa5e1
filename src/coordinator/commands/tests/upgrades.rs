//! Command sockets that become message sockets.

use super::*;
use crate::access::Credentials;
use crate::coordinator::startup::rules;
use crate::group::Origin;
use crate::group::{Effect, Group, Input, LinkId};
use crate::journal::MemoryJournal;
use crate::protocol::Epoch;
use crate::time::{Now, UnixMillis};

const HERE: &str = "ann#register here#127.0.0.1\n";
const STALL_MS: u64 = 1_000;

fn part() -> Part {
    Part::new(|config| config.timeouts.stall_ms = STALL_MS)
}

/// Returns the link of a member that asks for its messages on a command socket.
fn link(from: ConnId) -> LinkId {
    let config = CoordinatorConfig::new(5_000, 60);
    let mut group = Group::new(rules(&config, config.listen), Epoch::new(1));
    let request = Request::parse(HERE.trim_end().as_bytes()).unwrap();
    let origin = Origin {
        conn: from,
        peer: LOCALHOST,
        peer_port: 50_000,
        local: LOCALHOST,
        credentials: &Credentials::Plain,
    };
    let now = Now { steady: Millis::ZERO, unix: UnixMillis(0) };
    group.handle(Input::Request { origin: &origin, request: &request }, now, &mut MemoryJournal);
    match group.poll_effect() {
        Some(Effect::MemberChange(_)) => (),
        other => panic!("{other:?}"),
    }
    match group.poll_effect() {
        Some(Effect::Upgrade { link, .. }) => link,
        other => panic!("{other:?}"),
    }
}

impl Part {
    /// Lets a client send a request with `here`, after `before` and with `behind` behind it. The
    /// socket becomes a message socket when its `OK` is written, which may wait for a fact.
    fn ask_here(
        &mut self,
        (key, stream): &(Key, TestStream),
        behind: &str,
        after: Option<FactIndex>,
    ) -> LinkId {
        stream.send(&format!("{HERE}{behind}"));
        self.commands.on_event(*key, ALL);
        let asked = self.serve();
        assert_eq!(asked.len(), 1);
        let link = link(asked[0]);
        let (commands, sockets) = (&mut self.commands, &mut self.sockets);
        assert!(commands.upgrades().begin(asked[0], link, sockets, self.now));
        self.commands.answer(asked[0], &Reply::Ping, after);
        link
    }

    fn next_upgraded(&mut self) -> Option<(LinkId, net::Connection<TestStream>)> {
        self.commands.write_replies();
        self.commands.upgrades().next(&mut self.sockets)
    }

    /// Runs the next timer, which must be the one of the socket. Returns the link if it stalls.
    fn on_timeout(&mut self, key: Key) -> Option<LinkId> {
        let (timer, due) = self.sockets.first_due().unwrap();
        assert_eq!(timer, CoordinatorTimer::Upgrade(key));
        self.now = due;
        self.commands.upgrades().on_timeout(key, &mut self.sockets, due)
    }
}

#[test]
fn a_socket_leaves_with_the_bytes_behind_its_request_once_its_ok_is_committed_and_written() {
    let mut part = part();
    let client = part.add();
    let committed = FactIndex::ZERO.next();
    let link = part.ask_here(&client, "ack 1\nann#ping#-\nack", Some(committed));
    client.1.make_room(usize::MAX);
    assert!(part.next_upgraded().is_none(), "its fact is not committed");
    assert_eq!((part.serve().len(), part.commands.stats().connections), (0, 1));
    part.commands.release_replies(committed);
    let (upgraded, mut connection) = part.next_upgraded().unwrap();
    assert_eq!((upgraded, client.1.take().as_str()), (link, "OK ping\n"));
    let mut behind = Vec::new();
    while let Some(line) = connection.input.next_line(100).unwrap() {
        behind.push(line.to_vec());
    }
    assert_eq!(behind, [&b"ack 1"[..], b"ann#ping#-"]);
    assert_eq!(connection.input.last_line(), Some(&b"ack"[..]));
    let stats = part.commands.stats();
    assert_eq!((stats.connections, stats.kept_bytes, stats.input_bytes), (0, 0, 0));
    assert!(part.commands.is_empty() && part.next_upgraded().is_none());
    assert_eq!(part.sockets.first_due(), None, "a timer can be a day long");
}

#[test]
fn a_socket_stays_until_the_last_byte_of_its_ok_is_written() {
    for room in 0.."OK ping\n".len() {
        let mut part = part();
        let client = part.add();
        part.ask_here(&client, "", None);
        client.1.make_room(room);
        part.commands.on_event(client.0, ALL);
        assert!(part.next_upgraded().is_none(), "{room} bytes are written");
        client.1.make_room(usize::MAX);
        part.commands.on_event(client.0, ALL);
        assert_eq!(part.serve().len(), 0);
        assert!(part.next_upgraded().is_some());
        assert_eq!(client.1.take(), "OK ping\n");
    }
}

#[test]
fn a_client_that_does_not_take_its_ok_stalls_and_one_whose_ok_waits_for_the_disk_does_not() {
    let mut part = part();
    let client = part.add();
    let committed = FactIndex::ZERO.next();
    let link = part.ask_here(&client, "", Some(committed));
    for _ in 0..3 {
        part.commands.write_replies();
        assert_eq!(part.on_timeout(client.0), None, "the reply waits for the disk");
    }
    part.commands.release_replies(committed);
    part.commands.write_replies();
    assert_eq!(part.on_timeout(client.0), None, "it may have had no time to read");
    client.1.make_room(3);
    part.commands.on_event(client.0, ALL);
    assert_eq!((part.serve().len(), part.next_upgraded().is_none()), (0, true));
    assert_eq!(part.on_timeout(client.0), None, "it took bytes");
    assert_eq!(part.on_timeout(client.0), Some(link));
}

#[test]
fn a_message_socket_that_ends_before_its_ok_is_written_gets_both_and_is_closed() {
    for is_read in [true, false] {
        let mut part = part();
        let client = part.add();
        let committed = FactIndex::ZERO.next();
        let link = part.ask_here(&client, "ann#ping#-\n", Some(committed));
        let (commands, sockets) = (&mut part.commands, &mut part.sockets);
        commands.upgrades().end(link, b"bye#disconnected\n", sockets, part.now);
        client.1.make_room(if is_read { usize::MAX } else { 0 });
        assert!(part.next_upgraded().is_none());
        assert_eq!(client.1.take(), "", "the bye waits behind the OK");
        part.commands.release_replies(committed);
        assert!(part.next_upgraded().is_none(), "the link is gone");
        let expected = if is_read { "OK ping\nbye#disconnected\n" } else { "" };
        assert_eq!((part.serve().len(), client.1.take().as_str()), (0, expected));
        client.1.end();
        if is_read {
            part.commands.on_event(client.0, ALL);
            assert_eq!(part.serve().len(), 0);
        }
        while part.commands.close_marked(&mut part.sockets) == 0 {
            let (timer, due) = part.sockets.first_due().unwrap();
            part.now = due;
            client.1.make_room(0);
            if timer == CoordinatorTimer::Linger(client.0) {
                on_linger_timeout(&mut part.commands, client.0, &mut part.sockets, due);
            }
        }
        assert_eq!(part.commands.stats().kept_bytes, 0);
    }
}

#[test]
fn a_client_that_is_gone_becomes_no_message_socket() {
    let mut part = part();
    let (key, stream) = part.add();
    stream.send(HERE);
    part.commands.on_event(key, ALL);
    let asked = part.serve();
    part.commands.on_machine_gone(key);
    let (commands, sockets) = (&mut part.commands, &mut part.sockets);
    assert!(!commands.upgrades().begin(asked[0], link(asked[0]), sockets, part.now));
    part.commands.answer(asked[0], &Reply::Ping, None);
    part.run();
    assert!(part.next_upgraded().is_none());
    assert_eq!(part.commands.close_marked(&mut part.sockets), 1);
}

#[test]
fn the_link_of_a_socket_is_known_until_it_leaves() {
    let mut part = part();
    let client = part.add();
    assert_eq!(part.commands.upgrades().link_of(client.0), None);
    let link = part.ask_here(&client, "", None);
    assert_eq!(part.commands.upgrades().link_of(client.0), Some(link));
}
