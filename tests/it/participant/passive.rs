//! `here` and `--passive`: a participant without a listener, as behind NAT.

use std::io::Write as _;
use std::process::Command;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::member::Member;
use support::netns::{Cable, Machine};
use support::participant::{Home, Running, texts, until};

/// The command line of a service.
const SERVICE: [&str; 3] = ["-f", "--join", "--passive"];

#[test]
fn a_passive_service_comes_back_after_each_restart_of_the_coordinator() {
    for is_durable in [false, true] {
        let start = if is_durable { Coordinator::start_with_data_dir } else { Coordinator::start };
        let first = start(60, &[]);
        let home = Home::new("alice", first.address);
        let mut alice = Running::start(home.command_as_is(&SERVICE));
        alice.expect("OK register epoch=");
        let mut bob = first.join("bob", "");
        bob.msend("before");
        alice.expect("bob: before");
        bob.command.until_member("alice", |line| line.contains("acked=1"));
        first.kill();
        alice.expect("* message socket lost: ");
        let second = first.start_again();
        let (found, mut bob) = match is_durable {
            true => ("* reconnected: OK reconnect", Member::come_back(&second, "bob", "")),
            false => (
                "* registered as a new member, messages may have been missed: OK",
                second.join("bob", ""),
            ),
        };
        alice.expect(found);
        bob.msend("after");
        alice.expect("bob: after");
        alice.signal(Signal::TERM);
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        assert_eq!(texts(&home.log()), ["before", "after"]);
        assert!(!alice.said.contains("error:"), "{}", alice.said);
        bob.command.until_member("alice", |line| line.contains(" offline "));
    }
}

#[test]
fn a_takeover_works_from_each_way_to_the_other_and_loses_nothing() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&[]));
    alice.write("register here\n");
    alice.expect("OK register epoch=");
    for (number, way) in
        ["reconnect 0", "reconnect here", "reconnect here", "join 0"].into_iter().enumerate()
    {
        bob.msend(&format!("before {number}"));
        alice.write(&format!("{way}\n"));
        alice.expect("OK reconnect epoch=");
        bob.msend(&format!("after {number}"));
        alice.expect(&format!("bob: after {number}"));
    }
    alice.write("status\nmsend to bob\n");
    alice.expect("state online");
    alice.expect("OK msend seq=");
    alice.write("reconnect here\n");
    alice.expect("OK reconnect epoch=");
    alice.write("status\nquit\n");
    alice.expect("port here");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let logged = texts(&home.log()).len();
    assert_eq!(logged, 8, "{}", alice.said);
    assert!(!alice.said.contains("taken over"), "{}", alice.said);
}

#[test]
fn a_passive_visit_sends_and_receives_and_leaves_as_found() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&["--passive", "--send", "hello"], "");
    assert_eq!(code, Some(0), "{said}");
    bob.socket().delivery(1, "alice", "hello");
    let mut lines = Running::start(home.command_as_is(&["--passive", "--lines"]));
    lines.write("one\n");
    bob.socket().delivery(2, "alice", "one");
    lines.signal(Signal::TERM);
    lines.wait();
    let mut alice = Running::start(home.command_as_is(&["--passive", "--count", "1"]));
    bob.command.until_member("alice", |line| line.contains(" online "));
    bob.msend("for alice");
    alice.expect("bob: for alice");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(!bob.command.members().iter().any(|line| line.starts_with("alice ")));
}

#[test]
fn a_text_in_the_outbox_of_a_passive_participant_survives_its_kill() {
    let coordinator = Coordinator::start_with_data_dir(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let outbox = home.log_path().with_file_name("outbox");
    let options = ["--passive", "--join", "--outbox", outbox.to_str().unwrap()];
    let mut alice = Running::start(home.command(&options));
    alice.expect("OK register epoch=");
    coordinator.stop();
    alice.write("msend kept\n");
    until("the outbox has the text", || {
        std::fs::read_to_string(&outbox).is_ok_and(|file| file.contains("kept"))
    });
    coordinator.go_on();
    alice.signal(Signal::KILL);
    alice.wait();
    let mut alice = Running::start(home.command(&options));
    alice.expect("OK reconnect epoch=");
    alice.write("msend last\n");
    alice.expect("OK msend seq=");
    bob.socket().delivery(1, "alice", "kept");
    bob.socket().delivery(2, "alice", "last");
}

#[test]
fn a_participant_behind_nat_is_refused_at_a_port_and_served_with_here() {
    let machines = [Machine::new(), Machine::new(), Machine::new()];
    let [Some(inside), Some(router), Some(outside)] = &machines else { return };
    let _private = Cable::lay(inside, router, 31);
    let public = Cable::lay(router, outside, 32);
    inside.ip("route add default via 10.9.31.2");
    router.set("ipv4/ip_forward", "1");
    let rules = [
        "add table ip nat",
        "add chain ip nat post { type nat hook postrouting priority 100 ; }",
        "add rule ip nat post oifname eth32 masquerade",
    ];
    for rule in rules {
        let nft = router.within(|| Command::new("nft").args(rule.split(' ')).output());
        match nft {
            Ok(output) if output.status.success() => (),
            failed => {
                // Also while the output of the test is captured.
                let skipped = "SKIPPED a_participant_behind_nat: no masquerade";
                let _ = writeln!(std::io::stderr(), "{skipped}: {failed:?}");
                return;
            }
        }
    }
    let bind = format!("bind={}", public.right_ip());
    let coordinator = outside.within(|| Coordinator::start(60, &[&bind]));
    let mut bob = outside.within(|| coordinator.join("bob", ""));
    let home = Home::new("alice", coordinator.address);
    let mut alice = inside.within(|| Running::start(home.command(&[])));
    alice.write("register 0\n");
    alice.expect("ERR 403 ip: 10.9.31.1 is not 10.9.32.1");
    alice.expect("behind NAT use 'join here' (option --passive)");
    alice.write("join here\n");
    alice.expect("OK register epoch=");
    bob.msend("through NAT");
    alice.expect("bob: through NAT");
    alice.write("msend back\n");
    alice.expect("OK msend seq=2");
    bob.socket().delivery(2, "alice", "back");
    bob.command.until_member("alice", |line| line.contains(" 10.9.32.1:"));
}
