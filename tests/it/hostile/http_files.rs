//! Clients of the group that use all files, beside the HTTP server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use support::coordinator::Coordinator;
use support::http::{connect_http, get, http_address};
use support::{DEADLINE, Timer};

/// Open files of the coordinator: more than it needs at its start.
const FILES: u64 = 60;

/// A coordinator that cannot open more than [`FILES`] files.
fn started() -> (Coordinator, SocketAddr) {
    let coordinator = Coordinator::start(60, &["http=0"]);
    let address = http_address(&coordinator);
    coordinator.limit_files(Some(FILES));
    (coordinator, address)
}

/// Connects clients until the coordinator accepts no more. They make a request, so that none of
/// them has to make room.
fn use_all_files(coordinator: &Coordinator) -> Vec<TcpStream> {
    let connect = |_| {
        let mut client = TcpStream::connect(coordinator.address).unwrap();
        client.write_all(b"x#ping#127.0.0.1\n").unwrap();
        client
    };
    let clients = (0..FILES).map(connect).collect();
    coordinator.until_said("accepting paused");
    clients
}

/// Times that the group found no free file.
fn pauses(address: SocketAddr) -> u64 {
    let text = get(address, "/metrics").body;
    let (_, rest) = text.split_once("\ngroupcast_accept_pauses_total ").unwrap();
    rest.split_once('\n').unwrap().0.parse().unwrap()
}

fn until_ready(address: SocketAddr) {
    let timer = Timer::start(DEADLINE);
    while get(address, "/readyz").body != "ready\n" {
        assert!(timer.left().is_some(), "not ready with free files");
    }
}

#[test]
fn http_is_answered_while_clients_use_all_files() {
    let (coordinator, address) = started();
    let clients = use_all_files(&coordinator);
    // The group tries to get each file that is free for a moment.
    let begin = pauses(address);
    while pauses(address) < begin + 10 {
        let response = get(address, "/readyz");
        let reason = "no file descriptor is free: connections are not accepted\n";
        assert_eq!((response.status(), &*response.body), (503, reason));
    }
    for path in ["/", "/metrics", "/status.json", "/healthz"] {
        assert_eq!(get(address, path).status(), 200, "{path}");
    }
    assert_eq!(get(address, "/events").status(), 503, "a reader would keep the file");
    // Nor does the server keep a connection that asks for more requests.
    let mut kept = connect_http(address);
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    drop(clients);
    until_ready(address);
    assert_eq!(coordinator.said("HTTP: no file descriptor is free"), 1, "logged once");
    coordinator.until_said("HTTP: a file descriptor is free again");
}

#[test]
fn silent_http_connections_do_not_keep_the_last_files() {
    let (coordinator, address) = started();
    let clients = use_all_files(&coordinator);
    let _silent: Vec<TcpStream> = (0..12).map(|_| connect_http(address)).collect();
    assert_eq!(get(address, "/readyz").status(), 503);
    drop(clients);
    until_ready(address);
}
