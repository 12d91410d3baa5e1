//! The rules of the house, kept by reading the sources: walls, minds without bodies, sizes, keys.
//!
//! Each rule is a function from a text to what offends in it, tried on snippets that offend.

#![cfg(test)]

mod code;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use code::{children_of, code_of, functions_of, words_of};

const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 399;
const FUNCTION_LINES_MAX: usize = 59;

/// Each part of the library and the parts it may use, all of which stand above it: no circles.
const WALLS: [(&str, &[&str]); 11] = [
    ("limits", &[]),
    ("time", &[]),
    ("text", &[]),
    ("protocol", &["limits", "time"]),
    ("config", &["limits", "protocol", "text"]),
    ("group", &["limits", "protocol", "time"]),
    ("session", &["limits", "protocol", "text", "time"]),
    ("journal", &["limits", "protocol", "text", "time"]),
    ("net", &["limits", "protocol", "text", "time"]),
    ("coordinator", &["config", "net", "group", "journal", "limits", "protocol", "text", "time"]),
    ("participant", &["config", "net", "limits", "protocol", "session", "text", "time"]),
];

/// Parts that decide and do nothing.
const MINDS: [&str; 6] = ["limits", "time", "text", "protocol", "group", "session"];

/// Crates that only compute, which minds may use.
const PURE_CRATES: [&str; 3] = ["bytes", "memchr", "slab"];

/// Parts of `std` that reach out of the program, or let others in.
const OUTSIDE: [&str; 5] = ["env", "fs", "os", "process", "thread"];

/// Names that reach out of the program, or differ from run to run, wherever they come from.
const IMPURE: [&str; 14] = [
    "File",
    "HashMap",
    "HashSet",
    "Instant",
    "RandomState",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
    "stdin",
];

/// Macros that print or log.
const LOUD: [&str; 11] = [
    "dbg", "debug", "eprint", "eprintln", "error", "info", "log", "print", "println", "trace",
    "warn",
];

/// Uses of other parts that the wall around `part` does not allow.
fn walls_crossed(part: &str, source: &str) -> Vec<String> {
    let code = code_of(source);
    let words = words_of(&code);
    let allowed = WALLS.iter().find(|(name, _)| *name == part).map_or(&[][..], |(_, uses)| uses);
    let is_crossed = |used: &&str| *used != part && !allowed.contains(used);
    let crossed = children_of("crate", &words).into_iter().filter(is_crossed);
    let mut offences: Vec<String> = crossed.map(|used| format!("uses {used}")).collect();
    if words.windows(3).any(|words| words == ["super", "::", "super"]) {
        offences.push("climbs with super::super, where no wall is seen".to_owned());
    }
    offences
}

/// Uses of the library that a program makes besides configuring and running.
fn bin_walls_crossed(source: &str) -> Vec<String> {
    let code = code_of(source);
    let used = children_of("groupcast", &words_of(&code)).into_iter();
    let is_crossed = |used: &&str| !["config", "coordinator", "participant"].contains(used);
    used.filter(is_crossed).map(|used| format!("uses {used}")).collect()
}

/// What a mind reaches for outside of itself.
fn mind_reaches_out(source: &str, impure_crates: &[String]) -> Vec<String> {
    let code = code_of(source);
    let words = words_of(&code);
    let mut offences: Vec<String> = children_of("std", &words)
        .into_iter()
        .filter(|child| OUTSIDE.contains(child) || *child == "*")
        .map(|child| format!("uses std::{child}"))
        .collect();
    for (at, name) in words.iter().enumerate() {
        let behind = |step: usize| words.get(at + step).copied().unwrap_or_default();
        if LOUD.contains(name) && behind(1) == "!" && behind(2) != "=" {
            offences.push(format!("calls {name}!"));
        }
        if IMPURE.contains(name) || behind(1) == "::" && impure_crates.iter().any(|k| k == name) {
            offences.push(format!("uses {name}"));
        }
    }
    offences
}

fn too_wide(text: &str) -> Vec<String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.chars().count()));
    let wide = lines.filter(|(_, chars)| *chars > LINE_CHARS_MAX);
    wide.map(|(number, chars)| format!("line {number} has {chars} characters")).collect()
}

fn too_long(source: &str) -> Vec<String> {
    let lines = source.lines().count();
    let long = lines > FILE_LINES_MAX;
    long.then(|| format!("has {lines} lines")).into_iter().collect()
}

fn functions_too_long(source: &str) -> Vec<String> {
    let functions = functions_of(&code_of(source)).into_iter();
    let long = functions.filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX);
    long.map(|(name, line, lines)| format!("line {line}: {name} has {lines} lines")).collect()
}

fn left_undone(text: &str) -> Vec<String> {
    // In two pieces, or this line would offend.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let words = words_of(text).into_iter().filter(|word| marks.contains(word));
    words.map(|word| format!("says {word}")).collect()
}

/// Crates of the manifest that a mind may not use.
fn impure_crates(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[").find_map(|part| part.strip_prefix("dependencies]"));
    let names = section.unwrap_or_default().lines().filter_map(|line| line.split_once(" = "));
    let names = names.map(|(name, _)| name.replace('-', "_"));
    names.filter(|name| !PURE_CRATES.contains(&name.as_str())).collect()
}

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

/// Long options of a help that take a value of the config's, as keys.
fn offered(help: &str) -> Vec<String> {
    let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let names = options.filter_map(|option| Some(option.split_once(' ')?.0.replace('-', "_")));
    names
        .filter(|name| {
            !["check", "inspect", "log_level", "new_epoch", "version"].contains(&name.as_str())
        })
        .collect()
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = top().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every file below `directory`, relative to the top, in the order of names.
fn files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![top().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.push(path.strip_prefix(top()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn sources(directory: &str) -> Vec<PathBuf> {
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files(directory).into_iter().filter(is_source).collect()
}

/// The part that a file of `src/` belongs to.
fn part_of(path: &Path) -> &str {
    let below = path.strip_prefix("src").unwrap();
    let first = below.iter().next().unwrap().to_str().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// No file offends against a rule.
#[track_caller]
fn hold(files: Vec<PathBuf>, rule: impl Fn(&Path, &str) -> Vec<String>) {
    assert!(!files.is_empty(), "a rule about nothing");
    let mut offences = Vec::new();
    for path in files {
        let found = rule(&path, &read(&path)).into_iter();
        offences.extend(found.map(|offence| format!("{}: {offence}", path.display())));
    }
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn every_part_stands_behind_its_walls() {
    hold(sources("src"), |path, source| match part_of(path) {
        "lib" => Vec::new(),
        "bin" => bin_walls_crossed(source),
        part if WALLS.iter().all(|(name, _)| *name != part) => vec!["has no walls".to_owned()],
        part => walls_crossed(part, source),
    });
}

#[test]
fn a_part_uses_only_parts_that_stand_above_it() {
    for (index, (part, uses)) in WALLS.iter().enumerate() {
        let above = &WALLS[..index];
        for used in *uses {
            assert!(above.iter().any(|(name, _)| name == used), "{part} uses {used}");
        }
    }
}

#[test]
fn minds_reach_for_nothing_outside() {
    let impure = impure_crates(&read("Cargo.toml"));
    assert!(impure.iter().any(|name| name == "mio") && impure.len() > 3, "{impure:?}");
    let mut minds = sources("src");
    minds.retain(|path| MINDS.contains(&part_of(path)));
    hold(minds, |_, source| mind_reaches_out(source, &impure));
}

#[test]
fn sources_fit_a_screen() {
    let all = || [sources("src"), sources("tests"), sources("bench")].concat();
    hold(all(), |_, source| too_wide(source));
    hold(all(), |_, source| functions_too_long(source));
    hold([sources("src"), sources("bench")].concat(), |_, source| too_long(source));
}

#[test]
fn nothing_is_left_undone() {
    let manifest = vec![PathBuf::from("Cargo.toml"), PathBuf::from("Makefile")];
    let directories = ["src", "tests", "config", "bench"].map(files).concat();
    hold([directories, manifest].concat(), |_, text| left_undone(text));
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

#[test]
fn crossed_walls_are_seen() {
    for (part, source, expected) in [
        ("group", "use crate::limits::ID_BYTES_MAX;", &[][..]),
        ("group", "use crate::group::Member; use super::Other;", &[]),
        ("group", "// crate::session\nlet x = \"crate::session\";", &[]),
        ("group", "use crate::session::Session;", &["uses session"]),
        ("group", "use crate::{protocol::Seq, config::Overflow};", &["uses config"]),
        ("net", "fn f(x: &crate::group::Group) {}", &["uses group"]),
        ("journal", "use crate::coordinator;", &["uses coordinator"]),
        ("coordinator", "use crate::{group, session, net};", &["uses session"]),
        ("limits", "use crate::*;", &["uses *"]),
        ("time", "use super::super::x;", &["climbs with super::super, where no wall is seen"]),
    ] {
        assert_eq!(walls_crossed(part, source), expected, "{source}");
    }
    assert_eq!(bin_walls_crossed("use groupcast::{config::settle, coordinator};"), [""; 0]);
    assert_eq!(bin_walls_crossed("groupcast::net::run();"), ["uses net"]);
}

#[test]
fn a_mind_that_reaches_out_is_seen() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\n# Why.\nbytes = \"1\"\n\
                    mio = { a = 1 }\nsignal-hook = \"0\"\n\n[dev-dependencies]\nproptest = \"1\"\n";
    let impure = impure_crates(manifest);
    assert_eq!(impure, ["mio", "signal_hook"]);
    for (source, expected) in [
        ("use std::net::{IpAddr, SocketAddr}; use std::time::Duration;", &[][..]),
        ("use bytes::Buf; fn log(error: u8) -> bool { error != 0 } // mio::Poll", &[]),
        ("use std::net::TcpStream;", &["uses TcpStream"]),
        ("use std::{collections::HashMap, fmt};", &["uses HashMap"]),
        ("let now = std::time::Instant::now();", &["uses Instant"]),
        ("fn f(now: SystemTime) {}", &["uses SystemTime"]),
        ("std::fs::write(path, text);", &["uses std::fs"]),
        ("use std::{fmt, thread};", &["uses std::thread"]),
        ("use std::*;", &["uses std::*"]),
        ("log::warn!(\"x\");", &["calls warn!"]),
        ("println!(\"x\");", &["calls println!"]),
        ("use mio::Token;", &["uses mio"]),
        ("signal_hook::flag();", &["uses signal_hook"]),
    ] {
        assert_eq!(mind_reaches_out(source, &impure), expected, "{source}");
    }
}

#[test]
fn what_is_too_large_or_left_undone_is_seen() {
    assert_eq!(too_wide(&format!("{}\n{}\n", "ä".repeat(100), "x".repeat(99))), [""; 0]);
    assert_eq!(too_wide(&format!("\n{}\n", "x".repeat(101))), ["line 2 has 101 characters"]);
    assert_eq!(too_long(&"x\n".repeat(399)), [""; 0]);
    assert_eq!(too_long(&"x\n".repeat(400)), ["has 400 lines"]);
    let function = |lines: usize| format!("\nfn f() {{\n{}}}\n", "    x();\n".repeat(lines - 2));
    assert_eq!(functions_too_long(&function(59)), [""; 0]);
    assert_eq!(functions_too_long(&function(60)), ["line 2: f has 60 lines"]);
    for mark in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
        assert_eq!(left_undone(&format!("// {mark}: later")), [format!("says {mark}")]);
        assert_eq!(left_undone(&format!("mktemp x.{mark}{mark}")), [""; 0]);
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
}
