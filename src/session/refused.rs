//! Explains refused joins to the user, ends the visits that they end, and reads the reason of a
//! refused text.

use std::net::IpAddr;
use std::num::NonZeroU64;

use super::waiting::TOO_FAST;
use super::{Notice, Reason, Session};
use crate::limits::RETRY_MS_LOWEST;
use crate::time::Millis;

/// Returns true if a refused join stays refused until an operator acts.
pub(super) const fn lasts(code: u16) -> bool {
    matches!(code, 401 | 403)
}

/// Ends a visit, whose join is refused until an operator acts.
pub(super) fn end_visit(session: &mut Session, why: Reason, now: Millis) {
    let Some(join) = &session.join else { return };
    session.visit.on_refused(join.kind());
    session.output.fail_with(Notice::Failed { command: join.word(), why });
    session.on_stop(now);
}

/// Returns the reason of a refusal, for the user. `own_ip` is the local address of the command
/// socket, and `None` with TLS: then an id belongs to a key, not to an address.
pub(super) fn why_refused(code: u16, line: &str, id: &str, own_ip: Option<IpAddr>) -> Reason {
    if is_here_unknown(code, line) {
        return Reason::HereUnknown(line.into());
    }
    match own_ip.filter(|_| code == 403 && is_about_id(line)) {
        Some(ip) => Reason::IdElsewhere { id: id.into(), ip, line: line.into() },
        None => Reason::Refused(line.into()),
    }
}

/// Returns true if the coordinator is older than `here`: it expects a port.
pub(super) fn is_here_unknown(code: u16, line: &str) -> bool {
    code == 400 && line.starts_with("ERR 400 port: ")
}

/// Returns true if the id belongs to another address: the reason of a 403 begins with the part that
/// is wrong.
fn is_about_id(line: &str) -> bool {
    line.starts_with("ERR 403 id: ")
}

/// Returns the number that the coordinator expects, if it has refused another one.
pub(super) fn expected_number(line: &str) -> Option<NonZeroU64> {
    let expected = line.strip_prefix("ERR 409 send: expected ")?;
    expected.split(' ').next()?.parse().ok()
}

/// Returns the milliseconds until the next text may be sent, if a text exceeds the rate.
pub(super) fn rate_wait_ms(code: u16, line: &str) -> Option<u64> {
    let named = || line.rsplit_once(" in ")?.1.strip_suffix(" ms")?.parse().ok();
    (code == TOO_FAST).then(|| named().unwrap_or(RETRY_MS_LOWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_403_about_the_id_names_the_own_address() {
        let ip: IpAddr = [192, 0, 2, 1].into();
        let why = |code, line| why_refused(code, line, "alice", Some(ip));
        for (code, line) in [(403, "ERR 403 address: no"), (409, "ERR 403 id: no")] {
            assert_eq!(why(code, line), Reason::Refused(line.into()));
        }
        let (id, line) = ("alice".into(), "ERR 403 id: no".into());
        assert_eq!(why(403, "ERR 403 id: no"), Reason::IdElsewhere { id, ip, line });
    }
}
