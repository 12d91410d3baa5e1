//! The machine's clocks: it sleeps, and its wall clock is set, while nothing else happens.

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::listener::Listener;
use support::member::Member;
use support::participant::{Home, Running, until};
use support::preload::Preload;

const HOUR_MS: u64 = 3_600_000;
const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;

#[test]
fn a_message_ages_while_the_machine_sleeps() {
    let preload = Preload::with_clocks();
    let coordinator = Coordinator::start_with(preload.environment(), 600, &[]);
    let mut alice = coordinator.join("alice", "acks=1");
    let mut bob = coordinator.join("bob", "acks=1");
    bob.disconnect();
    alice.msend("before");
    preload.sleep(HOUR_MS);
    bob.comes_back("acks=1", 0, 1);
    bob.socket().gap(1, 1, 1);
    alice.msend("after");
    bob.socket().delivery(2, "alice", "after");
}

/// The timeout of a poll does not run while the machine sleeps.
#[test]
fn what_is_due_when_the_machine_wakes_up_is_done_at_once() {
    let preload = Preload::with_clocks();
    let options = ["connect_timeout=600"];
    let coordinator = Coordinator::start_with(preload.environment(), 60, &options);
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut client = coordinator.client();
    client.say(&format!("bob#register {}#127.0.0.1", blocked.port()));
    coordinator.client().check("me#ping#127.0.0.1", "OK ping"); // The first one has been read.
    preload.sleep(HOUR_MS);
    client.expect_start("ERR 502 ");

    let preload = Preload::with_clocks();
    let fake = Fake::start();
    let home = Home::new("bob", fake.address);
    let mut command = home.command(&["-f", "-e", "ping"]);
    preload.put_under(&mut command);
    let mut bob = Running::start(command);
    let mut commands = fake.accept();
    commands.expect("bob#ping#127.0.0.1");
    preload.sleep(HOUR_MS);
    bob.expect(&format!("no reply from {} in 30 s", fake.address));
}

#[test]
fn a_wall_clock_that_is_set_while_nothing_happens_makes_no_message_older_after_a_power_loss() {
    let preload = Preload::with_clocks();
    preload.set_wall_clock(-TEN_YEARS_MS); // A board without a clock, before it is told the time.
    let data_dir = format!("data_dir={}", preload.root().join("data").display());
    let first = Coordinator::start_with(preload.environment(), 3600, &[&data_dir]);
    let mut alice = first.join("alice", "acks=1");
    first.join("bob", "acks=1").disconnect();
    alice.msend("kept");
    first.until_quiet(alice.socket());
    let bytes = || -> u64 {
        let files = std::fs::read_dir(preload.root().join("data")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let before = bytes();
    let syncs = preload.count(support::preload::Kind::Sync);
    preload.set_wall_clock(0);
    until("the step is written down", || bytes() > before);
    until("and safe", || preload.count(support::preload::Kind::Sync) > syncs);
    first.kill();
    let second = first.start_again();
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    bob.socket().delivery(1, "alice", "kept");
}
