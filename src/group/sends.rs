//! The numbers that a member gives to its texts.
//!
//! ```text
//!   ── accepted ──▶ published ── proposed, not yet applied ──▶ proposed ── the next one ──▶
//! ```

use std::num::NonZeroU64;

use crate::facts::FactIndex;

/// Numbers of a member's `send` requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SendNumbers {
    /// Number of the last accepted one; 0 before the first one.
    published: u64,
    /// Number of the last one that was proposed and could not be applied at once. A journal may
    /// apply it later, or refuse it.
    proposed: u64,
    /// Fact of the last accepted one. A reply that tells the numbers waits for its commit.
    accepted_at: FactIndex,
}

/// Place of a number in the order of a member's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendOrder {
    /// The number was accepted before.
    Duplicate,
    /// The number may be accepted.
    Next,
    /// Numbers before this one are missing, from this one on.
    TooHigh { expected: u64 },
}

impl SendNumbers {
    pub(super) const fn published(self) -> u64 {
        self.published
    }

    /// Returns the fact that must be committed before a client may know the numbers.
    pub(super) const fn accepted_at(self) -> FactIndex {
        self.accepted_at
    }

    /// Sets the last accepted number, which is committed.
    pub(super) fn restore(&mut self, published: u64) {
        *self = Self { published, proposed: published, accepted_at: FactIndex::ZERO };
    }

    /// Recovers a numbered message. Facts are recovered in their order, so a number that is not the
    /// next one follows a registration whose record is damaged, and counts nevertheless.
    pub(super) fn restore_accepted(&mut self, number: Option<NonZeroU64>) {
        number.into_iter().for_each(|number| self.restore(number.get()));
    }

    /// Checks the number of a request. It may follow proposed ones.
    #[inline]
    pub(super) fn check_request(self, number: NonZeroU64) -> SendOrder {
        self.check(number, self.published.max(self.proposed))
    }

    /// Checks the number of a fact: it must follow the last accepted one.
    #[inline]
    pub(super) const fn check_fact(self, number: NonZeroU64) -> SendOrder {
        self.check(number, self.published)
    }

    #[inline]
    const fn check(self, number: NonZeroU64, before: u64) -> SendOrder {
        let (number, previous) = (number.get(), number.get().wrapping_sub(1));
        if previous == self.published {
            SendOrder::Next // The most frequent case comes first.
        } else if number <= self.published {
            SendOrder::Duplicate
        } else if previous <= before {
            SendOrder::Next
        } else {
            SendOrder::TooHigh { expected: before.wrapping_add(1) }
        }
    }

    /// Notes that a number was proposed.
    pub(super) fn propose(&mut self, number: NonZeroU64) {
        self.proposed = self.proposed.max(number.get());
    }

    /// Notes that a proposed number was refused, so that the numbers behind it will be, too.
    pub(super) fn withdraw(&mut self) {
        self.proposed = self.published;
    }

    /// Notes that the fact at `index` was accepted, perhaps with a number.
    pub(super) fn accept(&mut self, number: Option<NonZeroU64>, index: FactIndex) {
        if let Some(number) = number {
            self.published = number.get();
            self.accepted_at = index;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    #[test]
    fn a_number_is_a_duplicate_the_next_one_or_too_high() {
        let mut sends = SendNumbers::default();
        assert_eq!(sends.check_request(number(1)), SendOrder::Next);
        assert_eq!(sends.check_request(number(2)), SendOrder::TooHigh { expected: 1 });
        sends.restore(7);
        for (given, expected) in [
            (1, SendOrder::Duplicate),
            (7, SendOrder::Duplicate),
            (8, SendOrder::Next),
            (9, SendOrder::TooHigh { expected: 8 }),
            (u64::MAX, SendOrder::TooHigh { expected: 8 }),
        ] {
            assert_eq!(sends.check_request(number(given)), expected, "{given}");
            assert_eq!(sends.check_fact(number(given)), expected, "{given}");
        }
        sends.restore(u64::MAX);
        assert_eq!(sends.check_request(number(u64::MAX)), SendOrder::Duplicate);
    }

    #[test]
    fn a_recovered_number_below_the_last_one_follows_a_registration() {
        let mut sends = SendNumbers::default();
        for given in [1, 2, 3, 1, 2] {
            sends.restore_accepted(Some(number(given)));
            assert_eq!(sends.published(), given);
        }
        sends.restore_accepted(None);
        assert_eq!(sends.published(), 2);
    }

    #[test]
    fn requests_may_follow_proposed_numbers_until_one_is_refused() {
        let mut sends = SendNumbers::default();
        sends.propose(number(1));
        sends.propose(number(2));
        assert_eq!(sends.check_request(number(2)), SendOrder::Next, "it is proposed again");
        assert_eq!(sends.check_request(number(3)), SendOrder::Next);
        assert_eq!(sends.check_fact(number(2)), SendOrder::TooHigh { expected: 1 });
        sends.accept(Some(number(1)), FactIndex::ZERO.next());
        sends.accept(None, FactIndex::ZERO.next().next());
        assert_eq!(sends.accepted_at(), FactIndex::ZERO.next());
        assert_eq!(sends.check_fact(number(2)), SendOrder::Next);
        sends.withdraw();
        assert_eq!(sends.check_request(number(3)), SendOrder::TooHigh { expected: 2 });
    }
}
