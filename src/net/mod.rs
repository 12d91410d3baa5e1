//! What the loops of both programs stand on: sockets, timers, workers, signals; nothing of groups.
//!
//! ```text
//!            ┌──────── one thread ────────┐
//!  sockets ──▶ wait ─▶ events ─▶ timers ──▶ workers (one thread per file)
//!  signals ──▶   ▲                        │    │
//!                └──────── waker ◀────────┼────┘
//!                └────────────────────────┘
//! ```
//!
//! Readiness is edge-triggered: each edge is reported once, when it is registered or comes up.
//! So an edge is written down where it belongs ([`Connection`], [`Acceptor`]) and forgotten only
//! when the operating system said `WouldBlock`; whoever stops earlier has to come back by itself.

mod acceptor;
mod clock;
mod clock_watch;
mod connection;
mod files;
mod logging;
mod reserve;
mod rotation;
mod signals;
mod slots;
mod socket;
mod timers;
mod unacked;
mod worker;

use std::io;
use std::time::Duration;

use mio::{Events, Poll};

pub use acceptor::{Accept, Acceptor};
pub use clock::{Clock, Stopwatch};
pub use connection::{Connection, Fill, Flush};
pub use files::raise_file_limit;
pub use logging::{Diagnostic, Diagnostics, Print, Reader, print_to_stderr};
pub use reserve::FileReserve;
pub use rotation::Rotation;
pub use signals::{Signal, Signals, ignore_harmless_signals};
pub use slots::{CLOCK, Key, LISTENER, SIGNALS, Slots, WAKER};
pub use timers::{TICK_MS, TimerId, TimerWheel};
pub use unacked::UnackedBytes;
pub use worker::{Full, Pool, Sink, Worker};

use crate::time::Millis;

/// Sleeps until something is ready or `deadline` has come; without one, until something is ready.
///
/// A signal handler that ran meanwhile ends the sleep, as does a process that was stopped and goes
/// on. What became ready until then is reported all the same: whoever looks at the clock next must
/// not take a peer for silent that was not.
///
/// # Errors
///
/// Those of the poll: no loop can go on without it.
pub fn wait(
    poll: &mut Poll,
    events: &mut Events,
    now: Millis,
    deadline: Option<Millis>,
) -> io::Result<()> {
    match poll.poll(events, deadline.map(|deadline| deadline.duration_since(now))) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            match poll.poll(events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    events.clear();
                    Ok(())
                }
                result => result,
            }
        }
        result => result,
    }
}
