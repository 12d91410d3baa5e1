//! The user's requests that wait until the coordinator can be reached. The coordinator has
//! certainly not carried them out. They keep their order.
//!
//! ```text
//!   user's commands ──▶ queue ──────────▶ in flight ──▶ reply
//!                         │ outage         │ refused as offline, or not written
//!                         ▼                ▼
//!                        waiting, in order ──▶ in flight, when online again
//!                           └─────────────────▶ "not sent": too many, too old, disconnect, quit
//! ```

use std::collections::VecDeque;

use super::backoff::Backoff;
use super::{Ask, Reason};
use crate::limits::{IN_FLIGHT_MAX, WAITING_BYTES_MAX, WAITING_MAX, WAITING_MS_MAX};
use crate::time::Millis;

/// A numbered request of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserRequest {
    pub(super) ask: Ask,
    /// Position among all requests of the user.
    order: u64,
    /// Time of the user's command: a request waits a limited time from here.
    since: Millis,
}

/// Reason why a request of the user was given up before it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The waiting requests reached the limit of their number or bytes. The value is their number.
    TooMany(usize),
    /// The request has waited for the maximum time.
    TooOld,
    /// There is no connection, and no automatic reconnect.
    Unreachable(Reason),
    /// The user asked to go offline.
    Left,
    /// The participant shuts down.
    Quit,
}

/// The queue of waiting requests, in the order of the user's commands.
#[derive(Debug)]
pub(super) struct WaitingRequests {
    requests: VecDeque<UserRequest>,
    bytes: usize,
    /// Number of requests so far.
    numbered: u64,
    /// No request is sent before this time, although the message socket is open: the command socket
    /// could not connect, or the coordinator refused a message.
    not_before: Option<Millis>,
    pauses: Backoff,
    /// The notice about this outage was shown.
    reported: bool,
}

impl WaitingRequests {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            requests: VecDeque::new(),
            bytes: 0,
            numbered: 0,
            not_before: None,
            pauses: Backoff::new(seed),
            reported: false,
        }
    }

    /// Gives a request its position. Requests must be numbered in the order of the user's commands.
    pub(super) fn number(&mut self, ask: Ask, now: Millis) -> UserRequest {
        self.numbered = self.numbered.saturating_add(1);
        UserRequest { ask, order: self.numbered, since: now }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.requests.len() < WAITING_MAX && self.bytes < WAITING_BYTES_MAX
    }

    /// Inserts a request at its position. A request that was in flight goes before the others.
    pub(super) fn insert(&mut self, request: UserRequest) {
        self.bytes = self.bytes.saturating_add(request.ask.bytes());
        let at = self.requests.partition_point(|other| other.order < request.order);
        self.requests.insert(at, request);
    }

    pub(super) fn pop(&mut self) -> Option<UserRequest> {
        let request = self.requests.pop_front()?;
        self.bytes = self.bytes.saturating_sub(request.ask.bytes());
        if self.requests.is_empty() {
            self.not_before = None;
        }
        Some(request)
    }

    pub(super) fn pop_expired(&mut self, now: Millis) -> Option<UserRequest> {
        let is_expired = |request: &UserRequest| request.since.plus(WAITING_MS_MAX) <= now;
        self.requests.front().is_some_and(is_expired).then(|| self.pop())?
    }

    /// Starts a pause in sending, unless one is under way.
    pub(super) fn delay_sending(&mut self, now: Millis) {
        if self.not_before.is_none() {
            self.not_before = Some(now.plus(self.pauses.next_ms()));
        }
    }

    /// Returns true during a pause in sending.
    pub(super) const fn is_paused(&self) -> bool {
        self.not_before.is_some()
    }

    /// Ends a pause that is over.
    pub(super) fn expire_pause(&mut self, now: Millis) {
        if self.not_before.is_some_and(|until| until <= now) {
            self.not_before = None;
        }
    }

    /// Returns the oldest waiting request.
    pub(super) fn front(&self) -> Option<&UserRequest> {
        self.requests.front()
    }

    /// Returns true once in an outage in which requests wait.
    pub(super) fn must_report(&mut self, is_in_outage: bool) -> bool {
        match (self.is_empty(), is_in_outage) {
            (true, false) => {
                self.reported = false;
                false
            }
            (false, true) => !std::mem::replace(&mut self.reported, true),
            (true, true) | (false, false) => false,
        }
    }

    /// Returns true if the wait was reported, and is to be reported as over now.
    pub(super) fn take_reported(&mut self) -> bool {
        std::mem::take(&mut self.reported)
    }

    /// Ends the pause: the participant is online again.
    pub(super) fn release(&mut self) {
        self.not_before = None;
    }

    /// Makes the next pause a short one: the coordinator has accepted a message.
    pub(super) fn on_accepted(&mut self) {
        self.pauses.reset();
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        let oldest = self.requests.front().map(|request| request.since.plus(WAITING_MS_MAX));
        oldest.into_iter().chain(self.not_before).min()
    }

    pub(super) fn check(&self) {
        assert!(self.requests.len() <= WAITING_MAX.saturating_add(IN_FLIGHT_MAX));
        let is_clear = self.bytes == 0 && self.not_before.is_none();
        assert!(!self.requests.is_empty() || is_clear, "an empty queue has no bytes and no pause");
    }
}
