//! Requests with `here`, whose command socket becomes the message socket, and `-` as the address.

use super::*;

const HERE: &str = "10.0.0.7:50000";

impl World {
    /// Sends a request with `here` on a command socket. Returns the message socket and the reply.
    fn connect_here(&mut self, conn: usize, line: &str) -> (LinkId, Reply) {
        let mut effects = self.request_from(conn, line);
        match (effects.pop(), effects.pop()) {
            (Some(Effect::Reply { to, reply, .. }), Some(Effect::Upgrade { from, link })) => {
                assert_eq!((to, from), (ConnId(conn), ConnId(conn)), "{line}");
                (link, reply)
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refusal(&mut self, line: &str) -> String {
        self.request(line).to_string()
    }

    fn state(&self, id: &str) -> String {
        let line = self.group.members().find(|line| line.id == id);
        let line = line.map(|line| line.to_string()).unwrap_or_default();
        line.split(" pending").next().unwrap().to_owned()
    }
}

#[test]
fn a_register_here_needs_no_connect_back_and_shows_the_address_of_the_client() {
    let mut world = World::with(|rules| rules.keep = 9);
    world.register("bob", "");
    world.send("bob", "before");
    let (ann, reply) = world.connect_here(5, "ann#register here nonce=aB acks=1 last=9");
    let reply = reply.to_string();
    assert!(reply.starts_with("OK register epoch=0000000000000001 next=1 "), "{reply}");
    assert!(reply.ends_with(" last=1"), "{reply}");
    assert_eq!(world.state("ann"), format!("ann online {HERE}"));
    world.send("bob", "after");
    assert_eq!(world.read(ann), "hello#aB#0000000000000001 before after");
    world.ack(ann, 2);
    assert_eq!(world.acked("ann"), 2);
}

#[test]
fn a_here_request_gets_the_answers_of_every_state() {
    let mut world = World::new(60_000);
    assert!(world.refusal("ann#reconnect here").starts_with("ERR 404 "), "unknown");
    world.dial(1, "ann#register 9001");
    let registering = world.refusal("ann#register here");
    assert!(registering.starts_with("ERR 409 "), "registering: {registering}");
    assert!(world.refusal("ann#reconnect here").starts_with("ERR 404 "), "registering");
    world.register("bob", "");
    assert!(world.refusal("bob#register here").starts_with("ERR 409 already"), "online");
    let (link, reply) = world.connect_here(2, "bob#reconnect here");
    assert!(reply.to_string().starts_with("OK reconnect "), "online: {reply}");
    world.input(Input::Lost { link, how: SocketEnd::Closed });
    assert_eq!(world.state("bob"), format!("bob offline {HERE}"));
    assert!(world.refusal("bob#register here").starts_with("ERR 409 already"), "offline");
    let (_, reply) = world.connect_here(3, "bob#reconnect here");
    assert!(reply.to_string().starts_with("OK reconnect "), "offline: {reply}");
    world.send("bob", "c");
    assert_eq!(world.request("bob#disconnect"), Reply::Disconnect);
    assert_eq!(world.request("bob#deregister"), Reply::Deregister);
    world.input(Input::ShutDown);
    assert!(world.refusal("bob#register here").starts_with("ERR 503 "), "shutting down");
}

#[test]
fn each_kind_of_message_socket_takes_over_from_the_other() {
    let mut world = World::new(60_000);
    world.register("bob", "");
    let mut old = world.register("ann", "acks=1");
    for (number, here) in (1..).zip([true, true, false, true]) {
        world.send("bob", "text");
        assert_eq!(world.read(old), "text");
        let since = format!("nonce=a acks=1 since=0000000000000001:{}", number - 1);
        let request = format!("ann#reconnect here {since}#-");
        let request = Request::parse(request.as_bytes()).unwrap();
        assert_eq!(world.group.ends(&request), Some(old), "its acks are read first");
        let (new, effects, by) = if here {
            let effects = world.request_from(7, &format!("ann#reconnect here {since}"));
            let [_, Effect::Upgrade { link, .. }, _] = effects[..] else { panic!("{effects:?}") };
            (link, effects, HERE.to_owned())
        } else {
            let link = world.dial(7, &format!("ann#reconnect 9900 {since}"));
            (link, world.input(Input::Connected { link }), "10.0.0.7:9900".to_owned())
        };
        let closing_bytes = format!("bye#taken over by {by}\n").into_bytes().into();
        assert_eq!(effects[0], Effect::Close { link: old, closing_bytes });
        assert_eq!(world.state("ann"), format!("ann online {by}"));
        assert_eq!(world.read(new), "hello#a#0000000000000001 text", "from since on");
        old = new;
    }
}

#[test]
fn a_reconnect_here_supersedes_a_pending_connect_back() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    let pending = world.dial(1, "ann#reconnect 9001");
    let effects = world.request_from(2, "ann#reconnect here");
    assert_eq!(effects[0], Effect::Close { link: pending, closing_bytes: Box::default() });
    let superseded = Reply::from(Conflict::Superseded);
    assert_eq!(replied(&effects[1]), Some((ConnId(1), &superseded)));
    assert!(matches!(effects[3], Effect::Upgrade { from: ConnId(2), .. }), "{effects:?}");
    assert!(world.input(Input::Connected { link: pending }).is_empty(), "the link is closed");
    assert_eq!(world.state("ann"), format!("ann online {HERE}"));
}

#[test]
fn the_ok_to_register_here_waits_for_its_fact_and_deliveries_for_theirs() {
    let mut world = World::late(|_| ());
    let effects = world.request_from(1, "ann#register here");
    let Some(Effect::Reply { after, .. }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(world.group.awaited(*after), Some(*after));
    world.commit(0);
    assert_eq!(world.group.awaited(*after), None);
}

#[test]
fn a_here_request_that_begins_a_new_epoch_is_answered_in_the_new_one() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    world.input(Input::DrawnEpoch(Epoch::new(2)));
    let effects = world.request_from(1, "ann#reconnect here nonce=a since=0000000000000001:9");
    assert!(effects.iter().all(|effect| replied(effect).is_none()), "{effects:?}");
    let effects = world.input(Input::EpochCommitted);
    let [Effect::Close { .. }, Effect::Upgrade { from: ConnId(1), link }, reply] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    let (_, reply) = replied(reply).unwrap();
    assert!(reply.to_string().starts_with("OK reconnect epoch=0000000000000002"), "{reply}");
    assert_eq!(world.read(*link), "hello#a#0000000000000002");
}

#[test]
fn a_here_request_that_waits_for_an_epoch_can_be_superseded_and_cancelled() {
    let mut world = World::new(60_000);
    world.register("ann", "");
    world.input(Input::DrawnEpoch(Epoch::new(2)));
    world.request_from(1, "ann#reconnect here since=0000000000000001:9");
    let effects = world.request_from(2, "ann#reconnect here");
    let superseded = Reply::from(Conflict::Superseded);
    assert_eq!(effects.iter().find_map(replied), Some((ConnId(1), &superseded)));
    let effects = world.request_from(3, "ann#disconnect");
    let cancelled = Reply::from(Conflict::Cancelled);
    assert_eq!(effects.iter().find_map(replied), Some((ConnId(2), &cancelled)));
    let effects = world.input(Input::EpochCommitted);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Upgrade { .. })), "{effects:?}");
}

#[test]
fn the_owner_is_the_address_that_the_coordinator_sees() {
    let mut world = World::with(|rules| rules.foreign_ip_allowed = true);
    let origin = Origin {
        conn: ConnId(1),
        peer: LOCAL_IP,
        peer_port: 50_001,
        local: "10.0.0.1".parse().unwrap(),
        credentials: &Credentials::Plain,
    };
    let request = Request::parse(b"ann#register here#192.0.2.9").unwrap();
    world.input(Input::Request { origin: &origin, request: &request });
    assert_eq!(world.state("ann"), "ann online 10.0.0.7:50001");
    for line in ["ann#register here#0.0.0.0", "ann#register here#fe80::1"] {
        let request = Request::parse(line.as_bytes()).unwrap();
        let effects = world.input(Input::Request { origin: &origin, request: &request });
        let (_, reply) = replied(&effects[0]).unwrap();
        assert!(reply.to_string().starts_with("ERR 403 ip: "), "{line}: {reply}");
    }
}

#[test]
fn a_dash_is_the_address_of_the_client_in_every_command() {
    let mut world = World::new(60_000);
    let origin = Origin {
        conn: ConnId(1),
        peer: LOCAL_IP,
        peer_port: 50_000,
        local: "10.0.0.1".parse().unwrap(),
        credentials: &Credentials::Plain,
    };
    let mut request = |line: &str| {
        let request = Request::parse(line.as_bytes()).unwrap();
        let effects = world.input(Input::Request { origin: &origin, request: &request });
        if let Some(Effect::Connect { address, from, link, .. }) = effects.first() {
            assert_eq!((address.ip(), *from), (LOCAL_IP, Some(origin.local)));
            return world.input(Input::Connected { link: *link });
        }
        effects
    };
    for line in ["register 9000", "msend a", "send 1 b", "reconnect here", "ping", "disconnect"] {
        let effects = request(&format!("ann#{line}#-"));
        let reply = effects.iter().find_map(replied).unwrap().1.to_string();
        assert!(reply.starts_with("OK "), "{line}: {reply}");
    }
}
