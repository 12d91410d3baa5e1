mod handshakes;
mod upgrades;

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::coordinator::commands::refused_clients::on_linger_timeout;
use crate::coordinator::ready::{FRESH, LEFTOVER};
use crate::coordinator::testing::{ALL, TestStream};
use crate::facts::FactIndex;
use crate::group::ConnId;
use crate::limits::{LINGER_MS, UNREAD_REPLIES_BYTES_MAX};
use crate::protocol::Seq;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const REQUEST: &str = "ann#msend x#127.0.0.1\n";

/// Command sockets without a group: each request is answered by the test.
struct Part {
    commands: CommandSockets<TestStream>,
    sockets: Sockets,
    now: Millis,
}

impl Part {
    fn new(change: impl FnOnce(&mut CoordinatorConfig)) -> Self {
        let mut config = CoordinatorConfig::new(0, 60);
        change(&mut config);
        let (commands, sockets) = (CommandSockets::new(&config), Sockets::new(Millis::ZERO, None));
        Self { commands, sockets, now: Millis::ZERO }
    }

    fn add(&mut self) -> (Key, TestStream) {
        let (stream, key) = (TestStream::default(), self.commands.next_key());
        let addresses = Addresses { peer: LOCALHOST, peer_port: 50_000, local: LOCALHOST };
        let refusal = self.commands.admission().full().map(|(full, _)| full);
        let sockets = &mut self.sockets;
        self.commands.add(stream.connection(), addresses, refusal, sockets, self.now);
        (key, stream)
    }

    /// Serves all ready sockets once. Returns the clients of the requests, which wait for replies.
    fn serve(&mut self) -> Vec<ConnId> {
        let mut asked = Vec::new();
        for (queue, share) in [(Queued::Fresh, FRESH), (Queued::Leftover, LEFTOVER)] {
            let Some(key) = self.commands.next_ready(queue) else { continue };
            let Some((mut batch, source)) = self.commands.begin(key, share, &mut self.sockets)
            else {
                continue;
            };
            while self.commands.advance(&mut batch, &mut self.sockets) {
                let next = self.commands.next(&mut batch, &mut self.sockets, self.now);
                if let Next::Request(_) = next {
                    asked.push(source.origin().conn);
                }
            }
            self.commands.finish(batch, &mut self.sockets, self.now);
            self.commands.schedule_flush(key);
        }
        asked
    }

    fn answer(&mut self, to: ConnId) {
        self.commands.answer(to, &Reply::Msend { seq: Seq::new(1) }, None);
    }

    /// Runs turns until nothing is ready. Answers each request at once, and returns their number.
    fn run(&mut self) -> usize {
        let mut served = 0;
        loop {
            let asked = self.serve();
            served += asked.len();
            asked.iter().for_each(|to| self.answer(*to));
            self.commands.write_replies();
            if self.commands.is_idle() && asked.is_empty() {
                return served;
            }
        }
    }
}

#[test]
fn the_next_request_of_a_client_waits_for_the_reply_before_it() {
    let mut part = Part::new(|_| ());
    let (key, stream) = part.add();
    stream.send(&REQUEST.repeat(2));
    part.commands.on_event(key, ALL);
    let asked = part.serve();
    assert_eq!((asked.len(), part.serve().len()), (1, 0));
    part.answer(asked[0]);
    assert_eq!(part.serve(), asked);
}

#[test]
fn a_client_that_takes_no_replies_is_throttled_until_it_takes_them() {
    let mut part = Part::new(|_| ());
    let (key, stream) = part.add();
    let reply_bytes = "OK msend seq=1\n".len();
    let requests = 2 * UNREAD_REPLIES_BYTES_MAX / reply_bytes;
    stream.send(&REQUEST.repeat(requests));
    part.commands.on_event(key, ALL);
    let served = part.run();
    assert_eq!(served, UNREAD_REPLIES_BYTES_MAX.div_ceil(reply_bytes));
    stream.make_room(usize::MAX);
    part.commands.on_event(key, ALL);
    part.commands.schedule_flush(key);
    assert_eq!(served + part.run(), requests);
    assert_eq!(stream.take().len(), requests * reply_bytes);
    assert_eq!(part.commands.stats().kept_bytes, 0);
}

#[test]
fn replies_that_the_transport_holds_count_until_the_socket_has_taken_them() {
    let mut part = Part::new(|_| ());
    let (key, stream) = part.add();
    stream.hold();
    stream.send(&REQUEST.repeat(3));
    part.commands.on_event(key, ALL);
    let bytes = part.run() * "OK msend seq=1\n".len();
    assert_eq!((bytes, part.commands.stats().kept_bytes), (45, 45));
    stream.make_room(usize::MAX);
    part.commands.on_event(key, ALL);
    part.commands.schedule_flush(key);
    part.run();
    assert_eq!((stream.take().len(), part.commands.stats().kept_bytes), (45, 0));
}

#[test]
fn bytes_before_the_end_are_a_request_and_after_its_reply_the_socket_is_closed() {
    let mut part = Part::new(|_| ());
    let (key, stream) = part.add();
    stream.make_room(usize::MAX);
    stream.send(REQUEST.trim_end());
    stream.end();
    part.commands.on_event(key, ALL);
    assert_eq!((part.run(), stream.take().as_str()), (1, "OK msend seq=1\n"));
    assert_eq!(part.commands.close_marked(&mut part.sockets), 1);
    assert!(part.commands.is_empty() && part.commands.stats().connections == 0);
}

#[test]
fn an_unfinished_line_is_refused_after_the_timeout_and_closed_after_a_moment() {
    let mut part = Part::new(|config| config.timeouts.line_ms = 1_000);
    let (key, stream) = part.add();
    stream.make_room(usize::MAX);
    stream.send("ann#msend");
    part.commands.on_event(key, ALL);
    assert_eq!(part.run(), 0);
    let (timer, due) = part.sockets.first_due().unwrap();
    assert_eq!(timer, CoordinatorTimer::Line(key));
    assert!(due >= Millis::new(1_000));
    part.now = due;
    part.commands.on_line_timeout(key);
    assert_eq!(part.run(), 0);
    assert!(stream.take().starts_with("ERR 408 "));
    let (timer, due) = part.sockets.first_due().unwrap();
    assert_eq!(timer, CoordinatorTimer::Linger(key));
    assert!(due >= part.now.plus(LINGER_MS));
    part.now = due;
    on_linger_timeout(&mut part.commands, key, &mut part.sockets, part.now);
    assert_eq!(part.commands.close_marked(&mut part.sockets), 1);
}

#[test]
fn a_refused_client_whose_reply_waits_for_its_commit_gets_the_reply_and_the_reason() {
    let mut part = Part::new(|config| config.timeouts.line_ms = 1_000);
    let (key, stream) = part.add();
    stream.make_room(usize::MAX);
    stream.send(&format!("{REQUEST}ann#m"));
    part.commands.on_event(key, ALL);
    let (asked, committed) = (part.serve(), FactIndex::ZERO.next());
    part.commands.answer(asked[0], &Reply::Msend { seq: Seq::new(1) }, Some(committed));
    part.run();
    for timer in [CoordinatorTimer::Line(key), CoordinatorTimer::Linger(key)] {
        let due = part.sockets.first_due().unwrap();
        assert_eq!(due.0, timer);
        part.now = due.1;
        if timer == CoordinatorTimer::Line(key) {
            part.commands.on_line_timeout(key);
        } else {
            on_linger_timeout(&mut part.commands, key, &mut part.sockets, part.now);
        }
        part.run();
    }
    assert_eq!((part.commands.close_marked(&mut part.sockets), stream.take()), (0, String::new()));
    part.commands.release_replies(committed);
    part.run();
    assert!(stream.take().starts_with("OK msend seq=1\nERR 408 "));
}

#[test]
fn a_refused_client_whose_machine_is_gone_costs_no_memory_any_more() {
    let mut part = Part::new(|config| config.max_line = 5);
    let (key, stream) = part.add();
    stream.send("a line that is too long\n");
    part.commands.on_event(key, ALL);
    part.run();
    assert!(part.commands.stats().kept_bytes > 0, "the reason waits for room");
    part.commands.on_machine_gone(key);
    assert_eq!(part.commands.close_marked(&mut part.sockets), 1);
    assert_eq!(part.commands.stats().kept_bytes, 0);
}

#[test]
fn a_silent_socket_makes_room_and_one_with_a_request_does_not() {
    let mut part = Part::new(|config| config.counts.max_connections = 2);
    let ((busy, stream), (silent, refused)) = (part.add(), part.add());
    stream.send(REQUEST);
    part.commands.on_event(busy, ALL);
    part.serve();
    refused.make_room(usize::MAX);
    part.commands.on_event(silent, ALL);
    let (_, displaced) = part.commands.admission().full().unwrap();
    assert_eq!(part.commands.oldest_silent(), Some(silent));
    assert!(!part.commands.displace(busy, &displaced, &mut part.sockets, part.now));
    assert!(part.commands.displace(silent, &displaced, &mut part.sockets, part.now));
    part.commands.write_replies();
    assert!(refused.take().starts_with("ERR 421 "));
    assert!(part.commands.admission().full().is_none() && part.commands.oldest_silent().is_none());
}
