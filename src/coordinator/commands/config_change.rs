//! Other limits and timeouts for command sockets that are there.

use super::CommandSockets;
use crate::config::CoordinatorConfig;
use crate::net::Stream;

/// Puts other limits and timeouts in force. No socket is closed for them, and a timer that runs
/// ends as it began.
pub(in crate::coordinator) fn change_config<S: Stream>(
    commands: &mut CommandSockets<S>,
    config: &CoordinatorConfig,
) {
    commands.admission.change_config(config);
    commands.budget.change_config(config.counts.max_connections, config.max_line);
    commands.lines.timeout_ms = config.timeouts.line_ms;
    commands.upgrades.change_stall_timeout(config.timeouts.stall_ms);
    for (_, socket) in commands.sockets.iter() {
        // The socket may have failed already. Its next read returns the error.
        let _ = socket.connection.keep_alive(config.timeouts.peer.keepalive());
    }
}
