//! Takes each message of the message socket once, hands it to the log, and acknowledges it when it
//! is written.

use super::inbox::Inbox;
use super::join::JoinWay;
use super::output::SessionOutput;
use super::{LogEntry, LogPosition, MessageSocket, Notice, SessionEffect};
use crate::protocol::{Epoch, MessageLine, Seq};
use crate::time::Millis;

/// The message socket and the entries of the message log.
#[derive(Debug)]
pub(super) struct ReceivedMessages {
    stream: Option<MessageStream>,
    /// No message of the epoch had been taken when the last message socket opened, so the session
    /// takes messages that come before the reply.
    began_empty: bool,
    inbox: Inbox,
}

/// State of the open message socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageStream {
    socket: MessageSocket,
    pub(super) way: JoinWay,
    pub(super) opened: Millis,
    /// The user went offline. Messages on their way are still taken, and the end is expected.
    pub(super) is_leaving: bool,
    /// The reply has told the first number of this connection.
    is_next_known: bool,
    /// Last number received on this connection, repeats included.
    received: Seq,
    /// Last number acknowledged on this connection.
    acked: Seq,
}

/// End of the message socket that a line announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastLine<'a> {
    /// The coordinator's reason for closing the socket.
    Bye(&'a str),
    /// The line is no message.
    Bad,
}

impl MessageStream {
    pub(super) fn new(
        socket: MessageSocket,
        way: JoinWay,
        is_next_known: bool,
        now: Millis,
    ) -> Self {
        Self {
            socket,
            way,
            opened: now,
            is_leaving: false,
            is_next_known,
            received: Seq::ZERO,
            acked: Seq::ZERO,
        }
    }
}

impl ReceivedMessages {
    pub(super) const fn new(log_position: LogPosition) -> Self {
        Self { stream: None, began_empty: false, inbox: Inbox::new(log_position) }
    }

    /// Returns the open message socket.
    pub(super) const fn stream(&self) -> Option<&MessageStream> {
        self.stream.as_ref()
    }

    /// Returns the entries on their way into the message log.
    pub(super) const fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Handles a successful write of the oldest entries.
    pub(super) fn on_log_written(&mut self, entries: usize, output: &mut SessionOutput) {
        self.inbox.on_written(entries, output);
    }

    /// Handles a failed write of the log.
    pub(super) fn on_log_failed(&mut self, reason: &str, output: &mut SessionOutput, now: Millis) {
        self.inbox.on_failed(reason, output, now);
    }

    /// Tries again to write the log, if the pause after a failed write is over.
    pub(super) fn retry_log(&mut self, output: &mut SessionOutput, now: Millis) {
        if self.inbox.retry_is_due(now) {
            output.push(SessionEffect::RetryLog);
        }
    }

    /// Returns true if this is the open message socket.
    pub(super) fn is_stream(&self, socket: MessageSocket) -> bool {
        self.stream.is_some_and(|stream| stream.socket == socket)
    }

    /// Returns true if the message socket is open and the user has not left.
    pub(super) fn is_online(&self) -> bool {
        self.stream.is_some_and(|stream| !stream.is_leaving)
    }

    /// Returns true if nothing was received on this connection, and messages of this epoch were
    /// taken before. Until the reply shows whether the numbers went back, a message with an old
    /// number can be a repeat, or new.
    pub(super) fn is_repeat_possible(&self) -> bool {
        self.inbox.log_position().last > Seq::ZERO
            && self.stream.is_some_and(|stream| stream.received == Seq::ZERO)
    }

    /// Opens a new message socket after its hello. The previous one is closed.
    pub(super) fn open(&mut self, stream: MessageStream, epoch: Epoch, output: &mut SessionOutput) {
        if let Some(old) = self.stream.replace(stream) {
            output.push(SessionEffect::CloseMessageSocket { socket: old.socket });
        }
        if self.inbox.log_position().epoch != Some(epoch) {
            self.inbox.append(LogEntry::Epoch(epoch), output);
        }
        self.began_empty = self.inbox.log_position().last == Seq::ZERO;
    }

    /// Takes a line of the message socket. After a last line the socket is closed.
    pub(super) fn take_line<'a>(
        &mut self,
        line: &'a [u8],
        output: &mut SessionOutput,
    ) -> Option<LastLine<'a>> {
        let stream = self.stream.as_mut()?;
        let (first, last, entry) = match std::str::from_utf8(line).map(MessageLine::parse) {
            Ok(Ok(MessageLine::Delivery(delivery))) => {
                (delivery.seq, delivery.seq, LogEntry::Message(delivery.into()))
            }
            Ok(Ok(MessageLine::Gap(gap))) => (gap.first, gap.last, LogEntry::Gap(gap)),
            Ok(Ok(MessageLine::Bye(reason))) => {
                output.push(SessionEffect::CloseMessageSocket { socket: stream.socket });
                return Some(LastLine::Bye(reason));
            }
            Ok(Ok(MessageLine::Hello { .. }) | Err(_)) | Err(_) => {
                output.push(SessionEffect::CloseMessageSocket { socket: stream.socket });
                return Some(LastLine::Bad);
            }
        };
        let is_first = stream.received == Seq::ZERO && !stream.is_next_known;
        stream.received = stream.received.max(last);
        if is_first {
            self.record_next(self.inbox.log_position().epoch, first, output);
        }
        if last > self.inbox.log_position().last {
            self.inbox.append(entry, output);
        }
        None
    }

    /// Handles the epoch and the next number in the reply to a `register` or `reconnect`. The
    /// reply can come before the hello of its connection: then `has_hello` is false.
    pub(super) fn record_reply(
        &mut self,
        has_hello: bool,
        (epoch, next): (Option<Epoch>, Seq),
        output: &mut SessionOutput,
    ) {
        if let Some(stream) = self.stream.as_mut().filter(|_| has_hello) {
            stream.is_next_known = true;
        }
        if !(has_hello && self.began_empty) {
            self.record_next(epoch, next, output);
        }
    }

    /// Checks the next number of the coordinator, and detects that numbers went back. The number
    /// comes from the reply, or from the first line of the message socket if the reply was lost.
    ///
    /// The coordinator knows the last number taken here, or has this id as a new member, which gets
    /// no older messages. So if the next number is not above the last one taken, the numbers went
    /// back. The next messages are new, although messages with their numbers were taken before.
    fn record_next(&mut self, epoch: Option<Epoch>, next: Seq, output: &mut SessionOutput) {
        let LogPosition { epoch: ours, last } = self.inbox.log_position();
        let Some(epoch) = epoch.filter(|epoch| Some(*epoch) == ours && next <= last) else {
            return;
        };
        output.show(Notice::NumbersWentBack(next, last));
        self.inbox.append(LogEntry::Epoch(epoch), output);
        if let Some(stream) = &mut self.stream {
            stream.acked = Seq::ZERO;
        }
    }

    /// Acknowledges the written numbers that were received on this connection.
    pub(super) fn acknowledge(&mut self, output: &mut SessionOutput) {
        let (Some(stream), Some(durable)) = (&mut self.stream, self.inbox.durable()) else {
            return;
        };
        let seq = durable.min(stream.received);
        if seq > stream.acked && !stream.is_leaving {
            stream.acked = seq;
            output.push(SessionEffect::Ack { socket: stream.socket, seq });
        }
    }

    /// Expects the end of the message socket: the member is offline at the user's request.
    pub(super) fn mark_leaving(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.is_leaving = true;
        }
    }

    /// Closes the connection of the message socket, whose end is handled next.
    pub(super) fn hang_up(&self, output: &mut SessionOutput) {
        if let Some(MessageStream { socket, .. }) = self.stream {
            output.push(SessionEffect::CloseMessageSocket { socket });
        }
    }

    /// Removes the message socket, which has ended.
    pub(super) fn take_stream(&mut self) -> Option<MessageStream> {
        self.stream.take()
    }

    /// Closes the message socket.
    pub(super) fn close(&mut self, output: &mut SessionOutput) {
        if let Some(stream) = self.stream.take() {
            output.push(SessionEffect::CloseMessageSocket { socket: stream.socket });
        }
    }

    pub(super) fn check(&self) {
        self.inbox.check();
        if let Some(stream) = &self.stream {
            assert!(stream.acked <= stream.received, "acknowledged a number that was not received");
            assert!(
                stream.acked <= self.inbox.log_position().last,
                "acknowledged a number that was not taken"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: MessageSocket = MessageSocket(7);
    const EPOCH: Epoch = Epoch::new(0xfeed);

    /// Returns received messages with an open socket, and a log that ends with `last` of the epoch.
    fn open(last: u64) -> (ReceivedMessages, SessionOutput) {
        let mut output = SessionOutput::default();
        let position = LogPosition { epoch: Some(EPOCH), last: Seq::new(last) };
        let mut messages = ReceivedMessages::new(position);
        let stream = MessageStream::new(SOCKET, JoinWay::listen(9000), false, Millis::ZERO);
        messages.open(stream, EPOCH, &mut output);
        (messages, output)
    }

    fn effects(output: &mut SessionOutput) -> Vec<SessionEffect> {
        std::iter::from_fn(|| output.poll()).collect()
    }

    #[test]
    fn a_message_is_taken_once_and_acknowledged_when_it_is_written() {
        let (mut messages, mut output) = open(0);
        for line in [&b"1#bob#1#one"[..], b"1#bob#1#one", b"3#bob#1#three"] {
            assert_eq!(messages.take_line(line, &mut output), None);
        }
        let taken = effects(&mut output);
        assert!(matches!(&taken[..], [SessionEffect::Append(_), SessionEffect::Append(_)]));
        messages.acknowledge(&mut output);
        assert_eq!(effects(&mut output), [], "nothing is written");
        messages.inbox.on_written(2, &mut output);
        messages.acknowledge(&mut output);
        let (socket, seq) = (SOCKET, Seq::new(3));
        assert_eq!(effects(&mut output), [SessionEffect::Ack { socket, seq }]);
        messages.acknowledge(&mut output);
        assert_eq!(effects(&mut output), [], "once");
        messages.check();
    }

    #[test]
    fn a_member_that_leaves_takes_messages_and_acknowledges_none() {
        let (mut messages, mut output) = open(0);
        messages.mark_leaving();
        assert_eq!(messages.take_line(b"1#bob#1#one", &mut output), None);
        messages.inbox.on_written(1, &mut output);
        effects(&mut output);
        messages.acknowledge(&mut output);
        assert_eq!((effects(&mut output), messages.is_online()), (Vec::new(), false));
    }

    #[test]
    fn the_last_line_closes_the_socket() {
        for (line, last) in [
            (&b"bye#shutting down"[..], LastLine::Bye("shutting down")),
            (b"hello#00#000000000000feed", LastLine::Bad),
            (b"1#bob", LastLine::Bad),
            (b"1#bob#1#\xff", LastLine::Bad),
        ] {
            let (mut messages, mut output) = open(0);
            assert_eq!(messages.take_line(line, &mut output), Some(last));
            let closed = [SessionEffect::CloseMessageSocket { socket: SOCKET }];
            assert_eq!(effects(&mut output), closed);
        }
    }

    #[test]
    fn a_next_number_below_the_last_one_begins_the_numbers_again() {
        let (mut messages, mut output) = open(5);
        assert!(messages.is_repeat_possible());
        messages.record_reply(true, (Some(EPOCH), Seq::new(3)), &mut output);
        let went_back = Notice::NumbersWentBack(Seq::new(3), Seq::new(5));
        let again = SessionEffect::Append(LogEntry::Epoch(EPOCH));
        assert_eq!(effects(&mut output), [SessionEffect::Show(went_back), again]);
        assert_eq!(messages.take_line(b"3#bob#1#three", &mut output), None);
        assert_eq!(effects(&mut output).len(), 1, "it is new");
        assert!(!messages.is_repeat_possible());
    }
}
