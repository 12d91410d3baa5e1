//! Comforts of the prompt at a terminal: colours, completion, history, pastes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::participant::{Home, Running, until};

/// At a terminal that shows colours, registered.
fn online(home: &Home, options: &[&str], term: &str) -> Running {
    let mut command = home.command(&[options, &["-e", "register 0"]].concat());
    command.env_remove("NO_COLOR").env("TERM", term);
    let mut running = Running::at_terminal(command);
    running.expect("* new epoch ");
    running
}

#[test]
fn a_sender_has_a_colour_on_the_screen_and_nowhere_else() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = online(&home, &[], "xterm");
    bob.msend("hello \u{202e}");
    alice.expect("1 \x1b[94mbob\x1b[39m: hello \\u{202e}\r\n");
    until("the log", || home.log().ends_with("\tbob\thello \u{202e}\n"));
    assert!(!home.log().contains('\x1b'));
    alice.write("quit\r");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let mut command = home.command(&["-e", "reconnect 0"]);
    command.env_remove("NO_COLOR");
    let mut piped = Running::start(command);
    piped.expect("OK reconnect");
    bob.msend("a pipe");
    piped.expect("2 bob: a pipe\n");
}

#[test]
fn no_color_and_a_dumb_terminal_have_no_colours() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("carol", coordinator.address);
    let mut dumb = online(&home, &[], "dumb");
    let seq = bob.msend("hello");
    dumb.expect(&format!("{seq} bob: hello\r\n"));
    let home = Home::new("dave", coordinator.address);
    let mut command = home.command(&["-e", "register 0"]);
    command.env("NO_COLOR", "1").env("TERM", "xterm");
    let mut refused = Running::at_terminal(command);
    refused.expect("* new epoch ");
    let seq = bob.msend("hello");
    refused.expect(&format!("{seq} bob: hello\r\n"));
}

/// The bytes that a terminal sends for a paste.
fn paste(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~\r")
}

#[test]
fn a_paste_of_several_lines_asks_once_and_a_paste_of_one_line_never() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = online(&home, &[], "xterm");
    let two = paste("msend one\r\n\r\nmsend two\n");
    alice.write(&two);
    alice.expect("paste of 2 lines: send them? [y/N] ");
    bob.msend("meanwhile");
    alice.expect("bob\x1b[39m: meanwhile\r\n");
    alice.write("y\r");
    alice.expect("OK msend seq=2");
    alice.expect("OK msend seq=3");
    bob.socket().delivery(2, "alice", "one");
    bob.socket().delivery(3, "alice", "two");
    for no in ["n\r", "\r", "x\r", "\x03", "\x04", "y?\r"] {
        alice.write(&two);
        alice.expect("send them? [y/N] ");
        alice.write(no);
        alice.expect("* paste of 2 lines: not sent\r\n");
    }
    alice.write(&paste("msend single\n"));
    alice.expect("OK msend seq=4");
    bob.socket().delivery(4, "alice", "single");
    alice.write(&two);
    alice.expect("send them? [y/N] ");
    alice.signal(Signal::TERM);
    alice.expect("OK disconnect");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(alice.is_in_line_mode());
    assert!(!alice.unexpected().contains("not sent"), "nobody has answered: {}", alice.said);
    assert!(!alice.said.contains("paste of 1 line"), "{}", alice.said);
}

#[test]
fn the_tab_key_completes_commands_and_the_ids_of_senders_and_members() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let _others = ["carol", "carlos"].map(|id| coordinator.join(id, ""));
    let home = Home::new("alice", coordinator.address);
    let mut alice = online(&home, &["-q"], "xterm");
    bob.msend("hello");
    until("the message", || home.log().contains("\thello\n"));
    alice.write("ms\tb\t\r");
    alice.expect("OK msend seq=2");
    bob.socket().delivery(2, "alice", "bob");
    alice.write("msend @c\t\r");
    alice.expect("OK msend seq=3");
    bob.socket().delivery(3, "alice", "@c");
    alice.write("who\r");
    alice.expect("\r\ncarol ");
    alice.write("msend hi @c\t");
    alice.expect("carlos  carol");
    bob.msend("meanwhile");
    alice.write("o\t, welcome\r");
    alice.expect("OK msend seq=5");
    bob.socket().delivery(5, "alice", "hi @carol, welcome");
}

/// The file of the history.
fn history(home: &Home, id: &str) -> PathBuf {
    home.state().join(format!("groupcast/{id}.history"))
}

const UP: &str = "\x1b[A";

#[test]
fn the_lines_of_a_terminal_are_there_at_the_next_start() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    for options in [&[][..], &["--no-history"]] {
        let mut alice = Running::at_terminal(home.command(options));
        alice.expect("participant> ");
        alice.write("status\rping\rping\rquit\r");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        let file = history(&home, "alice");
        assert_eq!(fs::read_to_string(&file).unwrap(), "status\nping\nquit\n", "{options:?}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (code, said) = home.script(&[], "stats\nquit\n");
    assert_eq!((code, said.contains("OK stats")), (Some(0), true));
    let mut again = Running::at_terminal(home.command(&[]));
    again.expect("participant> ");
    again.write(&format!("{UP}{UP}\r"));
    again.expect("OK ping");
    let mut without = Running::at_terminal(home.command(&["--no-log", "--no-history"]));
    without.expect("participant> ");
    without.write(&format!("{UP}{UP}help\r"));
    without.expect("show this list");
    assert_eq!(fs::read_to_string(history(&home, "alice")).unwrap(), "status\nping\nquit\nping\n");
}

#[test]
fn a_history_that_cannot_be_kept_is_one_notice_and_no_more() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let file = history(&home, "alice");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    symlink("/dev/full", &file).unwrap();
    let at_file = format!("* history: {}: not a regular file: ", file.display());
    let no_home = "* history: neither XDG_STATE_HOME nor HOME names a directory: ".to_owned();
    for (is_home, notice) in [(true, at_file), (false, no_home)] {
        let mut command = home.command(&[]);
        if !is_home {
            command.env_remove("HOME").env_remove("XDG_STATE_HOME");
        }
        let mut alice = Running::at_terminal(command);
        alice.expect(&notice);
        alice.expect("lines are kept until the exit only\r\n");
        for _ in 0..2 {
            alice.write("status\r");
            alice.expect("in_flight 0");
        }
        alice.write(&format!("{UP}\r"));
        alice.expect("in_flight 0");
        alice.write("quit\r");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        assert_eq!(alice.said.matches("* history").count(), 1, "{}", alice.said);
    }
}
