//! A coordinator that takes connections and does not answer, as one that is stopped.

use super::*;
use crate::limits::{QUIT_MS, REPLY_TIMEOUT_MS, WAITING_MS_MAX};

const UNKNOWN_RESULT: &str = "show error: msend: the reply is lost: the message may or may not be \
                              accepted, and is not sent again: hi";

/// Waits until the result of the only text is unknown. Returns the last command socket.
fn give_up(harness: &mut Harness) -> u64 {
    let (begin, mut last) = (harness.now, 1);
    while !harness.effects.drain(..).map(brief).any(|effect| effect == UNKNOWN_RESULT) {
        assert!(!harness.session.is_idle());
        assert!(harness.now - begin < 2 * WAITING_MS_MAX, "it waits too long");
        harness.wait_for_deadline();
        if let Some(SessionEffect::Dial { socket, .. }) = harness.effects.last() {
            last = socket.0;
            harness.dialed(last);
        }
    }
    let waited = harness.now - begin;
    assert!((WAITING_MS_MAX..=WAITING_MS_MAX + REPLY_TIMEOUT_MS).contains(&waited), "{waited}");
    last
}

#[test]
fn a_text_without_an_answer_is_given_up_after_the_longest_time() {
    let mut harness = sending_with_number();
    let last = give_up(&mut harness);
    assert!(harness.session.is_idle() && harness.session.has_failed());
    harness.user("quit");
    harness.dialed(last + 1);
    harness.expect(&[
        &format!("dial {}", last + 1),
        &format!("send {} me#disconnect#10.0.0.2", last + 1),
    ]);
    assert_eq!(harness.wait_for_deadline(), QUIT_MS);
    assert_eq!(harness.effects.last(), Some(&SessionEffect::Exit { code: 1 }));
}

/// With the number of the text that was given up, the answer `duplicate=1` would look like a
/// confirmation of the next text.
#[test]
fn the_next_text_gets_a_free_number_after_one_whose_result_is_unknown() {
    for was_accepted in [true, false] {
        let mut harness = sending_with_number();
        let socket = give_up(&mut harness) + 1;
        harness.user("msend there");
        harness.dialed(socket);
        let sent = |number| format!("send {socket} me#send {number} there#10.0.0.2");
        harness.expect(&[&format!("dial {socket}"), &sent(2)]);
        if was_accepted {
            harness.reply(socket, "OK send 2 seq=9");
            harness.expect(&["show OK msend seq=9"]);
            continue;
        }
        harness.reply(socket, "ERR 409 send: expected 1");
        harness.expect(&[&sent(1)]);
        harness.reply(socket, "OK send 1 seq=9");
        harness.expect(&["show OK msend seq=9"]);
    }
}

#[test]
fn a_member_that_stays_waits_for_the_answer() {
    let mut member = Harness::online();
    member.message_socket_closed(1);
    member.wait_for_deadline();
    member.listening(9001);
    member.reply(1, &format!("{OK_RECONNECT} max_line=512 published=0"));
    member.hello(2);
    member.user("msend hi");
    let mut last = 1;
    while member.now < 4 * WAITING_MS_MAX {
        member.wait_for_deadline();
        if let Some(SessionEffect::Dial { socket, .. }) = member.effects.last() {
            last = socket.0;
            member.dialed(last);
        }
    }
    assert!(!member.effects.drain(..).map(brief).any(|effect| effect == UNKNOWN_RESULT));
    assert!(last > 4 && !member.session.has_failed());
}
