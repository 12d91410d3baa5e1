//! Verifies what a coordinator guarantees: every message of another member that was accepted after
//! a member's registration reaches the member once or is counted in one gap, in one common order.
//!
//! ```text
//!   send ─────▶ Publisher: texts without a number ◀───── reply: number
//!                  │ claim
//!                  ▼
//!   delivery ──▶ History: origin and line of each number ───▶ the same bytes for every member
//!                  │ settle
//!                  ▼
//!               forgotten once every member has the message
//! ```
//!
//! The usual case is cheap: the line is, byte for byte, the next one that another member received.

pub(super) mod fault;
mod history;
mod publisher;
pub(super) mod receiver;
mod settle;
pub(super) mod stamp;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use memchr::memchr;
use serde::Serialize;

use self::fault::{Faults, excerpt, malformed, unexpected};
use self::history::History;
use self::publisher::Publisher;
use self::receiver::{Gap, Receiver, Skipped};
use self::stamp::Stamp;

/// Most numbers that a delivery or a gap may skip; a larger jump is a fault by itself.
const JUMP_MAX: u64 = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub(super) struct Guarantees {
    /// Bytes of each text.
    pub(super) text_bytes: usize,
    /// Members acknowledge, and the coordinator reports gaps.
    pub(super) acks: bool,
    /// Nanoseconds that each message lives.
    pub(super) ttl_ns: u64,
    /// The coordinator may drop messages earlier to make room.
    pub(super) may_drop: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Received {
    pub(super) deliveries: u64,
    pub(super) gaps: u64,
    /// Messages counted in gaps.
    pub(super) gap_messages: u64,
    /// Messages missing at members without acks, where that is allowed.
    pub(super) unreported: u64,
}

/// Checks every text that is sent, every reply and every delivery.
#[derive(Debug)]
pub(super) struct Verifier {
    guarantees: Guarantees,
    history: History,
    publishers: Vec<Publisher>,
    receivers: Vec<Receiver>,
    /// Due times of deliveries on message sockets, for the recorder to take.
    pub(super) due_ns: Vec<u64>,
    pub(super) received: Received,
    pub(super) faults: Faults,
}

impl Verifier {
    /// Verifies `members`: the id of each, and its first number after the registration.
    pub(super) fn new(guarantees: Guarantees, members: Vec<(String, u64)>) -> Self {
        let base = members.iter().map(|(_, first)| *first).min().unwrap_or(1);
        Self {
            guarantees,
            history: History::new(base),
            publishers: members.iter().map(|_| Publisher::default()).collect(),
            receivers: members.into_iter().map(|(id, first)| Receiver::new(id, first)).collect(),
            due_ns: Vec::new(),
            received: Received::default(),
            faults: Faults::default(),
        }
    }

    /// Cursor of `member`: last number that it received, skipped or sent.
    pub(super) fn acked(&self, member: usize) -> u64 {
        self.receivers.get(member).map_or(0, |receiver| receiver.next - 1)
    }

    /// Number after the highest known one.
    pub(super) fn end(&self) -> u64 {
        self.history.end()
    }

    pub(super) fn fault(&mut self, member: usize, fault: impl Display) {
        let id = self.receivers.get(member).map_or("the run", |receiver| receiver.id.as_str());
        self.faults.add(id, fault);
    }

    /// Returns the stamp of the next text of `member`.
    pub(super) fn send(&mut self, member: usize, due_ns: u64) -> Option<Stamp> {
        Some(self.publishers.get_mut(member)?.send(member, due_ns))
    }

    /// The oldest unanswered text of `member` was accepted as `seq`.
    pub(super) fn on_accepted(&mut self, member: usize, seq: u64) {
        let answered = self.publishers.get_mut(member).and_then(Publisher::on_reply);
        let Some((delivered_as, origin)) = answered else {
            return self.fault(member, format_args!("unexpected reply: \"OK msend seq={seq}\""));
        };
        // A message that was delivered before its reply came may be forgotten by now.
        let is_right = match (delivered_as, self.history.reach(seq)) {
            (Some(delivered_as), _) => delivered_as == seq,
            (None, Some(message)) => *message.origin.get_or_insert(origin) == origin,
            (None, None) => false, // Forgotten, or absurdly high.
        };
        if !is_right {
            self.fault(member, duplicate(seq));
        }
    }

    /// The oldest unanswered text of `member` was refused with `line`.
    pub(super) fn on_refused(&mut self, member: usize, line: &[u8]) {
        let answered = self.publishers.get_mut(member).and_then(Publisher::on_reply);
        if answered.is_none_or(|(delivered_as, _)| delivered_as.is_some()) {
            self.fault(member, unexpected(line));
        }
    }

    pub(super) fn on_connection_lost(&mut self, member: usize) {
        if let Some(publisher) = self.publishers.get_mut(member) {
            publisher.on_connection_lost();
        }
    }

    pub(super) fn on_reconnected(&mut self, member: usize) {
        if let Some(receiver) = self.receivers.get_mut(member) {
            receiver.has_reconnected = true;
        }
    }

    /// Checks whole lines of a message socket.
    pub(super) fn on_lines(&mut self, member: usize, run: &[u8], now_ns: u64) {
        let mut tail = run;
        while !tail.is_empty() {
            tail = self.match_known(member, tail);
            let Some(end) = memchr(b'\n', tail) else { return };
            let (line, behind) = tail.split_at(end + 1);
            self.on_line(member, line, now_ns);
            tail = behind;
        }
    }

    /// Matches lines that another member received before; returns the bytes that remain.
    fn match_known<'a>(&mut self, member: usize, run: &'a [u8]) -> &'a [u8] {
        let mut tail = run;
        let Some(receiver) = self.receivers.get_mut(member) else { return tail };
        while let Some(message) = self.history.get_mut(receiver.next) {
            let Some(origin) = message.origin else { break };
            if origin.stamp.publisher != member {
                if message.line.is_empty() {
                    break;
                }
                let Some(behind) = tail.strip_prefix(&*message.line) else { break };
                tail = behind;
                message.receivers += 1;
                self.received.deliveries += 1;
                receiver.has_reconnected = false;
                self.due_ns.push(origin.stamp.due_ns);
            }
            receiver.next += 1;
        }
        tail
    }

    fn on_line(&mut self, member: usize, line: &[u8], now_ns: u64) {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        if bare.starts_with(b"bye#") {
            return; // The connection ends next, and its end is checked there.
        }
        if let Some(gap) = Gap::parse(bare, now_ns) {
            return self.on_gap(member, gap);
        }
        let mut fields = bare.splitn(4, |&byte| byte == b'#');
        let seq = fields.next().and_then(|seq| std::str::from_utf8(seq).ok()?.parse().ok());
        let (sender, unix_ms, text) = (fields.next(), fields.next(), fields.next());
        let is_time = unix_ms.is_some_and(|ms| !ms.is_empty() && ms.iter().all(u8::is_ascii_digit));
        match (seq, sender, text) {
            (Some(seq), Some(sender), Some(text)) if is_time => {
                let due_ns = self.on_message(member, seq, (sender, text), line, now_ns);
                self.due_ns.extend(due_ns);
            }
            _ => self.fault(member, malformed(line)),
        }
    }

    /// Checks one delivery; returns its due time if the delivery is right. An empty `line` is not
    /// compared with the lines of other members.
    pub(super) fn on_message(
        &mut self,
        member: usize,
        seq: u64,
        (sender, text): (&[u8], &[u8]),
        line: &[u8],
        now_ns: u64,
    ) -> Option<u64> {
        let stamp = Stamp::parse(text, self.guarantees.text_bytes).filter(|stamp| {
            let publisher = self.receivers.get(stamp.publisher);
            publisher.is_some_and(|publisher| publisher.id.as_bytes() == sender)
        });
        if stamp.is_some_and(|stamp| stamp.publisher == member) {
            self.fault(member, format_args!("message {seq} was delivered to its publisher"));
            return None;
        }
        if !self.advance(member, seq, now_ns) {
            return None;
        }
        let altered = || {
            let line = excerpt(if line.is_empty() { text } else { line });
            format!("message {seq} differs from what was sent or others received: {line:?}")
        };
        let Some(stamp) = stamp else {
            self.fault(member, altered());
            return None;
        };
        let origin = match self.history.get(seq).and_then(|message| message.origin) {
            Some(origin) => Some(origin).filter(|origin| origin.stamp == stamp),
            None => self.publishers.get_mut(stamp.publisher)?.claim(stamp, seq),
        };
        let message = self.history.get_mut(seq)?;
        message.receivers += 1;
        if message.line.is_empty() {
            message.line = line.into();
        }
        if origin.is_none() || !line.is_empty() && *message.line != *line {
            self.fault(member, altered());
            return None;
        }
        message.origin = origin;
        self.received.deliveries += 1;
        Some(stamp.due_ns)
    }

    /// Moves `member` behind `seq`; returns false, after a fault, if it must not move there.
    fn advance(&mut self, member: usize, seq: u64, now_ns: u64) -> bool {
        let Some(receiver) = self.receivers.get_mut(member) else { return false };
        let next = receiver.next;
        let fault = if seq < receiver.first {
            format!("message {seq} is from before the registration")
        } else if seq < next && receiver.skipped.remove(&seq).is_some() {
            format!("message {seq} is out of order: it came after message {}", next - 1)
        } else if seq < next {
            format!("message {seq} was delivered or reported lost twice")
        } else if seq - next > JUMP_MAX || self.history.reach(seq).is_none() {
            duplicate(seq)
        } else {
            self.skip_to(member, seq, now_ns);
            if let Some(receiver) = self.receivers.get_mut(member) {
                receiver.next = seq + 1;
                receiver.has_reconnected = false;
            }
            return true;
        };
        self.fault(member, fault);
        false
    }

    /// Moves `member` to `end`, and remembers the numbers that are not known to be its own.
    fn skip_to(&mut self, member: usize, end: u64, at_ns: u64) {
        let Some(receiver) = self.receivers.get_mut(member) else { return };
        let is_after_reconnect = receiver.has_reconnected && !self.guarantees.acks;
        for seq in receiver.next..end {
            if !self.history.get(seq).is_some_and(|message| message.is_of(member)) {
                receiver.skipped.insert(seq, Skipped { at_ns, is_after_reconnect });
            }
        }
        receiver.next = receiver.next.max(end);
    }

    pub(super) fn on_gap(&mut self, member: usize, gap: Gap) {
        let Some(next) = self.receivers.get(member).map(|receiver| receiver.next) else { return };
        let why = if !self.guarantees.acks {
            "reported to a member without acks"
        } else if gap.last < gap.first || gap.count == 0 || gap.count > gap.last - gap.first + 1 {
            "its count does not fit its range"
        } else if gap.first < next {
            "its range was delivered or reported lost before"
        } else if gap.last - next > JUMP_MAX || self.history.reach(gap.last).is_none() {
            "its range is far above all known numbers"
        } else {
            self.skip_to(member, gap.first, gap.at_ns);
            for seq in gap.first..=gap.last {
                if let Some(message) = self.history.get_mut(seq) {
                    message.receivers += 1;
                }
            }
            self.received.gaps += 1;
            self.received.gap_messages += gap.count;
            if let Some(receiver) = self.receivers.get_mut(member) {
                receiver.next = gap.last + 1;
                receiver.gaps.push(gap);
            }
            return;
        };
        self.fault(member, gap.fault(why));
    }
}

fn duplicate(seq: u64) -> String {
    format!("number {seq} was given to two messages, or one message has two numbers")
}
