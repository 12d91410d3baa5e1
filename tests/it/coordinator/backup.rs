//! A directory of the journal that is put back from a copy: the numbers have gone back, and what is
//! new must not be taken for what was taken before.

use std::path::{Path, PathBuf};

use support::coordinator::{Coordinator, until_written_down};
use support::member::Member;
use support::participant::{Home, Running, texts, until};
use support::{field, number};

/// Copies a journal as `cp -r` does, also while it is written.
fn copy_of(coordinator: &Coordinator) -> PathBuf {
    let copy = coordinator.data_dir().with_extension("copy");
    copy_files(&coordinator.data_dir(), &copy);
    copy
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Kills it, and starts the next one on the copy.
fn start_on(coordinator: &Coordinator, copy: &Path, arguments: &[&str]) -> Coordinator {
    coordinator.kill();
    std::fs::remove_dir_all(coordinator.data_dir()).unwrap();
    copy_files(copy, &coordinator.data_dir());
    coordinator.start_again_with(arguments)
}

fn send(member: &mut Member, texts: &[String]) -> Vec<u64> {
    texts.iter().map(|text| member.msend(text)).collect()
}

fn numbered(word: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{word} {number}")).collect()
}

/// Two members with 3 messages, of which bob has all; then a copy; then 5 more, which he has too.
/// The coordinator on the copy, and both as they were.
fn put_back(arguments: &[&str]) -> (Coordinator, Member, Member) {
    let first = Coordinator::start_with_data_dir(600, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    send(&mut alice, &numbered("old", 3));
    for seq in 1..=3 {
        bob.socket().delivery(seq, "alice", &format!("old {seq}"));
    }
    bob.socket().ack(3);
    until_written_down(&first.data_dir(), "bob", 3);
    let copy = copy_of(&first);
    send(&mut alice, &numbered("gone", 5));
    for seq in 4..=8 {
        bob.socket().delivery(seq, "alice", &format!("gone {}", seq - 3));
    }
    bob.socket().ack(8);
    bob.until_acked(8);
    (start_on(&first, &copy, arguments), alice, bob)
}

#[test]
fn a_number_that_was_never_given_out_begins_a_new_epoch_for_every_member() {
    let (coordinator, alice, bob) = put_back(&[]);
    let mut online = Member::come_back(&coordinator, "alice", "acks=1");
    assert_eq!(online.epoch(), alice.epoch(), "nobody has shown yet that it went back");
    let since = format!("acks=1 nonce=ab since={}:8", bob.epoch());
    let mut back = Member::come_back(&coordinator, "bob", &since);
    assert_ne!(back.epoch(), bob.epoch(), "{}", back.reply);
    assert_eq!(number(&back.reply, "next"), 4, "{}", back.reply);
    let hello = format!("hello#ab#{}", back.epoch());
    back.socket().expect(&hello);
    online.take_socket().expect_bye("new epoch");
    coordinator.until_said("bob: has message 8 of epoch ");
    // All that is sent from here on comes, under numbers that bob has had before.
    let mut alice = Member::come_back(&coordinator, "alice", "");
    assert_eq!(alice.epoch(), back.epoch());
    assert_eq!(send(&mut alice, &numbered("new", 8)), (4..=11).collect::<Vec<u64>>());
    for seq in 4..=11 {
        back.socket().delivery(seq, "alice", &format!("new {}", seq - 3));
    }
    // A number of the previous life is ignored.
    let reply = back.reconnect(&format!("acks=1 since={}:11", bob.epoch()));
    assert_eq!((number(&reply, "missed"), number(&reply, "expired")), (8, 0), "{reply}");
    // And the epoch is that of the next start, too.
    coordinator.kill();
    let next = coordinator.start_again();
    let alice = Member::come_back(&next, "alice", "");
    assert_eq!(alice.epoch(), back.epoch());
}

#[test]
fn nobody_makes_epochs_at_will() {
    let (coordinator, _, bob) = put_back(&[]);
    let mut client = coordinator.client();
    let before = client.stats()["epoch"].clone();
    assert_eq!(before, bob.epoch());
    let claim = |epoch: &str| format!("reconnect {} since={epoch}:9", bob.listener.port());
    let claimed = claim(&before);
    client.refused(&format!("nobody#{claimed}#127.0.0.1"), 404, "");
    coordinator.client_from("127.0.0.9").refused(&format!("bob#{claimed}#127.0.0.9"), 403, "");
    assert_eq!(client.stats()["epoch"], before, "neither may say so");
    let mut bob = Member::come_back(&coordinator, "bob", &format!("since={before}:8"));
    let after = client.stats()["epoch"].clone();
    assert_eq!(after, bob.epoch());
    assert_ne!(after, before);
    // Not twice within ten seconds.
    let claimed = claim(&after);
    let refused = bob.ask(&claimed);
    assert_eq!(refused, "ERR 400 option since: above 3, the last number given out");
    assert_eq!(client.stats()["epoch"], after);
    assert!(bob.line().contains(" online "), "it stays what it was");
}

#[test]
fn without_a_journal_a_new_epoch_begins_too() {
    let coordinator = Coordinator::start(600, &[]);
    let mut alice = coordinator.join("alice", "acks=1");
    let mut bob = coordinator.join("bob", "");
    let before = bob.epoch().to_owned();
    bob.msend("kept");
    alice.socket().delivery(1, "bob", "kept");
    let reply = bob.reconnect(&format!("since={before}:2"));
    assert_ne!(field(&reply, "epoch"), before);
    alice.take_socket().expect_bye("new epoch");
    let reply = alice.reconnect(&format!("acks=1 since={before}:1"));
    assert_eq!(number(&reply, "missed"), 1, "of another epoch: {reply}");
    alice.socket().delivery(1, "bob", "kept");
}

#[test]
fn with_new_epoch_the_numbers_begin_a_new_life_before_anybody_comes() {
    let (coordinator, alice, bob) = put_back(&["--new-epoch"]);
    // In this order the numbers have passed bob's own when he comes.
    let mut online = Member::come_back(&coordinator, "alice", "acks=1");
    assert_ne!(online.epoch(), alice.epoch());
    send(&mut online, &numbered("new", 8));
    let since = format!("acks=1 since={}:8", bob.epoch());
    let mut back = Member::come_back(&coordinator, "bob", &since);
    assert_eq!(number(&back.reply, "missed"), 8, "{}", back.reply);
    for seq in 4..=11 {
        back.socket().delivery(seq, "alice", &format!("new {}", seq - 3));
    }
    coordinator.kill();
    let next = coordinator.start_again();
    let alice = Member::come_back(&next, "alice", "");
    assert_eq!(alice.epoch(), online.epoch(), "one start begins one epoch");
}

#[test]
fn a_participant_whose_numbers_went_back_gets_all_that_is_new() {
    let first = Coordinator::start_with_data_dir(600, &[]);
    let mut alice = first.join("alice", "");
    let home = Home::new("bob", first.address);
    let mut bob = Running::start(home.command(&["-f", "-e", "register 0"]));
    bob.expect("OK register");
    send(&mut alice, &numbered("old", 3));
    until_written_down(&first.data_dir(), "bob", 3);
    let copy = copy_of(&first);
    send(&mut alice, &numbered("gone", 5));
    until("what is gone from the copy", || home.log().ends_with("gone 5\n"));
    let second = start_on(&first, &copy, &[]);
    bob.expect("* reconnected: OK reconnect epoch=");
    let mut alice = Member::come_back(&second, "alice", "");
    let new = numbered("new", 8);
    send(&mut alice, &new);
    until("the last message", || home.log().ends_with("\tnew 8\n"));
    let all = [numbered("old", 3), numbered("gone", 5), new].concat();
    assert_eq!(texts(&home.log()), all);
    assert!(home.log().contains(&format!("\n# epoch {}\n", alice.epoch())), "{}", home.log());
}

/// The copy does not know the participant: it registers, in the same epoch, below its last number.
#[test]
fn a_participant_that_the_copy_does_not_know_takes_lower_numbers_for_new_ones() {
    let first = Coordinator::start_with_data_dir(600, &[]);
    let mut alice = first.join("alice", "");
    send(&mut alice, &numbered("before", 2));
    let copy = copy_of(&first);
    let home = Home::new("bob", first.address);
    let mut bob = Running::start(home.command(&["-f", "-e", "register 0"]));
    bob.expect("OK register");
    send(&mut alice, &numbered("old", 8));
    until("what is gone from the copy", || home.log().ends_with("\told 8\n"));
    let second = start_on(&first, &copy, &[]);
    bob.expect("* registered as a new member, messages may have been missed: ");
    bob.expect(
        "* numbers went back: the coordinator continues with 3, the last number here is 10. ",
    );
    let mut alice = Member::come_back(&second, "alice", "");
    send(&mut alice, &numbered("new", 10));
    until("the last message", || home.log().ends_with("\tnew 10\n"));
    assert_eq!(texts(&home.log()), [numbered("old", 8), numbered("new", 10)].concat());
    let restart = format!("\told 8\n# epoch {}\n3\t", alice.epoch());
    assert!(home.log().contains(&restart), "{}", home.log());
    // The message log has the new position of the numbers.
    drop(bob);
    let mut bob = Running::start(home.command(&["-f", "-e", "reconnect 0"]));
    bob.expect("OK reconnect");
    alice.msend("last");
    until("the last message", || home.log().ends_with("\tlast\n"));
    let all = [numbered("old", 8), numbered("new", 10), vec!["last".to_owned()]].concat();
    assert_eq!(texts(&home.log()), all);
}

#[test]
fn deregister_and_register_below_the_last_number_lose_nothing() {
    let (coordinator, _, bob) = put_back(&[]);
    let home = Home::new("bob", coordinator.address);
    let header = format!("# id bob\n# epoch {}\n# last 8\n", bob.epoch());
    std::fs::write(home.log_path(), &header).unwrap();
    let commands = ["-f", "-e", "deregister", "-e", "register 0"];
    let mut bob = Running::start(home.command(&commands));
    bob.expect("OK deregister");
    bob.expect(
        "* numbers went back: the coordinator continues with 4, the last number here is 8. ",
    );
    let mut alice = Member::come_back(&coordinator, "alice", "");
    let new = numbered("new", 10);
    send(&mut alice, &new);
    until("the last message", || home.log().ends_with("\tnew 10\n"));
    assert_eq!(texts(&home.log()), new);
}

#[test]
fn a_copy_that_is_taken_under_load_loses_nothing_of_what_comes_after_it_was_put_back() {
    let first = Coordinator::start_with_data_dir(600, &[]);
    let mut alice = first.join("alice", "");
    let home = Home::new("bob", first.address);
    let mut bob = Running::start(home.command(&["-f", "-e", "register 0"]));
    bob.expect("OK register");
    let mut old = Vec::new();
    let mut send_old = |from: usize, through: usize| {
        for number in from..=through {
            alice.msend(&format!("old {number}"));
            old.push(format!("old {number}"));
        }
    };
    send_old(1, 500);
    let data_dir = first.data_dir();
    let copying = std::thread::spawn(move || {
        let copy = data_dir.with_extension("copy");
        copy_files(&data_dir, &copy);
        copy
    });
    send_old(501, 1000);
    let copy = copying.join().unwrap();
    send_old(1001, 1300);
    until("the last of the old messages", || home.log().ends_with("\told 1300\n"));
    let second = start_on(&first, &copy, &[]);
    bob.expect("* reconnected: OK reconnect epoch=");
    let mut alice = Member::come_back(&second, "alice", "");
    let new = numbered("new", 1300);
    send(&mut alice, &new);
    until("the last message", || home.log().ends_with("\tnew 1300\n"));
    let log = home.log();
    let found: Vec<&str> = texts(&log);
    let found_new: Vec<&&str> = found.iter().filter(|text| text.starts_with("new ")).collect();
    assert_eq!(found_new.len(), 1300, "each of the new messages once");
    let mut distinct: Vec<&str> =
        found.into_iter().filter(|text| text.starts_with("old ")).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), old.len(), "each of the old ones at least once");
}
