//! Standard input without line editing: waits for it, for the next writer of a FIFO, and closes it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::FileTypeExt as _;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::stdio::dup2_stdin;

/// Part of standard input that is read as commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::participant) enum InputMode {
    /// None: standard input is closed.
    Nothing,
    /// All input up to its end.
    ToItsEnd,
    /// All input up to its end. With a FIFO, wait for the next writer after each one, until the
    /// program exits.
    OfEachWriter,
}

/// Waits for the next writer of a FIFO whose last one has gone.
#[derive(Debug)]
pub(super) struct Writers {
    poll: Poll,
    events: Events,
}

impl Writers {
    /// Returns `None` if standard input is no FIFO.
    pub(super) fn of_stdin() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        let kind = File::from(stdin.as_fd().try_clone_to_owned()?).metadata()?.file_type();
        if !kind.is_fifo() {
            return Ok(None);
        }
        let poll = Poll::new()?;
        let fd = stdin.as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?;
        Ok(Some(Self { poll, events: Events::with_capacity(1) }))
    }

    /// Blocks until an event of the FIFO. Readiness is edge-triggered: a FIFO without a writer is
    /// always ready, but causes only one event.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            waited => waited,
        }
    }
}

/// Blocks until standard input can be read, if another program has made it non-blocking.
pub(super) fn wait_until_readable() -> io::Result<()> {
    let stdin = io::stdin();
    poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None)?;
    Ok(())
}

/// Closes standard input: its writers get an error from here on.
pub(super) fn close_stdin() {
    // If /dev/null cannot be opened, the writers get the error when the program exits.
    let _ = File::open("/dev/null").and_then(|null| Ok(dup2_stdin(null)?));
}
