//! The numbers of the user's texts. The coordinator accepts each number of a member once, so a text
//! whose reply was lost is sent again with its number.
//!
//! ```text
//!   1 ── confirmed ──▶ published ── in flight, or to be sent again ──▶ next ── new texts ──▶
//! ```
//!
//! A number stays with its text. If a text with a number is given up, the numbers behind it are
//! refused. Then no text is sent until all replies are here, and the next text gets the number that
//! the coordinator expects.

use std::num::NonZeroU64;

/// Numbers of texts, as far as the coordinator's replies tell them.
#[derive(Debug, Default)]
pub(super) struct TextNumbers {
    /// Number of the next new text; `None`: the coordinator does not know `send`.
    next: Option<NonZeroU64>,
    /// Last number that the coordinator has accepted.
    published: u64,
    /// True from a given up number until no text with a number is in flight.
    must_drain: bool,
    /// Most bytes of a request.
    line_bytes_max: u64,
}

impl TextNumbers {
    /// Returns the numbers of an earlier run, which has left texts with numbers from `first` to
    /// `last`.
    pub(super) fn restored(first: Option<NonZeroU64>, last: Option<NonZeroU64>) -> Self {
        Self {
            next: last.map(|last| last.saturating_add(1)),
            published: first.map_or(0, |first| first.get().saturating_sub(1)),
            ..Self::default()
        }
    }

    /// Returns true if the coordinator's numbers are those of this session: it confirmed no fewer,
    /// and this session gave no fewer. Otherwise they are of another registration or program.
    pub(super) fn knows(&self, published: u64) -> bool {
        self.published <= published && self.next.is_some_and(|next| published < next.get())
    }

    /// Takes `published=` and `max_line=` of a reply. `last` is the highest number of the texts
    /// that wait.
    pub(super) fn on_joined(
        &mut self,
        published: Option<u64>,
        last: Option<NonZeroU64>,
        line_bytes_max: u64,
    ) {
        let last_given = |published: u64| published.max(last.map_or(0, NonZeroU64::get));
        *self = Self {
            next: published.map(last_given).map(following),
            published: published.unwrap_or_default(),
            must_drain: false,
            line_bytes_max,
        };
    }

    /// Returns the most bytes of a request, if the coordinator has told them.
    pub(super) fn line_bytes_max(&self) -> Option<usize> {
        usize::try_from(self.line_bytes_max).ok().filter(|bytes| *bytes > 0)
    }

    /// Returns true if the coordinator takes a request of this length.
    pub(super) const fn fits(&self, line_bytes: usize) -> bool {
        line_bytes as u64 <= self.line_bytes_max
    }

    /// The membership has ended, and the numbers with it.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Returns the number for a new text.
    pub(super) const fn next(&self) -> Option<NonZeroU64> {
        self.next
    }

    /// The text with the next number is sent.
    pub(super) fn use_next(&mut self) {
        self.next = self.next.map(|next| next.saturating_add(1));
    }

    /// The coordinator has accepted a number.
    pub(super) fn on_accepted(&mut self, number: NonZeroU64) {
        self.published = self.published.max(number.get());
    }

    /// The text with this number may be accepted, and is given up. Another text gets the number
    /// only after the coordinator has said that it expects the number: else the answer
    /// `duplicate=1` to the other text would look like a confirmation.
    pub(super) fn on_unknown(&mut self, number: NonZeroU64) {
        self.on_accepted(number);
    }

    /// The coordinator expects this number.
    pub(super) const fn on_expected(&mut self, number: NonZeroU64) {
        self.published = number.get().saturating_sub(1);
    }

    /// A text with a number was given up.
    pub(super) const fn on_given_up(&mut self) {
        self.must_drain = true;
    }

    /// Returns true if no text may be sent, because texts in flight will be refused.
    /// `are_in_flight` tells that texts with numbers are in flight. `last` walks the texts that
    /// wait for the highest number: it is called only at the end of a drain.
    pub(super) fn must_drain(
        &mut self,
        are_in_flight: bool,
        last: impl FnOnce() -> Option<NonZeroU64>,
    ) -> bool {
        if self.must_drain && !are_in_flight {
            self.must_drain = false;
            let last = self.published.max(last().map_or(0, NonZeroU64::get));
            self.next = self.next.map(|_| following(last));
        }
        self.must_drain
    }
}

fn following(number: u64) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(number)
    }

    fn assign(numbers: &mut TextNumbers) -> Option<NonZeroU64> {
        let next = numbers.next();
        numbers.use_next();
        next
    }

    #[test]
    fn new_texts_get_the_numbers_after_the_last_accepted_one() {
        let mut numbers = TextNumbers::default();
        assert_eq!(assign(&mut numbers), None);
        numbers.on_joined(Some(0), None, 80);
        assert_eq!([(); 3].map(|()| assign(&mut numbers)), [1, 2, 3].map(number));
        numbers.on_joined(Some(2), number(3), 80);
        assert_eq!(assign(&mut numbers), number(4), "3 waits to be sent again");
        numbers.on_joined(Some(9), number(3), 80);
        assert_eq!(assign(&mut numbers), number(10));
        assert_eq!([80, 81].map(|length| numbers.fits(length)), [true, false]);
        numbers.on_joined(None, None, 80);
        assert_eq!(assign(&mut numbers), None, "an older coordinator");
    }

    #[test]
    fn the_numbers_of_another_program_are_noticed() {
        let mut numbers = TextNumbers::default();
        assert!(!numbers.knows(0), "none was given");
        numbers.on_joined(Some(4), None, 80);
        for _ in 0..3 {
            assign(&mut numbers);
        }
        numbers.on_accepted(NonZeroU64::MIN.saturating_add(4));
        assert_eq!([4, 5, 6, 7, 8].map(|at| numbers.knows(at)), [false, true, true, true, false]);
    }

    #[test]
    fn after_a_number_was_given_up_new_texts_wait_for_the_replies_in_flight() {
        let mut numbers = TextNumbers::default();
        numbers.on_joined(Some(0), None, 80);
        for _ in 0..3 {
            assign(&mut numbers);
        }
        numbers.on_accepted(NonZeroU64::MIN);
        numbers.on_given_up();
        let walk = || panic!("all texts are walked for each text");
        assert!(numbers.must_drain(true, walk));
        assert!(!numbers.must_drain(false, || None));
        assert!(!numbers.must_drain(true, walk), "once");
        assert_eq!(assign(&mut numbers), number(2));
        numbers.on_given_up();
        numbers.on_expected(NonZeroU64::MIN.saturating_add(5));
        assert!(!numbers.must_drain(false, || None));
        assert_eq!(assign(&mut numbers), number(6));
        numbers.on_given_up();
        assert!(!numbers.must_drain(false, || number(8)));
        assert_eq!(assign(&mut numbers), number(9), "8 waits");
    }
}
