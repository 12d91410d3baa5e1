//! Config files of a run: the operator changes settings at random moments and sends SIGHUP.
//!
//! A coordinator that works has the new settings within its next turn (`change_config`), and a
//! coordinator that starts reads the file as it is then.

use groupcast::config::CoordinatorConfig;
use groupcast::coordinator::change_config;
use groupcast::group::Rules;
use groupcast::limits::Overflow;
use groupcast::time::Now;
use support::rng::Rng;

use crate::coordinator::SimCoordinator;
use crate::environment::{Event, Node};
use crate::world::World;

/// The config file, and the operator who changes it.
#[derive(Debug)]
pub(crate) struct ConfigFiles {
    rng: Rng,
    /// Settings of the file, if it was changed.
    file: Option<Rules>,
    /// SIGHUP was sent, and no turn has begun since.
    is_signalled: bool,
}

impl ConfigFiles {
    /// Draws the settings of the next file: some of them change.
    fn draw(&mut self, before: &Rules) -> Rules {
        let (rng, mut rules) = (&mut self.rng, before.clone());
        if rng.percent(70) {
            rules.ttl_ms = 1_000 * rng.pick(&[0, 1, 3, 20, 100, 3_600]);
        }
        if rng.percent(30) {
            rules.keep = rng.pick(&[0, 1, 5, 100]);
        }
        if rng.percent(30) {
            rules.overflow = rng.pick(&[Overflow::Reject, Overflow::DropOldest]);
        }
        // Where it is large, texts may be longer than a small one.
        if rules.backlog_bytes_max < 1 << 20 && rng.percent(30) {
            rules.backlog_bytes_max = rng.pick(&[9_000, 20_000]);
        }
        if rng.percent(30) {
            rules.forget_after_ms = rng.pick(&[0, 700, 5_000, 60_000]);
        }
        // Shorter ones: a former id that was forgotten is announced without a longer delay.
        if let Some(delay_ms) = rules.presence_delay_ms
            && rng.percent(30)
        {
            rules.presence_delay_ms = Some(delay_ms.min(rng.pick(&[0, 900, 5_000])));
        }
        if rng.percent(20) {
            rules.presence_delay_ms = match rules.presence_delay_ms {
                None => Some(rng.pick(&[0, 900, 5_000])),
                Some(_) => None,
            };
        }
        rules
    }
}

/// Puts the settings of a group into a config.
pub(crate) fn with_rules(config: &CoordinatorConfig, rules: &Rules) -> CoordinatorConfig {
    let mut config = config.clone();
    config.ttl_s = rules.ttl_ms / 1_000;
    config.counts.keep = rules.keep;
    config.counts.max_members = rules.members_max;
    config.counts.max_members_per_address = rules.members_per_address_max;
    config.overflow = rules.overflow;
    config.max_backlog = rules.backlog_bytes_max;
    config.presence.forget_after_ms = rules.forget_after_ms;
    config.presence.is_announced = rules.presence_delay_ms.is_some();
    config.presence.delay_ms = rules.presence_delay_ms.unwrap_or_default();
    config
}

impl World {
    /// Decides whether the config file changes in this run.
    pub(crate) fn draw_config_files(&mut self) {
        let mut rng = Rng::new(self.seed().rotate_left(31));
        if rng.percent(40) {
            self.config_files = Some(ConfigFiles { rng, file: None, is_signalled: false });
            self.environment.after(2_000, Event::ConfigFile);
        }
    }

    /// The operator changes the config file, and sends SIGHUP.
    pub(crate) fn on_config_file(&mut self) {
        if self.environment.calm {
            return;
        }
        let Some(mut files) = self.config_files.take() else { return };
        let hurry = files.rng.pick(&[1_000, 10_000, 60_000, 90_000]);
        let pause = files.rng.between(100, hurry);
        let before = files.file.take().unwrap_or_else(|| self.model.rules.clone());
        let rules = files.draw(&before);
        self.trace(|| format!("config file: {rules:?}"));
        (files.file, files.is_signalled) = (Some(rules), true);
        self.config_files = Some(files);
        self.environment.after(pause, Event::ConfigFile);
        self.environment.wake_soon(Node::Coordinator);
    }

    /// A coordinator that starts reads the file.
    pub(crate) fn read_config_file(&mut self) {
        let Some(files) = &mut self.config_files else { return };
        files.is_signalled = false;
        if let Some(rules) = files.file.clone() {
            self.model.take_rules(&rules);
        }
    }

    /// Returns the settings that a running coordinator must read in this turn.
    pub(crate) fn take_new_rules(&mut self) -> Option<Rules> {
        let files = self.config_files.as_mut()?;
        let is_due = std::mem::take(&mut files.is_signalled);
        files.file.clone().filter(|_| is_due)
    }
}

impl SimCoordinator {
    /// Puts the settings of the file in force.
    pub(crate) fn change_config(&mut self, rules: &Rules, now: Now) {
        change_config(&mut self.program, with_rules(&self.config, rules), now);
    }
}
