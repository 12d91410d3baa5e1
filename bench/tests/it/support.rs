//! The programs under test.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

/// Directory of coordinator and participant, which are built first.
pub(crate) static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let own = env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).unwrap().to_owned();
    let target = profile.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", "groupcast", "--bins"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(built.status().unwrap().success());
    profile
});

/// Runs `bench` with the programs of a directory, or with those that were built; returns its exit
/// code and everything that it prints. `path` comes first in the search path for other programs.
pub(crate) fn bench(
    arguments: &[&str],
    programs: Option<&Path>,
    path: Option<&Path>,
) -> (Option<i32>, String) {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    if let Some(first) = path {
        let others = env::var_os("PATH").unwrap_or_default();
        let all = [first.to_owned()].into_iter().chain(env::split_paths(&others));
        bench.env("PATH", env::join_paths(all).unwrap());
    }
    bench.args(arguments).arg("--programs").arg(programs.unwrap_or(&PROGRAMS));
    let output = bench.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Returns a directory with a shell script as program `name`.
pub(crate) fn with_script(name: &str, script: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}
