//! The outbound half of a message socket: the next bytes to write, and the position reached.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::block::LineAt;
use super::history::{BegunLines, History, HistorySlice, HistorySlices, LineCopy};
use super::ranges::SeqRanges;
use crate::limits::{RUN_BYTES_MAX, RUN_SLICES_MAX, SENT_GAPS_MAX};
use crate::protocol::{Bye, Gap, MessageLine, Seq};

/// Position of a message socket in the history, with the lines that are not in the history.
///
/// ```text
///   sent      partial     gap    position
///    │   ┌──────┴───────┐┌─┴──┐      │
///  ──●───│ line (begun) ││lost│──────●──── history ──►
/// ```
///
/// `sent` is the last seq whose bytes the operating system took. `position` is the seq after which
/// the history continues. The two differ only while a partial line or a gap is due.
#[derive(Debug)]
pub(super) struct Outbound {
    /// True if the member sends acks, and gets `gap` and `bye` lines.
    pub(super) acks: bool,
    partial: Option<Box<PartialLine>>,
    gap: Option<Box<PendingGap>>,
    position: Seq,
    sent: Seq,
    /// Gaps sent and not yet acknowledged. A seq inside such a gap cannot be acknowledged.
    sent_gaps: VecDeque<Gap>,
}

/// A line that the socket took in part. The line must be finished, even if its message expires.
#[derive(Debug)]
struct PartialLine {
    bytes: LineCopy,
    written: usize,
    kind: LineKind,
}

/// Meaning of a partial line, once its last byte is written.
#[derive(Clone, Copy, Debug)]
enum LineKind {
    Nothing,
    Message(Seq),
    Gap(Gap),
}

/// A gap line of which no byte is written yet. The gap may still grow.
#[derive(Debug)]
struct PendingGap {
    gap: Gap,
    line: Vec<u8>,
}

impl Outbound {
    /// Creates an outbound half that starts after `acked`. A `hello` line goes first.
    pub(super) fn new(acks: bool, hello: Option<MessageLine<'_>>, acked: Seq) -> Self {
        let partial = hello.map(|hello| {
            let bytes = format!("{hello}\n").into_bytes().into();
            Box::new(PartialLine { bytes, written: 0, kind: LineKind::Nothing })
        });
        Self { acks, partial, gap: None, position: acked, sent: acked, sent_gaps: VecDeque::new() }
    }

    /// Returns the last seq that the member can have received completely.
    pub(super) fn sent(&self) -> Seq {
        self.sent
    }

    /// Returns the lowest seq that can come next.
    pub(super) fn next(&self) -> Seq {
        self.position.next()
    }

    /// Sends no more messages: the member may not receive. A begun line is finished.
    pub(super) fn mute(&mut self) {
        self.gap = None;
        self.position = Seq::LAST;
        self.sent = Seq::LAST;
    }

    /// Returns true if no message is sent.
    pub(super) fn is_mute(&self) -> bool {
        self.position == Seq::LAST
    }

    /// Sends the messages after `acked` from here on, if it sent none.
    pub(super) fn unmute(&mut self, acked: Seq) {
        if self.is_mute() {
            self.position = acked;
            self.sent = acked;
        }
    }

    /// Returns the last bytes of a socket that is closed: the rest of a partial line, and a `bye`
    /// line. Empty for a member without acks, which does not know the `bye` line.
    pub(super) fn closing_bytes(&self, bye: Bye) -> Box<[u8]> {
        if !self.acks {
            return Box::default();
        }
        let skipped =
            self.partial.as_ref().and_then(|partial| partial.bytes.get(partial.written..));
        let mut bytes = skipped.unwrap_or_default().to_vec();
        bytes.extend_from_slice(format!("{}\n", MessageLine::Bye(&bye.to_string())).as_bytes());
        bytes.into_boxed_slice()
    }

    /// Returns true if a line that is not in the history is due.
    fn has_begun(&self) -> bool {
        self.partial.is_some() || self.gap.is_some()
    }

    /// Returns true if bytes are due.
    pub(super) fn is_due(&self, history: &History, own: &SeqRanges) -> bool {
        self.has_begun()
            || self.position < history.released()
                && history.slices(self.position, own).next().is_some()
    }

    /// Returns the next bytes, as many as one call should write; `None` if no bytes are due.
    #[inline]
    pub(super) fn run<'a>(&'a self, history: &'a History, own: &'a SeqRanges) -> Option<Run<'a>> {
        let has_begun = self.has_begun();
        if !has_begun && self.position >= history.released() {
            return None; // Most callers have no bytes due.
        }
        let mut rest = history.slices(self.position, own);
        let first = rest.next();
        let begun = has_begun.then_some(self);
        (has_begun || first.is_some()).then_some(Run { begun, first, rest })
    }

    /// Records that `bytes` of the last run are written. Returns the number of messages that are
    /// now complete. [`Outbound::skip_missing`] must follow.
    pub(super) fn wrote(
        &mut self,
        bytes: usize,
        history: &History,
        own: &SeqRanges,
        lines: &mut BegunLines,
    ) -> u64 {
        if !self.has_begun() {
            return self.wrote_history(bytes, history, own, lines);
        }
        let (left, finished) = self.wrote_partial(bytes);
        let left = self.wrote_gap(left);
        self.wrote_history(left, history, own, lines).saturating_add(finished)
    }

    /// Records that the last run is written, which was one slice of whole messages up to `through`.
    /// Returns their number. [`Outbound::skip_missing`] must follow.
    #[inline]
    pub(super) fn wrote_through(&mut self, through: Seq, own: &SeqRanges) -> u64 {
        let deliveries = own.others(self.position, through);
        self.position = through;
        deliveries
    }

    /// Uses up bytes for the partial line. Returns the remaining bytes, and the number of completed
    /// messages.
    fn wrote_partial(&mut self, bytes: usize) -> (usize, u64) {
        let Some(mut partial) = self.partial.take() else { return (bytes, 0) };
        let due = partial.bytes.len().saturating_sub(partial.written);
        let Some(left) = bytes.checked_sub(due) else {
            partial.written = partial.written.saturating_add(bytes);
            self.partial = Some(partial);
            return (0, 0);
        };
        match partial.kind {
            LineKind::Nothing => (left, 0),
            LineKind::Message(seq) => {
                self.sent = seq;
                (left, 1)
            }
            LineKind::Gap(gap) => {
                self.on_gap_sent(gap);
                (left, 0)
            }
        }
    }

    /// Uses up bytes for the due gap line. Returns the remaining bytes.
    fn wrote_gap(&mut self, bytes: usize) -> usize {
        if bytes == 0 {
            return 0; // No byte of the gap line is written: the gap may still grow.
        }
        let Some(due) = self.gap.take() else { return bytes };
        let PendingGap { gap, line } = *due;
        if let Some(left) = bytes.checked_sub(line.len()) {
            self.on_gap_sent(gap);
            return left;
        }
        let kind = LineKind::Gap(gap);
        self.partial = Some(Box::new(PartialLine { bytes: line.into(), written: bytes, kind }));
        0
    }

    /// Moves the position over `bytes` of the history. Returns the number of completed messages.
    fn wrote_history(
        &mut self,
        bytes: usize,
        history: &History,
        own: &SeqRanges,
        lines: &mut BegunLines,
    ) -> u64 {
        let (mut left, mut deliveries) = (bytes, 0_u64);
        let mut slices = history.slices(self.position, own);
        while left > 0
            && let Some(slice) = slices.next()
        {
            let Some(remaining) = left.checked_sub(slice.bytes().len()) else {
                return deliveries.saturating_add(self.wrote_part(slice, left, lines));
            };
            left = remaining;
            self.position = slice.last;
            deliveries = deliveries.saturating_add(slice.messages());
        }
        debug_assert_eq!(left, 0, "no more was written than there is");
        deliveries
    }

    /// Moves the position over a part of a slice: whole lines, and perhaps the start of one.
    fn wrote_part(&mut self, slice: HistorySlice<'_>, bytes: usize, lines: &mut BegunLines) -> u64 {
        let LineAt { seq, line, begun } = slice.line_at(bytes);
        self.sent = seq.before();
        self.position = seq.before();
        if begun > 0 {
            // The line is copied now: the message may be dropped before the socket takes more.
            let (bytes, kind) = (lines.copy(seq, line), LineKind::Message(seq));
            self.partial = Some(Box::new(PartialLine { bytes, written: begun, kind }));
            self.position = seq;
        }
        seq.above(slice.first)
    }

    /// Moves the position over the newest message, which is the member's own.
    #[inline]
    pub(super) fn pass_own(&mut self, seq: Seq, history: &History, own: &SeqRanges) {
        if self.sent.next() == seq && self.position == self.sent {
            self.position = seq;
            self.sent = seq;
        } else {
            self.skip_missing(history, own);
        }
    }

    /// Moves the position over missing messages and the member's own ones. Returns the number of
    /// missing messages of others.
    #[inline]
    pub(super) fn skip_missing(&mut self, history: &History, own: &SeqRanges) -> u64 {
        if own.is_empty() && history.is_whole_after(self.position) {
            if !self.has_begun() {
                self.sent = self.position;
            }
            return 0;
        }
        self.skip_ranges(history, own)
    }

    #[inline(never)]
    fn skip_ranges(&mut self, history: &History, own: &SeqRanges) -> u64 {
        let mut count = 0_u64;
        loop {
            self.position = own.skip(self.position);
            let through = history.missing_after(self.position);
            if through <= self.position {
                break;
            }
            if let Some(lost) = own.gap(self.position, through) {
                count = count.saturating_add(lost.count);
                self.add_gap(lost);
            }
            self.position = through;
        }
        self.sent = if self.has_begun() { own.skip(self.sent) } else { self.position };
        count
    }

    /// Creates a due gap, or extends the one that is due.
    fn add_gap(&mut self, lost: Gap) {
        if self.acks {
            let gap = self.gap.take().map_or(lost, |due| due.gap.joined(lost));
            let line = format!("{gap}\n").into_bytes();
            self.gap = Some(Box::new(PendingGap { gap, line }));
        }
    }

    /// Returns true if the next message is not dropped: the position is not before `front`.
    pub(super) fn reaches(&self, front: Seq) -> bool {
        self.position >= front.before()
    }

    /// Handles an ack. Returns false if this socket was not sent that seq.
    pub(super) fn acknowledge(&mut self, seq: Seq) -> bool {
        if !self.was_sent(seq) {
            return false;
        }
        while self.sent_gaps.front().is_some_and(|gap| gap.last <= seq) {
            self.sent_gaps.pop_front();
        }
        true
    }

    /// Returns true if an ack may name this seq.
    pub(super) fn was_sent(&self, seq: Seq) -> bool {
        let is_inside = |gap: &Gap| gap.first <= seq && seq < gap.last;
        seq <= self.sent && !self.sent_gaps.iter().any(is_inside)
    }

    fn on_gap_sent(&mut self, gap: Gap) {
        self.sent = gap.last;
        if self.sent_gaps.len() == SENT_GAPS_MAX {
            // A seq inside this gap counts as acknowledgeable from now on.
            self.sent_gaps.pop_front();
        }
        self.sent_gaps.push_back(gap);
    }
}

/// The next bytes for a message socket: the begun lines, and lines of the history.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The outbound half, if a partial line or a gap comes first.
    begun: Option<&'a Outbound>,
    first: Option<HistorySlice<'a>>,
    rest: HistorySlices<'a>,
}

impl Run<'_> {
    /// Passes the bytes to `write`, as slices for one vectored write: at least one slice, and none
    /// of them empty. Passes the last message, too, if all due bytes are whole messages in one
    /// slice.
    #[inline]
    pub fn write<R>(mut self, write: impl FnOnce(&[IoSlice<'_>], Option<Seq>) -> R) -> R {
        match (self.begun, self.first, self.rest.next()) {
            (None, Some(only), None) => {
                // Before a lost message a gap comes next.
                let through = self.rest.reaches_released().then_some(only.last);
                write(&[IoSlice::new(only.bytes())], through)
            }
            (_, _, second) => self.write_many(second, write),
        }
    }

    fn write_many<R>(
        self,
        second: Option<HistorySlice<'_>>,
        write: impl FnOnce(&[IoSlice<'_>], Option<Seq>) -> R,
    ) -> R {
        let mut slices = RunSlices::default();
        if let Some(partial) = self.begun.and_then(|begun| begun.partial.as_ref()) {
            slices.push(partial.bytes.get(partial.written..).unwrap_or_default());
        }
        if let Some(due) = self.begun.and_then(|begun| begun.gap.as_ref()) {
            slices.push(&due.line);
        }
        for slice in self.first.into_iter().chain(second).chain(self.rest) {
            if slices.is_full() {
                break;
            }
            slices.push(slice.bytes());
        }
        write(slices.as_slice(), None)
    }
}

/// Slices for one vectored write.
struct RunSlices<'a> {
    slices: [IoSlice<'a>; RUN_SLICES_MAX],
    count: usize,
    bytes: usize,
}

impl Default for RunSlices<'_> {
    fn default() -> Self {
        Self { slices: [IoSlice::new(&[]); RUN_SLICES_MAX], count: 0, bytes: 0 }
    }
}

impl<'a> RunSlices<'a> {
    fn as_slice(&self) -> &[IoSlice<'a>] {
        self.slices.get(..self.count).unwrap_or_default()
    }

    fn push(&mut self, bytes: &'a [u8]) {
        if let Some(slice) = self.slices.get_mut(self.count) {
            *slice = IoSlice::new(bytes);
            self.count = self.count.saturating_add(1);
            self.bytes = self.bytes.saturating_add(bytes.len());
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= RUN_BYTES_MAX || self.count == RUN_SLICES_MAX
    }
}
