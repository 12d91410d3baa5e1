//! Numbers that went back: the coordinator was put back from a copy.

use super::*;

const WENT_BACK: &str = "show * numbers went back: the coordinator goes on with 4, the last one \
                         here is 8; messages may have been missed, and all that come are \
                         taken as new";
const ANEW: &str = "append * epoch 00000000000000aa: numbers begin anew";

/// One that has taken 8 messages of the epoch, and asks.
fn asking(command: &str) -> Rig {
    let log_position = LogPosition { epoch: Epoch::parse(EPOCH), last: Seq::new(8) };
    let mut rig = Rig::with(|settings| settings.log_position = log_position);
    rig.user(command);
    rig.listening(9001);
    rig.dialed(1);
    rig.forget();
    rig
}

fn ok(word: &str, next: u64) -> String {
    format!("OK {word} epoch={EPOCH} next={next} ttl=60")
}

#[test]
fn a_reply_with_a_number_that_was_taken_before_begins_a_new_life_in_the_log() {
    for word in ["register", "reconnect"] {
        for is_greeted_first in [true, false] {
            let mut rig = asking(&format!("{word} 9001"));
            if is_greeted_first {
                rig.hello(1);
                assert!(!rig.wants(1), "what comes may be new or not");
                rig.expect(&["close listener"]);
                rig.reply(1, &ok(word, 4));
                rig.expect(&[&format!("show {}", ok(word, 4)), WENT_BACK, ANEW]);
            } else {
                rig.reply(1, &ok(word, 4));
                rig.expect(&[&format!("show {}", ok(word, 4)), WENT_BACK, ANEW]);
                rig.hello(1);
                rig.expect(&["close listener"]);
            }
            assert!(rig.wants(1));
            rig.message(1, "4#bob#0#new");
            rig.expect(&["append 4 bob: new"]);
            rig.written(2);
            rig.expect(&["ack 1 4"]);
        }
    }
}

#[test]
fn the_number_behind_the_last_one_is_no_news() {
    for word in ["register", "reconnect"] {
        let mut rig = asking(&format!("{word} 9001"));
        rig.hello(1);
        rig.reply(1, &ok(word, 9));
        rig.expect(&["close listener", &format!("show {}", ok(word, 9))]);
    }
}

#[test]
fn where_the_reply_is_lost_the_first_line_tells() {
    for line in ["4#bob#0#new", "gap#1#4#4", "gap#6#4#9"] {
        let mut rig = asking("register 9001");
        rig.hello(1);
        rig.commands_closed(1);
        rig.forget();
        assert!(rig.wants(1), "no reply will come");
        rig.message(1, line);
        let effects: Vec<String> = rig.effects.drain(..).map(brief).collect();
        assert_eq!(effects[..2], [WENT_BACK, ANEW], "{line}");
        assert_eq!(effects.len(), 3, "and it is taken: {effects:?}");
    }
    let mut rig = asking("register 9001");
    rig.hello(1);
    rig.commands_closed(1);
    rig.forget();
    rig.message(1, "9#bob#0#next");
    rig.expect(&["append 9 bob: next", "ack 1 8"]);
}

/// What the message socket brings before the reply is in the new epoch, as the reply is.
#[test]
fn in_a_new_epoch_a_reply_that_comes_late_is_no_news() {
    let log_position = LogPosition { epoch: Some(Epoch::new(1)), last: Seq::new(8) };
    let mut rig = Rig::with(|settings| settings.log_position = log_position);
    rig.user("reconnect 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.hello(1);
    rig.message(1, "4#bob#0#four");
    rig.forget();
    rig.reply(1, &ok("reconnect", 4));
    rig.message(1, "5#bob#0#five");
    rig.expect(&[&format!("show {}", ok("reconnect", 4)), "append 5 bob: five"]);
}

/// The end of the message socket does not make the reply any newer.
#[test]
fn a_reply_that_comes_after_the_end_of_the_socket_it_is_about_is_no_news() {
    let mut rig = Rig::with(|settings| settings.log_position = LogPosition::default());
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.hello(1);
    rig.message(1, "1#bob#0#one");
    rig.written(2);
    rig.messages_closed(1);
    rig.forget();
    rig.reply(1, &ok("register", 1));
    let effects: Vec<String> = rig.effects.drain(..).map(brief).collect();
    assert_eq!(effects[0], format!("show {}", ok("register", 1)));
    assert!(!effects.iter().any(|effect| effect.starts_with("append")), "{effects:?}");
}

/// It claims to go back on a socket that has brought more: nothing of that may end the program.
#[test]
fn a_coordinator_that_goes_back_while_the_old_socket_is_there_is_believed() {
    let mut rig = Rig::online();
    rig.message(1, "7#bob#0#seven");
    rig.written(1);
    rig.user("reconnect 9002");
    rig.listening(9002);
    rig.reply(1, &ok("reconnect", 3));
    rig.written(1);
    rig.hello(2);
    rig.forget();
    rig.message(2, "3#bob#0#new");
    rig.written(1);
    rig.expect(&["append 3 bob: new", "ack 2 3"]);
}
