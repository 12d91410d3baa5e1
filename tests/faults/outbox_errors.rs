//! Calls on the outbox file that fail, once and for a while, under the real participant: nothing is
//! sent that is not written down, and when the fault ends, so does its cost, without a restart.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::io_errors::{EIO, ENOSPC, each, plan, plans};
use support::fake::{Fake, Talk};
use support::outbox_texts::{self, waiting};
use support::participant::{Running, until};
use support::preload::{Action, Kind, Plan, Preload};

fn outbox(preload: &Preload) -> PathBuf {
    preload.root().join("outbox")
}

/// A participant whose outbox file alone can fail, of a coordinator at this port.
fn command(preload: &Preload, port: u16, options: &[&str]) -> Command {
    let config = preload.trace().with_file_name("participant.txt");
    let log = preload.trace().with_file_name("message.log");
    fs::write(&config, format!("alice\n{}\n127.0.0.1 {port}\n", log.display())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    command.args(options).args(["--sync", "--outbox"]).arg(outbox(preload)).arg(&config);
    preload.put_under(&mut command);
    command
}

/// The participant, online, and the coordinator's side of it.
struct Line {
    alice: Running,
    commands: Talk,
    _messages: Talk,
    outbox: PathBuf,
    published: u64,
}

impl Line {
    fn start(preload: &Preload) -> Self {
        let fake = Fake::start();
        let options = ["-f", "-i", "-e", "register 0"];
        let alice = Running::start(command(preload, fake.address.port(), &options));
        let (commands, messages) = fake.join_published("register", "00000000000000aa", 0);
        let outbox = outbox(preload);
        let mut line = Self { alice, commands, _messages: messages, outbox, published: 0 };
        line.alice.write("msend first\n");
        line.takes("first");
        line
    }

    /// The coordinator's side gets this text, which is in the file by then, and confirms it.
    fn takes(&mut self, text: &str) {
        self.published += 1;
        let number = self.published;
        self.commands.expect(&format!("alice#send {number} {text}#127.0.0.1"));
        let kept = outbox_texts::read_torn(&self.outbox);
        let found = kept.iter().find(|kept| kept.text == text);
        assert_eq!(found.and_then(|kept| kept.number), Some(number), "sent, and not in the file");
        self.commands.say(&format!("OK send {number} seq={number}"));
        self.alice.expect(&format!("OK msend seq={number}\n"));
    }

    /// No text is left, and all can be read.
    fn ends(&mut self) {
        until("the end of all texts", || waiting(&outbox_texts::read(&self.outbox)).is_empty());
        assert_eq!(self.alice.child.try_wait().unwrap(), None, "{}", self.alice.said);
    }
}

#[test]
fn a_participant_sends_no_text_that_failed_and_all_when_the_fault_ends() {
    let kinds = [Kind::Write, Kind::Sync, Kind::AnyChange];
    each(&plans(&kinds), |plan| {
        let preload = Preload::new();
        let mut line = Line::start(&preload);
        line.ends();
        let inode = || fs::metadata(outbox(&preload)).unwrap().ino();
        let inode_before = inode();
        preload.plan(plan);
        line.alice.write("msend second\nmsend third\n");
        if plan.action == Action::FailFrom {
            let error = match plan.errno {
                ENOSPC => "No space left on device",
                _ => "Input/output error",
            };
            line.alice.expect("error: outbox: ");
            let said = line.alice.expect_line();
            assert!(said.contains(error), "{said}");
            assert!(said.ends_with("; until it can be written, no message is sent"), "{said}");
            until("another try", || preload.fired() > 1);
            assert!(line.commands.is_silent(), "{plan:?}: sent, and not written");
            preload.clear();
            line.alice.expect("* outbox: it can be written again\n");
        }
        line.takes("second");
        line.takes("third");
        assert!(preload.fired() > 0, "{plan:?} hit nothing");
        line.ends();
        // Nobody knows which bytes are durable after a failed sync.
        assert!(plan.kind != Kind::Sync || inode() != inode_before, "{plan:?}: no new file");
    });
}

#[test]
fn an_outbox_that_cannot_be_shortened_says_so_and_goes_on() {
    let kinds = [Kind::Create, Kind::Write, Kind::Sync, Kind::Rename, Kind::SyncDirectory];
    let plans: Vec<Plan> = kinds
        .into_iter()
        .flat_map(|kind| {
            [plan(Action::FailOnce, kind, EIO, 0), plan(Action::FailFrom, kind, ENOSPC, 0)]
        })
        .collect();
    each(&plans, |plan| {
        let preload = Preload::new();
        let mut line = Line::start(&preload);
        let long = |turn| format!("{turn} {}", "x".repeat(30_000));
        for turn in 0..2 {
            line.alice.write(&format!("msend {}\n", long(turn)));
            line.takes(&long(turn));
            line.ends();
        }
        line.alice.write(&format!("msend {}\n", long(2)));
        line.commands.line();
        // Behind the write and the sync of the end of this text, the file is too long.
        let call = if matches!(plan.kind, Kind::Write | Kind::Sync) { 2 } else { 1 };
        preload.plan(Plan { call, ..plan });
        line.commands.say("OK send 4 seq=4");
        line.published = 4;
        line.alice.expect("OK msend seq=4\n");
        line.alice.expect("cannot be shortened now: ");
        assert!(preload.fired() > 0, "{plan:?} hit nothing");
        preload.clear();
        line.alice.write("msend behind\n");
        line.takes("behind");
        line.ends();
    });
}

#[test]
fn an_outbox_that_cannot_be_opened_says_why_and_leaves_it_as_it_is() {
    let entry = |content: &str| format!("{:08x}\t{content}\n", crc32fast::hash(content.as_bytes()));
    let header = "# groupcast outbox of alice\n";
    // A text that is too old would be given up.
    let now_ms = UNIX_EPOCH.elapsed().unwrap().as_millis();
    let whole = header.to_owned() + &entry(&format!("text\t1\t-\t{now_ms}\tone"));
    let kinds = [
        Kind::Open,
        Kind::Lock,
        Kind::State,
        Kind::Read,
        Kind::Truncate,
        Kind::Sync,
        Kind::SyncDirectory,
    ];
    for kind in kinds {
        let preload = Preload::new();
        let outbox = outbox(&preload);
        fs::write(&outbox, format!("{whole}0000\ttorn")).unwrap();
        let run = || {
            let mut running = Running::start(command(&preload, 9, &["-e", "status"]));
            running.input = None;
            (running.wait(), running.said.clone())
        };
        preload.plan(plan(Action::FailOnce, kind, EIO, 0));
        let (code, said) = run();
        assert_eq!((code, preload.fired()), (Some(2), 1), "{kind:?}: {said}");
        assert!(said.contains("participant: outbox "), "{kind:?}: {said}");
        assert!(said.contains("Input/output error"), "{kind:?}: {said}");
        assert!(fs::read_to_string(&outbox).unwrap().starts_with(&whole), "{kind:?}");
        preload.clear();
        let (code, said) = run();
        assert_eq!(code, Some(0), "{kind:?}: {said}");
        assert!(said.contains("* outbox: 1 message waits"), "{kind:?}: {said}");
        assert_eq!(fs::read_to_string(&outbox).unwrap(), whole, "{kind:?}");
    }
}
