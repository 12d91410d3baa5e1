//! Verifies what a member gets: every text of every other publisher, once, in the one order.
//!
//! ```text
//!   delivery ─► Reader: the next number of its publisher? ─► lost, doubled, out of order
//!                 └───► Ledger: the seq that others saw for this text? ─► out of order
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};

use crate::texts::Texts;
use crate::wire::decimal;

/// Messages that were wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) out_of_order: u64,
}

impl Faults {
    pub(super) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
    }

    pub(super) fn sum(self) -> u64 {
        self.lost + self.doubled + self.out_of_order
    }
}

/// The seq of each text, as the first one says that sees the text. All others must see the same.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Seqs of the texts of each publisher. 0 is unknown.
    seqs: Vec<Vec<AtomicU64>>,
}

impl Ledger {
    pub(super) fn new(publishers: usize, texts: u64) -> Self {
        let unknown = || (0..texts).map(|_| AtomicU64::new(0)).collect();
        Self { seqs: (0..publishers).map(|_| unknown()).collect() }
    }

    /// Returns false if somebody saw another seq for the text.
    pub(super) fn agrees(&self, publisher: usize, number: u64, seq: u64) -> bool {
        let texts = self.seqs.get(publisher);
        let Some(known) = texts.and_then(|texts| texts.get(number as usize)) else { return false };
        let first = known.compare_exchange(0, seq, Ordering::Relaxed, Ordering::Relaxed);
        first.is_ok() || first == Err(seq)
    }
}

/// The deliveries of one member, over all of its message sockets.
#[derive(Debug)]
pub(super) struct Reader {
    texts: Texts,
    /// Next number of each publisher.
    next: Vec<u64>,
    /// Highest seq that was read.
    pub(super) seq: u64,
    /// Epoch of the first message socket.
    epoch: Option<String>,
    pub(super) faults: Faults,
}

impl Reader {
    pub(super) fn new(texts: Texts, publishers: usize) -> Self {
        let faults = Faults::default();
        Self { texts, next: vec![0; publishers], seq: 0, epoch: None, faults }
    }

    /// Option of a `reconnect`. `None` before the first message socket.
    pub(super) fn since(&self) -> Option<String> {
        self.epoch.as_ref().map(|epoch| format!(" since={epoch}:{}", self.seq))
    }

    /// A message socket begins. The epoch must stay the same.
    pub(super) fn begin(&mut self, epoch: &str, next: u64) -> Result<()> {
        match &self.epoch {
            None => {
                self.epoch = Some(epoch.to_owned());
                self.seq = next.saturating_sub(1);
            }
            Some(known) => ensure!(known == epoch, "epoch {known} ended, and {epoch} began"),
        }
        Ok(())
    }

    /// Takes a line of the message socket.
    pub(super) fn take(&mut self, line: &[u8], ledger: &Ledger) -> Result<()> {
        let wrong = || format!("a line {:?}", String::from_utf8_lossy(line));
        let mut fields = line.splitn(4, |byte| *byte == b'#');
        let mut field = || fields.next().unwrap_or_default();
        let (first, _, third, text) = (field(), field(), field(), field());
        if first == b"gap" {
            // The numbers of the next texts tell what is lost.
            self.seq = self.seq.max(decimal(text).with_context(wrong)?);
            return Ok(());
        }
        let seq = decimal(first).filter(|_| decimal(third).is_some()).with_context(wrong)?;
        let Some((publisher, number)) = self.texts.parse(text) else { bail!(wrong()) };
        let next = self.next.get_mut(publisher).with_context(wrong)?;
        if number < *next {
            self.faults.doubled += 1;
            return Ok(());
        }
        self.faults.lost += number - *next;
        *next = number + 1;
        if seq <= self.seq || !ledger.agrees(publisher, number, seq) {
            self.faults.out_of_order += 1;
        }
        self.seq = self.seq.max(seq);
        Ok(())
    }

    /// Returns true if everything has come: `texts` texts of each publisher but `own`.
    pub(super) fn has_all(&self, texts: u64, own: Option<usize>) -> bool {
        let mut others = self.next.iter().enumerate().filter(|(index, _)| Some(*index) != own);
        others.all(|(_, next)| *next >= texts)
    }

    /// Counts what did not come as lost.
    pub(super) fn end(mut self, texts: u64, own: Option<usize>) -> Faults {
        let others = self.next.iter().enumerate().filter(|(index, _)| Some(*index) != own);
        self.faults.lost += others.map(|(_, next)| texts.saturating_sub(*next)).sum::<u64>();
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: u64 = 5;

    /// Reads the texts of publisher 0 that have these numbers, and those of publisher 1.
    fn read(ledger: &Ledger, numbers: &[(u64, u64)]) -> Faults {
        let (mut texts, mut reader) = (Texts::new(20), Reader::new(Texts::new(20), 2));
        reader.begin("00ff", 1).unwrap();
        for (seq, number) in numbers {
            let text = String::from_utf8(texts.text(0, *number).to_vec()).unwrap();
            reader.take(format!("{seq}#a#1700000000000#{text}").as_bytes(), ledger).unwrap();
        }
        assert_eq!(reader.has_all(TEXTS, Some(1)), numbers.iter().any(|(_, last)| *last == 4));
        reader.end(TEXTS, Some(1))
    }

    #[test]
    fn lost_doubled_and_swapped_messages_are_counted() {
        let fault = |lost, doubled, out_of_order| Faults { lost, doubled, out_of_order };
        let whole = [(1, 0), (3, 1), (4, 2), (5, 3), (9, 4)];
        for (numbers, expected) in [
            (&whole[..], fault(0, 0, 0)),
            (&whole[..4], fault(1, 0, 0)),
            (&[(1, 0), (3, 1), (5, 3), (9, 4)], fault(1, 0, 0)),
            (&[(1, 0), (3, 1), (4, 2), (4, 2), (5, 3), (9, 4)], fault(0, 1, 0)),
            (&[(1, 0), (3, 1), (4, 2), (6, 2), (5, 3), (9, 4)], fault(0, 1, 0)),
            (&[(1, 0), (3, 1), (5, 3), (4, 2), (9, 4)], fault(1, 1, 0)),
            (&[(1, 0), (4, 1), (3, 2), (5, 3), (9, 4)], fault(0, 0, 1)),
        ] {
            let ledger = Ledger::new(2, TEXTS);
            assert_eq!(read(&ledger, numbers), expected, "{numbers:?}");
        }
    }

    #[test]
    fn two_members_must_see_one_order() {
        let ledger = Ledger::new(2, TEXTS);
        assert_eq!(read(&ledger, &[(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]), Faults::default());
        let other = [(1, 0), (2, 1), (3, 2), (4, 3), (6, 4)];
        assert_eq!(read(&ledger, &other), Faults { out_of_order: 1, ..Faults::default() });
        assert!(ledger.agrees(1, 0, 6) && !ledger.agrees(1, 0, 7) && !ledger.agrees(1, TEXTS, 9));
    }

    #[test]
    fn nonsense_and_a_new_epoch_are_errors() {
        let ledger = Ledger::new(2, TEXTS);
        let mut reader = Reader::new(Texts::new(20), 2);
        assert_eq!(reader.since(), None);
        reader.begin("00ff", 7).unwrap();
        assert_eq!(reader.since().unwrap(), " since=00ff:6");
        for wrong in ["", "7#a#1#nobody sent this", "x#a#1#", "gap#1#2"] {
            assert!(reader.take(wrong.as_bytes(), &ledger).is_err(), "{wrong}");
        }
        reader.take(b"gap#2#7#9", &ledger).unwrap();
        assert_eq!(reader.since().unwrap(), " since=00ff:9");
        reader.begin("00ff", 10).unwrap();
        assert!(reader.begin("00fe", 1).is_err());
    }
}
