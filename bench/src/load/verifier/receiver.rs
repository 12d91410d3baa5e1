//! Position of one member in the common order of all messages.

use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(crate) struct Gap {
    pub(super) count: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) at_ns: u64,
}

impl Gap {
    /// Parses `gap#<count>#<first>#<last>`.
    pub(crate) fn parse(line: &[u8], at_ns: u64) -> Option<Self> {
        let numbers = std::str::from_utf8(line.strip_prefix(b"gap#")?).ok()?;
        let mut numbers = numbers.split('#').map(str::parse);
        let (count, first, last) =
            (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        numbers.next().is_none().then_some(Self { count, first, last, at_ns })
    }

    pub(super) fn fault(&self, why: &str) -> String {
        let Self { count, first, last, .. } = self;
        format!("\"gap#{count}#{first}#{last}\" is wrong: {why}")
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Skipped {
    pub(super) at_ns: u64,
    /// Skipped by the first delivery after a reconnect without `acks=1`, which reports no gap.
    pub(super) is_after_reconnect: bool,
}

#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) id: String,
    /// First number after the registration.
    pub(super) first: u64,
    /// Lowest number that may come.
    pub(super) next: u64,
    /// Numbers that were skipped and are not known to be the member's own.
    pub(super) skipped: BTreeMap<u64, Skipped>,
    /// Gaps whose messages are not all known.
    pub(super) gaps: Vec<Gap>,
    /// Nothing was delivered since the last reconnect.
    pub(super) has_reconnected: bool,
}

impl Receiver {
    pub(super) fn new(id: String, first: u64) -> Self {
        let (skipped, gaps) = (BTreeMap::new(), Vec::new());
        Self { id, first, next: first, skipped, gaps, has_reconnected: false }
    }

    /// Lowest number that is still undecided for this member.
    pub(super) fn settled(&self) -> u64 {
        let skipped = self.skipped.keys().next().copied().unwrap_or(self.next);
        let gap = self.gaps.first().map_or(self.next, |gap| gap.first);
        self.next.min(skipped).min(gap)
    }
}
