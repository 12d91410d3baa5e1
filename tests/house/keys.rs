//! The keys of the config: in the limits, in the help, in the shipped file and in the documents.

use std::process::Command;

use crate::read;

/// Keys that `limits.rs` gives a default: the doc comment begins with the key.
fn configurable(limits: &str) -> Vec<&str> {
    let docs = limits.lines().filter_map(|line| line.strip_prefix("/// `"));
    docs.filter_map(|doc| Some(doc.split_once("`: ")?.0)).collect()
}

/// Keys of an annotated config file, commented out or not.
fn shipped(config: &str) -> Vec<&str> {
    let is_key = |name: &str| name.chars().all(|char| char.is_ascii_lowercase() || char == '_');
    let lines = config.lines().map(|line| line.trim_start_matches("// "));
    let keys = lines.filter_map(|line| Some(line.split_once('=')?.0));
    keys.filter(|key| is_key(key)).collect()
}

/// Options of the coordinator that are no keys.
const NOT_KEYS: [&str; 9] =
    ["check", "health", "init_keys", "inspect", "invite", "new_epoch", "port", "ttl", "version"];

/// Long options of a help that take a value of the config's, as keys.
fn offered(help: &str) -> Vec<String> {
    let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let names = options.filter_map(|option| Some(option.split_once(' ')?.0.replace('-', "_")));
    names.filter(|name| !NOT_KEYS.contains(&name.as_str())).collect()
}

#[test]
fn every_limit_that_can_be_moved_is_in_the_help_the_shipped_config_and_the_reference() {
    let output = Command::new(env!("CARGO_BIN_EXE_coordinator")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (limits, config) = (read("src/limits.rs"), read("config/coordinator.txt"));
    let (limits, offered, shipped) = (configurable(&limits), offered(&help), shipped(&config));
    assert_eq!(offered, shipped);
    assert!(limits.len() >= 7, "{limits:?}");
    for key in limits {
        assert!(shipped.contains(&key), "{key}");
    }
    let reference = read("config/README.md");
    for key in &shipped {
        let row = format!("| `{key}` |");
        assert!(reference.contains(&row), "{key} has no row in config/README.md");
    }
}

/// Long options of a help.
fn long_options(help: &str) -> Vec<&str> {
    let rows = help.lines().filter_map(|line| line.trim_start().split_once("--"));
    let rows = rows.filter(|(short, _)| short.is_empty() || short.starts_with('-'));
    rows.filter_map(|(_, row)| row.split(' ').next()).collect()
}

#[test]
fn every_option_stands_in_the_man_page() {
    let participant = option_env!("CARGO_BIN_EXE_participant").map(|path| ("participant", path));
    let coordinator = ("coordinator", env!("CARGO_BIN_EXE_coordinator"));
    for (name, path) in [coordinator].into_iter().chain(participant) {
        let output = Command::new(path).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let page = read(format!("config/man/groupcast-{name}.1"));
        let options = long_options(&help);
        assert!(options.len() > 20, "{options:?}");
        for option in options {
            let is_row = |row: &str| row.split([' ', '\n']).next() == Some(option);
            let has_row = page.split("Fl -").skip(1).any(is_row);
            assert!(has_row, "--{option} of the {name}: `make manual` writes the page");
        }
    }
}

#[test]
fn keys_are_found_where_they_stand() {
    let limits = "/// `max_line`: longest.\npub const A: u8 = 1;\n/// Largest `max_line` of all.\n";
    assert_eq!(configurable(limits), ["max_line"]);
    let config =
        "// Each key=value wins, max_line too.\n5000\n// bind=::1\n// max_line = no\nttl=1\n";
    assert_eq!(shipped(config), ["bind", "ttl"]);
    let help = "    -h, --help          show\n        --check         x --y\n\
                --bind IP       a\n        --max-line BYTES\n                about --bind IP\n";
    assert_eq!(offered(help), ["bind", "max_line"]);
    assert_eq!(long_options(help), ["help", "check", "bind", "max-line"]);
}
