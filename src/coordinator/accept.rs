//! The listener: accepts command sockets until the shutdown.

use std::io;
use std::mem;
use std::net::SocketAddr;

use rustix::io::Errno;

use super::sockets::{CoordinatorTimer, Sockets};
use crate::net::{Accept, Acceptor, Connection, Listen, Stream, TimerId};
use crate::time::Millis;

/// The acceptor, its pause, and the state of its log lines.
#[derive(Debug)]
pub(super) struct Listener<L> {
    /// `None` during the shutdown.
    acceptor: Option<Acceptor<L>>,
    timer: Option<TimerId>,
    /// True if no file was free for a connection, and the log has reported it.
    is_out_of_files: bool,
    /// Pauses of an acceptor that is closed.
    pauses: u64,
}

/// Result of [`Listener::accept`].
#[derive(Debug)]
pub(super) enum Accepted<S> {
    Connection(Connection<S>, SocketAddr),
    /// No file is free for another connection.
    OutOfFiles,
    /// Nothing more is accepted in this turn.
    Done,
}

impl<L: Listen<Stream: Stream>> Listener<L> {
    pub(super) fn new(acceptor: Acceptor<L>) -> Self {
        Self { acceptor: Some(acceptor), timer: None, is_out_of_files: false, pauses: 0 }
    }

    pub(super) fn on_event(&mut self) {
        self.acceptor.iter_mut().for_each(Acceptor::on_event);
    }

    /// Records that the pause of accepting ended. Every turn tries to accept.
    pub(super) fn on_timer(&mut self) {
        self.timer = None;
    }

    /// Records that this process closed a number of files.
    pub(super) fn files_closed(&mut self, files: usize) {
        if files > 0 {
            self.acceptor.iter_mut().for_each(Acceptor::file_closed);
        }
    }

    /// Stops listening.
    pub(super) fn close(&mut self) {
        self.pauses = self.pauses();
        self.acceptor = None;
    }

    /// Returns true if a connection can be accepted now. No event reports this.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        self.acceptor.as_ref().is_some_and(|acceptor| acceptor.is_due(now))
    }

    /// Returns the number of times that no file was free.
    pub(super) fn pauses(&self) -> u64 {
        self.acceptor.as_ref().map_or(self.pauses, Acceptor::pauses)
    }

    /// Returns true while no file is free for a connection.
    pub(super) fn is_out_of_files(&self) -> bool {
        self.is_out_of_files
    }

    /// Leaves a file that is free now to a new segment of the journal.
    pub(super) fn leave_file(&mut self, now: Millis) {
        if self.is_out_of_files {
            self.acceptor.iter_mut().for_each(|acceptor| acceptor.postpone(now));
        }
    }

    /// Starts a connection. If no file is free, one file of the reserve is released for it.
    pub(super) fn connect<S>(
        &mut self,
        mut connect: impl FnMut() -> io::Result<Connection<S>>,
    ) -> io::Result<Connection<S>> {
        let begun = connect();
        let errno = begun.as_ref().err().and_then(Errno::from_io_error);
        let is_out_of_files = matches!(errno, Some(Errno::MFILE | Errno::NFILE));
        let is_freed = is_out_of_files && self.acceptor.as_mut().is_some_and(Acceptor::release_one);
        if is_freed { connect() } else { begun }
    }

    /// Accepts one connection. Call it until the result is [`Accepted::Done`] or
    /// [`Accepted::OutOfFiles`].
    pub(super) fn accept(&mut self, sockets: &mut Sockets, now: Millis) -> Accepted<L::Stream> {
        let Some(acceptor) = &mut self.acceptor else { return Accepted::Done };
        match acceptor.accept(now) {
            Accept::Accepted(stream, peer) => {
                return Accepted::Connection(Connection::new(stream), peer);
            }
            Accept::Yielded => (),
            Accept::Drained => self.log_file_shortage(None),
            Accept::Paused => self.arm_timer(sockets),
            Accept::OutOfFiles(error) => {
                self.log_file_shortage(Some(&error));
                self.arm_timer(sockets);
                return Accepted::OutOfFiles;
            }
        }
        Accepted::Done
    }

    /// Logs the start of a shortage of files, and its end.
    fn log_file_shortage(&mut self, shortage: Option<&io::Error>) {
        let was_out = mem::replace(&mut self.is_out_of_files, shortage.is_some());
        match shortage {
            Some(error) if !was_out => {
                log::warn!("accepting paused: {error}; new connections wait in the queue");
            }
            None if was_out => log::info!("accepting again: the queue is empty"),
            Some(_) | None => (),
        }
    }

    fn arm_timer(&mut self, sockets: &mut Sockets) {
        let due = self.acceptor.as_ref().and_then(|acceptor| acceptor.retry_at());
        if let (None, Some(due)) = (self.timer, due) {
            self.timer = Some(sockets.set_timer(due, CoordinatorTimer::Accept));
        }
    }
}
