//! Walls between the parts of the library, and parts that decide without touching anything outside.

use std::path::Path;

use crate::code::{children_of, words_of};
use crate::{hold, read, sources};

/// Each part of the library and the parts it may use, all of which stand above it: no circles.
const WALLS: [(&str, &[&str]); 15] = [
    ("limits", &[]),
    ("time", &[]),
    ("text", &[]),
    ("metrics", &[]),
    ("histogram", &[]),
    ("protocol", &["limits", "time"]),
    ("access", &["limits", "protocol", "time"]),
    ("config", &["access", "limits", "protocol", "text"]),
    ("facts", &["protocol", "time"]),
    ("group", &["access", "facts", "limits", "protocol", "time"]),
    ("session", &["limits", "protocol", "text", "time"]),
    ("journal", &["facts", "histogram", "limits", "protocol", "text", "time"]),
    ("net", &["limits", "protocol", "text", "time"]),
    (
        "coordinator",
        &[
            "access",
            "config",
            "facts",
            "net",
            "group",
            "histogram",
            "journal",
            "limits",
            "metrics",
            "protocol",
            "text",
            "time",
        ],
    ),
    ("participant", &["config", "net", "limits", "protocol", "session", "text", "time"]),
];

/// Parts whose tests may use one more part: the journal's tests need a real state, and the
/// participant's the keys of `stats`.
const TEST_USES: [(&str, &str); 2] = [("journal", "group"), ("participant", "metrics")];

/// Parts that decide and do nothing.
const MINDS: [&str; 10] = [
    "limits",
    "time",
    "text",
    "metrics",
    "histogram",
    "protocol",
    "access",
    "facts",
    "group",
    "session",
];

/// Files of the journal that reach the disk, or name its operations and errors. The other ones
/// decide, as a mind does.
const DISK_FILES: [&str; 4] = ["directory.rs", "files.rs", "issues.rs", "spare.rs"];

/// Crates that only compute, which minds may use.
const PURE_CRATES: [&str; 7] =
    ["bytes", "crc32fast", "hdrhistogram", "itoa", "memchr", "slab", "xxhash_rust"];

/// Files that name a TCP stream. All others have a `Stream`, or the `Transport` that is one. The
/// monitor of an engine is asked before there is a loop.
const TRANSPORT: [&str; 3] =
    ["src/net/engine/monitor.rs", "src/net/socket.rs", "src/net/transport.rs"];

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

/// Files of the group that apply facts: new ones, recorded ones, and the members themselves.
const APPLIERS: [&str; 5] = ["apply.rs", "joining.rs", "recorded.rs", "member.rs", "members.rs"];

/// Methods that change the durable state of a group.
const STATE_CHANGES: [&str; 7] = [
    "add_own",
    "append_lost",
    "append_message",
    "decide",
    "move_cursor",
    "restore_own",
    "resume_at",
];

/// Calls with which a file of the group changes the durable state without a fact.
fn changes_without_a_fact(source: &str) -> Vec<String> {
    let words = words_of(source);
    let calls = words.windows(4).filter_map(|words| {
        let [receiver, dot, method, open] = words else { return None };
        let is_call = dot == "." && open == "(";
        let is_member_list = receiver == "members" && ["insert", "remove"].contains(&&**method);
        // The access rules decide about clients, and change nothing.
        let is_epoch = method != "decide" || receiver == "epochs";
        let is_change = STATE_CHANGES.contains(&&**method) && is_epoch || is_member_list;
        (is_call && is_change).then(|| format!("calls {method}"))
    });
    calls.collect()
}

/// Uses of other parts that the wall around `part` does not allow.
fn walls_crossed(part: &str, source: &str, is_test: bool) -> Vec<String> {
    let words = words_of(source);
    let allowed = WALLS.iter().find(|(name, _)| *name == part).map_or(&[][..], |(_, uses)| uses);
    let of_tests = |used: &str| is_test && TEST_USES.contains(&(part, used));
    let is_crossed = |used: &&str| *used != part && !allowed.contains(used) && !of_tests(used);
    let crossed = children_of("crate", &words).into_iter().filter(is_crossed);
    let mut offences: Vec<String> = crossed.map(|used| format!("uses {used}")).collect();
    if words.windows(3).any(|words| words == ["super", "::", "super"]) {
        offences.push("climbs with super::super, where no wall is seen".to_owned());
    }
    offences
}

/// Uses of the library that a program makes besides configuring and running.
fn bin_walls_crossed(source: &str) -> Vec<String> {
    let words = words_of(source);
    let used = children_of("groupcast", &words).into_iter();
    let is_crossed = |used: &&str| !["config", "coordinator", "participant"].contains(used);
    used.filter(is_crossed).map(|used| format!("uses {used}")).collect()
}

/// Returns the things outside of itself that a mind uses.
fn mind_reaches_out(source: &str, impure_crates: &[String]) -> Vec<String> {
    let words = words_of(source);
    let mut offences: Vec<String> = children_of("std", &words)
        .into_iter()
        .filter(|child| OUTSIDE.contains(child) || *child == "*")
        .map(|child| format!("uses std::{child}"))
        .collect();
    for (at, name) in words.iter().enumerate() {
        let behind = |step: usize| words.get(at + step).map(String::as_str).unwrap_or_default();
        if LOUD.contains(&name.as_str()) && behind(1) == "!" && behind(2) != "=" {
            offences.push(format!("calls {name}!"));
        }
        // `D::File` is a type of a trait.
        let before = words.get(..at).unwrap_or_default();
        let is_associated = before.ends_with(&["D".to_owned(), "::".to_owned()]);
        if IMPURE.contains(&name.as_str()) && !is_associated
            || behind(1) == "::" && impure_crates.iter().any(|k| k == name)
        {
            offences.push(format!("uses {name}"));
        }
    }
    offences
}

/// Uses of a TCP stream outside of tests. A test has a TCP stream as the peer of a connection.
fn names_a_tcp_stream(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let is_named = words_of(code).iter().any(|word| word == "TcpStream");
    if is_named { vec!["names TcpStream".to_owned()] } else { Vec::new() }
}

/// Crates of the manifest that a mind may not use.
fn impure_crates(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[").find_map(|part| part.strip_prefix("dependencies]"));
    let names = section.unwrap_or_default().lines().filter_map(|line| line.split_once(" = "));
    let names = names.map(|(name, _)| name.replace('-', "_"));
    names.filter(|name| !PURE_CRATES.contains(&name.as_str())).collect()
}

/// Returns true for a file that only tests use.
fn is_test(path: &Path) -> bool {
    path.iter().any(|name| ["testing.rs", "tests", "tests.rs"].iter().any(|test| name == *test))
}

/// The part that a file of `src/` belongs to.
fn part_of(path: &Path) -> &str {
    let below = path.strip_prefix("src").unwrap();
    let first = below.iter().next().unwrap().to_str().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

#[test]
fn every_part_stands_behind_its_walls() {
    hold(sources("src"), |path, source| match part_of(path) {
        "lib" => Vec::new(),
        "bin" => bin_walls_crossed(source),
        part if WALLS.iter().all(|(name, _)| *name != part) => vec!["has no walls".to_owned()],
        part => walls_crossed(part, source, is_test(path)),
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
    minds.retain(|path| MINDS.contains(&part_of(path)) || decides_for_the_journal(path));
    for deciding in ["commits.rs", "recovery.rs", "store.rs", "writer.rs"] {
        let found = minds.iter().any(|path| path.ends_with(deciding));
        assert!(found, "{deciding} of the journal has another name");
    }
    hold(minds, |_, source| mind_reaches_out(source, &impure));
}

#[test]
fn only_the_transport_names_a_tcp_stream() {
    let mut files = sources("src");
    let all = files.len();
    files.retain(|path| !is_test(path) && TRANSPORT.iter().all(|file| path != Path::new(file)));
    assert!(files.len() + TRANSPORT.len() < all, "the files of the transport have other names");
    for file in TRANSPORT {
        assert_ne!(names_a_tcp_stream(&read(file)), [""; 0], "{file} needs no exception");
    }
    hold(files, |_, source| names_a_tcp_stream(source));
}

#[test]
fn a_tcp_stream_outside_of_the_transport_is_seen() {
    for (source, is_seen) in [
        ("use mio::net::TcpStream;", true),
        ("struct Sockets<S = mio::net::TcpStream>(S);", true),
        ("// A TcpStream.\nuse mio::net::TcpListener;", false),
        ("fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use std::net::TcpStream;\n}\n", false),
        ("use std::net::TcpStream;\n\n#[cfg(test)]\nmod tests {}\n", true),
    ] {
        assert_eq!(names_a_tcp_stream(source).len() == 1, is_seen, "{source}");
    }
}

/// Atomic numbers of 64 bits, which some 32-bit processors lack.
fn wide_atomics(source: &str) -> Vec<String> {
    let mut words = words_of(source);
    words.retain(|word| ["AtomicI64", "AtomicU64"].contains(&word.as_str()));
    words
}

#[test]
fn no_atomic_number_has_64_bits() {
    hold(sources("src"), |_, source| wide_atomics(source));
    let source = "use std::sync::atomic::{AtomicU64, AtomicUsize}; // AtomicI64";
    assert_eq!(wide_atomics(source), ["AtomicU64"]);
}

/// Returns true for a file of the journal that decides, and leaves the disk to others.
fn decides_for_the_journal(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    part_of(path) == "journal" && !is_test(path) && !DISK_FILES.contains(&name)
}

#[test]
fn the_state_of_a_group_changes_only_by_facts() {
    let mut files = sources("src/group");
    let is_applier = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| APPLIERS.contains(&name)) || path.starts_with("src/group/tests")
    };
    let all = files.len();
    files.retain(|path| !is_applier(path));
    assert!(files.len() + 5 <= all, "the files that apply facts have other names");
    hold(files, |_, source| changes_without_a_fact(source));
}

#[test]
fn a_change_without_a_fact_is_seen() {
    for (source, expected) in [
        ("self.members.find(id); epochs.decided(); // members.insert(x)", &[][..]),
        ("self.members.insert(id, address);", &["calls insert"]),
        ("group.members.remove(slot)", &["calls remove"]),
        ("member.move_cursor(acked, history);", &["calls move_cursor"]),
        ("self.history.append_message(&delivery, at);", &["calls append_message"]),
        ("self.epochs.decide(epoch, index);", &["calls decide"]),
        ("list.insert(1); table.decide(identity, id, owner, owned)", &[]),
    ] {
        assert_eq!(changes_without_a_fact(source), expected, "{source}");
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
        assert_eq!(walls_crossed(part, source, false), expected, "{source}");
    }
    let source = "use crate::{group::Group, session::Session};";
    assert_eq!(walls_crossed("journal", source, false), ["uses group", "uses session"]);
    assert_eq!(walls_crossed("journal", source, true), ["uses session"]);
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
        ("fn f<D: Disk>(file: D::File) {}", &[]),
        ("fn f(file: fs::File) {}", &["uses File"]),
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
