//! Rights: what a rule of the access file allows.

use crate::protocol::{Forbidden, Right};

/// Rights of a client for one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// `send`: the id may send texts.
    pub may_send: bool,
    /// `receive`: the id gets the messages of others.
    pub may_receive: bool,
    /// `list`: the id may ask for `members` and `stats`.
    pub may_list: bool,
    /// `rate`: most texts a second. `None`: no limit.
    pub rate: Option<u32>,
    /// `max_text`: most bytes of a text. `None`: no limit of its own.
    pub text_bytes_max: Option<usize>,
    /// `ids`: most members of one owner. `None`: no limit of its own.
    pub ids_max: Option<usize>,
}

impl Rights {
    /// All rights, without limits: the rights of everybody without an access file, and of a rule
    /// that names no right.
    pub const ALL: Self = Self {
        may_send: true,
        may_receive: true,
        may_list: true,
        rate: None,
        text_bytes_max: None,
        ids_max: None,
    };

    /// Returns the rights of a client that two rules fit: the rights of both, and the higher of
    /// each limit. A rule without `send` has no limit for texts.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            may_send: self.may_send || other.may_send,
            may_receive: self.may_receive || other.may_receive,
            may_list: self.may_list || other.may_list,
            rate: higher(self.if_sending(self.rate), other.if_sending(other.rate)),
            text_bytes_max: higher(
                self.if_sending(self.text_bytes_max),
                other.if_sending(other.text_bytes_max),
            ),
            ids_max: higher(Some(self.ids_max), Some(other.ids_max)),
        }
    }

    /// Checks that the client has a right.
    ///
    /// # Errors
    ///
    /// [`Forbidden::RightMissing`].
    pub const fn check(&self, right: Right) -> Result<(), Forbidden> {
        let has_it = match right {
            Right::Send => self.may_send,
            Right::Receive => self.may_receive,
            Right::List => self.may_list,
        };
        if has_it { Ok(()) } else { Err(Forbidden::RightMissing(right)) }
    }

    /// Checks that the client may send a text of this length. Its `rate` is checked last, by
    /// [`SendRates::take`](super::SendRates::take).
    ///
    /// # Errors
    ///
    /// [`Forbidden::RightMissing`], [`Forbidden::TextTooLong`].
    pub fn check_text(&self, bytes: usize) -> Result<(), Forbidden> {
        self.check(Right::Send)?;
        match self.text_bytes_max {
            Some(max) if bytes > max => Err(Forbidden::TextTooLong { bytes, max }),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns a limit for texts; `None` if the rule does not allow any.
    fn if_sending<T>(&self, limit: Option<T>) -> Option<Option<T>> {
        self.may_send.then_some(limit)
    }
}

/// Returns the higher of two limits, where an inner `None` is no limit, and an outer `None` allows
/// nothing.
fn higher<T: Ord>(one: Option<Option<T>>, other: Option<Option<T>>) -> Option<T> {
    match (one, other) {
        (Some(Some(one)), Some(Some(other))) => Some(one.max(other)),
        (Some(limit), None) | (None, Some(limit)) => limit,
        (Some(None), Some(_)) | (Some(_), Some(None)) | (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_rights() -> impl Strategy<Value = Rights> {
        let limit = || proptest::option::of(1_usize..4);
        (any::<(bool, bool, bool)>(), limit(), limit(), limit()).prop_map(
            |((may_send, may_receive, may_list), rate, text_bytes_max, ids_max)| Rights {
                may_send,
                may_receive,
                may_list,
                rate: rate.filter(|_| may_send).map(|rate| u32::try_from(rate).unwrap()),
                text_bytes_max: text_bytes_max.filter(|_| may_send),
                ids_max,
            },
        )
    }

    proptest! {
        #[test]
        fn the_order_of_a_union_has_no_effect(
            a in any_rights(), b in any_rights(), c in any_rights()
        ) {
            assert_eq!(a.union(b), b.union(a));
            assert_eq!(a.union(b).union(c), a.union(b.union(c)));
            assert_eq!(a.union(a), a);
            assert_eq!(a.union(Rights::ALL), Rights::ALL);
        }

        #[test]
        fn a_union_allows_what_one_of_both_allows(
            a in any_rights(), b in any_rights(), bytes in 0_usize..5
        ) {
            let both = a.union(b);
            for right in Right::ALL {
                let expected = a.check(right).is_ok() || b.check(right).is_ok();
                assert_eq!(both.check(right).is_ok(), expected);
            }
            let expected = a.check_text(bytes).is_ok() || b.check_text(bytes).is_ok();
            assert_eq!(both.check_text(bytes).is_ok(), expected);
        }
    }

    #[test]
    fn a_text_may_have_as_many_bytes_as_the_limit() {
        let rights = Rights { text_bytes_max: Some(4), ..Rights::ALL };
        assert_eq!(rights.check_text(4), Ok(()));
        assert_eq!(rights.check_text(5), Err(Forbidden::TextTooLong { bytes: 5, max: 4 }));
        let mute = Rights { may_send: false, ..rights };
        assert_eq!(mute.check_text(5), Err(Forbidden::RightMissing(Right::Send)));
        assert_eq!(mute.check(Right::List), Ok(()));
    }
}
