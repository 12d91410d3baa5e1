use proptest::prelude::*;

use super::*;

/// A list with linear search that must behave like the wheel.
#[derive(Default)]
struct Model {
    timers: Vec<(u64, usize)>,
    tick: u64,
}

impl Model {
    fn insert(&mut self, deadline: Millis, name: usize) {
        self.timers.push((deadline.as_u64().div_ceil(TICK_MS).max(self.tick), name));
    }

    fn cancel(&mut self, name: usize) -> Option<usize> {
        let at = self.timers.iter().position(|timer| timer.1 == name)?;
        Some(self.timers.remove(at).1)
    }

    fn earliest(&self) -> Option<u64> {
        self.timers.iter().map(|timer| timer.0).min()
    }

    fn pop_due(&mut self, now: Millis) -> Option<usize> {
        let now_tick = now.as_u64() / TICK_MS;
        let Some(tick) = self.earliest().filter(|tick| *tick <= now_tick) else {
            self.tick = self.tick.max(now_tick);
            return None;
        };
        self.tick = tick;
        let at = self.timers.iter().position(|timer| timer.0 == tick).unwrap();
        Some(self.timers.remove(at).1)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert { in_ms: u64 },
    InsertAt { ms: u64 },
    InsertAgain,
    Cancel { nth: usize },
    Advance { by_ms: u64, pop_max: usize },
}

/// Spans of time: more short than long ones, and values at the borders of the levels.
fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..40_u64,
        4 => 0..5_000_u64,
        2 => 0..40_000_000_u64,
        2 => (0..62_u32, 0..20_u64).prop_map(|(bit, less)| (1_u64 << bit).saturating_sub(less)),
        1 => Just(31_536_000_000),
        1 => any::<u64>(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => span().prop_map(|in_ms| Step::Insert { in_ms }),
        1 => span().prop_map(|ms| Step::InsertAt { ms }),
        2 => Just(Step::InsertAgain),
        2 => any::<usize>().prop_map(|nth| Step::Cancel { nth }),
        4 => (span(), 0..6_usize).prop_map(|(by_ms, pop_max)| Step::Advance { by_ms, pop_max }),
    ]
}

fn check(steps: &[Step]) {
    let (mut wheel, mut model) = (TimerWheel::new(), Model::default());
    let (mut now, mut last, mut ids) = (Millis::ZERO, Millis::ZERO, Vec::new());
    for step in steps {
        match *step {
            Step::Insert { in_ms } => last = now.plus(in_ms),
            Step::InsertAt { ms } => last = Millis::new(ms),
            Step::InsertAgain | Step::Cancel { .. } | Step::Advance { .. } => {}
        }
        match *step {
            Step::Insert { .. } | Step::InsertAt { .. } | Step::InsertAgain => {
                model.insert(last, ids.len());
                ids.push(wheel.insert(last, ids.len()));
            }
            Step::Cancel { .. } if ids.is_empty() => {}
            Step::Cancel { nth } => {
                let name = nth % ids.len();
                assert_eq!(wheel.cancel(ids[name]), model.cancel(name));
            }
            Step::Advance { by_ms, pop_max } => {
                now = now.plus(by_ms);
                for _ in 0..=pop_max {
                    assert_eq!(wheel.pop_due(now), model.pop_due(now), "at {now}");
                }
            }
        }
        assert_eq!(wheel.len(), model.timers.len());
        let (next, earliest) = (wheel.next_deadline(), model.earliest());
        assert_eq!(next.is_some(), earliest.is_some());
        assert!(next <= earliest.map(|tick| Millis::new(tick.saturating_mul(TICK_MS))));
    }
}

proptest! {
    #[test]
    fn the_wheel_behaves_like_a_sorted_list(steps in prop::collection::vec(step(), 1..60)) {
        check(&steps);
    }
}

#[test]
fn a_timer_is_late_by_less_than_a_tick_and_never_early() {
    for deadline in (0..2_000).map(Millis::new) {
        let mut wheel = TimerWheel::new();
        wheel.insert(deadline, ());
        let due = (0..).find(|ms| wheel.pop_due(Millis::new(*ms)).is_some()).unwrap();
        assert!((0..TICK_MS).contains(&(due - deadline.as_u64())), "{deadline}: {due} ms");
    }
}

#[test]
fn a_timer_hours_away_costs_a_handful_of_wake_ups() {
    for hours in [1, 5, 24, 24 * 365] {
        let mut wheel = TimerWheel::new();
        let mut now = Millis::new(12_345);
        assert_eq!(wheel.pop_due(now), None);
        wheel.insert(now.plus(hours * 3_600_000), ());
        let mut wake_ups = 0;
        while let Some(next) = wheel.next_deadline() {
            assert!(next > now, "time must pass between two wake-ups");
            now = next;
            wake_ups += usize::from(wheel.pop_due(now).is_none());
        }
        assert!(wake_ups <= 5, "{wake_ups} needless wake-ups for {hours} hours");
        assert_eq!(now.as_u64() - 12_345 - hours * 3_600_000, (12_345_u64).wrapping_neg() % 8);
    }
}

#[test]
fn the_latest_possible_deadline_is_supported() {
    let mut wheel = TimerWheel::new();
    wheel.insert(Millis::new(u64::MAX), ());
    assert_eq!(wheel.pop_due(Millis::new(u64::MAX / 2)), None);
    assert!(wheel.next_deadline().is_some());
}

#[test]
fn the_id_of_a_timer_that_is_done_cancels_nothing() {
    let mut wheel = TimerWheel::new();
    let first = wheel.insert(Millis::ZERO, "first");
    assert_eq!(wheel.pop_due(Millis::ZERO), Some("first"));
    let second = wheel.insert(Millis::ZERO, "second");
    assert_eq!(second.at, first.at, "the slot is reused");
    assert_eq!(wheel.cancel(first), None);
    assert_eq!(wheel.cancel(second), Some("second"));
    assert!(wheel.is_empty());
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn memory_is_that_of_the_largest_number_of_timers_at_once() {
    let mut wheel = TimerWheel::new();
    for ms in 0..10_000 {
        let id = wheel.insert(Millis::new(ms + 1_000_000), ms);
        wheel.cancel(id);
        wheel.insert(Millis::new(ms), ms);
        while wheel.pop_due(Millis::new(ms)).is_some() {}
    }
    assert!(wheel.entries.capacity() < 64, "{}", wheel.entries.capacity());
}
