//! Ids of other members, for completion: learned by the loop, read by the reader's thread.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::KNOWN_IDS_MAX;
use crate::protocol::is_id;

/// The ids that were seen last, at most [`KNOWN_IDS_MAX`].
#[derive(Debug, Default)]
pub(in crate::participant) struct KnownIds(Mutex<IdsInOrder>);

#[derive(Debug, Default)]
struct IdsInOrder {
    sorted: BTreeSet<Arc<str>>,
    /// The same ids in the order in which they were learned.
    learned: VecDeque<Arc<str>>,
}

impl KnownIds {
    /// Adds an id. If there are too many, the oldest one is forgotten.
    pub(super) fn learn(&self, id: &str) {
        let mut ids = self.lock();
        if ids.sorted.contains(id) || !is_id(id) {
            return;
        }
        if ids.learned.len() >= KNOWN_IDS_MAX
            && let Some(oldest) = ids.learned.pop_front()
        {
            ids.sorted.remove(&oldest);
        }
        let id: Arc<str> = id.into();
        ids.sorted.insert(Arc::clone(&id));
        ids.learned.push_back(id);
    }

    /// Returns the ids that begin with `prefix`, sorted.
    pub(super) fn with_prefix(&self, prefix: &str) -> Vec<String> {
        let ids = self.lock();
        let from = ids.sorted.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(|id| id.starts_with(prefix)).map(|id| id.as_ref().to_owned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, IdsInOrder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_ids_are_known_each_one_once() {
        let ids = KnownIds::default();
        for number in 0..=KNOWN_IDS_MAX {
            ids.learn(&format!("m{number}"));
            ids.learn(&format!("m{number}"));
        }
        for foreign in ["", "a b", "@", "x#", "\x1b"] {
            ids.learn(foreign);
        }
        assert_eq!(ids.with_prefix("").len(), KNOWN_IDS_MAX);
        assert_eq!(ids.with_prefix("m0"), Vec::<String>::new(), "the oldest one");
        assert_eq!(ids.with_prefix("m100"), ["m100", "m1000"]);
        assert_eq!(ids.lock().learned.len(), KNOWN_IDS_MAX);
    }
}
