//! Sockets, timers, worker threads, signals and clocks for the event loops of both programs.
//!
//! ```text
//!            ┌──────── one thread ────────┐
//!  sockets ──▶ wait ─▶ events ─▶ timers ──▶ workers (one thread per file)
//!  signals ──▶   ▲                        │    │
//!                └──────── waker ◀────────┼────┘
//!                └────────────────────────┘
//! ```
//!
//! This module knows nothing of groups and sessions.
//!
//! Readiness is edge-triggered. The system reports an edge once: at registration, and each time the
//! socket becomes ready. So [`Connection`] and [`Acceptor`] record each edge. They forget it when
//! the system returns `WouldBlock`. A caller that stops earlier must come back without an event.

mod acceptor;
mod clock;
mod clock_watch;
mod connection;
#[cfg(feature = "engine")]
pub mod engine;
mod files;
mod inherited;
mod logging;
mod reserve;
mod rotation;
mod scratch;
mod service_manager;
mod signals;
mod slots;
mod socket;
mod stream;
mod timers;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
mod unacked;
mod worker;

use std::io;
use std::time::Duration;

use mio::{Events, Poll};

pub use acceptor::{Accept, Acceptor, Listen};
pub use clock::{Clock, Stopwatch};
pub use connection::{Connection, Fill, Flush};
pub use files::{grow_file_table, raise_file_limit};
pub use inherited::inherited_listener;
pub use logging::{Diagnostic, Diagnostics, Print, Reader, print_each, print_to_stderr};
pub use reserve::FileReserve;
pub use rotation::Rotation;
pub use scratch::Scratch;
pub use service_manager::ServiceManager;
pub use signals::{Signal, Signals, WatchedSignals, ignore_harmless_signals};
pub use slots::{CLOCK, HTTP_LISTENER, Key, LISTENER, SIGNALS, Slots, SocketTable, WAKER};
pub use stream::{Readiness, Stream};
pub use timers::{TICK_MS, TimerId, TimerWheel};
pub use transport::Transport;
pub use unacked::UnackedBytes;
pub use worker::{Full, Pool, Sink, Worker};

use crate::time::Millis;

/// Sleeps until a source is ready or `deadline` has come. Without a deadline, only a source ends
/// it.
///
/// A signal handler also ends the sleep, and so does a stopped process that continues. Then one
/// more poll without a timeout fetches the sources that are ready. So the timers that follow never
/// end a peer whose bytes have already arrived.
///
/// # Errors
///
/// The error of the poll. A loop cannot continue without its poll.
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
