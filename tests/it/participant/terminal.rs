//! The participant at a terminal, under all kinds of keys, texts, signals and shells.

use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::termios::{
    Action, OptionalActions, Winsize, tcflow, tcgetattr, tcsetattr, tcsetwinsize,
};

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts, until};

const EPOCH: &str = "00000000000000aa";

/// At a terminal, registered.
fn online(home: &Home) -> Running {
    let mut alice = Running::at_terminal(home.command(&["-e", "register 0"]));
    alice.expect("* new epoch "); // The coordinator's connection is there too.
    alice.expect("participant> ");
    alice
}

#[test]
fn who_was_stopped_and_goes_on_edits_the_same_line() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    for (id, stop) in [("alice", None), ("carol", Some(Signal::STOP))] {
        let home = Home::new(id, coordinator.address);
        let mut alice = Running::at_terminal(home.command(&[]));
        let terminal = alice.input.as_ref().unwrap().try_clone().unwrap();
        let of_the_shell = tcgetattr(&terminal).unwrap();
        alice.expect("participant> ");
        alice.write("register 0\r");
        alice.expect("* new epoch ");
        alice.expect("participant> ");
        alice.write("msend ha");
        alice.expect("ha");
        match stop {
            Some(signal) => alice.signal(signal),
            None => alice.write("\x1a"),
        }
        let stopped = waitpid(Some(Pid::from_child(&alice.child)), WaitOptions::UNTRACED);
        assert!(stopped.unwrap().is_some_and(|(_, status)| status.stopped()));
        tcsetattr(&terminal, OptionalActions::Now, &of_the_shell).unwrap(); // As a shell does.
        alice.signal(Signal::CONT);
        until("line editing", || !alice.is_in_line_mode());
        alice.expect("\x1b[?2004h");
        alice.write("lf\r");
        alice.expect("OK msend");
        assert!(bob.socket().line().ends_with("#half"));
        alice.write("quit\r");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        assert!(alice.is_in_line_mode());
    }
}

/// A shell whose `fg` finds the program running sends no SIGCONT: only the terminal tells the
/// program that it is in the foreground again.
#[test]
fn who_was_in_the_background_edits_the_same_line_in_the_foreground() {
    for program in ["setsid", "bash"] {
        if let Err(error) = Command::new(program).arg("--version").output() {
            return eprintln!("SKIPPED: {program}, a shell with jobs: {error}");
        }
    }
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let alice = home.command(&["-e", "register 0"]);
    let fifo = home.directory.path().join("go");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut shell = Command::new("setsid");
    shell.args(["--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"]);
    shell.envs(alice.get_envs().filter_map(|(key, value)| Some((key, value?))));
    shell.env("PS1", "shell> ").env("HISTFILE", "/dev/null").env("GO", &fifo);
    let mut shell = Running::at_terminal(shell);
    shell.expect("shell> ");
    let words = std::iter::once(alice.get_program()).chain(alice.get_args());
    let words = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>();
    let pid = home.directory.path().join("pid");
    let begin = format!("sh -c 'echo $$ > {}; exec \"$0\" \"$@\"'", pid.display());
    shell.write(&format!("{begin} {}\r", words.join(" ")));
    shell.expect("* new epoch ");
    shell.expect("participant> ");
    shell.write("msend ha");
    shell.expect("ha");
    // Behind Ctrl-Z the editor can set the terminal in the background, which stops it once more.
    let pid = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    shell.expect("shell> ");
    // One line: the next one would be typed for both programs.
    shell.write("bg; cat \"$GO\"; fg\r");
    shell.expect("participant.txt' &"); // The job that goes on.
    bob.msend("meanwhile");
    shell.expect("1 bob: meanwhile");
    assert!(shell.is_in_line_mode(), "{:?}", shell.said);
    std::fs::write(&fifo, "").unwrap();
    until("line editing", || !shell.is_in_line_mode());
    shell.write("lf\r");
    shell.expect("OK msend");
    assert!(bob.socket().line().ends_with("#half"));
    shell.write("quit\r");
    shell.expect("OK disconnect");
    shell.expect("shell> ");
    shell.write("exit\r");
    assert_eq!(shell.wait(), Some(0), "{}", shell.said);
}

/// Waits until the editor has left one line and begun the next: it has pastes bracketed meanwhile.
#[track_caller]
fn next_line(participant: &mut Running) {
    participant.expect("\x1b[?2004l");
    participant.expect("\x1b[?2004h");
}

#[test]
fn the_key_that_interrupts_clears_a_line_with_text_and_ends_the_program_on_an_empty_one() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = online(&home);
    for half in ["m", "msend half", "msend x\x7f", "  ", "msend \u{65e5}"] {
        // Text that was typed before the key may be discarded with the line, as in a shell.
        alice.write(half);
        alice.write("\x03");
        next_line(&mut alice);
        alice.write("msend whole\r");
        next_line(&mut alice);
        assert!(bob.socket().line().ends_with("#whole"), "{half}");
    }
    alice.write("x\x7f\x03"); // Empty again.
    alice.expect("OK disconnect");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(alice.is_in_line_mode());
}

#[test]
fn a_signal_to_end_does_not_wait_for_a_line_with_text() {
    let coordinator = Coordinator::start(60, &[]);
    for id in ["alice", "carol"] {
        let home = Home::new(id, coordinator.address);
        let mut alice = online(&home);
        alice.write("msend half");
        alice.expect("half");
        alice.signal(Signal::TERM);
        alice.expect("OK disconnect");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        assert!(alice.is_in_line_mode());
        assert!(alice.unexpected().matches("participant> ").count() < 2, "{:?}", alice.said);
    }
}

#[test]
fn keys_that_are_no_text_end_nothing() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = online(&home);
    alice.write_bytes(b"msend \xff");
    alice.expect("error: line: not UTF-8");
    alice.write("ping\r");
    alice.expect("OK ping");
    until("the next line is being read", || !alice.is_in_line_mode());
    alice.write("msend half\x04\x12x"); // The key for the end is none on a line with something.
    alice.expect("reverse-i-search");
    alice.signal(Signal::WINCH);
    alice.write("\x07\x15ping\r");
    alice.expect("OK ping");
    alice.write("\x1b[A\r"); // The line before this one.
    alice.expect("OK ping");
    alice.write("quit\r");
    alice.expect("OK disconnect");
    assert_eq!(alice.wait(), Some(1), "one line was no command");
}

#[test]
fn a_line_being_typed_outlives_a_storm_of_messages_and_another_width() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = online(&home);
    let text = "wide \u{65e5}\u{672c}\u{8a9e} and combined e\u{301} ".repeat(5);
    for (number, char) in format!("msend {text}").chars().enumerate() {
        alice.write(char.encode_utf8(&mut [0; 4]));
        for _ in 0..5 {
            bob.msend("storm");
        }
        let (ws_col, ws_row) = (if number % 2 == 0 { 20 } else { 200 }, 10);
        let size = Winsize { ws_col, ws_row, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(alice.input.as_ref().unwrap(), size).unwrap();
        alice.signal(Signal::WINCH);
    }
    let last = bob.msend("over");
    alice.expect(&format!("{last} bob: over"));
    alice.write("\r");
    alice.expect(&format!("OK msend seq={}", last + 1));
    bob.socket().delivery(last + 1, "alice", &text);
    let shown = alice.said.matches(" bob: storm\r\n").count() as u64;
    assert_eq!(shown, last - 1, "each message is shown once");
}

#[test]
fn a_long_paste_among_messages_is_done_to_its_end() {
    const LINES: usize = 1500;
    const LAST_OF_HELP: &str = "quit                   disconnect and exit";
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = online(&home);
    let paste = "help\n".repeat(LINES);
    for _ in 0..3 {
        alice.write(&format!("\x1b[200~{paste}\x1b[201~"));
        for number in 0..100 {
            bob.msend("meanwhile");
            if number == 50 {
                alice.write("\r");
                alice.expect(&format!("paste of {LINES} lines: send them? [y/N] "));
                alice.write("y\r");
            }
        }
        (0..LINES).for_each(|_| alice.expect(LAST_OF_HELP));
    }
    alice.write("quit\r");
    alice.expect("OK disconnect");
    assert_eq!(alice.wait(), Some(0));
    assert_eq!(alice.said.matches(LAST_OF_HELP).count(), 3 * LINES, "no line is done twice");
}

#[test]
fn a_terminal_that_can_do_nothing_gets_plain_lines_only() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut command = home.command(&["-e", "register 0"]);
    command.env("TERM", "dumb");
    let mut alice = Running::at_terminal(command);
    alice.expect("* new epoch "); // Before or after the prompt.
    alice.write("ping\n");
    alice.expect("OK ping");
    assert!(alice.said.contains("participant> "), "{:?}", alice.said);
    alice.write("half");
    alice.signal(Signal::TERM);
    alice.expect("OK disconnect");
    assert_eq!(alice.wait(), Some(0));
    assert!(!alice.said.contains('\x1b'), "{:?}", alice.said);
    assert!(alice.is_in_line_mode());
}

/// A participant at a terminal of this kind, once it is a member.
fn registered_at(term: &str, home: &Home) -> Running {
    let mut command = home.command(&["-f", "-e", "register 0"]);
    command.env("TERM", term);
    let mut running = Running::at_terminal(command);
    running.expect("* new epoch ");
    running
}

#[test]
fn a_terminal_that_takes_nothing_does_not_keep_it_from_ending() {
    // Without line editing, with a line being edited, and when there will be no more lines.
    for (term, end) in [("dumb", ""), ("xterm", ""), ("xterm", "\x04")] {
        let coordinator = Coordinator::start(60, &[]);
        let mut bob = coordinator.join("bob", "");
        let home = Home::new("alice", coordinator.address);
        let mut alice = registered_at(term, &home);
        alice.write(end);
        until("its mode", || alice.is_in_line_mode() == (term == "dumb" || !end.is_empty()));
        tcflow(alice.terminal(), Action::OOff).unwrap();
        for _ in 0..50 {
            bob.msend(&"x".repeat(500));
        }
        until("all of it in the log", || texts(&home.log()).len() == 50);
        alice.signal(Signal::TERM);
        assert_eq!(alice.wait(), Some(1), "not all could be printed: {term} {end:?}");
    }
}

#[test]
fn a_terminal_that_was_stopped_for_long_loses_no_message_and_shows_how_many_it_left_out() {
    const MESSAGES: usize = 4000;
    for term in ["dumb", "xterm"] {
        let coordinator = Coordinator::start(60, &[]);
        let mut bob = coordinator.join("bob", "");
        let home = Home::new("alice", coordinator.address);
        let mut alice = registered_at(term, &home);
        until("its mode", || alice.is_in_line_mode() == (term == "dumb"));
        tcflow(alice.terminal(), Action::OOff).unwrap();
        for _ in 0..MESSAGES {
            bob.msend(&"x".repeat(1000));
        }
        let acked = format!(" pending=0 acked={MESSAGES}");
        let member = bob.command.until_member("alice", |line| line.contains(&acked));
        assert!(member.contains(" online "), "{member}");
        assert_eq!(texts(&home.log()).len(), MESSAGES);
        tcflow(alice.terminal(), Action::OOn).unwrap();
        alice.expect(" messages not shown");
        alice.write("ping\r");
        alice.expect("OK ping");
        let shown = alice.said.matches(" bob: xxx").count();
        let counts =
            alice.said.split("* ").filter_map(|part| part.split_once(" messages not shown"));
        let not_shown: usize = counts.map(|(count, _)| count.parse::<usize>().unwrap()).sum();
        assert_eq!(shown + not_shown, MESSAGES, "{term}: {shown} shown, {not_shown} not");
    }
}

#[test]
fn no_text_from_outside_drives_the_terminal() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::at_terminal(home.command(&["-e", "register 0"]));
    let (mut commands, mut messages) = fake.join("register", EPOCH);
    alice.expect("participant> ");
    messages.say("1#bob#0#\x1b[2J\u{9b}31m\x07\x08\u{202e}txet\u{2066}\u{200f}\r");
    let shown = "1 bob: \\u{1b}[2J\\u{9b}31m\\u{7}\\u{8}\\u{202e}txet\\u{2066}\\u{200f}";
    alice.expect(&format!("{shown}\r\n"));
    alice.write("ping\r");
    commands.expect("alice#ping#127.0.0.1");
    commands.say("ERR 400 \x1b[2J\u{202e}");
    alice.expect("ERR 400 \\u{1b}[2J\\u{202e}\r\n");
    for harmful in ["\x1b[2J", "\x1b]", "\u{9b}", "\x07", "\x08", "\u{202e}", "\u{2066}"] {
        assert!(!alice.said.contains(harmful), "{harmful:?} {:?}", alice.said);
    }
}

#[test]
fn what_came_with_the_last_line_is_shown_too() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    for round in 0..10 {
        let home = Home::new(&format!("alice{round}"), coordinator.address);
        let mut alice = online(&home);
        for number in 0..40 {
            bob.msend(&format!("number {number}"));
            if number == 2 * round + 5 {
                alice.write("quit\r");
            }
        }
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        for text in texts(&home.log()) {
            assert!(alice.said.contains(&format!(" bob: {text}\r\n")), "{text} {}", alice.said);
        }
        assert!(alice.said.contains("OK disconnect\r\n"), "{}", alice.said);
    }
}
