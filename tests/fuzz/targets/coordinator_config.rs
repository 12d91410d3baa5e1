//! The coordinator's config file.

use std::fs;
use std::path::Path;

use groupcast::config::{
    ConfigError, CoordinatorConfig, CoordinatorRun, CoordinatorTask, Invocation,
};

use super::config_file;

/// Checks the bytes as a config file.
pub fn check(bytes: &[u8]) {
    let Some(config) = config_file::check(bytes, load) else { return };
    assert!(config.max_backlog >= 2 * config.max_line as u64, "no room for two lines");
    let path = config_file::path();
    fs::write(&path, text_of(&config)).expect("the file can be written");
    assert_eq!(load(&path), Ok(config));
}

fn load(path: &Path) -> Result<CoordinatorConfig, ConfigError> {
    match CoordinatorRun::from_arguments([path.into()])? {
        Invocation::Run(CoordinatorTask::Serve(run)) => Ok(run.config),
        Invocation::Run(_) | Invocation::Show(_) => {
            unreachable!("the only argument is the file")
        }
    }
}

/// Returns the text of a file with every key.
fn text_of(config: &CoordinatorConfig) -> String {
    let CoordinatorConfig { listen, ttl_s, counts, timeouts, .. } = config;
    let seconds = |millis: u64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let yes_or_no = |is_yes: bool| if is_yes { "yes" } else { "no" }.to_owned();
    let directory = config.storage.data_dir.as_ref().map(|path| path.display().to_string());
    let access = config.security.access.as_ref().map(|path| path.display().to_string());
    let keys = [
        ("bind", listen.ip().to_string()),
        ("max_backlog", config.max_backlog.to_string()),
        ("overflow", config.overflow.to_string()),
        ("max_line", config.max_line.to_string()),
        ("max_connections", counts.max_connections.to_string()),
        ("max_connections_per_address", counts.max_connections_per_address.to_string()),
        ("max_members", counts.max_members.to_string()),
        ("max_members_per_address", counts.max_members_per_address.to_string()),
        ("forget_after", seconds(config.presence.forget_after_ms)),
        ("presence", yes_or_no(config.presence.is_announced)),
        ("presence_delay", seconds(config.presence.delay_ms)),
        ("line_timeout", seconds(timeouts.line_ms)),
        ("connect_timeout", seconds(timeouts.connect_ms)),
        ("stall_timeout", seconds(timeouts.stall_ms)),
        ("keepalive", timeouts.peer.keepalive_s.to_string()),
        ("user_timeout", seconds(u64::from(timeouts.peer.user_ms))),
        ("log_level", config.log_level.to_string()),
        ("allow_foreign_ip", yes_or_no(config.security.allow_foreign_ip)),
        ("data_dir", directory.unwrap_or_default()),
        ("sync", config.storage.sync.to_string()),
        ("access", access.unwrap_or_default()),
    ];
    let lines = keys.map(|(key, value)| format!("{key}={value}\n")).concat();
    format!("{}\n{ttl_s}\n{lines}", listen.port())
}
