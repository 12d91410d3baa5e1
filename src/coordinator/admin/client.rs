//! One HTTP connection.
//!
//! ```text
//!   head ──▶ building ──▶ sending ──▶ head (keep-alive)
//!     │                       └─────▶ lingering ──▶ closed
//!     └────▶ streaming (`/events`) ───────────────▶ closed
//! ```

use std::collections::VecDeque;

use bytes::Bytes;

use super::response::StatusCode;
use crate::coordinator::sockets::Sockets;
use crate::limits::http::{
    HTTP_EVENTS_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_MS, HTTP_IDLE_MS, HTTP_LINGER_MS,
    HTTP_RESERVE_HEAD_MS, HTTP_RESERVE_MS, HTTP_STALL_MS, TURN_HTTP_BYTES_MAX,
};
use crate::net::{Connection, Fill, Flush, Stream};
use crate::time::Millis;

/// An HTTP connection and its state.
#[derive(Debug)]
pub(super) struct HttpClient<S> {
    pub(super) connection: Connection<S>,
    pub(super) phase: HttpPhase,
    /// The rest of a body, which follows the output.
    rest: VecDeque<Bytes>,
    /// Bytes of the head that is being read.
    head: Vec<u8>,
    /// Time at which the connection is closed if nothing happens.
    deadline: Millis,
    /// True if the input may hold a whole head, or its end may have been read with a head.
    may_have_head: bool,
    /// Time of the first response since the connection was idle. `None` while it is idle.
    busy_since: Option<Millis>,
    /// Time at which the connection ends, whatever happens, because its file belongs to the
    /// reserve. `None` if not.
    ends_at: Option<Millis>,
    /// True while the connection is in the queue of those to be served.
    pub(super) is_queued: bool,
}

/// State of an HTTP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpPhase {
    /// The head of a request is read.
    Head,
    /// The response is being built.
    Building,
    /// A response is being sent.
    Sending {
        /// The connection ends after this response.
        closes: bool,
    },
    /// Events are sent for ever.
    Streaming,
    /// All is sent and our side is closed.
    Lingering,
}

/// Outcome of reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadRead {
    /// More bytes must come.
    Incomplete,
    /// A whole head, with its empty line.
    Complete(Vec<u8>),
    /// The head cannot be served.
    Refused(StatusCode),
    /// The client has closed the connection, or it is broken.
    Ended,
}

impl<S: Stream> HttpClient<S> {
    pub(super) fn new(connection: Connection<S>, now: Millis) -> Self {
        Self {
            connection,
            phase: HttpPhase::Head,
            rest: VecDeque::new(),
            head: Vec::new(),
            deadline: now.plus(HTTP_IDLE_MS),
            may_have_head: false,
            busy_since: None,
            ends_at: None,
            is_queued: false,
        }
    }

    /// A connection whose file belongs to the reserve: it gets one response, and has little time.
    pub(super) fn from_reserve(connection: Connection<S>, now: Millis) -> Self {
        let deadline = now.plus(HTTP_RESERVE_HEAD_MS);
        let ends_at = Some(now.plus(HTTP_RESERVE_MS));
        Self { deadline, ends_at, ..Self::new(connection, now) }
    }

    /// Returns the time since which responses are being sent, one behind the other; `None` if none
    /// is.
    pub(super) fn busy_since(&self) -> Option<Millis> {
        self.busy_since
    }

    /// Returns true if the file of the connection belongs to the reserve.
    pub(super) fn is_from_reserve(&self) -> bool {
        self.ends_at.is_some()
    }

    /// Takes the next head from what was read, or reads more. So the unused input has at most one
    /// head and one read.
    pub(super) fn read_head(&mut self, sockets: &mut Sockets, now: Millis) -> HeadRead {
        if let Some(read) = self.take_head() {
            return read;
        }
        let Ok(fill) = self.connection.fill(sockets.scratch(), HTTP_HEAD_BYTES_MAX) else {
            return HeadRead::Ended;
        };
        let unused = self.connection.input.len();
        debug_assert!(unused <= 2 * HTTP_HEAD_BYTES_MAX, "the input is a head and a read at most");
        if let Some(read) = self.take_head() {
            return read;
        }
        self.may_have_head = false;
        if self.has_begun() && fill.bytes() > 0 {
            self.deadline = self.deadline.min(now.plus(HTTP_HEAD_MS));
        }
        match fill {
            Fill::Eof(_) => HeadRead::Ended,
            Fill::Drained(_) | Fill::Yielded(_) => HeadRead::Incomplete,
        }
    }

    /// Takes a head from the input; `None` if its end is not there.
    fn take_head(&mut self) -> Option<HeadRead> {
        loop {
            let line = match self.connection.input.next_line(HTTP_HEAD_BYTES_MAX) {
                Ok(line) => line?,
                Err(_) => return Some(HeadRead::Refused(StatusCode::HeadTooLarge)),
            };
            if line.is_empty() && self.head.is_empty() {
                continue; // An empty line before a request is skipped (RFC 9112, section 2.2).
            }
            let is_end = line.is_empty();
            self.head.extend_from_slice(line);
            self.head.extend_from_slice(b"\r\n");
            if self.head.len() > HTTP_HEAD_BYTES_MAX {
                return Some(HeadRead::Refused(StatusCode::HeadTooLarge));
            }
            if is_end {
                self.may_have_head = true;
                return Some(HeadRead::Complete(std::mem::take(&mut self.head)));
            }
        }
    }

    /// Reads and drops what the client sends while no request is read. Returns false if the
    /// connection has ended.
    pub(super) fn drop_input(&mut self, sockets: &mut Sockets) -> bool {
        let filled = self.connection.fill(sockets.scratch(), HTTP_HEAD_BYTES_MAX);
        self.connection.input.clear();
        !matches!(filled, Ok(Fill::Eof(_)) | Err(_))
    }

    /// Adds parts of a body to what is sent.
    pub(super) fn add_body(&mut self, parts: impl IntoIterator<Item = Bytes>) {
        self.rest.extend(parts);
    }

    /// Begins to send what is in the output, and the body.
    pub(super) fn send(&mut self, closes: bool, now: Millis) {
        self.phase = HttpPhase::Sending { closes };
        self.busy_since.get_or_insert(now);
        self.deadline = now.plus(HTTP_STALL_MS);
    }

    /// Begins to stream events.
    pub(super) fn stream(&mut self, now: Millis) {
        self.phase = HttpPhase::Streaming;
        self.busy_since = None;
        self.deadline = now.plus(HTTP_STALL_MS);
    }

    /// Ends a stream of events after those that wait. The next tick serves the connection.
    pub(super) fn end_stream(&mut self, now: Millis) {
        if self.phase == HttpPhase::Streaming {
            self.send(true, now);
        }
    }

    /// Adds an event to the stream.
    pub(super) fn add_event(&mut self, event: &[u8], now: Millis) {
        if self.connection.output.is_empty() {
            self.deadline = now.plus(HTTP_STALL_MS);
        }
        self.connection.output.extend_from_slice(event);
    }

    /// Returns the number of bytes that wait to be sent.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.connection.output.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Moves as much of the body into the output as one turn writes.
    fn fill_output(&mut self) {
        let output = &mut self.connection.output;
        while output.len() < TURN_HTTP_BYTES_MAX
            && let Some(part) = self.rest.front_mut()
        {
            let room = TURN_HTTP_BYTES_MAX - output.len();
            output.extend_from_slice(&part.split_to(room.min(part.len())));
            if part.is_empty() {
                self.rest.pop_front();
            }
        }
    }

    /// Writes the output, up to a limit. Returns false if the connection has ended.
    pub(super) fn write(&mut self, now: Millis) -> bool {
        self.fill_output();
        let before = self.connection.output.len();
        let Ok(flush) = self.connection.flush(TURN_HTTP_BYTES_MAX) else { return false };
        if self.connection.output.len() < before {
            self.deadline = now.plus(HTTP_STALL_MS);
        }
        if flush != Flush::Empty || !self.rest.is_empty() {
            return true;
        }
        match self.phase {
            HttpPhase::Sending { closes: false } => {
                self.phase = HttpPhase::Head;
                let has_more = !self.connection.input.is_empty();
                self.busy_since.take_if(|_| !has_more);
                self.deadline = now.plus(if has_more { HTTP_HEAD_MS } else { HTTP_IDLE_MS });
                true
            }
            HttpPhase::Sending { closes: true } => {
                self.phase = HttpPhase::Lingering;
                self.deadline = now.plus(HTTP_LINGER_MS);
                self.connection.shutdown_write().is_ok()
            }
            HttpPhase::Head | HttpPhase::Building | HttpPhase::Streaming | HttpPhase::Lingering => {
                true
            }
        }
    }

    /// Returns true if the connection can go on without an event.
    pub(super) fn has_work(&self) -> bool {
        let Self { connection, phase, .. } = self;
        let can_write = connection.is_writable() && self.waiting_bytes() > 0;
        can_write
            || match phase {
                HttpPhase::Building => true,
                HttpPhase::Head => connection.is_readable() || self.may_have_head,
                HttpPhase::Lingering | HttpPhase::Streaming => {
                    connection.is_readable() || connection.is_input_ended()
                }
                HttpPhase::Sending { .. } => false,
            }
    }

    /// Returns true if the time of the connection is over.
    pub(super) fn is_over(&self, now: Millis) -> bool {
        let is_waiting = match self.phase {
            HttpPhase::Streaming => !self.connection.output.is_empty(),
            HttpPhase::Building => false,
            HttpPhase::Head | HttpPhase::Sending { .. } | HttpPhase::Lingering => true,
        };
        let is_too_far_behind = self.phase == HttpPhase::Streaming
            && self.connection.output.len() > HTTP_EVENTS_BYTES_MAX;
        is_too_far_behind
            || is_waiting && self.deadline <= now
            || self.ends_at.is_some_and(|end| end <= now)
    }

    /// Returns the time at which the connection ends, if it serves no request now.
    pub(super) fn idle_until(&self) -> Option<Millis> {
        (self.phase == HttpPhase::Head).then_some(self.deadline)
    }

    /// Returns true if part of a request has come.
    pub(super) fn has_begun(&self) -> bool {
        self.phase == HttpPhase::Head
            && (!self.head.is_empty() || !self.connection.input.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::testing::{ALL, TestStream};
    use crate::limits::http::HTTP_TICK_MS;

    #[test]
    fn a_reader_of_events_that_takes_nothing_is_over_and_a_slow_one_is_not() {
        let stream = TestStream::default();
        let mut client = HttpClient::new(Connection::new(stream.clone()), Millis::ZERO);
        client.stream(Millis::ZERO);
        let mut now = 0;
        for (seconds, room) in [(600, 100), (HTTP_STALL_MS / HTTP_TICK_MS + 1, 0)] {
            for _ in 0..seconds {
                assert!(!client.is_over(Millis::new(now)), "{now}");
                now += HTTP_TICK_MS;
                client.add_event(&[b'x'; 100], Millis::new(now));
                stream.make_room(room);
                client.connection.on_event(ALL);
                assert!(client.write(Millis::new(now)));
            }
        }
        assert!(client.is_over(Millis::new(now)));
    }

    #[test]
    fn a_large_body_leaves_in_order_and_each_turn_copies_its_share() {
        let stream = TestStream::default();
        let mut client = HttpClient::new(Connection::new(stream.clone()), Millis::ZERO);
        let body: String = ('a'..='w').cycle().take(5 * TURN_HTTP_BYTES_MAX).collect();
        let parts = body.as_bytes().chunks(TURN_HTTP_BYTES_MAX * 3 / 2);
        client.connection.output.extend_from_slice(b"head");
        client.add_body(parts.map(Bytes::copy_from_slice));
        client.send(false, Millis::ZERO);
        stream.make_room(usize::MAX);
        let mut turns = 0;
        while client.phase != HttpPhase::Head {
            assert!(client.has_work(), "no event reports the rest");
            assert!(client.write(Millis::ZERO));
            assert!(client.connection.output.len() <= TURN_HTTP_BYTES_MAX);
            turns += 1;
        }
        assert_eq!(turns, 6);
        assert!(stream.take() == "head".to_owned() + &body, "in order");
    }
}
