//! Questions to servers that have no answer yet.

use std::collections::BTreeMap;
use std::mem;

use super::startup::FIRST_NUMBER;
use crate::limits::engine::ANSWER_MS;
use crate::time::Millis;

/// Purpose of a question to a server.
#[derive(Clone, Copy)]
pub(super) enum Question {
    Publish {
        tag: u64,
    },
    Entry {
        at: u64,
    },
    /// `asked_at` is the reader's next position at the time of the question.
    State {
        asked_at: u64,
        is_job: bool,
    },
    Purge {
        below: u64,
    },
}

impl Question {
    /// Returns true if the loop waits for the answer.
    const fn is_job(self) -> bool {
        match self {
            Self::Publish { .. } | Self::Purge { .. } => true,
            Self::State { is_job, .. } => is_job,
            Self::Entry { .. } => false,
        }
    }
}

/// Questions by number, with their deadlines. All have the same time limit, so that the first one
/// is due first.
pub(super) struct Questions {
    pending: BTreeMap<u64, (Question, Millis)>,
    next_number: u64,
}

impl Questions {
    pub(super) const fn new() -> Self {
        Self { pending: BTreeMap::new(), next_number: FIRST_NUMBER }
    }

    /// Returns the number of the next question, for its inbox.
    pub(super) const fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Notes a question that is sent with the next number.
    pub(super) fn add(&mut self, question: Question, now: Millis) {
        self.pending.insert(self.next_number, (question, now.plus(ANSWER_MS)));
        self.next_number += 1;
    }

    /// Takes the question of an answer; `None` if the answer is too late.
    pub(super) fn take(&mut self, number: u64) -> Option<Question> {
        self.pending.remove(&number).map(|(question, _)| question)
    }

    /// Takes a question whose deadline has come.
    pub(super) fn take_overdue(&mut self, now: Millis) -> Option<Question> {
        let first = self.pending.first_entry().filter(|first| first.get().1 <= now)?;
        Some(first.remove().0)
    }

    /// Moves all deadlines by a time in which no answer was read.
    pub(super) fn postpone(&mut self, ms: u64) {
        self.pending.values_mut().for_each(|(_, deadline)| *deadline = deadline.plus(ms));
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Question> + use<> {
        mem::take(&mut self.pending).into_values().map(|(question, _)| question)
    }

    /// Forgets the questions of a reader.
    pub(super) fn forget_reader(&mut self) {
        self.pending.retain(|_, (question, _)| question.is_job());
    }

    pub(super) fn first_deadline(&self) -> Option<Millis> {
        self.pending.first_key_value().map(|(_, (_, deadline))| *deadline)
    }

    /// Returns the number of questions that the loop waits for.
    pub(super) fn jobs(&self) -> usize {
        self.pending.values().filter(|(question, _)| question.is_job()).count()
    }

    /// Returns true if the state of the stream is asked for.
    pub(super) fn has_state(&self) -> bool {
        self.pending.values().any(|(question, _)| matches!(question, Question::State { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_taken_once_by_its_answer_or_at_its_deadline() {
        let mut questions = Questions::new();
        let first = questions.next_number();
        questions.add(Question::Publish { tag: 7 }, Millis::ZERO);
        questions.add(Question::Entry { at: 1 }, Millis::new(1));
        assert_eq!((questions.jobs(), questions.has_state()), (1, false));
        assert!(matches!(questions.take(first), Some(Question::Publish { tag: 7 })));
        assert!(questions.take(first).is_none(), "the answer comes twice");
        questions.postpone(5);
        assert!(questions.take_overdue(Millis::new(ANSWER_MS + 5)).is_none());
        let overdue = questions.take_overdue(Millis::new(ANSWER_MS + 6));
        assert!(matches!(overdue, Some(Question::Entry { at: 1 })));
        assert!(questions.first_deadline().is_none());
    }

    #[test]
    fn a_new_reader_forgets_the_questions_of_the_old_one_and_no_job() {
        let mut questions = Questions::new();
        for question in [
            Question::Entry { at: 1 },
            Question::State { asked_at: 1, is_job: false },
            Question::State { asked_at: 1, is_job: true },
            Question::Purge { below: 3 },
        ] {
            questions.add(question, Millis::ZERO);
        }
        questions.forget_reader();
        assert_eq!((questions.jobs(), questions.take_all().count()), (2, 2));
    }
}
