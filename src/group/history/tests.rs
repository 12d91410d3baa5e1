#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const TTL_MS: u64 = 100;

#[derive(Clone, Debug)]
enum Action {
    Append { bytes: usize },
    Pass { millis: u64 },
    Drop { messages: u64 },
    CursorUpdate { reader: usize, messages: u64 },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => prop_oneof![30 => 2..200_usize, 1 => 20_000..140_000_usize]
            .prop_map(|bytes| Action::Append { bytes }),
        2 => (0..60_u64).prop_map(|millis| Action::Pass { millis }),
        1 => (0..4_u64).prop_map(|messages| Action::Drop { messages }),
        6 => (0..3_usize, 1..9_u64)
            .prop_map(|(reader, messages)| Action::CursorUpdate { reader, messages }),
    ]
}

/// A history with three readers, and a model of it: every line so far, and the lowest kept seq.
struct World {
    history: History,
    readers: [(Seq, BlockSerial); 3],
    now: Millis,
    lines: Vec<(Vec<u8>, Millis)>,
    front: u64,
}

impl World {
    fn new() -> Self {
        let mut history = History::new(TTL_MS, NewcomerLimits::default());
        let readers = [Seq::ZERO; 3].map(|acked| (acked, history.enter(acked)));
        Self { history, readers, now: Millis::ZERO, lines: Vec::new(), front: 1 }
    }

    fn last(&self) -> u64 {
        self.lines.len() as u64
    }

    fn take(&mut self, action: &Action) {
        match *action {
            Action::Append { bytes } => {
                let number = self.last() + 1;
                let mut line = vec![b'a' + (number % 26) as u8; bytes];
                line[bytes - 1] = b'\n';
                let seq = self.history.append(&line, self.now);
                assert_eq!(seq, Seq::new(number));
                self.history.release(seq);
                self.lines.push((line, self.now));
            }
            Action::Pass { millis } => {
                self.now = self.now.plus(millis);
                let is_over = |(_, at): &&(Vec<u8>, Millis)| at.plus(TTL_MS) < self.now;
                let expired = self.lines.iter().take_while(is_over).count() as u64;
                self.front = self.front.max(expired + 1);
                assert_eq!(self.history.unexpired(self.now), Seq::new(self.front));
                self.history.drop_before(Seq::new(self.front));
            }
            Action::Drop { messages } => {
                self.front = (self.front + messages).min(self.last() + 1);
                self.history.drop_before(Seq::new(self.front));
            }
            Action::CursorUpdate { reader, messages } => self.advance(reader, messages),
        }
    }

    fn advance(&mut self, reader: usize, messages: u64) {
        let last = self.last();
        let (acked, block) = &mut self.readers[reader];
        let least = acked.as_u64().max(self.front - 1);
        *acked = Seq::new((least + messages).min(last));
        if self.history.is_past(*block, *acked) {
            self.history.leave(*block);
            *block = self.history.enter(*acked);
        }
        self.history.trim();
        let front = self.history.front().as_u64();
        let lowest = self.readers.iter().map(|(acked, _)| acked.as_u64()).min().unwrap();
        assert!(front <= self.front.max(lowest + 1), "a needed message was trimmed");
        self.front = front;
    }

    fn kept(&self, after: Seq) -> impl Iterator<Item = (u64, &[u8])> {
        let first = self.front.max(after.as_u64() + 1);
        let lines = (1..).zip(&self.lines).skip_while(move |(number, _)| *number < first);
        lines.map(|(number, (line, _))| (number, line.as_slice()))
    }

    fn check(&self, own: &BTreeSet<u64>) {
        let mut ranges = SeqRanges::default();
        own.iter().for_each(|&number| ranges.push(Seq::new(number)));
        for (acked, _) in self.readers {
            let after = acked.max(self.history.front().before());
            let slices = self.history.slices(after, &ranges).map(|slice| slice.bytes());
            let others = self.kept(after).filter(|(number, _)| !own.contains(number));
            let (found, expected) = (slices.collect::<Vec<_>>(), others.map(|(_, line)| line));
            let expected = expected.collect::<Vec<_>>();
            assert!(found.concat() == expected.concat(), "other messages are kept after {after}");
            let bytes: usize = self.kept(after).map(|(_, line)| line.len()).sum();
            assert_eq!(self.history.bytes_from(after.next()), bytes as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_history_keeps_what_a_plain_list_would_keep(
        steps in prop::collection::vec(action(), 1..120),
        own in prop::collection::btree_set(1..100_u64, 0..40),
    ) {
        let mut world = World::new();
        for action in steps {
            world.take(&action);
            world.check(&own);
        }
    }
}

#[test]
fn a_block_is_dropped_when_its_last_reader_leaves_and_the_tail_stays() {
    let mut history = History::new(TTL_MS, NewcomerLimits::default());
    let mut far = history.enter(Seq::ZERO);
    let near = history.enter(Seq::ZERO);
    let line = vec![b'x'; crate::limits::BLOCK_BYTES];
    for _ in 0..3 {
        history.append(&line, Millis::ZERO);
    }
    assert!(history.is_past(far, Seq::new(2)));
    history.leave(far);
    far = history.enter(Seq::new(2));
    history.trim();
    assert_eq!((history.front(), history.blocks.len()), (Seq::new(1), 3));
    history.leave(near);
    history.trim();
    assert_eq!((history.front(), history.blocks.len()), (Seq::new(3), 1));
    history.leave(far);
    history.trim();
    assert_eq!((history.front(), history.blocks.len()), (Seq::new(3), 1));
}

#[test]
fn readers_of_a_block_that_expired_are_readers_of_the_next_one() {
    let mut history = History::new(TTL_MS, NewcomerLimits::default());
    let offline = history.enter(Seq::ZERO);
    let line = vec![b'x'; crate::limits::BLOCK_BYTES];
    history.append(&line, Millis::ZERO);
    history.drop_before(Seq::new(2));
    assert!(history.blocks.is_empty());
    for _ in 0..2 {
        history.append(&line, Millis::ZERO);
    }
    history.trim();
    assert_eq!(history.front(), Seq::new(2), "an offline reader still needs it");
    history.leave(offline);
    history.trim();
    assert_eq!(history.front(), Seq::new(3));
}

#[test]
fn a_message_expires_after_the_last_millisecond_of_its_time() {
    let mut history = History::new(TTL_MS, NewcomerLimits::default());
    history.append(b"a\n", Millis::new(7));
    let unexpired = |history: &History, now| {
        let now = Millis::new(now);
        (history.unexpired(now), history.unexpired_released(now))
    };
    let (first, second) = (Seq::new(1), Seq::new(2));
    assert_eq!(unexpired(&history, 107), (first, first));
    assert_eq!(unexpired(&history, 108), (second, first));
    assert_eq!(history.next_expiry(), None, "it may not be sent yet");
    history.release(Seq::new(1));
    assert_eq!(history.next_expiry(), Some(Millis::new(108)));
    assert_eq!(unexpired(&history, 108), (second, second));
}
