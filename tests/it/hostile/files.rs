//! More connections than open files: the order in which clients wait, and the cost for the others.

use std::time::Duration;

use support::Timer;
use support::coordinator::Coordinator;
use support::wire::Client;

const PING: &str = "bob#ping#127.0.0.1";
const FILES: u64 = 40;
const CLIENTS: usize = 80;

/// More clients than there are files for, each with a request on its way; at least the last one
/// waits.
#[track_caller]
fn crowd(coordinator: &Coordinator) -> Vec<Client> {
    coordinator.limit_files(Some(FILES));
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| coordinator.client()).collect();
    clients.iter_mut().for_each(|client| client.say(PING));
    clients.iter_mut().take(1).for_each(|client| client.expect("OK ping"));
    clients
}

#[test]
fn out_of_files_the_waiting_wait_without_spinning_and_members_can_still_come_back() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    assert_eq!(alice.command.stat("accept_pauses"), 0);
    let mut clients = crowd(&coordinator);
    let last = clients.last_mut().unwrap();
    last.expect_silence(Duration::from_millis(200));

    let pauses = alice.command.stat("accept_pauses");
    coordinator.until_quiet(last);
    assert!(alice.command.stat("accept_pauses") > pauses + 1, "it is tried again and again");
    assert_eq!(coordinator.said("accepting paused"), 1, "and logged once");

    // The reserved files are for members.
    bob.disconnect();
    alice.msend("while you were away");
    bob.reconnect("");
    bob.socket().delivery(1, "alice", "while you were away");
}

#[test]
fn once_there_are_files_the_waiting_are_served_though_nothing_else_happens() {
    let coordinator = Coordinator::start(30, &[]);
    let mut clients = crowd(&coordinator);
    // Long enough for accepting to have been tried, in vain, more than once.
    clients.last_mut().unwrap().expect_silence(Duration::from_millis(500));
    coordinator.limit_files(None);
    clients.iter_mut().skip(1).for_each(|client| client.expect("OK ping"));
    coordinator.until_said("accepting again");
}

#[test]
fn each_client_that_goes_lets_another_one_in_and_no_file_is_lost() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let files = coordinator.files();
    for _ in 0..3 {
        let mut clients = crowd(&coordinator).into_iter();
        clients.next();
        for mut client in clients {
            client.expect("OK ping");
            client.half_close();
            client.expect_eof();
        }
        let timer = Timer::start(support::DEADLINE);
        while coordinator.files() != files {
            alice.check("ping", "OK ping");
            assert!(timer.left().is_some(), "{} files, not {files}", coordinator.files());
        }
    }
}
