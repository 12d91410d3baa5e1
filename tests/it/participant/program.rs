//! The participant, the program itself, with a coordinator, through pipes and at a terminal.

use std::io::{BufRead as _, BufReader, PipeReader};

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts, until};
use support::{field, number};

#[test]
fn a_script_gets_its_replies_in_order_and_an_exit_code() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&["-e", "ping"], "register 0\nmsend  a # b\r\nquit\n");
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("* ")).collect();
    assert_eq!(lines[0], "OK ping");
    assert!(lines[1].starts_with("OK register epoch="), "{said}");
    assert_eq!(lines[2..], ["OK msend seq=1", "OK disconnect"]);

    let (code, said) = home.script(&[], "ping\nnonsense\nping");
    let error = "error: unknown command 'nonsense'; 'help' lists the commands";
    assert_eq!((code, said), (Some(1), format!("OK ping\n{error}\nOK ping\n")));
    let (code, said) = home.script(&[], "msend offline\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("ERR 409 "), "{said}");
}

#[test]
fn a_message_stands_in_the_log_exactly_once_however_often_its_reader_is_killed() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut sent = Vec::new();
    for round in 0..6 {
        let command = if round == 0 { "register 0" } else { "reconnect 0" };
        let mut alice = Running::start(home.command(&["-f", "-e", command]));
        alice.expect("OK re");
        for number in 0..200 {
            let text = format!("{round} {number}");
            bob.msend(&text);
            sent.push(text);
        }
        alice.expect(&format!("bob: {round} 5"));
        alice.signal(Signal::KILL);
        alice.wait();
    }
    let mut alice = Running::start(home.command(&["-f", "-e", "reconnect 0"]));
    bob.msend("last");
    sent.push("last".to_owned());
    alice.expect("OK re");
    until("the last message", || home.log().ends_with("\tlast\n"));
    assert_eq!(texts(&home.log()), sent);
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(alice.said.ends_with("OK disconnect\n"), "{}", alice.said);
    bob.command
        .until_member("alice", |line| line.contains(" offline ") && line.contains("pending=0"));
}

/// No number from a coordinator, right or wrong, ends the program.
#[test]
fn numbers_at_the_end_of_their_range_are_taken_as_they_are() {
    const MAX: &str = "18446744073709551615";
    for line in [
        format!("{MAX}#bob#{MAX}#text"),
        format!("gap#1#{MAX}#{MAX}"),
        format!("gap#{MAX}#1#{MAX}"),
    ] {
        let fake = Fake::start();
        let home = Home::new("alice", fake.address);
        let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
        let mut commands = fake.accept();
        let mut messages = commands.wish("register").greet("00000000000000aa");
        commands.say(&format!("OK register epoch=00000000000000aa next={MAX} ttl={MAX}"));
        messages.say(&line);
        messages.expect(&format!("ack {MAX}"));
        messages.say(&line); // Once more, and one that is below: repeats.
        messages.say("1#bob#0#below");
        alice.write("quit\n");
        commands.expect("alice#disconnect#127.0.0.1");
        commands.say("OK disconnect");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        assert!(!home.log().contains("below"), "{}", home.log());
        // And it remembers.
        let mut alice = Running::start(home.command(&["-f", "-e", "reconnect 0"]));
        let request = fake.accept().wish("reconnect").line;
        assert!(request.contains(&format!(" since=00000000000000aa:{MAX}")), "{request}");
        alice.signal(Signal::KILL);
        alice.wait();
    }
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let log = format!("# id alice\n# epoch 00000000000000aa\n# last {MAX}\n");
    std::fs::write(home.log_path(), log).unwrap();
    let (code, said) = home.script(&["-e", "status"], "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("\nlast {MAX}\n")), "{said}");
}

#[test]
fn at_a_terminal_messages_stand_above_the_line_being_typed() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::at_terminal(home.command(&[]));
    alice.expect("participant> ");
    alice.write("register 0\r");
    alice.expect("OK register");
    // Notices follow the reply, and then the next prompt.
    alice.expect("* new epoch");
    alice.expect("participant> ");
    alice.write("msend half");
    alice.expect("half");
    bob.msend("meanwhile");
    alice.expect("1 bob: meanwhile\r\nparticipant> msend half");
    assert!(!alice.is_in_line_mode());
    alice.write(" and half\r");
    alice.expect("OK msend seq=2");
    assert!(bob.socket().line().ends_with("#half and half"));
    alice.write("quit\r");
    alice.expect("OK disconnect");
    assert_eq!(alice.wait(), Some(0));
    assert!(!alice.unexpected().contains("participant>"), "{}", alice.said);
}

#[test]
fn what_is_typed_ahead_is_done_line_by_line() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::at_terminal(home.command(&[]));
    alice.expect("participant> ");
    // A paste of several lines asks first.
    alice.write("register 0\rmsend one\r\x1b[200~msend two\nmsend three\x1b[201~\ry\rquit\r");
    for reply in ["OK register", "seq=1", "seq=2", "seq=3", "OK disconnect"] {
        alice.expect(reply);
    }
}

#[test]
fn however_it_ends_the_terminal_is_left_as_it_was_found() {
    let coordinator = Coordinator::start(60, &[]);
    for (number, end) in ["TERM", "INT", "\x03", "\x04", "quit\r", "exit\r"].into_iter().enumerate()
    {
        let home = Home::new(&format!("alice{number}"), coordinator.address);
        let mut alice = Running::at_terminal(home.command(&["-e", "register 0"]));
        alice.expect("* new epoch "); // The coordinator's connection is there too.
        alice.expect("participant> ");
        match end {
            "TERM" => alice.signal(Signal::TERM),
            "INT" => alice.signal(Signal::INT),
            keys => alice.write(keys),
        }
        alice.expect("OK disconnect");
        assert_eq!(alice.wait(), Some(0), "{end:?}");
        assert!(alice.is_in_line_mode(), "{end:?}");
        let pasting = |switch| alice.said.rfind(switch);
        assert!(pasting("\x1b[?2004l") > pasting("\x1b[?2004h"), "{end:?}: {:?}", alice.said);
    }
}

/// Counts of an output: messages shown, and messages reported as not shown.
#[derive(Debug, Default)]
struct Shown {
    shown: u64,
    not_shown: u64,
}

impl Shown {
    fn take(&mut self, line: &str) {
        if let Some(counted) = line.strip_prefix("* ").and_then(|it| it.strip_suffix(" not shown"))
        {
            let (count, thing) = counted.split_once(' ').unwrap();
            assert!(thing.starts_with("message"), "{line}");
            self.not_shown += count.parse::<u64>().unwrap();
        } else if line.contains(" bob: ") {
            self.shown += 1;
        }
    }

    /// Reads up to a line of this beginning.
    fn until(&mut self, output: &mut BufReader<PipeReader>, beginning: &str) {
        loop {
            let mut line = String::new();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "{beginning} does not come: {self:?}"
            );
            if line.starts_with(beginning) {
                return;
            }
            self.take(line.trim_end());
        }
    }
}

#[test]
fn output_that_nobody_reads_keeps_no_message_from_the_log_and_no_command_from_being_done() {
    const MESSAGES: u64 = 5000;
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let (read, write) = std::io::pipe().unwrap();
    let mut command = home.command(&["-f", "-e", "register 0"]);
    command.stdout(write.try_clone().unwrap()).stderr(write);
    let mut alice = Running::spawn(command);
    let (mut output, mut shown) = (BufReader::new(read), Shown::default());
    shown.until(&mut output, "OK register");
    for round in 0..2 {
        for _ in 0..MESSAGES {
            bob.msend(&"x".repeat(1000));
        }
        let sent = (round + 1) * MESSAGES + round;
        let member = bob.command.until_member("alice", |line| number(line, "acked") >= sent);
        assert_eq!(field(&member, "pending"), "0", "{member}");
        assert!(member.contains(" online "), "{member}");
        alice.write("msend blind\n");
        assert!(bob.socket().line().ends_with("#blind"), "sent though nobody reads");
        let not_shown = shown.not_shown;
        shown.until(&mut output, "OK msend");
        assert!(shown.not_shown > not_shown, "{shown:?}");
        assert_eq!(shown.shown + shown.not_shown, (round + 1) * MESSAGES, "{shown:?}");
    }
    assert_eq!(texts(&home.log()).len() as u64, 2 * MESSAGES);
    alice.signal(Signal::TERM);
    shown.until(&mut output, "OK disconnect");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

#[test]
fn a_list_that_is_longer_than_what_is_kept_of_unread_output_is_counted_too() {
    const ROWS: usize = 400_000;
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let (read, write) = std::io::pipe().unwrap();
    let mut command = home.command(&["-f", "-e", "members"]);
    command.stdout(write.try_clone().unwrap()).stderr(write);
    let mut alice = Running::spawn(command);
    let mut commands = fake.accept();
    commands.expect("alice#members#127.0.0.1");
    commands.say(&format!("OK members {ROWS}"));
    let row = format!("{} online 127.0.0.1:9000 pending=0 acked=0\n", "m".repeat(60));
    (0..ROWS / 1000).for_each(|_| commands.write(row.repeat(1000).as_bytes()));
    alice.write("ping\n"); // It waits until there is room for its reply.
    let (mut shown, mut not_shown) = (0, 0);
    for line in BufReader::new(read).lines().map(Result::unwrap) {
        let counted =
            line.strip_prefix("* ").and_then(|line| line.strip_suffix(" lines not shown"));
        not_shown += counted.map_or(0, |count| count.parse::<usize>().unwrap());
        shown += usize::from(line.starts_with("mmm"));
        if shown + not_shown == ROWS {
            break;
        }
    }
    assert!(not_shown > 0 && shown * row.len() > 16 << 20, "{shown} shown, {not_shown} not");
    commands.expect("alice#ping#127.0.0.1");
}

#[test]
fn a_quiet_participant_shows_all_but_messages_and_logs_and_acknowledges_them() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    for (number, option) in ["-q", "--quiet"].into_iter().enumerate() {
        let id = format!("alice{number}");
        let home = Home::new(&id, coordinator.address);
        let mut alice = Running::start(home.command(&["-f", option, "-e", "register 0"]));
        alice.expect("* new epoch ");
        let seq = bob.msend("not shown");
        bob.command.until_member(&id, |line| line.contains(&format!(" acked={seq}")));
        alice.write("ping\n");
        alice.expect("OK ping\n");
        alice.signal(Signal::TERM);
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        assert!(!alice.said.contains("not shown"), "{}", alice.said);
        assert_eq!(texts(&home.log()), ["not shown"]);
    }
}
