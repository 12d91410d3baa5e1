use std::iter;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::access::Credentials;
use crate::coordinator::journal::GroupJournal;
use crate::coordinator::replica::Replica;
use crate::coordinator::startup::rules;
use crate::coordinator::testing::{ALL, TestStream};
use crate::group::{ConnId, Effect, Origin};
use crate::journal::MemoryJournal;
use crate::protocol::{Epoch, Request};
use crate::time::{Now, UnixMillis};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Message sockets around a group, without command sockets.
struct Part {
    messages: MessageSockets<TestStream>,
    group: Replica,
    sockets: Sockets,
    now: Now,
}

impl Part {
    fn new() -> Self {
        let config = CoordinatorConfig::new(5_000, 60);
        let group = Group::new(rules(&config, config.listen), Epoch::new(1));
        Self {
            messages: MessageSockets::new(&config),
            group: Replica::new(group, GroupJournal::Memory(MemoryJournal), ()),
            sockets: Sockets::new(Millis::ZERO, None),
            now: Now { steady: Millis::ZERO, unix: UnixMillis(0) },
        }
    }

    /// Passes an input to the group. Returns the connect-back that it asks for.
    fn handle(&mut self, input: Input<'_>) -> Option<LinkId> {
        self.group.handle(input, self.now);
        let mut begun = None;
        for effect in iter::from_fn(|| self.group.poll_effect(self.now)) {
            match effect {
                Effect::Connect { link, .. } => begun = Some(link),
                Effect::Close { link, closing_bytes } => {
                    self.messages.close(link, &closing_bytes, self.sockets.scratch());
                }
                Effect::Reply { .. }
                | Effect::List { .. }
                | Effect::Upgrade { .. }
                | Effect::DrawEpoch
                | Effect::MemberChange(_)
                | Effect::Backlog(_) => (),
            }
        }
        begun
    }

    fn request(&mut self, line: &str) -> Option<LinkId> {
        let request = Request::parse(line.as_bytes()).unwrap();
        let origin = Origin {
            conn: ConnId(0),
            peer: LOCALHOST,
            peer_port: 50_000,
            local: LOCALHOST,
            credentials: &Credentials::Plain,
        };
        self.handle(Input::Request { origin: &origin, request: &request })
    }

    /// Registers a member that acknowledges. Its connect-back is in progress.
    fn register(&mut self, id: &str) -> (LinkId, Key, TestStream) {
        let line = format!("{id}#register 9000 acks=1 nonce=a#127.0.0.1");
        let link = self.request(&line).unwrap();
        let (stream, key) = (TestStream::default(), self.messages.next_key());
        self.messages.add(link, stream.connection(), &mut self.sockets, self.now.steady);
        (link, key, stream)
    }

    fn online(&mut self, id: &str) -> (LinkId, Key, TestStream) {
        let (link, key, stream) = self.register(id);
        stream.connect();
        stream.make_room(usize::MAX);
        self.messages.on_event(key, ALL);
        assert_eq!(self.messages.next_ready(Queued::Fresh), Some(key));
        let input = self.messages.finish_connect_back(key, &mut self.sockets).unwrap();
        self.handle(input);
        (link, key, stream)
    }

    fn deliver(&mut self) {
        let mut round = self.messages.begin_round(self.group.released());
        while let Some(key) = round.next() {
            let mut written = 0;
            while let RunWrite::Wrote { link, bytes, through, .. } =
                self.messages.write_run(key, written, &self.group)
            {
                written += bytes;
                self.handle(Input::Wrote { link, bytes, through });
            }
            let (group, sockets) = (&self.group, &mut self.sockets);
            self.messages.watch_for_stall(key, written > 0, group, sockets, self.now.steady);
        }
        self.messages.end_round(round);
    }

    /// Reads acknowledgements. Returns the inputs that follow.
    fn read(&mut self, key: Key) -> Vec<String> {
        let mut acks = self.messages.read_acks(key, 1_000, &mut self.sockets).unwrap();
        let mut inputs = Vec::new();
        while let Some(input) = acks.next(&self.group) {
            inputs.push(format!("{input:?}"));
            self.handle(input);
        }
        inputs.extend(
            self.messages
                .finish_acks(acks, self.sockets.scratch())
                .map(|input| format!("{input:?}")),
        );
        inputs
    }
}

#[test]
fn a_connect_back_without_an_answer_fails_at_its_timeout_and_is_closed() {
    let mut part = Part::new();
    let (link, key, _stream) = part.register("ann");
    assert!(part.messages.finish_connect_back(key, &mut part.sockets).is_none());
    let (timer, _) = part.sockets.first_due().unwrap();
    assert_eq!(timer, CoordinatorTimer::Connect(key));
    let failed = part.messages.on_connect_timeout(key, &mut part.sockets);
    assert!(matches!(failed, Some(Input::ConnectFailed { link: of, .. }) if of == link));
    assert_eq!(part.messages.close_marked(&mut part.sockets), 1);
    assert!(part.messages.is_empty());
}

#[test]
fn a_connect_back_that_succeeded_without_an_event_counts_at_its_timeout() {
    let mut part = Part::new();
    let (link, key, stream) = part.register("ann");
    stream.connect();
    let connected = part.messages.on_connect_timeout(key, &mut part.sockets);
    assert!(matches!(connected, Some(Input::Connected { link: of }) if of == link));
    assert_eq!(part.messages.link_of(key), Some(link));
}

#[test]
fn an_acknowledgement_counts_when_its_line_is_complete_and_before_the_end_of_the_socket() {
    let mut part = Part::new();
    let (_, ann, stream) = part.online("ann");
    part.online("bob");
    part.request("bob#msend hello#127.0.0.1");
    part.deliver();
    assert!(stream.take().ends_with("hello\n"));
    stream.send("ack ");
    part.messages.on_event(ann, ALL);
    assert_eq!(part.read(ann), [""; 0]);
    stream.send("1\n");
    stream.end();
    part.messages.on_event(ann, ALL);
    let inputs = part.read(ann);
    assert!(inputs[0].starts_with("Acknowledged") && inputs[1].ends_with("how: Closed }"));
    assert_eq!(inputs.len(), 2);
}

#[test]
fn a_socket_that_takes_no_bytes_is_stalled_at_the_timeout_unless_it_became_writable() {
    for is_writable in [true, false] {
        let mut part = Part::new();
        let (_, ann, stream) = part.online("ann");
        part.online("bob");
        stream.make_room(0);
        part.request("bob#msend hello#127.0.0.1");
        part.deliver();
        let (timer, _) = part.sockets.first_due().unwrap();
        assert_eq!(timer, CoordinatorTimer::Stall(ann));
        if is_writable {
            part.messages.on_event(ann, ALL);
        }
        let end = part.messages.on_stall(ann, &part.group);
        assert_eq!(end.is_none(), is_writable, "{end:?}");
    }
}

#[test]
fn bytes_that_the_transport_holds_are_written_on_the_next_event_and_run_the_stall_timer() {
    let mut part = Part::new();
    let (_, ann, stream) = part.online("ann");
    part.online("bob");
    part.deliver();
    stream.take();
    stream.hold();
    stream.make_room(5);
    part.request("bob#msend hello#127.0.0.1");
    part.deliver();
    assert_eq!(stream.take(), "1#bob", "the stream took the rest, and holds it");
    assert!(part.messages.has_due(&part.group) && part.messages.wants_write(ann));
    assert!(part.sockets.first_due().is_some_and(|(timer, _)| {
        timer == CoordinatorTimer::Stall(ann) && part.messages.on_stall(ann, &part.group).is_some()
    }));
    stream.make_room(usize::MAX);
    part.messages.on_event(ann, ALL);
    part.messages.expect_room(ann);
    part.deliver();
    assert!(stream.take().ends_with("hello\n"));
    assert!(!part.messages.has_due(&part.group) && !part.messages.wants_write(ann));
}

#[test]
fn the_end_of_a_certificate_is_watched_until_the_message_socket_is_closed() {
    let mut part = Part::new();
    let (ann, key, _stream) = part.online("ann");
    let (bob, key_of_bob, _stream) = part.online("bob");
    for (link, until) in [(ann, 3000), (bob, 9000), (ann, 5000)] {
        let until = Some(UnixMillis(until));
        part.messages.set_certified_until(link, until, &mut part.sockets);
    }
    assert_eq!(part.sockets.certificates().pop_due(UnixMillis(4999)), None);
    assert_eq!(part.sockets.certificates().pop_due(UnixMillis(5000)), Some(key));
    assert_eq!(part.messages.expire_certificate(key), Some(ann));
    part.handle(Input::Lost { link: bob, how: SocketEnd::Closed });
    assert_eq!(part.sockets.certificates().pop_due(UnixMillis(9000)), Some(key_of_bob));
    assert_eq!(part.messages.expire_certificate(key_of_bob), None, "it is closed in this turn");
    part.messages.set_certified_until(ann, Some(UnixMillis(8000)), &mut part.sockets);
    part.handle(Input::Lost { link: ann, how: SocketEnd::Closed });
    assert_eq!(part.messages.close_marked(&mut part.sockets), 2);
    assert_eq!(part.sockets.certificates().first(), None);
}
