//! Another config for a coordinator that runs.

use super::Coordinator;
use crate::config::CoordinatorConfig;
use crate::coordinator::commands;
use crate::coordinator::platform::Platform;
use crate::coordinator::startup::rules;
use crate::group::LinkId;
use crate::time::Now;

/// Puts another config in force, which a [`ConfigChange`](crate::config::ConfigChange) has. Files
/// about security are not read here.
pub fn change_config<P: Platform>(
    coordinator: &mut Coordinator<P>,
    config: CoordinatorConfig,
    now: Now,
) {
    for link in coordinator.messages.links().collect::<Vec<LinkId>>() {
        coordinator.read_all_acks(link, now); // Acknowledgements that have arrived still count.
    }
    coordinator.sockets.change_keepalive(config.timeouts.peer.keepalive());
    coordinator.liveness.change_timeout(config.timeouts.peer);
    commands::change_config(&mut coordinator.commands, &config);
    coordinator.messages.change_config(&config);
    coordinator.group.change_rules(&rules(&config, coordinator.config.listen), now);
    coordinator.config = CoordinatorConfig { listen: coordinator.config.listen, ..config };
    coordinator.run_effects(now);
}
