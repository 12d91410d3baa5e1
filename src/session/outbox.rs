//! The user's requests on their way out: those that wait, and the numbers of the texts.
//!
//! A text has a number from the first time that it is sent, if the coordinator knows `send`. It
//! keeps the number. So it can be sent again after a lost reply, and a refused text is never
//! overtaken by a later one.

use std::num::NonZeroU64;

use super::join_kind::JoinKind;
use super::output::SessionOutput;
use super::requests::Requests;
use super::text_numbers::TextNumbers;
use super::user_request::UserRequest;
use super::waiting::WaitingRequests;
use super::{NotSent, Notice};
use crate::limits::LINE_BYTES_DEFAULT;
use crate::protocol::Fields;
use crate::time::Millis;

/// Requests that wait, and the numbers of texts.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: WaitingRequests,
    numbers: TextNumbers,
    /// True from a `register` to the next reply to a join: the member may be a new one, whose
    /// numbers begin at 1.
    may_be_new: bool,
}

impl Outbox {
    /// Creates an empty one. The jitter of the pauses follows from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let waiting = WaitingRequests::new(seed);
        Self { waiting, numbers: TextNumbers::default(), may_be_new: false }
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

    /// The request of a join was sent.
    pub(super) fn on_join_asked(&mut self, kind: JoinKind) {
        self.may_be_new |= kind == JoinKind::Register;
    }

    /// The coordinator has refused a join.
    pub(super) fn on_join_refused(&mut self, kind: JoinKind) {
        self.may_be_new &= kind != JoinKind::Register;
    }

    /// Takes the numbers of `OK register` or `OK reconnect`. If they are not those of this session,
    /// the texts that wait are numbered anew.
    pub(super) fn on_joined(&mut self, fields: Fields<'_>, output: &mut SessionOutput) {
        let number = |key| fields.value(key).and_then(|value| value.parse().ok());
        let published = number("published");
        let is_new = std::mem::take(&mut self.may_be_new);
        if is_new || !published.is_some_and(|published| self.numbers.knows(published)) {
            self.waiting.take_numbers(output);
        }
        let line_bytes_max = number("max_line").unwrap_or(LINE_BYTES_DEFAULT as u64);
        self.numbers.on_joined(published, self.waiting.last_number(), line_bytes_max);
    }

    /// Handles a join that has succeeded, and whose reply is lost. Numbers of a member that may be
    /// a new one are not known.
    pub(super) fn on_joined_without_reply(&mut self, output: &mut SessionOutput) {
        if self.may_be_new {
            self.waiting.take_numbers(output);
            self.numbers.forget();
        }
    }

    /// The membership has ended: the numbers end with it.
    pub(super) fn on_deregistered(&mut self) {
        self.numbers.forget();
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
        if let Some(number) = self.numbers.next()
            && request.number().is_none()
            && request.ask.is_valid_text()
        {
            request.set_number(number);
            let line = requests.line(id, &request.command())?;
            if self.numbers.fits(line.len()) {
                self.numbers.use_next();
                return Some(line);
            }
            request.take_number();
        }
        requests.line(id, &request.command())
    }

    /// Returns true if no text may be sent before the replies to the texts in flight.
    pub(super) fn must_drain(&mut self, requests: &Requests) -> bool {
        self.numbers.must_drain(requests.has_numbers(), self.waiting.last_number())
    }

    /// Handles `OK` to a text: shows the same reply with a number and without.
    pub(super) fn on_accepted(
        &mut self,
        mut request: UserRequest,
        (line, fields): (&str, Fields<'_>),
        output: &mut SessionOutput,
    ) {
        self.waiting.on_accepted();
        let reply = match (request.number(), fields.value("seq")) {
            (None, _) => line.into(),
            (Some(_), Some(seq)) => format!("OK msend seq={seq}").into(),
            (Some(_), None) if request.may_be_accepted() => "OK msend duplicate=1".into(),
            // Another program that sends for this id has used the number for a text of its own.
            (Some(number), None) => {
                self.numbers.on_accepted(number);
                request.take_number();
                return self.waiting.insert(request);
            }
        };
        request.number().into_iter().for_each(|number| self.numbers.on_accepted(number));
        output.show(Notice::Reply(reply));
    }

    /// Handles `ERR` to a text. If the refusal is for now, the text waits. If it `may_wait`, this
    /// holds for texts without a number as long as the member is not online, and for texts with a
    /// number also while the coordinator takes no text. Returns false if the text has failed, and
    /// shows that.
    pub(super) fn on_refused(
        &mut self,
        request: UserRequest,
        (code, line): (u16, &str),
        may_wait: bool,
        output: &mut SessionOutput,
    ) -> bool {
        let is_for_now = match request.number() {
            Some(_) => matches!(code, 404 | 408 | 409 | 503 | 506 | 507),
            None => matches!(code, 404 | 409 | 503),
        };
        let waits = is_for_now && may_wait;
        match waits {
            true => self.waiting.refuse(request, (code, line)),
            false => {
                self.note_given_up(request.number());
                output.fail_with(match request.may_be_accepted() {
                    true => Notice::unanswered(&request.ask),
                    false => Notice::Reply(line.into()),
                });
            }
        }
        waits
    }

    /// Handles a number above the one that the coordinator expects. Usually the text before was
    /// refused, and is sent again: this one follows it. If nobody sends the expected number, the
    /// text gets another one.
    pub(super) fn on_too_high(
        &mut self,
        mut request: UserRequest,
        expected: NonZeroU64,
        requests: &Requests,
        output: &mut SessionOutput,
    ) {
        self.numbers.on_expected(expected);
        if self.waiting.has_number(expected) || requests.has_number(expected) {
            return self.waiting.insert(request);
        }
        self.note_given_up(Some(expected));
        match request.take_number() {
            true => self.waiting.insert(request),
            false => output.fail_with(Notice::unanswered(&request.ask)),
        }
    }

    /// Handles the end of a request whose reply is lost. A text with a number is sent again, if it
    /// `may_wait`.
    pub(super) fn on_unanswered(
        &mut self,
        mut request: UserRequest,
        may_wait: bool,
        output: &mut SessionOutput,
    ) {
        request.mark_unanswered();
        match may_wait && request.number().is_some() {
            true => self.waiting.insert(request),
            false => {
                self.note_given_up(request.number());
                output.fail_with(Notice::unanswered(&request.ask));
            }
        }
    }

    /// Gives up a request that is not sent.
    pub(super) fn give_up(
        &mut self,
        request: &UserRequest,
        why: NotSent,
        output: &mut SessionOutput,
    ) {
        self.note_given_up(request.number());
        output.fail_with(request.given_up(why));
    }

    /// Gives up all requests that wait.
    pub(super) fn give_up_waiting(&mut self, why: &NotSent, output: &mut SessionOutput) {
        let lowest = self.waiting.give_up(why, output);
        self.note_given_up(lowest);
    }

    /// Gives up the requests that have waited for too long.
    pub(super) fn expire(&mut self, output: &mut SessionOutput, now: Millis) {
        let lowest = self.waiting.expire(output, now);
        self.note_given_up(lowest);
    }

    /// A text with this number is given up, and so the numbers above it will be refused.
    fn note_given_up(&mut self, number: Option<NonZeroU64>) {
        if let Some(number) = number {
            self.waiting.take_numbers_above(number);
            self.numbers.on_given_up();
        }
    }
}
