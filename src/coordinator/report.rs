//! Reports of the coordinator about itself: its counters, its log lines, its first line.

use crate::config::{CoordinatorConfig, CountLimits};
use crate::facts::Recorded;
use crate::group::{BacklogChange, ChangeKind, Group, MemberChange};
use crate::limits::BACKLOG_CALM_MS;
use crate::limits::http::HTTP_CONNECTIONS_MAX;
use crate::protocol::Since;
use crate::text::Counted;

/// Returns the line that is printed at the start: address, epoch, limits, storage and `security`.
pub(super) fn first_line(
    config: &CoordinatorConfig,
    group: &Group,
    files: &str,
    security: &str,
) -> String {
    let gauges = group.gauges();
    format!(
        "coordinator {} listening on {}, epoch {}, ttl {} s, at most {} members, {} \
             connections, {} bytes a line, {} bytes of backlog ({}), {files} files; messages are \
             kept in {}; {security}",
        env!("CARGO_PKG_VERSION"),
        config.listen,
        group.decided_epoch(),
        gauges.ttl_s,
        config.counts.max_members,
        config.counts.max_connections,
        config.max_line,
        config.max_backlog,
        config.overflow,
        storage(config),
    )
}

/// Returns the words for the journal.
fn storage(config: &CoordinatorConfig) -> String {
    #[cfg(feature = "engine")]
    if !config.storage.engine.servers.is_empty() {
        let crate::config::EngineConfig { group, site, .. } = &config.storage.engine;
        return format!("the list of group {group}, which this site {site} shares with others");
    }
    match &config.storage.data_dir {
        Some(path) => format!("{}, {}", path.display(), config.storage.sync.description()),
        None => "memory only".to_owned(),
    }
}

/// Returns a warning if the limit on open files is below what the config allows.
pub(super) fn too_few_files(config: &CoordinatorConfig, files: Option<u64>) -> Option<String> {
    let CountLimits { max_connections, max_members, .. } = config.counts;
    let (of_http, and) = match config.http.listen {
        None => (0, format!(" and max_members={max_members}")),
        Some(_) => (HTTP_CONNECTIONS_MAX, format!(", max_members={max_members} and http")),
    };
    let needed = max_connections.saturating_add(max_members).saturating_add(of_http) as u64;
    let files = files.filter(|files| *files < needed)?;
    Some(format!(
        "max_connections={max_connections}{and} need {needed} files, and {files} can be open: \
         raise the limit (ulimit -Hn, LimitNOFILE=), or lower these keys"
    ))
}

/// Logs a change of a member.
pub(super) fn log_member_change(member_change: &MemberChange) {
    let id = &member_change.id;
    match &member_change.change {
        ChangeKind::Registered(address) => log::info!("{id}: registered at {address}"),
        ChangeKind::Reconnected(address) => log::info!("{id}: reconnected at {address}"),
        ChangeKind::TakenOver { by, from } => {
            log::info!("{id}: reconnected at {by}, taken over from {from}");
        }
        ChangeKind::Offline { address, cause } => log::info!("{id}: offline: {cause} ({address})"),
        ChangeKind::NumberNotGivenOut { named: Since { epoch, seq }, last, begins } => log::warn!(
            "{id}: has message {seq} of epoch {epoch}, but {last} is the last one here: the \
             numbers went back, perhaps because data_dir was restored from a copy. Epoch {begins} \
             begins, members and messages stay. After restoring a copy, start with --new-epoch"
        ),
        ChangeKind::Deregistered => log::info!("{id}: deregistered"),
        ChangeKind::Forgotten { after_ms } => {
            let (seconds, millis) = (after_ms / 1000, after_ms % 1000);
            log::info!("{id}: deregistered: offline for {seconds}.{millis:03} s (forget_after)");
        }
    }
}

/// Logs the start and the end of a full backlog once each, however many messages are affected.
pub(super) fn log_backlog(change: &BacklogChange) {
    match change {
        BacklogChange::Refuses { max, holder } => log::warn!(
            "backlog full: {max} bytes is the limit (max_backlog): messages are refused: {holder}"
        ),
        BacklogChange::Drops { max, holder } => log::warn!(
            "backlog full: {max} bytes is the limit (max_backlog): the oldest messages are \
             dropped: {holder}"
        ),
        BacklogChange::Calm { refused, dropped } => log::warn!(
            "backlog: nothing was refused or dropped for {} s; before that {} refused and {} \
             dropped",
            BACKLOG_CALM_MS / 1000,
            Counted(*refused, "message was", "messages were"),
            Counted(*dropped, "was", "were"),
        ),
    }
}
