//! What the simple coordinator wants to see of the real one before anything else happens.

use groupcast::group::{ConnId, LinkId};

use crate::model::Model;

/// What a request must be answered with.
#[derive(Debug)]
pub(crate) enum Want {
    Line(String),
    /// `ERR`, and this code.
    Code(u16),
    /// `ERR`, this code, and one of these in its reason.
    Naming(u16, Vec<String>),
    /// One of these, and then the member's place is that.
    OneOf(String, Vec<(String, u64)>),
}

impl Model {
    pub(crate) fn want(&mut self, conn: ConnId, want: Want) {
        let doubled = self.wanted.insert(conn, want);
        assert!(doubled.is_none(), "two replies at once to {conn:?}");
    }

    /// A reply, or the whole of a list, is about to be sent.
    pub(crate) fn on_reply(&mut self, conn: ConnId, reply: &str) {
        let want = self.wanted.remove(&conn);
        let want = want.unwrap_or_else(|| panic!("nobody asked for {reply:?}"));
        match want {
            Want::Line(line) => assert_eq!(reply, line),
            Want::Code(code) => {
                assert!(reply.starts_with(&format!("ERR {code} ")), "{reply:?} and not {code}");
            }
            Want::Naming(code, all) => {
                assert!(reply.starts_with(&format!("ERR {code} ")), "{reply:?} and not {code}");
                assert!(all.iter().any(|words| reply.contains(words)), "{reply:?}: {all:?}");
            }
            Want::OneOf(id, replies) => {
                let found = replies.iter().find(|(line, _)| line == reply);
                let (_, acked) = found.unwrap_or_else(|| panic!("{id}: {reply:?}: {replies:?}"));
                let member = self.members.get_mut(&id).unwrap();
                member.acked = *acked;
                let stream = self.streams.get_mut(&member.link.unwrap()).unwrap();
                stream.starts_after(*acked);
                self.settle();
            }
        }
    }

    /// The coordinator wants to hang up.
    pub(crate) fn on_close(&mut self, link: LinkId, closing_bytes: &[u8]) {
        let at = self.closing.iter().position(|(wanted, _)| *wanted == link);
        let at = at.unwrap_or_else(|| panic!("nobody asked to close {link}"));
        let (_, wanted) = self.closing.remove(at);
        assert_eq!(String::from_utf8_lossy(closing_bytes), wanted, "last words of {link}");
    }

    /// All that had to happen has happened.
    pub(crate) fn is_satisfied(&self) {
        assert!(self.wanted.is_empty(), "without an answer: {:?}", self.wanted);
        assert!(self.dialing.is_none(), "not connected to: {:?}", self.dialing);
        assert!(self.closing.is_empty(), "not closed: {:?}", self.closing);
    }
}
