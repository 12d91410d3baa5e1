//! Calls on files that fail, once and for a while, under both real programs: nothing is confirmed
//! that is not written down, and when the fault ends, so does what it costs, without a restart.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::fake::{Fake, Talk};
use support::member::Member;
use support::participant::{Running, texts, until};
use support::port::ReservedPort;
use support::preload::{Action, Kind, Plan, Preload};
use support::{DEADLINE, Timer, files_in, number};

const EINTR: i32 = 4;
pub(crate) const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
pub(crate) const ENOSPC: i32 = 28;

/// Calls that a coordinator at work makes on its files.
const AT_WORK: [Kind; 3] = [Kind::Write, Kind::Sync, Kind::AnyChange];

pub(crate) fn plan(action: Action, kind: Kind, errno: i32, part: u64) -> Plan {
    Plan { action, kind, call: 1, errno, part }
}

/// All ways in which `kinds` fail.
pub(crate) fn plans(kinds: &[Kind]) -> Vec<Plan> {
    let mut all = Vec::new();
    for kind in kinds {
        for action in [Action::FailOnce, Action::FailFrom] {
            all.extend([EIO, ENOSPC].map(|errno| plan(action, *kind, errno, 0)));
        }
    }
    all.push(plan(Action::FailOnce, Kind::Write, EINTR, 0));
    for part in [1, 100, 255] {
        all.push(plan(Action::ShortOnce, Kind::Write, 0, part));
        all.push(plan(Action::ShortFrom, Kind::Write, 0, part));
    }
    all
}

/// A few of `plans` at a time.
pub(crate) fn each(plans: &[Plan], run: impl Fn(Plan) + Sync) {
    for some in plans.chunks(6) {
        thread::scope(|scope| {
            let run = &run;
            let threads = some.iter().map(|plan| (plan, scope.spawn(move || run(*plan))));
            let threads: Vec<_> = threads.collect();
            for (plan, thread) in threads {
                assert!(thread.join().is_ok(), "with {plan:?}");
            }
        });
    }
}

/// Says texts until one is confirmed; what was confirmed, in order.
fn say_until_confirmed(alice: &mut Member, texts: &mut Vec<String>, asked: &mut u64) {
    let timer = Timer::start(DEADLINE);
    while timer.left().is_some() {
        *asked += 1;
        let text = format!("text {asked}");
        let reply = alice.ask(&format!("msend {text}"));
        if reply.starts_with("OK msend ") {
            texts.push(text);
            assert_eq!(number(&reply, "seq"), texts.len() as u64);
            return;
        }
        assert!(reply.starts_with("ERR 506 "), "{reply:?}");
    }
    alice.command.fail("nothing is confirmed any more");
}

/// A coordinator whose disk fails, and what it has confirmed.
fn fail_a_coordinator(plan: Plan) {
    let preload = Preload::new();
    let first = Coordinator::start_under(&preload, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    let mut carol = first.join("carol", "acks=1");
    let mut observer = first.client();
    carol.disconnect();
    let (mut said, mut asked) = (Vec::new(), 0);
    say_until_confirmed(&mut alice, &mut said, &mut asked);
    preload.plan(plan);
    let is_lasting = plan.action == Action::FailFrom;
    if is_lasting {
        // It waits for a disk that works.
        alice.command.say("alice#msend text 2#127.0.0.1");
        until("the fault", || preload.fired() > 1);
        // Nobody listens there: what is not refused at once fails then, and is not waited for.
        let closed = ReservedPort::new();
        let request = format!("zed#register {closed}#127.0.0.1");
        until("refusals", || observer.ask(&request).starts_with("ERR 506 "));
        observer.check("observer#ping#127.0.0.1", "OK ping");
        let mut carol = Member::come_back(&first, "carol", "acks=1");
        carol.socket().delivery(1, "alice", &said[0]);
        first.until_said("the journal cannot be written");
        // No word of it while it is nowhere, or that it is refused.
        let early = alice.command.line_within(Timer::start(Duration::from_millis(30)));
        preload.clear();
        asked = 2;
        match early {
            Ok(reply) => assert!(reply.starts_with("ERR 506 "), "{reply:?}"),
            Err(_) => {
                let reply = alice.command.line();
                if !reply.starts_with("ERR 506 ") {
                    assert_eq!(reply, "OK msend seq=2");
                    said.push("text 2".to_owned());
                }
            }
        }
    }
    for _ in 0..5 {
        say_until_confirmed(&mut alice, &mut said, &mut asked);
    }
    assert!(preload.fired() > 0, "it was never hit");
    preload.clear();
    for (seq, text) in (1..).zip(&said) {
        bob.socket().delivery(seq, "alice", text);
    }
    first.kill();
    let second = Coordinator::start_under(&preload, &[]);
    let mut carol = Member::come_back(&second, "carol", "acks=1");
    for (seq, text) in (1..).zip(&said) {
        carol.socket().delivery(seq, "alice", text);
    }
}

#[test]
fn a_coordinator_confirms_nothing_that_failed_and_serves_again_when_the_fault_ends() {
    each(&plans(&AT_WORK), fail_a_coordinator);
}

/// A coordinator that cannot begin its next segment when one is full, once or until its disk works.
fn fail_the_next_segment(plan: Plan) {
    const TEXTS_MAX: usize = 1_000;
    let preload = Preload::new();
    let first = Coordinator::start_under(&preload, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    let mut observer = first.client();
    bob.disconnect();
    preload.plan(plan);
    let filler = "x".repeat(60_000);
    // Some of them in the next segment.
    let (mut said, mut more) = (Vec::new(), 3);
    for turn in 0..TEXTS_MAX {
        let text = format!("{turn} {filler}");
        let request = alice.request(&format!("msend {text}"));
        let timer = Timer::start(DEADLINE);
        let mut is_asked = false;
        // A refused text is sent again: the journal tries again after a pause.
        let reply = loop {
            assert!(timer.left().is_some(), "{plan:?}: no confirmation of {turn}");
            if preload.fired() > 1 {
                preload.clear(); // It has tried again, and may wait for a disk that works.
            }
            if !std::mem::replace(&mut is_asked, true) {
                alice.command.say(&request);
            }
            match alice.command.line_within(Timer::start(Duration::from_millis(20))) {
                Ok(reply) if reply.starts_with("OK msend ") => break reply,
                Ok(reply) => {
                    assert!(reply.starts_with("ERR 506 "), "{plan:?}: {reply:?}");
                    is_asked = false;
                }
                Err(_) => (),
            }
        };
        said.push(text);
        assert_eq!(number(&reply, "seq"), said.len() as u64, "{plan:?}");
        if observer.stat("journal_segments") > 1 {
            more -= 1;
        }
        if more == 0 {
            break;
        }
    }
    assert!(preload.fired() > 0, "{plan:?} hit nothing");
    assert_eq!(more, 0, "{plan:?}: no other segment");
    preload.clear();
    first.kill();
    let second = Coordinator::start_under(&preload, &[]);
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    for (seq, text) in (1..).zip(&said) {
        bob.socket().delivery(seq, "alice", text);
    }
}

#[test]
fn a_segment_that_cannot_be_begun_costs_nothing_that_was_confirmed() {
    let kinds = [Kind::Create, Kind::Rename, Kind::SyncDirectory];
    let plans = kinds.map(|kind| {
        [plan(Action::FailOnce, kind, EIO, 0), plan(Action::FailFrom, kind, ENOSPC, 0)]
    });
    each(plans.as_flattened(), fail_the_next_segment);
}

/// A coordinator that was killed: bob needs its message.
fn killed(preload: &Preload) -> Coordinator {
    let first = Coordinator::start_under(preload, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    bob.disconnect();
    assert_eq!(alice.msend("one"), 1);
    first.kill();
    first
}

/// Starts with a fault: the first that comes up shows that the call is never made.
fn start_with_fault(plan: Plan) -> bool {
    let preload = Preload::new();
    let first = killed(&preload);
    let data = preload.root().join("data");
    let before = files_in(&data);
    preload.plan(plan);
    let mut command = Command::new(env!("CARGO_BIN_EXE_coordinator"));
    preload.put_under(command.arg(first.config()));
    let mut failing = Running::start(command);
    let fired = if failing.try_expect("listening on ") {
        failing.signal(Signal::TERM);
        let code = failing.wait();
        // The fault may meet the end, which says so then.
        let is_whole = !failing.said.contains("the end could not be written");
        assert_eq!(code, Some(i32::from(!is_whole)), "{}", failing.said);
        preload.fired()
    } else {
        assert_eq!(failing.wait(), Some(1), "{}", failing.said);
        assert_eq!(preload.fired(), 1, "{}", failing.said);
        let expected = format!("coordinator: journal {}: ", data.display());
        assert!(failing.said.contains(&expected), "{}", failing.said);
        assert_eq!(files_in(&data), before, "{}", failing.said);
        1
    };
    assert!(!failing.said.contains("cannot be used"), "{}", failing.said);
    preload.clear();
    let second = Coordinator::start_under(&preload, &[]);
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    bob.socket().delivery(1, "alice", "one");
    fired > 0
}

/// A file that could not be read may be whole: it is not renamed, and no start ignores it.
#[test]
fn a_start_that_meets_a_fault_changes_nothing_or_does_without_the_call() {
    const CALLS_MAX: u64 = 100;
    let errors = [
        (Kind::Open, EMFILE),
        (Kind::Open, EACCES),
        (Kind::Create, ENOSPC),
        (Kind::Lock, EIO),
        (Kind::List, ENFILE),
        (Kind::State, EIO),
        (Kind::Read, EIO),
        (Kind::Read, ENOMEM),
        (Kind::Write, ENOSPC),
        (Kind::Sync, EIO),
        (Kind::SyncDirectory, EIO),
        (Kind::Rename, EIO),
    ];
    let plans = errors.map(|(kind, errno)| plan(Action::FailOnce, kind, errno, 0));
    each(&plans, |plan| {
        let mut calls = (1..CALLS_MAX).map(|call| Plan { call, ..plan });
        let count = calls.by_ref().take_while(|plan| start_with_fault(*plan)).count();
        assert!(count > 0 && calls.next().is_some(), "{count} calls of {plan:?}");
    });
}

#[test]
fn an_inspection_that_cannot_read_a_file_says_which_one_and_what_to_do() {
    let errors = [
        (Kind::Open, EACCES, "let the user that the coordinator runs as read and write it"),
        (Kind::Open, EMFILE, "raise the limit on open files"),
        (Kind::Read, EIO, "check the disk"),
        (Kind::Read, ENOMEM, "free memory"),
        (Kind::List, EIO, "check the disk"),
    ];
    let preload = Preload::new();
    killed(&preload);
    let data = preload.root().join("data");
    let before = files_in(&data);
    for (kind, errno, advice) in errors {
        // The first one opens the directory.
        let call = if kind == Kind::Open { 2 } else { 1 };
        preload.plan(Plan { call, ..plan(Action::FailOnce, kind, errno, 0) });
        let mut command = Command::new(env!("CARGO_BIN_EXE_coordinator"));
        preload.put_under(command.arg("--inspect").arg(&data));
        let output = command.output().unwrap();
        preload.clear();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        let what = match kind == Kind::List {
            true => "cannot list the directory",
            false => "0000000000000001.journal cannot be read",
        };
        assert!(said.contains(what) && said.contains(advice), "{kind:?}: {said}");
        assert_eq!(files_in(&data), before);
    }
}

/// The participant, with its log where it counts, and the coordinator's side of it.
fn participant(preload: &Preload) -> (Running, Talk, Talk) {
    let fake = Fake::start();
    let log = preload.root().join("message.log");
    let config = preload.trace().with_file_name("participant.txt");
    let lines = format!("alice\n{}\n127.0.0.1 {}\n", log.display(), fake.address.port());
    fs::write(&config, lines).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    preload.put_under(command.args(["--sync", "-f", "-e", "register 0"]).arg(&config));
    let running = Running::start(command);
    let (commands, messages) = fake.join("register", "00000000000000aa");
    (running, commands, messages)
}

#[test]
fn a_participant_acknowledges_nothing_that_failed_and_all_when_the_fault_ends() {
    let kinds = [Kind::Write, Kind::Sync, Kind::AnyChange];
    each(&plans(&kinds), |plan| {
        let preload = Preload::new();
        let (mut alice, _commands, mut messages) = participant(&preload);
        let log = || fs::read_to_string(preload.root().join("message.log")).unwrap();
        messages.say("1#bob#0#one");
        messages.expect("ack 1");
        preload.plan(plan);
        messages.say("2#bob#0#two");
        if plan.action == Action::FailFrom {
            alice.expect("until it can be written, messages are not acknowledged\n");
            messages.say("3#bob#0#three");
            alice.expect("3 bob: three\n"); // Shown all the same.
            until("another try", || preload.fired() > 1);
            preload.clear();
            alice.expect("* message log: it can be written again\n");
        } else {
            messages.say("3#bob#0#three");
        }
        // The next that comes is about what is written by then.
        loop {
            let line = messages.line();
            let acked: usize = line.strip_prefix("ack ").unwrap().parse().unwrap();
            assert!(texts(&log()).len() >= acked, "{plan:?}: {line} of {}", log());
            if acked == 3 {
                break;
            }
        }
        assert!(preload.fired() > 0, "{plan:?} hit nothing");
        assert_eq!(texts(&log()), ["one", "two", "three"]);
        assert_eq!(alice.child.try_wait().unwrap(), None, "{}", alice.said);
    });
}

#[test]
fn a_participant_whose_log_cannot_be_opened_says_why_and_leaves_it_as_it_is() {
    const WHOLE: &str = "# id alice\n# epoch 00000000000000aa\n# last 0\n1\t-\tbob\tone\n";
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
        let (log, config) =
            (preload.root().join("message.log"), preload.trace().with_file_name("config"));
        fs::write(&log, format!("{WHOLE}2\ttorn")).unwrap();
        fs::write(&config, format!("alice\n{}\n127.0.0.1 9\n", log.display())).unwrap();
        let run = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
            preload.put_under(command.args(["--sync", "-e", "status"]).arg(&config));
            let mut running = Running::start(command);
            running.input = None;
            (running.wait(), running.said.clone())
        };
        preload.plan(plan(Action::FailOnce, kind, EIO, 0));
        let (code, said) = run();
        assert_eq!((code, preload.fired()), (Some(2), 1), "{kind:?}: {said}");
        assert!(said.contains("Input/output error"), "{kind:?}: {said}");
        assert!(fs::read_to_string(&log).unwrap().starts_with(WHOLE), "{kind:?}");
        preload.clear();
        let (code, said) = run();
        assert_eq!(code, Some(0), "{kind:?}: {said}");
        assert!(said.contains("\nlast 1\n"), "{kind:?}: {said}");
        assert_eq!(fs::read_to_string(&log).unwrap(), WHOLE, "{kind:?}");
    }
}
