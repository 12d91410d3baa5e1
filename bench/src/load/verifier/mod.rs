//! Holds a coordinator to its promise: every message of another member, accepted since a member
//! registered, reaches it once or is counted in one gap, in the one order of all.
//!
//! ```text
//!   send ─────▶ Source: what is on its way ◀───── reply: its number
//!                  │ claim
//!                  ▼
//!   deliver ───▶ Records: whose each number is, its line ───▶ the same bytes for everybody
//!                  │ settle
//!                  ▼
//!               forgotten, once everybody is past it
//! ```
//!
//! The usual case costs little and always the same: the line that comes is, byte for byte, the one
//! that another member got next.

pub(super) mod fault;
mod history;
mod publisher;
pub(super) mod receiver;
mod settle;
pub(super) mod stamp;

use memchr::memchr;
use serde::Serialize;

use self::fault::{Fault, Faults, shown};
use self::history::Records;
use self::publisher::Source;
use self::receiver::{Passed, Taker, ToldGap};
use self::stamp::Stamp;

/// Numbers passed over at once that are looked at one by one; more is absurd.
const JUMP_MAX: u64 = 1 << 20;
/// Faults after which there is nothing more to learn.
const FAULTS_MAX: u64 = 1_000;

/// What is promised on this run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// Bytes of each text.
    pub(crate) text_bytes: usize,
    /// Whether losses are told.
    pub(crate) acks: bool,
    /// How long each message must be kept.
    pub(crate) ttl_ns: u64,
    /// Whether messages may be dropped earlier, to make room.
    pub(crate) may_drop: bool,
}

/// What was taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Deliveries.
    pub deliveries: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Messages counted in them.
    pub gap_messages: u64,
    /// Messages not delivered to members that did not ask to be told, where that may be.
    pub untold: u64,
}

/// Sees everything that is sent, answered and delivered.
#[derive(Debug)]
pub(crate) struct Verifier {
    promise: Promise,
    pub(crate) records: Records,
    pub(crate) sources: Vec<Source>,
    pub(crate) takers: Vec<Taker>,
    pub(crate) taken: Taken,
    faults: Faults,
}

impl Verifier {
    /// Members `ids`, by index, who registered when the number to come was that beside them.
    #[must_use]
    pub(crate) fn new(promise: Promise, ids: Vec<(String, u64)>) -> Self {
        let base = ids.iter().map(|(_, first)| *first).min().unwrap_or(1);
        let sources = ids.iter().map(|_| Source::default()).collect();
        let takers = ids.into_iter().map(|(id, first)| Taker::new(id, first)).collect();
        let (taken, faults) = (Taken::default(), Faults::default());
        Self { promise, records: Records::new(base), sources, takers, taken, faults }
    }

    /// How many members there are.
    pub(crate) fn members(&self) -> usize {
        self.takers.len()
    }

    /// What went wrong so far.
    #[must_use]
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What was taken so far.
    #[must_use]
    pub(crate) fn taken(&self) -> Taken {
        self.taken
    }

    /// Whether so much is wrong that there is no point in going on.
    #[must_use]
    pub(crate) fn is_hopeless(&self) -> bool {
        self.faults.count() > FAULTS_MAX
    }

    /// The highest number that `member` has taken: what it names with `since`.
    #[must_use]
    pub(crate) fn place(&self, member: usize) -> u64 {
        self.takers.get(member).map_or(0, |taker| taker.next - 1)
    }

    /// Takes down a fault that was found elsewhere.
    pub(crate) fn fault(&mut self, member: usize, fault: &Fault) {
        let who = self.takers.get(member).map_or("the run", |taker| taker.id.as_str());
        self.faults.add(who, fault);
    }

    /// The stamp of the next text that `member` sends.
    pub(crate) fn send(&mut self, member: usize, due_ns: u64) -> Option<Stamp> {
        Some(self.sources.get_mut(member)?.send(member, due_ns))
    }

    /// The oldest unanswered text of `member` was accepted as `seq`.
    pub(crate) fn accepted(&mut self, member: usize, seq: u64) {
        let answered = self.sources.get_mut(member).and_then(|source| source.answered(member));
        let Some((told, origin)) = answered else {
            return self.fault(member, &Fault::Reply { line: format!("OK msend seq={seq}") });
        };
        // A message that was delivered before its reply came may be forgotten by now.
        let is_right = match (told, self.records.reach(seq)) {
            (Some(told), _) => told == seq,
            (None, Some(record)) => *record.origin.get_or_insert(origin) == origin,
            (None, None) => false, // Everybody is past it, or it is far above what there can be.
        };
        if !is_right {
            self.fault(member, &Fault::Number { seq });
        }
    }

    /// The oldest unanswered text of `member` was not accepted, as `line` says.
    pub(crate) fn refused(&mut self, member: usize, line: &[u8]) {
        let answered = self.sources.get_mut(member).and_then(|source| source.answered(member));
        if answered.is_none_or(|(told, _)| told.is_some()) {
            self.fault(member, &Fault::Reply { line: shown(line) });
        }
    }

    /// The command socket of `member` is gone.
    pub(crate) fn broken(&mut self, member: usize) {
        if let Some(source) = self.sources.get_mut(member) {
            source.broken();
        }
    }

    /// `member` has come back.
    pub(crate) fn is_back(&mut self, member: usize) {
        if let Some(taker) = self.takers.get_mut(member) {
            taker.is_back = true;
        }
    }

    /// Takes whole lines of a message socket; `delivered` gets when each message was due.
    pub(crate) fn take(
        &mut self,
        member: usize,
        run: &[u8],
        now_ns: u64,
        delivered: &mut impl FnMut(u64),
    ) {
        let mut rest = run;
        while !rest.is_empty() {
            rest = self.take_known(member, rest, delivered);
            let Some(end) = memchr(b'\n', rest) else { return };
            let (line, behind) = rest.split_at(end + 1);
            self.take_line(member, line, now_ns, delivered);
            rest = behind;
        }
    }

    /// Passes over the lines that another member got before; what is left.
    fn take_known<'a>(
        &mut self,
        member: usize,
        run: &'a [u8],
        delivered: &mut impl FnMut(u64),
    ) -> &'a [u8] {
        let mut rest = run;
        let Some(taker) = self.takers.get_mut(member) else { return rest };
        while let Some(record) = self.records.get_mut(taker.next) {
            let Some(origin) = record.origin else { break };
            if origin.stamp.publisher != member {
                if record.line.is_empty() {
                    break;
                }
                let Some(behind) = rest.strip_prefix(&*record.line) else { break };
                rest = behind;
                record.taken += 1;
                self.taken.deliveries += 1;
                taker.is_back = false;
                delivered(origin.stamp.due_ns);
            }
            taker.next += 1;
        }
        rest
    }

    fn take_line(
        &mut self,
        member: usize,
        line: &[u8],
        now_ns: u64,
        delivered: &mut impl FnMut(u64),
    ) {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        if bare.starts_with(b"bye#") {
            return; // The end comes right behind it, and is judged there.
        }
        if let Some(gap) = ToldGap::parse(bare, now_ns) {
            return self.take_gap(member, gap);
        }
        let mut fields = bare.splitn(4, |&byte| byte == b'#');
        let seq = fields.next().and_then(|seq| std::str::from_utf8(seq).ok()?.parse().ok());
        let (sender, unix_ms, text) = (fields.next(), fields.next(), fields.next());
        let is_time = unix_ms.is_some_and(|ms| !ms.is_empty() && ms.iter().all(u8::is_ascii_digit));
        match (seq, sender, text) {
            (Some(seq), Some(sender), Some(text)) if is_time => {
                if let Some(due_ns) = self.deliver(member, seq, sender, text, line, now_ns) {
                    delivered(due_ns);
                }
            }
            _ => self.fault(member, &Fault::Malformed { line: shown(line) }),
        }
    }

    /// One delivery, wherever it was read; when it was due, if it is one that had to come. An empty
    /// `line` is not compared with what others got.
    pub(crate) fn deliver(
        &mut self,
        member: usize,
        seq: u64,
        sender: &[u8],
        text: &[u8],
        line: &[u8],
        now_ns: u64,
    ) -> Option<u64> {
        let altered =
            Fault::Altered { seq, line: shown(if line.is_empty() { text } else { line }) };
        let stamp = Stamp::parse(text, self.promise.text_bytes);
        let publisher = stamp.and_then(|stamp| self.takers.get(stamp.publisher));
        let is_whole = publisher.is_some_and(|publisher| publisher.id.as_bytes() == sender);
        if is_whole && stamp.is_some_and(|stamp| stamp.publisher == member) {
            self.fault(member, &Fault::Own { seq });
            return None;
        }
        if !self.advance(member, seq, now_ns) {
            return None;
        }
        let Some(stamp) = stamp.filter(|_| is_whole) else {
            self.fault(member, &altered);
            return None;
        };
        let known = self.records.get(seq).and_then(|record| record.origin);
        let origin = match known {
            Some(origin) => Some(origin).filter(|origin| origin.stamp == stamp),
            None => self.sources.get_mut(stamp.publisher)?.claim(stamp, seq),
        };
        let record = self.records.get_mut(seq)?;
        record.taken += 1;
        if record.line.is_empty() {
            record.line = line.into();
        }
        if origin.is_none() || !line.is_empty() && *record.line != *line {
            self.fault(member, &altered);
            return None;
        }
        record.origin = origin;
        self.taken.deliveries += 1;
        Some(stamp.due_ns)
    }

    /// Has `member` stand behind `seq`; whether that is where it may go.
    fn advance(&mut self, member: usize, seq: u64, now_ns: u64) -> bool {
        let Some(taker) = self.takers.get_mut(member) else { return false };
        let next = taker.next;
        if seq < next {
            let fault = if seq < taker.first {
                Fault::TooEarly { seq }
            } else if taker.passed.remove(&seq).is_some() {
                Fault::Reordered { seq, next }
            } else {
                Fault::Doubled { seq }
            };
            self.fault(member, &fault);
            return false;
        }
        if seq - next > JUMP_MAX || self.records.reach(seq).is_none() {
            self.fault(member, &Fault::Number { seq });
            return false;
        }
        self.pass_over(member, seq, now_ns);
        if let Some(taker) = self.takers.get_mut(member) {
            taker.next = seq + 1;
            taker.is_back = false;
        }
        true
    }

    /// Notes what `member` did not get below `end`, if it is not its own.
    pub(crate) fn pass_over(&mut self, member: usize, end: u64, at_ns: u64) {
        let Some(taker) = self.takers.get_mut(member) else { return };
        let is_after_break = taker.is_back && !self.promise.acks;
        for seq in taker.next..end {
            if !self.records.get(seq).is_some_and(|record| record.is_of(member)) {
                taker.passed.insert(seq, Passed { at_ns, is_after_break });
            }
        }
        taker.next = taker.next.max(end);
    }

    pub(crate) fn take_gap(&mut self, member: usize, gap: ToldGap) {
        let next = self.takers.get(member).map_or(0, |taker| taker.next);
        let line = gap.line();
        let why = if !self.promise.acks {
            "told to a member that did not ask for it"
        } else if gap.last < gap.first || gap.count == 0 || gap.count > gap.last - gap.first + 1 {
            "not so many numbers from first to last"
        } else if gap.first < next {
            "told of what was delivered, or told lost, before"
        } else if gap.last - next > JUMP_MAX || self.records.reach(gap.last).is_none() {
            "there are no such numbers"
        } else {
            self.pass_over(member, gap.first, gap.at_ns);
            self.records.count_taken(gap.first, gap.last);
            self.taken.gaps += 1;
            self.taken.gap_messages += gap.count;
            if let Some(taker) = self.takers.get_mut(member) {
                taker.next = gap.last + 1;
                taker.gaps.push(gap);
            }
            return;
        };
        self.fault(member, &Fault::Gap { line, why: why.to_owned() });
    }

    pub(crate) fn promise(&self) -> Promise {
        self.promise
    }
}

#[cfg(test)]
mod tests;
