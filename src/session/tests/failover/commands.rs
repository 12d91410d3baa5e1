//! Commands of the user while the participant is offline.

use super::*;

#[test]
fn a_command_by_hand_uses_the_next_coordinator_and_fails_when_all_have_failed() {
    let mut harness = with_coordinators(2, |_| ());
    for first in [1, 3] {
        harness.user("ping");
        harness.dial_failed(first);
        harness.dial_failed(first + 1);
        harness.expect(&[
            &format!("dial {first}"),
            "show * coordinator 10.0.0.1:5000: refused; going on with 10.0.0.2:5000",
            &format!("dial {} at 1", first + 1),
            "show error: ping: refused",
        ]);
    }
    harness.user("ping");
    harness.dial_failed(5);
    harness.dialed_at(6, 1);
    harness.forget();
    harness.reply(6, "OK ping");
    harness.expect(&["show * connected to 10.0.0.2:5000", "show OK ping"]);
    harness.user("status");
    let status = harness.shown_lines().remove(0);
    assert!(status.contains("\ncoordinator 10.0.0.2:5000, 2 of 2\n"), "{status}");
    harness.user("ping");
    harness.reply(6, "OK ping");
    harness.expect(&["send 6 me#ping#10.0.0.9", "show OK ping"]);
    harness.user("ping");
    harness.reply(6, "ERR 503 shutting down");
    harness.expect(&[
        "send 6 me#ping#10.0.0.9",
        "show ERR 503 shutting down",
        "show * coordinator 10.0.0.2:5000: ERR 503 shutting down; going on with 10.0.0.1:5000",
    ]);
    harness.user("ping");
    harness.expect(&["hang up 6", "dial 7"]);
}

#[test]
fn without_reconnecting_the_next_command_uses_the_next_coordinator() {
    let mut harness = online(2, |settings| settings.reconnects = false);
    harness.message(1, "bye#shutting down");
    harness.expect(&["close 1", "show * message socket lost: the coordinator is shutting down"]);
    assert_eq!(harness.state(), SessionState::Offline);
    assert_eq!(harness.session.next_deadline(), None, "nothing comes back by itself");
    harness.user("ping");
    harness.expect(&["hang up 1", "dial 2 at 1"]);
}

#[test]
fn texts_in_flight_get_their_replies_before_the_next_coordinator_is_dialed() {
    let mut harness = with_coordinators(2, |_| ());
    harness.user("msend one");
    harness.user("msend two");
    harness.dialed(1);
    harness.expect(&["dial 1", "send 1 me#msend one#10.0.0.2", "send 1 me#msend two#10.0.0.2"]);
    harness.reply(1, "ERR 506 no journal");
    harness.expect(&[
        "show * coordinator 10.0.0.1:5000: ERR 506 no journal; going on with 10.0.0.2:5000",
        "show ERR 506 no journal",
    ]);
    harness.user("msend three");
    harness.expect(&[]);
    harness.reply(1, "ERR 506 no journal");
    harness.expect(&["show ERR 506 no journal", "hang up 1", "dial 2 at 1"]);
}

#[test]
fn a_text_of_a_visit_that_may_wait_goes_to_the_next_coordinator_at_once() {
    for line in ["ERR 503 shutting down", "ERR 506 no journal"] {
        let mut harness = with_coordinators(2, |settings| settings.visit = VisitKind::SendsOnly);
        harness.user("msend one");
        harness.dialed(1);
        harness.forget();
        harness.reply(1, line);
        let is_kept = line.contains("503"); // Without a number, a text does not wait after 506.
        assert_eq!(harness.dialing(), is_kept.then_some((2, 1)), "{line}");
        if is_kept {
            harness.forget();
            harness.dialed_at(2, 1);
            harness.expect(&["send 2 me#msend one#10.0.0.9"]);
            harness.reply(2, "ERR 503 shutting down");
            assert_eq!(harness.dialing(), None, "a pause follows the round");
        }
    }
}
