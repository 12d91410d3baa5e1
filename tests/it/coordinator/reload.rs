//! SIGHUP: the config is read again while the coordinator runs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Command;

use support::coordinator::Coordinator;
use support::http::{connect_http, get_with, http_address};
use support::{DEADLINE, Timer};

/// Writes another config file, and lets the coordinator read it.
fn reload(coordinator: &Coordinator, text: &str) {
    fs::write(coordinator.config(), text).unwrap();
    coordinator.hang_up();
}

/// Returns line 1 of the config file.
fn port(coordinator: &Coordinator) -> String {
    fs::read_to_string(coordinator.config()).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn limits_and_the_time_to_live_change_while_the_coordinator_runs() {
    let coordinator = Coordinator::start(60, &["max_members=2"]);
    let (mut ann, _bob) = (coordinator.join("ann", "acks=1"), coordinator.join("bob", "acks=1"));
    let mut eve = coordinator.client();
    eve.refused("eve#register here#-", 421, "too many members: 2 is the limit");
    ann.msend("before");
    reload(&coordinator, &format!("{}\n5\nmax_members=3\n", port(&coordinator)));
    coordinator.until_said("; changed: ttl=5 (was 60), max_members=3 (was 2)");
    eve.say("eve#register here#-");
    assert!(eve.line().contains(" ttl=5 "), "of the new config");
    assert_eq!(ann.msend("after"), 2);
    assert!(eve.line().ends_with("#after"));
    coordinator.hang_up();
    coordinator.until_said("; changed: no other key");
}

/// Opening a FIFO waits for its writer, and none ever comes.
#[test]
fn a_fifo_does_not_stop_the_coordinator() {
    let coordinator = Coordinator::start(60, &[]);
    let config = coordinator.config();
    let mut ann = coordinator.join("ann", "acks=1");
    fs::remove_file(&config).unwrap();
    assert!(Command::new("mkfifo").arg(&config).status().unwrap().success());
    coordinator.hang_up();
    let refused = "a FIFO or a terminal: expected a regular file";
    coordinator
        .until_said(&format!("SIGHUP: nothing was changed: {}: {refused}", config.display()));
    assert_eq!(ann.msend("still here"), 1);
}

#[test]
fn a_fault_in_the_config_changes_nothing_and_is_named() {
    let coordinator = Coordinator::start(60, &["max_members=1"]);
    let _ann = coordinator.join("ann", "acks=1");
    let (config, port) = (coordinator.config(), port(&coordinator));
    for (text, fault) in [
        ("5\nmax_members=many\n", ":3: max_members: found \"many\", expected a whole number"),
        ("5\nmax_members=9\ncolor=red\n", ":4: key: found \"color\", expected "),
        ("5\nmax_members=9\naccess=absent.txt\nca=x\n", ":5: ca: found \"x\", expected tls too"),
        ("", ":1: ttl: found the end of the file"),
    ] {
        reload(&coordinator, &format!("{port}\n{text}"));
        let config = config.display();
        coordinator.until_said(&format!("SIGHUP: nothing was changed: {config}{fault}"));
    }
    fs::remove_file(&config).unwrap();
    coordinator.hang_up();
    coordinator.until_said("cannot be read: No such file or directory");
    coordinator.client().refused("eve#register here#-", 421, "too many members: 1 is the limit");
}

#[test]
fn what_needs_a_restart_is_named_and_all_else_changes() {
    let coordinator = Coordinator::start(60, &["max_members=1"]);
    let lines = "bind=127.0.0.1\nmax_line=1k\ndata_dir=d\naccess=a.txt\nmax_members=2\n";
    reload(&coordinator, &format!("1\n60\n{lines}"));
    coordinator.until_said("; changed: max_members=2 (was 1)");
    let port = coordinator.address.port();
    coordinator.until_said(&format!(
        "not changed by SIGHUP, restart the coordinator for it: port=1 (was {port}), \
         bind=127.0.0.1 (was 0.0.0.0), max_line=1k (was 64k), data_dir=d (was none), access=a.txt \
         (was none)"
    ));
    coordinator.join("ann", "");
    coordinator.join("bob", "");
}

#[test]
fn an_option_still_wins_and_the_log_level_changes() {
    let coordinator = Coordinator::start(60, &["max_members=5"]);
    let port = port(&coordinator);
    coordinator.kill();
    let coordinator = coordinator.start_again_with(&["--max-members=1"]);
    let _ann = coordinator.join("ann", "acks=1");
    reload(&coordinator, &format!("{port}\n60\nmax_members=7\nlog_level=debug\n"));
    coordinator.until_said("; changed: log_level=debug (was info)");
    coordinator.client().refused("eve#register here#-", 421, "1 is the limit");
    coordinator.until_said("127.0.0.1: eve#register here#-");
}

/// Messages that had expired stay expired, also after a restart.
#[test]
fn a_longer_time_to_live_does_not_bring_messages_back_after_a_restart() {
    let coordinator = Coordinator::start_with_data_dir(1, &[]);
    let mut ann = coordinator.join("ann", "acks=1");
    let mut bob = coordinator.join("bob", "acks=1");
    bob.disconnect();
    ann.msend("expires");
    ann.msend("expires, too");
    let timer = Timer::start(DEADLINE);
    while !ann.command.member("bob").unwrap().contains(" pending=0 ") {
        assert!(timer.left().is_some(), "the messages do not expire");
    }
    let lines = fs::read_to_string(coordinator.config()).unwrap();
    let lines: Vec<&str> = lines.lines().skip(2).collect();
    reload(&coordinator, &format!("{}\n600\n{}\n", port(&coordinator), lines.join("\n")));
    coordinator.until_said("; changed: ttl=600 (was 1)");
    ann.msend("stays");
    coordinator.kill();
    let coordinator = coordinator.start_again_with(&["--ttl", "600"]);
    let mut client = coordinator.client();
    let line = client.member("bob").unwrap();
    assert!(line.contains(" pending=1 "), "{line}");
    client.say("bob#reconnect here acks=1#-");
    client.expect_start("OK reconnect ");
    client.expect("gap#2#1#2");
    assert!(client.line().ends_with("#stays"));
}

/// The path of the access file may change, and the file of the new path counts.
#[test]
fn another_access_file_counts() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { directory.path().join(name) };
    fs::write(path("a"), "* anyone\n").unwrap();
    fs::write(path("b"), "ann anyone\n").unwrap();
    let access = |name: &str| format!("access={}", path(name).display());
    let coordinator = Coordinator::start(60, &[&access("a")]);
    let (mut ann, mut bob) = (coordinator.join("ann", ""), coordinator.join("bob", "acks=1"));
    reload(&coordinator, &format!("{}\n60\n{}\n", port(&coordinator), access("b")));
    coordinator.until_said("; 1 member was set offline; changed: access=");
    bob.socket().expect("bye#access revoked");
    ann.msend("alone");
}

#[test]
fn another_http_token_counts_at_once_and_a_broken_file_leaves_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token.txt");
    let write = |token: &str| {
        fs::write(&token_file, token).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&token_file, mode).unwrap();
    };
    write("the-first-token-1\n");
    let option = format!("http_token_file={}", token_file.display());
    let coordinator = Coordinator::start(60, &["http=0", &option]);
    let address = http_address(&coordinator);
    let status = |token: &str| {
        get_with(address, "/metrics", &format!("Authorization: Bearer {token}\r\n")).status()
    };
    assert_eq!([status("the-first-token-1"), status("another-token-22")], [200, 401]);
    let mut reader = connect_http(address);
    let fields = "Host: localhost\r\nAuthorization: Bearer the-first-token-1\r\n";
    reader.write_all(format!("GET /events HTTP/1.1\r\n{fields}\r\n").as_bytes()).unwrap();
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    write("another-token-22\n");
    coordinator.hang_up();
    coordinator.until_said("changed: no other key; http_token_file has another token");
    assert_eq!([status("the-first-token-1"), status("another-token-22")], [401, 200]);
    reader.read_to_end(&mut Vec::new()).expect("the events for the old token end");
    write("short\n");
    coordinator.hang_up();
    let fault = format!("SIGHUP: nothing was changed: {}:1: token: found", token_file.display());
    coordinator.until_said(&fault);
    assert_eq!([status("the-first-token-1"), status("another-token-22")], [401, 200]);
    write("another-token-22\n");
    coordinator.hang_up();
    coordinator.until_said("changed: no other key\n");
}
