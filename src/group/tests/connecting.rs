//! Connect-backs under way, and requests that end them.

use super::*;

#[test]
fn a_later_reconnect_wins_and_disconnect_cancels_it_even_for_an_offline_member() {
    let mut world = World::new(100);
    let old = world.register("ann", "");
    let first = world.dial(1, "ann#reconnect 9001");
    let effects = world.request_from(2, "ann#reconnect 9002");
    let superseded = Reply::from(Conflict::Superseded);
    assert_eq!(effects[0], Effect::Close { link: first, closing_bytes: Box::default() });
    assert_eq!(replied(&effects[1]), Some((ConnId(1), &superseded)));
    assert!(world.input(Input::Connected { link: first }).is_empty(), "the link is closed");
    world.input(Input::Lost { link: old, how: SocketEnd::Closed });
    let effects = world.request_from(3, "ann#disconnect");
    let cancelled = Reply::from(Conflict::Cancelled);
    assert_eq!(replied(&effects[1]), Some((ConnId(2), &cancelled)));
    assert_eq!(replied(&effects[2]), Some((ConnId(3), &Reply::Disconnect)));
    assert_eq!(world.request("ann#disconnect"), Conflict::AlreadyOffline.into());
}

#[test]
fn an_id_that_is_registering_is_no_member_but_counts_toward_the_limit() {
    let mut world = World::with(|rules| rules.members_max = 1);
    let link = world.dial(1, "ann#register 9001");
    assert_eq!(world.request("ann#register 9002"), Conflict::AlreadyRegistering.into());
    for line in ["ann#disconnect", "ann#deregister", "ann#reconnect 9002", "ann#msend x"] {
        assert_eq!(world.request(line), RequestError::NotAMember.into(), "{line}");
    }
    assert_eq!(world.request("bob#register 9002"), LimitReached::Members { max: 1 }.into());
    world.input(Input::ConnectFailed { link, reason: "no".into() });
    world.register("bob", "");
}

#[test]
fn a_shutdown_refuses_new_and_pending_requests() {
    let mut world = World::new(100);
    world.register("ann", "");
    let link = world.dial(1, "bob#register 9001");
    let effects = world.input(Input::ShutDown);
    let refused = Reply::from(RequestError::ShuttingDown);
    let after = FactIndex::ZERO;
    let sent_gaps = Effect::Reply { to: ConnId(1), reply: refused.clone(), after };
    assert_eq!(effects, [Effect::Close { link, closing_bytes: Box::default() }, sent_gaps]);
    for line in ["ann#msend x", "eve#ping", "eve#register 80"] {
        assert_eq!(world.request(line), refused, "{line}");
    }
}
