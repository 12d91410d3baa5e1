//! Refusals because of the address, which last until an operator acts.

use super::*;

const ELSEWHERE: &str = "ERR 403 id: registered from 10.0.0.9, not from 10.0.0.2: use another id";

#[test]
fn an_id_of_another_address_is_reported_and_retried_after_long_pauses() {
    let mut harness = Harness::online();
    harness.message_socket_closed(1);
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.forget();
    harness.reply(1, ELSEWHERE);
    harness.effects.retain(|effect| matches!(effect, SessionEffect::Show(_)));
    let [SessionEffect::Show(notice)] = &harness.effects[..] else {
        panic!("{:?}", harness.effects)
    };
    let reported = notice.to_string();
    let words = "* reconnect failed: me is registered from another address, and the address of \
                 this participant is 10.0.0.2 now: have the operator send me#deregister#127.0.0.1";
    assert!(reported.starts_with(words), "{reported}");
    assert!(reported.contains(ELSEWHERE), "{reported}");
    for _ in 0..5 {
        harness.forget();
        assert!(harness.wait_for_deadline() >= 15_000);
        harness.listening(9001);
        harness.reply(1, ELSEWHERE);
        let shows =
            harness.effects.iter().filter(|effect| matches!(effect, SessionEffect::Show(_)));
        assert_eq!(shows.count(), 0, "it was said");
    }
    // The operator has deregistered it.
    harness.wait_for_deadline();
    harness.listening(9001);
    harness.reply(1, "ERR 404 not a member: register first");
    harness.forget();
    harness.reply(1, &format!("OK register epoch={EPOCH} next=1 ttl=60"));
    harness.hello(2);
    assert_eq!(harness.state(), SessionState::Online);
}

#[test]
fn the_user_sees_the_refusal_of_a_command_unchanged() {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.reply(1, ELSEWHERE);
    harness.expect(&[&format!("show {ELSEWHERE}"), "close listener"]);
    assert_eq!(harness.session.next_deadline(), None);
}
