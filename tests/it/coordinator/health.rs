//! `--health`, and a coordinator that needs no config file.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use support::coordinator::Coordinator;

const COORDINATOR: &str = env!("CARGO_BIN_EXE_coordinator");

/// Runs `--health` in an empty folder: exit code, standard output, standard error.
fn health(coordinator: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(COORDINATOR);
    command.current_dir(folder.path()).arg("--health").arg(coordinator);
    let output = command.output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), stdout, stderr)
}

/// Checks that a coordinator is healthy, with these words.
#[track_caller]
pub(crate) fn check_healthy(address: SocketAddr, words: &str) {
    let expected = (Some(0), format!("{address}: {words}\n"), String::new());
    assert_eq!(health(&address.to_string()), expected);
}

/// Checks that no coordinator answers, for this reason.
#[track_caller]
fn check_unhealthy(address: SocketAddr, reason: &str) {
    let (code, stdout, stderr) = health(&address.to_string());
    let words = format!("coordinator: no sign of life from {address}: {address}: {reason}\n");
    assert_eq!((code, stdout, stderr), (Some(1), String::new(), words));
}

#[test]
fn a_coordinator_that_answers_is_healthy_whatever_it_allows() {
    let folder = tempfile::tempdir().unwrap();
    let access = folder.path().join("access.txt");
    std::fs::write(&access, "alice address=192.0.2.1\n").unwrap();
    let coordinator = Coordinator::start(60, &[&format!("access={}", access.display())]);
    check_healthy(coordinator.address, "OK ping");
    let port = coordinator.address.port();
    let (code, stdout, stderr) = health(&format!("localhost:{port}"));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    coordinator.terminate();
    coordinator.wait();
    let (code, _, stderr) = health(&format!("localhost:{port}"));
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&format!("127.0.0.1:{port}: Connection refused")), "{stderr}");
}

#[test]
fn a_peer_that_is_no_coordinator_or_says_nothing_is_not_healthy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers: [&[u8]; 3] =
        [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"ERR 503 shutting down\n", b"OK"];
    let server = thread::spawn(move || {
        for answer in answers {
            let mut socket = listener.accept().unwrap().0;
            BufReader::new(&socket).read_line(&mut String::new()).unwrap();
            socket.write_all(answer).unwrap();
        }
        listener
    });
    check_unhealthy(address, "expected OK ping, found \"HTTP/1.1 400 Bad Request\"");
    check_unhealthy(address, "expected OK ping, found \"ERR 503 shutting down\"");
    check_unhealthy(address, "closed without an answer");
    let _silent = server.join().unwrap();
    check_unhealthy(address, "no answer within 5 s");
}

#[test]
fn a_coordinator_with_port_and_ttl_as_options_needs_no_config_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(COORDINATOR)
        .current_dir(folder.path())
        .args(["--port", "0", "--ttl", "7", "--bind", "127.0.0.1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(", ttl 7 s, "), "{line}");
    let address = line.split_once("listening on ").unwrap().1.split(',').next().unwrap();
    check_healthy(address.parse().unwrap(), "OK ping");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
