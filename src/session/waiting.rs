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
use super::{Ask, Join, Notice, Reason, Session, UserCommand};
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

    fn has_room(&self) -> bool {
        self.requests.len() < WAITING_MAX && self.bytes < WAITING_BYTES_MAX
    }

    /// Inserts a request at its position. A request that was in flight goes before the others.
    pub(super) fn insert(&mut self, request: UserRequest) {
        self.bytes = self.bytes.saturating_add(request.ask.bytes());
        let at = self.requests.partition_point(|other| other.order < request.order);
        self.requests.insert(at, request);
    }

    fn pop(&mut self) -> Option<UserRequest> {
        let request = self.requests.pop_front()?;
        self.bytes = self.bytes.saturating_sub(request.ask.bytes());
        if self.requests.is_empty() {
            self.not_before = None;
        }
        Some(request)
    }

    fn pop_expired(&mut self, now: Millis) -> Option<UserRequest> {
        let is_expired = |request: &UserRequest| request.since.plus(WAITING_MS_MAX) <= now;
        self.requests.front().is_some_and(is_expired).then(|| self.pop())?
    }

    /// Starts a pause in sending, unless one is under way.
    fn delay_sending(&mut self, now: Millis) {
        if self.not_before.is_none() {
            self.not_before = Some(now.plus(self.pauses.next_ms()));
        }
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

impl Session {
    /// Returns true if the user's messages must wait at present.
    pub(super) fn is_in_outage(&self) -> bool {
        self.is_coming_back() || self.waiting.not_before.is_some()
    }

    fn is_coming_back(&self) -> bool {
        self.join.as_ref().is_some_and(|join| !join.is_for_user())
    }

    /// Returns true if an unsent message may be sent later: the session is online as far as it
    /// knows, or reconnects automatically.
    fn may_send_later(&self) -> bool {
        let is_online = self.automatic_join.port().is_some() && self.stream.is_some();
        self.shutdown.is_none() && (is_online || self.is_coming_back())
    }

    /// Returns true if a command must wait: it is a message, or follows a waiting one.
    pub(super) fn must_wait(&self, command: &UserCommand) -> bool {
        let UserCommand::Ask(ask) = command else { return false };
        let waits = match ask {
            Ask::Msend(_) => true,
            Ask::Query(_) => !self.waiting.is_empty(),
            Ask::Disconnect | Ask::Deregister => false,
        };
        waits && self.is_in_outage()
    }

    /// Queues a request until the coordinator can be reached, or gives it up if the queue is full.
    pub(super) fn wait(&mut self, request: UserRequest) {
        match self.waiting.has_room() {
            true => self.waiting.insert(request),
            false => self.not_sent(&request, NotSent::TooMany(self.waiting.len())),
        }
    }

    /// Sends waiting requests in order, as many as may be in flight.
    pub(super) fn send_waiting(&mut self, now: Millis) {
        while self.may_send_waiting(now) {
            if std::mem::take(&mut self.waiting.reported) {
                self.show(Notice::SendingWaiting { commands: self.waiting.len() });
            }
            let Some(request) = self.waiting.pop() else { return };
            self.ask(request, now);
        }
    }

    fn may_send_waiting(&mut self, now: Millis) -> bool {
        let Some(UserRequest { ask, .. }) = self.waiting.requests.front() else { return false };
        let is_joining = self.join.as_ref().is_some_and(Join::is_for_user);
        let may_ask = self.shutdown.is_none() && !is_joining && !self.is_in_outage();
        may_ask && self.requests.has_room_for(ask.is_message()) && self.has_command_socket(now)
    }

    /// Shows once in an outage that requests wait.
    pub(super) fn report_waiting(&mut self) {
        match (self.waiting.is_empty(), self.is_in_outage()) {
            (true, false) => self.waiting.reported = false,
            (false, true) if !std::mem::replace(&mut self.waiting.reported, true) => {
                self.show(Notice::Waiting);
            }
            (_, _) => (),
        }
    }

    /// Handles a failed dial: queues the next message of the user and starts a pause. Returns false
    /// if no message waits, or if messages cannot be sent later.
    pub(super) fn waits_for_coordinator(&mut self, now: Millis) -> bool {
        let is_message = matches!(self.queue.front(), Some(UserCommand::Ask(Ask::Msend(_))));
        let waits = !self.waiting.is_empty() || is_message;
        if !waits || !self.may_send_later() {
            return false;
        }
        if self.waiting.is_empty()
            && let Some(request) = self.take_unsent(now)
        {
            self.waiting.insert(request);
        }
        self.delay_sending(now);
        true
    }

    /// Removes and returns the oldest unsent request.
    pub(super) fn take_unsent(&mut self, now: Millis) -> Option<UserRequest> {
        if !self.waiting.is_empty() {
            return self.waiting.pop();
        }
        let Some(UserCommand::Ask(_)) = self.queue.front() else { return None };
        let Some(UserCommand::Ask(ask)) = self.queue.pop() else { return None };
        Some(self.waiting.number(ask, now))
    }

    /// Handles a refused request. A message is queued again if the coordinator says that this
    /// member is not online, or that the coordinator shuts down. Such a refusal has changed
    /// nothing, and the message socket is about to end.
    pub(super) fn on_refused(&mut self, code: u16, line: &str, request: UserRequest, now: Millis) {
        let is_away = matches!(code, 404 | 409 | 503) && request.ask.is_message();
        if is_away && self.may_send_later() {
            self.waiting.insert(request);
            return self.delay_sending(now);
        }
        self.output.fail();
        self.show(Notice::Reply(line.into()));
        match code {
            404 | 409 if request.ask.is_leave() => self.mark_leaving(), // Offline already.
            _ if request.ask.is_leave() => self.stay_online(),
            _ => (),
        }
    }

    /// Starts a pause in sending. During a reconnect, the reconnect has its own pauses.
    fn delay_sending(&mut self, now: Millis) {
        if self.join.is_none() {
            self.waiting.delay_sending(now);
        }
    }

    /// Gives up all waiting requests.
    pub(super) fn drop_waiting(&mut self, why: &NotSent) {
        while let Some(request) = self.waiting.pop() {
            self.not_sent(&request, why.clone());
        }
    }

    pub(super) fn expire_waiting(&mut self, now: Millis) {
        if self.waiting.not_before.is_some_and(|until| until <= now) {
            self.waiting.not_before = None;
        }
        while let Some(request) = self.waiting.pop_expired(now) {
            self.not_sent(&request, NotSent::TooOld);
        }
    }

    pub(super) fn not_sent(&mut self, request: &UserRequest, why: NotSent) {
        self.output.fail();
        self.show(Notice::not_sent(&request.ask, why));
    }
}
