//! Refusals that stay until somebody does something about them.

use super::*;

const ELSEWHERE: &str = "ERR 403 id: registered from 10.0.0.9, not from 10.0.0.2: use another id";

#[test]
fn an_id_that_belongs_to_another_address_is_said_to_and_tried_again_after_long_pauses() {
    let mut rig = Rig::online();
    rig.messages_closed(1);
    rig.wait_for_deadline();
    rig.listening(9001);
    rig.forget();
    rig.reply(1, ELSEWHERE);
    rig.effects.retain(|effect| matches!(effect, SessionEffect::Show(_)));
    let [SessionEffect::Show(notice)] = &rig.effects[..] else { panic!("{:?}", rig.effects) };
    let reported = notice.to_string();
    let words = "* reconnect failed: me is registered from another address, and the address of \
                 this participant is 10.0.0.2 now: have the operator send me#deregister#127.0.0.1";
    assert!(reported.starts_with(words), "{reported}");
    assert!(reported.contains(ELSEWHERE), "{reported}");
    for _ in 0..5 {
        rig.forget();
        assert!(rig.wait_for_deadline() >= 15_000);
        rig.listening(9001);
        rig.reply(1, ELSEWHERE);
        let shows = rig.effects.iter().filter(|effect| matches!(effect, SessionEffect::Show(_)));
        assert_eq!(shows.count(), 0, "it was said");
    }
    // The operator has deregistered it.
    rig.wait_for_deadline();
    rig.listening(9001);
    rig.reply(1, "ERR 404 not a member: register first");
    rig.forget();
    rig.reply(1, &format!("OK register epoch={EPOCH} next=1 ttl=60"));
    rig.hello(2);
    assert_eq!(rig.state(), SessionState::Online);
}

#[test]
fn a_user_who_asks_for_it_is_shown_the_refusal_as_it_came() {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.forget();
    rig.reply(1, ELSEWHERE);
    rig.expect(&[&format!("show {ELSEWHERE}"), "close listener"]);
    assert_eq!(rig.session.next_deadline(), None);
}
