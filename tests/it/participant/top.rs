//! `participant --top`: a screen at a terminal, lines everywhere else, and no member.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use support::coordinator::Coordinator;
use support::participant::{Home, Running, until};
use support::program;

#[test]
fn top_shows_the_group_on_one_screen_that_keys_sort() {
    let coordinator = Coordinator::start(60, &[]);
    let _ann = coordinator.join("ann", "");
    let mut bob = coordinator.join("bob", "acks=1");
    bob.check("disconnect", "OK disconnect");
    let mut eve = coordinator.join("eve", "");
    eve.msend("bob lags behind by one");
    let home = Home::new("viewer", coordinator.address);
    let mut top = Running::at_terminal(home.command_as_is(&["--top"]));
    top.expect("\x1b[?1049h"); // The alternate screen.
    top.expect("members   3: 2 online, 1 offline");
    top.expect("bob  offline           1");
    top.expect("eve  online            0");
    top.write("i");
    top.expect("ann  online ");
    top.expect("bob  offline");
    top.write("\x1b[Ax"); // Other keys change nothing.
    top.write("r");
    top.expect("eve  online ");
    top.expect("bob  offline");
    assert!(!top.is_in_line_mode());
    top.write("q");
    assert_eq!(top.wait(), Some(0), "{}", top.said);
    assert!(top.said.ends_with("\x1b[?1049l"), "{}", top.said);
    assert!(top.is_in_line_mode(), "the settings of the terminal are restored");
    assert_eq!(coordinator.client().stat("members"), 3, "a viewer is no member");
    assert!(!home.log_path().exists(), "and has no message log");
}

#[test]
fn top_prints_one_line_a_second_for_scripts_and_ends_after_count_lines() {
    let coordinator = Coordinator::start(60, &[]);
    let _ann = coordinator.join("ann", "");
    let home = Home::new("viewer", coordinator.address);
    let mut top = Running::start(home.command_as_is(&["--top", "--count", "1"]));
    assert_eq!(top.wait(), Some(0), "{}", top.said);
    let words: Vec<&str> = top.said.split_whitespace().collect();
    for word in ["members=1", "online=1", "messages_in_per_s=0.0", "lag_max=0", "lag_member=-"] {
        assert!(words.contains(&word), "{word}: {}", top.said);
    }
    assert_eq!(top.said.lines().count(), 1, "{}", top.said);
}

#[test]
fn top_reports_a_coordinator_that_is_gone_and_shows_the_next_one() {
    let coordinator = Coordinator::start_with_data_dir(60, &[]);
    let home = Home::new("viewer", coordinator.address);
    let mut top = Running::at_terminal(home.command_as_is(&["--top"]));
    top.expect("members   0: ");
    coordinator.kill();
    top.expect("cannot connect to 127.0.0.1:");
    top.expect("figures 3 s old: cannot connect to 127.0.0.1:");
    let again = coordinator.start_again();
    let _ann = again.join("ann", "");
    top.expect("members   1: 1 online");
    top.expect("sort by: ");
    top.write("\x03");
    assert_eq!(top.wait(), Some(0), "{}", top.said);
    // With a number of lines, a failure ends it.
    again.kill();
    let mut script = Running::start(home.command_as_is(&["--top", "--count=3"]));
    assert_eq!(script.wait(), Some(1), "{}", script.said);
    assert!(script.said.contains("cannot connect to"), "{}", script.said);
}

#[test]
fn top_that_was_stopped_takes_the_terminal_again() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("viewer", coordinator.address);
    let mut top = Running::at_terminal(home.command_as_is(&["--top"]));
    until("raw mode", || !top.is_in_line_mode());
    let terminal = top.terminal();
    top.signal(Signal::STOP);
    let stopped = waitpid(Some(Pid::from_child(&top.child)), WaitOptions::UNTRACED);
    assert!(stopped.unwrap().is_some_and(|(_, status)| status.stopped()));
    let mut of_a_shell = tcgetattr(&terminal).unwrap();
    of_a_shell.local_modes |= LocalModes::ICANON | LocalModes::ECHO;
    tcsetattr(&terminal, OptionalActions::Now, &of_a_shell).unwrap();
    drop(terminal);
    assert!(top.is_in_line_mode());
    top.signal(Signal::CONT);
    top.expect("\x1b[?1049h"); // From the start.
    top.expect("\x1b[?1049h");
    top.expect("members   0: ");
    assert!(!top.is_in_line_mode());
    top.write("q");
    assert_eq!(top.wait(), Some(0), "{}", top.said);
}

#[test]
fn top_fails_if_its_lines_cannot_be_written() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("viewer", coordinator.address);
    let mut command = home.command_as_is(&["--top", "--count", "1"]);
    command.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let mut top = Running::start_as_is(command);
    assert_eq!(top.wait(), Some(1), "{}", top.said);
    assert!(top.said.contains("cannot write the output: No space left"), "{}", top.said);
}

#[test]
fn top_needs_no_id_and_names_the_age_of_figures_when_no_newer_ones_come() {
    let coordinator = Coordinator::start(60, &[]);
    let address = coordinator.address.to_string();
    let mut command = Command::new(program("participant"));
    command.args(["--top", "--coordinator", &address]);
    let mut top = Running::at_terminal(command);
    top.expect("members   0: ");
    top.expect("sort by: ");
    coordinator.stop();
    top.expect("figures 2 s old: no answer");
    top.expect("figures 3 s old: no answer");
    coordinator.go_on();
    top.expect("sort by: ");
    top.write("q");
    assert_eq!(top.wait(), Some(0), "{}", top.said);
}

/// The coordinator does not answer, so that nothing else draws the screen.
#[test]
fn top_draws_at_once_when_the_terminal_changes_its_size() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("viewer", coordinator.address);
    coordinator.stop();
    let mut top = Running::at_terminal(home.command_as_is(&["--top"]));
    top.expect("sort by: l lag");
    let size = Winsize { ws_row: 5, ws_col: 9, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(top.terminal(), size).unwrap();
    top.signal(Signal::WINCH);
    top.expect("\x1b[Hgroupcast\x1b[K\r\nsort by: \x1b[K");
    top.write("q");
    assert_eq!(top.wait(), Some(0), "{}", top.said);
    coordinator.go_on();
}

/// Answers samples without members, and sends the number of each request for one.
fn answer_samples(listener: &TcpListener, asked: &mpsc::Sender<usize>) {
    let (mut socket, _) = listener.accept().unwrap();
    let requests = BufReader::new(socket.try_clone().unwrap()).lines();
    for (number, request) in requests.map_while(Result::ok).enumerate() {
        if request.contains("#stats#") {
            socket.write_all(b"OK stats 1\nuptime_s 1\nOK members 0\n").unwrap();
            let _ = asked.send(number / 2 + 1);
        }
    }
}

/// The second sample is a line, for which a full pipe has no room.
#[test]
fn top_goes_on_and_ends_at_a_signal_while_its_output_takes_no_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new("viewer", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    let answering = thread::spawn(move || answer_samples(&listener, &sender));
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b'.'; 64 * 1024]).unwrap();
    let mut command = home.command_as_is(&["--top"]);
    command.stdout(writer);
    let mut top = Running::start_as_is(command);
    for number in 1..=3 {
        assert_eq!(asked.recv_timeout(Duration::from_secs(30)), Ok(number));
    }
    top.signal(Signal::TERM);
    assert_eq!(top.wait(), Some(0), "{}", top.said);
    answering.join().unwrap();
    drop(reader);
}

/// As `| head -1` does while the coordinator does not answer.
#[test]
fn top_ends_when_its_reader_is_gone_and_there_is_nothing_to_write() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("viewer", coordinator.address);
    coordinator.stop();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = home.command_as_is(&["--top"]);
    command.stdout(writer);
    let mut top = Running::start_as_is(command);
    top.expect("no answer in 5 s");
    drop(reader);
    assert_eq!(top.wait(), Some(0), "{}", top.said);
    coordinator.go_on();
}
