//! `bench sites` with real sites, where `make engine` has installed the servers.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{PROGRAMS, bench};

/// Builds the program `site` beside the others. `None` without servers of the engine.
fn site(test: &str) -> Option<PathBuf> {
    let target = PROGRAMS.parent().unwrap();
    if !target.join("engine/bin/nats-server").exists() {
        let _ = writeln!(io::stderr(), "SKIPPED {test}: no nats-server: make engine");
        return None;
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--features", "engine", "--bin", "site"]);
    if PROGRAMS.ends_with("release") {
        cargo.arg("--release");
    }
    cargo
        .arg("--target-dir")
        .arg(target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    assert!(cargo.status().unwrap().success());
    Some(PROGRAMS.join("site"))
}

/// Returns a directory with a program `site` that runs a script first: `$config` is its config.
fn with_site(real: &Path, script: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site");
    let real = real.display();
    let script = format!("#!/bin/sh\nfor config; do :; done\n{script}\nexec {real} \"$@\"\n");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn a_storm_passes_and_is_written_into_a_document() {
    let Some(site) = site("a storm") else { return };
    let out = tempfile::tempdir().unwrap();
    let arguments = ["sites", "--storm", "600", "--seed", "3", "--out"];
    let arguments = [&arguments[..], &[out.path().to_str().unwrap()]].concat();
    let (code, text) = bench(&arguments, Some(site.parent().unwrap()), None);
    assert_eq!(code, Some(0), "{text}");
    let written = fs::read_to_string(out.path().join("SITES.md")).unwrap();
    for part in [
        "Written by `make sites-figures` (`bench sites --storm 600 ",
        "### storm",
        " kills: ",
        "| seed 3 | 600 (600 … 600) | 4800 (4800 … 4800) |",
    ] {
        assert!(written.contains(part), "{part} is not in\n{written}");
    }
    assert!(!written.contains("FAILED"), "{written}");
}

#[test]
fn a_site_of_another_group_is_found() {
    let Some(site) = site("a site of another group") else { return };
    // The third site founds a group of its own, and serves that one.
    let script = "case $config in *site3*) [ \"$1\" = --found ] || {\n\
                  sed -i -e s/^group=.*/group=other/ -e s/8g/1g/ \"$config\"\n\
                  SITE --found \"$config\" || true; };; esac";
    let programs = with_site(&site, &script.replace("SITE", site.to_str().unwrap()));
    let (code, text) = bench(&["sites", "--storm", "600"], Some(programs.path()), None);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("FAILED: everything is kept in "), "{text}");
    let kept = text.split_whitespace().find_map(|word| {
        let path = Path::new(word.trim_end_matches(':'));
        path.file_name()?.to_str()?.starts_with("bench-kept-").then_some(path)
    });
    fs::remove_dir_all(kept.unwrap()).unwrap();
}

#[test]
fn what_is_missing_and_what_is_wrong_is_said() {
    let (code, text) = bench(&["sites", "--nats", "/nowhere/nats-server"], None, None);
    assert_eq!(code, Some(1));
    assert!(text.contains("no /nowhere/nats-server: `make engine`"), "{text}");
    assert_eq!(bench(&["sites", "--help"], None, None).0, Some(0));
    for wrong in [
        &["--only", "everything"][..],
        &["--storm", "0"],
        &["--storm", "many"],
        &["--storm", "99999999999"],
        &["--seed", "-1"],
        &["now"],
    ] {
        let (code, text) = bench(&[&["sites"], wrong].concat(), None, None);
        assert_eq!(code, Some(2), "{wrong:?}: {text}");
    }
}
