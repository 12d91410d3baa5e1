//! Bytes that one message socket must carry.

use crate::epoch_history::EpochHistory;
use crate::model::Attempt;

/// Effect of a line on the member, once its last byte is out.
#[derive(Clone, Copy, Debug)]
enum LineKind {
    Greeting,
    Message(u64),
    Gap { first: u64, last: u64 },
}

/// A message socket.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) acks: bool,
    /// The member may not receive: no further line is begun.
    is_mute: bool,
    /// It was a command socket.
    pub(crate) is_here: bool,
    /// The line under way, and how much of it is out.
    line: String,
    out: usize,
    kind: LineKind,
    /// Numbers up to here are begun, or are not for this member.
    begun: u64,
    /// The last number that the member can have seen the end of.
    pub(crate) received: u64,
    reported: Vec<(u64, u64)>,
    /// The highest number that went out, even in part.
    pub(crate) shown: u64,
}

impl Stream {
    pub(crate) fn new(attempt: &Attempt, hello: Option<String>, acked: u64) -> Self {
        let Attempt { acks, is_here, .. } = *attempt;
        let line = hello.unwrap_or_default();
        let (out, kind, reported) = (0, LineKind::Greeting, Vec::new());
        Self {
            acks,
            is_mute: false,
            is_here,
            line,
            out,
            kind,
            begun: acked,
            received: acked,
            reported,
            shown: 0,
        }
    }

    /// No further line is begun, or the lines after `last` are.
    pub(crate) fn set_mute(&mut self, is_mute: bool, last: u64) {
        if self.is_mute && !is_mute {
            self.starts_after(last);
        }
        self.is_mute = is_mute;
    }

    pub(crate) fn starts_after(&mut self, acked: u64) {
        (self.begun, self.received) = (acked, acked);
    }

    /// Skips numbers that are not for this member: its own, and without `acks=1` the lost ones.
    pub(crate) fn advance(&mut self, life: &EpochHistory, front: u64, who: u32) {
        if self.is_mute {
            return;
        }
        if !self.line.is_empty() {
            self.received = life.skip_own(self.received, who);
            return;
        }
        let (end, gap) = life.pass(self.begun, front, who);
        let is_gap_due = self.acks && gap.is_some();
        self.begun = if is_gap_due { life.skip_own(self.begun, who) } else { end };
        self.received = if is_gap_due { life.skip_own(self.received, who) } else { self.begun };
    }

    /// The line that must come next, if one must.
    fn next(&self, life: &EpochHistory, front: u64, who: u32) -> Option<(String, LineKind)> {
        if self.is_mute {
            return None;
        }
        let (end, gap) = life.pass(self.begun, front, who);
        if let Some([count, first, last]) = gap.filter(|_| self.acks) {
            return Some((format!("gap#{count}#{first}#{last}\n"), LineKind::Gap { first, last }));
        }
        let seq = Some(end + 1).filter(|&seq| seq <= life.released)?;
        Some((life.message(seq).line.clone(), LineKind::Message(seq)))
    }

    pub(crate) fn is_due(&self, life: &EpochHistory, front: u64, who: u32) -> bool {
        !self.line.is_empty() || self.next(life, front, who).is_some()
    }

    /// These bytes went out: they must be what had to come, begun while it was not lost.
    pub(crate) fn wrote(&mut self, bytes: &[u8], life: &EpochHistory, front: u64, who: u32) {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            if self.line.is_empty() {
                let next = self.next(life, front, who);
                let (line, kind) = next.unwrap_or_else(|| {
                    panic!("nothing was due, and {:?} came", String::from_utf8_lossy(bytes))
                });
                (self.line, self.kind, self.out) = (line, kind, 0);
                self.begun = match kind {
                    LineKind::Gap { .. } => life.pass(self.begun, front, who).0,
                    LineKind::Message(seq) => seq,
                    LineKind::Greeting => self.begun,
                };
            }
            if let LineKind::Gap { last: seq, .. } | LineKind::Message(seq) = self.kind {
                self.shown = self.shown.max(seq);
            }
            let due = &self.line.as_bytes()[self.out..];
            let (now, behind) = bytes.split_at(bytes.len().min(due.len()));
            let came = String::from_utf8_lossy(now);
            assert!(due.starts_with(now), "{:?} had to come, not {came:?}", self.line);
            self.out += now.len();
            bytes = behind;
            if self.out == self.line.len() {
                self.finish();
                self.advance(life, front, who);
            }
        }
    }

    fn finish(&mut self) {
        self.line.clear();
        match self.kind {
            LineKind::Greeting => (),
            LineKind::Message(seq) => self.received = seq,
            LineKind::Gap { first, last } => {
                self.received = last;
                self.reported.push((first, last));
            }
        }
    }

    /// Returns the bytes that must be written before the socket is closed: the end of a line that
    /// was begun, and for a member that acknowledges the `bye` line.
    pub(crate) fn closing_bytes(&self, reason: &str) -> String {
        if !self.acks {
            return String::new();
        }
        let begun = String::from_utf8_lossy(self.line.as_bytes().get(self.out..).unwrap_or(b""));
        format!("{begun}bye#{reason}\n")
    }

    /// Returns the number of gaps that were sent.
    pub(crate) fn gaps(&self) -> usize {
        self.reported.len()
    }

    /// Returns true if the member may acknowledge this number.
    pub(crate) fn has_received(&self, seq: u64) -> bool {
        let is_inside = |&(first, last): &(u64, u64)| first <= seq && seq < last;
        self.is_mute || seq <= self.received && !self.reported.iter().any(is_inside)
    }
}
