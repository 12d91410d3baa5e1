//! A loop for the tests of single parts, on sockets of the loopback interface.

#[cfg(feature = "tls")]
mod tls_peer;

use std::io::{BufRead as _, BufReader, Read};
use std::time::Duration;

use mio::{Events, Poll};

use super::event_loop::{EventLoop, ParticipantTimer};
use crate::config::PeerTimeouts;
use crate::net::{Clock, Key, LISTENER};
use crate::time::Millis;
#[cfg(feature = "tls")]
pub(super) use tls_peer::{TestKey, TlsPeer};

/// Time after which a test gives up.
pub(super) const WAIT: Duration = Duration::from_secs(10);

/// Makes a loop that sleeps for [`WAIT`] at most.
pub(super) fn event_loop() -> EventLoop {
    let mut event_loop = EventLoop::new(Poll::new().unwrap(), Clock::start(), PeerTimeouts::new());
    event_loop.wake_at(Millis::ZERO.plus(10_000), ParticipantTimer::Exit);
    event_loop
}

/// Runs turns, which pass the events of sockets to `part`, until `turn` returns a value. The key is
/// `None` for the listener.
pub(super) fn run<P, T>(
    event_loop: &mut EventLoop,
    part: &mut P,
    on_event: impl Fn(&mut P, Option<Key>, &mio::event::Event),
    mut turn: impl FnMut(&mut P, &mut EventLoop) -> Option<T>,
) -> T {
    let mut events = Events::with_capacity(8);
    loop {
        if let Some(done) = turn(part, event_loop) {
            return done;
        }
        let now = event_loop.sleep(&mut events).unwrap();
        assert!(now < Millis::ZERO.plus(10_000), "the expected event has come");
        for event in &events {
            let key = (event.token() != LISTENER).then(|| event.token().into());
            on_event(part, key, event);
        }
    }
}

/// Reads one line of a peer.
pub(super) fn read_line(peer: impl Read) -> String {
    let mut line = String::new();
    BufReader::new(peer).read_line(&mut line).unwrap();
    line
}
