//! Older stores that are put back under servers: a loss is never silent.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use support::Timer;
use support::coordinator::Coordinator;
use support::member::Member;
use support::participant::{Home, Running, texts};
use support::port::ReservedPort;

use crate::group::{eventually, founded, msend, start, start_with, stderr_of};
use crate::raw::Raw;
use crate::servers::{LONG, Servers};

#[test]
fn an_older_store_of_one_server_of_three_loses_nothing() {
    let Some(mut servers) = founded(3) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let epoch = bob.epoch().to_owned();
    let mut last = 0;
    let mut talk = |count: u64| {
        for seq in last + 1..=last + count {
            assert_eq!(msend(&mut ann, &format!("t{seq}")), seq);
            bob.socket().delivery(seq, "ann", &format!("t{seq}"));
        }
        last += count;
    };
    talk(20);
    let leader = leader(&servers);
    let victim = servers.all.iter().position(|server| server.name != leader).unwrap();
    servers.all[victim].kill();
    let kept = servers.keep(victim);
    servers.all[victim].restart();
    talk(20);
    servers.all[victim].kill();
    servers.put_back(victim, &kept);
    servers.all[victim].restart();
    talk(20);
    // Perhaps the server with the older store leads now.
    servers.named(&leader).kill();
    talk(20);
    servers.named(&leader).restart();
    talk(20);
    for site in [&oslo, &cairo] {
        assert_eq!(site.client().stats()["epoch"], epoch);
    }
}

/// Returns the server that leads the stream.
fn leader(servers: &Servers) -> String {
    let state = Raw::connect(&servers.all[0]).api("INFO", "");
    state["cluster"]["leader"].as_str().unwrap().to_owned()
}

#[test]
fn sites_that_had_read_more_begin_an_epoch_without_a_member_that_says_so() {
    let Some(mut servers) = founded(1) else { return };
    let sites = [start(&servers, "oslo"), start(&servers, "cairo")];
    let (mut ann, mut bob) = (sites[0].join("ann", "acks=1"), sites[1].join("bob", "acks=1"));
    let old_epoch = ann.epoch().to_owned();
    ann.msend("old");
    bob.socket().delivery(1, "ann", "old");
    servers.all[0].kill();
    let kept = servers.keep(0);
    servers.all[0].restart();
    msend(&mut ann, "lost");
    bob.socket().delivery(2, "ann", "lost"); // Its site has read it, too.
    servers.all[0].kill();
    servers.put_back(0, &kept);
    servers.all[0].restart();
    let epoch = until_read_again(&sites);
    assert_ne!(epoch, old_epoch);
    let mut back = Member::come_back(&sites[1], "ann", "acks=1");
    assert_eq!(back.epoch(), epoch);
    assert_eq!(back.msend("after"), 2, "the numbers went back");
}

/// Puts an older store under the only server: a message that all sites have read is lost.
fn lose_last_message(servers: &mut Servers, ann: &mut Member, bob: &mut Member) {
    servers.all[0].kill();
    let kept = servers.keep(0);
    servers.all[0].restart();
    let seq = msend(ann, "lost");
    bob.socket().delivery(seq, "ann", "lost");
    servers.all[0].kill();
    servers.put_back(0, &kept);
}

#[test]
fn a_signal_ends_a_site_that_would_read_the_list_again() {
    let Some(mut servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    lose_last_message(&mut servers, &mut ann, &mut bob);
    // Without the engine it cannot end yet. It finds the loss while it ends.
    oslo.terminate();
    eventually("it ends", || stderr_of(&oslo).contains("shutting down"));
    servers.all[0].restart();
    assert_eq!(oslo.wait().code(), Some(1));
    assert_eq!(stderr_of(&oslo).matches("list read: ").count(), 1, "{}", stderr_of(&oslo));
    assert!(stderr_of(&oslo).contains("start it once with --new-epoch"), "{}", stderr_of(&oslo));
}

#[test]
fn a_site_that_reads_the_list_again_keeps_what_sighup_has_changed() {
    let Some(mut servers) = founded(1) else { return };
    let sites = [start(&servers, "oslo"), start(&servers, "cairo")];
    let (mut ann, mut bob) = (sites[0].join("ann", "acks=1"), sites[1].join("bob", "acks=1"));
    let limit = |site: &Coordinator| site.client().stat("max_backlog");
    let before = limit(&sites[0]);
    let config = fs::read_to_string(sites[0].config()).unwrap();
    fs::write(sites[0].config(), format!("{config}max_backlog=32m\n")).unwrap();
    sites[0].hang_up();
    eventually("changed", || limit(&sites[0]) == before / 2);
    lose_last_message(&mut servers, &mut ann, &mut bob);
    servers.all[0].restart();
    until_read_again(&sites);
    assert_eq!(limit(&sites[0]), before / 2);
}

/// Answers one question for the settings of a server, as a monitor does, at this port.
fn answer_as_monitor(port: &ReservedPort) -> thread::JoinHandle<()> {
    let listener = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        assert!(client.read(&mut request).unwrap() > 0);
        let settings = r#"{"server_name":"s","jetstream":{"config":{"sync_always":true}}}"#;
        client.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{settings}").as_bytes()).unwrap();
    })
}

/// A site that has lost what it confirmed, and cannot read the list again, because the monitor of
/// the server at `monitor` does not answer.
fn site_in_doubt(monitor: &ReservedPort) -> Option<(Servers, Coordinator, String)> {
    let mut servers = founded(1)?;
    let answered = answer_as_monitor(monitor);
    let oslo =
        start_with(&servers, "oslo", &[&format!("engine_monitor=http://127.0.0.1:{monitor}")]);
    answered.join().unwrap();
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), oslo.join("bob", "acks=1"));
    lose_last_message(&mut servers, &mut ann, &mut bob);
    servers.all[0].restart();
    eventually("it cannot read the list again", || stderr_of(&oslo).contains("engine_monitor: "));
    Some((servers, oslo, ann.epoch().to_owned()))
}

#[test]
fn a_site_that_cannot_read_the_list_again_does_not_forget_that_something_is_missing() {
    let monitor = ReservedPort::new();
    let Some((_servers, oslo, old_epoch)) = site_in_doubt(&monitor) else { return };
    let answered = answer_as_monitor(&monitor);
    eventually("it reads the list again", || stderr_of(&oslo).matches("list read: ").count() >= 2);
    answered.join().unwrap();
    let back = Member::come_back(&oslo, "ann", "acks=1");
    assert_ne!(back.epoch(), old_epoch, "its message is missing");
}

#[test]
fn a_site_that_a_signal_ends_while_something_is_missing_says_what_to_do() {
    let monitor = ReservedPort::new();
    let Some((_servers, oslo, _)) = site_in_doubt(&monitor) else { return };
    oslo.terminate();
    assert_eq!(oslo.wait().code(), Some(1));
    let said = stderr_of(&oslo);
    assert!(said.contains("start it once with --new-epoch"), "{said}");
}

/// Waits until two sites have read the list again, and returns the epoch of both.
#[track_caller]
fn until_read_again(sites: &[Coordinator; 2]) -> String {
    let has_read_again = |site| stderr_of(site).matches("list read: ").count() >= 2;
    let timer = Timer::start(LONG);
    while !sites.iter().all(has_read_again) {
        let said = sites.each_ref().map(stderr_of).join("---\n");
        assert!(timer.left().is_some(), "not both sites read again:\n{said}");
        thread::park_timeout(Duration::from_millis(50));
    }
    let epoch_of = |site: &Coordinator| site.client().stats()["epoch"].clone();
    eventually("one epoch", || epoch_of(&sites[0]) == epoch_of(&sites[1]));
    epoch_of(&sites[0])
}

#[test]
fn an_older_list_ends_the_epoch_for_everybody_and_all_sites_go_on_alike() {
    let Some(mut servers) = founded(3) else { return };
    let sites = [start(&servers, "oslo"), start(&servers, "cairo")];
    let [oslo, cairo] = [sites[0].address, sites[1].address];
    let homes = [
        Home::with_coordinators("ann", &[oslo, cairo]),
        Home::with_coordinators("bob", &[cairo, oslo]),
    ];
    let mut people = homes.each_ref().map(|home| Running::start(home.command(&["-f", "--join"])));
    people.iter_mut().for_each(|person| person.expect("OK register"));
    let [ann, bob] = &mut people;
    ann.write("msend old\n");
    bob.expect("ann: old");
    let all = 0..servers.all.len();
    servers.all.iter_mut().for_each(|server| server.kill());
    let kept: Vec<_> = all.clone().map(|index| servers.keep(index)).collect();
    servers.all.iter_mut().for_each(|server| server.restart());
    ann.write("msend lost\n");
    eventually("bob gets it", || texts(&homes[1].log()).contains(&"lost"));
    servers.all.iter_mut().for_each(|server| server.kill());
    all.clone().for_each(|index| servers.put_back(index, &kept[index]));
    servers.all.iter_mut().for_each(|server| server.restart());
    // Both sites have read more than there is: they read the list again, and begin an epoch.
    let epoch = format!("# epoch {}", until_read_again(&sites));
    let last_epoch =
        |home: &Home| home.log().lines().rfind(|line| line.starts_with("# epoch ")) == Some(&epoch);
    eventually("both members know the epoch", || homes.iter().all(last_epoch));
    for person in &mut people {
        person.expect("* reconnected: OK reconnect ");
        person.expect("* new epoch ");
    }
    let [ann, bob] = &mut people;
    ann.write("msend to cairo\n");
    bob.expect("ann: to cairo");
    bob.write("msend to oslo\n");
    ann.expect("bob: to oslo");
    // A line is shown before it is in the log.
    eventually("ann has it", || texts(&homes[0].log()).contains(&"to oslo"));
    eventually("bob has it", || texts(&homes[1].log()).contains(&"to cairo"));
    // In the new epoch a message may come again.
    let (first, second) = (homes[0].log(), homes[1].log());
    assert_eq!(texts(&first), ["to oslo"]);
    assert_eq!(
        (texts(&second)[..2].to_vec(), texts(&second).last()),
        (vec!["old", "lost"], Some(&"to cairo"))
    );
}
