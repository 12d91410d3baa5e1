//! Command sockets on which nothing comes, more of them than there may be.

use support::coordinator::Coordinator;

const PING: &str = "bob#ping#127.0.0.1";

/// The operating system's limit may be the first that is reached.
#[test]
fn silent_sockets_that_hold_all_files_keep_nobody_out() {
    let coordinator = Coordinator::start(30, &[]);
    coordinator.client().check(PING, "OK ping");
    coordinator.limit_files(Some(40));
    let mut silent: Vec<_> = (0..60).map(|_| coordinator.client()).collect();
    for _ in 0..20 {
        coordinator.client().check(PING, "OK ping");
    }
    silent[0]
        .expect_start("ERR 421 too many connections: the coordinator has no file descriptor left");
    silent[0].expect_eof();
    coordinator.limit_files(None);
}

#[test]
fn silent_sockets_lock_no_client_out() {
    let coordinator = Coordinator::start(30, &["max_connections=50"]);
    let mut silent: Vec<_> = (0..50).map(|_| coordinator.client()).collect();
    silent[3].write(b"bob#pi"); // A line begun is none.
    let mut newcomer = coordinator.client();
    newcomer.check(PING, "OK ping");
    for _ in 0..4 {
        // The oldest gives way, and is told so.
        coordinator.client().check(PING, "OK ping");
    }
    let stats = newcomer.stats();
    assert_eq!(stats["connections_refused"], "0", "{stats:?}");
    let displaced: u64 = stats["connections_displaced"].parse().unwrap();
    assert!((1..=5).contains(&displaced), "{stats:?}");
    let mut first = silent.remove(0);
    let reply = first.expect_start("ERR 421 too many connections: 50 is the limit ");
    assert!(reply.contains("this one has sent no request"), "{reply}");
    first.expect_eof();
    // The youngest is still there.
    silent.pop().unwrap().check(PING, "OK ping");
}

#[test]
fn who_has_sent_a_line_does_not_give_way() {
    let coordinator = Coordinator::start(30, &["max_connections=3"]);
    let mut clients: Vec<_> = (0..3).map(|_| coordinator.client()).collect();
    clients[0].check(PING, "OK ping");
    clients[1].write(b"nonsense\n");
    clients[1].expect_start("ERR 400 ");
    coordinator.client().check(PING, "OK ping");
    clients[2].expect_start("ERR 421 ");
    // Its place is free again as the newcomer has gone; then nobody is silent any more.
    clients[0].until_stat("connections", 2);
    let mut third = coordinator.client();
    third.check(PING, "OK ping");
    let mut refused = coordinator.client();
    refused.expect_start("ERR 421 too many connections: 3 is the limit (max_connections): try");
    refused.expect_eof();
    clients[0].check(PING, "OK ping");
    clients[1].check(PING, "OK ping");
    third.check(PING, "OK ping");
}

#[test]
fn a_request_that_has_arrived_keeps_its_socket() {
    let coordinator = Coordinator::start(30, &["max_connections=2"]);
    let mut silent = [coordinator.client(), coordinator.client()];
    coordinator.stop();
    let mut newcomers = [(); 3].map(|()| coordinator.client());
    newcomers.iter_mut().for_each(|newcomer| newcomer.say(PING));
    coordinator.go_on();
    silent.iter_mut().for_each(|client| drop(client.expect_start("ERR 421 ")));
    let [first, second, third] = &mut newcomers;
    first.expect("OK ping");
    second.expect("OK ping");
    third.expect_start("ERR 421 ");
}

#[test]
fn a_flood_of_silent_sockets_holds_no_more_files_than_the_rules_say() {
    let coordinator = Coordinator::start(30, &["max_connections=20"]);
    let mut other = coordinator.client();
    other.check(PING, "OK ping");
    let files = coordinator.files();
    let flood: Vec<_> = (0..600).map(|_| coordinator.client()).collect();
    for _ in 0..30 {
        coordinator.client().check(PING, "OK ping");
        let open = coordinator.files();
        assert!(open <= files + 20 + 64 + 2, "{open} files, {files} before");
    }
    other.check(PING, "OK ping");
    drop(flood);
    other.until_stat("connections", 1);
    coordinator.until_files(files);
}
