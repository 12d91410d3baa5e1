#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

const TTL_MS: u64 = 100;

/// What the history must be like: every line ever, and the lowest number that is kept.
#[derive(Default)]
struct Model {
    lines: Vec<(Vec<u8>, Millis)>,
    front: u64,
}

impl Model {
    fn kept(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8])> {
        let lines = (1..).zip(&self.lines);
        lines
            .filter(move |(number, _)| *number >= self.front && *number > after.as_u64())
            .map(|(number, (line, _))| (Seq::new(number), line.as_slice()))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append { bytes: usize },
    Pass { millis: u64 },
    Drop { messages: u64 },
    Move { reader: usize, messages: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop_oneof![8 => 2..200_usize, 1 => 20_000..140_000_usize]
            .prop_map(|bytes| Step::Append { bytes }),
        2 => (0..60_u64).prop_map(|millis| Step::Pass { millis }),
        1 => (0..4_u64).prop_map(|messages| Step::Drop { messages }),
        6 => (0..3_usize, 1..9_u64)
            .prop_map(|(reader, messages)| Step::Move { reader, messages }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Three readers, which the history must keep messages for as long as they live.
    #[test]
    fn what_is_kept_is_what_a_plain_list_would_keep(
        steps in prop::collection::vec(step(), 1..120),
        own in prop::collection::btree_set(1..100_u64, 0..40),
    ) {
        let mut history = History::new(TTL_MS);
        let mut model = Model { front: 1, ..Model::default() };
        let mut now = Millis::ZERO;
        let mut readers = [Seq::ZERO; 3].map(|place| (place, history.enter(place)));
        let mut runs = OwnRuns::default();
        own.iter().for_each(|&number| runs.push(Seq::new(number)));
        for step in steps {
            match step {
                Step::Append { bytes } => {
                    let number = model.lines.len() as u64 + 1;
                    let mut line = vec![b'a' + (number % 26) as u8; bytes];
                    line[bytes - 1] = b'\n';
                    let seq = history.append(&line, MemberSlot::new(number as usize % 7), now);
                    prop_assert_eq!(seq, Seq::new(number));
                    model.lines.push((line, now));
                }
                Step::Pass { millis } => {
                    now = now.plus(millis);
                    let live = |(_, accepted): &(Vec<u8>, Millis)| accepted.plus(TTL_MS) >= now;
                    let expired = model.lines.iter().take_while(|line| !live(line)).count() as u64;
                    let front = history.unexpired(now);
                    prop_assert_eq!(front.as_u64(), model.front.max(expired + 1));
                    history.drop_before(front);
                    model.front = front.as_u64();
                }
                Step::Drop { messages } => {
                    let front = (model.front + messages).min(model.lines.len() as u64 + 1);
                    history.drop_before(Seq::new(front));
                    model.front = model.front.max(front);
                }
                Step::Move { reader, messages } => {
                    let (place, block) = &mut readers[reader];
                    let least = place.as_u64().max(model.front - 1);
                    *place = Seq::new((least + messages).min(model.lines.len() as u64));
                    if history.is_past(*block, *place) {
                        history.leave(*block);
                        *block = history.enter(*place);
                    }
                    history.trim();
                    let front = history.front().as_u64();
                    let lowest = readers.iter().map(|(place, _)| place.as_u64()).min().unwrap();
                    prop_assert!(front <= model.front.max(lowest + 1), "trimmed what is needed");
                    model.front = front;
                }
            }
            for after in readers.map(|(place, _)| place.max(history.front().before())) {
                let mut found = Vec::new();
                for piece in history.pieces(after, &runs) {
                    found.extend_from_slice(piece.bytes());
                    prop_assert!(!piece.bytes().is_empty());
                }
                let expected: Vec<u8> = model
                    .kept(after)
                    .filter(|(seq, _)| !own.contains(&seq.as_u64()))
                    .flat_map(|(_, line)| line.iter().copied())
                    .collect();
                prop_assert!(found == expected, "after {} something else is kept", after);
                let bytes: usize = model.kept(after).map(|(_, line)| line.len()).sum();
                prop_assert_eq!(history.bytes_from(after.next()), bytes as u64);
                for (seq, _) in model.kept(after) {
                    let sender = MemberSlot::new(seq.as_u64() as usize % 7);
                    prop_assert_eq!(history.sender(seq), Some(sender));
                }
            }
        }
    }
}

#[test]
fn a_block_goes_when_its_last_reader_has_left_it_and_the_tail_stays() {
    let mut history = History::new(TTL_MS);
    let mut far = history.enter(Seq::ZERO);
    let near = history.enter(Seq::ZERO);
    let line = vec![b'x'; crate::limits::BLOCK_BYTES];
    for _ in 0..3 {
        history.append(&line, MemberSlot::new(0), Millis::ZERO);
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
    let mut history = History::new(TTL_MS);
    let away = history.enter(Seq::ZERO);
    let line = vec![b'x'; crate::limits::BLOCK_BYTES];
    history.append(&line, MemberSlot::new(0), Millis::ZERO);
    history.drop_before(Seq::new(2));
    assert!(history.blocks.is_empty());
    for _ in 0..2 {
        history.append(&line, MemberSlot::new(0), Millis::ZERO);
    }
    history.trim();
    assert_eq!(history.front(), Seq::new(2), "the one who is away still needs it");
    history.leave(away);
    history.trim();
    assert_eq!(history.front(), Seq::new(3));
}

#[test]
fn a_message_lives_to_the_last_millisecond_of_its_time() {
    let mut history = History::new(TTL_MS);
    history.append(b"a\n", MemberSlot::new(0), Millis::new(7));
    assert_eq!(history.unexpired(Millis::new(107)), Seq::new(1));
    assert_eq!(history.next_expiry(), Some(Millis::new(108)));
    assert_eq!(history.unexpired(Millis::new(108)), Seq::new(2));
}
