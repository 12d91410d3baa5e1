//! Outcome of each text that a user sends: exactly one, the right one, in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU64;

use groupcast::protocol::{Epoch, ReplyLine, Text};
use groupcast::session::{Notice, StoredText};

use crate::coverage::CoveragePoint;
use crate::model::Model;
use crate::outbox_disk::OutboxDisk;

/// All texts of one user.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    outcomes: BTreeMap<String, (u64, TextOutcome)>,
    /// Texts whose number was used by a killed process, of which requests were still under way. And
    /// texts that are sent again, as a killed process has not written down their confirmation.
    overtaken: BTreeSet<String>,
    /// Texts with a reply that was lost.
    unanswered: BTreeSet<String>,
    /// Texts of which a power loss took entries of the outbox file: their numbers may be those of
    /// other texts, and nobody can know.
    doubtful: BTreeSet<String>,
    typed: u64,
    /// Texts that earlier processes have typed.
    typed_before: u64,
    /// Request lines without a reply, for each command socket.
    in_flight: BTreeMap<u64, VecDeque<String>>,
    /// Position of the last text that was confirmed.
    confirmed: u64,
    /// Epoch of the last reply to a join.
    joined: Option<Epoch>,
}

/// State of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextOutcome {
    /// It is the session's to send.
    Typed,
    InFlight,
    /// It may have been accepted, and nobody will say.
    Lost,
    /// The coordinator refused the text, and the user has not seen that.
    Returned,
    Confirmed,
    Refused,
    /// The user has seen that the outcome is unknown.
    Unknown,
    /// The user has seen that the text was not sent.
    NotSent,
    /// Its process has ended.
    Gone,
}

/// Outcomes that the user knows.
const KNOWN_TO_USER: [TextOutcome; 4] =
    [TextOutcome::Confirmed, TextOutcome::Refused, TextOutcome::Unknown, TextOutcome::NotSent];

impl Texts {
    pub(crate) fn on_typed(&mut self, line: &str) {
        if let Some(text) = line.strip_prefix("msend ") {
            self.typed += 1;
            let outcome = self.outcomes.insert(text.to_owned(), (self.typed, TextOutcome::Typed));
            assert_eq!(outcome, None, "typed twice: {text}");
        }
    }

    /// A process starts, and its outbox file has these texts.
    pub(crate) fn on_start(&mut self, stored: &[StoredText]) {
        self.typed_before = self.typed;
        for StoredText { number, text, .. } in stored {
            let (_, outcome) = self.outcomes.get_mut(&**text).expect("typed before");
            if *outcome == TextOutcome::Confirmed {
                self.overtaken.insert(text.to_string());
            }
            *outcome = match number {
                None => TextOutcome::Typed,
                Some(_) => {
                    self.unanswered.insert(text.to_string());
                    TextOutcome::Lost
                }
            };
        }
    }

    pub(crate) fn on_send(&mut self, socket: u64, line: &str, outbox: Option<&OutboxDisk>) {
        if let Some(text) = text_of(line) {
            if let Some(outbox) = outbox.filter(|_| Text::is_valid(text)) {
                outbox.check_sent(text, number_of(line), self.joined);
            }
            // A text with a number may be sent again although its outcome is not known.
            let from = [TextOutcome::Typed, TextOutcome::Returned, TextOutcome::Lost];
            let from = if line.contains("#send ") { &from[..] } else { &from[..2] };
            self.change(text, TextOutcome::InFlight, from);
        }
        self.in_flight.entry(socket).or_default().push_back(line.to_owned());
    }

    /// A reply is about to be handed in.
    pub(crate) fn on_reply(&mut self, socket: u64, reply: &str, accepted: &BTreeSet<String>) {
        if !reply.starts_with("OK ") && !reply.starts_with("ERR ") {
            return; // A row.
        }
        if let Some(ReplyLine::Ok { command: "register" | "reconnect", fields }) =
            ReplyLine::parse(reply)
        {
            self.joined = fields.value("epoch").and_then(Epoch::parse);
        }
        let request = self.in_flight.entry(socket).or_default().pop_front();
        if let Some(text) = request.as_deref().and_then(text_of) {
            // Another text of this member can have the number.
            let is_known = accepted.contains(text) || self.doubtful.contains(text);
            let is_other = reply.ends_with(" duplicate=1") && !is_known;
            if is_other {
                self.overtaken.insert(text.to_owned());
            }
            if is_other || !reply.starts_with("OK ") {
                self.change(text, TextOutcome::Returned, &[TextOutcome::InFlight]);
            } else {
                let at = self.change(text, TextOutcome::Confirmed, &[TextOutcome::InFlight]);
                // An earlier process may have had the same confirmation, and not written it down.
                let may_be_late = reply.ends_with(" duplicate=1") || self.overtaken.contains(text);
                assert!(at > self.confirmed || may_be_late, "confirmed out of order: {text}");
                assert!(is_known, "confirmed without a reason: {text}");
                self.confirmed = self.confirmed.max(at);
            }
        }
        if ["ERR 408", "ERR 413", "ERR 421"].iter().any(|code| reply.starts_with(code)) {
            self.close(socket, usize::MAX); // It has looked at nothing behind.
        }
    }

    /// A command socket is closed, and the last `unsent` bytes of it have not left.
    pub(crate) fn on_closed(&mut self, socket: u64, unsent: usize) {
        self.close(socket, unsent);
    }

    /// A command socket became a message socket: all its requests have their replies.
    pub(crate) fn on_upgraded(&mut self, socket: u64) {
        let in_flight = self.in_flight.remove(&socket).unwrap_or_default();
        assert!(in_flight.is_empty(), "behind a here: {in_flight:?}");
    }

    fn close(&mut self, socket: u64, unsent: usize) {
        let mut left = unsent;
        for line in self.in_flight.remove(&socket).unwrap_or_default().iter().rev() {
            let has_left = line.len() > left;
            left = left.saturating_sub(line.len());
            if let Some(text) = text_of(line) {
                let outcome = if has_left { TextOutcome::Lost } else { TextOutcome::Typed };
                self.change(text, outcome, &[TextOutcome::InFlight]);
                if has_left {
                    self.unanswered.insert(text.to_owned());
                }
            }
        }
    }

    /// The user gets a notice.
    pub(crate) fn on_notice(&mut self, notice: &Notice, model: &mut Model) {
        if let Notice::Unanswered { text: Some(text), .. } = notice {
            assert!(self.unanswered.contains(&**text), "it is known what became of {text}");
            let from = [TextOutcome::Lost, TextOutcome::Typed, TextOutcome::Returned];
            self.change(text, TextOutcome::Unknown, &from);
        } else if let Notice::NotSent { text: Some(text), .. } = notice {
            model.cover(CoveragePoint::TextNotSent);
            self.change(text, TextOutcome::NotSent, &[TextOutcome::Typed, TextOutcome::Returned]);
            assert!(!model.must_know_accepted(text), "accepted, but not sent: {text}");
        } else if let Notice::NumbersWentBack(..) = notice {
            model.cover(CoveragePoint::NumbersWentBack);
        } else if let Notice::SendingWaiting(..) = notice {
            model.cover(CoveragePoint::TextsWaited);
        } else if let Notice::Reply(line) = notice
            && line.starts_with("OK msend ")
        {
            let is_returned = |(_, outcome): &(u64, TextOutcome)| *outcome == TextOutcome::Returned;
            assert!(!self.outcomes.values().any(is_returned), "{line}: of another text");
        } else if let Notice::Reply(line) = notice
            && line.starts_with("ERR ")
        {
            // It is the reply that was handed in last.
            for (_, outcome) in
                self.outcomes.values_mut().filter(|(_, it)| *it == TextOutcome::Returned)
            {
                *outcome = TextOutcome::Refused;
            }
        }
    }

    /// After a reply: a refused text without a notice waits to be sent again.
    pub(crate) fn after_reply(&mut self) {
        for (_, outcome) in
            self.outcomes.values_mut().filter(|(_, it)| *it == TextOutcome::Returned)
        {
            *outcome = TextOutcome::Typed;
        }
    }

    /// A power loss has taken entries of these texts, which were not synced.
    pub(crate) fn on_lost_entries(&mut self, texts: &[String]) {
        self.doubtful.extend(texts.iter().cloned());
    }

    /// The process ends.
    pub(crate) fn on_end(&mut self, has_outbox: bool) {
        self.in_flight.clear();
        if has_outbox {
            self.unanswered.clear();
        }
        for (_, outcome) in self.outcomes.values_mut() {
            if [TextOutcome::Typed, TextOutcome::InFlight, TextOutcome::Lost, TextOutcome::Returned]
                .contains(outcome)
            {
                *outcome = TextOutcome::Gone;
            }
        }
    }

    /// A visit ends with this exit code: without an error if all its texts are confirmed. It has
    /// told the outcome of each text, but for a number of `unfinished` ones.
    pub(crate) fn check_exit(&self, who: &str, code: u8, unfinished: usize) {
        let texts = self.outcomes.iter().filter(|(_, (at, _))| *at > self.typed_before);
        let mut untold = Vec::new();
        for (text, (_, outcome)) in texts {
            let is_confirmed = *outcome == TextOutcome::Confirmed;
            assert!(is_confirmed || code > 0, "{who}: exit 0, {outcome:?}: {text:.20}");
            if !KNOWN_TO_USER.contains(outcome) {
                untold.push((text, outcome));
            }
        }
        assert!(untold.len() <= unfinished, "{who}: {unfinished} unfinished, not {untold:?}");
    }

    /// Nothing is under way any more.
    pub(crate) fn must_be_complete(&self, who: &str, model: &Model) {
        for (text, (_, outcome)) in &self.outcomes {
            let is_open = [
                TextOutcome::Typed,
                TextOutcome::InFlight,
                TextOutcome::Lost,
                TextOutcome::Returned,
            ]
            .contains(outcome);
            assert!(!is_open, "{who}: nothing became of {text:.20}: {outcome:?}");
            let was_left = [TextOutcome::NotSent, TextOutcome::Refused].contains(outcome);
            assert!(
                !was_left || !model.must_know_accepted(text),
                "{who}: {outcome:?}, but accepted: {text}"
            );
        }
    }

    /// Answers the position of the text.
    fn change(&mut self, text: &str, outcome: TextOutcome, from: &[TextOutcome]) -> u64 {
        let Some((at, known)) = self.outcomes.get_mut(text) else { panic!("never typed: {text}") };
        assert!(from.contains(known), "{text}: {known:?} becomes {outcome:?}");
        *known = outcome;
        *at
    }
}

/// Returns the number of a `send`.
fn number_of(line: &str) -> Option<NonZeroU64> {
    let (_, numbered) = line.split_once("#send ")?;
    numbered.split_once(' ')?.0.parse().ok()
}

/// Returns the text of a request.
fn text_of(line: &str) -> Option<&str> {
    let (_, behind) = line.split_once('#')?;
    let text = match behind.strip_prefix("send ") {
        Some(numbered) => numbered.split_once(' ')?.1,
        None => behind.strip_prefix("msend ")?,
    };
    text.rsplit_once('#').map(|(text, _)| text)
}
