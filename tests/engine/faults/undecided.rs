//! Clients whose messages the engine has not decided, and that fail or send half a line meanwhile.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use support::wire::Client;

use crate::group::{eventually, founded, later, start, start_with};

fn number_of(client: &mut Client, key: &str) -> u64 {
    client.stats()[key].parse().unwrap()
}

#[test]
fn a_client_that_fails_leaves_no_socket_behind() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    let _ann = oslo.join("ann", "acks=1");
    let mut other = oslo.client();
    other.check("x#ping#127.0.0.1", "OK ping"); // Its socket is accepted.
    let before = oslo.files();
    servers.all[0].pause();
    let mut failing = TcpStream::connect(oslo.address).unwrap();
    failing.write_all("ann#msend t#127.0.0.1\n".repeat(5).as_bytes()).unwrap();
    eventually("undecided", || number_of(&mut other, "engine_waiting") >= 5);
    // The connection ends with a reset.
    set_socket_linger(&failing, Some(Duration::ZERO)).unwrap();
    drop(failing);
    servers.all[0].resume();
    oslo.until_files(before);
}

#[test]
fn a_refusal_stands_behind_the_replies_to_the_messages_before() {
    let Some(servers) = founded(1) else { return };
    let oslo = start_with(&servers, "oslo", &["line_timeout=0.3"]);
    let mut ann = oslo.join("ann", "acks=1");
    let mut other = oslo.client();
    let before = number_of(&mut other, "errors");
    servers.all[0].pause();
    ann.command.write(b"ann#msend t#127.0.0.1\nann#ms");
    eventually("refused", || number_of(&mut other, "errors") > before);
    servers.all[0].resume();
    let reply = later(&mut ann);
    assert!(reply.starts_with("OK msend seq=1"), "{reply}");
    let reply = later(&mut ann);
    assert!(reply.starts_with("ERR 408 "), "{reply}");
}
