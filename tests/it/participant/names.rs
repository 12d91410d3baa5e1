//! Coordinators that go by a name: it is resolved at every connect, and every address is tried.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use support::Timer;
use support::coordinator::Coordinator;
use support::listener::Listener;
use support::participant::{Home, Running, texts, until};

const REFUSED: &str = "Connection refused (os error 111)";

/// A participant whose config has this line for the coordinator.
fn home_at(coordinator: &str) -> Home {
    let home = Home::new("alice", (Ipv4Addr::LOCALHOST, 1).into());
    let config = format!("alice\n{}\n{coordinator}\n", home.log_path().display());
    fs::write(home.config(), config).unwrap();
    home
}

/// Files under `/etc` that a program sees in place of the system's.
struct Etc(TempDir);

impl Etc {
    /// None, said loudly, if this user may not do that.
    fn new(hosts: &str, resolver: &str) -> Option<Self> {
        let etc = Self(tempfile::tempdir().unwrap());
        fs::write(etc.path("hosts"), hosts).unwrap();
        fs::write(etc.path("resolv.conf"), resolver).unwrap();
        let output = etc.run("true").output().unwrap();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            eprintln!("SKIPPED: no mount namespace for another /etc/hosts: {why}");
            return None;
        }
        Some(etc)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let script = "mount --bind \"$0/hosts\" /etc/hosts && \
                      mount --bind \"$0/resolv.conf\" /etc/resolv.conf && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script]).arg(self.0.path()).arg(program);
        command
    }

    fn participant(&self, home: &Home, options: &[&str]) -> Running {
        let mut command = self.run(env!("CARGO_BIN_EXE_participant"));
        command.arg("-i").args(options).arg(home.config());
        Running::start(command)
    }

    /// The participant sees it at its next lookup.
    fn change_hosts(&self, hosts: &str) {
        let mut file = fs::File::options().write(true).open(self.path("hosts")).unwrap();
        file.write_all(hosts.as_bytes()).unwrap();
        file.set_len(hosts.len() as u64).unwrap();
    }
}

/// A server of names that never answers, and what leads to it.
fn silent_resolver() -> Option<(UdpSocket, String)> {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 77, high, low | 1);
    match UdpSocket::bind((ip, 53)) {
        Ok(socket) => Some((socket, format!("nameserver {ip}\noptions timeout:30\n"))),
        Err(error) => {
            eprintln!("SKIPPED: no server of names on port 53: {error}");
            None
        }
    }
}

#[test]
fn a_coordinator_is_reached_however_its_address_is_written() {
    let at_ipv4 = Coordinator::start(60, &["bind=127.0.0.1"]);
    let at_ipv6 = Coordinator::start(60, &["bind=::1"]);
    for (coordinator, hosts) in [
        (&at_ipv4, &["127.0.0.1 ", "127.0.0.1:", "localhost ", "localhost:"][..]),
        (&at_ipv6, &["::1 ", "[::1] ", "[::1]:"]),
    ] {
        for host in hosts {
            let home = home_at(&format!("{host}{}", coordinator.address.port()));
            let (code, said) = home.script(&["-e", "ping"], "");
            assert_eq!(code, Some(0), "{host}: {said}");
            assert!(said.ends_with("OK ping\n"), "{host}: {said}");
        }
    }
}

#[test]
fn by_a_name_it_receives_and_says_at_which_address() {
    let coordinator = Coordinator::start(60, &["bind=127.0.0.1"]);
    let port = coordinator.address.port();
    let home = home_at(&format!("localhost {port}"));
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    alice.expect(&format!("* connected to localhost:{port} at 127.0.0.1:{port}\n"));
    alice.expect("OK register");
    let mut bob = coordinator.join("bob", "");
    bob.msend("hi");
    alice.expect("1 bob: hi\n");
    alice.write("status\n");
    alice.expect(&format!("\ncoordinator localhost:{port} at 127.0.0.1:{port}\n"));
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(texts(&home.log()), ["hi"]);
}

#[test]
fn all_addresses_of_a_name_are_tried_in_turn() {
    let hosts = "::1 hub.test\n127.0.0.1 hub.test\n127.0.0.9 hub.test\n";
    let Some(etc) = Etc::new(hosts, "") else { return };
    for bind in ["127.0.0.1", "127.0.0.9", "::1"] {
        let coordinator = Coordinator::start(60, &[&format!("bind={bind}")]);
        let port = coordinator.address.port();
        let home = home_at(&format!("hub.test:{port}"));
        let mut alice = etc.participant(&home, &["-f", "-e", "register 0"]);
        alice.expect(&format!("* connected to hub.test:{port} at {}\n", coordinator.address));
        alice.expect("OK register");
        let ip = if bind == "::1" { "::1" } else { "127.0.0.1" };
        coordinator.join_from(ip, "bob", "").msend("hi");
        alice.expect("1 bob: hi\n");
        drop(coordinator);
        alice.write("ping\n");
        alice.expect(&format!("error: ping: cannot connect to hub.test:{port}: "));
        let reasons = alice.expect_line();
        let mut reasons: Vec<&str> = reasons.split("; ").collect();
        reasons.sort_unstable();
        let expected = ["127.0.0.1", "127.0.0.9", "[::1]"];
        assert_eq!(reasons, expected.map(|ip| format!("{ip}:{port}: {REFUSED}")));
    }
}

#[test]
fn an_address_that_does_not_answer_gives_way_to_the_next() {
    let Some(etc) = Etc::new("127.0.0.1 hub.test\n127.0.0.9 hub.test\n", "") else { return };
    let coordinator = Coordinator::start(60, &[]);
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let next = TcpListener::bind(("127.0.0.9", blocked.port())).unwrap();
    let home = home_at(&format!("hub.test {}", blocked.port()));
    let mut alice = etc.participant(&home, &["-f", "-e", "ping"]);
    let mut commands = BufReader::new(next.accept().unwrap().0);
    let mut line = String::new();
    commands.read_line(&mut line).unwrap();
    assert_eq!(line, "alice#ping#127.0.0.1\n");
    commands.get_mut().write_all(b"OK ping\n").unwrap();
    alice.expect("OK ping\n");
}

#[test]
fn a_name_is_resolved_at_every_connect() {
    let Some(etc) = Etc::new("127.0.0.1 hub.test\n", "") else { return };
    let coordinator = Coordinator::start_with_data_dir(60, &[]);
    let port = coordinator.address.port();
    let home = home_at(&format!("hub.test {port}"));
    let mut alice = etc.participant(&home, &["-f", "-e", "register 0"]);
    alice.expect(&format!("* connected to hub.test:{port} at 127.0.0.1:{port}\n"));
    alice.expect("OK register");
    etc.change_hosts("127.0.0.9 hub.test\n");
    coordinator.kill();
    let coordinator = coordinator.start_again();
    alice.expect(&format!("* connected to hub.test:{port} at 127.0.0.9:{port}\n"));
    alice.expect("* reconnected: ");
    coordinator.join("bob", "").msend("hi");
    until("the message", || home.log().ends_with("\thi\n"));
}

#[test]
fn a_name_that_nobody_knows_is_said_to_be_so() {
    let Some(etc) = Etc::new("127.0.0.1 localhost\n", "nameserver 127.77.0.2\n") else { return };
    let home = home_at("hub.test 5000");
    let mut alice = etc.participant(&home, &["-f", "-e", "ping"]);
    alice.expect("error: ping: hub.test:5000: cannot be resolved: ");
}

#[test]
fn a_lookup_that_hangs_has_an_end_and_does_not_keep_the_program_from_ending() {
    let Some((_server, resolver)) = silent_resolver() else { return };
    let Some(etc) = Etc::new("127.0.0.1 localhost\n", &resolver) else { return };
    let home = home_at("hub.test 5000");
    let mut alice = etc.participant(&home, &["-f", "-e", "ping"]);
    alice.expect("error: ping: hub.test:5000: cannot be resolved: no answer in 5 s\n");
    alice.write("ping\nstatus\n");
    let ending = Timer::start(Duration::from_secs(4));
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    assert!(ending.left().is_some(), "it waited for the lookup: {}", alice.said);
}

#[test]
fn a_file_of_hosts_is_seen_by_one_program_only() {
    let Some(etc) = Etc::new("127.0.0.1 only-here.test\n", "") else { return };
    let seen = etc.run("cat").arg("/etc/hosts").output().unwrap().stdout;
    assert_eq!(seen, b"127.0.0.1 only-here.test\n");
    assert_ne!(fs::read(Path::new("/etc/hosts")).unwrap(), seen);
}
