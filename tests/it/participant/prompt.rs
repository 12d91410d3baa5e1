//! Every command of the prompt, every way to get it wrong, and the words in answer to it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running};
use support::port::ReservedPort;

/// The port that the next line of output names.
#[track_caller]
fn listening_port(running: &mut Running) -> u16 {
    running.expect("* listening on port ");
    running.expect_line().parse().unwrap()
}

#[test]
fn a_member_comes_goes_asks_and_is_forgotten() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let (epoch, bobs_port) = (bob.epoch().to_owned(), bob.listener.port());
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&[]));
    alice.write("status\n");
    let address = coordinator.address;
    alice.expect(&format!(
        "id alice\nstate offline\ncoordinator {address}\nport none\nepoch none\nlast 0\n\
         unwritten 0\nwaiting 0\nin_flight 0\n"
    ));
    alice.write("register 0\n");
    let port = listening_port(&mut alice);
    alice.expect(&format!("OK register epoch={epoch} next=1 ttl=60 max_line=65536 published=0\n"));
    alice.expect(&format!("* new epoch {epoch}\n"));
    alice.write("msend  two  spaces # and more \n");
    alice.expect("OK msend seq=1\n");
    bob.socket().delivery(1, "alice", " two  spaces # and more ");
    bob.msend("hello alice");
    alice.expect("2 bob: hello alice\n");
    bob.command.until_member("alice", |line| line.contains(" acked=2"));
    alice.write("members\nping\n");
    alice
        .expect(&format!("OK members 2\nalice online 127.0.0.1:{port} pending=0 acked=2 seconds="));
    alice.expect(&format!("bob online 127.0.0.1:{bobs_port} pending=0 acked=2 seconds="));
    alice.expect(" oldest=0\nOK ping\n");
    alice.write("who\n");
    alice.expect("ID                STATE              FOR         LAG         OLDEST\n");
    for id in ["alice", "bob"] {
        let row = alice.expect_line();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!((words[0], words[1]), (id, "online"), "{row}");
        assert!(words[2].parse::<u64>().is_ok(), "a time: {row}");
        assert_eq!(words[words.len() - 2..], ["0", "-"], "nothing waits: {row}");
    }
    alice.write("status\n");
    alice.expect(&format!(
        "id alice\nstate online\ncoordinator {address}\nport {port}\nepoch {epoch}\nlast 2\n\
         unwritten 0\nwaiting 0\nin_flight 0\n"
    ));
    alice.write("disconnect\n");
    alice.expect("OK disconnect\n");
    bob.msend("missed");
    alice.write("members\nreconnect 0\n");
    alice.expect("pending=1 acked=2 seconds=");
    listening_port(&mut alice);
    alice.expect(&format!(
        "OK reconnect epoch={epoch} next=3 ttl=60 missed=1 expired=0 max_line=65536 published=1\n"
    ));
    alice.expect("3 bob: missed\n");
    alice.write("deregister\nmembers\nquit\n");
    alice.expect("OK deregister\nOK members 1\nbob online ");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(alice.unexpected().lines().count(), 1, "nobody to say goodbye for: {}", alice.said);
}

#[test]
fn a_port_of_the_user_s_choice_is_taken_and_said_to_be_taken() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let is_registered = (0..5).any(|_| {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let (code, said) = home.script(&[], &format!("register {port}\n"));
        let error = format!(
            "cannot listen on port {port}: Address already in use (os error 98): another program \
             has the port: name another one, or 0 for any free one"
        );
        assert_eq!((code, said), (Some(1), format!("error: register: {error}\n")));
        drop(taken);
        // Somebody else may have got it by now; not every time.
        let (code, said) = home.script(&[], &format!("register {port}\nmembers\n"));
        code == Some(0) && said.contains(&format!("\nalice online 127.0.0.1:{port} "))
    });
    assert!(is_registered);
}

#[test]
fn what_is_no_command_is_named_and_makes_the_exit_code() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let unknown = |word: &str| format!("unknown command '{word}'; 'help' lists the commands");
    let port = |word| format!("{word}: port: expected 1024 to 65535, 0 for any free one, or here");
    let option = |word| {
        format!("{word}: expected last=NUMBER or nothing behind the port or here, as in last=20")
    };
    let arguments = |word| format!("{word} takes no arguments");
    for (line, error) in [
        ("hello you", unknown("hello")),
        ("PING", unknown("PING")),
        ("pong\tme", unknown("pong\tme")),
        ("\x1b[2J", unknown("\\u{1b}[2J")),
        (&"x".repeat(100), unknown(&"x".repeat(40))),
        ("register", port("register")),
        ("register 70000", port("register")),
        ("register 80", port("register")),
        ("register abc", port("register")),
        ("register +9001", port("register")),
        ("register 9001 9002", option("register")),
        ("join last=x", option("join")),
        ("reconnect nine", port("reconnect")),
        ("reconnect -1", port("reconnect")),
        ("ping me", arguments("ping")),
        ("quit now", arguments("quit")),
        ("members 1", arguments("members")),
        ("last x", "last: expected a number of messages from 1 to 1000".to_owned()),
        (&"y".repeat(1024 * 1024), "line exceeds 1048576 bytes".to_owned()),
    ] {
        let (code, said) = home.script(&[], &format!("{line}\n\n  \nping\n"));
        assert_eq!((code, said), (Some(1), format!("error: {error}\nOK ping\n")));
    }
    let mut alice = Running::start(home.command(&[]));
    alice.write_bytes(b"msend \xff\nping\n");
    alice.expect("error: line: not UTF-8\nOK ping\n");
    alice.input = None;
    assert_eq!(alice.wait(), Some(1));
}

#[test]
fn what_the_coordinator_refuses_is_shown_as_it_came() {
    let coordinator = Coordinator::start(60, &["max_line=512", "max_members=2"]);
    let home = Home::new("alice", coordinator.address);
    let long = "x".repeat(600);
    for (line, reply) in [
        ("msend hi".to_owned(), "ERR 404 not a member: register first"),
        ("disconnect".to_owned(), "ERR 404 not a member: register first"),
        ("deregister".to_owned(), "ERR 404 not a member: register first"),
        ("reconnect 0".to_owned(), "ERR 404 not a member: register first"),
        (format!("msend {long}"), "ERR 413 line exceeds 512 bytes (max_line): send a shorter line"),
        ("msend".to_owned(), "ERR 400 "),
        ("msend a\x1bb".to_owned(), "ERR 400 "),
    ] {
        let (code, said) = home.script(&[], &format!("{line}\nping\n"));
        assert_eq!(code, Some(1), "{said}");
        let (before, after) = said.split_once(reply).unwrap_or_else(|| panic!("{line}: {said}"));
        assert!(before.is_empty() || before.starts_with("* listening on port "), "{said}");
        assert!(after.ends_with("\nOK ping\n"), "what comes behind it is done: {said}");
    }
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    alice.expect("OK register");
    for (line, reply) in [
        ("register 0", "ERR 409 already a member: reconnect\n"),
        ("disconnect", "OK disconnect\n"),
        ("disconnect", "ERR 409 already offline\n"),
        ("msend hi", "ERR 409 offline: reconnect first\n"),
        ("deregister", "OK deregister\n"),
    ] {
        alice.write(&format!("{line}\n"));
        alice.expect(reply);
    }
    let _members = [coordinator.join("bob", ""), coordinator.join("carol", "")];
    alice.write("register 0\n");
    alice.expect("ERR 421 too many members: 2 is the limit (max_members): ");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
}

#[test]
fn a_coordinator_that_is_not_there_is_said_to_be_so_by_every_command() {
    let closed = ReservedPort::new();
    let home = Home::new("alice", SocketAddr::from((Ipv4Addr::LOCALHOST, closed.number())));
    for command in ["ping", "members", "msend hi", "disconnect", "register 0", "reconnect 0"] {
        let (code, said) = home.script(&["-e", command], "");
        let word = command.split(' ').next().unwrap();
        let reason =
            format!("cannot connect to 127.0.0.1:{closed}: Connection refused (os error 111)");
        let error = match command.strip_prefix("msend ") {
            Some(text) => format!("error: msend: not sent: {reason}: {text}\n"),
            None => format!("error: {word}: {reason}\n"),
        };
        assert_eq!(code, Some(1), "{said}");
        assert!(said.ends_with(&error), "{said}");
    }
    let (code, said) = home.script(&["-e", "status", "-e", "help"], "");
    assert_eq!(code, Some(0), "what needs no coordinator works: {said}");
}

#[test]
fn what_is_no_reply_ends_the_command_socket() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    for (command, bad) in [
        ("ping", "OK pong"),
        ("ping", "hello"),
        ("ping", ""),
        ("ping", "OK members 0"),
        ("ping", "ERR"),
        ("ping", "ok ping"),
        ("members", "OK members"),
        ("members", "OK members x"),
        ("stats", "OK stats -1"),
    ] {
        let mut alice = Running::start(home.command(&["-e", command]));
        let mut commands = fake.accept();
        commands.expect(&format!("alice#{command}#127.0.0.1"));
        commands.say(bad);
        alice.expect(&format!(
            "* command socket lost: the coordinator sent a line that is not a reply: check its \
             port\n\
             error: {command}: the reply is lost: the command may or may not have been \
             carried out\n"
        ));
        commands.expect_closed();
        alice.input = None;
        assert_eq!(alice.wait(), Some(1), "{bad:?} {}", alice.said);
    }
}

#[test]
fn help_names_every_command_and_stats_every_counter() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let (code, help) = home.script(&["-e", "help"], "");
    assert_eq!(code, Some(0));
    let words: Vec<&str> = help.lines().filter_map(|line| line.split(' ').next()).collect();
    let expected = "join register reconnect join disconnect deregister msend members stats ping \
                    who last status help quit";
    assert_eq!(words.join(" "), expected);
    let (code, said) = home.script(&["-e", "stats"], "");
    let mut lines = said.lines();
    let count = lines.next().and_then(|line| line.strip_prefix("OK stats ")).unwrap();
    assert_eq!((code, lines.count().to_string()), (Some(0), count.to_owned()));
    assert!(said.contains("\nttl_s 60\nmax_line 65536\nmembers 0\n"), "{said}");
}

#[test]
fn commands_of_the_command_line_come_first_each_byte_as_it_is() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let texts = ["'one'", "\"two\" \\", " $HOME `x` # ", "ping", "-e", "\u{65e5}"];
    let mut options = vec!["--execute=register 0".to_owned()];
    for text in texts {
        options.extend(["-e".to_owned(), format!("msend {text}")]);
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (code, said) = home.script(&options, "msend last\n");
    assert_eq!(code, Some(0), "{said}");
    for (text, seq) in texts.iter().chain(&["last"]).zip(1..) {
        bob.socket().delivery(seq, "alice", text);
    }
    let (code, said) = home.script(&["-e", " ping\t", "-e", "", "-e", "members  "], "");
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = home.script(&["-e", "ping\nping"], "");
    assert_eq!((code, said.as_str()), (Some(1), "error: line: contains a line feed\n"));
}

#[test]
fn wrong_options_and_configs_are_exit_code_2_and_change_nothing() {
    let home = Home::new("alice", "127.0.0.1:1".parse().unwrap());
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_participant")).args(arguments).output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    let config = home.config();
    let config = config.to_str().unwrap();
    let usage = "participant: see 'participant --help'\n";
    for (arguments, error) in [
        (vec![], format!("participant: found 0 config files, expected one, or --id\n{usage}")),
        (vec!["-x", config], format!("participant: Unrecognized option: 'x'\n{usage}")),
        (vec!["-e"], format!("participant: Argument to option 'e' missing\n{usage}")),
    ] {
        assert_eq!(run(&arguments), (Some(2), String::new(), error));
    }
    let checked = (Some(0), format!("{config}: valid\n"), String::new());
    assert_eq!(run(&["--check", "-e", "nonsense", config]), checked);
    assert!(!home.log_path().exists());
    std::fs::write(config, "al ice\nl\n::1 1\n").unwrap();
    let wrong = "participant_id: found \"al ice\", expected 1 to 64 of A-Z a-z 0-9 . _ -";
    let error = format!("participant: {config}:1: {wrong}\n");
    assert_eq!(run(&[config]), (Some(2), String::new(), error));
}
