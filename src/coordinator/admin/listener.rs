//! The listener of HTTP. It has files that clients of the group cannot take, so that health checks
//! are answered while no other file is free.

use std::io;
use std::mem;
use std::net::SocketAddr;

use crate::net::{Accept, Acceptor, FileReserve, Listen};
use crate::time::Millis;

/// The acceptor, and what is known about free files.
#[derive(Debug)]
pub(super) struct HttpListener<L> {
    acceptor: Acceptor<L>,
    /// True if no file was free for a connection, and the log has reported it.
    is_out_of_files: bool,
    /// True if no file was free for a connection since the last tick.
    was_out_since_tick: bool,
    /// True while the next free file is left to the journal.
    leaves_file: bool,
}

/// An accepted connection.
#[derive(Debug)]
pub(super) struct HttpAccepted<S> {
    pub(super) stream: S,
    pub(super) peer: SocketAddr,
    /// True if the file of the connection belongs to the reserve.
    pub(super) is_from_reserve: bool,
}

impl<L: Listen> HttpListener<L> {
    pub(super) fn new(acceptor: Acceptor<L>) -> Self {
        Self { acceptor, is_out_of_files: false, was_out_since_tick: false, leaves_file: false }
    }

    pub(super) fn on_event(&mut self) {
        self.acceptor.on_event();
    }

    /// Returns true if a connection can be accepted now. No event reports this.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        self.acceptor.is_due(now)
    }

    /// Returns true if no file was free for the last connection.
    pub(super) fn is_out_of_files(&self) -> bool {
        self.is_out_of_files
    }

    /// Leaves a file that is free now to a new segment of the journal, or ends that.
    pub(super) fn leave_file(&mut self, leaves_file: bool) {
        self.leaves_file = leaves_file;
    }

    /// Accepts one connection. If no file is free, the connection gets one of the reserve.
    pub(super) fn accept(&mut self, now: Millis) -> Option<HttpAccepted<L::Stream>> {
        if !self.leaves_file {
            match self.acceptor.accept(now) {
                Accept::Accepted(stream, peer) => {
                    return Some(HttpAccepted { stream, peer, is_from_reserve: false });
                }
                Accept::Drained | Accept::Yielded => return None,
                Accept::Paused => self.was_out_since_tick = true,
                Accept::OutOfFiles(error) => self.shortage_begins(&error),
            }
        }
        let accepted = self.acceptor.accept_with_reserve();
        if accepted.is_none() {
            self.acceptor.postpone(now);
        }
        accepted.map(|(stream, peer)| HttpAccepted { stream, peer, is_from_reserve: true })
    }

    /// Records the end of a connection, which has closed its file.
    pub(super) fn file_closed(&mut self, is_from_reserve: bool) {
        if is_from_reserve {
            self.acceptor.refill(); // At once: a client of the group could take the file.
        }
        self.acceptor.file_closed();
    }

    /// Completes the reserve, and ends a shortage of files. During a shortage a file can be free
    /// for a moment, so the end is a whole tick in which no connection lacked a file.
    pub(super) fn tick(&mut self) {
        if self.leaves_file {
            return;
        }
        let is_complete = self.acceptor.refill();
        let was_out = mem::take(&mut self.was_out_since_tick);
        if self.is_out_of_files && !was_out && is_complete && FileReserve::new(1).refill() {
            self.is_out_of_files = false;
            log::info!("HTTP: a file descriptor is free again");
        }
    }

    fn shortage_begins(&mut self, error: &io::Error) {
        self.was_out_since_tick = true;
        if !mem::replace(&mut self.is_out_of_files, true) {
            log::warn!(
                "HTTP: no file descriptor is free: {error}; each request is answered on a \
                 connection that is closed then, /events is refused"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::ErrorKind;

    use rustix::io::Errno;

    use super::*;
    use crate::limits::http::HTTP_RESERVE_FILES;

    /// Connections that wait.
    #[derive(Debug, Default)]
    struct Waiting(Cell<usize>);

    /// A connection that waits. It can be accepted if a file is free.
    #[derive(Debug)]
    struct NeedsFile<'a>(&'a Cell<bool>);

    impl Listen for NeedsFile<'_> {
        type Stream = ();

        fn accept_one(&self) -> io::Result<((), SocketAddr)> {
            let is_free = self.0.get();
            let address = ([127, 0, 0, 1], 1).into();
            is_free.then_some(((), address)).ok_or_else(|| Errno::MFILE.into())
        }
    }

    impl Listen for Waiting {
        type Stream = ();

        fn accept_one(&self) -> io::Result<((), SocketAddr)> {
            let left = self.0.get().checked_sub(1);
            self.0.set(left.unwrap_or_default());
            let address = ([127, 0, 0, 1], 1).into();
            left.map(|_| ((), address)).ok_or_else(|| ErrorKind::WouldBlock.into())
        }
    }

    #[test]
    fn a_file_that_the_journal_needs_is_left_to_it() {
        let waiting = Waiting(Cell::new(100));
        let mut listener = HttpListener::new(Acceptor::over(waiting, HTTP_RESERVE_FILES));
        let now = Millis::ZERO;
        listener.on_event();
        let mut accept = |leaves_file, closes: usize| {
            listener.leave_file(leaves_file);
            listener.tick();
            (0..closes).for_each(|_| listener.file_closed(true));
            listener.accept(now).map(|accepted| accepted.is_from_reserve)
        };
        assert_eq!(accept(false, 0), Some(false));
        for _ in 0..HTTP_RESERVE_FILES {
            assert_eq!(accept(true, 0), Some(true));
        }
        assert_eq!(accept(true, 0), None, "all other files are the journal's");
        assert_eq!(accept(true, 1), Some(true), "a connection has ended");
        assert_eq!(accept(false, 0), Some(false));
    }
    #[test]
    fn a_file_that_is_free_for_a_moment_does_not_end_a_shortage() {
        let is_free = Cell::new(false);
        let mut listener = HttpListener::new(Acceptor::over(NeedsFile(&is_free), 1));
        listener.on_event();
        let mut try_accept = |frees, ticks| {
            is_free.set(frees);
            listener.accept(Millis::ZERO);
            listener.file_closed(true);
            (0..ticks).for_each(|_| listener.tick());
            listener.is_out_of_files()
        };
        assert!(try_accept(false, 0));
        assert!(try_accept(true, 1), "a file was missing before the tick");
        assert!(try_accept(false, 1));
        assert!(!try_accept(true, 2), "a whole tick without a shortage");
        assert!(try_accept(false, 0));
    }
}
