//! The logger of both programs, installed in a process of its own: a process can install only one.
//!
//! These tests start their own binary again. The library's tests start no process, because a child
//! holds the locks of its parent's files from its start until it runs its program.

use std::process::{Command, Stdio};
use std::time::Duration;

use groupcast::net::{Diagnostics, Reader, print_to_stderr};
use log::LevelFilter;

const CHILD: &str = "DIAGNOSTICS_TEST_CHILD";
const WAIT: Duration = Duration::from_secs(10);

/// Returns the command of a child process that logs as `in_a_child` does.
fn child(stderr: Stdio) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "machine::own_logger::in_a_child", "--nocapture"]);
    command.env(CHILD, "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    command
}

#[test]
fn in_a_child() {
    if std::env::var_os(CHILD).is_some() {
        let print = print_to_stderr(Reader::People, false);
        let diagnostics = Diagnostics::install(LevelFilter::Info, print).unwrap();
        log::info!(target: "groupcast", "member a came");
        log::debug!(target: "groupcast", "not asked for");
        log::set_max_level(LevelFilter::Debug);
        log::debug!(target: "groupcast", "asked for");
        assert!(diagnostics.close(WAIT));
    }
}

#[test]
fn standard_error_gets_lines_of_the_level_that_is_set() {
    let output = child(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].starts_with("INFO  [20"), "{stderr}");
    assert!(lines[0].ends_with("Z] member a came"), "{stderr}");
    assert!(lines[1].ends_with("Z] asked for"), "{stderr}");
    assert!(output.status.success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_standard_error_does_not_end_the_program() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    assert!(child(full.into()).status().unwrap().success());
}
