use super::*;

/// Number of the message socket that was this command socket.
fn upgraded(socket: u64) -> u64 {
    MessageSocket::upgraded(CommandSocket(socket)).0
}

/// A session that is online over what was command socket 1.
fn online_here() -> Harness {
    let mut harness = Harness::new();
    harness.user("register here");
    harness.dialed(1);
    harness.reply(1, OK_REGISTER);
    harness.written(1);
    harness.forget();
    harness
}

#[test]
fn the_command_socket_becomes_the_message_socket_at_ok() {
    let mut harness = Harness::new();
    harness.user("register here last=3");
    harness.expect(&["dial 1"]);
    harness.dialed(1);
    harness.expect(&["send 1 me#register here acks=1 last=3#-"]);
    harness.reply(1, OK_REGISTER);
    let epoch = "append * new epoch 00000000000000aa";
    harness.expect(&[&format!("show {OK_REGISTER}"), "upgrade 1", epoch]);
    assert_eq!(harness.state(), SessionState::Online);
    assert!(harness.wants(upgraded(1)) && !harness.wants(1));
    harness.message(upgraded(1), "1#bob#1#one");
    harness.written(2);
    harness.expect(&["append 1 bob: one", &format!("ack {} 1", upgraded(1))]);
    harness.user("msend hello");
    harness.expect(&["dial 2"]);
    harness.dialed(2);
    harness.expect(&["send 2 me#msend hello#-"]);
}

#[test]
fn a_refusal_leaves_the_command_socket_and_a_404_registers_on_it() {
    let mut harness = Harness::new();
    harness.user("join here");
    harness.dialed(1);
    harness.expect(&["dial 1", "send 1 me#reconnect here acks=1#-"]);
    harness.reply(1, "ERR 404 not a member");
    harness.expect(&["send 1 me#register here acks=1#-"]);
    harness.reply(1, "ERR 421 too many members");
    harness.forget();
    harness.wait_for_deadline();
    harness.expect(&["send 1 me#reconnect here acks=1#-"]);
}

#[test]
fn an_automatic_reconnect_uses_here_again() {
    let mut harness = online_here();
    harness.message_socket_closed(upgraded(1));
    harness.forget();
    harness.wait_for_deadline();
    harness.expect(&["dial 2"]);
    harness.dialed(2);
    harness.expect(&["send 2 me#reconnect here acks=1#-"]);
    harness.command_socket_closed(2);
    harness.forget();
    harness.wait_for_deadline();
    harness.expect(&["dial 3"]);
    harness.dialed(3);
    harness.forget();
    harness.reply(3, OK_RECONNECT);
    harness.expect(&[&format!("show * reconnected: {OK_RECONNECT}"), "upgrade 3"]);
}

#[test]
fn no_request_leaves_behind_a_here_before_its_reply() {
    for reply in [OK_RECONNECT, "ERR 503 shutting down"] {
        let mut harness = online_here();
        harness.message_socket_closed(upgraded(1));
        harness.wait_for_deadline();
        harness.dialed(2);
        harness.forget();
        harness.user("disconnect");
        harness.expect(&[]);
        harness.reply(2, reply);
        match reply == OK_RECONNECT {
            true => {
                harness.expect(&["upgrade 2", "dial 3"]);
                harness.dialed(3);
                harness.expect(&["send 3 me#disconnect#-"]);
                harness.reply(3, "OK disconnect");
                harness.message_socket_closed(upgraded(2));
                harness.expect(&["show OK disconnect"]);
            }
            false => harness.expect(&["send 2 me#disconnect#-"]),
        }
        assert_eq!(harness.session.next_deadline().is_some(), reply != OK_RECONNECT);
    }
}

#[test]
fn a_shutdown_waits_for_the_reply_to_a_here() {
    let mut harness = Harness::new();
    harness.user("register here");
    harness.dialed(1);
    harness.input(SessionInput::Stop);
    harness.forget();
    harness.reply(1, OK_REGISTER);
    harness.written(1);
    harness.effects.retain(|effect| !matches!(effect, SessionEffect::Append(_)));
    harness.expect(&["upgrade 1", "dial 2"]);
    harness.dialed(2);
    harness.expect(&["send 2 me#disconnect#-"]);
}

#[test]
fn a_takeover_is_the_own_one_while_a_here_without_an_answer_may_have_done_it() {
    for is_asked in [true, false] {
        let mut harness = Harness::online();
        harness.user("reconnect here");
        harness.forget();
        if is_asked {
            harness.command_socket_closed(1);
        } else {
            harness.reply(1, "ERR 503 shutting down");
        }
        harness.forget();
        harness.message(1, "bye#taken over by 192.0.2.1:50000");
        let is_other = harness
            .effects
            .drain(..)
            .any(|effect| matches!(effect, SessionEffect::Show(Notice::TakenOver(_))));
        assert_eq!(is_other, !is_asked);
    }
}

#[test]
fn a_passive_session_names_no_address_and_joins_here() {
    let mut harness = Harness::with(|settings| settings.is_passive = true);
    harness.user("ping");
    harness.dialed(1);
    harness.expect(&["dial 1", "send 1 me#ping#-"]);
    harness.reply(1, "OK ping");
    harness.forget();
    harness.user("join");
    harness.expect(&["send 1 me#reconnect here acks=1#-"]);
    harness.reply(1, "ERR 400 port: expected 1024 to 65535");
    let shown = harness.effects.drain(..).map(brief).next().unwrap();
    assert!(shown.contains("the coordinator is older than 'here'"), "{shown}");
}

#[test]
fn a_refused_connect_back_suggests_here_once() {
    let mut harness = Harness::new();
    for is_first in [true, false] {
        harness.user("register 9001");
        harness.listening(9001);
        if is_first {
            harness.dialed(1);
        }
        harness.forget();
        harness.reply(1, "ERR 502 cannot connect to 10.0.0.2:9001: timed out");
        let hint = "show * the coordinator cannot connect to 10.0.0.2:9001: behind NAT or a \
                    firewall use 'join here' (option --passive)";
        harness.effects.retain(|it| matches!(it, SessionEffect::Show(Notice::UseHere(_))));
        let expected = [hint];
        harness.expect(if is_first { &expected } else { &[] });
    }
    harness.user("ping");
    harness.forget();
    harness.reply(1, "ERR 403 ip: 10.0.0.2 is not 192.0.2.9, the address that this comes from");
    harness.effects.retain(|it| matches!(it, SessionEffect::Show(Notice::UseHere(_))));
    harness.expect(&["show * the coordinator does not see the address 10.0.0.2: behind NAT use \
                      'join here' (option --passive)"]);
}

#[test]
fn requests_name_the_advertised_address_and_port_and_any_gateway_may_bring_the_hello() {
    let advertised = Advertised { ip: [192, 0, 2, 9].into(), port: Some(9009) };
    let mut harness = Harness::with(|settings| settings.advertised = Some(advertised));
    harness.user("join");
    harness.expect(&["listen 9009"]);
    harness.listening(9009);
    harness.dialed(1);
    harness.expect(&["dial 1", "send 1 me#reconnect 9009 acks=1 nonce=1#192.0.2.9"]);
    harness.reply(1, "ERR 404 not a member");
    harness.forget();
    harness.input(SessionInput::Accepted { socket: MessageSocket(1), peer: STRANGER });
    harness.message(1, &format!("hello#{:032x}#{EPOCH}", harness.nonce));
    harness.expect(&["close listener", "append * new epoch 00000000000000aa"]);
    let mut harness = Harness::with(|settings| settings.advertised = Some(advertised));
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.expect(&["listen 9001", "dial 1", "send 1 me#register 9009 acks=1 nonce=1#192.0.2.9"]);
}
