//! Numbers that went back: the coordinator was restored from a copy of its journal.

use super::*;

const WENT_BACK: &str = "show * numbers went back: the coordinator continues with 4, the last \
                         number here is 8. Messages may have been missed; all that follow are \
                         logged as new";
const ANEW: &str = "append * new epoch 00000000000000aa";

/// Creates a session that has taken 8 messages of the epoch and sends a command.
fn asking(command: &str) -> Harness {
    let log_position = LogPosition { epoch: Epoch::parse(EPOCH), last: Seq::new(8) };
    let mut harness = Harness::with(|settings| settings.log_position = log_position);
    harness.user(command);
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness
}

fn ok(word: &str, next: u64) -> String {
    format!("OK {word} epoch={EPOCH} next={next} ttl=60")
}

#[test]
fn a_reply_with_a_number_already_taken_starts_the_epoch_again_in_the_log() {
    for word in ["register", "reconnect"] {
        for hello_first in [true, false] {
            let mut harness = asking(&format!("{word} 9001"));
            if hello_first {
                harness.hello(1);
                assert!(!harness.wants(1), "what comes may be new or not");
                harness.expect(&["close listener"]);
                harness.reply(1, &ok(word, 4));
                harness.expect(&[&format!("show {}", ok(word, 4)), WENT_BACK, ANEW]);
            } else {
                harness.reply(1, &ok(word, 4));
                harness.expect(&[&format!("show {}", ok(word, 4)), WENT_BACK, ANEW]);
                harness.hello(1);
                harness.expect(&["close listener"]);
            }
            assert!(harness.wants(1));
            harness.message(1, "4#bob#0#new");
            harness.expect(&["append 4 bob: new"]);
            harness.written(2);
            harness.expect(&["ack 1 4"]);
        }
    }
}

#[test]
fn the_number_after_the_last_one_changes_nothing() {
    for word in ["register", "reconnect"] {
        let mut harness = asking(&format!("{word} 9001"));
        harness.hello(1);
        harness.reply(1, &ok(word, 9));
        harness.expect(&["close listener", &format!("show {}", ok(word, 9))]);
    }
}

#[test]
fn without_a_reply_the_first_line_shows_that_numbers_went_back() {
    for line in ["4#bob#0#new", "gap#1#4#4", "gap#6#4#9"] {
        let mut harness = asking("register 9001");
        harness.hello(1);
        harness.command_socket_closed(1);
        harness.forget();
        assert!(harness.wants(1), "no reply will come");
        harness.message(1, line);
        let effects: Vec<String> = harness.effects.drain(..).map(brief).collect();
        assert_eq!(effects[..2], [WENT_BACK, ANEW], "{line}");
        assert_eq!(effects.len(), 3, "and it is taken: {effects:?}");
    }
    let mut harness = asking("register 9001");
    harness.hello(1);
    harness.command_socket_closed(1);
    harness.forget();
    harness.message(1, "9#bob#0#next");
    harness.expect(&["append 9 bob: next", "ack 1 8"]);
}

/// Messages before the reply belong to the new epoch, as the reply does.
#[test]
fn in_a_new_epoch_a_late_reply_changes_nothing() {
    let log_position = LogPosition { epoch: Some(Epoch::new(1)), last: Seq::new(8) };
    let mut harness = Harness::with(|settings| settings.log_position = log_position);
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(1);
    harness.message(1, "4#bob#0#four");
    harness.forget();
    harness.reply(1, &ok("reconnect", 4));
    harness.message(1, "5#bob#0#five");
    harness.expect(&[&format!("show {}", ok("reconnect", 4)), "append 5 bob: five"]);
}

/// The reply is about the socket that has ended.
#[test]
fn a_reply_after_the_end_of_its_message_socket_changes_nothing() {
    let mut harness = Harness::with(|settings| settings.log_position = LogPosition::default());
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(1);
    harness.message(1, "1#bob#0#one");
    harness.written(2);
    harness.message_socket_closed(1);
    harness.forget();
    harness.reply(1, &ok("register", 1));
    let effects: Vec<String> = harness.effects.drain(..).map(brief).collect();
    assert_eq!(effects[0], format!("show {}", ok("register", 1)));
    assert!(!effects.iter().any(|effect| effect.starts_with("append")), "{effects:?}");
}

/// The old socket has received higher numbers: this must not cause a panic.
#[test]
fn numbers_may_go_back_while_the_old_message_socket_is_open() {
    let mut harness = Harness::online();
    harness.message(1, "7#bob#0#seven");
    harness.written(1);
    harness.user("reconnect 9002");
    harness.listening(9002);
    harness.reply(1, &ok("reconnect", 3));
    harness.written(1);
    harness.hello(2);
    harness.forget();
    harness.message(2, "3#bob#0#new");
    harness.written(1);
    harness.expect(&["append 3 bob: new", "ack 2 3"]);
}
