use super::*;

#[test]
fn quit_reads_no_more_writes_the_log_acknowledges_and_only_then_disconnects() {
    let mut rig = Rig::online();
    rig.message(1, "1#bob#0#one");
    rig.forget();
    rig.user("quit");
    assert!(!rig.wants(1));
    rig.expect(&[]);
    rig.written(1);
    rig.expect(&["ack 1 1", "send 1 me#disconnect#10.0.0.2"]);
    rig.reply(1, "OK disconnect");
    rig.expect(&["show OK disconnect", "exit 0"]);
    rig.user("ping");
    rig.wait(100_000);
    rig.expect(&[]);
}

#[test]
fn the_end_of_input_waits_for_what_was_said_before_it() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.user("msend hi");
    rig.input(SessionInput::EndOfInput);
    rig.listening(9001);
    rig.dialed(1);
    rig.hello(1);
    rig.written(1);
    rig.forget();
    rig.reply(1, "OK register epoch=00000000000000aa next=1 ttl=60");
    rig.effects.remove(0);
    rig.expect(&["send 1 me#msend hi#10.0.0.2"]);
    rig.reply(1, "OK msend seq=1");
    rig.expect(&["show OK msend seq=1", "send 1 me#disconnect#10.0.0.2"]);
}

#[test]
fn who_stays_does_not_mind_the_end_of_input() {
    let mut rig = Rig::with(|settings| settings.stays_after_input = true);
    rig.input(SessionInput::EndOfInput);
    rig.expect(&[]);
    rig.input(SessionInput::Stop);
    rig.expect(&["exit 0"]);
}

#[test]
fn a_signal_does_not_wait_for_commands_and_a_second_one_for_nothing() {
    let mut rig = Rig::online();
    rig.user("msend a");
    rig.user("ping");
    rig.forget();
    rig.input(SessionInput::Stop);
    rig.expect(&["show error: quit: not done: 1 command"]);
    rig.reply(1, "OK msend seq=1");
    rig.expect(&["show OK msend seq=1", "send 1 me#disconnect#10.0.0.2"]);
    rig.input(SessionInput::Stop);
    rig.expect(&[
        "show error: quit: not waited for: 0 entries of the message log, 1 reply",
        "exit 1",
    ]);
}

#[test]
fn who_is_let_in_and_not_yet_greeted_says_goodbye_too() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.reply(1, "OK register epoch=00000000000000aa next=1 ttl=60");
    rig.forget();
    rig.input(SessionInput::Stop);
    rig.expect(&["close listener", "send 1 me#disconnect#10.0.0.2"]);
    rig.reply(1, "OK disconnect");
    rig.expect(&["show OK disconnect", "exit 0"]);
}

#[test]
fn a_register_that_is_not_waited_for_is_undone() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.forget();
    rig.input(SessionInput::Stop);
    rig.expect(&[
        "show error: quit: not done: 1 command",
        "close listener",
        "send 1 me#disconnect#10.0.0.2",
    ]);
    rig.reply(1, "ERR 502 cannot connect");
    rig.reply(1, "ERR 404 not a member");
    rig.expect(&["exit 1"]);
}

#[test]
fn what_a_signal_leaves_undone_is_said_and_is_a_failure() {
    let mut rig = Rig::new();
    for command in ["register 9001", "msend hi", "status", "ping", "quit"] {
        rig.user(command);
    }
    rig.forget();
    rig.input(SessionInput::Stop);
    rig.expect(&["show error: quit: not done: 3 commands", "exit 1"]);
}

#[test]
fn leaving_has_an_end_whatever_happens() {
    let mut rig = Rig::online();
    rig.message(1, "1#bob#0#one");
    rig.input(SessionInput::LogFailed { reason: "disk full" });
    rig.user("quit");
    rig.forget();
    rig.wait(4_999);
    rig.wait(1);
    rig.expect(&[
        "retry log",
        "show error: quit: not waited for: 1 entry of the message log, 0 replies",
        "exit 1",
    ]);
    for deaf in [false, true] {
        let mut rig = Rig::online();
        rig.input(SessionInput::Stop);
        if deaf {
            assert_eq!(rig.wait_for_deadline(), 5_000);
        } else {
            rig.commands_closed(1);
        }
        assert_eq!(rig.effects.last(), Some(&SessionEffect::Exit { code: 1 }));
        assert_eq!(rig.session.next_deadline(), None, "nothing is waited for behind the end");
    }
}

#[test]
fn offline_there_is_nobody_to_say_goodbye_to() {
    let mut rig = Rig::online();
    rig.messages_closed(1);
    rig.forget();
    rig.user("quit");
    rig.expect(&["exit 0"]);
}

#[test]
fn what_stands_behind_a_refused_line_at_the_end_is_said_to_be_undone() {
    let mut rig = Rig::online();
    for text in ["a", "b", "c"] {
        rig.user(&format!("msend {text}"));
    }
    rig.forget();
    rig.input(SessionInput::Stop);
    rig.expect(&[]);
    rig.reply(1, "ERR 413 line exceeds 10 bytes");
    rig.expect(&[
        "show ERR 413 line exceeds 10 bytes",
        "hang up 1",
        "show error: quit: not done: 2 commands",
        "dial 2",
    ]);
}

#[test]
fn who_is_greeted_and_has_no_reply_yet_has_come_about() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.hello(1);
    rig.written(1);
    rig.forget();
    rig.input(SessionInput::Stop);
    rig.expect(&["send 1 me#disconnect#10.0.0.2"]);
    rig.reply(1, "OK register epoch=00000000000000aa next=1 ttl=60");
    rig.reply(1, "OK disconnect");
    assert_eq!(rig.effects.last(), Some(&SessionEffect::Exit { code: 0 }));
}
