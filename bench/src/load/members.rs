//! What a driver asks of the members, whatever they are made of.

use std::time::Duration;

use super::recorder::Book;
use crate::failure::Result;

/// What a member is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Online,
    Leaving { is_answered: bool },
    Away,
    Dialing,
    Returning { is_answered: bool, is_connected: bool },
}

/// What the next reply to a member is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Text,
    Disconnect,
    Reconnect,
}

/// All members of a run, by index.
pub(super) trait Team {
    /// How many.
    fn count(&self) -> usize;

    fn state(&self, index: usize) -> State;

    /// Whether it is online, and its output has room.
    fn may_publish(&self, index: usize) -> bool;

    /// Messages of it that are on their way.
    fn under_way(&self, book: &Book, index: usize) -> u64;

    /// Has a text go out with the next write.
    fn publish(&mut self, book: &mut Book, index: usize, due_ns: u64, size: usize);

    fn write(&mut self, book: &mut Book, index: usize);

    /// Goes offline as it should be done.
    fn leave(&mut self, book: &mut Book, index: usize);

    /// Drops everything without a word.
    fn crash(&mut self, book: &mut Book, index: usize);

    /// Comes back from being away, or takes over while online.
    fn come_back(&mut self, book: &mut Book, index: usize);

    /// Waits until something happens, `timer_ns` from now at the latest where it is given.
    fn turn(&mut self, book: &mut Book, timeout: Duration, timer_ns: Option<u64>) -> Result<()>;

    /// Whether everything sent is answered and has reached everybody. Asked every turn.
    fn is_complete(&mut self, book: &mut Book) -> Result<bool>;

    /// Looks for what should not have come.
    fn finish(&mut self, book: &mut Book) -> Result<()>;

    /// What the members cost, where they are processes of their own.
    fn cpu_ns(&self) -> Option<u64>;

    fn online(&self) -> usize {
        (0..self.count()).filter(|index| self.state(*index) == State::Online).count()
    }
}
