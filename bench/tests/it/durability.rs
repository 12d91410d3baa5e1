//! Whoever loses what it had confirmed is found out; what was measured is written down.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::programs;
use groupcast_bench::peers::installed;

fn durability(arguments: &[&str], path: Option<&Path>) -> Output {
    let mut durability = Command::new(env!("CARGO_BIN_EXE_bench"));
    if let Some(first) = path {
        let others = env::var_os("PATH").unwrap_or_default();
        let all = [first.to_owned()].into_iter().chain(env::split_paths(&others));
        durability.env("PATH", env::join_paths(all).unwrap());
    }
    durability.arg("durability").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A directory with a program `name` that is the real one, but runs `before` when it starts.
fn with_program(name: &str, real: &Path, before: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    let script = format!("#!/bin/sh\n{before}\nexec {} \"$@\"\n", real.display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Cuts the last bytes off the newest file of those that a start finds in its directory.
fn forget(option: &str, files: &str) -> String {
    format!(
        "for word; do [ \"$before\" = {option} ] && directory=$word; before=$word; done\n\
         newest=$(ls \"$directory\"/{files} 2>/dev/null | tail -n 1)\n\
         [ -z \"$newest\" ] || truncate -s -1000 \"$newest\""
    )
}

#[test]
fn a_coordinator_that_forgets_what_it_confirmed_is_found_out() {
    let before = forget("--data-dir", "*.journal");
    let false_one = with_program("coordinator", &programs().join("coordinator"), &before);
    let from = false_one.path().to_str().unwrap();
    for (part, fault) in [("confirm", "groupcast confirmed "), ("recovery", " were recovered")] {
        let options = ["--quick", "--only", part, "--nats", "none", "--programs", from];
        let output = durability(&options, None);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.lines().any(|line| line.contains("FAILED") && line.contains(fault)), "{text}");
    }
}

#[test]
fn a_redis_that_forgets_what_it_confirmed_is_found_out() {
    let real: PathBuf = installed::program("redis-server");
    if !real.is_absolute() {
        return; // Without it there is nothing to be false.
    }
    let false_one = with_program("redis-server", &real, &forget("--dir", "*/*.incr.aof"));
    let from = programs();
    let options = ["--quick", "--only", "confirm", "--nats", "none"];
    let options = [&options[..], &["--programs", from.to_str().unwrap()]].concat();
    let output = durability(&options, Some(false_one.path()));
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAILED: Redis Streams confirmed "), "{text}");
}

#[test]
fn what_was_measured_is_written_down() {
    let (out, programs) = (tempfile::tempdir().unwrap(), programs());
    let [out, from] = [out.path(), &programs].map(|path| path.to_str().unwrap());
    let output = durability(&["--quick", "--nats", "none", "--programs", from, "--out", out], None);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    let written = fs::read_to_string(Path::new(out).join("DURABILITY.md")).unwrap();
    for part in [
        "Written by `make durability` (`bench durability --quick ",
        "everything stored on ",
        "| confirmed, 1 publisher: groupcast to NATS JetStream | above 1.00 | — | not measured |",
        "### confirmed, 100 publishers",
        "| NATS JetStream | not measured: NOT INSTALLED | — |",
        "| delivered, 1 → 100: sync=always to memory only | at most 1.30 |",
        "| recovered: 1 KiB | at most 373 |",
        "| 100 B, read from the disk | ",
    ] {
        assert!(written.contains(part), "{part} is not in\n{written}");
    }
    assert!(!written.contains("FAILED"), "{written}");
}

#[test]
fn the_exit_code_says_what_became_of_it() {
    assert_eq!(durability(&["--help"], None).status.code(), Some(0));
    for wrong in [&["--only", "everything"][..], &["--fast"], &["now"]] {
        assert_eq!(durability(wrong, None).status.code(), Some(2), "{wrong:?}");
    }
    let nowhere = durability(&["--directory", "/nowhere/at/all"], None);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(said(&nowhere).contains("/nowhere/at/all"), "{}", said(&nowhere));
}
