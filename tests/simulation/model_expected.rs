//! Replies and closes that the model expects before the next input.

use groupcast::group::{ConnId, LinkId};

use crate::model::Model;

/// Expected reply to a request.
#[derive(Debug)]
pub(crate) enum Expected {
    Line(String),
    /// `ERR`, and this code.
    Code(u16),
    /// `ERR 401` or `ERR 403`.
    Denied,
    /// `ERR`, this code, and one of these in its reason.
    Naming(u16, Vec<String>),
    /// One of these lines; the number beside it is the member's `acked` then.
    OneOf(String, Vec<(String, u64)>),
}

impl Model {
    pub(crate) fn expect_reply(&mut self, conn: ConnId, expect_reply: Expected) {
        let doubled = self.expected.insert(conn, expect_reply);
        assert!(doubled.is_none(), "two replies at once to {conn:?}");
    }

    /// A reply, or the whole of a list, is about to be sent.
    pub(crate) fn on_reply(&mut self, conn: ConnId, reply: &str) {
        let expect_reply = self.expected.remove(&conn);
        let expect_reply = expect_reply.unwrap_or_else(|| panic!("nobody asked for {reply:?}"));
        match expect_reply {
            Expected::Line(line) => assert_eq!(reply, line),
            Expected::Denied => {
                let is_denied = reply.starts_with("ERR 401 ") || reply.starts_with("ERR 403 ");
                assert!(is_denied, "{reply:?} and not 401 or 403");
            }
            Expected::Code(code) => {
                assert!(reply.starts_with(&format!("ERR {code} ")), "{reply:?} and not {code}");
            }
            Expected::Naming(code, all) => {
                assert!(reply.starts_with(&format!("ERR {code} ")), "{reply:?} and not {code}");
                assert!(all.iter().any(|words| reply.contains(words)), "{reply:?}: {all:?}");
            }
            Expected::OneOf(id, replies) => {
                let found = replies.iter().find(|(line, _)| line == reply);
                let (_, acked) = found.unwrap_or_else(|| panic!("{id}: {reply:?}: {replies:?}"));
                let member = self.members.get_mut(&id).unwrap();
                member.acked = *acked;
                // A client of `here` that is gone has lost its message socket before the reply.
                if let Some(link) = member.link {
                    self.streams.get_mut(&link).unwrap().starts_after(*acked);
                }
                self.advance();
            }
        }
    }

    /// Returns the list that a client gets.
    pub(crate) fn take_list(&mut self, conn: ConnId) -> String {
        match self.expected.remove(&conn) {
            Some(Expected::Line(line)) => line,
            other => panic!("nobody asked for a list: {other:?}"),
        }
    }

    /// The coordinator wants to hang up.
    pub(crate) fn on_close(&mut self, link: LinkId, closing_bytes: &[u8]) {
        let at = self.closing.iter().position(|(expected, _)| *expected == link);
        if at.is_none() && closing_bytes.is_empty() && self.here.take_cancelled() {
            return;
        }
        let at = at.unwrap_or_else(|| panic!("nobody asked to close {link}"));
        let (_, expected) = self.closing.remove(at);
        assert_eq!(String::from_utf8_lossy(closing_bytes), expected, "last words of {link}");
    }

    /// All that had to happen has happened.
    pub(crate) fn is_satisfied(&self) {
        assert!(self.expected.is_empty(), "without an answer: {:?}", self.expected);
        assert!(self.dialing.is_none(), "not connected to: {:?}", self.dialing);
        assert!(self.here.is_satisfied(), "not answered: {:?}", self.here);
        assert!(self.closing.is_empty(), "not closed: {:?}", self.closing);
    }
}
