//! Sites that start: until a site serves, a client learns at once that it must go elsewhere.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use support::{Timer, program};

use crate::group::{founded, start};
use crate::servers::LONG;

/// Time in which a site that serves has certainly answered, and a start has not ended.
const SHORT: Duration = Duration::from_secs(2);

/// What a client finds at the address of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Refused,
    Closed,
    Served,
}

/// Connects once, and asks for a sign of life.
#[track_caller]
fn look(address: SocketAddr) -> Found {
    let mut socket = match TcpStream::connect(address) {
        Ok(socket) => socket,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Found::Refused,
        Err(error) => panic!("{error}"),
    };
    socket.set_read_timeout(Some(SHORT)).unwrap();
    let _ = socket.write_all(b"x#ping#127.0.0.1\n"); // It may be closed already.
    let mut reply = [0; 7];
    match socket.read(&mut reply) {
        Ok(0) => Found::Closed,
        Ok(_) => Found::Served,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Found::Closed,
        Err(error) => panic!("it accepts a connection and does not answer: {error}"),
    }
}

/// Returns what clients find until they are served.
#[track_caller]
fn until_served(address: SocketAddr) -> Vec<Found> {
    let (timer, mut found) = (Timer::start(LONG), Vec::new());
    while found.last() != Some(&Found::Served) {
        assert!(timer.left().is_some(), "never served");
        found.push(look(address));
        thread::park_timeout(Duration::from_millis(100));
    }
    found
}

/// Checks that all but the last client have found the same.
#[track_caller]
fn check(found: &[Found], before: Found) {
    let (last, others) = found.split_last().unwrap();
    assert_eq!(*last, Found::Served);
    assert!(others.len() > 5, "it was killed, so that its start takes 5 s: {found:?}");
    assert!(others.iter().all(|it| *it == before), "{found:?}");
}

#[test]
fn a_site_refuses_connections_until_it_can_serve() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    oslo.kill();
    let address = oslo.address;
    let found = thread::spawn(move || until_served(address));
    let oslo = oslo.start_again();
    check(&found.join().unwrap(), Found::Refused);
    assert_eq!(oslo.join("ann", "acks=1").msend("one"), 1);
}

#[test]
fn a_site_closes_connections_at_the_socket_of_a_service_manager_until_it_can_serve() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    oslo.kill();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let inherit = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$1" 3<&0 < /dev/null"#;
    let mut site = Command::new("sh")
        .args(["-c", inherit])
        .arg(program("site"))
        .arg(oslo.config())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let found = thread::spawn(move || until_served(address)).join();
    let mut first_line = String::new();
    if found.is_ok() {
        BufReader::new(site.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
    }
    site.kill().unwrap();
    site.wait().unwrap();
    check(&found.unwrap(), Found::Closed);
    assert!(first_line.contains(&format!("listening on {address}")), "{first_line}");
}
