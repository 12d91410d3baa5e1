//! A timer wheel: inserting, cancelling and expiring a timer take constant time.
//!
//! ```text
//!  tick of a deadline:    … │ digit 2 │ digit 1 │ digit 0       6 bits each
//!  level n, slot d:       agrees with the wheel's tick above digit n, and has d there
//!
//!  level 0   ▕·▏·▏█▏·▏·▏…  one tick a slot
//!  level 1   ▕·▏·▏·▏█▏·▏…  64 ticks a slot: moved down to level 0 when the tick enters it
//!  level 2   ▕·▏█▏·▏·▏·▏…  4096 ticks a slot
//! ```
//!
//! A timer is on the level of the highest digit in which its deadline differs from the wheel's
//! tick. The tick never passes a slot that holds timers. It stops at the first tick of that slot,
//! and the timers move down a level. So the earliest timer is always on the lowest occupied level,
//! timers of one tick keep the order of their insertion, and a jump over years costs no more than
//! one step.

use std::num::NonZeroU32;

use slab::Slab;

use crate::time::Millis;

/// Milliseconds of a tick. A timer is late by less than a tick.
pub const TICK_MS: u64 = 8;

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// Number of levels, which is enough for every tick of 64 bits.
const LEVELS: usize = (u64::BITS - TICK_MS.ilog2()).div_ceil(DIGIT_BITS) as usize;
/// Marks the end of a list.
const NIL: u32 = u32::MAX;

const _: () = assert!(TICK_MS.is_power_of_two(), "a deadline's last tick must not overflow");

/// Names one timer. After the timer is done, its id finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    at: u32,
    generation: NonZeroU32,
}

/// A hierarchical timer wheel.
///
/// Its memory is that of the largest number of timers that it held at once.
#[derive(Debug)]
pub struct TimerWheel<T> {
    entries: Slab<TimerEntry<T>>,
    /// One list for each slot of each level. No entry has a tick before `tick`.
    lists: Vec<TimerList>,
    /// For each level one bit per slot: set if the slot's list is not empty.
    occupied: [u64; LEVELS],
    tick: u64,
    generation: NonZeroU32,
}

#[derive(Debug)]
struct TimerEntry<T> {
    value: T,
    /// Tick at which the timer is due. If the deadline was past, the tick of the insertion.
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

    /// Returns the first tick of the slot, which is the wheel's tick or later.
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
    /// Makes a wheel without timers.
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

    /// Returns the number of timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if the wheel holds no timer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a timer. [`TimerWheel::pop_due`] returns `value` less than a tick after `deadline`.
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

    /// Removes a timer and returns its value. Returns `None` if the timer is done already.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let entry = self.entry(id.at)?;
        if entry.generation != id.generation {
            return None;
        }
        let position = Position::of(entry.tick, self.tick);
        self.remove(id.at, position)
    }

    /// Returns the next value that is due. Timers of one tick come in the order of their insertion.
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

    /// Returns the time at which [`TimerWheel::pop_due`] must be called again.
    ///
    /// A timer far in the future causes a wake-up each time it moves down a level: three for a
    /// timer that is hours away.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let position = self.first()?;
        Some(Millis::new(position.first_tick(self.tick).saturating_mul(TICK_MS)))
    }

    /// Returns the slot of the earliest entries.
    fn first(&self) -> Option<Position> {
        let (level, slots) = self.occupied.iter().enumerate().find(|(_, slots)| **slots != 0)?;
        Some(Position { level, slot: slots.trailing_zeros() as usize })
    }

    /// Moves the entries of a slot, in their order, to the slots of the current tick.
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
