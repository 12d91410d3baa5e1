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

use std::collections::VecDeque;
use std::num::NonZeroU64;

use super::backoff::Backoff;
use super::output::SessionOutput;
use super::user_request::UserRequest;
use super::{Ask, Notice, Reason};
use crate::limits::{IN_FLIGHT_MAX, WAITING_BYTES_MAX, WAITING_MAX, WAITING_MS_MAX};
use crate::time::Millis;

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
    /// The coordinator's reason for which it takes no message for now.
    refused: Option<Box<str>>,
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
            refused: None,
            reported: false,
        }
    }

    /// Gives a request its position. Requests must be numbered in the order of the user's commands.
    pub(super) fn number(&mut self, ask: Ask, now: Millis) -> UserRequest {
        self.numbered = self.numbered.saturating_add(1);
        UserRequest::new(ask, self.numbered, now)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Returns true if the number and the bytes of the requests are below their limits.
    pub(super) fn has_room(&self) -> bool {
        self.requests.len() < WAITING_MAX && self.bytes < WAITING_BYTES_MAX
    }

    /// Queues a request until the coordinator can be reached, or gives it up if the queue is full.
    pub(super) fn wait(&mut self, request: UserRequest, output: &mut SessionOutput) {
        match self.has_room() {
            true => self.insert(request),
            false => output.fail_with(request.given_up(NotSent::TooMany(self.len()))),
        }
    }

    /// Inserts a request at its position. A request that was in flight goes before the others.
    pub(super) fn insert(&mut self, request: UserRequest) {
        self.bytes = self.bytes.saturating_add(request.ask.bytes());
        let at = self.requests.partition_point(|other| other.order() < request.order());
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

    fn pop_expired(&mut self, now: Millis) -> Option<UserRequest> {
        let is_expired = |request: &UserRequest| request.since().plus(WAITING_MS_MAX) <= now;
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

    /// Ends a pause that is over, and gives up the requests that have waited for too long. Returns
    /// the lowest number of these.
    pub(super) fn expire(&mut self, output: &mut SessionOutput, now: Millis) -> Option<NonZeroU64> {
        if self.not_before.is_some_and(|until| until <= now) {
            self.not_before = None;
        }
        let mut lowest = None;
        while let Some(request) = self.pop_expired(now) {
            lowest = lowest.into_iter().chain(request.number()).min();
            output.fail_with(request.given_up(NotSent::TooOld));
        }
        lowest
    }

    /// Gives up all requests. Returns the lowest number of these.
    pub(super) fn give_up(
        &mut self,
        why: &NotSent,
        output: &mut SessionOutput,
    ) -> Option<NonZeroU64> {
        let mut lowest = None;
        while let Some(request) = self.pop() {
            lowest = lowest.into_iter().chain(request.number()).min();
            output.fail_with(request.given_up(why.clone()));
        }
        lowest
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

    /// Returns the highest number of a text that waits.
    pub(super) fn last_number(&self) -> Option<NonZeroU64> {
        self.requests.iter().filter_map(UserRequest::number).max()
    }

    /// Takes the numbers away from the texts that wait: the coordinator does not know them. Texts
    /// that it may have accepted are given up.
    pub(super) fn take_numbers(&mut self, output: &mut SessionOutput) {
        let mut given_up = Vec::new();
        for mut request in std::mem::take(&mut self.requests) {
            match request.take_number() {
                true => self.requests.push_back(request),
                false => given_up.push(request),
            }
        }
        for request in given_up {
            self.bytes = self.bytes.saturating_sub(request.ask.bytes());
            output.fail_with(Notice::unanswered(&request.ask));
        }
        if self.requests.is_empty() {
            self.not_before = None;
        }
    }

    /// Returns the oldest waiting request.
    pub(super) fn front(&self) -> Option<&UserRequest> {
        self.requests.front()
    }

    /// Queues a refused text again. The notice tells the reason if it is not that this participant
    /// is offline.
    pub(super) fn refuse(&mut self, request: UserRequest, (code, line): (u16, &str)) {
        if matches!(code, 506 | 507) {
            self.refused = Some(line.into());
        }
        self.insert(request);
    }

    /// Removes the oldest request to send it. The end of a reported outage is shown.
    pub(super) fn pop_to_send(&mut self, output: &mut SessionOutput) -> Option<UserRequest> {
        if std::mem::take(&mut self.reported) {
            output.show(Notice::SendingWaiting { commands: self.len() });
        }
        self.pop()
    }

    /// Shows once in an outage that requests wait.
    pub(super) fn report(&mut self, is_in_outage: bool, output: &mut SessionOutput) {
        match (self.is_empty(), is_in_outage) {
            (true, false) => self.reported = false,
            (false, true) if !std::mem::replace(&mut self.reported, true) => {
                output.show(Notice::Waiting { refused: self.refused.take() });
            }
            (_, _) => (),
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
        let oldest = self.requests.front().map(|request| request.since().plus(WAITING_MS_MAX));
        oldest.into_iter().chain(self.not_before).min()
    }

    pub(super) fn check(&self) {
        assert!(self.requests.len() <= WAITING_MAX.saturating_add(IN_FLIGHT_MAX));
        let is_clear = self.bytes == 0 && self.not_before.is_none();
        assert!(!self.requests.is_empty() || is_clear, "an empty queue has no bytes and no pause");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SessionEffect;

    fn ask(text: &str) -> Ask {
        Ask::Msend(text.into())
    }

    fn new() -> (WaitingRequests, SessionOutput) {
        (WaitingRequests::new(1), SessionOutput::default())
    }

    fn shown(output: &mut SessionOutput) -> Vec<Notice> {
        let effects = std::iter::from_fn(|| output.poll());
        let notice = |effect| {
            let SessionEffect::Show(notice) = effect else { panic!("no notice: {effect:?}") };
            notice
        };
        effects.map(notice).collect()
    }

    #[test]
    fn a_request_that_was_in_flight_goes_before_the_later_ones() {
        let (mut waiting, mut output) = new();
        let requests = ["a", "b", "c"].map(|text| waiting.number(ask(text), Millis::ZERO));
        let [a, b, c] = requests.clone();
        for request in [b, c, a] {
            waiting.wait(request, &mut output);
            waiting.check();
        }
        let popped = std::iter::from_fn(|| waiting.pop()).collect::<Vec<_>>();
        assert_eq!(popped, requests);
        waiting.check();
    }

    #[test]
    fn a_request_that_finds_no_room_or_waits_for_too_long_is_not_sent() {
        let (mut waiting, mut output) = new();
        for number in 0..=WAITING_MAX {
            let since = Millis::new(number.min(1) as u64);
            let request = waiting.number(ask("x"), since);
            waiting.wait(request, &mut output);
        }
        let not_sent = |why| Notice::not_sent(&ask("x"), why);
        assert_eq!(shown(&mut output), [not_sent(NotSent::TooMany(WAITING_MAX))]);
        let due = Millis::ZERO.plus(WAITING_MS_MAX);
        assert_eq!(waiting.deadline(), Some(due));
        waiting.expire(&mut output, due);
        assert_eq!(shown(&mut output), [not_sent(NotSent::TooOld)]);
        assert_eq!(waiting.len(), WAITING_MAX - 1);
        waiting.give_up(&NotSent::Quit, &mut output);
        assert_eq!(shown(&mut output).len(), WAITING_MAX - 1);
        waiting.check();
    }

    #[test]
    fn an_outage_and_its_end_are_shown_once() {
        let (mut waiting, mut output) = new();
        waiting.report(true, &mut output);
        assert_eq!(shown(&mut output), [], "nothing waits");
        for text in ["a", "b"] {
            let request = waiting.number(ask(text), Millis::ZERO);
            waiting.wait(request, &mut output);
            waiting.report(true, &mut output);
        }
        assert_eq!(shown(&mut output), [Notice::Waiting { refused: None }]);
        waiting.pop_to_send(&mut output).unwrap();
        waiting.pop_to_send(&mut output).unwrap();
        assert_eq!(shown(&mut output), [Notice::SendingWaiting { commands: 2 }]);
    }

    #[test]
    fn a_pause_ends_at_its_time_when_online_again_or_when_nothing_waits() {
        let (mut waiting, mut output) = new();
        let request = waiting.number(ask("x"), Millis::ZERO);
        waiting.wait(request, &mut output);
        waiting.delay_sending(Millis::ZERO);
        let until = waiting.deadline().unwrap();
        waiting.delay_sending(Millis::new(1));
        assert_eq!(waiting.deadline(), Some(until), "one pause at a time");
        waiting.expire(&mut output, until);
        assert!(!waiting.is_paused());
        waiting.delay_sending(until);
        waiting.release();
        assert!(!waiting.is_paused());
        waiting.delay_sending(until);
        waiting.pop();
        assert!(!waiting.is_paused());
    }
}
