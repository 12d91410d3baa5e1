//! Another config for a coordinator that runs.

use super::Coordinator;
use crate::config::CoordinatorConfig;
use crate::coordinator::platform::Platform;
use crate::coordinator::startup::rules;
use crate::group::LinkId;
use crate::time::Now;

/// Puts another config in force: [`CoordinatorConfig::reloaded`] has made it. Files about security
/// are not read here.
pub fn change_config<P: Platform>(
    coordinator: &mut Coordinator<P>,
    config: CoordinatorConfig,
    now: Now,
) {
    for link in coordinator.messages.links().collect::<Vec<LinkId>>() {
        coordinator.read_all_acks(link, now); // Acknowledgements that have arrived still count.
    }
    let before = coordinator.config.timeouts.peer;
    let peer = config.timeouts.peer;
    if peer.keepalive_s != before.keepalive_s {
        coordinator.sockets.change_keepalive(peer.keepalive());
        coordinator.commands.keep_alive(peer.keepalive());
        coordinator.messages.keep_alive(peer.keepalive());
    }
    coordinator.liveness.change_timeout(peer);
    coordinator.commands.change_config(&config);
    coordinator.messages.change_config(&config);
    coordinator.group.change_rules(&rules(&config, coordinator.config.listen), now);
    coordinator.config = CoordinatorConfig { listen: coordinator.config.listen, ..config };
    coordinator.run_effects(now);
}
