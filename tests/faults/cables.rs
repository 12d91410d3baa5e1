//! Machines that are cut off from each other, on networks of their own. These tests wait longest:
//! their file has a name by which they start first.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use support::coordinator::Coordinator;
use support::listener::{Listener, MessageSocket};
use support::member::Member;
use support::netns::{Cable, Machine, Way};
use support::participant::{Home, Running};
use support::wire::Client;
use support::{DEADLINE, Timer};

const PING: &str = "me#ping#127.0.0.1";

#[test]
fn a_cable_of_the_tests_carries_bytes_both_ways_until_it_is_cut_or_pulled() {
    let (Some(left), Some(right)) = (Machine::new(), Machine::new()) else { return };
    let cable = Cable::lay(&left, &right, 1);
    let listener = right.within(|| TcpListener::bind((cable.right_ip(), 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let mut caller = left.within(|| TcpStream::connect(address)).unwrap();
    let (mut called, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), cable.left_ip());
    for stream in [&caller, &called] {
        stream.set_nodelay(true).unwrap();
    }
    let carries = |from: &mut TcpStream, to: &mut TcpStream, limit: Duration| {
        from.write_all(b"x").unwrap();
        to.set_read_timeout(Some(limit)).unwrap();
        loop {
            match to.read(&mut [0]) {
                Ok(count) => return count == 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => panic!("{error}"),
            }
        }
    };
    // TCP sends lost bytes again at growing intervals, so the reader has time.
    let comes_late = |to: &mut TcpStream| {
        to.set_read_timeout(Some(DEADLINE)).unwrap();
        // Not `read`: a signal may interrupt a wait with a timeout.
        to.read_exact(&mut [0]).expect("TCP sends it again");
    };
    let briefly = Duration::from_millis(300);
    assert!(carries(&mut caller, &mut called, DEADLINE));
    assert!(carries(&mut called, &mut caller, DEADLINE));
    cable.cut(Way::ToRight);
    assert!(!carries(&mut caller, &mut called, briefly));
    cable.mend();
    comes_late(&mut called);
    cable.cut(Way::ToLeft);
    assert!(!carries(&mut called, &mut caller, briefly));
    cable.mend();
    comes_late(&mut caller);
    cable.pull();
    assert!(!carries(&mut caller, &mut called, briefly));
    assert!(!carries(&mut called, &mut caller, briefly));
}

/// A machine that has gone must have been noticed by then.
const NOTICED: Duration = Duration::from_secs(35);
/// Longer than the machine of a peer may be silent.
const LONGER: Duration = Duration::from_secs(40);

/// Ways in which a machine goes away.
#[derive(Clone, Copy, Debug)]
enum Going {
    Cut(Way),
    Pulled,
}

/// Bytes under way at that moment.
#[derive(Clone, Copy, Debug)]
enum Traffic {
    Nothing,
    Now,
    /// Something is sent when the cut is this old.
    After(Duration),
}

#[test]
fn a_machine_that_has_gone_is_noticed_by_both_programs_whatever_was_on_its_way() {
    let cases = [
        (Going::Cut(Way::Both), Traffic::Nothing),
        (Going::Cut(Way::ToLeft), Traffic::Nothing),
        (Going::Cut(Way::ToRight), Traffic::Nothing),
        (Going::Cut(Way::Both), Traffic::Now),
        (Going::Cut(Way::ToLeft), Traffic::Now),
        (Going::Cut(Way::ToRight), Traffic::Now),
        (Going::Pulled, Traffic::Now),
        (Going::Cut(Way::Both), Traffic::After(Duration::from_secs(20))),
        (Going::Cut(Way::Both), Traffic::After(Duration::from_secs(28))),
    ];
    thread::scope(|scope| {
        for (net, (going, traffic)) in (20..).zip(cases) {
            scope.spawn(move || notices(net, going, traffic));
        }
    });
}

/// The coordinator is on the left, bob (the participant) and carol (without acks) on the right.
fn notices(net: u8, going: Going, traffic: Traffic) {
    let (Some(left), Some(right)) = (Machine::new(), Machine::new()) else { return };
    let cable = Cable::lay(&left, &right, net);
    let coordinator = left.within(|| Coordinator::start(600, &[]));
    let mut alice = left.within(|| coordinator.join("alice", "acks=1"));
    let transcript = &coordinator.transcript;
    let address = SocketAddr::new(cable.left_ip(), coordinator.address.port());
    let home = Home::new("bob", address);
    let follow = ["-f", "-e", "register 0"];
    let mut bob = right.within(|| Running::start(home.command(&follow)));
    bob.expect("OK register");
    let mut carol = right.within(|| Client::connect(transcript, address, None));
    let _messages = right.within(|| registered(&coordinator, &mut carol, cable.right_ip()));
    alice.msend("before");
    bob.expect("alice: before");
    alice.command.until_member("bob", |line| line.contains(" acked=1"));

    let timer = Timer::start(LONGER + DEADLINE);
    match going {
        Going::Cut(way) => cable.cut(way),
        Going::Pulled => cable.pull(),
    }
    let mut send_at = match traffic {
        Traffic::Nothing => None,
        Traffic::Now => Some(Duration::ZERO),
        Traffic::After(time) => Some(time),
    };
    let whos = ["bob", "carol", "their command sockets", "the coordinator"];
    let mut noticed = [None; 4];
    while noticed.contains(&None) && timer.left().is_some() {
        if send_at.is_some_and(|time| time <= timer.elapsed()) {
            send_at = None;
            alice.msend("into the void");
            bob.write("msend into the void\n");
        }
        bob.take_output();
        let members = alice.command.members();
        let is_offline =
            |id: &str| members.iter().any(|line| line.starts_with(&format!("{id} offline ")));
        let sees = [
            is_offline("bob"),
            is_offline("carol"),
            alice.command.stat("connections") == 1,
            bob.said.contains("* message socket lost"),
        ];
        for (noticed, sees) in noticed.iter_mut().zip(sees) {
            *noticed = noticed.or(sees.then(|| timer.elapsed()));
        }
        // A pause, in which what bob sends may arrive.
        let _ = alice.socket().line_within(Timer::start(Duration::from_millis(50)));
    }
    let table: Vec<_> = whos.into_iter().zip(noticed).collect();
    println!("{going:?} with {traffic:?}: {table:?}");
    assert!(
        noticed.iter().all(|noticed| noticed.is_some_and(|time| time <= NOTICED)),
        "{going:?} with {traffic:?}: {table:?}, {}",
        bob.said
    );
}

/// Makes carol a member that takes messages at this address and acknowledges none.
fn registered(coordinator: &Coordinator, client: &mut Client, ip: IpAddr) -> MessageSocket {
    let listener = Listener::bind(&coordinator.transcript, &ip.to_string());
    client.say(&format!("carol#register {}#{ip}", listener.port()));
    client.expect_start("OK register ");
    listener.accept()
}

#[test]
fn a_program_that_does_not_read_is_not_taken_for_a_machine_that_has_gone() {
    let stall_timeout = Duration::from_secs(45);
    let little = Coordinator::start(600, &["stall_timeout=45"]);
    let much = Coordinator::start(600, &["stall_timeout=45"]);
    let unread = |coordinator: &Coordinator, id: &str| {
        let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
        Member::join_at(coordinator, id, "127.0.0.1", listener, "")
    };
    // Bytes for this member wait in the operating system of the coordinator's machine, which takes
    // more.
    let mut alice = little.join("alice", "");
    let mut closed = unread(&little, "closed");
    alice.msend(&"x".repeat(20_000));
    let ping = format!("{PING}\n");
    let mut mute = little.client();
    let pings = mute.write_until_stuck(ping.repeat(1_000_000).as_bytes()) / ping.len();
    // And what is due to these two fills it.
    let mut eve = much.join("eve", "");
    let mut full = unread(&much, "full");
    let home = Home::new("bob", much.address);
    let mut bob = Running::start(home.command(&["-f", "-e", "register 0"]));
    bob.expect("OK register");
    bob.signal(rustix::process::Signal::STOP);
    let full_since = Timer::start(stall_timeout + DEADLINE);
    for _ in 0..300 {
        eve.msend(&"x".repeat(60_000));
    }

    let longer = Timer::start(LONGER);
    while longer.left().is_some() {
        for line in [closed.line(), full.line(), eve.command.member("bob").unwrap()] {
            assert!(line.contains(" online "), "after {:?}: {line}", longer.elapsed());
        }
        alice.socket().expect_silence(Duration::from_millis(100));
    }
    for _ in 0..pings {
        mute.expect("OK ping");
    }
    let mut online = vec!["full", "bob"];
    while !online.is_empty() {
        online.retain(|id| eve.command.member(id).is_some_and(|line| line.contains(" online ")));
        let elapsed = full_since.elapsed();
        assert!(online.is_empty() || full_since.left().is_some(), "{online:?} after {elapsed:?}");
        assert!(online.len() == 2 || elapsed >= stall_timeout, "{online:?} after {elapsed:?}");
        alice.socket().expect_silence(Duration::from_millis(100));
    }
    assert!(closed.line().contains(" online "), "nothing more is due to it");
}
