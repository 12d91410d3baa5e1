//! Verbs for scripts: `--send`, `--lines`, `--count` and `--timeout`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::member::Member;
use support::participant::{Home, Running, texts};

/// Exit code, standard output and standard error of a participant with this standard input.
fn run(mut command: Command, input: &[u8]) -> (Option<i32>, String, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A participant that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let [said, warned] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), said, warned)
}

#[test]
fn a_stranger_sends_and_is_no_member_afterwards() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let send = ["--send", "one", "--send", " two "];
    let (code, said, warned) = run(home.command_as_is(&send), b"msend from standard input\n");
    assert_eq!((code, said.as_str()), (Some(0), ""), "{warned}");
    bob.socket().delivery(1, "alice", "one");
    bob.socket().delivery(2, "alice", " two ");
    assert!(warned.contains("OK deregister\n"), "{warned}");
    assert_eq!(bob.command.member("alice"), None);
    assert_eq!(home.log(), "", "no message log is begun");
}

#[test]
fn an_offline_member_sends_and_gets_its_messages_later() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&[], "register 0\nquit\n");
    assert_eq!(code, Some(0), "{said}");
    bob.msend("for later");
    let (code, said, warned) = run(home.command_as_is(&["--send", "hello"]), b"");
    assert_eq!((code, said.as_str()), (Some(0), ""), "{warned}");
    bob.socket().delivery(2, "alice", "hello");
    let alice = bob.command.member("alice").unwrap();
    assert!(alice.contains(" offline ") && alice.contains("acked=0"), "{alice}");
    let (code, said, warned) = run(home.command_as_is(&["--join", "--count", "1"]), b"");
    assert_eq!((code, said.as_str()), (Some(0), "1 bob: for later\n"), "{warned}");
}

#[test]
fn a_member_that_is_online_elsewhere_sends_and_stays_there() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command_as_is(&["-f", "--join"]));
    alice.expect("OK register ");
    let (code, said, warned) = run(home.command_as_is(&["--send", "from a script"]), b"");
    assert_eq!((code, said.as_str(), warned.as_str()), (Some(0), "", "OK msend seq=1\n"));
    bob.socket().delivery(1, "alice", "from a script");
    bob.msend("still there?");
    alice.expect("2 bob: still there?");
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(!alice.said.contains("taken over"), "{}", alice.said);
}

#[test]
fn a_text_that_is_refused_is_a_failure() {
    let coordinator = Coordinator::start(60, &["max_line=1024"]);
    let home = Home::new("alice", coordinator.address);
    let long = "x".repeat(2000);
    let (code, said, warned) = run(home.command_as_is(&["--send", &long, "--send", "b"]), b"");
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(warned.contains("ERR 413 ") && warned.contains("OK msend seq=1"), "{warned}");
    assert_eq!(coordinator.client().member("alice"), None);
}

#[test]
fn a_script_that_takes_too_long_has_an_exit_code_of_its_own() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    for words in
        [&["--count", "1", "--timeout", "0.3"][..], &["-f", "-e", "register 0", "--timeout", "0.3"]]
    {
        let (code, _, _) = run(home.command_as_is(words), b"");
        assert_eq!(code, Some(3), "{words:?}");
    }
    coordinator.kill();
    for words in [
        &["--send", "hi", "--timeout", "0.3"][..],
        &["--exit-on-error", "-e", "join", "-e", "msend hi", "--timeout", "0.3"],
    ] {
        let (code, said, warned) = run(home.command_as_is(words), b"");
        assert_eq!(code, Some(3), "{words:?}");
        let both = said + &warned;
        assert!(both.contains("error: --timeout: the time is over\n"), "{both}");
        assert!(both.contains("hi\n"), "the text is named: {both}");
    }
}

#[test]
fn each_line_of_the_input_is_a_message_and_a_line_that_is_none_is_named() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let long = "x".repeat(65_514);
    let input =
        [b"one\r\n\nquit\n# three\n\xff\xfe\nbell\x07\n".as_slice(), long.as_bytes(), b"\n a\tb "];
    let (code, said, warned) = run(home.command_as_is(&["--lines"]), &input.concat());
    assert_eq!((code, said.as_str()), (Some(1), ""));
    for (seq, text) in [(1, "one"), (2, "quit"), (3, "# three"), (4, " a\tb ")] {
        bob.socket().delivery(seq, "alice", text);
    }
    for line in [
        "error: --lines: line 5: not sent: not UTF-8\n",
        "error: --lines: line 6: not sent: a control character that is not TAB\n",
        "error: --lines: line 7: not sent: a text of 65514 bytes exceeds 65513, ",
    ] {
        assert!(warned.contains(line), "{line} {warned}");
    }
    assert!(warned.ends_with("OK deregister\n"), "{warned}");
    let (code, _, warned) = run(home.command_as_is(&["--lines"]), b"");
    assert_eq!((code, warned.as_str()), (Some(0), ""), "no line, no work");
}

#[test]
fn lines_that_are_stopped_say_where_to_go_on() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command_as_is(&["--lines"]));
    alice.write("one\n\ntwo\n");
    alice.expect("OK msend seq=2\n");
    alice.signal(Signal::INT);
    alice.expect("* --lines: stopped: 3 lines read, 2 confirmed; next line to send: 4\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let mut alice = Running::start(home.command_as_is(&["--lines", "--join"]));
    alice.write("one\nbell\x07\n");
    alice.expect("OK msend seq=3\n");
    alice.expect("line 2: not sent: ");
    coordinator.kill();
    alice.expect("* message socket lost: ");
    alice.write("three\nfour\n");
    alice.expect("* queued, 2 waiting\n");
    alice.signal(Signal::TERM);
    alice.expect("not sent: the participant shuts down: three\n");
    alice.expect("error: --lines: stopped: 4 lines read, 1 confirmed; next line to send: 3\n");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    let (code, _, warned) =
        run(home.command_as_is(&["--lines", "--timeout", "0.3"]), b"one\ntwo\nthree\n");
    let end = "error: --lines: stopped: 1 line read, 0 confirmed; next line to send: 1\n";
    assert!(warned.ends_with(end), "{warned}");
    assert_eq!(code, Some(3));
}

#[test]
fn the_longest_text_that_the_coordinator_accepts_is_a_line_and_one_more_byte_is_none() {
    let coordinator = Coordinator::start(60, &["max_line=1024"]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let longest = 1024 - "alice#msend #127.0.0.1\n".len();
    let long = |bytes| "x".repeat(bytes);
    let input = ["first".to_owned(), long(longest - 1), long(longest), long(longest + 1)];
    let input = input.join("\n") + "\nlast";
    let (code, _, warned) = run(home.command_as_is(&["--lines"]), input.as_bytes());
    bob.socket().delivery(1, "alice", "first");
    bob.socket().delivery(2, "alice", &long(longest - 1));
    bob.socket().delivery(3, "alice", &long(longest));
    bob.socket().delivery(4, "alice", "last");
    let refused = "error: --lines: line 4: not sent: a text of 1002 bytes exceeds 1001, the most \
                   that the coordinator accepts (max_line)\n";
    assert!(warned.contains(refused) && !warned.contains("ERR 413"), "{warned}");
    assert_eq!(code, Some(1));
}

#[test]
fn lines_outlast_a_restart_of_the_coordinator_and_are_read_only_as_fast_as_they_can_wait() {
    const LINES: usize = 4000;
    let first = Coordinator::start_with_data_dir(60, &[]);
    let mut bob = first.join("bob", "acks=1");
    let home = Home::new("alice", first.address);
    let mut alice = Running::start(home.command_as_is(&["--lines", "--join"]));
    alice.write("0\n");
    bob.socket().delivery(1, "alice", "0");
    first.kill();
    let mut input = alice.input.take().unwrap();
    let writer = std::thread::spawn(move || {
        for number in 1..LINES {
            writeln!(input, "{number} {}", "x".repeat(1000)).unwrap();
        }
    });
    alice.expect("* not online: messages wait ");
    let second = first.start_again();
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    for number in 1..LINES {
        let mut line = bob.socket().line();
        if line.ends_with("#0") {
            line = bob.socket().line(); // It was not acknowledged.
        }
        assert!(line.contains(&format!("#{number} x")), "{number}: {line}");
        if number % 100 == 0 {
            let seq = line.split('#').next().unwrap();
            bob.socket().say(&format!("ack {seq}"));
        }
    }
    writer.join().unwrap();
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

/// Nobody is there to take the id back.
#[test]
fn lines_whose_replies_are_lost_before_a_takeover_end_with_their_input() {
    let kept = "* outbox: 1 message waits, to be sent when this participant is online\n";
    let unknown = "error: msend: the reply is lost: the message may or may not be accepted";
    for (has_file, said, code) in [(false, unknown, 1), (true, kept, 0)] {
        let fake = Fake::start();
        let home = Home::new("alice", fake.address);
        let path = home.log_path().with_extension("outbox").display().to_string();
        let options = ["--join", "--lines", "--outbox", &path];
        let options = if has_file { &options[..] } else { &options[..2] };
        let mut alice = Running::start(home.command_as_is(options));
        let (mut commands, mut messages) = fake.join_published("reconnect", "00000000000000aa", 0);
        alice.write("one\n");
        commands.expect("alice#send 1 one#127.0.0.1");
        drop((fake, commands)); // It cannot be asked again.
        alice.expect("* not online: messages wait up to ");
        messages.say("bye#taken over by 127.0.0.1:9");
        alice.expect("* taken over by 127.0.0.1:9: ");
        alice.input = None;
        alice.expect(said);
        assert_eq!(alice.wait(), Some(code), "{}", alice.said);
    }
}

#[test]
fn a_count_takes_its_messages_and_leaves_the_others_to_the_next_run() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&[], "register 0\nquit\n");
    assert_eq!(code, Some(0), "{said}");
    for number in 1..=5 {
        bob.msend(&format!("m{number}"));
    }
    for expected in ["1 bob: m1\n2 bob: m2\n", "3 bob: m3\n4 bob: m4\n"] {
        let (code, said, warned) = run(home.command_as_is(&["--count", "2"]), b"");
        assert_eq!((code, said.as_str()), (Some(0), expected), "{warned}");
        let alice = bob.command.member("alice").unwrap();
        assert!(alice.contains(" offline "), "{alice}");
    }
    let member = bob.command.until_member("alice", |line| line.contains("acked=4"));
    assert!(member.contains("pending=1"), "{member}");
    assert_eq!(texts(&home.log()), ["m1", "m2", "m3", "m4"]);
    let other = Home::new("carol", coordinator.address);
    let mut carol = Running::start(other.command_as_is(&["--count", "1"]));
    carol.expect("OK register ");
    bob.msend("for both");
    assert_eq!(carol.wait(), Some(0), "{}", carol.said);
    assert!(carol.said.contains("6 bob: for both\n"), "{}", carol.said);
    assert_eq!(bob.command.member("carol"), None, "a stranger deregisters");
}

#[test]
fn a_question_waits_for_its_answer() {
    let coordinator = Coordinator::start(60, &["presence=yes"]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let alice = Running::start(home.command_as_is(&["--send", "ping?", "--count", "1"]));
    while !bob.socket().line().ends_with("#ping?") {}
    let _carol = coordinator.join("carol", ""); // It is announced, which is no answer.
    bob.msend("pong");
    let mut alice = alice;
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(alice.said.contains(" bob: pong\n"), "{}", alice.said);
}
