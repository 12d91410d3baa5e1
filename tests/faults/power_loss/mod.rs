//! The power goes at every step of a real program's life: what was promised is on the disk.
//!
//! ```text
//!   program ─► trace ─► for each step: what the disk holds ─► start on that ─► promises kept?
//! ```
//!
//! `POWER_STRIDE=1` has it go at every step, otherwise at each of which something was promised,
//! behind each rename, and at some of the others.

mod outbox;
mod platter;
mod promises;
mod revival;
use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use platter::{Luck, Step};
use promises::Promise;
use revival::Revival;
use support::coordinator::{Coordinator, until_written_down};
use support::fake::Fake;
use support::member::Member;
use support::participant::{Running, texts, until};
use support::preload::shared::Operation;
use support::preload::{Action, Kind, Plan, Preload};

/// Of the steps at which nothing is promised, if nobody says.
const STRIDE: usize = 8;
const WORKERS: usize = 4;

fn start(preload: &Preload, sync: &str) -> Coordinator {
    Coordinator::start_under(preload, &[sync, "bind=127.0.0.1"])
}

/// Has somebody say much at once; all of it is confirmed.
fn say_much(member: &mut Member, what: &str, count: usize) {
    let texts: Vec<String> =
        (0..count).map(|number| member.request(&format!("msend {what} {number}"))).collect();
    for burst in texts.chunks(1 + count / 3) {
        member.command.write((burst.join("\n") + "\n").as_bytes());
        burst.iter().for_each(|_| drop(member.command.expect_start("OK msend ")));
    }
}

/// Has somebody say texts at once with their numbers, from this one on; all of it is confirmed.
fn send_much(member: &mut Member, first: u64, what: &str, count: u64) {
    let numbers = first..first + count;
    let lines: String = numbers
        .map(|number| member.request(&format!("send {number} {what} {number}")) + "\n")
        .collect();
    member.command.write(lines.as_bytes());
    (0..count).for_each(|_| drop(member.command.expect_start("OK send ")));
}

/// A coordinator through two lives, the second of which sees its disk fail once; what it did, and
/// its epoch.
fn two_lives(preload: &Preload, sync: &str) -> (Vec<Step>, String) {
    let first = start(preload, sync);
    let mut watcher = first.join("watcher", "acks=1");
    let epoch = watcher.epoch().to_owned();
    watcher.check("disconnect", "OK disconnect");
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    say_much(&mut alice, "first", 10);
    bob.socket().delivery(1, "alice", "first 0");
    bob.socket().ack(1);
    send_much(&mut bob, 1, "between", 5);
    first.join("carol", "").check("deregister", "OK deregister");
    preload.plan(plan(Action::KillAfter, Kind::Write));
    bob.command.say("bob#msend written and never synced#127.0.0.1");
    bob.command.expect_closed();
    first.wait(); // Its sockets close before it gives up the lock of the journal.
    preload.clear();
    let second = start(preload, sync);
    Member::come_back(&second, "watcher", "acks=1").socket().delivery(1, "alice", "first 0");
    let mut alice = Member::come_back(&second, "alice", "");
    say_much(&mut alice, "second", 3);
    send_much(&mut alice, 1, "with a number", 3);
    preload.plan(plan(Action::FailOnce, Kind::Sync));
    alice.msend("through a failure"); // Or the failure comes behind it, with a pause.
    until("a failed sync", || preload.fired() == 1);
    until("another segment", || alice.ask("msend accepted again").starts_with("OK "));
    let _dave = second.join("dave", "");
    send_much(&mut alice, 4, "third", 5);
    if sync != "sync=always" {
        // Everything becomes durable although nothing more is written.
        until("the last sync", || {
            let steps = platter::read(&preload.trace());
            steps.iter().rposition(|step| step.operation == Operation::Write)
                < Some(durable_until(&steps))
        });
    }
    second.kill();
    (platter::read(&preload.trace()), epoch)
}

/// At the next call of a kind.
fn plan(action: Action, kind: Kind) -> Plan {
    Plan { action, kind, call: 1, errno: 5, part: 0 }
}

/// Returns the number of steps that are durable: those before the beginning of the last sync, in
/// any life.
fn durable_until(steps: &[Step]) -> usize {
    let (mut life, mut durable) = (0, 0);
    for (at, step) in steps.iter().enumerate() {
        if step.operation == Operation::Begin {
            life = at + 1;
        }
        if step.is_sync() {
            durable = life + step.covers();
        }
    }
    durable
}

/// Cuts the power after many of the steps: with the worst luck, the best, and `kinds` random ones
/// between. `check` gets the number of steps, and the directory with the content of the disk.
fn pull_the_plug(
    steps: &[Step],
    root: &Path,
    kinds: u64,
    check: impl Fn(usize, &Path, Luck) + Sync,
) {
    let stride = env::var("POWER_STRIDE").map_or(STRIDE, |it| it.parse().expect("a number"));
    let mut cases = Vec::new();
    for end in 1..=steps.len() {
        // The step behind a rename makes the new name durable.
        let is_renamed = end > 1 && steps[end - 2].operation == Operation::Rename;
        if steps[end - 1].is_promise() || is_renamed || end % stride == 0 {
            cases.push((end, Luck::Least));
        }
        if end % stride == 0 {
            cases.push((end, Luck::Most));
            cases.extend((0..kinds).map(|kind| (end, Luck::Seed(end as u64 * kinds + kind))));
        }
    }
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((end, luck)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let directory = tempfile::tempdir().unwrap();
                    platter::lay_out(&steps[..*end], *luck, root, directory.path());
                    let checked = std::panic::AssertUnwindSafe(|| {
                        check(*end, directory.path(), *luck);
                    });
                    if std::panic::catch_unwind(checked).is_err() {
                        failed.lock().unwrap().push((*end, *luck));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("the power went {} times in {} steps", cases.len(), steps.len());
    assert!(failed.is_empty(), "the power went behind these steps: {failed:?}");
}

#[test]
fn what_was_promised_with_a_sync_before_it_outlives_every_power_loss() {
    let preload = Preload::traced();
    let (steps, epoch) = two_lives(&preload, "sync=always");
    let promises = promises::of(&steps);
    let is_text = |it: &&(usize, Promise)| matches!(it.1, Promise::Message(..));
    assert!(promises.iter().filter(is_text).count() >= 35, "{promises:?}");
    pull_the_plug(&steps, &preload.root(), 1, |end, disk, luck| {
        let made: Vec<&Promise> =
            promises.iter().filter(|(at, _)| *at < end).map(|(_, promise)| promise).collect();
        let mut revival = Revival::on(disk, "sync=always");
        revival.check(&made, &format!("{end} {luck:?}"));
        // A torn or zeroed record may have been confirmed; a start cannot know.
        if !made.is_empty() && !matches!(luck, Luck::Seed(_)) {
            assert_eq!(revival.epoch, epoch, "the numbers go on");
        }
    });
}

#[test]
fn with_a_pause_between_syncs_a_power_loss_costs_what_came_since_and_begins_a_new_epoch() {
    let preload = Preload::traced();
    let (steps, epoch) = two_lives(&preload, "sync=50ms");
    let promises = promises::of(&steps);
    pull_the_plug(&steps, &preload.root(), 1, |end, disk, luck| {
        let durable = durable_until(&steps[..end]);
        let made: Vec<&Promise> = promises
            .iter()
            .filter(|(at, promise)| *at < durable || *at < end && is_leave_asked(promise))
            .map(|(_, promise)| promise)
            .collect();
        let mut revival = Revival::on(disk, "sync=50ms");
        revival.check(&made, &format!("{end} {luck:?}"));
        assert_ne!(revival.epoch, epoch, "numbers may have been given out that are lost");
    });
}

#[test]
fn a_segment_that_is_full_is_safe_by_the_time_the_next_one_is() {
    let preload = Preload::traced();
    let first = start(&preload, "sync=3600000ms");
    let mut watcher = first.join("watcher", "acks=1");
    watcher.check("disconnect", "OK disconnect");
    let mut alice = first.join("alice", "");
    let text = "x".repeat(60_000);
    for _ in 0..300 {
        alice.msend(&text);
    }
    until("the second segment", || alice.command.stat("journal_segments") == 2);
    first.kill();
    let steps = platter::read(&preload.trace());
    let disk = tempfile::tempdir().unwrap();
    platter::lay_out(&steps, Luck::Least, &preload.root(), disk.path());
    let durable = durable_until(&steps);
    let promises = promises::of(&steps);
    let made: Vec<&Promise> =
        promises.iter().filter(|(at, _)| *at < durable).map(|(_, promise)| promise).collect();
    assert!(made.len() > 250, "{}", made.len());
    Revival::on(disk.path(), "sync=always").check(&made, "after the second segment");
}

/// Returns true from the point on where the member may be gone, durable or not.
fn is_leave_asked(promise: &Promise) -> bool {
    matches!(promise, Promise::LeaveAsked(_))
}

#[test]
fn members_and_messages_stay_when_a_new_epoch_begins() {
    let preload = Preload::new();
    let first = start(&preload, "sync=never");
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    for text in ["one", "two", "three"] {
        alice.msend(text);
    }
    bob.socket().delivery(1, "alice", "one");
    bob.socket().ack(1);
    bob.until_acked(1);
    until_written_down(&preload.root().join("data"), "bob", 1);
    assert_eq!(alice.msend("four"), 4);
    let epoch = bob.epoch().to_owned();
    first.kill();
    preload.boot(2); // The machine was off, and nobody can tell what the disk has forgotten.
    let second = start(&preload, "sync=never");
    let mut bob = Member::come_back(&second, "bob", &format!("acks=1 since={epoch}:4"));
    assert_ne!(bob.epoch(), epoch);
    for (seq, text) in (2..).zip(["two", "three", "four"]) {
        bob.socket().delivery(seq, "alice", text);
    }
    let mut alice = Member::come_back(&second, "alice", "");
    assert_eq!(alice.epoch(), bob.epoch());
    let seq = alice.msend("five");
    bob.socket().delivery(seq, "alice", "five");
    alice.refused("register 2000", 409);
}

/// Returns, for each step, the number of messages that a participant had acknowledged and had been
/// sent.
fn acknowledged(steps: &[Step]) -> Vec<(usize, u64)> {
    let mut acks = Vec::new();
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.operation == Operation::Send)
    {
        let text = String::from_utf8_lossy(&step.data);
        let numbers = text.lines().filter_map(|line| line.strip_prefix("ack ")?.parse().ok());
        acks.extend(numbers.map(|number: u64| (at, number)));
    }
    acks
}

/// So long that several, written at once, are in several sectors.
fn long_text(seq: u64) -> String {
    format!("text {seq} {}", "x".repeat(300))
}

/// The last number that a participant goes on from which is started on what the disk holds; by
/// then its log has every text up to that once, and nothing else.
fn taken_up(disk: &Path, context: &str) -> u64 {
    let (log, config) = (disk.join("message.log"), disk.join("participant.txt"));
    std::fs::write(&config, format!("alice\n{}\n127.0.0.1 9\n", log.display())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    command.args(["--sync", "-e", "status"]).arg(&config);
    let mut revived = Running::start(command);
    revived.input = None;
    assert_eq!(revived.wait(), Some(0), "{context}: {}", revived.said);
    let last = revived.said.lines().find_map(|line| line.strip_prefix("last "));
    let last: u64 = last.expect("its last number").parse().unwrap();
    let expected: Vec<String> = (1..=last).map(long_text).collect();
    let content = std::fs::read_to_string(&log).unwrap();
    assert_eq!(texts(&content), expected, "{context}: {content}");
    last
}

#[test]
fn what_a_participant_with_sync_has_acknowledged_is_in_its_log_after_every_power_loss() {
    const EPOCH: &str = "00000000000000aa";
    const LAST: u64 = 40;
    let preload = Preload::traced();
    let fake = Fake::start();
    let log = preload.root().join("message.log");
    let config = preload.trace().with_file_name("participant.txt");
    let lines = format!("alice\n{}\n127.0.0.1 {}\n", log.display(), fake.address.port());
    std::fs::write(&config, lines).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    preload.put_under(command.args(["--sync", "-f", "-e", "register 0"]).arg(&config));
    let mut alice = Running::start(command);
    let (_commands, mut messages) = fake.join("register", EPOCH);
    // Entries in the same write as the header would be lost with it; later ones are another case.
    until("the header", || std::fs::read(&log).is_ok_and(|log| !log.is_empty()));
    for seq in 1..=LAST {
        messages.say(&format!("{seq}#bob#0#{}", long_text(seq)));
        if seq % 5 == 1 {
            messages.expect_last(&format!("ack {seq}"));
        }
    }
    messages.expect_last(&format!("ack {LAST}"));
    let is_last = |(_, number): &(usize, u64)| *number == LAST;
    until("the trace of it", || {
        acknowledged(&platter::read(&preload.trace())).last().is_some_and(is_last)
    });
    alice.child.kill().unwrap();
    alice.wait();
    let steps = platter::read(&preload.trace());
    let acks = acknowledged(&steps);
    assert_eq!(acks.last().map(|(_, number)| *number), Some(LAST));
    pull_the_plug(&steps, &preload.root(), 16, |end, disk, luck| {
        let acked = acks.iter().rfind(|(at, _)| *at < end).map_or(0, |(_, number)| *number);
        let context = format!("{end} {luck:?}");
        let taken = taken_up(disk, &context);
        assert!(acked <= taken && taken <= LAST, "{context}: {taken}, and {acked} acknowledged");
    });
}

/// As where systemd hides the file (`ProcSubset=pid`).
#[test]
fn a_machine_that_does_not_say_when_it_was_started_costs_epochs_and_that_is_said_once() {
    const SAID: &str = "/proc/sys/kernel/random/boot_id: No such file or directory";
    for (sync, is_kept) in [("always", true), ("50ms", false), ("never", false)] {
        let preload = Preload::new();
        preload.hide_boot();
        let data_dir = format!("data_dir={}", preload.root().join("data").display());
        let options = [data_dir, format!("sync={sync}")];
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let first = Coordinator::start_with(preload.environment(), 600, &options);
        let alice = first.join("alice", "");
        if !is_kept {
            first.until_said("set ProcSubset=all"); // A killed program drops unwritten log lines.
        }
        first.kill();
        let second = first.start_again();
        let again = Member::come_back(&second, "alice", "");
        assert_eq!(again.epoch() == alice.epoch(), is_kept, "{sync}");
        second.terminate();
        assert!(second.wait().success());
        for coordinator in [&first, &second] {
            assert_eq!(coordinator.said(SAID), usize::from(!is_kept), "{sync}");
            assert_eq!(coordinator.said("set ProcSubset=all"), usize::from(!is_kept), "{sync}");
        }
        let third = second.start_again();
        let last = Member::come_back(&third, "alice", "");
        assert_eq!(last.epoch(), again.epoch(), "{sync}: it ended in good order");
    }
}
