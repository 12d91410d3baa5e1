//! Timers: what is due, in order, for the price of a few pointers each.
//!
//! ```text
//!  tick of a deadline:    … │ digit 2 │ digit 1 │ digit 0       6 bits each
//!  level n, slot d:       agrees with the wheel's tick above digit n, and has d there
//!
//!  level 0   ▕·▏·▏█▏·▏·▏…  one tick a slot
//!  level 1   ▕·▏·▏·▏█▏·▏…  64 ticks a slot: emptied into level 0 when the tick enters it
//!  level 2   ▕·▏█▏·▏·▏·▏…  4096 ticks a slot
//! ```
//!
//! A deadline stands on the level of the highest digit in which it differs from the wheel's tick.
//! The tick never passes a slot that holds something: it goes to its first tick and stops there to
//! move the slot down. Hence the lowest occupied level holds what comes first, entries of one tick
//! stay in the order in which they were inserted, and a jump over years costs no more than a step.

use std::num::NonZeroU32;

use slab::Slab;

use crate::time::Millis;

/// By how much a timer may be late.
pub const TICK_MS: u64 = 8;

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// Enough for every tick that fits into 64 bits: there is no deadline too far away.
const LEVELS: usize = (u64::BITS - TICK_MS.ilog2()).div_ceil(DIGIT_BITS) as usize;
/// The end of a list.
const NIL: u32 = u32::MAX;

const _: () = assert!(TICK_MS.is_power_of_two(), "a deadline's last tick must not overflow");

/// Names one timer, and nothing after it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    at: u32,
    generation: NonZeroU32,
}

/// A hierarchical timer wheel: insert, cancel and expire cost the same whatever it holds.
///
/// Its memory is that of the most timers it ever held at once.
#[derive(Debug)]
pub struct TimerWheel<T> {
    entries: Slab<TimerEntry<T>>,
    /// Level by level, slot by slot. No entry in them is before `tick`.
    lists: Vec<TimerList>,
    /// By level: a bit for each slot whose list is not empty.
    occupied: [u64; LEVELS],
    tick: u64,
    generation: NonZeroU32,
}

#[derive(Debug)]
struct TimerEntry<T> {
    value: T,
    /// The tick at which it is due; that of its insertion if its deadline was past already.
    tick: u64,
    generation: NonZeroU32,
    before: u32,
    after: u32,
}

#[derive(Clone, Copy, Debug)]
struct TimerList {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    level: usize,
    slot: usize,
}

impl Position {
    fn of(tick: u64, wheel_tick: u64) -> Self {
        let differing = (tick ^ wheel_tick).checked_ilog2().unwrap_or(0);
        let level = differing / DIGIT_BITS;
        let slot = tick >> (level * DIGIT_BITS) & (SLOTS as u64 - 1);
        Self { level: level as usize, slot: slot as usize }
    }

    fn list(self) -> usize {
        self.level * SLOTS + self.slot
    }

    /// The tick at which its window begins, which is ahead of the wheel's, or it.
    fn first_tick(self, wheel_tick: u64) -> u64 {
        let shift = self.level as u32 * DIGIT_BITS;
        let above = wheel_tick.checked_shr(shift + DIGIT_BITS).unwrap_or(0);
        above.checked_shl(shift + DIGIT_BITS).unwrap_or(0) | (self.slot as u64) << shift
    }
}

impl<T> Default for TimerWheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> TimerWheel<T> {
    /// A wheel without timers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Slab::new(),
            lists: vec![TimerList { first: NIL, last: NIL }; LEVELS * SLOTS],
            occupied: [0; LEVELS],
            tick: 0,
            generation: NonZeroU32::MIN,
        }
    }

    /// How many timers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Has `value` come out of [`TimerWheel::pop_due`] at `deadline`, or up to a tick later.
    pub fn insert(&mut self, deadline: Millis, value: T) -> TimerId {
        let tick = deadline.as_u64().div_ceil(TICK_MS).max(self.tick);
        self.generation = self.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let generation = self.generation;
        assert!(self.len() < NIL as usize, "each timer belongs to something that is bounded");
        let at =
            self.entries.insert(TimerEntry { value, tick, generation, before: NIL, after: NIL });
        let at = at as u32;
        self.push_back(at, Position::of(tick, self.tick));
        TimerId { at, generation }
    }

    /// Takes a timer's value out; `None` if it was done already.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let entry = self.entry(id.at)?;
        if entry.generation != id.generation {
            return None;
        }
        let position = Position::of(entry.tick, self.tick);
        self.remove(id.at, position)
    }

    /// The next value that is due: the earliest first, and of one tick the first inserted.
    pub fn pop_due(&mut self, now: Millis) -> Option<T> {
        let now_tick = now.as_u64() / TICK_MS;
        loop {
            let Some(position) = self.first() else {
                self.tick = self.tick.max(now_tick);
                return None;
            };
            let tick = position.first_tick(self.tick);
            if tick > now_tick {
                self.tick = self.tick.max(now_tick);
                return None;
            }
            self.tick = tick;
            let first = self.lists.get(position.list())?.first;
            if position.level == 0 {
                return self.remove(first, position);
            }
            self.move_down(first, position);
        }
    }

    /// When to call [`TimerWheel::pop_due`] again: never too late.
    ///
    /// For a timer far away this is when it comes down a level, so that it costs a wake-up for each
    /// of its levels: three for one that is hours away.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let position = self.first()?;
        Some(Millis::new(position.first_tick(self.tick).saturating_mul(TICK_MS)))
    }

    /// Where the earliest entries are.
    fn first(&self) -> Option<Position> {
        let (level, slots) = self.occupied.iter().enumerate().find(|(_, slots)| **slots != 0)?;
        Some(Position { level, slot: slots.trailing_zeros() as usize })
    }

    /// Moves what stands in a slot, in its order, to where the tick, now in its window, wants it.
    fn move_down(&mut self, first: u32, position: Position) {
        if let Some(list) = self.lists.get_mut(position.list()) {
            *list = TimerList { first: NIL, last: NIL };
        }
        self.mark(position, false);
        let mut at = first;
        while let Some(entry) = self.entry_mut(at) {
            let (tick, after) = (entry.tick, entry.after);
            self.push_back(at, Position::of(tick, self.tick));
            at = after;
        }
    }

    fn push_back(&mut self, at: u32, position: Position) {
        let Some(list) = self.lists.get_mut(position.list()) else { return };
        let last = std::mem::replace(&mut list.last, at);
        if last == NIL {
            list.first = at;
        }
        if let Some(entry) = self.entry_mut(last) {
            entry.after = at;
        }
        if let Some(entry) = self.entry_mut(at) {
            entry.before = last;
            entry.after = NIL;
        }
        self.mark(position, true);
    }

    fn remove(&mut self, at: u32, position: Position) -> Option<T> {
        let TimerEntry { value, before, after, .. } = self.entries.try_remove(at as usize)?;
        if let Some(entry) = self.entry_mut(before) {
            entry.after = after;
        }
        if let Some(entry) = self.entry_mut(after) {
            entry.before = before;
        }
        let list = self.lists.get_mut(position.list())?;
        if list.first == at {
            list.first = after;
        }
        if list.last == at {
            list.last = before;
        }
        if list.first == NIL {
            self.mark(position, false);
        }
        Some(value)
    }

    fn mark(&mut self, position: Position, occupied: bool) {
        if let Some(slots) = self.occupied.get_mut(position.level) {
            let bit = 1 << position.slot;
            *slots = if occupied { *slots | bit } else { *slots & !bit };
        }
    }

    fn entry(&self, at: u32) -> Option<&TimerEntry<T>> {
        self.entries.get(at as usize)
    }

    fn entry_mut(&mut self, at: u32) -> Option<&mut TimerEntry<T>> {
        self.entries.get_mut(at as usize)
    }
}

#[cfg(test)]
mod tests;
