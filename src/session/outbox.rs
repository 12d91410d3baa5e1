//! The user's requests on their way out: those that wait, the numbers of the texts, and the outbox
//! file.
//!
//! ```text
//!   user ──▶ waiting ──▶ in flight ──▶ answered      number: from the first request on
//!              │   ▲ written                          file:   text and number, before the request
//!              ▼   │
//!            outbox file
//! ```
//!
//! A text keeps its number, if the coordinator knows `send`. So it can be sent again after a lost
//! reply, and a refused text is never overtaken by a later one.

mod answers;
mod unshown;

use std::num::NonZeroU64;

use super::outbox_store::OutboxStore;
use super::output::SessionOutput;
use super::requests::Requests;
use super::sending_state::SendingState;
use super::text_numbers::TextNumbers;
use super::user_request::UserRequest;
use super::waiting::WaitingRequests;
use super::waiting_limits::WaitingLimits;
use super::{Ask, NotSent, Notice, OutboxEntry, OutboxNotice, StoredOutbox};
use crate::limits::{IN_FLIGHT_MAX, OUTBOX_AHEAD_MAX};
use crate::protocol::Epoch;
use crate::time::Millis;
use unshown::UnshownTexts;

/// A `register` since the last successful reply to a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegisterState {
    /// None that the coordinator has not refused.
    Known,
    /// Asked for, and a refusal proves that the member is no new one.
    Asked,
    /// Asked for more than once: a refusal may come from the success of an earlier one.
    AskedAgain,
}

/// Requests that wait, the numbers of texts, and the entries of the outbox file.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: WaitingRequests,
    numbers: TextNumbers,
    /// The member may be a new one, whose numbers begin at 1: a `register` was asked for.
    registration: RegisterState,
    /// Epoch in which the numbers were given, if it is known.
    epoch: Option<Epoch>,
    /// `None` without an outbox file.
    store: Option<OutboxStore>,
    /// A text is shown as queued after it is written.
    unshown: UnshownTexts,
}

impl Outbox {
    /// Creates one with the texts that an earlier run left in the outbox file, if there is a file.
    /// If the file names no epoch, the numbers are of `log_epoch`, that of the message log. The
    /// jitter of the pauses follows from `seed`.
    pub(super) fn new(
        seed: u64,
        (stored, log_epoch): (Option<StoredOutbox>, Option<Epoch>),
        now: Millis,
    ) -> Self {
        let limits = if stored.is_some() { WaitingLimits::FILE } else { WaitingLimits::MEMORY };
        let store = stored.as_ref().map(|it| OutboxStore::new(it.epoch, it.may_be_new));
        let mut waiting = WaitingRequests::new(seed, limits);
        let StoredOutbox { epoch, may_be_new, texts } = stored.unwrap_or_default();
        let epoch = epoch.or(log_epoch);
        let registration = if may_be_new { RegisterState::Asked } else { RegisterState::Known };
        for text in texts {
            waiting.restore(UserRequest::restored(text, limits.ms, now));
        }
        let numbers = TextNumbers::restored(waiting.first_number(), waiting.last_number());
        Self { waiting, numbers, registration, epoch, store, unshown: UnshownTexts::default() }
    }

    pub(super) fn waiting(&self) -> &WaitingRequests {
        &self.waiting
    }

    pub(super) fn waiting_mut(&mut self) -> &mut WaitingRequests {
        &mut self.waiting
    }

    /// Returns the most bytes of a request, if the coordinator has told them.
    pub(super) fn line_bytes_max(&self) -> Option<usize> {
        self.numbers.line_bytes_max()
    }

    /// Returns true if there is an outbox file.
    pub(super) const fn has_file(&self) -> bool {
        self.store.is_some()
    }

    /// Returns true if the outbox file cannot be written.
    pub(super) fn is_failing(&self) -> bool {
        self.store.as_ref().is_some_and(OutboxStore::is_failing)
    }

    /// Returns true if the outbox file has all entries.
    pub(super) fn is_all_written(&self) -> bool {
        self.store.as_ref().is_none_or(OutboxStore::is_all_written)
    }

    /// Returns the positions of the texts that the outbox file keeps.
    pub(super) fn texts_kept<'a>(&'a self, requests: &'a Requests) -> impl Iterator<Item = u64> {
        let texts = requests.user_requests().chain(self.waiting.iter());
        texts.filter(|text| text.stored_at().is_some()).map(UserRequest::order)
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        let retry_at = self.store.as_ref().and_then(OutboxStore::retry_at);
        let show_at = self.unshown.deadline();
        self.waiting.deadline().into_iter().chain(retry_at).chain(show_at).min()
    }

    /// Returns true if another text is taken into the outbox file. Outside an outage a limited
    /// number is taken ahead, so that a fast input waits instead of filling the file.
    pub(super) fn takes_text(&self, state: SendingState) -> bool {
        state == SendingState::Outage || self.waiting.len() < OUTBOX_AHEAD_MAX
    }

    /// Queues a request until it can be sent, or gives it up if too many wait.
    pub(super) fn wait(&mut self, request: UserRequest, output: &mut SessionOutput) {
        if !self.waiting.has_room() {
            return self.refuse_new(&request, output);
        }
        self.waiting.insert(request);
        output.show(Notice::Outbox(OutboxNotice::Queued { waiting: self.waiting.len() }));
    }

    /// Queues a text in the outbox file. With an open way to the coordinator the text gets its
    /// number at once, and so needs one write only.
    pub(super) fn keep(
        &mut self,
        mut request: UserRequest,
        (id, requests): (&str, &Requests),
        state: SendingState,
        output: &mut SessionOutput,
    ) {
        if !self.waiting.has_room() {
            return self.refuse_new(&request, output);
        }
        let has_number = |last: &UserRequest| last.number().is_some();
        let is_open = state == SendingState::Open;
        if is_open && !self.must_drain(requests) && self.waiting.back().is_none_or(has_number) {
            self.number(&mut request, id, requests);
        }
        let Ask::Msend(text) = &request.ask else { return };
        let (order, number, text) = (request.order(), request.number(), text.clone());
        if let Some(store) = &mut self.store {
            let position = store.push(OutboxEntry::Text { order, number, text }, output);
            request.set_stored_at(position);
            self.unshown.push(position);
        }
        self.waiting.insert(request);
    }

    fn refuse_new(&self, request: &UserRequest, output: &mut SessionOutput) {
        let (waiting, limits) = (self.waiting.count(), self.waiting.limits());
        output.fail_with(request.given_up(NotSent::TooMany { waiting, limits }));
    }

    /// The oldest unwritten entries of the outbox file are written now.
    pub(super) fn on_written(&mut self, entries: usize, output: &mut SessionOutput) {
        self.store.iter_mut().for_each(|store| store.on_written(entries, output));
    }

    /// Shows the new texts in the file as queued, if they wait. Without a file, `state` has no use.
    #[inline]
    pub(super) fn show_queued(
        &mut self,
        state: Option<SendingState>,
        output: &mut SessionOutput,
        now: Millis,
    ) {
        if let (Some(store), Some(state)) = (&self.store, state) {
            self.unshown.show((store, self.waiting.len()), state, output, now);
        }
    }

    pub(super) fn on_write_failed(
        &mut self,
        reason: &str,
        output: &mut SessionOutput,
        now: Millis,
    ) {
        self.store.iter_mut().for_each(|store| store.on_failed(reason, output, now));
    }

    /// Returns true if the oldest request that waits can be sent. A text in the outbox file must
    /// have its number there.
    pub(super) fn may_send(
        &mut self,
        (id, requests): (&str, &Requests),
        output: &mut SessionOutput,
    ) -> bool {
        let Some(front) = self.waiting.front() else { return false };
        if self.waiting.is_rate_paused() || front.ask.is_message() && self.must_drain(requests) {
            return false;
        }
        let is_numbered = |front: &UserRequest| front.number().is_some();
        if self.is_stored_front() && !self.waiting.front().is_some_and(is_numbered) {
            self.number_stored((id, requests), output);
        }
        let front = self.waiting.front();
        let position = front.and_then(UserRequest::stored_at).unwrap_or_default();
        self.store.as_ref().is_none_or(|store| store.is_written(position))
    }

    fn is_stored_front(&self) -> bool {
        self.waiting.front().is_some_and(|front| front.stored_at().is_some())
    }

    /// Numbers the oldest texts of the outbox file, as many as may be in flight.
    fn number_stored(&mut self, (id, requests): (&str, &Requests), output: &mut SessionOutput) {
        let Some(store) = &mut self.store else { return };
        for request in self.waiting.iter_mut().take(IN_FLIGHT_MAX) {
            if request.number().is_some() || request.stored_at().is_none() {
                continue;
            }
            let Some(number) = self.numbers.next() else { return };
            request.set_number(number);
            let line = requests.line(id, &request.command());
            if !line.is_some_and(|line| self.numbers.fits(line.len())) {
                request.take_number(); // It goes as `msend`, for the coordinator's reason.
                return;
            }
            self.numbers.use_next();
            let entry = OutboxEntry::Number { order: request.order(), number };
            request.set_stored_at(store.push(entry, output));
        }
    }

    /// Gives a text its number, if the coordinator knows `send` and will take the text.
    fn number(&mut self, request: &mut UserRequest, id: &str, requests: &Requests) {
        let Some(number) = self.numbers.next() else { return };
        if request.number().is_some() || !request.ask.is_valid_text() {
            return;
        }
        request.set_number(number);
        let line = requests.line(id, &request.command());
        match line.is_some_and(|line| self.numbers.fits(line.len())) {
            true => self.numbers.use_next(),
            false => drop(request.take_number()),
        }
    }

    /// Returns the line of a request. A text gets a number, if the coordinator knows `send`. A text
    /// that the coordinator will refuse gets none: it goes as `msend`, for the coordinator's
    /// reason.
    pub(super) fn line(
        &mut self,
        request: &mut UserRequest,
        id: &str,
        requests: &Requests,
    ) -> Option<Box<str>> {
        if request.stored_at().is_none() {
            self.number(request, id, requests);
        }
        requests.line(id, &request.command())
    }

    /// Returns true if no text may be sent before the replies to the texts in flight.
    pub(super) fn must_drain(&mut self, requests: &Requests) -> bool {
        self.numbers.must_drain(requests.has_numbers(), || self.waiting.last_number())
    }

    /// Gives up a request that is not sent. The outbox file keeps its texts at the end of the
    /// participant.
    pub(super) fn give_up(
        &mut self,
        request: UserRequest,
        why: &NotSent,
        output: &mut SessionOutput,
    ) {
        if *why == NotSent::Quit && request.stored_at().is_some() {
            return self.waiting.insert(request);
        }
        self.give_up_all(vec![request], why, output);
    }

    /// The user goes offline: gives up what waits, but for texts that the outbox file keeps, and
    /// texts that may be accepted.
    pub(super) fn on_left(&mut self, output: &mut SessionOutput) {
        let given_up = match self.has_file() {
            true => self.waiting.take(|request| request.stored_at().is_none()),
            false => self.waiting.take_unsent(),
        };
        self.give_up_all(given_up, &NotSent::Left, output);
    }

    /// The participant ends: gives up what waits, but for texts that the outbox file keeps.
    pub(super) fn on_quit(&mut self, output: &mut SessionOutput) {
        let given_up = self.waiting.take(|request| request.stored_at().is_none());
        self.give_up_all(given_up, &NotSent::Quit, output);
        self.give_up_unwritten(output);
    }

    /// Gives up the texts that the outbox file does not have, if it cannot be written.
    pub(super) fn give_up_unwritten(&mut self, output: &mut SessionOutput) {
        let Some(store) = self.store.as_ref().filter(|store| store.is_failing()) else { return };
        let is_unwritten =
            |request: &UserRequest| request.text_at().is_some_and(|at| !store.is_written(at));
        for request in self.waiting.take(is_unwritten) {
            output.fail_with(request.given_up(NotSent::NotStored));
        }
    }

    /// Gives up the requests that have waited for too long, and writes the file again if that is
    /// due.
    pub(super) fn expire(&mut self, output: &mut SessionOutput, now: Millis) {
        if !self.waiting.is_empty() {
            let given_up = self.waiting.expire(now);
            self.give_up_all(given_up, &NotSent::NotAccepted(self.waiting.limits()), output);
        }
        if let Some(store) = &mut self.store {
            store.retry(output, now);
        }
    }

    fn give_up_all(
        &mut self,
        requests: Vec<UserRequest>,
        why: &NotSent,
        output: &mut SessionOutput,
    ) {
        let lowest = requests.iter().filter_map(UserRequest::number).min();
        if !requests.is_empty() && self.waiting.is_empty() {
            self.waiting.end_refusals();
        }
        for request in requests {
            if request.may_be_accepted() {
                request.number().into_iter().for_each(|number| self.numbers.on_unknown(number));
            }
            self.finish(&request, output);
            output.fail_with(request.given_up(why.clone()));
        }
        self.note_given_up(lowest);
    }

    /// The outcome of a request is known: the outbox file need not keep it.
    fn finish(&mut self, request: &UserRequest, output: &mut SessionOutput) {
        if let (Some(store), Some(_)) = (&mut self.store, request.stored_at()) {
            store.push(OutboxEntry::Done { order: request.order() }, output);
        }
    }

    /// A text with this number is given up, and so the numbers above it will be refused.
    fn note_given_up(&mut self, number: Option<NonZeroU64>) {
        if let Some(number) = number {
            self.waiting.take_numbers_above(number);
            self.numbers.on_given_up();
        }
    }

    /// Checks the invariants, in constant time.
    pub(super) fn check(&self) {
        self.waiting.check();
        self.store.iter().for_each(OutboxStore::check);
    }
}
