//! SIGHUP: reads the files about security again, all of them or none.

use super::{Coordinator, certificates};
use crate::access::Credentials;
use crate::coordinator::platform::Platform;
use crate::coordinator::security::Security;
use crate::coordinator::system::System;
use crate::group::{Input, LinkId};
use crate::text::Counted;
use crate::time::Now;

/// Reads the files again. A fault in one of them changes nothing.
pub(super) fn reload(coordinator: &mut Coordinator<System>, now: Now) {
    let config = &coordinator.config.security;
    if config.access.is_none() && config.tls.is_none() {
        log::warn!(
            "SIGHUP: ignored, the config is not read again. To apply changes of the config, \
                 restart the coordinator"
        );
        return;
    }
    let security = match Security::load(config) {
        Ok(security) => security,
        Err(error) => {
            log::error!(
                "SIGHUP: nothing was changed: {error}. Correct the file, and send SIGHUP again"
            );
            return;
        }
    };
    let (summary, table) = (security.summary(config), security.access_table());
    let has_new_cas = match coordinator.platform.secure(security) {
        Ok(has_new_cas) => has_new_cas,
        Err(error) => {
            log::error!("SIGHUP: nothing was changed: TLS cannot be prepared: {error}");
            return;
        }
    };
    let checked = if has_new_cas {
        let check = |platform: &System, shown: &Credentials| platform.check_again(shown, now.unix);
        certificates::check_again(coordinator, check)
    } else {
        Vec::new()
    };
    let closed = table.map_or(0, |table| coordinator.change_access(table, &checked, now));
    let closed = Counted(closed, "member was", "members were");
    log::info!("SIGHUP: files read again: {summary}; {closed} set offline");
}

/// Passes a new access table to the group. Returns the number of members that went offline.
pub(super) fn change_access<P: Platform>(
    coordinator: &mut Coordinator<P>,
    changed: Input<'_>,
    now: Now,
) -> usize {
    for link in coordinator.messages.links().collect::<Vec<LinkId>>() {
        coordinator.read_all_acks(link, now); // Acknowledgements that have arrived still count.
    }
    let before = coordinator.group.gauges().online;
    coordinator.handle(changed, now);
    before.saturating_sub(coordinator.group.gauges().online)
}
