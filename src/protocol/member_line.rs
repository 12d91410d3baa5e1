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
    /// Whole seconds since the member became online or offline.
    pub seconds: u64,
    /// Age of the oldest one of the pending messages in whole seconds; 0 if none is pending.
    pub oldest_s: u64,
}

impl fmt::Display for MemberLine<'_> {
    /// Writes the line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.online { "online" } else { "offline" };
        let Self { id, address, pending, acked, seconds, oldest_s, .. } = self;
        write!(
            f,
            "{id} {state} {address} pending={pending} acked={acked} seconds={seconds} \
             oldest={oldest_s}"
        )
    }
}

/// A line after `OK members`, of one of several coordinators.
#[cfg(feature = "engine")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteMemberLine<'a> {
    /// The line of a coordinator.
    pub line: MemberLine<'a>,
    /// Site at which the member is, or was last.
    pub site: &'a str,
}

#[cfg(feature = "engine")]
impl fmt::Display for SiteMemberLine<'_> {
    /// Writes the line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, site } = self;
        write!(f, "{line} site={site}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_one_line() {
        for (address, online, expected) in [
            (
                "127.0.0.1:9000",
                true,
                "bob online 127.0.0.1:9000 pending=3 acked=7 seconds=61 oldest=5",
            ),
            ("[::1]:9000", false, "bob offline [::1]:9000 pending=3 acked=7 seconds=61 oldest=5"),
        ] {
            let address = address.parse().unwrap();
            let (pending, acked, seconds, oldest_s) = (3, Seq::new(7), 61, 5);
            let line = MemberLine { id: "bob", online, address, pending, acked, seconds, oldest_s };
            assert_eq!(line.to_string(), expected);
            #[cfg(feature = "engine")]
            assert_eq!(
                SiteMemberLine { line, site: "oslo" }.to_string(),
                format!("{expected} site=oslo")
            );
        }
    }
}
