//! Standard input: who reads it, up to where, and what its writers learn.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, until};

const EPOCH: &str = "00000000000000aa";

fn make_fifo(home: &Home) -> PathBuf {
    let path = home.directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// A participant whose standard input is the FIFO. It starts with the first writer.
fn start_at_fifo(home: &Home, options: &[&str], fifo: &Path) -> Running {
    let participant = home.command_as_is(options);
    let mut shell = Command::new("sh");
    shell.args(["-c", "fifo=$1; shift; exec \"$@\" < \"$fifo\"", "sh"]).arg(fifo);
    shell.arg(participant.get_program()).args(participant.get_args());
    Running::start(shell)
}

/// One writer, who comes, writes, and goes.
#[track_caller]
fn echo(text: &str, fifo: &Path) {
    let script = "printf \"$1\" > \"$2\"";
    let status = Command::new("sh").args(["-c", script, "sh", text]).arg(fifo).status();
    assert!(status.unwrap().success());
}

/// Returns the number of reads by the thread that reads standard input.
fn reads(running: &Running) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", running.child.id())).unwrap();
    let mut tasks = tasks.map(|task| task.unwrap().path());
    let is_reader = |task: &PathBuf| fs::read_to_string(task.join("comm")).unwrap() == "reader\n";
    let io = fs::read_to_string(tasks.find(is_reader).unwrap().join("io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap().parse().unwrap()
}

#[test]
fn who_follows_reads_a_fifo_on_after_its_first_writer_without_work_in_between() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let fifo = make_fifo(&home);
    let mut alice = start_at_fifo(&home, &["-f"], &fifo);
    echo("register 0\\n", &fifo);
    alice.expect("OK register");
    for (number, end) in ["\\n", "\\n", "", "\\n"].into_iter().enumerate() {
        echo(&format!("msend text {number}{end}"), &fifo);
        alice.expect(&format!("OK msend seq={}\n", number + 1));
        assert!(bob.socket().line().ends_with(&format!("#text {number}")));
    }
    let mut before = reads(&alice);
    until("its rest", || std::mem::replace(&mut before, reads(&alice)) == before);
    for number in 0..300 {
        bob.msend(&number.to_string());
    }
    alice.expect(" bob: 299\n");
    let after = reads(&alice);
    assert!(after <= before + 2, "{} reads without a writer", after - before);
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

#[test]
fn where_input_has_ended_its_writers_learn_it_before_the_program_ends() {
    for last in ["", "quit\n", "exit\n"] {
        let fake = Fake::start();
        let home = Home::new("alice", fake.address);
        let fifo = make_fifo(&home);
        let mut alice = start_at_fifo(&home, &[], &fifo);
        let mut writer = File::options().write(true).open(&fifo).unwrap();
        write!(writer, "register 0\n{last}").unwrap();
        let (mut commands, _messages) = fake.join("register", EPOCH);
        alice.expect("OK register");
        let failed = match last.is_empty() {
            true => {
                drop(writer);
                commands.expect("alice#disconnect#127.0.0.1");
                let mut options = File::options();
                options.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
                options.open(&fifo).map(drop)
            }
            false => {
                commands.expect("alice#disconnect#127.0.0.1");
                writer.write_all(b"msend lost\n")
            }
        };
        let error = failed.unwrap_err().raw_os_error();
        let expected = if last.is_empty() { 6 } else { 32 }; // No reader, a broken pipe.
        assert_eq!(error, Some(expected), "{last:?}");
        commands.say("OK disconnect");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    }
}

#[test]
fn input_that_is_left_alone_is_not_kept_from_its_writers_as_unread() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let fifo = make_fifo(&home);
    let mut alice = start_at_fifo(&home, &["-f", "-e", "ping"], &fifo);
    let mut writer = File::options().write(true).open(&fifo).unwrap();
    alice.expect("OK ping\n");
    let error = writer.write_all(b"msend lost\n").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn commands_of_the_command_line_leave_standard_input_to_the_next_program() {
    let coordinator = Coordinator::start(60, &[]);
    let _alice = coordinator.join("alice", "");
    let home = Home::new("alice", coordinator.address);
    let participant = home.command_as_is(&[]);
    let mut shell = Command::new("sh");
    let script = "while read -r line; do \"$1\" -e \"msend $line\" \"$2\"; done; echo \"end $?\"";
    shell.args(["-c", script, "sh"]);
    shell.arg(participant.get_program()).args(participant.get_args());
    let mut shell = Running::start(shell);
    shell.write("one\ntwo\nthree\n");
    shell.input = None;
    shell.wait();
    assert_eq!(shell.said, "OK msend seq=1\nOK msend seq=2\nOK msend seq=3\nend 0\n");
}

#[test]
fn standard_input_is_read_behind_the_commands_on_request_and_without_any() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    for (options, said) in [
        (&["-e", "ping"][..], "OK ping\n"),
        (&["-e", "ping", "-i"], "OK ping\nOK members 0\n"),
        (&["--interactive", "--execute", "ping"], "OK ping\nOK members 0\n"),
        (&[], "OK members 0\n"),
        (&["-i"], "OK members 0\n"),
    ] {
        let mut alice = Running::start(home.command_as_is(options));
        // One that does not read it may have ended before this.
        let _ = alice.input.as_mut().unwrap().write_all(b"members\n");
        alice.input = None;
        assert_eq!((alice.wait(), alice.said.as_str()), (Some(0), said), "{options:?}");
    }
    let mut alice = Running::start(home.command_as_is(&["-f", "-e", "ping"]));
    alice.expect("OK ping\n");
    alice.signal(Signal::TERM);
    assert_eq!((alice.wait(), alice.said.as_str()), (Some(0), "OK ping\n"), "until a signal");
}

#[test]
fn with_exit_on_error_the_first_command_that_fails_is_the_last() {
    let coordinator = Coordinator::start(60, &[]);
    let unknown = "error: unknown command 'nonsense'; 'help' lists the commands\n";
    let not_a_member = "ERR 404 not a member: register first\n";
    for (commands, said) in [
        (&["ping", "nonsense", "ping", "ping"][..], format!("OK ping\n{unknown}")),
        (&["msend x", "msend y", "ping"], not_a_member.to_owned()),
    ] {
        let home = Home::new("alice", coordinator.address);
        let mut options = vec!["-f", "-i", "--exit-on-error"];
        commands.iter().for_each(|command| options.extend(["-e", command]));
        let mut alice = Running::start(home.command_as_is(&options));
        alice.expect(&said);
        alice.expect("error: --exit-on-error: a command failed, so 2 commands were not run\n");
        assert_eq!(alice.wait(), Some(1), "{}", alice.said);
        assert_eq!(alice.said.lines().count(), said.lines().count() + 1, "{}", alice.said);
    }
    let home = Home::new("alice", coordinator.address);
    let options = ["-i", "--exit-on-error", "-e", "register 0", "-e", "msend x", "-e", "ping"];
    let mut alice = Running::start(home.command_as_is(&options));
    alice.expect("OK ping\n");
    alice.write("nonsense\nmembers\n");
    alice.expect("OK members 1\n"); // What is typed is no command of the command line.
    alice.write("exit\n");
    alice.expect("OK disconnect\n");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
}

#[test]
fn streams_that_another_program_has_made_non_blocking_lose_nothing() {
    const HELPS: usize = 500;
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let (stdin, mut typed) = io::pipe().unwrap();
    let (said, stdout) = io::pipe().unwrap();
    fcntl_setfl(&stdin, fcntl_getfl(&stdin).unwrap() | OFlags::NONBLOCK).unwrap();
    fcntl_setfl(&stdout, fcntl_getfl(&stdout).unwrap() | OFlags::NONBLOCK).unwrap();
    let mut command = home.command_as_is(&["-i", "-e", "ping"]);
    let mut alice = command.stdin(stdin).stdout(stdout).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    let mut said = BufReader::new(said).lines().map(Result::unwrap);
    assert_eq!(said.next().as_deref(), Some("OK ping"));
    typed.write_all(&b"help\n".repeat(HELPS)).unwrap();
    typed.write_all(b"members\n").unwrap();
    drop(typed);
    assert_eq!(said.filter(|line| line.starts_with("register PORT ")).count(), HELPS);
    assert_eq!(alice.wait().unwrap().code(), Some(0));
}

#[test]
fn an_unreadable_standard_input_is_an_error_and_no_end() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    // A read of a directory fails with EISDIR.
    for (options, report) in [(&["--lines"][..], true), (&["--join"][..], false)] {
        let mut command = home.command_as_is(options);
        command.stdin(File::open(home.directory.path()).unwrap());
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let error = "error: standard input cannot be read: Is a directory";
        assert!(said.contains(error), "{said}");
        let lines = "--lines: stopped: 0 lines read, 0 confirmed; next line to send: 1";
        assert_eq!(said.contains(lines), report, "{said}");
    }
}
