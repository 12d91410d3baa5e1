//! `bench instructions` notices a figure that grew, and says so if it counts nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{PROGRAMS, bench};

/// Counts one unit beside the figures in a file.
fn count(options: &[&str], figures: &Path) -> (Option<i32>, String) {
    let file = ["--figures", figures.to_str().unwrap()];
    bench(&[&["instructions", "--only", "publish"], &file[..], options].concat(), None, None)
}

#[test]
fn a_figure_that_grew_by_five_percent_fails() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("figures.txt");
    let (code, text) = count(&["--record"], &path);
    assert_eq!(code, Some(0), "{text}");
    if text.contains("SKIPPED") {
        return; // Without valgrind.
    }
    let kept = fs::read_to_string(&path).unwrap();
    let line = kept.lines().find(|line| line.starts_with("publish ")).unwrap();
    let instructions: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(kept.lines().any(|line| line.starts_with("    ")), "functions: {kept}");

    // As if the unit had cost less before.
    let less = format!("publish {:.1} a message", instructions / 1.05);
    fs::write(&path, kept.replace(line, &less)).unwrap();
    let (code, text) = count(&[], &path);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("ABOVE the limit of 3 %"), "{text}");

    let other = kept.replace(line, &less).replace("tools rustc", "tools an older rustc");
    fs::write(&path, other).unwrap();
    let (code, text) = count(&[], &path);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("OTHER TOOLS"), "{text}");
}

#[test]
fn without_valgrind_nothing_is_counted_and_the_output_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    let command = command.args(["instructions", "--programs"]).arg(&*PROGRAMS);
    let output = command.env("PATH", "/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("SKIPPED") && text.contains("apt-get install valgrind"), "{text}");
}

#[test]
fn the_exit_code_tells_usage_from_failure() {
    assert_eq!(bench(&["instructions", "--help"], None, None).0, Some(0));
    assert_eq!(bench(&["instructions", "--only", "everything"], None, None).0, Some(2));
    let (code, text) = count(&[], Path::new("/nowhere/figures.txt"));
    assert!(code == Some(1) && text.contains("/nowhere/figures.txt") || text.contains("SKIPPED"));
}
