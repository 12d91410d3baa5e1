//! Certificates of a CA that end, and CAs that change, while connections are open.

use super::Coordinator;
use crate::access::{CaCheck, Credentials};
use crate::coordinator::platform::Platform;
use crate::group::{Input, LinkId};
use crate::net::{Key, SocketTable};
use crate::time::Now;

/// Begins to watch the certificate with which a message socket or connect-back was asked for.
pub(super) fn watch<P: Platform>(coordinator: &mut Coordinator<P>, link: LinkId) {
    if let Some(until) = coordinator.group.certified_until(link) {
        coordinator.messages.set_certified_until(link, Some(until), &mut coordinator.sockets);
    }
}

/// Ends what needs a certificate that is no longer valid.
#[inline]
pub(super) fn expire<P: Platform>(coordinator: &mut Coordinator<P>, now: Now) {
    while let Some(key) = coordinator.sockets.certificates().pop_due(now.unix) {
        expire_one(coordinator, key, now);
    }
}

fn expire_one<P: Platform>(coordinator: &mut Coordinator<P>, key: Key, now: Now) {
    if key.table() == SocketTable::Command {
        return coordinator.commands.handshakes().expire_certificate(key);
    }
    if let Some(link) = coordinator.messages.expire_certificate(key) {
        coordinator.read_all_acks(link, now); // Acknowledgements that have arrived still count.
        coordinator.handle(Input::CertificateExpired { link }, now);
    }
}

/// Checks the certificates of all connections again. Returns the new results for the links of the
/// group. `check` returns a result that is another one than before.
pub(super) fn check_again<P: Platform>(
    coordinator: &mut Coordinator<P>,
    check: impl Fn(&P, &Credentials) -> Option<CaCheck>,
) -> Vec<(LinkId, CaCheck)> {
    let Coordinator { platform, commands, sockets, group, messages, .. } = coordinator;
    commands.handshakes().check_again(|credentials| check(platform, credentials), sockets);
    let links = group.credentials();
    let checked = links.filter_map(|(link, shown)| Some((link, check(platform, shown)?)));
    let checked: Vec<(LinkId, CaCheck)> = checked.collect();
    for (link, result) in &checked {
        let until = match result {
            CaCheck::Valid { until, .. } => Some(*until),
            CaCheck::Unknown | CaCheck::Expired => None,
        };
        messages.set_certified_until(*link, until, sockets);
    }
    checked
}
