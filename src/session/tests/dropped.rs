use super::*;

fn is_report(effect: &SessionEffect) -> bool {
    matches!(effect, SessionEffect::Report(_))
}

/// Creates a session that has sent a `register`.
fn asked() -> Harness {
    let mut harness = Harness::new();
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness
}

#[test]
fn a_stranger_is_reported_with_its_address_and_the_reason() {
    let mut harness = asked();
    harness.input(SessionInput::Accepted { socket: MessageSocket(1), peer: STRANGER });
    harness.accepted(2);
    harness.message(2, "1#bob#0#text");
    (3..=11).for_each(|socket| harness.accepted(socket));
    harness.reply(1, OK_REGISTER);
    harness.wait(5_000);
    harness.effects.retain(is_report);
    harness.expect(&[
        "report a connection from 10.0.0.66 to the listener was dropped: it does not come from \
         10.0.0.1, the coordinator's address; if NAT translates that address, configure an \
         address of the coordinator that is not translated",
        "report a connection from 10.0.0.1 to the listener was dropped: its first line is not \
         the expected hello",
        "report a connection from 10.0.0.1 to the listener was dropped: it had sent no hello \
         when newer ones came",
        "report a connection from 10.0.0.1 to the listener was dropped: it sent no hello in time",
    ]);
}

#[test]
fn a_connection_that_ends_without_a_hello_is_reported_too() {
    let mut harness = asked();
    harness.accepted(1);
    harness.message_socket_closed(1);
    assert!(harness.effects.iter().any(is_report), "{:?}", harness.effects);
}

#[test]
fn a_stranger_cannot_fill_the_log() {
    let mut harness = asked();
    for socket in 0..1_000 {
        harness.input(SessionInput::Accepted { socket: MessageSocket(socket), peer: STRANGER });
    }
    harness.accepted(1_000);
    harness.message(1_000, "hello");
    harness.effects.retain(is_report);
    assert_eq!(harness.effects.len(), 2, "each kind once: {:?}", harness.effects);
    harness.forget();
    harness.now += 9_999;
    harness.input(SessionInput::Accepted { socket: MessageSocket(1_001), peer: STRANGER });
    harness.now += 1;
    harness.input(SessionInput::Accepted { socket: MessageSocket(1_002), peer: STRANGER });
    harness.effects.retain(is_report);
    let SessionEffect::Report(dropped) = harness.effects.remove(0) else { panic!() };
    assert_eq!((dropped.peer, dropped.unreported), (STRANGER, 1_000));
    assert!(dropped.to_string().ends_with(" (1000 more since the last report)"), "{dropped}");
    assert!(harness.effects.is_empty());
}

#[test]
fn only_the_address_at_which_the_coordinator_was_reached_may_connect() {
    let other = IpAddr::from([10, 0, 0, 7]);
    let mut harness =
        Harness::with(|settings| settings.coordinators = ["hub.test:5000".into()].into());
    harness.user("register 9001");
    harness.listening(9001);
    let (socket, ip) = (CommandSocket(1), IpAddr::from([10, 0, 0, 2]));
    harness.input(SessionInput::Accepted { socket: MessageSocket(1), peer: other });
    harness.input(SessionInput::Dialed { socket, ip, coordinator: (other, 5000).into() });
    harness
        .effects
        .retain(|effect| matches!(effect, SessionEffect::Show(_) | SessionEffect::Report(_)));
    harness.expect(&[
        "report a connection from 10.0.0.7 to the listener was dropped: the coordinator was not \
         asked to connect yet",
        "show * connected to hub.test:5000 at 10.0.0.7:5000",
    ]);
    harness.input(SessionInput::Accepted { socket: MessageSocket(2), peer: COORDINATOR });
    assert!(!harness.wants(2));
    harness.input(SessionInput::Accepted { socket: MessageSocket(3), peer: other });
    assert!(harness.wants(3));
    let status = Status::of(&harness.session, Millis::ZERO).to_string();
    assert!(status.contains("\ncoordinator hub.test:5000 at 10.0.0.7:5000\n"), "{status}");
}
