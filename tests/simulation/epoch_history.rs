//! Messages and registrations of one epoch.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::rc::Rc;

use groupcast::limits::SyncPolicy;

/// Promise that was made when a fact was confirmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    pub(crate) at: u64,
    pub(crate) sync: SyncPolicy,
}

/// End of a coordinator's process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoordinatorEnd {
    pub(crate) at: u64,
    /// The power was lost too.
    pub(crate) by_power: bool,
    /// The last moment before at which the disk failed or was slow.
    pub(crate) troubled_at: u64,
}

/// By how much more than its pause a sync may be late on a disk that does its work.
const SYNC_SLACK_MS: u64 = 5_000;

impl Promise {
    /// Returns true if the fact must have survived this end.
    pub(crate) fn binds(self, end: &CoordinatorEnd) -> bool {
        match self.sync {
            SyncPolicy::Always => true,
            _ if !end.by_power => true,
            SyncPolicy::Every(ms) => self.at.max(end.troubled_at) + ms + SYNC_SLACK_MS < end.at,
            SyncPolicy::Never => false,
        }
    }
}

/// An accepted message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The registration under which it was sent.
    pub(crate) sender: u32,
    /// The number of a `send`.
    pub(crate) number: Option<NonZeroU64>,
    /// Its line was lost before it was written down whose it is: it passes for one of others.
    pub(crate) is_anonymous: bool,
    /// Line that every message socket must carry, LF included.
    pub(crate) line: String,
    pub(crate) accepted: u64,
    pub(crate) promise: Option<Promise>,
    /// It did not survive.
    pub(crate) is_lost: bool,
}

/// One registration of an id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    pub(crate) number: u32,
    /// The last number given out before it.
    pub(crate) after: u64,
    /// The number before the first message that it may get: `after`, or lower if it asked for
    /// messages from before it.
    pub(crate) start: u64,
    /// Up to here it had everything when this life of the numbers began.
    pub(crate) had: u64,
}

/// One life of the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct EpochHistory {
    messages: Vec<Message>,
    /// The last number that may be sent.
    pub(crate) released: u64,
    registrations: BTreeMap<String, Vec<Registration>>,
    /// Number of restores from a copy before this epoch began.
    pub(crate) copies: u32,
    /// The same epoch, before the coordinator was put back: numbers that were given out again.
    before: Vec<Rc<Self>>,
    /// The highest number that each id has named at a reconnect, and that was taken for one of
    /// this life.
    named: BTreeMap<String, u64>,
}

impl EpochHistory {
    pub(crate) fn last(&self) -> u64 {
        self.messages.len() as u64
    }

    pub(crate) fn message(&self, seq: u64) -> &Message {
        &self.messages[usize::try_from(seq - 1).unwrap()]
    }

    pub(crate) fn message_mut(&mut self, seq: u64) -> &mut Message {
        &mut self.messages[usize::try_from(seq - 1).unwrap()]
    }

    /// Numbers above `last` were never given out, as it has turned out.
    pub(crate) fn forget_after(&mut self, last: u64) {
        self.messages.truncate(usize::try_from(last).unwrap());
        self.released = last;
    }

    /// The same messages in another life of the numbers, where nobody has registered.
    pub(crate) fn go_on(&self) -> Self {
        let (registrations, named) = (BTreeMap::new(), BTreeMap::new());
        Self { registrations, named, before: Vec::new(), ..self.clone() }
    }

    /// Replaces another history of the same epoch: this one was in the copy that was put back.
    pub(crate) fn replace(&mut self, mut old: Self, copies: u32) {
        self.before = std::mem::take(&mut old.before);
        self.before.push(Rc::new(old));
        self.named.clear();
        self.copies = copies;
    }

    /// The life of this epoch when the coordinator had been put back so often.
    pub(crate) fn at(&self, copies: u32) -> &Self {
        let before = self.before.iter().map(|life| &**life);
        let mut all = before.chain(std::iter::once(self));
        all.rfind(|life| life.copies <= copies).expect("no life so early")
    }

    /// Up to which number two lives have the same messages.
    pub(crate) fn shared(&self, other: &Self) -> u64 {
        let pairs = self.messages.iter().zip(&other.messages);
        pairs.take_while(|(one, other)| one.line == other.line).count() as u64
    }

    /// A member that came back has named a number that is not above the last one.
    pub(crate) fn record_named(&mut self, id: &str, seq: u64) {
        let named = self.named.entry(id.to_owned()).or_default();
        *named = seq.max(*named);
    }

    pub(crate) fn named(&self, id: &str) -> u64 {
        self.named.get(id).copied().unwrap_or_default()
    }

    /// Makes all messages under the id of a member its own, even if its earlier registrations were
    /// lost.
    pub(crate) fn take_over(&mut self, id: &str, registered_at: u64, number: u32) {
        for seq in registered_at + 1..=self.last() {
            let message = self.message_mut(seq);
            if message.line.split('#').nth(1) == Some(id) {
                message.sender = number;
            }
        }
    }

    /// The cursor of a registration is above lost numbers. Its own numbers below the cursor are
    /// forgotten, as nothing records them any more.
    pub(crate) fn pass_lost(&mut self, who: u32, acked: u64) {
        for seq in 1..=acked {
            let message = self.message_mut(seq);
            message.is_anonymous |= message.is_lost && message.sender == who;
        }
    }

    /// Takes over the own numbers that a recovered registration has above its cursor. Some lost
    /// numbers may be its own, too; no other member sent those.
    pub(crate) fn recognize(&mut self, who: u32, acked: u64, own: &[(u64, u64)]) {
        for seq in acked + 1..=self.last() {
            let is_known = own.iter().any(|(first, last)| (*first..=*last).contains(&seq));
            let message = self.message_mut(seq);
            assert!(!is_known || message.sender == who, "{seq} is not its own: {message:?}");
            if message.sender == who {
                assert!(is_known || message.is_anonymous, "{seq} is its own: {message:?}");
                message.is_anonymous = !is_known;
            }
        }
    }

    /// An id is there, if it is not known yet.
    pub(crate) fn enter(&mut self, id: &str, registration: Registration) {
        let registrations = self.registrations.entry(id.to_owned()).or_default();
        match registrations.last_mut().filter(|last| last.number == registration.number) {
            Some(last) => {
                last.after = last.after.min(registration.after);
                last.start = last.start.min(registration.start);
                last.had = last.had.max(registration.had);
            }
            None => registrations.push(registration),
        }
    }

    /// A registration misses nothing up to here, although it may not have got all of it: its member
    /// was not allowed to receive.
    pub(crate) fn excuse(&mut self, id: &str, number: u32, seq: u64) {
        let registrations = self.registrations.get_mut(id).into_iter().flatten();
        for registration in registrations.filter(|it| it.number == number) {
            registration.had = registration.had.max(seq);
        }
    }

    /// Registrations that came to nothing did not happen.
    pub(crate) fn strike_out(&mut self, id: &str, numbers: &[u32]) {
        if let Some(registrations) = self.registrations.get_mut(id) {
            registrations.retain(|registration| !numbers.contains(&registration.number));
        }
    }

    pub(crate) fn is_gone(&self, seq: u64, front: u64) -> bool {
        seq < front || self.message(seq).is_lost
    }

    /// Returns the end of the numbers right above `acked` that are missing or own, and the gap for
    /// the missing messages of others: their count, the first and the last.
    pub(crate) fn pass(&self, acked: u64, front: u64, who: u32) -> (u64, Option<[u64; 3]>) {
        let mut gap: Option<[u64; 3]> = None;
        let mut end = acked;
        for seq in acked + 1..=self.last() {
            if !self.is_known_own(seq, who) {
                if !self.is_gone(seq, front) {
                    break;
                }
                let [count, first, _] = gap.unwrap_or([0, seq, seq]);
                gap = Some([count + 1, first, seq]);
            }
            end = seq;
        }
        (end, gap)
    }

    /// Messages of others above `acked` that are there.
    pub(crate) fn kept(&self, acked: u64, front: u64, who: u32) -> usize {
        let others = self.others(acked, self.last(), who);
        others.filter(|&seq| !self.is_gone(seq, front)).count()
    }

    /// Time at which the oldest one of these messages was accepted.
    pub(crate) fn oldest(&self, acked: u64, front: u64, who: u32) -> Option<u64> {
        let mut others = self.others(acked, self.last(), who);
        let oldest = others.find(|&seq| !self.is_gone(seq, front));
        oldest.map(|seq| self.message(seq).accepted)
    }

    pub(crate) fn accept(&mut self, message: Message) {
        self.messages.push(message);
    }

    pub(crate) fn register(&mut self, id: &str, registration: Registration) {
        self.registrations.entry(id.to_owned()).or_default().push(registration);
    }

    /// The registration of an id that a number is the business of.
    pub(crate) fn registration(&self, id: &str, seq: u64) -> Option<Registration> {
        let all = self.registrations.get(id)?;
        all.iter().rfind(|registration| registration.start < seq).copied()
    }

    /// Numbers above `after`, up to and including `through`, that a registration did not send.
    pub(crate) fn others(&self, after: u64, through: u64, who: u32) -> impl Iterator<Item = u64> {
        (after + 1..=through.min(self.last())).filter(move |&seq| !self.is_known_own(seq, who))
    }

    fn is_known_own(&self, seq: u64, who: u32) -> bool {
        let message = self.message(seq);
        message.sender == who && !message.is_anonymous
    }

    /// As [`EpochHistory::others`], by the true senders instead of those that the coordinator
    /// knows.
    pub(crate) fn true_others(
        &self,
        after: u64,
        through: u64,
        who: u32,
    ) -> impl Iterator<Item = u64> {
        (after + 1..=through.min(self.last())).filter(move |&seq| self.message(seq).sender != who)
    }

    /// `acked`, moved on over what a registration sent itself.
    pub(crate) fn skip_own(&self, acked: u64, who: u32) -> u64 {
        self.others(acked, self.last(), who).next().map_or(self.last().max(acked), |seq| seq - 1)
    }
}
