//! SIGHUP: reads the files about security again, all of them or none.

use super::Coordinator;
use crate::coordinator::security::Security;
use crate::coordinator::system::System;
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
    if let Err(error) = coordinator.platform.secure(security) {
        log::error!("SIGHUP: nothing was changed: TLS cannot be prepared: {error}");
        return;
    }
    let closed = table.map_or(0, |table| coordinator.change_access(table, now));
    let closed = Counted(closed, "member was", "members were");
    log::info!("SIGHUP: files read again: {summary}; {closed} set offline");
}
