//! A disk that does not answer: what a coordinator with a journal holds in memory meanwhile, and
//! how it comes to its end.

#![cfg(test)]
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![cfg(feature = "participant")]

#[expect(dead_code, reason = "each test program uses its own part of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::member::Member;
use support::participant::{Running, until};
use support::preload::{Action, Kind, Plan, Preload};

/// From its `call`th call of a kind on, a coordinator waits.
fn hang(preload: &Preload, kind: Kind, call: u64) {
    preload.plan(Plan { action: Action::HangFrom, kind, call, errno: 0, part: 0 });
}

fn start(preload: &Preload) -> Coordinator {
    let data_dir = format!("data_dir={}", preload.root().join("data").display());
    Coordinator::start_with(preload.environment(), 600, &[&data_dir])
}

/// What a directory holds, by the names of its files.
fn files_in(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_start_that_is_asked_to_end_does_so_and_leaves_the_journal_as_it_was() {
    for signal in [Signal::TERM, Signal::INT] {
        let preload = Preload::new();
        let first = start(&preload);
        let mut alice = first.join("alice", "");
        first.join("bob", "acks=1").disconnect();
        assert_eq!(alice.msend("one"), 1);
        first.kill();
        let data = preload.root().join("data");
        let segment = data.join("0000000000000001.journal");
        let torn = [fs::read(&segment).unwrap(), vec![0xff]].concat();
        fs::write(&segment, torn).unwrap();
        let before = files_in(&data);
        hang(&preload, Kind::Read, 3); // It is opened, and then it is read.
        let mut command = Command::new(env!("CARGO_BIN_EXE_coordinator"));
        preload.put_under(command.arg(first.config()));
        let mut second = Running::start(command);
        until("the start", || preload.fired() > 0);
        second.signal(signal);
        preload.clear();
        assert_eq!(second.wait(), Some(0), "{}", second.said);
        assert!(second.said.contains("ended by a signal before the journal"), "{}", second.said);
        assert!(!second.said.contains("listening on"), "{}", second.said);
        assert_eq!(files_in(&data), before);
        let third = start(&preload);
        let mut bob = Member::come_back(&third, "bob", "acks=1");
        bob.socket().delivery(1, "alice", "one");
    }
}
