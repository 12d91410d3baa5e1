//! Signals as events of the loop.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGXFSZ};
use signal_hook::{flag, low_level};

use super::SIGNALS;

/// A signal that a program can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: the program is asked to end.
    Terminate,
    /// SIGINT: the user pressed Ctrl-C.
    Interrupt,
    /// SIGHUP: the terminal is gone, or a file was rotated.
    Hangup,
    /// SIGCONT: the program was stopped and continues.
    Continue,
    /// SIGWINCH: the terminal has another size.
    Resize,
}

impl Signal {
    const fn number(self) -> i32 {
        match self {
            Self::Terminate => SIGTERM,
            Self::Interrupt => SIGINT,
            Self::Hangup => SIGHUP,
            Self::Continue => SIGCONT,
            Self::Resize => SIGWINCH,
        }
    }
}

/// Signals that are watched until the process ends. Each signal has its own socket pair, into which
/// the handler writes one byte. So two signals are never confused, and two signals of one kind
/// count as two.
///
/// `SIGPIPE` needs no handler: Rust's runtime ignores it before `main`. Vectored writes depend on
/// this, because they are the only writes without `MSG_NOSIGNAL`.
#[derive(Debug)]
pub struct WatchedSignals {
    readers: Vec<(Signal, net::UnixStream)>,
}

impl WatchedSignals {
    /// Watches `signals`. Those that come before a loop reads them are kept.
    ///
    /// # Errors
    ///
    /// The error of the sockets.
    pub fn new(signals: &[Signal]) -> io::Result<Self> {
        let mut readers = Vec::with_capacity(signals.len());
        for &signal in signals {
            let (reader, writer) = net::UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            low_level::pipe::register(signal.number(), writer)?;
            readers.push((signal, reader));
        }
        Ok(Self { readers })
    }

    /// Returns the signals as events under [`SIGNALS`], for one loop at a time.
    ///
    /// # Errors
    ///
    /// The error of the sockets or the poll.
    pub fn register(&self, registry: &Registry) -> io::Result<Signals> {
        let mut watched = Vec::with_capacity(self.readers.len());
        for (signal, reader) in &self.readers {
            let mut reader = UnixStream::from_std(reader.try_clone()?);
            registry.register(&mut reader, SIGNALS, Interest::READABLE)?;
            watched.push((*signal, reader));
        }
        Ok(Signals { watched, has_hung_up: false })
    }
}

/// Signals as events of one loop.
#[derive(Debug)]
pub struct Signals {
    watched: Vec<(Signal, UnixStream)>,
    /// A SIGHUP came during the start, and was not handled.
    has_hung_up: bool,
}

impl Signals {
    /// Watches `signals` until the process ends. Their events come under [`SIGNALS`].
    ///
    /// # Errors
    ///
    /// The error of the sockets or the poll.
    pub fn watch(registry: &Registry, signals: &[Signal]) -> io::Result<Self> {
        WatchedSignals::new(signals)?.register(registry)
    }

    /// Returns true if the program is asked to end while it starts. A SIGHUP meanwhile is kept for
    /// [`Signals::take_hangup`].
    pub fn is_asked_to_end(&mut self) -> bool {
        let signals = self.drain();
        self.has_hung_up |= signals.contains(&Signal::Hangup);
        signals.iter().any(|signal| *signal != Signal::Hangup)
    }

    /// Returns true if a SIGHUP came during the start. Later calls return false.
    pub fn take_hangup(&mut self) -> bool {
        std::mem::take(&mut self.has_hung_up)
    }

    /// Returns the signals since the last call. The order of different signals is not known.
    #[must_use]
    pub fn drain(&mut self) -> Vec<Signal> {
        let mut received = Vec::new();
        for (signal, reader) in &mut self.watched {
            let mut bytes = [0; 64];
            loop {
                match reader.read(&mut bytes) {
                    Ok(0) => break,
                    Ok(count) => received.extend(std::iter::repeat_n(*signal, count)),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break, // `WouldBlock`: our own socket pair has no other error.
                }
            }
        }
        received
    }
}

/// Signals that end a program by default and have no meaning for ours. With SIGXFSZ ignored, a
/// write beyond the file size limit fails, and the program continues.
const HARMLESS_SIGNALS: [i32; 3] = [SIGXFSZ, SIGUSR1, SIGUSR2];

/// Ignores SIGXFSZ, SIGUSR1 and SIGUSR2 until the process ends.
///
/// # Errors
///
/// The error of the operating system.
pub fn ignore_harmless_signals() -> io::Result<()> {
    HARMLESS_SIGNALS.into_iter().try_for_each(ignore)
}

fn ignore(number: i32) -> io::Result<()> {
    // The handler sets an unused flag. `SIG_IGN` would need `unsafe`.
    flag::register(number, Arc::new(AtomicBool::new(false))).map(drop)
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;
    use crate::net::wait;
    use crate::time::Millis;

    #[test]
    fn watched_signals_are_distinguished_and_counted_and_ignored_signals_do_nothing() {
        let mut poll = Poll::new().unwrap();
        let watched = [Signal::Terminate, Signal::Interrupt];
        let mut signals = Signals::watch(poll.registry(), &watched).unwrap();
        ignore_harmless_signals().unwrap();
        assert!(signals.drain().is_empty());
        for round in 0..2 {
            for number in [SIGUSR1, SIGUSR2, SIGXFSZ, SIGINT, SIGTERM, SIGTERM] {
                low_level::raise(number).unwrap();
            }
            let mut events = Events::with_capacity(4);
            wait(&mut poll, &mut events, Millis::ZERO, Some(Millis::new(10_000))).unwrap();
            assert!(events.iter().any(|event| event.token() == SIGNALS), "round {round}");
            let received = signals.drain();
            assert_eq!(received, [Signal::Terminate, Signal::Terminate, Signal::Interrupt]);
        }
    }

    #[test]
    fn a_signal_between_two_loops_comes_to_the_second_one() {
        let signals = WatchedSignals::new(&[Signal::Resize]).unwrap();
        let first = Poll::new().unwrap();
        drop((signals.register(first.registry()).unwrap(), first));
        low_level::raise(SIGWINCH).unwrap();
        let mut second = Poll::new().unwrap();
        let mut received = signals.register(second.registry()).unwrap();
        let mut events = Events::with_capacity(4);
        wait(&mut second, &mut events, Millis::ZERO, Some(Millis::new(10_000))).unwrap();
        assert!(events.iter().any(|event| event.token() == SIGNALS));
        assert_eq!(received.drain(), [Signal::Resize]);
    }

    #[test]
    fn a_sighup_during_the_start_is_remembered_and_asks_for_no_end() {
        let poll = Poll::new().unwrap();
        let mut signals = Signals::watch(poll.registry(), &[Signal::Hangup]).unwrap();
        assert!(!signals.is_asked_to_end() && !signals.take_hangup());
        low_level::raise(SIGHUP).unwrap();
        for _ in 0..2 {
            assert!(!signals.is_asked_to_end());
        }
        assert!(signals.take_hangup() && !signals.take_hangup());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_runtime_ignores_sigpipe() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_ne!(ignored & 1 << (signal_hook::consts::SIGPIPE - 1), 0);
    }
}
