//! The user's requests that wait until the coordinator can be reached. The coordinator has
//! certainly not carried them out, or they are texts with a number, which it accepts once. They
//! keep their order.
//!
//! ```text
//!   user's commands ──▶ queue ──────────▶ in flight ──▶ reply
//!                         │ outage         │ refused for now, not written, reply lost
//!                         ▼                ▼
//!                        waiting, in order ──▶ in flight, when online again
//!                           └─────────────────▶ "not sent": too many, too old, disconnect, quit
//! ```

mod notices;

use std::collections::VecDeque;
use std::num::NonZeroU64;

use super::backoff::Backoff;
use super::output::SessionOutput;
use super::user_request::UserRequest;
use super::waiting_count::WaitingCount;
use super::waiting_limits::WaitingLimits;
use super::{Ask, Reason};
use crate::limits::{IN_FLIGHT_MAX, RETRY_MS_HIGHEST, RETRY_MS_LOWEST};
use crate::time::Millis;
pub(super) use notices::TOO_FAST;
use notices::WaitingNotices;

/// Reason why a request of the user was given up before it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The waiting requests reached the limit of their number or bytes.
    TooMany {
        /// The requests that wait.
        waiting: WaitingCount,
        /// Limits of waiting.
        limits: WaitingLimits,
    },
    /// The request has waited for the maximum time, and the coordinator has not accepted it.
    NotAccepted(WaitingLimits),
    /// There is no connection, and no automatic reconnect.
    Unreachable(Reason),
    /// The user asked to go offline.
    Left,
    /// The participant shuts down.
    Quit,
    /// The participant shuts down, and the outbox file has no entry of the text.
    NotStored,
}

/// The queue of waiting requests, in the order of the user's commands.
#[derive(Debug)]
pub(super) struct WaitingRequests {
    requests: VecDeque<UserRequest>,
    bytes: usize,
    /// Number of requests that are no messages.
    others: usize,
    limits: WaitingLimits,
    /// Number of requests so far.
    numbered: u64,
    /// Highest number of a waiting text that may be accepted. Texts up to this number stay until
    /// the coordinator has answered: it knows what became of them, and expects their numbers.
    unanswered: Option<NonZeroU64>,
    /// True for a visit: these texts are given up after the longest time, too. Nobody is there to
    /// end a visit that waits for an answer.
    limits_unanswered: bool,
    /// No request is sent before this time, although the message socket is open: the command socket
    /// could not connect, or the coordinator refused a message.
    not_before: Option<Millis>,
    pauses: Backoff,
    notices: WaitingNotices,
}

impl WaitingRequests {
    pub(super) fn new(seed: u64, limits: WaitingLimits) -> Self {
        Self {
            requests: VecDeque::new(),
            bytes: 0,
            others: 0,
            limits,
            numbered: 0,
            unanswered: None,
            limits_unanswered: false,
            not_before: None,
            pauses: Backoff::new(seed),
            notices: WaitingNotices::default(),
        }
    }

    /// Gives up texts that may be accepted, too, when they have waited for too long.
    pub(super) const fn limit_unanswered(&mut self) {
        self.limits_unanswered = true;
    }

    /// Queues a text that an earlier run left. These texts come first, in their order.
    pub(super) fn restore(&mut self, request: UserRequest) {
        self.numbered = self.numbered.max(request.order());
        self.insert(request);
    }

    /// Gives a request its position. Requests must be numbered in the order of the user's commands.
    pub(super) fn number(&mut self, ask: Ask, now: Millis) -> UserRequest {
        self.numbered = self.numbered.saturating_add(1);
        UserRequest::new(ask, self.numbered, now.plus(self.limits.ms))
    }

    /// Returns the position of the last request that has one.
    pub(super) const fn last_order(&self) -> u64 {
        self.numbered
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Returns the number of requests, for the user.
    pub(super) fn count(&self) -> WaitingCount {
        WaitingCount { number: self.len(), are_messages: self.others == 0 }
    }

    /// Returns true if a `disconnect` or `deregister` waits to be sent again.
    pub(super) fn has_leave(&self) -> bool {
        self.others > 0 && self.requests.iter().any(|request| request.ask.is_leave())
    }

    pub(super) const fn limits(&self) -> WaitingLimits {
        self.limits
    }

    /// Returns true if another request may wait.
    pub(super) fn has_room(&self) -> bool {
        self.requests.len() < self.limits.number && self.bytes < self.limits.bytes
    }

    /// Inserts a request at its position. A request that was in flight goes before the others.
    pub(super) fn insert(&mut self, request: UserRequest) {
        self.bytes = self.bytes.saturating_add(request.ask.bytes());
        self.others = self.others.saturating_add(usize::from(!request.ask.is_message()));
        if request.may_be_accepted() {
            self.unanswered = self.unanswered.max(request.number());
        }
        let at = self.requests.partition_point(|other| other.order() < request.order());
        self.requests.insert(at, request);
    }

    pub(super) fn pop(&mut self) -> Option<UserRequest> {
        let request = self.requests.pop_front()?;
        self.on_removed(&request);
        Some(request)
    }

    fn on_removed(&mut self, request: &UserRequest) {
        self.bytes = self.bytes.saturating_sub(request.ask.bytes());
        self.others = self.others.saturating_sub(usize::from(!request.ask.is_message()));
        if self.requests.is_empty() {
            self.not_before = None;
            self.unanswered = None;
        }
    }

    /// Removes and returns the requests that match, in order.
    pub(super) fn take(&mut self, is_match: impl Fn(&UserRequest) -> bool) -> Vec<UserRequest> {
        let mut taken = Vec::new();
        for request in std::mem::take(&mut self.requests) {
            match is_match(&request) {
                true => taken.push(request),
                false => self.requests.push_back(request),
            }
        }
        taken.iter().for_each(|request| self.on_removed(request));
        taken
    }

    /// Returns true if a text must wait until the coordinator has answered: see
    /// [`Self::unanswered`].
    fn must_stay(&self, request: &UserRequest) -> bool {
        needs_answer(request, self.unanswered)
    }

    /// Returns true if the oldest request must stay.
    pub(super) fn must_front_stay(&self) -> bool {
        self.front().is_some_and(|front| self.must_stay(front))
    }

    /// Removes and returns the requests that need no answer of the coordinator.
    pub(super) fn take_unsent(&mut self) -> Vec<UserRequest> {
        let unanswered = self.unanswered;
        self.take(|request| !needs_answer(request, unanswered))
    }

    /// Returns the oldest request that can be given up. All requests may wait for the same time, so
    /// it is the first one that has waited for too long.
    fn oldest(&self) -> Option<&UserRequest> {
        if self.is_rate_limited() {
            return None;
        }
        self.requests.iter().find(|request| self.limits_unanswered || !self.must_stay(request))
    }

    /// Starts a pause in sending, unless one is under way.
    pub(super) fn delay_sending(&mut self, now: Millis) {
        self.notices.end_rate_limit();
        if self.not_before.is_none() && !self.is_empty() {
            self.not_before = Some(now.plus(self.pauses.next_ms()));
        }
    }

    /// Starts a pause of a text that exceeds the rate of this member.
    pub(super) fn delay_for_rate(&mut self, wait_ms: u64, now: Millis) {
        if self.is_rate_limited() {
            self.not_before = Some(now.plus(wait_ms.clamp(RETRY_MS_LOWEST, RETRY_MS_HIGHEST)));
        }
    }

    /// Returns true during a pause in sending in which the coordinator takes no text at all.
    pub(super) fn is_paused(&self) -> bool {
        self.not_before.is_some() && !self.is_rate_limited()
    }

    /// Returns true during a pause in sending because of the rate of this member.
    pub(super) fn is_rate_paused(&self) -> bool {
        self.not_before.is_some() && self.is_rate_limited()
    }

    /// Returns true if requests wait because the coordinator takes texts at a limited rate. They
    /// wait as long as that takes, and no further one waits.
    fn is_rate_limited(&self) -> bool {
        self.notices.is_rate_limited() && !self.is_empty()
    }

    /// Ends a pause that is over. Removes and returns the requests that have waited for too long.
    pub(super) fn expire(&mut self, now: Millis) -> Vec<UserRequest> {
        if self.not_before.is_some_and(|until| until <= now) {
            self.not_before = None;
        }
        if self.oldest().is_none_or(|oldest| oldest.until() > now) {
            return Vec::new();
        }
        let unanswered = self.unanswered.filter(|_| !self.limits_unanswered);
        self.take(|request| !needs_answer(request, unanswered) && request.until() <= now)
    }

    /// Takes the numbers above a given up one away from the texts that the coordinator has
    /// certainly not accepted: it would refuse these numbers.
    pub(super) fn take_numbers_above(&mut self, given_up: NonZeroU64) {
        for request in &mut self.requests {
            if request.number().is_some_and(|number| number > given_up) {
                request.take_number();
            }
        }
    }

    /// Returns true if the text with this number waits.
    pub(super) fn has_number(&self, number: NonZeroU64) -> bool {
        self.requests.iter().any(|request| request.number() == Some(number))
    }

    /// Returns the lowest number of a text that waits.
    pub(super) fn first_number(&self) -> Option<NonZeroU64> {
        self.requests.iter().filter_map(UserRequest::number).min()
    }

    /// Returns the highest number of a text that waits.
    pub(super) fn last_number(&self) -> Option<NonZeroU64> {
        self.requests.iter().filter_map(UserRequest::number).max()
    }

    /// Takes the numbers away from the texts that wait: the coordinator does not know them. Removes
    /// and returns the texts that it may have accepted.
    pub(super) fn take_numbers(&mut self) -> Vec<UserRequest> {
        self.unanswered = None;
        let taken = self.take(UserRequest::may_be_accepted);
        for request in &mut self.requests {
            request.take_number();
        }
        taken
    }

    /// Returns the waiting requests, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &UserRequest> {
        self.requests.iter()
    }

    /// Returns the waiting requests, the oldest first, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut UserRequest> {
        self.requests.iter_mut()
    }

    /// Returns the oldest waiting request.
    pub(super) fn front(&self) -> Option<&UserRequest> {
        self.requests.front()
    }

    /// Returns the youngest waiting request.
    pub(super) fn back(&self) -> Option<&UserRequest> {
        self.requests.back()
    }

    /// Queues a refused text again. The notice tells the reason if it is not that this participant
    /// is offline.
    pub(super) fn refuse(&mut self, request: UserRequest, (code, line): (u16, &str)) {
        self.notices.refuse(code, line);
        self.insert(request);
    }

    /// Removes the oldest request to send it. The end of a reported outage is shown. A request that
    /// the coordinator may refuse again is sent without a word.
    pub(super) fn pop_to_send(&mut self, output: &mut SessionOutput) -> Option<UserRequest> {
        self.notices.end_outage(self.count(), output);
        self.pop()
    }

    /// Returns true if [`Self::report`] has work: requests wait, or did.
    pub(super) fn has_report(&self) -> bool {
        self.notices.is_outage() || !self.is_empty()
    }

    /// Shows once in an outage, or while the rate is limited, that requests wait.
    pub(super) fn report(&mut self, is_in_outage: bool, output: &mut SessionOutput) {
        self.notices.show((!self.is_empty()).then_some(self.limits), is_in_outage, output);
    }

    /// Ends the pause: the participant is online again.
    pub(super) fn release(&mut self) {
        self.not_before = None;
    }

    /// Makes the next pause a short one: the coordinator has accepted a message. The end of its
    /// refusals is shown, if more requests wait.
    pub(super) fn on_accepted(&mut self, output: &mut SessionOutput) {
        self.pauses.reset();
        if !self.notices.is_rate_limited() {
            self.notices.end_refusals((!self.is_empty()).then(|| self.count()), output);
        }
    }

    /// No text waits for the rate: the last one is accepted.
    pub(super) fn end_rate_limit(&mut self) {
        self.notices.end_rate_limit();
    }

    /// The text that was refused is given up, so the next refusal is shown.
    pub(super) fn end_refusals(&mut self) {
        self.notices.reset_refusals();
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        let oldest = self.oldest().map(UserRequest::until);
        oldest.into_iter().chain(self.not_before).min()
    }

    pub(super) fn check(&self) {
        let number_max = self.limits.number.saturating_add(IN_FLIGHT_MAX);
        assert!(self.requests.len() <= number_max.max(self.limits.number));
        let is_clear = self.bytes == 0
            && self.others == 0
            && self.not_before.is_none()
            && self.unanswered.is_none();
        assert!(!self.requests.is_empty() || is_clear, "an empty queue has no bytes and no pause");
    }
}

/// Returns true if the text has a number up to `unanswered`, the highest one that may be accepted.
fn needs_answer(request: &UserRequest, unanswered: Option<NonZeroU64>) -> bool {
    request.number().is_some_and(|number| Some(number) <= unanswered)
}

#[cfg(test)]
mod tests;
