//! `bench compare` measures all peers that are installed, finds those that lose messages, and names
//! those that are missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{PROGRAMS, bench, with_script};

const QUICK: [&str; 4] = ["compare", "--quick", "--only", "1 → 1"];

/// Measures the smallest case with some peers.
fn compare(peers: &[&str], path: Option<&Path>) -> (Option<i32>, String) {
    let peers = peers.iter().flat_map(|peer| ["--peer", peer]);
    let all: Vec<&str> = QUICK.into_iter().chain(peers).collect();
    bench(&all, None, path)
}

#[test]
fn every_installed_peer_delivers_everything() {
    let peers = ["floor", "floor, acks", "ZeroMQ", "Redis", "Redis Streams", "NATS 2.9"];
    let ours = ["groupcast", "groupcast, acks", "NATS 2.15", "mosquitto, QoS 0"];
    let all = [&peers[..], &ours].concat();
    let (code, text) = compare(&all, None);
    assert_eq!(code, Some(0), "{text}");
    for peer in all {
        let is_measured = text.contains(&format!("  1 {peer:<26} "));
        assert!(is_measured || text.contains(&format!("{peer}: NOT INSTALLED")), "{peer}: {text}");
    }
    // A build without optimization is slower than any NATS, which is reported and is no failure.
    if cfg!(debug_assertions) && text.contains("  1 NATS 2.15 ") {
        let target = text.lines().find(|line| line.contains("groupcast to NATS 2.15"));
        assert!(target.is_some_and(|line| line.contains("missed by ")), "{text}");
    }
}

#[test]
fn every_installed_peer_delivers_everything_with_tls() {
    let names = ["floor", "groupcast", "Redis", "mosquitto"];
    let suites = ["groupcast, ChaCha20-Poly1305"];
    let aes = names.iter().skip(1).map(|name| format!("{name}, AES-128-GCM"));
    let all: Vec<String> =
        ["floor", "groupcast"].into_iter().chain(suites).map(str::to_owned).chain(aes).collect();
    let chosen = all.iter().flat_map(|peer| ["--peer", peer]);
    let tables = ["compare", "--quick", "--only", "TLS, 1 → 100", "--only", "handshake"];
    let arguments: Vec<&str> = tables.into_iter().chain(chosen).collect();
    let (code, text) = bench(&arguments, None, None);
    assert_eq!(code, Some(0), "{text}");
    for peer in &all {
        let line = text.lines().find(|line| line.starts_with(&format!("  1 {peer:<26} ")));
        let is_missing = text.contains(&format!("{peer}: NOT INSTALLED"));
        assert!(line.is_some() || is_missing, "{peer}: {text}");
        // Records are counted where there is TLS, and hold many messages of the coordinator.
        let records = line.filter(|line| line.contains(" TLS records of a delivery"));
        assert_eq!(records.is_some(), peer.contains('-') && !is_missing, "{peer}: {text}");
    }
    // A comparison needs both sides.
    let has_mosquitto = !text.contains("mosquitto, AES-128-GCM: NOT INSTALLED");
    let is_compared = text.contains("handshake: CPU of a connection, groupcast to mosquitto");
    assert_eq!(is_compared, has_mosquitto, "{text}");
}

#[test]
fn a_zeromq_that_drops_messages_is_found() {
    let found = Command::new("sh").args(["-c", "command -v python3"]).output().unwrap();
    let real = String::from_utf8(found.stdout).unwrap();
    let limited = format!(
        "script=$(printf %s \"$2\" | sed 's/HWM, 0/HWM, 1/')\nexec {} \"$1\" \"$script\"",
        real.trim()
    );
    let faulty = with_script("python3", &limited);
    let (code, text) = compare(&["floor", "ZeroMQ"], Some(faulty.path()));
    if !text.contains("ZeroMQ: NOT INSTALLED") {
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("FAILED: expected text "), "{text}");
    }
}

#[test]
fn missing_peers_are_named_with_the_command_that_installs_them() {
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(QUICK).args(["--peer", "floor", "--peer", "groupcast", "--peer", "ZeroMQ"]);
    command.args(["--peer", "Redis Streams", "--programs"]).arg(&*PROGRAMS);
    command.arg("--out").arg(out.path()).env("PATH", "/nowhere");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let written = fs::read_to_string(out.path().join("RESULTS.md")).unwrap();
    for (peer, command) in [
        ("ZeroMQ", "apt-get install libzmq5 python3"),
        ("Redis Streams", "apt-get install redis-server"),
    ] {
        let reason = format!("NOT INSTALLED, not measured (`{command}`)");
        assert!(text.trim_end().contains(&format!("\n{peer}: {reason}\n")), "{text}");
        assert!(written.contains(&format!("| {peer} | not measured: {reason} |")), "{written}");
    }
    assert!(written.contains("| floor | "), "{written}");
    let pictures = ["results-cpu.svg", "results-latency.svg"].map(|name| out.path().join(name));
    assert!(pictures.iter().all(|path: &PathBuf| path.is_file()));
}

#[test]
fn a_large_group_is_measured_if_the_process_may_open_enough_files() {
    let crowd = ["compare", "--quick", "--only", "crowd"];
    let (code, text) = bench(&crowd, None, None);
    assert_eq!(code, Some(0), "{text}");
    for part in ["  1 100 members ", "  1 900 members ", "9 × as many members", "0 rounds FAILED"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }

    let out = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 1000 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_bench")]);
    shell.args(crowd).arg("--programs").arg(&*PROGRAMS).arg("--out").arg(out.path());
    assert_eq!(shell.output().unwrap().status.code(), Some(0));
    let written = fs::read_to_string(out.path().join("RESULTS.md")).unwrap();
    let reason = "not measured: needs 1864 open files, the limit is 1000 (ulimit -n)";
    assert!(written.contains(&format!("| 900 members | {reason} |")), "{written}");
    assert!(
        written.contains("9 × as many members | at most 1.50 | — | not measured |"),
        "{written}"
    );
}

#[test]
fn the_exit_code_tells_usage_from_failure() {
    assert_eq!(bench(&["compare", "--help"], None, None).0, Some(0));
    for wrong in [&["--only", "everything"][..], &["--peer", "NATS"], &["--rounds", "0"]] {
        assert_eq!(bench(&[&["compare"], wrong].concat(), None, None).0, Some(2), "{wrong:?}");
    }
}
