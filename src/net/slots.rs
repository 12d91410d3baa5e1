//! A table of values whose keys stay unique although its slots are reused.

use std::fmt;

use mio::Token;
use slab::Slab;

/// Token of the listening socket.
pub const LISTENER: Token = Token(usize::MAX);
/// Token of the waker: workers and other threads wake the loop with it.
pub const WAKER: Token = Token(usize::MAX - 1);
/// Token of the signals.
pub const SIGNALS: Token = Token(usize::MAX - 2);
/// Token of the listening socket for HTTP.
pub const HTTP_LISTENER: Token = Token(usize::MAX - 4);
/// Token of the clock watch: the wall clock was set, or the machine has slept.
pub const CLOCK: Token = Token(usize::MAX - 3);

/// Bits of the slot and bits of the generation: 32 each, or 16 each on a 32-bit machine.
const HALF_BITS: u32 = usize::BITS / 2;
const HALF_MAX: usize = (1 << HALF_BITS) - 1;
/// Bits that tell the table of a key.
const TABLE_BITS: u32 = 2;
/// All bits that tell the table of a key.
const TABLE_MASK: usize = usize::MAX << (usize::BITS - TABLE_BITS);
/// Highest generation of a slot. The next one belongs to the reserved tokens.
const GENERATION_MAX: usize = (HALF_MAX >> TABLE_BITS) - 1;

/// Kind of the sockets in a [`Slots`]. One poll can serve one [`Slots`] of each kind: their keys
/// differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketTable {
    /// Command sockets, and the sockets of a loop that has only one table.
    Command,
    /// Message sockets of members.
    Message,
    /// Connections of HTTP clients.
    Http,
}

impl SocketTable {
    /// Returns the highest bits of the keys of this table.
    const fn bits(self) -> usize {
        match self {
            Self::Command => 0,
            Self::Message => 1 << (usize::BITS - 1),
            Self::Http => TABLE_MASK,
        }
    }
}

/// Names one value of a [`Slots`]. After the value is removed, its key finds nothing.
///
/// ```text
///  2 bits    high half     low half
/// ├────────┼────────────┼──────────┤
///   table    generation    slot
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(usize);

impl Key {
    const fn new(slot: usize, generation: usize) -> Self {
        Self(generation << HALF_BITS | slot & HALF_MAX)
    }

    const fn slot(self) -> usize {
        self.0 & HALF_MAX
    }

    const fn generation(self) -> usize {
        (self.0 & !TABLE_MASK) >> HALF_BITS
    }

    /// Returns the table that the key belongs to.
    #[must_use]
    pub const fn table(self) -> SocketTable {
        const MESSAGE: usize = SocketTable::Message.bits();
        const HTTP: usize = SocketTable::Http.bits();
        match self.0 & TABLE_MASK {
            MESSAGE => SocketTable::Message,
            HTTP => SocketTable::Http,
            _ => SocketTable::Command,
        }
    }
}

impl From<Key> for Token {
    fn from(key: Key) -> Self {
        Self(key.0)
    }
}

impl From<Token> for Key {
    /// A reserved token becomes a key that finds nothing.
    fn from(token: Token) -> Self {
        Self(token.0)
    }
}

impl fmt::Display for Key {
    /// Formats the key as `<slot>.<generation>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot(), self.generation())
    }
}

/// Values, and the keys that the table gives out for them.
///
/// A slot's generation goes up each time a value is removed. So an old key (of a late event or a
/// timer) finds nothing, even when the slot holds a new value.
#[derive(Debug)]
pub struct Slots<T> {
    values: Slab<T>,
    /// For each slot the generation of its value, or of its next value.
    generations: Vec<u32>,
    /// Highest bits of all keys: those of the [`SocketTable`].
    table: usize,
}

impl<T> Slots<T> {
    /// Most values that a table can hold.
    pub const LEN_MAX: usize = HALF_MAX;

    /// Makes an empty table, which owns no memory.
    #[must_use]
    pub const fn new(table: SocketTable) -> Self {
        Self { values: Slab::new(), generations: Vec::new(), table: table.bits() }
    }

    /// Adds a value.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Returns the key that the next value will get.
    #[must_use]
    pub fn next_key(&self) -> Key {
        self.key(self.values.vacant_key())
    }

    /// Adds a value that is made from its own key.
    pub fn insert_with(&mut self, value: impl FnOnce(Key) -> T) -> Key {
        assert!(self.len() < Self::LEN_MAX, "the callers keep a table below `LEN_MAX` values");
        let vacant = self.values.vacant_entry();
        let slot = vacant.key();
        if slot >= self.generations.len() {
            self.generations.resize(slot + 1, 0);
        }
        let key = key(&self.generations, slot, self.table);
        vacant.insert(value(key));
        key
    }

    /// Returns the value under `key`.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        self.values.get(self.slot_of(key)?)
    }

    /// Returns the value under `key`.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slot_of(key)?;
        self.values.get_mut(slot)
    }

    /// Returns true if a value is under `key`.
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// Removes the value under `key` and returns it. From now on the key finds nothing.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slot_of(key)?;
        let value = self.values.try_remove(slot)?;
        if let Some(generation) = self.generations.get_mut(slot) {
            *generation = next_generation(*generation);
        }
        Some(value)
    }

    /// Returns the number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns true if the table holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns all keys in the order of their slots.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.iter().map(|(key, _)| key)
    }

    /// Returns all values with their keys, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.values.iter().map(|(slot, value)| (self.key(slot), value))
    }

    /// Returns all values with their keys, in the order of their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        let (generations, table) = (&self.generations, self.table);
        self.values.iter_mut().map(move |(slot, value)| (key(generations, slot, table), value))
    }

    fn key(&self, slot: usize) -> Key {
        key(&self.generations, slot, self.table)
    }

    /// Returns the slot of `key` if the slot still has the generation of `key`.
    fn slot_of(&self, key: Key) -> Option<usize> {
        let slot = key.slot();
        let known = slot < self.generations.len() && key.0 & TABLE_MASK == self.table;
        (known && generation(&self.generations, slot) == key.generation()).then_some(slot)
    }
}

fn key(generations: &[u32], slot: usize, table: usize) -> Key {
    Key(Key::new(slot, generation(generations, slot)).0 | table)
}

fn generation(generations: &[u32], slot: usize) -> usize {
    generations.get(slot).map_or(0, |&generation| generation as usize)
}

fn next_generation(generation: u32) -> u32 {
    if generation as usize >= GENERATION_MAX { 0 } else { generation + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_value_until_it_is_removed_and_nothing_after() {
        let mut table = Slots::new(SocketTable::Command);
        let first = table.insert("first");
        assert_eq!(table.get(first), Some(&"first"));
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second");
        assert_eq!(second.slot(), first.slot(), "the slot is reused");
        assert!(!table.contains(first));
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.remove(first), None, "a stale key removes nothing");
        assert_eq!(table.get(second), Some(&"second"));
    }

    #[test]
    fn a_key_can_be_converted_to_a_token_and_back() {
        let mut table = Slots::new(SocketTable::Command);
        let keys: Vec<Key> = (0..5).map(|value| table.insert(value)).collect();
        table.remove(keys[3]);
        let key = table.insert(7);
        assert_eq!(Key::from(Token::from(key)), key);
        assert_eq!(key.to_string(), "3.1");
        assert_eq!(table.get(Key::from(Token::from(key))), Some(&7));
    }

    #[test]
    fn the_keys_of_one_table_find_nothing_in_another_one() {
        let tables = [SocketTable::Command, SocketTable::Message, SocketTable::Http];
        let [mut first, mut second, mut third] = tables.map(Slots::new);
        let keys = [first.insert(1), second.insert(2), third.insert(3)];
        let [one, two, three] = keys;
        assert_eq!(keys.map(Key::table), tables);
        assert_eq!(keys.map(|key| third.get(key).copied()), [None, None, Some(3)]);
        assert_eq!((first.get(three), second.get(three)), (None, None));
        assert_eq!((first.get(one), first.get(two)), (Some(&1), None));
        assert_eq!((second.get(one), second.get(two)), (None, Some(&2)));
        assert_eq!((second.remove(one), second.next_key().table()), (None, SocketTable::Message));
        let highest = Token::from(key(&[u32::try_from(GENERATION_MAX).unwrap()], 0, TABLE_MASK));
        assert!(
            [LISTENER, WAKER, SIGNALS, CLOCK, HTTP_LISTENER]
                .iter()
                .all(|reserved| *reserved > highest)
        );
        assert!(second.iter().chain(second.iter()).all(|(key, _)| key == two));
        assert!(second.iter_mut().all(|(key, _)| key == two));
    }

    #[test]
    fn a_value_can_be_made_from_its_own_key() {
        let mut table = Slots::new(SocketTable::Command);
        table.insert_with(|key| key);
        let key = table.insert_with(|key| key);
        assert_eq!(table.get(key), Some(&key));
    }

    #[test]
    fn iteration_returns_the_keys_that_find_the_values() {
        let mut table = Slots::new(SocketTable::Command);
        let keys: Vec<Key> = (0..4).map(|value| table.insert(value)).collect();
        table.remove(keys[1]);
        table.insert(9);
        table.remove(keys[2]);
        for (_, value) in table.iter_mut() {
            *value *= 10;
        }
        assert_eq!(table.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [0, 90, 30]);
        assert!(table.iter().all(|(key, value)| table.get(key) == Some(value)));
        assert_eq!(table.keys().count(), table.len());
        assert!(!table.is_empty());
    }

    #[test]
    fn the_generation_wraps_without_ever_making_a_reserved_token() {
        let mut table = Slots::new(SocketTable::Command);
        let first = table.insert(());
        table.remove(first);
        table.generations[0] = u32::try_from(GENERATION_MAX).unwrap();
        let last = table.insert(());
        assert_eq!(last.generation(), GENERATION_MAX);
        table.remove(last);
        assert_eq!(table.insert(()).generation(), 0);
        let highest = Token::from(Key::new(HALF_MAX, GENERATION_MAX));
        assert!([LISTENER, WAKER, SIGNALS].iter().all(|reserved| *reserved > highest));
        assert!(
            [LISTENER, WAKER, SIGNALS].iter().all(|reserved| !table.contains((*reserved).into()))
        );
    }
}
