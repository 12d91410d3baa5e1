//! Standard output and standard error that nobody reads, their pipes full: neither program waits.

use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, PipeReader, PipeWriter, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use support::port::ReservedPort;
use support::{DEADLINE, Timer};

/// A pipe that takes nothing more, and the end that nobody reads.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (read, mut write) = io::pipe().unwrap();
    let flags = fcntl_getfl(&write).unwrap();
    fcntl_setfl(&write, flags | OFlags::NONBLOCK).unwrap();
    while match write.write(&[b'x'; 4096]) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    } {}
    fcntl_setfl(&write, flags).unwrap();
    (read, write)
}

/// A program of which nobody reads anything.
struct Unread {
    child: Child,
    _pipes: [PipeReader; 2],
}

impl Unread {
    fn start(mut command: Command) -> Self {
        let ((output, stdout), (error, stderr)) = (full_pipe(), full_pipe());
        let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        Self { child, _pipes: [output, error] }
    }

    fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        let timer = Timer::start(DEADLINE);
        while timer.left().is_some() {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::yield_now();
        }
        panic!("it does not end");
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn coordinator(config: &tempfile::TempDir, port: &str) -> Command {
    let path = config.path().join("coordinator.txt");
    fs::write(&path, format!("{port}\n60\nbind=127.0.0.1\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_coordinator"));
    command.arg("-vv").arg(path);
    command
}

#[test]
fn a_coordinator_of_which_nobody_reads_anything_starts_serves_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let port = ReservedPort::new();
    let mut coordinator = Unread::start(coordinator(&directory, &port.number().to_string()));
    let timer = Timer::start(DEADLINE);
    let client = loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())) {
            Ok(client) => break client,
            Err(error) => assert!(timer.left().is_some(), "it does not listen: {error}"),
        }
    };
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut replies = BufReader::new(client.try_clone().unwrap()).lines();
    for _ in 0..3000 {
        (&client).write_all(b"bob#ping#127.0.0.1\n").unwrap(); // Each is a diagnostic, too.
        assert_eq!(replies.next().unwrap().unwrap(), "OK ping");
    }
    coordinator.terminate();
    assert_eq!(coordinator.wait().code(), Some(0));
}

#[test]
fn a_failure_that_nobody_reads_of_ends_the_program_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_eq!(Unread::start(coordinator(&directory, &port)).wait().code(), Some(1));
}

#[cfg(feature = "participant")]
#[test]
fn a_participant_of_which_nobody_reads_anything_logs_acknowledges_and_ends() {
    use support::coordinator::Coordinator;
    use support::participant::{Home, texts};

    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let options = ["-vvv", "-f", "-e", "register 0"];
    let mut alice = Unread::start(home.command_as_is(&options));
    bob.command.until_member("alice", |line| line.contains(" online "));
    for _ in 0..3000 {
        bob.msend(&"x".repeat(1000));
    }
    bob.command.until_member("alice", |line| line.contains(" pending=0 acked=3000"));
    assert_eq!(texts(&home.log()).len(), 3000);
    alice.terminate();
    bob.command.until_member("alice", |line| line.contains(" offline "));
    assert_eq!(alice.wait().code(), Some(1), "its output could not be printed");

    fs::write(home.log_path(), "dear diary").unwrap();
    let mut alice = Unread::start(home.command_as_is(&options));
    assert_eq!(alice.wait().code(), Some(2));
}
