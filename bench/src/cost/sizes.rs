//! Sizes of the programs, and number of crates in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Report, Setup};
use crate::table::megabytes;

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    report.title("sizes", "release build; crates by `cargo tree -p groupcast -e normal`");
    report.value("coordinator", size(&setup.programs.coordinator)?);
    report.value("participant", size(&setup.programs.participant)?);
    for (name, options) in [
        ("crates in both programs", &[][..]),
        ("crates in a coordinator alone", &["--no-default-features"]),
    ] {
        match crates(options) {
            Some(count) => report.value(name, count),
            None => report.print(format_args!("{name}: cargo tree does not run here")),
        }
    }
    Ok(())
}

fn size(path: &Path) -> Result<String> {
    let bytes = fs::metadata(path).with_context(|| path.display().to_string())?.len();
    Ok(megabytes(bytes))
}

/// Number of crates besides groupcast.
fn crates(options: &[&str]) -> Option<usize> {
    let fixed = ["tree", "-p", "groupcast", "-e", "normal", "--prefix", "none", "--no-dedupe"];
    let output = Command::new("cargo").args(fixed).args(options).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(count_crates(&text))
}

fn count_crates(tree: &str) -> usize {
    let lines: BTreeSet<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    lines.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_counts_once_and_our_own_does_not() {
        assert_eq!(count_crates("groupcast v0.1.0\nmio v1.2.1\nlibc v0.2\nlibc v0.2\n"), 2);
        assert_eq!(count_crates(""), 0);
    }
}
