//! `participant --top`: a screen at a terminal, lines everywhere else, and no member.

use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use support::coordinator::Coordinator;
use support::participant::{Home, Running, until};

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
