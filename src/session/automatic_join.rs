//! The automatic reconnect: its message socket, and the pauses between its tries.

use super::backoff::Backoff;
use super::join::JoinWay;

/// Way and pauses of automatic reconnects.
#[derive(Debug)]
pub(super) struct AutomaticJoin {
    /// `None` before the first `OK register` or `OK reconnect`, and after you asked to go offline.
    way: Option<JoinWay>,
    /// Another program has taken the id over, and the user has not asked for it since.
    is_taken_over: bool,
    backoff: Backoff,
}

impl AutomaticJoin {
    /// Starts without a way. The jitter of the pauses follows from `seed`.
    pub(super) const fn new(seed: u64) -> Self {
        Self { way: None, is_taken_over: false, backoff: Backoff::new(seed) }
    }

    /// Allows automatic reconnects in this way, unless another program has the id.
    pub(super) const fn allow(&mut self, way: JoinWay) {
        if !self.is_taken_over {
            self.way = Some(way);
        }
    }

    /// Another program has taken the id over. The reply to a join that came before may be on its
    /// way, and allows nothing.
    pub(super) const fn on_taken_over(&mut self) {
        self.way = None;
        self.is_taken_over = true;
    }

    /// Returns true if another program has taken the id over, and the user has not asked for it
    /// since.
    pub(super) const fn is_taken_over(&self) -> bool {
        self.is_taken_over
    }

    /// The user asks for the id.
    pub(super) const fn on_user_join(&mut self) {
        self.is_taken_over = false;
    }

    /// Allows no automatic reconnect until the next [`AutomaticJoin::allow`].
    pub(super) const fn forbid(&mut self) {
        self.way = None;
    }

    /// Returns the way of a reconnect; `None` if no automatic reconnect is allowed.
    pub(super) const fn way(&self) -> Option<JoinWay> {
        self.way
    }

    /// Returns the milliseconds to pause before the next try.
    pub(super) fn next_pause_ms(&mut self) -> u64 {
        self.backoff.next_ms()
    }

    /// Makes the next pause the shortest.
    pub(super) const fn reset_pauses(&mut self) {
        self.backoff.reset();
    }

    /// Makes the next pauses the longest.
    pub(super) const fn slow_down(&mut self) {
        self.backoff.slow_down();
    }
}
