//! Servers of NATS: one, or three as a cluster.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use groupcast::net::engine::{EngineOptions, NewStream};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use support::Timer;
use support::port::ReservedPort;
use tempfile::TempDir;

/// Longest time for anything that must happen: an election takes up to 9 s.
pub(crate) const LONG: Duration = Duration::from_secs(40);

/// One server. Its process ends with it.
pub(crate) struct Server {
    pub(crate) name: String,
    ip: IpAddr,
    port: ReservedPort,
    monitor: ReservedPort,
    route: ReservedPort,
    directory: PathBuf,
    child: Option<Child>,
}

/// Servers with one directory, which is removed in the end.
pub(crate) struct Servers {
    pub(crate) all: Vec<Server>,
    pub(crate) directory: TempDir,
}

/// Path of the installed program.
pub(crate) fn program() -> Option<PathBuf> {
    let test = env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let program = target.join("engine/bin/nats-server");
    if program.exists() {
        return Some(program);
    }
    let name = thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(io::stderr(), "SKIPPED {name}: no {}: make engine", program.display());
    None
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

impl Servers {
    /// Starts `count` servers with further lines of configuration. `None` if there is no program.
    pub(crate) fn start(count: usize, further: &str) -> Option<Self> {
        Self::start_with(Ipv4Addr::LOCALHOST.into(), count, further, "")
    }

    /// Starts one server on this address.
    pub(crate) fn start_at(ip: IpAddr) -> Option<Self> {
        Self::start_with(ip, 1, "", "")
    }

    /// Starts servers that sync each entry before they acknowledge it.
    pub(crate) fn start_syncing(count: usize) -> Option<Self> {
        let ip = Ipv4Addr::LOCALHOST.into();
        Self::start_with(ip, count, "", ", sync_interval: always")
    }

    fn start_with(ip: IpAddr, count: usize, further: &str, jetstream: &str) -> Option<Self> {
        Self::start_each(&vec![ip; count], |server, routes| {
            let mut config = format!(
                "server_name: {}\nlisten: {}\nhttp: {}\n\
                 jetstream {{ store_dir: {:?}, max_file_store: 4G{jetstream} }}\n{further}\n",
                server.name,
                server.address(),
                server.monitor_address(),
                server.store()
            );
            if count > 1 {
                let listen = format!("listen: {}, routes: [{routes}]", server.route());
                let _ = writeln!(config, "cluster {{ name: gc, {listen} }}");
            }
            config
        })
    }

    /// Starts a server on each address. `config` gets the server, and the routes to all of them.
    pub(crate) fn start_each(
        ips: &[IpAddr],
        config: impl Fn(&Server, &str) -> String,
    ) -> Option<Self> {
        let program = program()?;
        let directory = TempDir::new().unwrap();
        let server = |(index, ip): (usize, &IpAddr)| {
            let name = format!("n{}", index + 1);
            let own = directory.path().join(&name);
            let [port, monitor, route] = [(); 3].map(|()| ReservedPort::new());
            Server { name, ip: *ip, port, monitor, route, directory: own, child: None }
        };
        let all: Vec<Server> = ips.iter().enumerate().map(server).collect();
        let routes: Vec<String> =
            all.iter().map(|server| format!("nats://{}", server.route())).collect();
        for server in &all {
            fs::create_dir(&server.directory).unwrap();
            let config = config(server, &routes.join(", "));
            fs::write(server.directory.join("nats.conf"), config).unwrap();
        }
        let mut servers = Self { all, directory };
        servers.all.iter_mut().for_each(|server| server.start(&program));
        servers.all.iter().for_each(Server::wait);
        Some(servers)
    }

    pub(crate) fn options(&self) -> EngineOptions {
        EngineOptions {
            servers: self.all.iter().map(Server::url).collect(),
            group: "g".to_owned(),
            ..EngineOptions::default()
        }
    }

    pub(crate) fn new_stream(&self) -> NewStream {
        let replicas = u32::try_from(self.all.len()).unwrap();
        NewStream { replicas, bytes_max: 1 << 30 }
    }

    /// Copies the store of a server that does not run, and returns the copy.
    pub(crate) fn keep(&self, index: usize) -> PathBuf {
        let server = &self.all[index];
        let kept = self.directory.path().join(format!("{}.kept", server.name));
        copy(&server.store(), &kept);
        kept
    }

    /// Replaces the store of a server that does not run.
    pub(crate) fn put_back(&self, index: usize, kept: &Path) {
        let store = self.all[index].store();
        fs::remove_dir_all(&store).unwrap();
        copy(kept, &store);
    }

    pub(crate) fn named(&mut self, name: &str) -> &mut Server {
        self.all.iter_mut().find(|server| server.name == name).unwrap()
    }
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("nats://{}:{}", self.ip, self.port)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (self.ip, self.port()).into()
    }

    /// Address for other servers.
    pub(crate) fn route(&self) -> SocketAddr {
        (self.ip, self.route.number()).into()
    }

    pub(crate) fn monitor(&self) -> String {
        format!("http://{}", self.monitor_address())
    }

    pub(crate) fn monitor_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.monitor.number()).into()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// Returns all that the server has logged.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn start(&mut self, program: &Path) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(self.directory.join("nats.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until the server greets a client.
    fn wait(&self) {
        let timer = Timer::start(LONG);
        while timer.left().is_some() {
            let Ok(stream) = TcpStream::connect((self.ip, self.port())) else {
                thread::yield_now();
                continue;
            };
            stream.set_read_timeout(timer.left()).unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            if line.starts_with("INFO ") {
                return;
            }
        }
        panic!("server {} does not greet: {}", self.name, self.said());
    }

    /// Replaces a part of the config. The next start reads it.
    pub(crate) fn change_config(&self, old: &str, new: &str) {
        let path = self.directory.join("nats.conf");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{text}");
        fs::write(path, text.replace(old, new)).unwrap();
    }

    /// Starts the server again on its store.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none());
        self.start(&program().unwrap());
        self.wait();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    /// SIGSTOP: the process keeps its sockets, and does nothing.
    pub(crate) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        let stopped = waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap();
        assert!(stopped.is_some_and(|(_, status)| status.stopped()));
    }

    pub(crate) fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Ends the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Ends the process with a signal.
    pub(crate) fn end(&mut self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
        self.child.take().unwrap().wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}
