//! What was said in one life of the numbers, and who was there to hear it.

use std::collections::BTreeMap;

use groupcast::protocol::Epoch;

/// An accepted message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The registration under which it was sent.
    pub(crate) sender: u32,
    /// As it must stand on every message socket, LF included.
    pub(crate) line: String,
    pub(crate) accepted: u64,
}

/// One registration of an id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    pub(crate) number: u32,
    /// The last number given out before it.
    pub(crate) after: u64,
}

/// One life of the numbers.
#[derive(Debug, Default)]
pub(crate) struct Life {
    messages: Vec<Message>,
    registrations: BTreeMap<String, Vec<Registration>>,
}

impl Life {
    pub(crate) fn last(&self) -> u64 {
        self.messages.len() as u64
    }

    pub(crate) fn message(&self, seq: u64) -> &Message {
        &self.messages[usize::try_from(seq - 1).unwrap()]
    }

    pub(crate) fn accept(&mut self, message: Message) {
        self.messages.push(message);
    }

    pub(crate) fn register(&mut self, id: &str, number: u32) {
        let registration = Registration { number, after: self.last() };
        self.registrations.entry(id.to_owned()).or_default().push(registration);
    }

    /// The registration of an id that a number is the business of.
    fn registration(&self, id: &str, seq: u64) -> Option<Registration> {
        let all = self.registrations.get(id)?;
        all.iter().rfind(|registration| registration.after < seq).copied()
    }

    /// Numbers above `after`, up to and including `through`, that a registration did not send.
    pub(crate) fn others(&self, after: u64, through: u64, who: u32) -> impl Iterator<Item = u64> {
        (after + 1..=through.min(self.last())).filter(move |&seq| self.message(seq).sender != who)
    }

    /// `place`, moved on over what a registration sent itself.
    pub(crate) fn skip_own(&self, place: u64, who: u32) -> u64 {
        self.others(place, self.last(), who).next().map_or(self.last().max(place), |seq| seq - 1)
    }
}

/// What one id has taken, held to what it is promised: everything of others since it registered
/// comes once, or is counted once.
#[derive(Debug)]
pub(crate) struct Ledger {
    id: String,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) last: u64,
}

impl Ledger {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.to_owned(), epoch: None, last: 0 }
    }

    pub(crate) fn begin(&mut self, epoch: Epoch) {
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            self.last = 0;
        }
    }

    /// The registration that a number belongs to, and the number above which nothing was taken.
    fn base(&self, life: &Life, seq: u64) -> (u32, u64) {
        let registration = life.registration(&self.id, seq);
        let registration = registration.unwrap_or_else(|| panic!("{}: {seq} before", self.id));
        (registration.number, registration.after.max(self.last))
    }

    /// A message was taken, that was not taken before.
    pub(crate) fn take(&mut self, life: &Life, seq: u64, line: &str) {
        let Self { id, last, .. } = self;
        assert!(seq > *last, "{id}: {seq} after {last}: twice, or out of order");
        assert!(seq <= life.last(), "{id}: {seq} was never given out");
        assert_eq!(line, life.message(seq).line.trim_end_matches('\n'), "{id}: not what was sent");
        let (who, base) = self.base(life, seq);
        assert_ne!(life.message(seq).sender, who, "{}: its own message {seq}", self.id);
        let hole = life.others(base, seq - 1, who).next();
        assert_eq!(hole, None, "{}: neither delivered nor counted before {seq}", self.id);
        self.last = seq;
    }

    /// A gap was taken. One that repeats what was taken may do so only where `may_repeat`.
    pub(crate) fn take_gap(
        &mut self,
        life: &Life,
        [count, first, last]: [u64; 3],
        may_repeat: bool,
    ) {
        let id = &self.id;
        assert!(last <= life.last(), "{id}: a gap of what was never given out");
        if may_repeat && last <= self.last {
            return;
        }
        let (who, base) = self.base(life, last);
        let lost: Vec<u64> = life.others(first - 1, last, who).collect();
        assert_eq!(lost.len() as u64, count, "{id}: gap {count} {first} {last} counts {lost:?}");
        assert_eq!(lost.first(), Some(&first), "{id}: gap {count} {first} {last}");
        assert_eq!(lost.last(), Some(&last), "{id}: gap {count} {first} {last}");
        let due = life.others(base, last, who).next();
        let is_next = due == Some(first) || may_repeat && due.is_some_and(|due| first <= due);
        assert!(is_next, "{id}: gap {count} {first} {last} after {base}, where {due:?} is next");
        self.last = last;
    }

    /// Nothing is left that should have come.
    pub(crate) fn is_complete(&self, life: &Life) -> bool {
        let (who, base) = match life.registration(&self.id, life.last() + 1) {
            Some(registration) => (registration.number, registration.after.max(self.last)),
            None => return false,
        };
        life.others(base, life.last(), who).next().is_none()
    }
}
