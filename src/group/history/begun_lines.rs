//! Lines that sockets have begun. The rest of such a line must be written, even if its message is
//! dropped first, so it is copied. All sockets that have begun the same long line share one copy.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::limits::SHARED_LINE_BYTES_MIN;
use crate::protocol::Seq;

/// A copy of a whole line.
pub(in crate::group) type LineCopy = Rc<Vec<u8>>;

/// The copies of long lines, as long as a socket needs them.
#[derive(Debug, Default)]
pub(in crate::group) struct BegunLines {
    copies: BTreeMap<Seq, Weak<Vec<u8>>>,
    /// Number of copies above which those that no socket needs are forgotten.
    forget_above: usize,
}

impl BegunLines {
    /// Returns a copy of the line of a message.
    pub(in crate::group) fn copy(&mut self, seq: Seq, line: &[u8]) -> LineCopy {
        if line.len() < SHARED_LINE_BYTES_MIN {
            return Rc::new(line.to_vec());
        }
        if let Some(copy) = self.copies.get(&seq).and_then(Weak::upgrade) {
            return copy;
        }
        if self.copies.len() > self.forget_above {
            self.copies.retain(|_, copy| copy.strong_count() > 0);
            self.forget_above = self.copies.len().saturating_mul(2);
        }
        let copy = Rc::new(line.to_vec());
        self.copies.insert(seq, Rc::downgrade(&copy));
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_share_the_copy_of_a_long_line_and_it_is_forgotten_with_the_last_of_them() {
        let mut lines = BegunLines::default();
        let line = vec![b'x'; SHARED_LINE_BYTES_MIN];
        let (one, two) = (lines.copy(Seq::new(1), &line), lines.copy(Seq::new(1), &line));
        assert!(Rc::ptr_eq(&one, &two));
        let other = lines.copy(Seq::new(2), &line);
        assert!(!Rc::ptr_eq(&one, &other));
        drop((one, two));
        for seq in 3..100 {
            assert_eq!(*lines.copy(Seq::new(seq), &line), line);
        }
        assert!(lines.copies.len() <= 4, "{:?}", lines.copies.keys());
        assert!(Rc::ptr_eq(&other, &lines.copy(Seq::new(2), &line)), "it is needed");
    }

    #[test]
    fn a_short_line_is_copied_for_each_socket() {
        let mut lines = BegunLines::default();
        let copies = [(); 2].map(|()| lines.copy(Seq::new(1), b"short\n"));
        assert!(copies.iter().all(|copy| ***copy == *b"short\n"));
        assert!(lines.copies.is_empty());
    }
}
