use super::*;

fn is_report(effect: &SessionEffect) -> bool {
    matches!(effect, SessionEffect::Report(_))
}

/// A session that has asked to be connected to.
fn asked() -> Rig {
    let mut rig = Rig::new();
    rig.user("register 9001");
    rig.listening(9001);
    rig.dialed(1);
    rig.forget();
    rig
}

#[test]
fn a_stranger_is_reported_with_its_address_and_the_reason() {
    let mut rig = asked();
    rig.input(SessionInput::Accepted { socket: MessageSocket(1), peer: STRANGER });
    rig.accepted(2);
    rig.message(2, "1#bob#0#text");
    rig.accepted(3);
    rig.wait(5_000);
    (4..=12).for_each(|socket| rig.accepted(socket));
    rig.effects.retain(is_report);
    rig.expect(&[
        "report a connection from 10.0.0.66 to the listener was dropped: it does not come from \
         10.0.0.1, the coordinator's address; if it was the coordinator, its address is \
         translated on the way (NAT): give the participant an address of the coordinator that is \
         not",
        "report a connection from 10.0.0.1 to the listener was dropped: its greeting is not the \
         one that was asked for",
        "report a connection from 10.0.0.1 to the listener was dropped: it did not greet in time",
        "report a connection from 10.0.0.1 to the listener was dropped: it had not greeted when \
         others connected",
    ]);
}

#[test]
fn a_connection_that_ends_without_a_greeting_is_reported_too() {
    let mut rig = asked();
    rig.accepted(1);
    rig.messages_closed(1);
    assert!(rig.effects.iter().any(is_report), "{:?}", rig.effects);
}

#[test]
fn a_stranger_cannot_fill_the_log() {
    let mut rig = asked();
    for socket in 0..1_000 {
        rig.input(SessionInput::Accepted { socket: MessageSocket(socket), peer: STRANGER });
    }
    rig.accepted(1_000);
    rig.message(1_000, "hello");
    rig.effects.retain(is_report);
    assert_eq!(rig.effects.len(), 2, "each kind once: {:?}", rig.effects);
    rig.forget();
    rig.now += 9_999;
    rig.input(SessionInput::Accepted { socket: MessageSocket(1_001), peer: STRANGER });
    rig.now += 1;
    rig.input(SessionInput::Accepted { socket: MessageSocket(1_002), peer: STRANGER });
    rig.effects.retain(is_report);
    let SessionEffect::Report(dropped) = rig.effects.remove(0) else { panic!() };
    assert_eq!((dropped.peer, dropped.unreported), (STRANGER, 1_000));
    assert!(dropped.to_string().ends_with(" (1000 more since the last report)"), "{dropped}");
    assert!(rig.effects.is_empty());
}

#[test]
fn only_the_address_at_which_the_coordinator_was_reached_may_connect() {
    let other = IpAddr::from([10, 0, 0, 7]);
    let mut rig = Rig::with(|settings| settings.coordinator = "hub.test:5000".into());
    rig.user("register 9001");
    rig.listening(9001);
    let (socket, ip) = (CommandSocket(1), IpAddr::from([10, 0, 0, 2]));
    rig.input(SessionInput::Accepted { socket: MessageSocket(1), peer: other });
    rig.input(SessionInput::Dialed { socket, ip, coordinator: (other, 5000).into() });
    rig.effects
        .retain(|effect| matches!(effect, SessionEffect::Show(_) | SessionEffect::Report(_)));
    rig.expect(&[
        "report a connection from 10.0.0.7 to the listener was dropped: the coordinator was not \
         asked to connect yet",
        "show * connected to hub.test:5000 at 10.0.0.7:5000",
    ]);
    rig.input(SessionInput::Accepted { socket: MessageSocket(2), peer: COORDINATOR });
    assert!(!rig.wants(2));
    rig.input(SessionInput::Accepted { socket: MessageSocket(3), peer: other });
    assert!(rig.wants(3));
    let status = rig.session.status(Millis::ZERO).to_string();
    assert!(status.contains("\ncoordinator hub.test:5000 at 10.0.0.7:5000\n"), "{status}");
}
