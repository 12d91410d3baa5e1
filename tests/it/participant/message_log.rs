//! The participant's message log: what gets into it, what is refused, and what a bad disk does.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::member::Member;
use support::number;
use support::participant::{Home, Running, texts, until};

const EPOCH: &str = "00000000000000aa";
const HEADER: &str = "# id alice\n# epoch 00000000000000aa\n# last 0\n";

/// Returns bob, who sends, and alice, who is online and logs.
#[track_caller]
fn bob_and_alice(coordinator: &Coordinator) -> (Member, Home, Running) {
    let bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    alice.expect("* new epoch ");
    (bob, home, alice)
}

#[test]
fn gaps_are_noted_and_repeats_are_dropped() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    let (_commands, mut messages) = fake.join("register", EPOCH);
    messages.say("2#bob#0#two");
    messages.say("gap#3#3#6");
    messages.say("2#bob#0#two");
    messages.say("gap#1#5#5");
    messages.say("9#b.o-b_9#1795341900123#a#\tb ");
    alice.expect("2 bob: two\n* gap: 3 messages lost, from 3 to 6\n9 b.o-b_9: a#\tb \n");
    while messages.line() != "ack 9" {}
    let lines = "2\t1970-01-01T00:00:00.000Z\tbob\ttwo\n# gap 3 3 6\n\
                 9\t2026-11-22T10:05:00.123Z\tb.o-b_9\ta#\tb \n";
    assert_eq!(home.log(), format!("{HEADER}{lines}"));
    assert!(!alice.said.contains("from 5"), "{}", alice.said);
}

#[test]
fn no_control_character_gets_into_the_log() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    let (_commands, mut messages) = fake.join("register", EPOCH);
    messages.say("1#bob#0#\0\x1b[2J\u{9b}\u{85}\x7f\r2\t3\u{202e}");
    messages.expect("ack 1");
    let text = "\\u{0}\\u{1b}[2J\\u{9b}\\u{85}\\u{7f}\\u{d}2\t3\u{202e}";
    assert_eq!(texts(&home.log()), [text]);
    let shown = "1 bob: \\u{0}\\u{1b}[2J\\u{9b}\\u{85}\\u{7f}\\u{d}2\t3\\u{202e}\n";
    alice.expect(shown);
}

#[test]
fn a_torn_last_line_is_cut_and_the_number_before_it_is_the_last() {
    let coordinator = Coordinator::start(60, &[]);
    let whole = format!("{HEADER}1\t1970-01-01T00:00:00.000Z\tbob\tone\n# gap 2 2 4\n");
    for torn in ["5\t1970-01", "#", "# gap 9 5 9", "# epoch 00000000000000ab", "\0\0\0", "5"] {
        let home = Home::new("alice", coordinator.address);
        fs::write(home.log_path(), format!("{whole}{torn}")).unwrap();
        let (code, said) = home.script(&[], "status\n");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("\nepoch {EPOCH}\nlast 4\n")), "{torn:?} {said}");
        assert_eq!(home.log(), whole, "{torn:?}");
    }
}

#[test]
fn what_is_not_its_log_is_refused_as_it_is_and_the_reason_is_named() {
    let coordinator = Coordinator::start(60, &[]);
    let foreign = "not empty, and does not start with the header of a message log";
    for (content, reason) in [
        (&b"dear diary\n"[..], foreign),
        (b"\n", foreign),
        (b"\0dear diary\n", foreign),
        (b"# id alice\n# epoch 00000000000000aa\n1\ttext\n", foreign),
        (b"# id alice\r\n# epoch 00000000000000aa\r\n# last 0\r\n", foreign),
        (b"# id alice\n# epoch 00000000000000AA\n# last 0\n", foreign),
        (b"# id alice \n", foreign),
        (b"\xff# id alice\n", foreign),
        (b"# id bob\n# epoch 00000000000000aa\n# last 0\n", "it is the message log of bob"),
        (b"# id alice2\n", "it is the message log of alice2"),
    ] {
        let home = Home::new("alice", coordinator.address);
        fs::write(home.log_path(), content).unwrap();
        let (code, said) = home.script(&["-e", "ping"], "");
        let path = home.log_path();
        let expected =
            format!("participant: message log {}: {reason}: use another file\n", path.display());
        assert_eq!((code, said), (Some(2), expected));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let home = Home::new("alice", coordinator.address);
    for (path, reason) in [
        ("/dev/null", "not a regular file: use another file"),
        (
            "/nowhere/at all",
            "No such file or directory (os error 2): its directory is not there: create it",
        ),
        ("/", "found \"/\", expected the name of a file"),
        ("/dev", "Is a directory (os error 21)"),
    ] {
        let port = coordinator.address.port();
        fs::write(home.config(), format!("alice\n{path}\n127.0.0.1 {port}\n")).unwrap();
        let (code, said) = home.script(&["-e", "ping"], "");
        assert_eq!(code, Some(2), "{said}");
        assert!(said.ends_with(&format!(": {reason}\n")), "{said}");
    }
}

#[test]
fn a_log_in_use_is_left_to_its_user() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut first = Running::start(home.command(&["-e", "register 0"]));
    first.expect("* new epoch ");
    until("the header", || home.log().lines().count() == 3);
    let before = home.log();
    let (code, said) = home.script(&["-e", "ping"], "");
    let path = home.log_path();
    let expected = format!(
        "participant: message log {}: in use by another program: end that program, or use another \
         file\n",
        path.display()
    );
    assert_eq!((code, said), (Some(2), expected));
    first.signal(Signal::KILL);
    first.wait();
    assert_eq!(home.log(), before);
    let (code, said) = home.script(&["-e", "reconnect 0"], "");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_log_rotated_under_way_has_every_message_once_in_one_of_its_files() {
    let coordinator = Coordinator::start(60, &[]);
    let (mut bob, home, alice) = bob_and_alice(&coordinator);
    let mut sent = Vec::new();
    let moved = |number| home.directory.path().join(format!("moved.{number}"));
    for round in 0..5 {
        for number in 0..200 {
            sent.push(format!("{round} {number}"));
            bob.msend(sent.last().unwrap());
            if number == 100 {
                until("a file to move", || !home.log().is_empty());
                fs::rename(home.log_path(), moved(round)).unwrap();
                alice.signal(Signal::HUP);
            }
        }
        // So that each file has something.
        bob.command.until_member("alice", |line| number(line, "acked") == sent.len() as u64);
        until("a new file", || home.log_path().exists());
    }
    let files: Vec<String> =
        (0..5).map(|number| fs::read_to_string(moved(number)).unwrap()).collect();
    let mut files: Vec<&str> = files.iter().map(String::as_str).collect();
    let last = home.log();
    files.push(&last);
    let mut logged = Vec::new();
    for file in files {
        let epoch = bob.epoch();
        let header = format!("# id alice\n# epoch {epoch}\n# last {}\n", logged.len());
        assert!(file.starts_with(&header), "{header}\n{file}");
        logged.extend(texts(file));
    }
    assert_eq!(logged, sent);
}

#[test]
fn a_new_file_begins_with_what_is_remembered_before_anything_comes() {
    let coordinator = Coordinator::start(60, &[]);
    let (mut bob, home, alice) = bob_and_alice(&coordinator);
    bob.msend("one");
    bob.command.until_member("alice", |line| line.contains(" acked=1"));
    fs::rename(home.log_path(), home.directory.path().join("moved")).unwrap();
    alice.signal(Signal::HUP);
    let header = format!("# id alice\n# epoch {}\n# last 1\n", bob.epoch());
    until("the header", || home.log() == header);
    bob.msend("two");
    bob.command.until_member("alice", |line| line.contains(" acked=2"));
    assert!(home.log().starts_with(&format!("{header}2\t")), "{}", home.log());
}

#[test]
fn a_signal_without_a_rename_changes_nothing_and_one_without_a_directory_stops_acknowledging() {
    let coordinator = Coordinator::start(60, &[]);
    let (mut bob, home, mut alice) = bob_and_alice(&coordinator);
    bob.msend("one");
    bob.command.until_member("alice", |line| line.contains("acked=1"));
    alice.signal(Signal::HUP);
    bob.msend("two");
    bob.command.until_member("alice", |line| line.contains("acked=2"));
    assert_eq!(texts(&home.log()), ["one", "two"]);
    let moved = home.directory.path().join("moved");
    fs::rename(home.log_path(), &moved).unwrap();
    fs::write(home.log_path(), "somebody's\n").unwrap();
    alice.signal(Signal::HUP);
    let path = home.log_path();
    alice.expect(&format!(
        "error: message log: {} was moved away, and no new file can be started: not empty, and \
         does not start with the header of a message log; until it \
         can be written, messages are not acknowledged\n",
        path.display()
    ));
    bob.msend("three");
    alice.expect("3 bob: three\n");
    let member = bob.command.member("alice").unwrap();
    assert!(member.contains(" acked=2"), "{member}");
    assert_eq!(home.log(), "somebody's\n");
    assert_eq!(texts(&fs::read_to_string(moved).unwrap()), ["one", "two"]);
    fs::remove_file(&path).unwrap();
    alice.expect("* message log: it can be written again\n");
    bob.command.until_member("alice", |line| line.contains("acked=3"));
    assert_eq!(texts(&home.log()), ["three"]);
}

#[test]
fn a_log_that_is_gone_is_begun_anew_before_anything_more_is_acknowledged() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let epoch = bob.epoch().to_owned();
    let mut sent = 0;
    for (index, options) in [&["-f"][..], &["-f", "--sync"]].into_iter().enumerate() {
        let id = format!("alice{index}");
        let home = Home::new(&id, coordinator.address);
        let mut alice = Running::start(home.command(&[options, &["-e", "register 0"]].concat()));
        alice.expect("* new epoch ");
        let (path, moved) = (home.log_path(), home.directory.path().join("aside"));
        let acts: [(&dyn Fn(), &str); 4] = [
            (&|| fs::remove_file(&path).unwrap(), "was deleted"),
            (&|| drop(fs::File::create(&path).unwrap()), "was truncated"),
            (&|| fs::rename(&path, &moved).unwrap(), "was moved away"),
            (
                &|| {
                    fs::write(&moved, "").unwrap();
                    fs::rename(&moved, &path).unwrap();
                },
                "was deleted",
            ),
        ];
        let mut until_acked = |sent| {
            bob.msend(&format!("text {sent}"));
            bob.command.until_member(&id, |line| number(line, "acked") == sent);
        };
        sent += 1;
        until_acked(sent);
        for (act, state) in acts {
            act();
            sent += 1;
            until_acked(sent);
            let last = sent - 1;
            let shown = path.display();
            alice.expect(&format!("* message log: {shown} {state}: a new file starts after "));
            alice.expect(&format!("message {last}\n"));
            let header = format!("# id {id}\n# epoch {epoch}\n# last {last}\n{sent}\t");
            assert!(home.log().starts_with(&header), "{header}{}", home.log());
            assert_eq!(texts(&home.log()), [format!("text {sent}")], "{state}");
        }
        alice.signal(Signal::TERM);
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        let (code, said) = home.script(&["-e", "status"], "");
        assert!(said.contains(&format!("\nlast {sent}\n")), "{code:?} {said}");
    }
}

#[test]
fn without_its_directory_nothing_is_acknowledged_and_with_it_everything_is() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let directory = home.directory.path().join("work");
    fs::create_dir(&directory).unwrap();
    let port = coordinator.address.port();
    fs::write(home.config(), format!("alice\nalice.log\n127.0.0.1 {port}\n")).unwrap();
    let mut command = home.command(&["-f", "-e", "register 0"]);
    command.current_dir(&directory); // The one to which the name of the log is relative.
    let mut alice = Running::start(command);
    alice.expect("* new epoch ");
    bob.msend("one");
    bob.command.until_member("alice", |line| line.contains(" acked=1"));
    fs::remove_dir_all(&directory).unwrap();
    bob.msend("two");
    alice
        .expect("alice.log was deleted, and no new file can be started: No such file or directory");
    bob.msend("three");
    alice.expect("3 bob: three\n");
    let member = bob.command.member("alice").unwrap();
    assert!(member.contains(" online ") && member.contains(" acked=1"), "{member}");
    fs::create_dir(&directory).unwrap();
    alice.expect("* message log: it can be written again\n");
    bob.command.until_member("alice", |line| line.contains(" acked=3"));
    let log = fs::read_to_string(directory.join("alice.log")).unwrap();
    assert_eq!(texts(&log), ["two", "three"]);
}

#[test]
fn a_log_moved_without_a_signal_has_every_message_once_in_one_of_its_files() {
    let coordinator = Coordinator::start(60, &[]);
    let (mut bob, home, _alice) = bob_and_alice(&coordinator);
    until("the header", || !home.log().is_empty());
    let mut sent = Vec::new();
    let mut files = Vec::new();
    for number in 0..3000 {
        sent.push(format!("text {number}"));
        bob.msend(sent.last().unwrap());
        if number % 10 == 0 {
            let moved = home.directory.path().join(format!("moved.{number}"));
            // Before the next write it is not there.
            if fs::rename(home.log_path(), &moved).is_ok() {
                files.push(moved);
            }
        }
    }
    bob.command.until_member("alice", |line| number(line, "acked") == sent.len() as u64);
    assert!(files.len() > 10, "{}", files.len());
    files.push(home.log_path());
    let files: Vec<String> = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let logged: Vec<&str> = files.iter().flat_map(|file| texts(file)).collect();
    assert_eq!(logged, sent);
}

#[test]
fn a_log_that_was_copied_and_truncated_stops_no_start() {
    let coordinator = Coordinator::start(60, &[]);
    let line = "1\t1970-01-01T00:00:00.000Z\tbob\tone\n";
    for (content, is_kept) in [
        (Vec::new(), true),
        (vec![0; 5000], false),
        ([&[0; 5000], line.as_bytes()].concat(), true),
        ([&[0; 3_000_000], line.as_bytes()].concat(), true),
        ([&[0; 5000], line.as_bytes(), b"2\ttorn"].concat(), false),
    ] {
        let home = Home::new("alice", coordinator.address);
        fs::write(home.log_path(), &content).unwrap();
        let (code, said) = home.script(&["-e", "status"], "");
        assert_eq!(code, Some(0), "{said}");
        let left = fs::read(home.log_path()).unwrap();
        assert!(content.starts_with(&left) && (!is_kept || left == content), "{}", left.len());
    }
}

#[test]
fn while_the_log_cannot_grow_nothing_is_acknowledged_and_then_everything_is() {
    let coordinator = Coordinator::start(60, &[]);
    let (mut bob, home, mut alice) = bob_and_alice(&coordinator);
    until("the header", || home.log().lines().count() == 3);
    let header = home.log();
    let pid = Some(Pid::from_child(&alice.child));
    let may_grow_to = |current| {
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
    };
    may_grow_to(Some(header.len() as u64 + 10)); // A part of a line goes in.
    bob.msend("one");
    alice.expect(
        "error: message log: File too large (os error 27); \
         until it can be written, messages are not acknowledged\n",
    );
    bob.msend("two");
    bob.msend("three");
    alice.expect("3 bob: three\n");
    let member = bob.command.member("alice").unwrap();
    assert!(member.contains(" online ") && number(&member, "acked") == 0, "{member}");
    may_grow_to(None);
    alice.expect("* message log: it can be written again\n");
    bob.command.until_member("alice", |line| number(line, "acked") == 3);
    assert!(home.log().starts_with(&format!("{header}1\t")), "{}", home.log());
    assert_eq!(texts(&home.log()), ["one", "two", "three"]);
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(alice.said.matches("error:").count(), 1, "said once: {}", alice.said);
}
