//! Messages that the engine has not decided: their clients fail or send half a line meanwhile, or
//! their site ends.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use support::wire::Client;

use crate::group::{eventually, founded, later, start, start_with, stderr_of};

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

#[test]
fn a_site_that_ends_without_the_engine_names_the_engine_and_no_disk() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    let mut ann = oslo.join("ann", "acks=1");
    let mut other = oslo.client();
    servers.all[0].pause();
    ann.command.say("ann#msend undecided#127.0.0.1");
    eventually("undecided", || number_of(&mut other, "engine_waiting") >= 1);
    oslo.terminate();
    assert_eq!(oslo.wait().code(), Some(1));
    let text = stderr_of(&oslo);
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.starts_with("site: the engine has not stored the end of this site: "), "{text}");
    servers.all[0].resume();
}
