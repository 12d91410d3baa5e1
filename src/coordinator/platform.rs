//! Everything that the coordinator uses from outside: sockets, random numbers, the thread of the
//! journal. The programs have [`System`](super::system::System). A simulation has its own.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::access::Credentials;
use crate::group::{Effect, Group, Input};
use crate::journal::{WriterJob, WriterReport};
use crate::net::{Connection, Full, Key, Listen, Stream};
use crate::protocol::KeyName;
use crate::time::{Now, UnixMillis};

/// The outside of the coordinator's loop.
pub trait Platform: fmt::Debug {
    /// A connection's byte stream.
    type Stream: Stream + fmt::Debug;
    /// The socket that command sockets come from.
    type Listener: Listen<Stream = Self::Stream> + fmt::Debug;
    /// The way to the writer of the journal.
    type Writer: WriterQueue;
    /// Sees the inputs and the effects of the group.
    type Observer: Observer;

    /// Starts a connection to `address`, from our address `from` if there is one. With TLS, the
    /// peer must show the key `key`.
    ///
    /// # Errors
    ///
    /// An error that the operating system reports at once.
    fn connect(
        &mut self,
        from: Option<IpAddr>,
        address: SocketAddr,
        key: Option<KeyName>,
    ) -> io::Result<Connection<Self::Stream>>;

    /// Makes an accepted connection one of the transport in use: with TLS, a handshake comes first.
    ///
    /// # Errors
    ///
    /// An error that no peer causes. The connection is closed.
    fn begin(
        &mut self,
        connection: Connection<Self::Stream>,
    ) -> io::Result<Connection<Self::Stream>> {
        Ok(connection)
    }

    /// Returns true if this turn has time left for a step of a handshake.
    fn has_handshake_time(&mut self) -> bool {
        true
    }

    /// Returns the credentials of a connection, at the time `now`.
    fn credentials(&self, _connection: &Connection<Self::Stream>, _now: UnixMillis) -> Credentials {
        Credentials::Plain
    }

    /// Makes a connection whose handshake has failed answer without TLS, because its peer speaks
    /// without TLS. Returns true if the peer can read an answer.
    fn answer_in_plain_text(&mut self, _connection: &mut Connection<Self::Stream>) -> bool {
        false
    }

    /// Reports the events of a connection under `key` from now on.
    ///
    /// # Errors
    ///
    /// The error of the poll.
    fn register(&mut self, connection: &mut Connection<Self::Stream>, key: Key) -> io::Result<()>;

    /// Reports the events of a connection under another key from now on.
    ///
    /// # Errors
    ///
    /// The error of the poll.
    fn reregister(&mut self, connection: &mut Connection<Self::Stream>, key: Key)
    -> io::Result<()>;

    /// Returns 64 random bits.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    fn random(&mut self) -> io::Result<u64>;
}

/// The way of jobs to the writer of the journal, and of its reports back.
pub trait WriterQueue: fmt::Debug {
    /// Queues a job.
    ///
    /// # Errors
    ///
    /// [`Full`] with the job.
    fn try_submit(&self, job: WriterJob) -> Result<(), Full<WriterJob>>;

    /// Returns the reports since the last call, in order.
    fn completions(&self) -> Vec<WriterReport>;
}

/// Sees each input of the group and each effect, in order. The observer of the programs, `()`, does
/// nothing.
pub trait Observer: fmt::Debug {
    /// The group is about to handle an input.
    fn before_input(&mut self, _input: &Input<'_>, _now: Now) {}

    /// The group has handled an input. Its effects were not returned yet.
    fn after_input(&mut self, _group: &Group, _now: Now) {}

    /// The group has returned an effect, or none is left. The parts run the effect next.
    fn on_effect(&mut self, _effect: Option<&Effect>, _group: &Group, _now: Now) {}
}

impl Observer for () {}
