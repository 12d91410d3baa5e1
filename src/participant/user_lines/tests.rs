//! The order of commands and lines, and the end of scripts.

use std::sync::mpsc;

use super::*;
use crate::config::{Invocation, ParticipantRun};

const BUSY: SessionProgress = SessionProgress {
    has_failed: false,
    is_idle: false,
    is_taken_over: false,
    takes_texts: true,
    text_bytes_max: None,
};
const IDLE: SessionProgress = SessionProgress { is_idle: true, ..BUSY };
const FAILED: SessionProgress = SessionProgress { has_failed: true, ..IDLE };

fn line(text: &str) -> NextLine {
    NextLine::Input(UserInput::Line(text.into()))
}

/// The arguments of the command line, and the lines of standard input.
fn lines(words: &str, typed: &[&str]) -> UserLines {
    let words = format!("--id a --coordinator b:1 {words}");
    let words = words.split(' ').map(Into::into);
    let Ok(Invocation::Run(run)) = ParticipantRun::from_arguments(words, None) else {
        panic!("wrong arguments");
    };
    let (sender, receiver) = mpsc::channel();
    for text in typed {
        sender.send(UserInput::Line(text.as_bytes().to_vec())).unwrap();
    }
    sender.send(UserInput::End).unwrap();
    UserLines::new(&run.options, receiver)
}

#[test]
fn commands_come_before_typed_lines() {
    let mut lines = lines("-i -e one -e two", &["typed"]);
    let next = [(); 4].map(|()| lines.next(FAILED));
    let end = NextLine::Input(UserInput::End);
    assert_eq!(next, [line("one"), line("two"), line("typed"), end]);
    assert_eq!(lines.next(IDLE), NextLine::Nothing);
}

#[test]
fn with_exit_on_error_a_command_waits_for_the_one_before() {
    let mut lines = lines("--exit-on-error -i -e one -e two", &["typed"]);
    assert_eq!(lines.next(BUSY), line("one"), "texts of the outbox file may wait for it");
    assert_eq!(lines.next(BUSY), NextLine::Nothing);
    assert_eq!(lines.next(IDLE), line("two"));
    assert_eq!(lines.next(BUSY), NextLine::Nothing);
    assert_eq!(lines.next(IDLE), line("typed"));
    let end = NextLine::Input(UserInput::End);
    assert_eq!(lines.next(FAILED), end, "it holds for commands only");
}

#[test]
fn with_exit_on_error_a_failed_command_drops_the_others() {
    let mut lines = lines("--exit-on-error -i -e one -e two", &["typed"]);
    assert_eq!(lines.next(IDLE), line("one"));
    assert_eq!(lines.next(FAILED), NextLine::GiveUp(1));
    assert_eq!(lines.next(FAILED), line("typed"));
}

#[test]
fn lines_are_texts_and_the_others_wait_for_the_outcome_of_the_first_one() {
    let mut lines = lines("--lines", &["quit", "", " two ", "three"]);
    assert_eq!(lines.next(IDLE), line("msend quit"));
    assert_eq!(lines.next(BUSY), NextLine::Nothing);
    assert_eq!(lines.next(IDLE), line("msend  two "));
    assert_eq!(lines.next(SessionProgress { takes_texts: false, ..BUSY }), NextLine::Nothing);
    assert_eq!(lines.next(BUSY), line("msend three"));
    assert_eq!(lines.next(BUSY), NextLine::Nothing, "the last texts are not confirmed");
    assert_eq!(lines.next(IDLE), line("quit"));
}

#[test]
fn with_an_outbox_no_line_waits_for_the_outcome_of_the_first_one() {
    let mut lines = lines("--lines --join --outbox f", &["one", "two"]);
    assert_eq!(lines.next(IDLE), line("join"));
    assert_eq!(
        [(); 2].map(|()| lines.next(BUSY)),
        ["one", "two"].map(|it| line(&format!("msend {it}")))
    );
}

#[test]
fn a_line_that_is_no_text_is_named_with_its_number() {
    let mut lines = lines("--lines", &["", "a\u{7}", "four", "tab\t"]);
    let bad = |line, why| NextLine::BadText { line, why };
    assert_eq!(lines.next(IDLE), bad(2, BadText::Control));
    let short = SessionProgress { text_bytes_max: Some(3), ..IDLE };
    assert_eq!(lines.next(short), bad(3, BadText::TooLong { bytes: 4, max: 3 }));
    assert_eq!(lines.next(IDLE), line("msend tab\t"));
    assert_eq!(command(b"\xff", None), Err(BadText::NotUtf8));
}

#[test]
fn a_script_ends_after_its_texts_and_its_messages() {
    let mut lines = lines("--send one --count 2", &[]);
    assert_eq!(lines.next(IDLE), line("join"));
    assert_eq!(lines.next(IDLE), line("msend one"));
    assert_eq!(lines.next(BUSY), NextLine::Nothing);
    lines.on_message();
    assert_eq!(lines.next(IDLE), NextLine::Nothing);
    assert!(lines.wants_messages());
    lines.on_message();
    assert!(!lines.wants_messages());
    assert_eq!(lines.next(BUSY), NextLine::Nothing);
    assert_eq!(lines.next(IDLE), line("quit"));
}

#[test]
fn a_script_whose_id_is_taken_over_does_not_wait_for_its_messages() {
    const TAKEN_OVER: SessionProgress = SessionProgress { is_taken_over: true, ..IDLE };
    for words in ["--send one --count 2", "--follow -e join -e one --count 2"] {
        let mut lines = lines(words, &[]);
        assert_eq!(lines.next(IDLE), line("join"));
        lines.on_message();
        lines.next(TAKEN_OVER);
        assert_eq!(lines.next(SessionProgress { is_idle: false, ..TAKEN_OVER }), NextLine::Nothing);
        assert_eq!(lines.next(TAKEN_OVER), NextLine::TakenOver(1), "{words}");
    }
    let mut lines = lines("--count 1", &[]);
    assert_eq!(lines.next(IDLE), line("join"));
    lines.on_message();
    assert_eq!(lines.next(TAKEN_OVER), line("quit"), "all messages have come");
}

#[test]
fn with_follow_only_a_count_ends_a_script() {
    let mut endless = lines("--follow --lines", &[]);
    assert_eq!(endless.next(IDLE), NextLine::Nothing);
    let mut counted = lines("--follow --count 1", &[]);
    assert_eq!(counted.next(IDLE), line("join"));
    assert_eq!(counted.next(IDLE), NextLine::Nothing);
    counted.on_message();
    assert_eq!(counted.next(IDLE), line("quit"));
}
