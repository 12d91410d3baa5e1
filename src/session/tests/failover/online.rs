//! A member that is online: ends of its message socket, and its texts.

use super::*;

const FIELDS: &str = "ttl=60 max_line=65536";

/// Ends the message socket of a member that is online.
type End = fn(&mut Harness);

#[test]
fn a_coordinator_that_has_gone_is_followed_by_the_next_one_after_a_pause() {
    let ends: [End; 3] = [
        |harness| harness.message_socket_closed(1),
        |harness| harness.message(1, "bye#shutting down"),
        |harness| {
            harness.command_socket_closed(1);
            harness.message_socket_closed(1);
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let mut harness = online(2, |_| ());
        harness.message(1, "7#bob#0#seven");
        harness.written(1);
        harness.forget();
        end(&mut harness);
        let shown = harness.shown_lines();
        let last = shown.last().unwrap();
        assert!(last.starts_with("* reconnecting to 10.0.0.2:5000 in 0."), "{number}: {shown:?}");
        assert!((200..=400).contains(&harness.wait_for_deadline()), "{number}");
        let (socket, coordinator) = harness.dialing().expect("it comes back");
        assert_eq!(coordinator, 1, "{number}");
        harness.forget();
        harness.dialed_at(socket, 1);
        let since = format!("me#reconnect 9001 acks=1 nonce=2 since={EPOCH}:7#10.0.0.9");
        harness.expect(&[&format!("send {socket} {since}")]);
        // An end of the old command socket that comes late tells nothing new.
        harness.command_socket_closed(1);
        harness.expect(&[]);
    }
}

#[test]
fn a_coordinator_that_ends_the_message_socket_alone_stays_in_use() {
    for end in [
        "bye#stalled",
        "bye#closed",
        "bye#bad ack",
        "bye#new epoch",
        "bye#access revoked",
        "bye#certificate expired",
        "bye#a later reason",
        "no message",
    ] {
        let mut harness = online(2, |_| ());
        harness.message(1, end);
        let shown = harness.shown_lines();
        let last = shown.last().unwrap();
        assert!(last.starts_with("* reconnecting to 10.0.0.1:5000 in 0."), "{end}: {shown:?}");
        harness.wait_for_deadline();
        assert_eq!(harness.dialing(), None, "{end}");
        let asked = harness.effects.drain(..).map(brief).next_back().unwrap();
        assert!(asked.starts_with("send 1 me#reconnect 9001 "), "{end}: {asked}");
    }
}

#[test]
fn a_command_socket_that_closes_in_the_pause_leads_to_the_next_coordinator() {
    let mut harness = online(2, |_| ());
    harness.message(1, "bye#closed");
    harness.forget();
    harness.command_socket_closed(1);
    harness.expect(&["show * coordinator 10.0.0.1:5000: reset; going on with 10.0.0.2:5000"]);
    harness.wait_for_deadline();
    assert_eq!(harness.dialing(), Some((2, 1)));
}

#[test]
fn message_sockets_that_end_at_once_cause_no_loop_without_pauses() {
    let mut harness = online(2, |_| ());
    let mut highest = 400;
    harness.message_socket_closed(1);
    for round in 2..10 {
        let pause = harness.wait_for_deadline();
        assert!((highest / 2..=highest).contains(&pause), "{round}: {pause}");
        highest = (2 * highest).min(30_000);
        let (socket, coordinator) = harness.dialing().unwrap();
        assert_eq!(coordinator, usize::try_from(round + 1).unwrap() % 2, "{round}");
        harness.dialed(socket);
        harness.hello(round);
        harness.written(1);
        harness.reply(socket, OK_RECONNECT);
        harness.message_socket_closed(round);
        harness.forget();
    }
}

#[test]
fn after_a_while_online_all_coordinators_are_tried_before_the_next_pause() {
    let mut harness = joining();
    harness.dial_failed(1);
    harness.dial_failed(2);
    harness.dialed(3);
    harness.hello(7);
    harness.written(1);
    harness.reply(3, OK_RECONNECT);
    harness.wait(10_000);
    harness.message_socket_closed(7);
    harness.forget();
    harness.wait_for_deadline();
    let mut dialed = vec![];
    while let Some((socket, coordinator)) = harness.dialing() {
        dialed.push(coordinator);
        harness.dial_failed(socket);
    }
    assert_eq!(dialed, [0, 1]);
    assert!(matches!(harness.state(), SessionState::Paused { .. }));
}

#[test]
fn who_is_online_stays_at_its_coordinator() {
    let mut harness = online(2, |_| ());
    harness.user("msend one");
    harness.forget();
    harness.reply(1, "ERR 503 shutting down");
    let shown = harness.shown_lines();
    assert!(shown.iter().all(|line| !line.contains("going on with")), "{shown:?}");
    harness.wait_for_deadline();
    harness.expect(&["show * sending 1 message that waited", "send 1 me#msend one#10.0.0.2"]);
    harness.reply(1, "OK msend seq=1");
    harness.command_socket_closed(1);
    harness.user("ping");
    assert_eq!(harness.dialing(), Some((2, 0)));
    harness.forget();
    harness.dial_failed(2);
    harness.expect(&["show error: ping: refused"]);
}

/// A participant whose first text is in flight at the first one of this many coordinators.
fn sending(coordinators: u8) -> Harness {
    let mut harness = with_coordinators(coordinators, |_| ());
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.hello(1);
    harness.written(1);
    harness.reply(1, &format!("OK register epoch={EPOCH} next=1 {FIELDS} published=0"));
    harness.forget();
    harness.user("msend one");
    harness.expect(&["send 1 me#send 1 one#10.0.0.2"]);
    harness
}

/// A coordinator that is stopped keeps its sockets open, takes connections, and answers nothing.
#[test]
fn a_coordinator_that_misses_two_replies_in_a_row_is_followed_by_the_next_one() {
    let mut harness = sending(2);
    harness.wait(REPLY_TIMEOUT_MS);
    let lost = "no reply from 10.0.0.1:5000 in 30 s";
    assert_eq!(harness.shown_lines()[0], format!("* command socket lost: {lost}"));
    harness.wait_for_deadline();
    assert_eq!(harness.dialing(), Some((2, 0)), "it stays after one");
    harness.dialed(2);
    harness.forget();
    harness.wait(REPLY_TIMEOUT_MS);
    assert_eq!(brief(harness.effects.remove(0)), "close 1");
    let shown = harness.shown_lines();
    assert_eq!(shown[0], format!("* message socket lost: {lost}"));
    assert!(shown[1].starts_with("* reconnecting to 10.0.0.2:5000 in 0."), "{shown:?}");
    assert!((200..=400).contains(&harness.wait_for_deadline()));
    assert_eq!(harness.dialing(), Some((3, 1)));
    harness.dialed(3);
    harness.hello(2);
    harness.forget();
    harness.reply(3, &format!("OK reconnect epoch={EPOCH} next=9 {FIELDS} published=0"));
    let last = harness.effects.drain(..).map(brief).next_back();
    assert_eq!(last.as_deref(), Some("send 3 me#send 1 one#10.0.0.2"));
}

#[test]
fn a_coordinator_that_answers_in_between_or_is_the_only_one_stays_in_use() {
    for (count, answers) in [(2, true), (1, false)] {
        let mut harness = sending(count);
        harness.reply(1, "OK send 1 seq=1");
        for socket in 1..9 {
            harness.user("ping");
            if socket > 1 {
                harness.dialed(socket);
            }
            if answers {
                harness.reply(socket, "OK ping");
                harness.user("ping");
            }
            harness.forget();
            harness.wait(REPLY_TIMEOUT_MS);
            assert_eq!(brief(harness.effects.remove(0)), format!("hang up {socket}"), "{count}");
            assert_eq!(harness.state(), SessionState::Online, "{count}");
        }
    }
}

#[test]
fn a_reconnect_that_misses_two_replies_goes_to_the_next_coordinator() {
    let mut harness = online(2, |_| ());
    harness.user("join 9001");
    harness.listening(9001);
    harness.forget();
    harness.wait(REPLY_TIMEOUT_MS);
    while harness.dialing().is_none() {
        harness.wait_for_deadline();
    }
    harness.dialed(2);
    harness.forget();
    harness.wait(REPLY_TIMEOUT_MS);
    assert!(harness.effects.iter().cloned().map(brief).any(|effect| effect == "close 1"));
    assert_eq!(harness.dialing(), Some((3, 1)), "at once");
}

/// Loses both sockets while the first text is in flight, and comes back at the second coordinator,
/// which is in `epoch` and has accepted texts up to `published`.
fn send_across(epoch: &str, published: u64) -> Harness {
    let mut harness = sending(2);
    harness.command_socket_closed(1);
    assert_eq!(harness.dialing(), Some((2, 0)), "it is online there");
    harness.message_socket_closed(1);
    harness.wait_for_deadline();
    assert_eq!(harness.dialing(), Some((3, 1)));
    assert!(harness.effects.drain(..).map(brief).any(|effect| effect == "hang up 2"));
    harness.dialed_at(3, 1);
    let peer = IpAddr::from([10, 0, 0, 2]);
    harness.input(SessionInput::Accepted { socket: MessageSocket(2), peer });
    let hello = format!("hello#{:032x}#{epoch}", harness.nonce);
    harness.message(2, &hello);
    harness.written(1);
    harness.forget();
    let line = format!("OK reconnect epoch={epoch} next=9 {FIELDS} published={published}");
    harness.reply(3, &line);
    harness
}

#[test]
fn a_text_keeps_its_number_at_the_next_coordinator_of_the_same_group() {
    for published in [0, 1] {
        let mut harness = send_across(EPOCH, published);
        let last = harness.effects.drain(..).map(brief).next_back();
        assert_eq!(last.as_deref(), Some("send 3 me#send 1 one#10.0.0.9"), "{published}");
        harness.reply(3, "OK send number=1 duplicate=1");
        assert!(!harness.session.has_failed());
    }
}

#[test]
fn another_epoch_at_the_next_coordinator_is_said() {
    let mut harness = send_across("00000000000000bb", 0);
    let shown = harness.shown_lines();
    let unknown = "error: msend: the reply is lost: the message may or may not be accepted, and \
                   is not sent again: one";
    assert!(shown.iter().any(|line| line == unknown), "{shown:?}");
    let epoch = Status::of(&harness.session, Millis::ZERO).epoch;
    assert_eq!(epoch, Epoch::parse("00000000000000bb"));
}

#[test]
fn a_hello_that_comes_after_the_end_of_the_command_socket_decides_where_it_is_online() {
    let mut harness = with_coordinators(2, |_| ());
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.reply(1, OK_REGISTER);
    harness.command_socket_closed(1);
    harness.hello(7);
    assert_eq!(harness.state(), SessionState::Online);
    harness.forget();
    harness.user("ping");
    harness.expect(&["dial 2"]);
}
