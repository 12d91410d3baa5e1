//! The service manager: sd_notify, the watchdog, and sockets that are passed.

use std::fs;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::port::ReservedPort;
use support::{DEADLINE, Timer};

const COORDINATOR: &str = env!("CARGO_BIN_EXE_coordinator");

/// A process that ends with the test.
struct Service(Child);

impl Service {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        Self::over(UnixDatagram::bind(path).unwrap())
    }

    fn over(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    fn message(&self) -> String {
        let mut bytes = [0; 4096];
        let count = self.0.recv(&mut bytes).expect("a message of the service");
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    /// Returns the next message that is no sign of life.
    fn expect(&self, start: &str) -> String {
        loop {
            let message = self.message();
            if message != "WATCHDOG=1" {
                assert!(message.starts_with(start), "{message:?}, expected {start:?}");
                return message;
            }
        }
    }
}

/// Writes a config file in a folder. Returns its path.
fn config(folder: &Path, port: &ReservedPort, lines: &str) -> PathBuf {
    let path = folder.join("c.txt");
    fs::write(&path, format!("{port}\n60\nbind=127.0.0.1\n{lines}")).unwrap();
    path
}

fn start(config: &Path, variables: &[(&str, &str)]) -> Service {
    let mut command = Command::new(COORDINATOR);
    command.arg(config).envs(variables.iter().copied());
    Service(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[test]
fn the_service_manager_learns_of_the_start_a_reload_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, port) = (folder.path().join("notify"), ReservedPort::new());
    let manager = Manager::at(&socket);
    let data = format!("data_dir={}\n", folder.path().join("data").display());
    let path = config(folder.path(), &port, &data);
    let mut service = start(&path, &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    manager.expect("STATUS=reading the journal ");
    let ready = manager.expect("READY=1\nSTATUS=");
    assert!(ready.contains(&format!("listening on 127.0.0.1:{port}")), "{ready}");
    config(folder.path(), &port, &format!("{data}max_members=5\n"));
    service.signal(Signal::HUP);
    let reloading = manager.expect("RELOADING=1\nMONOTONIC_USEC=");
    let time = reloading.rsplit('=').next().unwrap().parse::<u64>().unwrap();
    assert!(time > 0);
    let ready = manager.expect("READY=1\nSTATUS=files read again: ");
    assert!(ready.ends_with("changed: max_members=5 (was 10000)"), "{ready}");
    fs::write(&path, "nonsense\n").unwrap();
    service.signal(Signal::HUP);
    manager.expect("RELOADING=1\nMONOTONIC_USEC=");
    manager.expect("READY=1\nSTATUS=SIGHUP: nothing was changed: ");
    service.signal(Signal::TERM);
    manager.expect("STOPPING=1\n");
    assert!(service.0.wait().unwrap().success());
}

#[test]
fn signs_of_life_come_at_half_of_the_interval_while_the_loop_turns() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("groupcast-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::over(UnixDatagram::bind_addr(&address).unwrap());
    let port = ReservedPort::new();
    let path = config(folder.path(), &port, "");
    let socket = format!("@{name}");
    let variables = [("NOTIFY_SOCKET", socket.as_str()), ("WATCHDOG_USEC", "100000")];
    // Messages may be read late, but none is sent before the start.
    let timer = Timer::start(DEADLINE);
    let service = start(&path, &variables);
    manager.expect("READY=1\n");
    for _ in 0..8 {
        assert_eq!(manager.message(), "WATCHDOG=1");
    }
    assert!(timer.elapsed().as_millis() >= 7 * 50, "{:?}: too often", timer.elapsed());
    // A program that is stopped does not turn.
    service.signal(Signal::STOP);
    let _ = rustix::process::waitpid(
        Some(Pid::from_child(&service.0)),
        rustix::process::WaitOptions::UNTRACED,
    );
    manager.0.set_nonblocking(true).unwrap();
    while manager.0.recv(&mut [0; 64]).is_ok() {}
    manager.0.set_nonblocking(false).unwrap();
    manager.0.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    assert!(manager.0.recv(&mut [0; 64]).is_err(), "nothing comes of a loop that stands still");
    service.signal(Signal::CONT);
    manager.0.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(manager.message(), "WATCHDOG=1");
}

#[test]
fn a_watchdog_of_another_process_and_no_manager_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, port) = (folder.path().join("notify"), ReservedPort::new());
    let manager = Manager::at(&socket);
    let path = config(folder.path(), &port, "");
    let socket = socket.to_str().unwrap();
    let variables = [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", "10000"), ("WATCHDOG_PID", "1")];
    let mut service = start(&path, &variables);
    manager.expect("READY=1\n");
    service.signal(Signal::TERM);
    assert!(manager.message().starts_with("STOPPING=1\n"), "no sign of life before it");
    assert!(service.0.wait().unwrap().success());
    let absent = folder.path().join("absent").display().to_string();
    let mut service = start(&path, &[("NOTIFY_SOCKET", &absent)]);
    let timer = Timer::start(DEADLINE);
    while std::net::TcpStream::connect(("127.0.0.1", port.number())).is_err() {
        assert!(timer.left().is_some(), "it does not start without its manager");
    }
    service.signal(Signal::TERM);
    assert!(service.0.wait().unwrap().success());
}

/// The first line of output names the address of the passed socket, and not that of the config.
#[test]
fn a_socket_of_systemd_replaces_port_and_bind() {
    let activate = "systemd-socket-activate";
    if Command::new(activate).arg("--version").output().is_err() {
        let _ = writeln!(std::io::stderr(), "SKIPPED a_socket_of_systemd: no {activate}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (other, port) = (ReservedPort::new(), ReservedPort::new());
    let path = config(folder.path(), &other, "");
    let listen = format!("--listen=127.0.0.1:{port}");
    let mut command = Command::new(activate);
    command.args([listen.as_str(), COORDINATOR]).arg(&path);
    let _service = Service(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let timer = Timer::start(DEADLINE);
    // The connection that starts the program waits in the queue of the socket, and is served.
    let socket = loop {
        match std::net::TcpStream::connect(("127.0.0.1", port.number())) {
            Ok(socket) => break socket,
            Err(_) => assert!(timer.left().is_some(), "{activate} does not listen"),
        }
    };
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    (&socket).write_all(b"me#ping#-\n").unwrap();
    let mut reply = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(&socket), &mut reply).unwrap();
    assert_eq!(reply, "OK ping\n");
    assert!(std::net::TcpStream::connect(("127.0.0.1", other.number())).is_err());
}

#[cfg(feature = "participant")]
#[test]
fn a_participant_is_ready_when_it_is_online() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, port) = (folder.path().join("notify"), ReservedPort::new());
    let manager = Manager::at(&socket);
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    command.args(["--id", "ann", "--no-log", "--join", "--follow", "--coordinator"]);
    command.arg(format!("127.0.0.1:{port}")).env("NOTIFY_SOCKET", &socket);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut participant = Service(command.spawn().unwrap());
    manager.0.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    assert!(manager.0.recv(&mut [0; 64]).is_err(), "there is no coordinator yet");
    manager.0.set_read_timeout(Some(DEADLINE)).unwrap();
    let path = config(folder.path(), &port, "");
    let _coordinator = start(&path, &[]);
    assert_eq!(manager.message(), "READY=1\nSTATUS=online");
    participant.signal(Signal::TERM);
    manager.expect("STOPPING=1\n");
    assert!(participant.0.wait().unwrap().success());
}
