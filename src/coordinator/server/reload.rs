//! SIGHUP: reads the config and the files that it names again, all of them or none.
//!
//! ```text
//!   config file, options ──► new config ──► files of access, tls, ca, token ──► in force
//!                                └── any fault: nothing changes
//! ```
//!
//! A setting that needs a restart stays as it is, and is named.

use super::config_change::change_config;
use super::{Coordinator, certificates, http};
use crate::access::Credentials;
use crate::config::{ConfigChange, CoordinatorConfig, Fifos, SettingChange};
use crate::coordinator::platform::Platform;
use crate::coordinator::security::Security;
#[cfg(feature = "engine")]
use crate::coordinator::site;
use crate::coordinator::system::System;
use crate::group::{Input, LinkId};
use crate::text::{self, Counted};
use crate::time::Now;

/// Reads the files again, and logs the outcome.
pub(in crate::coordinator) fn reload(coordinator: &mut Coordinator<System>, now: Now) {
    coordinator.platform.service().reloading();
    match try_reload(coordinator, now) {
        Ok(outcome) => {
            log::info!("SIGHUP: files read again: {}", outcome.words);
            report_ready(coordinator, &format!("files read again: {}", outcome.words));
            if !outcome.fixed.is_empty() {
                let fixed = list(&outcome.fixed);
                log::warn!("not changed by SIGHUP, restart the coordinator for it: {fixed}");
            }
        }
        Err(reason) => {
            log::error!("SIGHUP: nothing was changed: {reason}");
            report_ready(coordinator, &format!("SIGHUP: nothing was changed: {reason}"));
        }
    }
}

/// Returns the config that is in force.
pub(in crate::coordinator) fn running_config(
    coordinator: &mut Coordinator<System>,
) -> &CoordinatorConfig {
    coordinator.platform.config().running()
}

/// Tells the service manager that the coordinator serves, with its state in words.
pub(in crate::coordinator) fn report_ready(coordinator: &Coordinator<System>, status: &str) {
    coordinator.platform.service().ready(status);
}

/// Outcome of a reload.
struct Reloaded {
    /// Words about the files that are in force now.
    words: String,
    fixed: Vec<SettingChange>,
}

fn try_reload(coordinator: &mut Coordinator<System>, now: Now) -> Result<Reloaded, String> {
    const CORRECT: &str = "Correct the file, and send SIGHUP again";
    let correct = |error: &dyn std::fmt::Display| format!("{error}. {CORRECT}");
    let read = coordinator.platform.config().load().map_err(|error| correct(&error))?;
    let change = ConfigChange::between(coordinator.platform.config().running(), &read);
    let ConfigChange { config, changed, fixed } = change.map_err(|error| correct(&error))?;
    let security =
        Security::load(&config.security, Fifos::Refused).map_err(|error| correct(&error))?;
    let (summary, table) = (security.summary(&config.security), security.access_table());
    let token = http::load_token(coordinator, &config).map_err(|error| correct(&error))?;
    #[cfg(feature = "engine")]
    let login = site::read_login(&config).map_err(|error| correct(&error))?;
    let has_new_cas = coordinator
        .platform
        .secure(security)
        .map_err(|error| format!("TLS cannot be prepared: {error}"))?;
    // Nothing fails from here on.
    let checked = if has_new_cas {
        let check = |platform: &System, shown: &Credentials| platform.check_again(shown, now.unix);
        certificates::check_again(coordinator, check)
    } else {
        Vec::new()
    };
    let has_new_token = http::change_token(coordinator, token, now.steady);
    log::set_max_level(config.log_level);
    coordinator.platform.config().change(config.clone());
    change_config(coordinator, config, now);
    let closed = table.map_or(0, |table| coordinator.change_access(table, &checked, now));
    let closed = Counted(closed, "member was", "members were");
    let mut changed = if changed.is_empty() { "no other key".to_owned() } else { list(&changed) };
    if has_new_token {
        changed.push_str("; http_token_file has another token");
    }
    #[cfg(feature = "engine")]
    if login.is_some_and(|login| coordinator.group.journal.log_in_again(login)) {
        changed.push_str("; connecting to the engine again, with the files of engine_credentials");
        changed.push_str(" and engine_ca");
    }
    Ok(Reloaded { words: format!("{summary}; {closed} set offline; changed: {changed}"), fixed })
}

/// Returns settings in words, as `ttl=5 (was 60), keep=10 (was 100)`.
fn list(changes: &[SettingChange]) -> String {
    let words = |it: &SettingChange| format!("{}={} (was {})", it.name, it.after, it.before);
    let words = changes.iter().map(words).collect::<Vec<String>>().join(", ");
    text::for_terminal(&words).to_string()
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
