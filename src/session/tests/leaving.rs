use super::*;

#[test]
fn quit_reads_no_more_writes_the_log_acknowledges_and_only_then_disconnects() {
    let mut harness = Harness::online();
    harness.message(1, "1#bob#0#one");
    harness.forget();
    harness.user("quit");
    assert!(!harness.wants(1));
    harness.expect(&[]);
    harness.written(1);
    harness.expect(&["ack 1 1", "send 1 me#disconnect#10.0.0.2"]);
    harness.reply(1, "OK disconnect");
    harness.expect(&["show OK disconnect", "exit 0"]);
    harness.user("ping");
    harness.wait(100_000);
    harness.expect(&[]);
}

#[test]
fn the_end_of_input_waits_for_the_commands_before_it() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.user("msend hi");
    harness.input(SessionInput::EndOfInput);
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(1);
    harness.written(1);
    harness.forget();
    harness.reply(1, "OK register epoch=00000000000000aa next=1 ttl=60");
    harness.effects.remove(0);
    harness.expect(&["send 1 me#msend hi#10.0.0.2"]);
    harness.reply(1, "OK msend seq=1");
    harness.expect(&["show OK msend seq=1", "send 1 me#disconnect#10.0.0.2"]);
}

#[test]
fn with_follow_the_end_of_input_changes_nothing() {
    let mut harness = Harness::with(|settings| settings.stays_after_input = true);
    harness.input(SessionInput::EndOfInput);
    harness.expect(&[]);
    harness.input(SessionInput::Stop);
    harness.expect(&["exit 0"]);
}

#[test]
fn a_signal_does_not_wait_for_commands_and_a_second_signal_waits_for_nothing() {
    let mut harness = Harness::online();
    harness.user("msend a");
    harness.user("ping");
    harness.forget();
    harness.input(SessionInput::Stop);
    harness.expect(&["show error: quit: 1 command was not finished"]);
    harness.reply(1, "OK msend seq=1");
    harness.expect(&["show OK msend seq=1", "send 1 me#disconnect#10.0.0.2"]);
    harness.input(SessionInput::Stop);
    harness.expect(&["show error: quit: 1 request got no reply", "exit 1"]);
}

#[test]
fn a_confirmed_session_without_a_hello_sends_disconnect() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.reply(1, "OK register epoch=00000000000000aa next=1 ttl=60");
    harness.forget();
    harness.input(SessionInput::Stop);
    harness.expect(&["close listener", "send 1 me#disconnect#10.0.0.2"]);
    harness.reply(1, "OK disconnect");
    harness.expect(&["show OK disconnect", "exit 0"]);
}

#[test]
fn a_register_interrupted_by_a_signal_is_undone_by_disconnect() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.input(SessionInput::Stop);
    harness.expect(&[
        "show error: quit: 1 command was not finished",
        "close listener",
        "send 1 me#disconnect#10.0.0.2",
    ]);
    harness.reply(1, "ERR 502 cannot connect");
    harness.reply(1, "ERR 404 not a member");
    harness.expect(&["exit 1"]);
}

#[test]
fn commands_left_by_a_signal_are_reported_as_a_failure() {
    let mut harness = Harness::new();
    for command in ["register 9001", "msend hi", "status", "ping", "quit"] {
        harness.user(command);
    }
    harness.forget();
    harness.input(SessionInput::Stop);
    harness.expect(&["show error: quit: 3 commands were not finished", "exit 1"]);
}

#[test]
fn leaving_always_ends() {
    let mut harness = Harness::online();
    harness.message(1, "1#bob#0#one");
    harness.input(SessionInput::LogFailed { reason: "disk full" });
    harness.user("quit");
    harness.forget();
    harness.wait(4_999);
    harness.wait(1);
    harness.expect(&["retry log", "show error: quit: 1 log entry was not written", "exit 1"]);
    for is_silent in [false, true] {
        let mut harness = Harness::online();
        harness.input(SessionInput::Stop);
        if is_silent {
            assert_eq!(harness.wait_for_deadline(), 5_000);
        } else {
            harness.command_socket_closed(1);
        }
        assert_eq!(harness.effects.last(), Some(&SessionEffect::Exit { code: 1 }));
        assert_eq!(harness.session.next_deadline(), None, "nothing is waited for behind the end");
    }
}

#[test]
fn an_offline_session_exits_without_disconnect() {
    let mut harness = Harness::online();
    harness.message_socket_closed(1);
    harness.forget();
    harness.user("quit");
    harness.expect(&["exit 0"]);
}

#[test]
fn requests_behind_a_refused_line_are_reported_when_the_session_ends() {
    let mut harness = Harness::online();
    for text in ["a", "b", "c"] {
        harness.user(&format!("msend {text}"));
    }
    harness.forget();
    harness.input(SessionInput::Stop);
    harness.expect(&[]);
    harness.reply(1, "ERR 413 line exceeds 10 bytes");
    harness.expect(&[
        "show ERR 413 line exceeds 10 bytes",
        "hang up 1",
        "show error: quit: 2 commands were not finished",
        "dial 2",
    ]);
}

#[test]
fn a_register_with_a_hello_and_no_reply_counts_as_finished() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(1);
    harness.written(1);
    harness.forget();
    harness.input(SessionInput::Stop);
    harness.expect(&["send 1 me#disconnect#10.0.0.2"]);
    harness.reply(1, "OK register epoch=00000000000000aa next=1 ttl=60");
    harness.reply(1, "OK disconnect");
    assert_eq!(harness.effects.last(), Some(&SessionEffect::Exit { code: 0 }));
}
