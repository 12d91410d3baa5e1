//! A process that runs out of files. The limit holds for all threads, so the test starts its own
//! program again, which does nothing but this.

use std::fs::File;
use std::net::TcpStream;
use std::process::Command;

use groupcast::limits;
use groupcast::net::{Accept, Acceptor, Connection, LISTENER, raise_file_limit, wait};
use groupcast::time::Millis;
use mio::{Events, Poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const DEADLINE: Option<Millis> = Some(Millis::new(10_000));

#[test]
fn out_of_files_the_waiting_are_served_once_there_are_files_and_the_reserve_comes_first() {
    let own_process = concat!(module_path!(), "::in_a_process_of_its_own");
    let (_, name) = own_process.split_once("::").unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap());
    let output = test.args(["--ignored", "--exact", name]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "changes the limits of its process: the test above runs it"]
fn in_a_process_of_its_own() {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();
    assert_eq!(raise_file_limit().unwrap(), hard);
    assert_eq!(getrlimit(Resource::Nofile).current, hard);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();

    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(4));
    let mut acceptor = Acceptor::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    acceptor.register(poll.registry(), LISTENER).unwrap();
    let address = acceptor.local_addr().unwrap();
    let waiting: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    wait(&mut poll, &mut events, Millis::ZERO, DEADLINE).unwrap();
    acceptor.on_event();
    let mut clients: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();

    let Accept::OutOfFiles(error) = acceptor.accept(Millis::ZERO) else { panic!("no file left") };
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    assert!(matches!(acceptor.accept(Millis::ZERO), Accept::Paused));
    wait(&mut poll, &mut events, Millis::ZERO, Some(Millis::new(50))).unwrap();
    assert!(events.is_empty(), "no edge comes for those who wait already");

    assert!(Connection::connect(address).is_err(), "no file for a connection of our own");
    assert!(acceptor.release_one());
    let connection = Connection::connect(address).unwrap();

    clients.pop();
    acceptor.file_closed();
    assert!(
        matches!(acceptor.accept(Millis::ZERO), Accept::OutOfFiles(_)),
        "the one file that was closed belongs to the reserve"
    );
    let retry = acceptor.retry_at().unwrap();
    assert_eq!(retry, Millis::new(limits::ACCEPT_PAUSE_MS));
    clients.truncate(clients.len() - 10);
    let taken: Vec<Accept> = (0..5).map(|_| acceptor.accept(retry)).collect();
    assert!(matches!(
        taken[..],
        [
            Accept::Accepted(..),
            Accept::Accepted(..),
            Accept::Accepted(..),
            Accept::Accepted(..),
            Accept::Drained
        ]
    ));
    assert_eq!(acceptor.pauses(), 2);
    assert!(acceptor.release_one(), "the reserve is whole");
    drop((waiting, connection));
}
