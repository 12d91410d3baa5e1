//! `bench durability` finds every store that loses confirmed messages, and writes its results down.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{PROGRAMS, bench, with_script};

/// Runs `bench durability` without NATS.
fn durability(
    arguments: &[&str],
    programs: Option<&Path>,
    path: Option<&Path>,
) -> (Option<i32>, String) {
    bench(&[&["durability"], arguments, &["--nats", "none"]].concat(), programs, path)
}

/// Returns a directory with a program `name` that cuts the end off the newest of `files` in the
/// directory behind `option`, and then is the real program.
fn forgetful(name: &str, real: &Path, option: &str, files: &str) -> TempDir {
    let script = format!(
        "for word; do [ \"$before\" = {option} ] && directory=$word; before=$word; done\n\
         newest=$(ls \"$directory\"/{files} 2>/dev/null | tail -n 1)\n\
         [ -z \"$newest\" ] || truncate -s -1000 \"$newest\"\n\
         exec {} \"$@\"",
        real.display()
    );
    with_script(name, &script)
}

#[test]
fn a_coordinator_that_forgets_confirmed_messages_is_found() {
    let real = PROGRAMS.join("coordinator");
    let faulty = forgetful("coordinator", &real, "--data-dir", "*.journal");
    for (part, fault) in [("confirm", "groupcast confirmed "), ("recovery", " were recovered")] {
        let (code, text) = durability(&["--quick", "--only", part], Some(faulty.path()), None);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.lines().any(|line| line.contains("FAILED") && line.contains(fault)), "{text}");
    }
}

#[test]
fn a_participant_that_loses_a_text_is_found() {
    // The script becomes the participant, so that the bench ends it.
    let lossy = format!(
        "d=$(mktemp -d); mkfifo \"$d/lines\"; exec 3<&0\n\
         sed 7d <&3 >\"$d/lines\" & exec 4<\"$d/lines\"; rm -r \"$d\"\n\
         exec {} \"$@\" <&4 3<&- 4<&-",
        PROGRAMS.join("participant").display()
    );
    let programs = with_script("participant", &lossy);
    symlink(PROGRAMS.join("coordinator"), programs.path().join("coordinator")).unwrap();
    let (code, text) = durability(&["--quick", "--only", "outbox"], Some(programs.path()), None);
    assert_eq!(code, Some(1), "{text}");
    for mode in ["without a file", "--outbox", "--outbox --sync"] {
        let fault = |line: &str| {
            line.contains(&format!("{mode} ")) && line.contains("expected text 6 of publisher 0")
        };
        assert!(text.lines().any(fault), "{mode}: {text}");
    }
}

#[test]
fn a_redis_that_forgets_confirmed_messages_is_found() {
    let found = Command::new("sh").args(["-c", "command -v redis-server"]).output().unwrap();
    let real = String::from_utf8(found.stdout).unwrap();
    if real.is_empty() {
        return; // Redis is not installed.
    }
    let real = Path::new(real.trim());
    let faulty = forgetful("redis-server", real, "--dir", "*/*.incr.aof");
    let (code, text) = durability(&["--quick", "--only", "confirm"], None, Some(faulty.path()));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("FAILED: Redis Streams confirmed "), "{text}");
}

#[test]
fn the_results_are_written_into_a_document() {
    let out = tempfile::tempdir().unwrap();
    let (code, text) = durability(&["--quick", "--out", out.path().to_str().unwrap()], None, None);
    assert_eq!(code, Some(0), "{text}");
    let written = fs::read_to_string(out.path().join("DURABILITY.md")).unwrap();
    for part in [
        "Written by `make durability` (`bench durability --quick ",
        "everything stored on ",
        "| confirmed, 1 publisher: groupcast to NATS JetStream | above 1.00 | — | not measured |",
        "### confirmed, 100 publishers",
        "| NATS JetStream | not measured: NOT INSTALLED | — |",
        "| delivered, 1 → 100: sync=always to memory only | at most 1.30 |",
        "| recovered: 1 KiB | at most 373 ms |",
        "| 100 B, read from the disk | ",
        "| --outbox --sync | ",
        "| sent by a participant: --outbox --sync to the disk, 1 at once | above 1.00 |",
    ] {
        assert!(written.contains(part), "{part} is not in\n{written}");
    }
    assert!(!written.contains("FAILED"), "{written}");
}

#[test]
fn the_exit_code_tells_usage_from_failure() {
    assert_eq!(durability(&["--help"], None, None).0, Some(0));
    for wrong in [&["--only", "everything"][..], &["--fast"], &["now"]] {
        assert_eq!(durability(wrong, None, None).0, Some(2), "{wrong:?}");
    }
    let (code, text) = durability(&["--directory", "/nowhere/at/all"], None, None);
    assert_eq!(code, Some(1));
    assert!(text.contains("/nowhere/at/all"), "{text}");
}
