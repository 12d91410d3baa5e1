//! What the tests of the harness need: the real programs.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The directory of the real programs, which are built first.
pub(crate) fn programs() -> PathBuf {
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
}
