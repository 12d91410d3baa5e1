//! A config that is read again while the coordinator runs: what changes, and what stays until a
//! restart.

use super::key::ConfigKey;
use super::{CoordinatorConfig, Program, value};

/// Keys whose values stay until a restart.
const FIXED_KEYS: [&str; 7] =
    ["bind", "max_line", "data_dir", "sync", "http", "http_names", "metrics_members"];

/// Keys that turn something on. It stays on or off until a restart; the path may change.
const SWITCHES: [&str; 3] = ["tls", "access", "http_token_file"];

/// Two values of a setting, as the config file has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// Name of the key, or `port` or `ttl`.
    pub name: &'static str,
    /// Value with which the coordinator runs.
    pub before: String,
    /// Value that was read.
    pub after: String,
}

/// Outcome of a config that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// Config from now on.
    pub config: CoordinatorConfig,
    /// Settings that change.
    pub changed: Vec<SettingChange>,
    /// Settings that need a restart to change.
    pub fixed: Vec<SettingChange>,
}

impl ConfigChange {
    /// Returns the change of a coordinator that runs with `old` and reads `new`.
    ///
    /// # Errors
    ///
    /// A description of values that do not fit a setting that stays.
    pub fn between(old: &CoordinatorConfig, new: &CoordinatorConfig) -> Result<Self, String> {
        let mut config = new.clone();
        config.listen = old.listen;
        let mut fixed = Vec::new();
        if is_site(old) {
            let ttls = [old, new].map(|config| config.ttl_s.to_string());
            fixed.extend(SettingChange::between("ttl", ttls));
            config.ttl_s = old.ttl_s;
        }
        let ports = [old.listen.port(), new.listen.port()].map(|port| port.to_string());
        fixed.extend(SettingChange::between("port", ports));
        for key in Program::all_keys().filter(|key| is_fixed(key, old, new)) {
            let before = (key.show)(old);
            fixed.extend(SettingChange::between(key.name, [before.clone(), (key.show)(new)]));
            // A value that was valid once is valid again.
            let _ = (key.assign)(&mut config, &before);
        }
        if config.security.tls.is_none() {
            config.security.ca = None;
        }
        let lowest = value::wide(config.max_line).saturating_mul(2);
        if config.max_backlog < lowest {
            return Err(format!(
                "max_backlog: found {}, expected at least {}, twice max_line, which stays until \
                 a restart",
                value::show_size(config.max_backlog),
                value::show_size(lowest)
            ));
        }
        let ttls = [old.ttl_s, config.ttl_s].map(|ttl_s| ttl_s.to_string());
        let mut changed: Vec<SettingChange> =
            SettingChange::between("ttl", ttls).into_iter().collect();
        changed.extend(Program::all_keys().filter_map(|key| {
            SettingChange::between(key.name, [old, &config].map(|config| (key.show)(config)))
        }));
        Ok(Self { config, changed, fixed })
    }
}

fn is_fixed(key: &ConfigKey, old: &CoordinatorConfig, new: &CoordinatorConfig) -> bool {
    let is_on = |config: &CoordinatorConfig| !(key.show)(config).is_empty();
    FIXED_KEYS.contains(&key.name)
        || SWITCHES.contains(&key.name) && is_on(old) != is_on(new)
        || is_site(old) && is_of_group(key.name)
}

/// Returns true for a config of a site, whose group has settings that all sites share.
fn is_site(config: &CoordinatorConfig) -> bool {
    #[cfg(feature = "engine")]
    return !config.storage.engine.servers.is_empty();
    #[cfg(not(feature = "engine"))]
    return {
        let _ = config;
        false
    };
}

/// Returns true for a key of the engine, and for one that all sites of a group share.
fn is_of_group(name: &str) -> bool {
    let is_shared = ["max_members", "overflow", "presence"].contains(&name);
    is_shared || name.starts_with("engine") || ["group", "site"].contains(&name)
}

impl SettingChange {
    /// Returns the change, if the values differ.
    fn between(name: &'static str, [before, after]: [String; 2]) -> Option<Self> {
        let show = |value: String| if value.is_empty() { "none".to_owned() } else { value };
        (before != after).then(|| Self { name, before: show(before), after: show(after) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A config with these lines.
    fn config(first: &str, lines: &[&str]) -> CoordinatorConfig {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.txt");
        std::fs::write(&path, format!("{first}\n{}\n", lines.join("\n"))).unwrap();
        crate::config::ConfigSource { file: Some(path), ..Default::default() }
            .load(crate::config::Fifos::Awaited)
            .unwrap()
    }

    fn shown(changes: &[SettingChange]) -> Vec<String> {
        let show = |it: &SettingChange| format!("{} {} {}", it.name, it.before, it.after);
        changes.iter().map(show).collect()
    }

    #[test]
    fn limits_timeouts_and_paths_change_and_the_rest_stays_and_is_named() {
        let old = config("5000\n60", &["max_members=5", "access=a.txt", "data_dir=d"]);
        let lines = [
            "max_members=6",
            "access=b.txt",
            "bind=127.0.0.1",
            "max_line=1k",
            "sync=never",
            "data_dir=",
            "log_level=debug",
            "user_timeout=0",
            "tls=c.keys",
            "ca=ca.pem",
        ];
        #[cfg(not(feature = "tls"))]
        let lines = &lines[..lines.len() - 2];
        let new = config("5001\n3", &lines);
        let ConfigChange { config: merged, changed, fixed } =
            ConfigChange::between(&old, &new).unwrap();
        let expected = [
            "ttl 60 3",
            "max_members 5 6",
            "user_timeout 30 0",
            "log_level info debug",
            "access a.txt b.txt",
        ];
        assert_eq!(shown(&changed), expected);
        let expected = [
            "port 5000 5001",
            "bind 0.0.0.0 127.0.0.1",
            "max_line 64k 1k",
            "data_dir d none",
            "sync always never",
            #[cfg(feature = "tls")]
            "tls none c.keys",
        ];
        assert_eq!(shown(&fixed), expected);
        let again = config(
            "5000\n3",
            &["max_members=6", "access=b.txt", "data_dir=d", "log_level=debug", "user_timeout=0"],
        );
        assert_eq!(merged, again);
        assert_eq!(
            ConfigChange::between(&old, &old).map(|it| (it.changed, it.fixed)),
            Ok((vec![], vec![]))
        );
    }

    #[test]
    fn access_rules_are_not_turned_on_or_off() {
        let (with, without) = (config("1\n1", &["access=a.txt"]), config("1\n1", &[]));
        for (old, new, fixed) in
            [(&with, &without, "access a.txt none"), (&without, &with, "access none a.txt")]
        {
            let change = ConfigChange::between(old, new).unwrap();
            assert_eq!((shown(&change.fixed), &change.config), (vec![fixed.to_owned()], old));
        }
    }

    #[test]
    fn a_backlog_that_the_longest_line_does_not_fit_into_is_a_fault() {
        let old = config("1\n1", &["max_line=1m"]);
        let new = config("1\n1", &["max_line=1k", "max_backlog=4k"]);
        let expected = "max_backlog: found 4k, expected at least 2m, twice max_line, which stays \
                        until a restart";
        assert_eq!(ConfigChange::between(&old, &new), Err(expected.to_owned()));
    }
}
