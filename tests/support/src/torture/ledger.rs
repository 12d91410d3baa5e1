//! Texts that were sent, their outcomes according to the replies, and the expected message logs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Outcome of a text, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No reply has come: the text is in all logs or in none.
    Unknown,
    /// In an outbox file: the text is in all logs, or will be.
    Queued,
    /// `OK msend` with this number: the text is in all logs.
    Confirmed(u64),
    /// `OK msend duplicate=1`: the text is in all logs.
    Accepted,
    /// `ERR`, or never in the outbox file: the text is in no log.
    Refused,
}

/// All texts and their fates.
#[derive(Debug)]
pub struct Ledger {
    /// Returns true if an actor keeps its texts in an outbox file.
    has_outbox: fn(usize) -> bool,
    fates: BTreeMap<String, Fate>,
    /// Number of texts that each actor has sent.
    counts: BTreeMap<usize, u64>,
    /// Number of texts that were queued.
    queued: usize,
}

/// Result of the whole run.
#[derive(Debug)]
pub struct Verdict {
    texts: usize,
    queued: usize,
    confirmed: usize,
    /// Texts of unknown fate of the actors without an outbox.
    unknown: usize,
    unknown_accepted: usize,
    /// Texts of unknown fate of the actors with an outbox: typed, neither queued nor confirmed.
    untaken: usize,
}

pub fn id(actor: usize) -> String {
    format!("actor{actor}")
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { texts, queued, confirmed, unknown, unknown_accepted, untaken } = self;
        write!(
            f,
            "{texts} texts, {queued} queued in an outbox, {confirmed} confirmed; with an outbox \
             {untaken} neither queued nor confirmed, without {unknown} of unknown fate of which \
             {unknown_accepted} were accepted; 0 lost, 0 doubled, 0 out of order"
        )
    }
}

impl Ledger {
    /// Creates one without texts. `has_outbox` tells the actors that have an outbox file.
    pub fn new(has_outbox: fn(usize) -> bool) -> Self {
        let (fates, counts) = (BTreeMap::new(), BTreeMap::new());
        Self { has_outbox, fates, counts, queued: 0 }
    }

    pub(super) fn has_outbox(&self, actor: usize) -> bool {
        (self.has_outbox)(actor)
    }

    /// A text that was never there, with a checksum over it.
    pub fn write(&mut self, actor: usize) -> String {
        let count = self.counts.entry(actor).or_default();
        *count += 1;
        let filler = "#".repeat(usize::try_from(*count % 90).unwrap());
        let body = format!("{actor} {count} {filler}");
        let text = format!("{body} {:08x}", crc32fast::hash(body.as_bytes()));
        self.fates.insert(text.clone(), Fate::Unknown);
        text
    }

    #[track_caller]
    pub fn settle(&mut self, text: &str, fate: Fate) {
        let known = self.fates.get_mut(text).unwrap();
        *known = match (*known, fate) {
            (Fate::Unknown, _) => {
                self.queued += usize::from(fate == Fate::Queued);
                fate
            }
            (Fate::Queued, Fate::Queued | Fate::Confirmed(_) | Fate::Accepted) => fate,
            // It was confirmed, and the outbox file did not have that yet at a kill.
            (Fate::Confirmed(_) | Fate::Accepted, Fate::Queued | Fate::Accepted) => *known,
            (before, _) => panic!("{before:?}, and now {fate:?}: {text:?}"),
        };
    }

    pub fn is_confirmed(&self, text: &str) -> bool {
        matches!(self.fates.get(text), Some(Fate::Confirmed(_) | Fate::Accepted))
    }

    pub fn is_refused(&self, text: &str) -> bool {
        self.fates.get(text) == Some(&Fate::Refused)
    }

    /// Holds the logs of all actors against what was said to them.
    #[track_caller]
    pub fn check(&self, logs: &[String]) -> Verdict {
        let found: Vec<BTreeMap<u64, String>> =
            logs.iter().enumerate().map(|(actor, log)| self.read(actor, log)).collect();
        // Numbers name the same texts everywhere.
        let mut all: BTreeMap<u64, &String> = BTreeMap::new();
        for (seq, text) in found.iter().flatten() {
            assert_eq!(*all.entry(*seq).or_insert(text), text, "number {seq} twice");
        }
        let texts: BTreeSet<&String> = all.values().copied().collect();
        assert_eq!(texts.len(), all.len(), "a text has two numbers");
        self.check_fates(&all, &texts);
        for (actor, found) in found.iter().enumerate() {
            for (seq, text) in &all {
                let is_own = author(text) == actor;
                assert!(is_own || found.contains_key(seq), "{} lacks {seq} {text:?}", id(actor));
                assert!(!is_own || !found.contains_key(seq), "{} has its own {seq}", id(actor));
            }
        }
        let of_fate = |wanted: Fate| {
            self.fates.iter().filter(move |(_, fate)| **fate == wanted).map(|(text, _)| text)
        };
        let is_without = |text: &&String| !self.has_outbox(author(text));
        let unknown: Vec<&String> = of_fate(Fate::Unknown).filter(is_without).collect();
        Verdict {
            texts: self.fates.len(),
            queued: self.queued,
            confirmed: self.fates.keys().filter(|text| self.is_confirmed(text)).count(),
            unknown: unknown.len(),
            unknown_accepted: unknown.iter().filter(|text| texts.contains(**text)).count(),
            untaken: of_fate(Fate::Unknown).count() - unknown.len(),
        }
    }

    /// Checks that each confirmed text stands under its number, that each queued text stands
    /// somewhere, that no refused text stands anywhere, and that the texts of one actor stand in
    /// the order of sending.
    fn check_fates(&self, all: &BTreeMap<u64, &String>, texts: &BTreeSet<&String>) {
        for (text, fate) in &self.fates {
            match fate {
                Fate::Confirmed(seq) => {
                    assert_eq!(all.get(seq), Some(&text), "confirmed as {seq} and lost");
                }
                Fate::Queued | Fate::Accepted => {
                    assert!(texts.contains(text), "queued and lost: {text:?}");
                }
                Fate::Refused => {
                    assert!(!texts.contains(text), "refused and sent: {text:?}");
                }
                Fate::Unknown => (),
            }
        }
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        for (seq, text) in all {
            let count: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
            let before = last.insert(author(text), count);
            assert!(before.is_none_or(|before| before < count), "out of order: {seq} {text:?}");
        }
    }

    /// The messages in a log, which must be whole, in order, of one epoch and without a gap.
    fn read(&self, actor: usize, log: &str) -> BTreeMap<u64, String> {
        assert!(log.ends_with('\n'), "{}: a torn line at the end", id(actor));
        let is_header = |line: &&str| line.starts_with('#');
        let header: Vec<&str> = log.lines().filter(is_header).collect();
        assert_eq!(header.len(), 3, "{}: one epoch and no gap: {header:?}", id(actor));
        let mut messages = BTreeMap::new();
        let mut last = 0;
        for line in log.lines().filter(|line| !is_header(line)) {
            let fields: Vec<&str> = line.splitn(4, '\t').collect();
            let [seq, _, sender, text] = fields[..] else { panic!("{}: {line:?}", id(actor)) };
            let seq: u64 = seq.parse().unwrap();
            assert!(seq > last, "{}: {seq} stands behind {last}", id(actor));
            last = seq;
            let (body, sum) = text.rsplit_once(' ').unwrap();
            assert_eq!(sum, format!("{:08x}", crc32fast::hash(body.as_bytes())), "{line:?}");
            assert!(self.fates.contains_key(text), "nobody said {text:?}");
            assert_eq!(sender, id(author(text)), "{line:?}");
            messages.insert(seq, text.to_owned());
        }
        messages
    }
}

fn author(text: &str) -> usize {
    text.split(' ').next().unwrap().parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two actors, of whom the second said three texts: confirmed as 1, unknown, refused.
    fn ledger() -> (Ledger, [String; 3]) {
        let mut ledger = Ledger::new(|actor| actor % 2 == 1);
        let texts = [(); 3].map(|()| ledger.write(1));
        ledger.settle(&texts[0], Fate::Confirmed(1));
        ledger.settle(&texts[2], Fate::Refused);
        (ledger, texts)
    }

    fn check(lines: impl Fn(&[String; 3]) -> Vec<(u64, String)>) -> bool {
        let (ledger, texts) = ledger();
        let header = "# id a\n# epoch 00000000000000aa\n# last 0\n".to_owned();
        let messages: String = lines(&texts)
            .into_iter()
            .map(|(seq, text)| format!("{seq}\t2026-11-22T10:05:00.123Z\tactor1\t{text}\n"))
            .collect();
        let logs = [format!("{header}{messages}"), header];
        std::panic::catch_unwind(|| ledger.check(&logs)).is_ok()
    }

    #[test]
    fn a_queued_text_must_arrive_and_is_confirmed_once() {
        let queued = |more: &[Fate]| {
            let mut ledger = Ledger::new(|actor| actor % 2 == 1);
            let text = ledger.write(1);
            ledger.settle(&text, Fate::Queued);
            more.iter().for_each(|fate| ledger.settle(&text, *fate));
            let header = "# id a\n# epoch 00000000000000aa\n# last 0\n".to_owned();
            let line = format!("1\t2026-11-22T10:05:00.123Z\tactor1\t{text}\n");
            ledger.check(&[format!("{header}{line}"), header.clone()]);
            assert!(std::panic::catch_unwind(|| ledger.check(&[header.clone(), header])).is_err());
        };
        let is_taken = |more: &[Fate]| std::panic::catch_unwind(|| queued(more)).is_ok();
        assert!(is_taken(&[]));
        assert!(is_taken(&[Fate::Confirmed(1), Fate::Queued, Fate::Accepted]));
        assert!(is_taken(&[Fate::Queued, Fate::Accepted, Fate::Accepted]));
        assert!(!is_taken(&[Fate::Confirmed(1), Fate::Confirmed(2)]), "accepted twice");
        assert!(!is_taken(&[Fate::Refused]));
    }

    #[test]
    fn the_ledger_takes_what_may_be_and_nothing_else() {
        assert!(check(|[one, ..]| vec![(1, one.clone())]));
        assert!(check(|[one, two, _]| vec![(1, one.clone()), (2, two.clone())]));
        assert!(check(|[one, two, _]| vec![(1, one.clone()), (7, two.clone())]));
        assert!(!check(|_| vec![]), "lost");
        assert!(!check(|[one, ..]| vec![(2, one.clone())]), "another number");
        assert!(!check(|[one, ..]| vec![(1, one.clone()), (1, one.clone())]), "doubled");
        assert!(!check(|[one, ..]| vec![(1, one.clone()), (2, one.clone())]), "doubled");
        assert!(!check(|[one, _, three]| vec![(1, one.clone()), (2, three.clone())]), "refused");
        assert!(!check(|[one, two, _]| vec![(2, two.clone()), (1, one.clone())]), "order");
        assert!(!check(|[one, ..]| vec![(1, one.replace('1', "2"))]), "altered");
    }
}
