//! Commands and texts while the coordinator cannot be reached, or the outbox file not be written.

use super::*;

#[test]
fn a_command_that_cannot_reach_the_coordinator_fails_at_once_while_texts_wait() {
    for command in ["who", "members", "disconnect"] {
        let mut harness = Harness::with_file(vec![stored(1, 0, "waits")]);
        harness.user(command);
        harness.forget();
        harness.dial_failed(1);
        harness.expect(&[&format!("show error: {command}: refused")]);
        assert!(harness.session.has_failed(), "{command}");
        harness.user("quit");
        let kept = "show * outbox: 1 message waits, to be sent when this participant is online";
        harness.expect(&[kept, "exit 1"]);
    }
}

#[test]
fn a_text_that_is_not_in_the_file_at_the_end_is_reported_as_not_sent() {
    let mut harness = Harness::with_file(Vec::new());
    harness.user("msend a");
    harness.user("quit"); // Before the file tells whether it has the text.
    harness.forget();
    harness.input(SessionInput::OutboxFailed { reason: "disk full" });
    let shown = harness.effects.iter().cloned().map(brief).collect::<Vec<_>>();
    let lost = "show error: msend: not sent: the outbox cannot be written: a";
    assert!(shown.iter().any(|line| line == lost), "{shown:?}");
    assert_eq!(shown.last().unwrap(), "exit 1");
}

#[test]
fn a_stored_text_whose_number_cannot_be_written_is_kept() {
    let mut harness = Harness::with_file(vec![stored(1, 0, "waits")]);
    harness.goes_online(4);
    harness.expect(&["store number 1 5"]);
    harness.input(SessionInput::OutboxFailed { reason: "disk full" });
    harness.forget();
    harness.user("quit");
    harness.reply(1, "OK disconnect");
    let shown = harness.effects.iter().cloned().map(brief).collect::<Vec<_>>();
    let kept = "show * outbox: 1 message waits, to be sent when this participant is online";
    assert!(shown.iter().any(|line| line == kept), "{shown:?}");
    assert!(!shown.iter().any(|line| line.contains("not sent")), "{shown:?}");
}

#[test]
fn a_register_says_that_the_outbox_cannot_be_written() {
    let mut harness = Harness::with_file(vec![stored(3, 1, "a")]);
    harness.user("register 9001");
    harness.listening(9001);
    harness.forget();
    harness.input(SessionInput::OutboxFailed { reason: "disk full" });
    let shown = harness.effects.drain(..).map(brief).collect::<Vec<_>>();
    let expected = "show error: register: the outbox cannot be written";
    assert!(shown.iter().any(|line| line == expected), "{shown:?}");
}
