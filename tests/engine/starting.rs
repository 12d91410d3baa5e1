//! Sites that start: until a site serves, a client learns at once that it must go elsewhere.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use support::coordinator::Coordinator;
use support::http::{get, http_address};
use support::port::ReservedPort;
use support::{Timer, program};

use crate::group::{founded, start, start_with};
use crate::servers::LONG;

/// Result of a connection to a site that may be starting.
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
    socket.set_read_timeout(Some(LONG)).unwrap();
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

/// Checks what the first clients have found. A site listens, and closes what comes, from shortly
/// before it can serve.
#[track_caller]
fn check(found: &[Found], before: Found) {
    let first_ones = found.iter().take_while(|it| **it == before).count();
    assert!(first_ones > 5, "it was killed, so that its start takes 5 s: {found:?}");
    let (last, later_ones) = found.split_last().unwrap();
    assert_eq!(*last, Found::Served);
    assert!(later_ones[first_ones..].iter().all(|it| *it == Found::Closed), "{found:?}");
}

/// Starts a site with the config of `other`, as a service manager that has its socket does.
fn start_at(listener: TcpListener, other: &Coordinator, variables: &[(&str, &str)]) -> Child {
    let inherit = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$1" 3<&0 < /dev/null"#;
    let mut command = Command::new("sh");
    command.args(["-c", inherit]).arg(program("site")).arg(other.config());
    command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::piped());
    command.envs(variables.iter().copied()).stderr(Stdio::null()).spawn().unwrap()
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
fn the_status_page_of_a_site_refuses_connections_until_the_site_can_serve() {
    let Some(servers) = founded(1) else { return };
    let http = ReservedPort::new();
    let oslo = start_with(&servers, "oslo", &[&format!("http={http}")]);
    let (address, page) = (oslo.address, http_address(&oslo));
    oslo.kill();
    let found = thread::spawn(move || {
        let (timer, mut refused) = (Timer::start(LONG), 0);
        while timer.left().is_some() {
            let connected = TcpStream::connect(page);
            if look(address) == Found::Served {
                break;
            }
            assert_eq!(connected.unwrap_err().kind(), ErrorKind::ConnectionRefused);
            refused += 1;
            thread::park_timeout(Duration::from_millis(100));
        }
        refused
    });
    let oslo = oslo.start_again();
    assert!(found.join().unwrap() > 5, "it was killed, so that its start takes 5 s");
    assert_eq!(get(http_address(&oslo), "/readyz").status(), 200);
}

#[test]
fn a_site_closes_connections_at_the_socket_of_a_service_manager_until_it_can_serve() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    oslo.kill();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut site = start_at(listener, &oslo, &[]);
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

#[test]
fn a_site_that_waits_for_the_engine_closes_connections_gives_signs_of_life_and_obeys_signals() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    oslo.kill();
    servers.all[0].pause(); // It takes connections, and answers nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let path = path.to_str().unwrap();
    let variables = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "100000")];
    let mut site = start_at(listener, &oslo, &variables);
    let mut message = [0; 64];
    for _ in 0..5 {
        let length = manager.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"WATCHDOG=1");
    }
    assert_eq!(look(address), Found::Closed);
    let asked = Timer::start(LONG);
    rustix::process::kill_process(Pid::from_child(&site), Signal::TERM).unwrap();
    assert_eq!(site.wait().unwrap().code(), Some(0));
    let taken = asked.elapsed();
    assert!(taken < Duration::from_secs(5), "shorter than the time limit of a start: {taken:?}");
    servers.all[0].resume();
}
