//! Participants that mean no good, and what the others notice of them.

#[cfg(test)]
#[expect(dead_code, reason = "each test program uses its own part of it")]
mod support;

use support::coordinator::Coordinator;
use support::listener::Listener;

#[test]
fn what_comes_together_with_the_connection_is_noticed_too() {
    for bytes in [&b""[..], b"nonsense\n"] {
        let coordinator = Coordinator::start(30, &["connect_timeout=60"]);
        let mut blocked = Listener::blocked(&coordinator.scene, "127.0.0.1");
        let mut client = coordinator.client();
        let register = format!("bob#register {} acks=1#127.0.0.1", blocked.port());
        client.write(format!("bob#ping#127.0.0.1\n{register}\n").as_bytes());
        client.expect("OK ping"); // So the other one is under way.
        coordinator.pause();
        blocked.unblock();
        let mut socket = blocked.accept();
        socket.write(bytes);
        if bytes.is_empty() {
            socket.half_close();
        }
        coordinator.resume();
        client.expect_start("OK register ");
        client.until_member("bob", |line| line.contains(" offline "));
        socket.expect_closed();
    }
}
