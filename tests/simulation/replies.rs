//! Checks the bytes on command sockets: each line gets one reply, in order, and none before its
//! commit.
//!
//! ```text
//!   bytes read ─► line ─► executed by the group ─► answered by the group ─► written, committed
//!                   └───── malformed: ERR 400 ────────────────────────────────────▲
//! ```

use std::collections::{BTreeMap, VecDeque};

use groupcast::facts::FactIndex;
use groupcast::limits::SyncPolicy;
use groupcast::protocol::{LineBuffer, Request};

use crate::coverage::CoveragePoint;
use crate::epoch_history::Promise;
use crate::model::Model;
use crate::model_journal::FactId;
use crate::net::{CloseKind, End};
use crate::outside::Lent;

/// A line of a client, until its reply is written.
#[derive(Debug)]
enum Line {
    Waiting(Vec<u8>),
    /// The reply to a line that is no request.
    Malformed(String),
    /// The group has the request.
    Executed,
    Answered(Answer),
}

/// A reply of the group.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The whole reply. For `stats` the lines that must be among the others.
    text: String,
    is_stats: bool,
    after: FactIndex,
    fact: Option<FactId>,
}

impl Answer {
    pub(crate) fn new(text: &str, after: FactIndex, fact: Option<FactId>) -> Self {
        Self { text: format!("{text}\n"), is_stats: false, after, fact }
    }

    pub(crate) fn of_stats(lines: String) -> Self {
        Self { text: lines, is_stats: true, after: FactIndex::ZERO, fact: None }
    }
}

/// A command socket.
#[derive(Debug, Default)]
struct CommandSocket {
    input: LineBuffer,
    lines: VecDeque<Line>,
    /// The written part of the first reply.
    written: Vec<u8>,
    end: Option<CloseKind>,
    /// A write failed, or the peer's machine does not answer.
    has_failed: bool,
    /// `ERR 408`, `413` or `421` was written or begun: nothing else comes.
    refused: bool,
    /// The message socket that it was to become has ended: nothing else is read.
    is_over: bool,
}

/// All command sockets of a coordinator.
#[derive(Debug)]
pub(crate) struct ReplyChecks {
    sockets: BTreeMap<End, CommandSocket>,
    committed: FactIndex,
    sync: SyncPolicy,
    line_bytes_max: usize,
}

impl ReplyChecks {
    pub(crate) fn new(sync: SyncPolicy, line_bytes_max: usize) -> Self {
        let (sockets, committed) = (BTreeMap::new(), FactIndex::ZERO);
        Self { sockets, committed, sync, line_bytes_max }
    }

    pub(crate) fn on_committed(&mut self, committed: FactIndex) {
        self.committed = self.committed.max(committed);
    }

    pub(crate) fn open(&mut self, end: End) {
        self.sockets.insert(end, CommandSocket::default());
    }

    pub(crate) fn on_read(&mut self, end: End, bytes: &[u8], close_kind: Option<CloseKind>) {
        let Some(socket) = self.sockets.get_mut(&end) else { return };
        if !socket.is_over {
            socket.take_lines(bytes, close_kind, self.line_bytes_max);
        }
        socket.end = socket.end.or(close_kind);
    }

    pub(crate) fn on_failed(&mut self, end: End) {
        if let Some(socket) = self.sockets.get_mut(&end) {
            socket.has_failed = true;
        }
    }

    /// The group gets a request. It must be the next line.
    pub(crate) fn on_request(&mut self, end: End, request: &Request<'_>) {
        let socket = self.sockets.get_mut(&end).expect("a request of an open socket");
        assert!(!socket.refused && !socket.is_over, "a refused client is served: {request}");
        let is_executed = |line: &Line| matches!(line, Line::Executed);
        assert!(!socket.lines.iter().any(is_executed), "two requests of a client at once");
        let next = socket.lines.iter_mut().find(|line| matches!(line, Line::Waiting(_)));
        let next = next.expect("a request that nobody sent");
        let Line::Waiting(line) = &*next else { return };
        assert_eq!(Request::parse(line).as_ref(), Ok(request), "not the next request");
        *next = Line::Executed;
    }

    /// The group has answered. The client may be gone.
    pub(crate) fn on_answer(&mut self, end: End, answer: Answer) {
        let Some(socket) = self.sockets.get_mut(&end) else { return };
        let asked = socket.lines.iter_mut().find(|line| matches!(line, Line::Executed));
        *asked.expect("a second reply") = Line::Answered(answer);
    }

    /// Returns true if a request of the client has no answer.
    pub(crate) fn is_asking(&self, end: End) -> bool {
        let lines = self.sockets.get(&end).map(|socket| &socket.lines);
        lines.is_some_and(|lines| lines.iter().any(|line| matches!(line, Line::Executed)))
    }

    /// A command socket becomes a message socket: all its replies are written. The lines behind its
    /// last request are no requests.
    pub(crate) fn on_upgraded(&mut self, end: End) {
        let socket = self.sockets.remove(&end).expect("an open socket");
        if socket.has_failed {
            return; // The message socket will find this out.
        }
        let is_owed = |line: &Line| matches!(line, Line::Answered(_) | Line::Executed);
        assert!(!socket.lines.iter().any(is_owed), "messages before its replies: {socket:?}");
        assert!(socket.written.is_empty(), "messages within a reply: {socket:?}");
    }

    /// The message socket that a command socket was to become has ended. Its last words follow the
    /// replies.
    pub(crate) fn end_upgrade(&mut self, end: End, last_words: &[u8]) {
        let Some(socket) = self.sockets.get_mut(&end) else { return };
        socket.is_over = true;
        let answered = socket.lines.iter().rposition(|line| matches!(line, Line::Answered(_)));
        socket.lines.truncate(answered.map_or(0, |last| last + 1));
        if !last_words.is_empty() {
            let text = String::from_utf8_lossy(last_words).into_owned();
            let (after, fact) = (FactIndex::ZERO, None);
            socket.lines.push_back(Line::Answered(Answer { text, is_stats: false, after, fact }));
        }
    }

    pub(crate) fn on_written(
        &mut self,
        end: End,
        bytes: &[u8],
        Lent { environment, model }: &mut Lent,
    ) {
        let (committed, sync, at) = (self.committed, self.sync, environment.now);
        let socket = self.sockets.get_mut(&end).expect("written to an open socket");
        let (mut bytes, was_begun) = (bytes, !socket.written.is_empty());
        while !bytes.is_empty() {
            let (count, is_whole) = socket.follow(bytes, committed);
            bytes = &bytes[count..];
            if !is_whole {
                continue;
            }
            let written = std::mem::take(&mut socket.written);
            if socket.refused {
                socket.lines.clear();
                let is_silent = check_refusal(&written, model);
                // Its request may have come since the beginning of this line was written.
                let is_asking = !was_begun && environment.has_line(end);
                assert!(!is_silent || !is_asking, "{end:?}: it is refused as silent, and asks");
                assert!(bytes.is_empty(), "written to a refused client");
            } else if let Some(Line::Answered(Answer { fact: Some(fact), .. })) =
                socket.lines.pop_front()
            {
                model.confirm(&fact, Promise { at, sync });
            }
        }
    }

    /// A socket is closed when its client has ended and has all replies, or was refused, or failed.
    /// One that takes nothing never learns why it is refused.
    pub(crate) fn on_closed(&mut self, end: End, takes_nothing: bool, model: &mut Model) {
        let Some(socket) = self.sockets.remove(&end) else { return };
        if takes_nothing || socket.has_failed || socket.refused {
            return;
        }
        match socket.end {
            Some(CloseKind::Reset) => (),
            Some(CloseKind::Closed) => {
                assert!(socket.lines.is_empty(), "closed before its replies: {socket:?}");
            }
            None if socket.is_over => {
                assert!(socket.lines.is_empty(), "closed before its last words: {socket:?}");
            }
            None => {
                // Without room for the reason, a silent client is closed at once.
                assert!(socket.lines.is_empty(), "closed without a reason: {socket:?}");
                model.cover(CoveragePoint::GaveWay);
            }
        }
    }

    /// Returns true if a client need not be read from: it is owed replies, or was refused.
    pub(crate) fn may_wait(&self, end: End) -> bool {
        let socket = self.sockets.get(&end);
        socket.is_some_and(|it| it.refused || it.is_over || !it.lines.is_empty())
    }

    /// Returns true if a client is owed replies, and none of them by the group.
    pub(crate) fn is_throttled(&self, end: End) -> bool {
        self.sockets.get(&end).is_some_and(|socket| {
            let mut lines = socket.lines.iter();
            !socket.refused && !socket.is_over && lines.all(|line| !matches!(line, Line::Executed))
        })
    }

    /// Returns the number of open sockets.
    pub(crate) fn count(&self) -> usize {
        self.sockets.len()
    }

    pub(crate) fn ends(&self) -> impl Iterator<Item = End> {
        self.sockets.keys().copied()
    }

    /// At the end of a coordinator all replies of the group are written, where there is room.
    pub(crate) fn check_end(&self, is_blocked: impl Fn(End) -> bool) {
        let open = self.sockets.iter().filter(|(_, socket)| !socket.refused && !socket.has_failed);
        for (end, socket) in open.filter(|(end, _)| !is_blocked(**end)) {
            let is_owed = socket.lines.iter().any(|line| matches!(line, Line::Answered(_)));
            assert!(!is_owed, "{end:?}: ends before its replies: {socket:?}");
        }
    }

    /// Returns the clients that are owed replies.
    pub(crate) fn owed(&self) -> impl Iterator<Item = (End, String)> {
        let open = self.sockets.iter().filter(|(_, socket)| !socket.refused && !socket.has_failed);
        let owed = open.filter(|(_, socket)| !socket.lines.is_empty());
        owed.map(|(end, socket)| (*end, format!("{socket:?}")))
    }
}

/// A refusal names a limit that clients can reach. Returns true if the client sent no whole line.
fn check_refusal(line: &[u8], model: &mut Model) -> bool {
    let line = String::from_utf8_lossy(line);
    let is_silent = line.starts_with("ERR 421 ") && !line.contains("try again later");
    let codes = ["ERR 401 tls: ", "ERR 408 ", "ERR 413 ", "ERR 421 "];
    assert!(codes.iter().any(|code| line.starts_with(code)), "nobody asked for {line:?}");
    if is_silent {
        model.cover(CoveragePoint::GaveWay);
    } else if line.starts_with("ERR 408 ") {
        model.cover(CoveragePoint::LineUnfinished);
    }
    is_silent
}

impl Line {
    fn new(line: &[u8]) -> Self {
        match Request::parse(line) {
            Ok(_) => Self::Waiting(line.to_vec()),
            Err(malformed) => Self::Malformed(format!("ERR 400 {malformed}\n")),
        }
    }
}

impl CommandSocket {
    /// Adds the lines of the bytes that were read.
    fn take_lines(&mut self, bytes: &[u8], close_kind: Option<CloseKind>, line_bytes_max: usize) {
        self.input.extend(bytes);
        while let Some(line) = self.input.next_line(line_bytes_max).expect("a short line") {
            self.lines.push_back(Line::new(line));
        }
        if close_kind == Some(CloseKind::Closed)
            && self.end.is_none()
            && let Some(line) = self.input.last_line()
        {
            self.lines.push_back(Line::new(line));
        }
    }

    /// Takes written bytes of one reply. Returns their number, and true at the end of the reply.
    fn follow(&mut self, bytes: &[u8], committed: FactIndex) -> (usize, bool) {
        let text = match self.lines.front() {
            _ if self.refused => None,
            Some(Line::Answered(answer)) => {
                assert!(answer.after <= committed, "left before its commit: {:?}", answer.text);
                if answer.is_stats {
                    return self.follow_stats(bytes);
                }
                Some((&answer.text, false))
            }
            Some(Line::Malformed(text)) => Some((text, true)),
            Some(Line::Executed) => panic!("a reply that the group did not give"),
            Some(Line::Waiting(_)) | None => None,
        };
        if let Some((text, may_be_refused)) = text {
            let due = &text.as_bytes()[self.written.len()..];
            let count = due.len().min(bytes.len());
            if due[..count] == bytes[..count] {
                self.written.extend(&bytes[..count]);
                return (count, count == due.len());
            }
            let found = String::from_utf8_lossy(bytes);
            assert!(may_be_refused, "{found:?} and not {:?} of {text:?}", self.written);
        }
        // No reply to a line, so the client is refused.
        let is_owed = |line: &Line| matches!(line, Line::Answered(_) | Line::Executed);
        assert!(!self.lines.iter().any(is_owed), "refused before its replies: {:?}", self.lines);
        self.refused = true;
        let count = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
        self.written.extend(&bytes[..count]);
        (count, self.written.ends_with(b"\n"))
    }

    /// As [`CommandSocket::follow`]: a line with a number, and as many lines.
    fn follow_stats(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (at, &byte) in bytes.iter().enumerate() {
            self.written.push(byte);
            if byte != b'\n' {
                continue;
            }
            let written = String::from_utf8_lossy(&self.written);
            let mut lines = written.lines();
            let count = lines.next().and_then(|line| line.strip_prefix("OK stats "));
            let count: usize =
                count.and_then(|count| count.parse().ok()).expect("a reply to stats");
            if lines.clone().count() == count {
                let Some(Line::Answered(answer)) = self.lines.front() else { break };
                for due in answer.text.lines() {
                    assert!(lines.clone().any(|line| line == due), "no {due:?} in {written}");
                }
                return (at + 1, true);
            }
        }
        (bytes.len(), false)
    }
}
