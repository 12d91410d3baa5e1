//! Takes each message of the message socket once, hands it to the log, and acknowledges it when it
//! is written.
//!
//! ```text
//!                         acked                 written           last
//!   numbers ────────────────┴─────────────────────┴─────────────────┴────────────>
//!              acknowledged   may be acknowledged    being written     not taken
//! ```

use std::collections::VecDeque;

use super::join::Port;
use super::{Join, LogEntry, LogPosition, MessageSocket, Notice, Reason, Session, SessionEffect};
use crate::limits::{
    DELIVERY_EXTRA_BYTES, HELLO_LINE_BYTES_MAX, LINE_BYTES_HIGHEST, LOG_RETRY_MS, RETRY_RESET_MS,
    UNWRITTEN_BYTES_MAX, UNWRITTEN_ENTRIES_MAX,
};
use crate::protocol::{Bye, Epoch, MessageLine, Seq, Since};
use crate::time::Millis;

/// State of the open message socket.
#[derive(Debug)]
pub(super) struct MessageStream {
    pub(super) socket: MessageSocket,
    port: Port,
    opened: Millis,
    /// The user went offline. Messages on their way are still taken, and the end is expected.
    pub(super) leaving: bool,
    /// The reply has told the first number of this connection.
    is_next_known: bool,
    /// Last number received on this connection, repeats included.
    pub(super) received: Seq,
    /// Last number acknowledged on this connection.
    pub(super) acked: Seq,
}

/// The entries that were taken and are not written yet.
#[derive(Debug)]
pub(super) struct Inbox {
    log_position: LogPosition,
    /// Last written number of the epoch. It counts only if no start of an epoch is unwritten.
    written: Seq,
    unwritten: VecDeque<UnwrittenEntry>,
    bytes: usize,
    /// Number of starts of epochs among the unwritten entries.
    epochs: usize,
    failure: Option<LogFailure>,
}

#[derive(Clone, Copy, Debug)]
struct UnwrittenEntry {
    bytes: usize,
    mark: EntryMark,
}

#[derive(Clone, Copy, Debug)]
enum EntryMark {
    Number(Seq),
    Epoch,
}

/// A failed write of the log.
#[derive(Clone, Copy, Debug)]
struct LogFailure {
    /// Time of the next attempt; `None` while one is under way.
    retry_at: Option<Millis>,
}

impl Inbox {
    pub(super) const fn new(log_position: LogPosition) -> Self {
        Self {
            log_position,
            written: log_position.last,
            unwritten: VecDeque::new(),
            bytes: 0,
            epochs: 0,
            failure: None,
        }
    }

    pub(super) const fn log_position(&self) -> LogPosition {
        self.log_position
    }

    /// Returns the number of entries that are not written yet.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    fn has_room(&self) -> bool {
        self.unwritten.len() < UNWRITTEN_ENTRIES_MAX && self.bytes < UNWRITTEN_BYTES_MAX
    }

    /// Returns true if all entries are written.
    pub(super) fn is_all_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Returns true if the last write of the log failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failure.is_some()
    }

    /// Returns the cursor for a `reconnect`: the last written number. The coordinator may forget
    /// everything up to this number.
    pub(super) fn since(&self) -> Option<Since> {
        let seq = self.durable().filter(|seq| *seq > Seq::ZERO)?;
        Some(Since { epoch: self.log_position.epoch?, seq })
    }

    /// Returns the last written number of this epoch.
    fn durable(&self) -> Option<Seq> {
        (self.epochs == 0).then_some(self.written)
    }

    pub(super) fn retry_at(&self) -> Option<Millis> {
        self.failure.and_then(|failure| failure.retry_at)
    }

    pub(super) fn retry_is_due(&mut self, now: Millis) -> bool {
        let is_due = self.retry_at().is_some_and(|at| at <= now);
        if is_due {
            self.failure = Some(LogFailure { retry_at: None });
        }
        is_due
    }

    fn take(&mut self, entry: &LogEntry) {
        let mark = match entry {
            LogEntry::Message(message) => EntryMark::Number(message.seq()),
            LogEntry::Gap(gap) => EntryMark::Number(gap.last),
            LogEntry::Epoch(epoch) => {
                self.log_position.epoch = Some(*epoch);
                EntryMark::Epoch
            }
        };
        match mark {
            EntryMark::Number(seq) => self.log_position.last = seq,
            EntryMark::Epoch => {
                self.log_position.last = Seq::ZERO;
                self.epochs = self.epochs.saturating_add(1);
            }
        }
        let bytes = entry.bytes();
        self.bytes = self.bytes.saturating_add(bytes);
        self.unwritten.push_back(UnwrittenEntry { bytes, mark });
    }

    fn on_written(&mut self, entries: usize) {
        for _ in 0..entries {
            let Some(UnwrittenEntry { bytes, mark }) = self.unwritten.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(bytes);
            match mark {
                EntryMark::Number(seq) => self.written = seq,
                EntryMark::Epoch => {
                    self.written = Seq::ZERO;
                    self.epochs = self.epochs.saturating_sub(1);
                }
            }
        }
    }

    pub(super) fn check(&self) {
        assert!(self.epochs <= self.unwritten.len());
        assert!(self.epochs > 0 || self.written <= self.log_position.last, "written but not taken");
        assert!(!self.unwritten.is_empty() || self.bytes == 0 && self.epochs == 0);
        assert!(!self.unwritten.is_empty() || self.written == self.log_position.last);
    }
}

impl Session {
    /// Returns true if the session takes a line of a connection now. If not, the line stays in the
    /// read buffer, and the end of the stream behind it too: this is backpressure on the
    /// coordinator.
    #[must_use]
    pub fn wants_message_line(&self, socket: MessageSocket) -> bool {
        if self.is_candidate(socket) {
            return true;
        }
        let is_stream = self.stream.as_ref().is_some_and(|stream| stream.socket == socket);
        let is_reading_stopped = self.join.as_ref().is_some_and(Join::stops_reading);
        is_stream
            && !is_reading_stopped
            && !self.is_next_awaited()
            && self.shutdown.is_none()
            && self.inbox.has_room()
    }

    /// Returns the most bytes of a line of a connection, its line feed included. The limit does not
    /// depend on `max_line`: the first message can come before the reply that names it, and kept
    /// messages can be from a start with a larger limit.
    #[must_use]
    pub fn message_line_bytes_max(&self, socket: MessageSocket) -> usize {
        match self.is_candidate(socket) {
            true => HELLO_LINE_BYTES_MAX.saturating_add("\r".len()),
            false => LINE_BYTES_HIGHEST.saturating_add(DELIVERY_EXTRA_BYTES),
        }
    }

    pub(super) fn on_message_line(&mut self, socket: MessageSocket, line: &[u8], now: Millis) {
        if self.is_candidate(socket) {
            return self.on_first_line(socket, line, now);
        }
        let Some(stream) = &mut self.stream else { return };
        if stream.socket != socket {
            return;
        }
        let parsed = std::str::from_utf8(line).map(MessageLine::parse);
        let (first, last, entry) = match parsed {
            Ok(Ok(MessageLine::Delivery(delivery))) => {
                (delivery.seq, delivery.seq, LogEntry::Message(delivery.into()))
            }
            Ok(Ok(MessageLine::Gap(gap))) => (gap.first, gap.last, LogEntry::Gap(gap)),
            Ok(Ok(MessageLine::Bye(reason))) => {
                self.output.push(SessionEffect::CloseMessageSocket { socket });
                return self.on_bye(reason, now);
            }
            Ok(Ok(MessageLine::Hello { .. }) | Err(_)) | Err(_) => {
                self.output.push(SessionEffect::CloseMessageSocket { socket });
                return self.end_stream(Reason::BadMessage, now);
            }
        };
        let is_first = stream.received == Seq::ZERO && !stream.is_next_known;
        stream.received = stream.received.max(last);
        if is_first {
            self.record_next(self.inbox.log_position.epoch, first);
        }
        if last > self.inbox.log_position.last {
            self.append(entry);
        }
    }

    /// Checks the next number of the coordinator, and detects that numbers went back. The number
    /// comes from the reply, or from the first line of the message socket if the reply was lost.
    ///
    /// The coordinator knows the last number taken here, or has this id as a new member, which gets
    /// no older messages. So if the next number is not above the last one taken, the numbers went
    /// back. The next messages are new, although messages with their numbers were taken before.
    pub(super) fn record_next(&mut self, epoch: Option<Epoch>, next: Seq) {
        let LogPosition { epoch: ours, last } = self.inbox.log_position;
        let Some(epoch) = epoch.filter(|epoch| Some(*epoch) == ours && next <= last) else {
            return;
        };
        self.show(Notice::NumbersWentBack(next, last));
        self.append(LogEntry::Epoch(epoch));
        if let Some(stream) = &mut self.stream {
            stream.acked = Seq::ZERO;
        }
    }

    /// Handles the epoch and the next number in the reply to a `register` or `reconnect`.
    pub(super) fn record_reply(&mut self, epoch: Option<Epoch>, next: Seq) {
        let join = self.join.as_ref().filter(|join| join.has_hello);
        let began_empty = join.is_some_and(|join| join.began_empty);
        if let Some(stream) = self.stream.as_mut().filter(|_| join.is_some()) {
            stream.is_next_known = true;
        }
        if !began_empty {
            self.record_next(epoch, next);
        }
    }

    /// Returns true if no message may be read before the reply. Until the reply shows whether the
    /// numbers went back, a message with an old number can be a repeat, or new.
    fn is_next_awaited(&self) -> bool {
        self.join.as_ref().is_some_and(|join| join.has_hello && join.is_asked())
            && self.inbox.log_position.last > Seq::ZERO
            && self.stream.as_ref().is_some_and(|stream| stream.received == Seq::ZERO)
    }

    fn append(&mut self, entry: LogEntry) {
        self.inbox.take(&entry);
        self.output.push(SessionEffect::Append(entry));
    }

    /// Opens a new message socket after its hello. The previous one is closed.
    pub(super) fn replace_stream(
        &mut self,
        socket: MessageSocket,
        port: Port,
        epoch: Epoch,
        is_next_known: bool,
        now: Millis,
    ) {
        let stream = MessageStream {
            socket,
            port,
            opened: now,
            leaving: false,
            is_next_known,
            received: Seq::ZERO,
            acked: Seq::ZERO,
        };
        self.waiting.release();
        self.own_addresses.clear();
        if let Some(old) = self.stream.replace(stream) {
            self.output.push(SessionEffect::CloseMessageSocket { socket: old.socket });
        }
        if self.inbox.log_position.epoch != Some(epoch) {
            self.append(LogEntry::Epoch(epoch));
        }
        if let Some(join) = &mut self.join {
            join.began_empty = self.inbox.log_position.last == Seq::ZERO;
        }
    }

    /// Expects the end of the message socket: the member is offline at the user's request.
    pub(super) fn mark_leaving(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.leaving = true;
        }
    }

    /// Allows automatic reconnects again: the coordinator refused a `disconnect` or `deregister`.
    pub(super) fn stay_online(&mut self) {
        match &self.stream {
            Some(stream) => self.automatic_join.allow(stream.port),
            None => self.automatic_join.forbid(),
        }
    }

    pub(super) fn on_message_socket_closed(
        &mut self,
        socket: MessageSocket,
        reason: &str,
        now: Millis,
    ) {
        self.forget_candidate(socket, now);
        if self.stream.as_ref().is_some_and(|stream| stream.socket == socket) {
            self.end_stream(Reason::System(reason.into()), now);
        }
    }

    /// Handles a `bye`, the coordinator's reason for closing the message socket.
    ///
    /// After a takeover by another program with this id, no automatic reconnect follows: each of
    /// the two programs would take the id from the other, again and again.
    fn on_bye(&mut self, reason: &str, now: Millis) {
        let is_ours = |by| self.own_addresses.contains(by);
        match Bye::parse(reason) {
            Some(Bye::TakenOver(by)) if !is_ours(by) && !self.is_end_expected() => {
                self.stream = None;
                self.automatic_join.forbid();
                if self.join.as_ref().is_some_and(|join| !join.is_for_user()) {
                    self.give_up_join();
                }
                self.show(Notice::TakenOver(by));
            }
            Some(_) | None => self.end_stream(Reason::Bye(reason.into()), now),
        }
    }

    fn is_end_expected(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.leaving)
            || self.shutdown.is_some()
            || self.requests.is_leaving()
            || self.join.as_ref().is_some_and(Join::may_take_over)
    }

    fn end_stream(&mut self, why: Reason, now: Millis) {
        let is_expected = self.is_end_expected();
        let Some(stream) = self.stream.take() else { return };
        if now.since(stream.opened) >= RETRY_RESET_MS {
            self.automatic_join.reset_pauses();
        }
        if !is_expected {
            self.show(Notice::MessageSocketLost { why });
        }
        self.resume(now);
    }

    pub(super) fn on_log_written(&mut self, entries: usize) {
        self.inbox.on_written(entries);
        if self.inbox.failure.take().is_some() {
            self.show(Notice::LogRecovered);
        }
    }

    pub(super) fn on_log_failed(&mut self, reason: &str, now: Millis) {
        let retry_at = Some(now.plus(LOG_RETRY_MS));
        if self.inbox.failure.replace(LogFailure { retry_at }).is_none() {
            self.show(Notice::LogFailed { reason: reason.into() });
        }
    }

    /// Acknowledges the written numbers that were received on this connection.
    pub(super) fn acknowledge(&mut self) {
        let (Some(stream), Some(durable)) = (&mut self.stream, self.inbox.durable()) else {
            return;
        };
        let seq = durable.min(stream.received);
        if seq > stream.acked && !stream.leaving {
            stream.acked = seq;
            self.output.push(SessionEffect::Ack { socket: stream.socket, seq });
        }
    }
}
