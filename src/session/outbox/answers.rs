//! The coordinator's answers to joins and texts, and answers that do not come.

use std::num::NonZeroU64;

use super::{Outbox, RegisterState};
use crate::limits::LINE_BYTES_DEFAULT;
use crate::protocol::{Epoch, Fields};
use crate::session::join_kind::JoinKind;
use crate::session::output::SessionOutput;
use crate::session::requests::Requests;
use crate::session::user_request::UserRequest;
use crate::session::waiting::TOO_FAST;
use crate::session::{NotSent, Notice, TextOutcome};

impl Outbox {
    /// Returns true if a join may be asked for. Before a `register` all entries of the outbox file
    /// must be written, and the file must say that its numbers may be of an earlier registration.
    pub(in crate::session) fn is_ready_for(
        &mut self,
        kind: JoinKind,
        output: &mut SessionOutput,
    ) -> bool {
        let Some(store) = &mut self.store else { return true };
        if kind == JoinKind::Register && self.waiting.last_number().is_some() {
            store.mark_register(output);
        }
        kind == JoinKind::Reconnect || store.is_all_written()
    }

    /// The request of a join was sent.
    pub(in crate::session) fn on_join_asked(&mut self, kind: JoinKind) {
        self.registration = match (kind, self.registration) {
            (JoinKind::Reconnect, registration) => registration,
            (JoinKind::Register, RegisterState::Known) => RegisterState::Asked,
            (JoinKind::Register, RegisterState::Asked | RegisterState::AskedAgain) => {
                RegisterState::AskedAgain
            }
        };
    }

    /// The coordinator has refused a join. A refused `register` leaves the numbers as they are,
    /// unless an earlier one may have succeeded.
    pub(in crate::session) fn on_join_refused(
        &mut self,
        kind: JoinKind,
        output: &mut SessionOutput,
    ) {
        if kind == JoinKind::Register && self.registration == RegisterState::Asked {
            self.registration = RegisterState::Known;
            self.store.iter_mut().for_each(|store| store.unmark_register(output));
        }
    }

    /// The coordinator does not know this member: the numbers have ended with the membership.
    pub(in crate::session) fn on_forgotten(&mut self, output: &mut SessionOutput) {
        self.numbers.forget();
        self.start_numbers(None, true, output);
    }

    /// Takes the numbers of `OK register` or `OK reconnect`. If they are not those of this session,
    /// the texts that wait are numbered anew.
    pub(in crate::session) fn on_joined(&mut self, fields: Fields<'_>, output: &mut SessionOutput) {
        let number = |key| fields.value(key).and_then(|value| value.parse().ok());
        let epoch = fields.value("epoch").and_then(Epoch::parse);
        // Numbers without an epoch cannot be told from others after a restart.
        let published = epoch.and_then(|_| number("published"));
        // In a new epoch the coordinator may have lost numbers, and used them again.
        let is_new = self.registration != RegisterState::Known || self.epoch != epoch;
        let is_known = published.is_some_and(|published| self.numbers.knows(published));
        self.start_numbers(epoch, is_new || !is_known, output);
        let line_bytes_max = number("max_line").unwrap_or(LINE_BYTES_DEFAULT as u64);
        self.numbers.on_joined(published, self.waiting.last_number(), line_bytes_max);
    }

    /// Handles a join that has succeeded, and whose reply is lost. Numbers of a member that may be
    /// a new one are not known.
    pub(in crate::session) fn on_joined_without_reply(&mut self, output: &mut SessionOutput) {
        if self.registration != RegisterState::Known {
            self.on_forgotten(output);
        }
    }

    /// Starts the numbers of this epoch, and names the epoch in the outbox file. If the old numbers
    /// `are_over`, takes them away from all texts that wait. Texts that may be accepted are given
    /// up.
    fn start_numbers(&mut self, epoch: Option<Epoch>, are_over: bool, output: &mut SessionOutput) {
        self.epoch = epoch;
        self.registration = RegisterState::Known;
        let has_numbers = self.waiting.last_number().is_some();
        let given_up = if are_over { self.waiting.take_numbers() } else { Vec::new() };
        for request in given_up {
            self.finish(&request, output);
            output.fail_with(Notice::unanswered(&request.ask));
        }
        if let Some(store) = &mut self.store {
            if !are_over {
                store.unmark_register(output); // It was not sent.
            }
            store.name_epoch(epoch, are_over && has_numbers, output);
        }
    }

    /// Handles `OK` to a text: shows the same reply with a number and without.
    pub(in crate::session) fn on_accepted(
        &mut self,
        mut request: UserRequest,
        (line, fields): (&str, Fields<'_>),
        requests: &Requests,
        output: &mut SessionOutput,
    ) {
        self.waiting.on_accepted(output);
        if self.waiting.is_empty() && !requests.has_numbers() {
            self.waiting.end_rate_limit();
        }
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
        self.finish(&request, output);
        output.finish_text(request.order(), TextOutcome::Confirmed);
        output.show(Notice::Reply(reply));
    }

    /// Handles `ERR` to a text. If the refusal is for now, the text waits. If it `may_wait`, this
    /// holds for texts without a number as long as the member is not online, and for texts with a
    /// number also while the coordinator takes no text. Returns false if the text has failed, and
    /// shows that.
    pub(in crate::session) fn on_refused(
        &mut self,
        request: UserRequest,
        (code, line): (u16, &str),
        may_wait: bool,
        output: &mut SessionOutput,
    ) -> bool {
        let is_for_now = match request.number() {
            Some(_) => matches!(code, 404 | 408 | 409 | 421 | TOO_FAST | 503 | 506 | 507),
            None => matches!(code, 404 | 409 | 421 | 503),
        };
        if is_for_now && may_wait {
            self.waiting.refuse(request, (code, line));
            return true;
        }
        if is_for_now && request.stored_at().is_some() {
            self.give_up(request, &NotSent::Quit, output); // The participant ends.
            return false;
        }
        self.waiting.end_refusals();
        self.finish(&request, output);
        self.note_given_up(request.number());
        if request.may_be_accepted() {
            output.fail_with(Notice::unanswered(&request.ask));
        } else {
            output.fail_with(Notice::Reply(line.into()));
            output.finish_text(request.order(), TextOutcome::Refused);
        }
        false
    }

    /// Handles a number above the one that the coordinator expects. Usually the text before was
    /// refused, and is sent again: this one follows it. If nobody sends the expected number, the
    /// text gets another one.
    pub(in crate::session) fn on_too_high(
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
            false => {
                self.finish(&request, output);
                output.fail_with(Notice::unanswered(&request.ask));
            }
        }
    }

    /// Handles the end of a request whose reply is lost. A text with a number is sent again, if it
    /// `may_wait` or the outbox file keeps it.
    pub(in crate::session) fn on_unanswered(
        &mut self,
        mut request: UserRequest,
        may_wait: bool,
        output: &mut SessionOutput,
    ) {
        request.mark_unanswered();
        let is_kept = may_wait || request.stored_at().is_some();
        match is_kept && request.number().is_some() {
            true => self.waiting.insert(request),
            false => {
                self.finish(&request, output);
                self.note_given_up(request.number());
                output.fail_with(Notice::unanswered(&request.ask));
            }
        }
    }
}
