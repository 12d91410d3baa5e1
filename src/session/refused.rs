//! Explains a refused automatic reconnect to the user.

use std::net::IpAddr;

use super::Reason;

/// Returns the reason of a refusal, for the user. `own_ip` is the local address of the command
/// socket.
pub(super) fn why_refused(code: u16, line: &str, id: &str, own_ip: Option<IpAddr>) -> Reason {
    match own_ip.filter(|_| code == 403 && is_about_id(line)) {
        Some(ip) => Reason::IdElsewhere { id: id.into(), ip, line: line.into() },
        None => Reason::Refused(line.into()),
    }
}

/// Returns true if the id belongs to another address: the reason of a 403 begins with the part that
/// is wrong.
fn is_about_id(line: &str) -> bool {
    line.starts_with("ERR 403 id: ")
}
