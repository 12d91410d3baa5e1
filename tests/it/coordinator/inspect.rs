//! `--inspect`: what a journal holds, shown without changing it.

use std::fs;
use std::path::Path;

use support::coordinator::{Coordinator, inspect, until_written_down};
use support::{field, files_in, number};

/// Lines that `--inspect` prints.
struct Report(Vec<String>);

impl Report {
    /// Inspects, and checks that the directory is unchanged and that standard error is empty.
    #[track_caller]
    fn of(directory: &Path) -> Self {
        let before = files_in(directory);
        let output = inspect(directory);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert_eq!(files_in(directory), before);
        let text = String::from_utf8(output.stdout).unwrap();
        Self(text.lines().map(str::to_owned).collect())
    }

    #[track_caller]
    fn value(&self, key: &str) -> &str {
        let value = self.0.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {key} in {:?}", self.0))
    }

    #[track_caller]
    fn check(&self, expected: &[(&str, &str)]) {
        for (key, value) in expected {
            assert_eq!(self.value(key), *value, "{key} in {:?}", self.0);
        }
    }

    /// The lines behind the one with their number.
    #[track_caller]
    fn list(&self, key: &str) -> &[String] {
        let count: usize = self.value(key).parse().unwrap();
        let first = 1 + self.0.iter().position(|line| *line == format!("{key} {count}")).unwrap();
        &self.0[first..first + count]
    }
}

/// Two members, and two messages of eight bytes besides what else a line has.
fn talk(directory: &Path) -> (Coordinator, String, [String; 2]) {
    let data_dir = format!("data_dir={}", directory.display());
    let coordinator = Coordinator::start(60, &[&data_dir, "sync=never"]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    alice.msend("texttext");
    alice.check("send 1 TEXTTEXT", "OK send 1 seq=2");
    bob.socket().delivery(1, "alice", "texttext");
    bob.socket().ack(1);
    bob.until_acked(1);
    until_written_down(directory, "bob", 1);
    let epoch = bob.epoch().to_owned();
    let addresses = ["alice", "bob"].map(|id| {
        let line = coordinator.client().member(id).unwrap();
        line.split(' ').nth(2).unwrap().to_owned()
    });
    (coordinator, epoch, addresses)
}

#[test]
fn a_journal_says_who_is_a_member_and_what_is_kept_while_a_coordinator_works_in_it_and_after() {
    let directory = tempfile::tempdir().unwrap();
    let (coordinator, epoch, [alice, bob]) = talk(directory.path());
    let common = [
        ("epoch", epoch.as_str()),
        ("last", "2"),
        ("sync", "never"),
        ("messages_kept", "2"),
        ("messages_lost", "0"),
        ("segments", "1"),
        ("issues", "0"),
    ];
    let report = Report::of(directory.path());
    report.check(&common);
    report.check(&[("end", "unclean, unless a coordinator is at work")]);
    assert_eq!(
        report.list("members"),
        [
            format!("alice {alice} acked=2 registered_at=0 published=1 owner=127.0.0.1"),
            format!("bob {bob} acked=1 registered_at=0 published=0 owner=127.0.0.1")
        ]
    );
    let bytes: u64 = report.value("messages_bytes").parse().unwrap();
    let line = "1#alice#1795380587218#texttext\n".len() as u64;
    assert_eq!(bytes, 2 * line);
    let age = |key| report.value(key).parse::<u64>().unwrap();
    assert!(age("newest_age_ms") <= age("oldest_age_ms") && age("oldest_age_ms") < 60_000);
    coordinator.client().check("alice#ping#127.0.0.1", "OK ping");

    coordinator.terminate();
    assert!(coordinator.wait().success());
    let report = Report::of(directory.path());
    report.check(&common);
    report.check(&[("end", "clean")]);
    let [segment] = report.list("segments") else { panic!("{:?}", report.0) };
    let length = files_in(directory.path())["0000000000000001.journal"].len() as u64;
    assert!(segment.starts_with("0000000000000001 "), "{segment}");
    assert_eq!(number(segment, "bytes"), length);
    assert!(field(segment, "newest_age_ms").parse::<u64>().is_ok());
}

#[test]
fn damage_is_shown_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (coordinator, ..) = talk(directory.path());
    coordinator.terminate();
    assert!(coordinator.wait().success());
    let path = directory.path().join("0000000000000001.journal");
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    let at = whole.windows(8).position(|bytes| bytes == b"texttext").unwrap();
    damaged[at] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let report = Report::of(directory.path());
    report.check(&[("last", "2"), ("messages_kept", "1"), ("messages_lost", "1")]);
    let [lost, damage] = report.list("issues") else { panic!("{:?}", report.0) };
    assert_eq!(lost, "message 1 is lost");
    assert!(damage.starts_with("segment 0000000000000001 is damaged in 1 place,"), "{damage}");

    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let report = Report::of(directory.path());
    report.check(&[("messages_kept", "2"), ("end", "unclean, unless a coordinator is at work")]);
    let [issue] = report.list("issues") else { panic!("{:?}", report.0) };
    assert!(issue.starts_with("segment 0000000000000001 ends in a torn record"), "{issue}");

    fs::write(&path, "dear diary").unwrap();
    let report = Report::of(directory.path());
    report.check(&[("epoch", "none"), ("sync", "none"), ("members", "0"), ("segments", "0")]);
    let expected = "0000000000000001.journal cannot be used: ";
    assert!(report.list("issues")[0].starts_with(expected), "{:?}", report.0);
}

#[test]
fn a_directory_without_a_journal_and_what_is_no_directory_cannot_be_inspected() {
    let directory = tempfile::tempdir().unwrap();
    let [file, empty] = ["file", "empty"].map(|name| directory.path().join(name));
    fs::write(&file, "").unwrap();
    fs::create_dir(&empty).unwrap();
    for (path, expected) in [
        (directory.path().join("absent"), "there is no such directory".to_owned()),
        (
            directory.path().join("above/absent"),
            format!(
                "{} is not there: mount the disk that holds it, or create it",
                directory.path().join("above").display()
            ),
        ),
        (file.clone(), "not a directory".to_owned()),
        (file.join("below"), format!("{} is not a directory", file.display())),
        (empty, "no journal is in this directory: no file has the name of a segment".to_owned()),
    ] {
        let output = inspect(&path);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true), "{words}");
        assert_eq!(words, format!("coordinator: journal {}: {expected}\n", path.display()));
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing was created");
}
