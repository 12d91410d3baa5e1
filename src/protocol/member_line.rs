//! Lines of a list of members.

use std::fmt;
use std::net::SocketAddr;

use super::Seq;

/// A line after `OK members`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberLine<'a> {
    /// Id of the member.
    pub id: &'a str,
    /// True if the member has a message socket.
    pub online: bool,
    /// Address of the last connect-back.
    pub address: SocketAddr,
    /// Number of kept messages of others after the cursor.
    pub pending: u64,
    /// Last seq that counts as delivered.
    pub acked: Seq,
}

impl fmt::Display for MemberLine<'_> {
    /// Writes the line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.online { "online" } else { "offline" };
        let Self { id, address, pending, acked, .. } = self;
        write!(f, "{id} {state} {address} pending={pending} acked={acked}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_one_line() {
        for (address, online, expected) in [
            ("127.0.0.1:9000", true, "bob online 127.0.0.1:9000 pending=3 acked=7"),
            ("[::1]:9000", false, "bob offline [::1]:9000 pending=3 acked=7"),
        ] {
            let address = address.parse().unwrap();
            let line = MemberLine { id: "bob", online, address, pending: 3, acked: Seq::new(7) };
            assert_eq!(line.to_string(), expected);
        }
    }
}
