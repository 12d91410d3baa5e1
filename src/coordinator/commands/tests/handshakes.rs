//! Handshakes before the first request.

use super::*;
use crate::access::{CaCheck, Credentials};
use crate::limits::tls::{HANDSHAKE_MS, HANDSHAKES_MAX};
use crate::protocol::KeyName;
use crate::time::UnixMillis;

impl Part {
    fn add_handshake(&mut self) -> (Key, TestStream) {
        self.add_handshake_of(LOCALHOST)
    }

    fn add_handshake_of(&mut self, peer: IpAddr) -> (Key, TestStream) {
        let (stream, key) = (TestStream::default(), self.commands.next_key());
        stream.make_room(10_000);
        let addresses = Addresses { peer, peer_port: 50_000, local: LOCALHOST };
        let refusal = self.commands.admission().full().map(|(full, _)| full);
        let sockets = &mut self.sockets;
        self.commands.add(stream.with_handshake(), addresses, refusal, sockets, self.now);
        (key, stream)
    }

    /// Reports everything about a socket, and continues its handshake. Returns true if it is done.
    fn step(&mut self, key: Key) -> Option<io::Result<bool>> {
        self.commands.on_event(key, ALL);
        assert!(self.serve().is_empty(), "no request is served during the handshake");
        let ready = self.commands.next_ready(Queued::Handshake);
        assert_eq!(ready, self.commands.handshakes().advance(key).map(|_| key));
        self.commands.handshakes().advance(key)
    }

    fn finish(&mut self, key: Key) {
        let credentials = Credentials::of_key(KEY, CaCheck::Unknown);
        self.commands.handshakes().finish(key, credentials, &mut self.sockets, self.now);
        self.commands.schedule_flush(key);
    }

    fn close(&mut self) -> usize {
        self.commands.write_replies();
        self.commands.close_marked(&mut self.sockets)
    }
}

const KEY: KeyName = KeyName([7; 32]);

#[test]
fn a_request_comes_behind_the_handshake_and_has_its_credentials() {
    let mut part = Part::new(|_| ());
    let (key, stream) = part.add_handshake();
    stream.send(REQUEST);
    stream.send(REQUEST);
    assert!(matches!(part.step(key), Some(Ok(false))));
    stream.end_handshake(true);
    assert!(matches!(part.step(key), Some(Ok(true))));
    part.finish(key);
    for _ in 0..2 {
        let ready = part.commands.next_ready(Queued::Fresh).unwrap();
        let (mut batch, source) = part.commands.begin(ready, FRESH, &mut part.sockets).unwrap();
        let mut asked = None;
        while part.commands.advance(&mut batch, &mut part.sockets) {
            let next = part.commands.next(&mut batch, &mut part.sockets, part.now);
            if let Next::Request(_) = next {
                assert_eq!(source.origin().credentials.key(), Some(KEY));
                asked = Some(source.origin().conn);
            }
        }
        part.commands.finish(batch, &mut part.sockets, part.now);
        part.answer(asked.unwrap());
    }
    part.now = Millis::new(HANDSHAKE_MS);
    assert_eq!(part.sockets.pop_due(part.now), None, "the timer of the handshake is cancelled");
    part.close();
    assert_eq!(stream.take(), "OK msend seq=1\nOK msend seq=1\n");
}

#[test]
fn a_client_over_a_limit_reads_its_refusal_behind_the_handshake() {
    let mut part = Part::new(|config| config.counts.max_connections = 1);
    let (first, _) = part.add_handshake();
    let (key, stream) = part.add_handshake();
    assert_eq!(part.commands.admission().served(), 1, "a refused client takes no room");
    stream.end_handshake(true);
    part.finish(key);
    part.close();
    let refusal = stream.take();
    assert!(refusal.starts_with("ERR 421 too many connections: 1 is the limit"), "{refusal}");
    stream.send(REQUEST);
    stream.end();
    part.commands.on_event(key, ALL);
    assert!(part.serve().is_empty(), "a refused client has no requests");
    assert_eq!(part.close(), 1);
    assert!(part.commands.contains(first));
}

#[test]
fn a_failed_handshake_ends_with_an_answer_only_if_it_can_be_read() {
    for reads_plain_text in [false, true] {
        let mut part = Part::new(|_| ());
        let (key, stream) = part.add_handshake();
        stream.end_handshake(false);
        let Some(Err(error)) = part.step(key) else { panic!("the handshake has failed") };
        let sockets = &mut part.sockets;
        part.commands.handshakes().fail(key, &error, reads_plain_text, sockets, part.now);
        assert_eq!(part.close(), usize::from(!reads_plain_text));
        let expected = "ERR 401 tls: this port speaks TLS 1.3 only: start the participant with a \
                        keys file\n";
        assert_eq!(stream.take(), if reads_plain_text { expected } else { "" });
    }
}

#[test]
fn the_oldest_of_too_many_handshakes_is_closed_and_finished_ones_do_not_count() {
    let mut part = Part::new(|_| ());
    let (done, stream) = part.add_handshake();
    stream.end_handshake(true);
    part.finish(done);
    let keys: Vec<Key> = (0..HANDSHAKES_MAX + 2).map(|_| part.add_handshake().0).collect();
    assert_eq!(part.close(), 2);
    assert!(part.commands.contains(done));
    let is_open: Vec<bool> = keys.iter().map(|key| part.commands.contains(*key)).collect();
    assert_eq!(is_open[..3], [false, false, true]);
    assert!(is_open[2..].iter().all(|is_open| *is_open));
    part.commands.marked_for_close.push(keys[2]);
    assert_eq!(part.close(), 1);
    part.add_handshake();
    assert_eq!(part.close(), 0, "a closed handshake leaves its room");
}

#[test]
fn a_handshake_has_its_time_and_no_more() {
    let mut part = Part::new(|_| ());
    let (key, _) = part.add_handshake();
    assert_eq!(part.sockets.pop_due(Millis::new(HANDSHAKE_MS - 1)), None);
    let due = part.sockets.pop_due(Millis::new(HANDSHAKE_MS));
    assert_eq!(due, Some(CoordinatorTimer::Handshake(key)));
    part.commands.handshakes().on_timeout(key);
    assert_eq!(part.close(), 1);
}

#[test]
fn a_flood_of_handshakes_from_one_network_ends_its_own() {
    let mut part = Part::new(|limits| limits.counts.max_connections_per_address = 10_000);
    let (flood, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let (victim, _) = part.add_handshake_of(other);
    let keys: Vec<Key> = (0..HANDSHAKES_MAX + 2).map(|_| part.add_handshake_of(flood).0).collect();
    assert_eq!(part.close(), 3);
    let is_open = |key: &Key| part.commands.sockets.get(*key).is_some();
    assert!(is_open(&victim), "the only one of its network");
    let open: Vec<bool> = keys.iter().take(4).map(is_open).collect();
    assert_eq!(open, [false, false, false, true], "the oldest ones of the network");
}

#[test]
fn a_handshake_makes_room_as_the_oldest_silent_client() {
    let mut part = Part::new(|config| config.counts.max_connections = 1);
    let (key, stream) = part.add_handshake();
    assert_eq!(part.commands.oldest_silent(), Some(key));
    let why = LimitReached::Silent { max: Some(1) };
    assert!(part.commands.displace(key, &why, &mut part.sockets, part.now));
    assert_eq!((part.close(), stream.take()), (1, String::new()));
    assert_eq!(part.commands.admission().served(), 0);
    assert_eq!(part.sockets.pop_due(Millis::new(LINGER_MS)), Some(CoordinatorTimer::Linger(key)));
    assert_eq!(part.sockets.pop_due(Millis::new(HANDSHAKE_MS)), None);
}

/// Credentials with a certificate that ends at this time.
fn certified(until: u64) -> Credentials {
    let names = ["ann".to_owned()].into();
    Credentials::of_key(KEY, CaCheck::Valid { names, until: UnixMillis(until) })
}

impl Part {
    /// Returns the end of the first certificate, and the time until which a request of a client has
    /// one.
    fn ends(&mut self, key: Key) -> [Option<u64>; 2] {
        let first = self.sockets.certificates().first();
        let (batch, source) = self.commands.begin(key, FRESH, &mut self.sockets).unwrap();
        let ends = [first, source.origin().credentials.certified_until()];
        self.commands.finish(batch, &mut self.sockets, self.now);
        ends.map(|end| end.map(|until| until.0))
    }
}

#[test]
fn the_end_of_a_certificate_is_watched_until_the_client_is_closed() {
    let mut part = Part::new(|_| ());
    let [first, second] = [7000, 5000].map(|until| {
        let (key, stream) = part.add_handshake();
        stream.end_handshake(true);
        part.commands.handshakes().finish(key, certified(until), &mut part.sockets, part.now);
        key
    });
    assert_eq!(part.ends(first), [Some(5000), Some(7000)]);
    assert_eq!(part.ends(second), [Some(5000), Some(5000)]);
    part.commands.marked_for_close.push(second);
    assert_eq!((part.close(), part.ends(first)), (1, [Some(7000), Some(7000)]));
    assert_eq!(part.sockets.certificates().pop_due(UnixMillis(7000)), Some(first));
    part.commands.handshakes().expire_certificate(first);
    assert_eq!(part.ends(first), [None, None]);
    part.commands.marked_for_close.push(first);
    assert_eq!(part.close(), 1);
}

#[test]
fn a_certificate_that_is_checked_again_has_another_end() {
    let mut part = Part::new(|_| ());
    let (key, stream) = part.add_handshake();
    stream.end_handshake(true);
    part.commands.handshakes().finish(key, certified(5000), &mut part.sockets, part.now);
    let changes = [
        (None, Some(5000)),
        (Some(CaCheck::Unknown), None),
        (Some(CaCheck::Valid { names: [].into(), until: UnixMillis(9000) }), Some(9000)),
        (Some(CaCheck::Expired), None),
    ];
    for (result, expected) in changes {
        let check = |_: &Credentials| result.clone();
        part.commands.handshakes().check_again(check, &mut part.sockets);
        assert_eq!(part.ends(key), [expected, expected], "{result:?}");
    }
}
