//! Where one member stands in the one order of all messages.

use std::collections::BTreeMap;

/// A gap that was told, until all that it counts is known.
#[derive(Clone, Debug)]
pub(crate) struct ToldGap {
    pub(crate) count: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) at_ns: u64,
}

impl ToldGap {
    /// Of the line's three numbers.
    pub(crate) fn parse(line: &[u8], at_ns: u64) -> Option<Self> {
        let numbers = std::str::from_utf8(line.strip_prefix(b"gap#")?).ok()?;
        let mut numbers = numbers.split('#').map(str::parse);
        let (count, first, last) =
            (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        numbers.next().is_none().then_some(Self { count, first, last, at_ns })
    }

    pub(crate) fn line(&self) -> String {
        format!("gap#{}#{}#{}", self.count, self.first, self.last)
    }
}

/// A number that was passed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) at_ns: u64,
    /// On a connection that does not know what the one before it lost: one without `acks=1`.
    pub(crate) is_after_break: bool,
}

/// One member.
#[derive(Debug)]
pub(crate) struct Taker {
    pub(crate) id: String,
    /// What it got first when it registered.
    pub(crate) first: u64,
    /// The lowest number that may come.
    pub(crate) next: u64,
    /// Passed over and not known to be its own.
    pub(crate) passed: BTreeMap<u64, Passed>,
    pub(crate) gaps: Vec<ToldGap>,
    /// Nothing was taken yet since it came back.
    pub(crate) is_back: bool,
}

impl Taker {
    pub(crate) fn new(id: String, first: u64) -> Self {
        let (passed, gaps) = (BTreeMap::new(), Vec::new());
        Self { id, first, next: first, passed, gaps, is_back: false }
    }

    /// The lowest number that something about it is still open for.
    pub(crate) fn settled(&self) -> u64 {
        let passed = self.passed.keys().next().copied().unwrap_or(self.next);
        let gap = self.gaps.first().map_or(self.next, |gap| gap.first);
        self.next.min(passed).min(gap)
    }
}
