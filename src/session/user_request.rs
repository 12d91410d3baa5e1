//! One request of the user, on its way to the coordinator.

use std::num::NonZeroU64;

use super::{Ask, NotSent, Notice, StoredText};
use crate::protocol::Command;
use crate::time::Millis;

/// A request of the user, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserRequest {
    pub(super) ask: Ask,
    /// Position among all requests of the user.
    order: u64,
    /// Time at which the request is given up if it still waits.
    until: Millis,
    /// Number of a text, from the first time that it is sent.
    number: Option<NonZeroU64>,
    /// True if the coordinator may have accepted the text: a reply to it was lost.
    may_be_accepted: bool,
    /// Position of the last entry of the text in the outbox file, if it is kept there.
    stored_at: Option<u64>,
    /// Position of the first one, which has the text.
    text_at: Option<u64>,
}

impl UserRequest {
    pub(super) const fn new(ask: Ask, order: u64, until: Millis) -> Self {
        let (number, stored_at, text_at) = (None, None, None);
        Self { ask, order, until, number, may_be_accepted: false, stored_at, text_at }
    }

    /// Returns a text that an earlier run left in the outbox file. If it has a number, it may have
    /// been sent.
    pub(super) fn restored(stored: StoredText, ms_max: u64, now: Millis) -> Self {
        let StoredText { order, number, text, age_ms } = stored;
        Self {
            ask: Ask::Msend(text),
            order,
            until: now.plus(ms_max.saturating_sub(age_ms)),
            number,
            may_be_accepted: number.is_some(),
            stored_at: Some(0),
            text_at: Some(0),
        }
    }

    pub(super) const fn order(&self) -> u64 {
        self.order
    }

    pub(super) const fn until(&self) -> Millis {
        self.until
    }

    /// Returns the position of the text's last entry in the outbox file, if it is kept there.
    pub(super) const fn stored_at(&self) -> Option<u64> {
        self.stored_at
    }

    /// The outbox file keeps the text, with its last entry at this position.
    pub(super) const fn set_stored_at(&mut self, position: u64) {
        self.stored_at = Some(position);
        if self.text_at.is_none() {
            self.text_at = Some(position);
        }
    }

    /// Returns the position of the text in the outbox file. Its number can follow behind.
    pub(super) const fn text_at(&self) -> Option<u64> {
        self.text_at
    }

    pub(super) const fn number(&self) -> Option<NonZeroU64> {
        self.number
    }

    /// Gives a text its number.
    pub(super) const fn set_number(&mut self, number: NonZeroU64) {
        self.number = Some(number);
    }

    pub(super) const fn may_be_accepted(&self) -> bool {
        self.may_be_accepted
    }

    /// The reply to this text was lost.
    pub(super) const fn mark_unanswered(&mut self) {
        self.may_be_accepted = true;
    }

    /// Takes the number away, if the coordinator has certainly not accepted the text. Returns false
    /// if it may have.
    pub(super) const fn take_number(&mut self) -> bool {
        if !self.may_be_accepted {
            self.number = None;
        }
        !self.may_be_accepted
    }

    /// Returns the request to send.
    pub(super) fn command(&self) -> Command<'_> {
        match (self.ask.command(), self.number) {
            (Command::Msend { text }, Some(number)) => Command::Send { number, text },
            (command, _) => command,
        }
    }

    /// Returns the notice that this request is given up.
    pub(super) fn given_up(&self, why: NotSent) -> Notice {
        match self.may_be_accepted {
            true => Notice::unanswered(&self.ask),
            false => Notice::not_sent(&self.ask, why),
        }
    }
}
