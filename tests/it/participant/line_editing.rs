//! Comforts of the prompt at a terminal: colours, completion, history, pastes.

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
