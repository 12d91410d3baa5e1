//! A `data_dir` that an earlier version wrote: see `tests/golden/README.md`.

use std::path::{Path, PathBuf};

use support::coordinator::{Coordinator, inspect};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-1")
}

fn copy_to(directory: &Path) {
    for file in std::fs::read_dir(golden()).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), directory.join(file.file_name())).unwrap();
    }
}

#[test]
fn an_inspection_shows_a_journal_of_the_first_format() {
    let directory = tempfile::tempdir().unwrap();
    copy_to(directory.path());
    let shown = String::from_utf8(inspect(directory.path()).stdout).unwrap();
    let lines: Vec<&str> =
        shown.lines().map(|line| line.split("newest_age_ms=").next().unwrap().trim_end()).collect();
    let lines: Vec<&str> = lines.into_iter().filter(|line| !line.contains("age_ms ")).collect();
    let expected = [
        "epoch 878eeded5ad148af",
        "last 9",
        "sync always",
        "end unclean, unless a coordinator is at work",
        "messages_kept 9",
        "messages_bytes 320",
        "messages_lost 0",
        "members 3",
        "alice 127.0.0.1:48265 acked=5 registered_at=0 published=0 owner=127.0.0.1",
        "bob 127.0.0.1:50965 acked=3 registered_at=0 published=0 owner=127.0.0.1",
        "carol 127.0.0.1:38599 acked=6 registered_at=6 published=0 owner=127.0.0.1",
        "segments 3",
        "0000000000000001 bytes=914",
        "0000000000000002 bytes=653",
        "0000000000000003 bytes=589",
        "issues 0",
    ];
    assert_eq!(lines, expected);
}

/// The messages of the journal are older than their time to live by now.
#[test]
fn a_coordinator_goes_on_with_a_journal_of_the_first_format() {
    let first = Coordinator::start_with_data_dir(3_600, &[]);
    first.kill();
    std::fs::remove_dir_all(first.data_dir()).unwrap();
    std::fs::create_dir_all(first.data_dir()).unwrap();
    copy_to(&first.data_dir());
    let coordinator = first.start_again();
    let mut client = coordinator.client();
    let members = client.members();
    let members: Vec<String> = members
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("{} {} {}", words[0], words[1], words[4])
        })
        .collect();
    assert_eq!(members, ["alice offline acked=5", "bob offline acked=3", "carol offline acked=6"]);
    let mut dora = coordinator.join("dora", "");
    assert_eq!(dora.msend("goes on"), 10);
}
