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
        Self { acceptor, is_out_of_files: false, leaves_file: false }
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
                    self.log_file_shortage(None);
                    return Some(HttpAccepted { stream, peer, is_from_reserve: false });
                }
                Accept::Drained | Accept::Yielded => return None,
                Accept::Paused => (),
                Accept::OutOfFiles(error) => self.log_file_shortage(Some(&error)),
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

    /// Completes the reserve, and finds out whether files are free again.
    pub(super) fn tick(&mut self) {
        if self.leaves_file {
            return;
        }
        let is_complete = self.acceptor.refill();
        if self.is_out_of_files && is_complete && FileReserve::new(1).refill() {
            self.log_file_shortage(None);
        }
    }

    /// Logs the start of a shortage of files, and its end.
    fn log_file_shortage(&mut self, shortage: Option<&io::Error>) {
        let was_out = mem::replace(&mut self.is_out_of_files, shortage.is_some());
        match shortage {
            Some(error) if !was_out => log::warn!(
                "HTTP: no file descriptor is free: {error}; each request is answered on a \
                 connection that is closed then, /events is refused"
            ),
            None if was_out => log::info!("HTTP: a file descriptor is free again"),
            Some(_) | None => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::ErrorKind;

    use super::*;
    use crate::limits::http::HTTP_RESERVE_FILES;

    /// Connections that wait, and true if no file is free for them.
    #[derive(Debug, Default)]
    struct Waiting(Cell<usize>);

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
}
