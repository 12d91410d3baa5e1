use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::limits::engine::ENTRY_BYTES_MAX;
use crate::net::engine::EngineSubject;

fn entry_of(position: u64, bytes: usize) -> EngineEntry {
    let bytes = Bytes::from(vec![b'x'; bytes]);
    EngineEntry { position, stored_ns: position * 1000, subject: EngineSubject::Log, bytes }
}

fn entry(position: u64) -> EngineEntry {
    entry_of(position, 1)
}

fn state(first: u64, last: u64) -> EngineStream {
    EngineStream { first, last, ..EngineStream::default() }
}

/// Takes all reports, as first and last position: of one entry, or of missing ones.
fn popped(reader: &mut FeedReader) -> Vec<(u64, u64)> {
    let reports = std::iter::from_fn(|| reader.pop());
    reports.filter_map(|report| range_of(&report)).collect()
}

/// The range that a report is about; `None` if it says that the reader has caught up.
fn range_of(report: &EngineReport) -> Option<(u64, u64)> {
    if let EngineReport::Entry(entry) = report {
        return Some((entry.position, entry.position));
    }
    if let EngineReport::Missing { first, last } = report {
        return Some((*first, *last));
    }
    assert!(matches!(report, EngineReport::CaughtUp { .. }), "{report:?}");
    None
}

fn started(position: u64, first: u64, last: u64) -> FeedReader {
    let mut reader = FeedReader::new(position);
    assert_eq!(reader.on_state(&state(first, last), position, Millis::ZERO), None);
    reader
}

#[test]
fn the_leader_is_asked_for_stored_entries_and_answers_in_any_order_are_reported_in_order() {
    let mut reader = started(2, 1, 5);
    assert_eq!(reader.asks(Millis::ZERO), [2, 3, 4, 5]);
    assert_eq!(reader.asks(Millis::ZERO), [0; 0], "each once");
    for at in [4, 3, 5] {
        reader.on_answer(at, entry(at));
        assert_eq!(reader.pop(), None);
    }
    reader.on_answer(2, entry(2));
    assert_eq!(popped(&mut reader), [(2, 2), (3, 3), (4, 4), (5, 5)]);
    assert_eq!(reader.next(), 6);
}

#[test]
fn caught_up_follows_the_last_entry_that_was_stored_at_the_beginning() {
    let mut reader = started(1, 1, 2);
    reader.asks(Millis::ZERO);
    reader.on_feed(entry(3));
    reader.on_answer(1, entry(1));
    reader.on_answer(2, entry(2));
    let kinds: Vec<_> = std::iter::from_fn(|| reader.pop()).collect();
    assert_eq!(kinds[2], EngineReport::CaughtUp { position: 2 });
    assert_eq!(kinds.len(), 4);
    assert_eq!(started(3, 1, 2).pop(), Some(EngineReport::CaughtUp { position: 2 }));
}

#[test]
fn a_hole_in_the_feed_is_filled_and_the_feed_waits() {
    let mut reader = started(1, 1, 0);
    for position in [1, 2, 5, 6] {
        assert_eq!(reader.on_feed(entry(position)), None);
    }
    assert_eq!(popped(&mut reader), [(1, 1), (2, 2)]);
    assert_eq!(reader.asks(Millis::ZERO), [3, 4]);
    reader.on_feed(entry(3)); // Late, but faster than the answer.
    assert_eq!(popped(&mut reader), [(3, 3)]);
    reader.on_answer(3, entry(3));
    reader.on_answer(4, entry(4));
    assert_eq!(popped(&mut reader), [(4, 4), (5, 5), (6, 6)]);
}

#[test]
fn a_removed_range_is_reported_once_and_never_swallows_an_entry_that_is_here() {
    let mut reader = started(1, 1, 9);
    assert_eq!(reader.asks(Millis::ZERO).len(), 9);
    reader.on_answer(1, entry(5)); // 1 to 4 are removed.
    reader.on_answer(3, entry(5));
    reader.on_answer(6, entry(6));
    assert_eq!(popped(&mut reader), [(1, 4), (5, 5), (6, 6)]);
    // Removed after the feed has brought it.
    reader.on_feed(entry(8));
    reader.on_answer(7, entry(9));
    assert_eq!(popped(&mut reader), [(7, 7), (8, 8), (9, 9)]);
}

#[test]
fn a_purge_of_everything_shows_in_the_state_alone() {
    let mut reader = started(1, 1, 3);
    reader.asks(Millis::ZERO);
    for at in 1..=3 {
        reader.on_absent(at, Millis::ZERO);
    }
    assert!(reader.needs_state());
    assert_eq!(reader.on_state(&state(4, 3), 1, Millis::ZERO), None);
    assert_eq!(popped(&mut reader), [(1, 3)]);
    assert!(!reader.needs_state());
}

#[test]
fn entries_that_the_leader_lacks_though_the_stream_goes_on_are_missing_after_a_while() {
    let mut reader = started(1, 1, 2);
    reader.asks(Millis::ZERO);
    reader.on_answer(1, entry(1));
    assert_eq!(popped(&mut reader), [(1, 1)]);
    let mut now = Millis::ZERO;
    while now.as_u64() < ABSENT_MS {
        reader.on_absent(2, now);
        assert_eq!(reader.on_state(&state(1, 2), 2, now), None);
        assert_eq!(reader.pop(), None);
        now = now.plus(RETRY_MS);
        assert_eq!(reader.asks(now), [2]);
    }
    reader.on_absent(2, now);
    assert_eq!(reader.on_state(&state(1, 2), 2, now), None);
    assert_eq!(popped(&mut reader), [(2, 2)]);
}

#[test]
fn a_time_without_answers_does_not_count_as_a_time_of_absence() {
    let mut reader = started(1, 1, 2);
    reader.asks(Millis::ZERO);
    reader.on_answer(1, entry(1));
    assert_eq!(popped(&mut reader), [(1, 1)]);
    reader.on_absent(2, Millis::ZERO);
    reader.asks(Millis::new(RETRY_MS));
    reader.on_unanswered(2, Millis::new(RETRY_MS));
    // The leader may have changed meanwhile.
    assert_eq!(reader.on_state(&state(1, 2), 2, Millis::new(2 * ABSENT_MS)), None);
    assert_eq!(popped(&mut reader), []);
}

#[test]
fn an_end_that_is_lower_for_a_moment_is_no_fault_and_one_that_stays_is() {
    let mut reader = started(1, 1, 0);
    for position in 1..=5 {
        assert_eq!(reader.on_feed(entry(position)), None);
    }
    assert_eq!(popped(&mut reader).len(), 5);
    let at = Millis::new;
    assert_eq!(reader.on_state(&state(1, 3), 6, at(0)), None);
    assert_eq!(reader.on_state(&state(1, 5), 6, at(REWOUND_MS)), None);
    assert!(!reader.needs_state());
    assert_eq!(reader.on_state(&state(1, 3), 6, at(REWOUND_MS + 1)), None);
    assert!(reader.needs_state());
    assert_eq!(reader.on_state(&state(1, 3), 6, at(2 * REWOUND_MS)), None);
    // Nobody knows what the leader would have said in a time without an answer.
    reader.on_unknown_state();
    assert_eq!(reader.on_state(&state(1, 3), 6, at(3 * REWOUND_MS)), None);
    let fault = reader.on_state(&state(1, 3), 6, at(4 * REWOUND_MS));
    assert_eq!(fault, Some(EngineFault::Rewound { last: 3, expected: 5 }));
    // A question from before the last entries were read proves nothing.
    assert_eq!(reader.on_state(&state(1, 3), 4, at(9 * REWOUND_MS)), None);
}

#[test]
fn a_repeat_of_the_feed_is_no_fault_and_another_entry_at_its_position_is() {
    let mut reader = started(1, 1, 0);
    let last = STAMPS_MAX as u64 + 10;
    for position in 1..=last {
        reader.on_feed(entry(position));
        assert_eq!(popped(&mut reader), [(position, position)]);
    }
    for position in 1..=last {
        assert_eq!(reader.on_feed(entry(position)), None, "{position}");
        let other = EngineEntry { stored_ns: 1, ..entry(position) };
        let is_known = position > 10;
        let expected = is_known.then_some(EngineFault::Rewritten { position });
        assert_eq!(reader.on_feed(other), expected, "{position}");
    }
}

#[test]
fn entries_ahead_of_a_hole_are_bounded_in_number_and_bytes_and_asked_for_later() {
    for bytes in [1, ENTRY_BYTES_MAX] {
        let mut reader = started(1, 1, 1);
        let last = 3 * AHEAD_MAX as u64;
        for position in 2..=last {
            assert_eq!(reader.on_feed(entry_of(position, bytes)), None);
        }
        assert!(reader.ahead.len() <= AHEAD_MAX);
        assert!(reader.ahead_bytes <= AHEAD_BYTES_MAX + ENTRY_BYTES_MAX);
        let mut reported = Vec::new();
        for _ in 0..last {
            for at in reader.asks(Millis::ZERO) {
                reader.on_answer(at, entry_of(at, bytes));
            }
            assert!(reader.ahead_bytes <= AHEAD_BYTES_MAX + (ASKS_MAX + 1) * ENTRY_BYTES_MAX);
            reported.extend(popped(&mut reader));
        }
        let expected: Vec<(u64, u64)> = (1..=last).map(|at| (at, at)).collect();
        assert_eq!(reported, expected, "{bytes} bytes each");
        assert_eq!(reader.ahead_bytes, 0);
    }
}

/// Events that a reader handles.
#[derive(Clone, Debug)]
enum Step {
    Feed(u64),
    Ask,
    Answer(usize),
    Lose(usize),
    Remove(u64),
    Look,
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..40_u64).prop_map(Step::Feed),
        Just(Step::Ask),
        (0..64_usize).prop_map(Step::Answer),
        (0..64_usize).prop_map(Step::Lose),
        (1..40_u64).prop_map(Step::Remove),
        Just(Step::Look),
        Just(Step::Pop),
    ]
}

/// A stream of 39 entries, some of which are removed, and a reader with its questions.
struct Model {
    stored: BTreeMap<u64, EngineEntry>,
    reader: FeedReader,
    asked: Vec<u64>,
    now: Millis,
    /// Position that must be reported next.
    next: u64,
}

impl Model {
    const LAST: u64 = 39;

    fn new(from: u64) -> Self {
        let stored = (1..=Self::LAST).map(|at| (at, entry(at))).collect();
        let (reader, now) = (FeedReader::new(from), Millis::ZERO);
        Self { stored, reader, asked: Vec::new(), now, next: from }
    }

    fn answer(&mut self, at: u64) {
        match self.stored.range(at..).next() {
            Some((_, entry)) => self.reader.on_answer(at, entry.clone()),
            None => self.reader.on_absent(at, self.now),
        }
    }

    fn look(&mut self) {
        let first = self.stored.keys().next().copied().unwrap_or(Self::LAST + 1);
        let asked_at = self.reader.next();
        let fault = self.reader.on_state(&state(first, Self::LAST), asked_at, self.now);
        assert_eq!(fault, None);
    }

    fn apply(&mut self, step: &Step) {
        self.now = self.now.plus(RETRY_MS / 2);
        match step {
            Step::Feed(at) => {
                let fed = self.stored.get(at).cloned();
                assert_eq!(fed.and_then(|entry| self.reader.on_feed(entry)), None);
            }
            Step::Ask => self.asked.extend(self.reader.asks(self.now)),
            Step::Answer(index) if !self.asked.is_empty() => {
                let at = self.asked.swap_remove(index % self.asked.len());
                self.answer(at);
            }
            Step::Lose(index) if !self.asked.is_empty() => {
                let at = self.asked.swap_remove(index % self.asked.len());
                self.reader.on_unanswered(at, self.now);
            }
            Step::Answer(_) | Step::Lose(_) => (),
            Step::Remove(at) => drop(self.stored.remove(at)),
            Step::Look => self.look(),
            Step::Pop => self.take(),
        }
    }

    /// All questions are answered from now on.
    fn settle(&mut self) {
        for _ in 0..(2 * Self::LAST + 2 * ABSENT_MS / RETRY_MS) {
            self.now = self.now.plus(RETRY_MS);
            self.look();
            self.asked.extend(self.reader.asks(self.now));
            for at in std::mem::take(&mut self.asked) {
                self.answer(at);
            }
            self.take();
        }
    }

    /// Takes all reports: no position is left out, and none that is stored is missing.
    fn take(&mut self) {
        while let Some(report) = self.reader.pop() {
            let Some((first, last)) = range_of(&report) else {
                assert_eq!(report, EngineReport::CaughtUp { position: Self::LAST });
                assert_eq!(self.next, Self::LAST + 1);
                continue;
            };
            assert_eq!(first, self.next);
            if matches!(report, EngineReport::Missing { .. }) {
                assert!(first <= last && self.stored.range(first..=last).next().is_none());
            }
            self.next = last + 1;
            assert_eq!(self.reader.next(), self.next);
        }
    }
}

proptest! {
    #[test]
    fn every_position_is_reported_once_and_what_is_stored_is_never_missing(
        from in 1..45_u64,
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        // A reader that begins behind the end would be told that the stream was rewound.
        let from = from.min(Model::LAST + 1);
        let mut model = Model::new(from);
        steps.iter().for_each(|step| model.apply(step));
        model.settle();
        prop_assert_eq!(model.next, Model::LAST + 1);
        prop_assert_eq!(model.reader.ahead_bytes, 0);
    }
}
