//! The real coordinator as a child process that ends with the test.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use super::member::Member;
use super::port::ReservedPort;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use super::preload::Preload;
use super::transcript::{Transcript, lock};
use super::wire::Client;
use super::{DEADLINE, Timer, program};

/// Longest start of a site: after a kill it watches for another process of its name, and servers of
/// the engine may be electing a leader.
const SITE_START: Duration = Duration::from_secs(60);

/// A running coordinator, or a site.
pub struct Coordinator {
    program: &'static str,
    pub transcript: Arc<Transcript>,
    pub address: SocketAddr,
    /// Its port: nobody takes it between two that are to have it.
    port: Arc<ReservedPort>,
    /// Lines of standard output; the channel ends when the process ends.
    stdout: Receiver<String>,
    first_line: String,
    /// The config file is in it, and the journal if there is one.
    directory: Arc<TempDir>,
    ttl_s: u64,
    environment: Environment,
}

/// Environment variables added to those of the tests.
pub type Environment = Vec<(&'static str, PathBuf)>;

impl Coordinator {
    /// Starts one on a free port with further `key=value` lines of config.
    pub fn start(ttl_s: u64, options: &[&str]) -> Self {
        Self::start_with(Environment::new(), ttl_s, options)
    }

    /// Starts one on a free port, with this in its environment.
    pub fn start_with(environment: Environment, ttl_s: u64, options: &[&str]) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let port = Arc::new(ReservedPort::new());
        Self::start_in("coordinator", (directory, port), ttl_s, options, environment, &[])
    }

    /// Starts a site: one coordinator of several.
    pub fn start_site(ttl_s: u64, options: &[&str]) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let port = Arc::new(ReservedPort::new());
        Self::start_in("site", (directory, port), ttl_s, options, Environment::new(), &[])
    }

    /// Starts one on this port.
    pub fn start_on(port: ReservedPort, ttl_s: u64) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let at = (directory, Arc::new(port));
        Self::start_in("coordinator", at, ttl_s, &[], Environment::new(), &[])
    }

    /// Starts one with a journal in its directory.
    pub fn start_with_data_dir(ttl_s: u64, options: &[&str]) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let data_dir = format!("data_dir={}", directory.path().join("data").display());
        let options: Vec<&str> = options.iter().copied().chain([data_dir.as_str()]).collect();
        let port = Arc::new(ReservedPort::new());
        let at = (directory, port);
        Self::start_in("coordinator", at, ttl_s, &options, Environment::new(), &[])
    }

    /// Starts one with a journal among the files of a preload, under that preload.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pub fn start_under(preload: &Preload, options: &[&str]) -> Self {
        let data_dir = format!("data_dir={}", preload.root().join("data").display());
        let options = [&[data_dir.as_str()], options].concat();
        Self::start_with(preload.environment(), 600, &options)
    }

    /// Starts the next one where this one was, with the same port, journal and options.
    pub fn start_again(&self) -> Self {
        self.start_again_with(&[])
    }

    /// As [`Coordinator::start_again`], with more on its command line.
    pub fn start_again_with(&self, arguments: &[&str]) -> Self {
        let config = std::fs::read_to_string(self.config()).unwrap();
        let options: Vec<&str> = config.lines().skip(2).collect();
        let at = (Arc::clone(&self.directory), Arc::clone(&self.port));
        let environment = self.environment.clone();
        Self::start_in(self.program, at, self.ttl_s, &options, environment, arguments)
    }

    /// Starts the next one with the journal and the options of this one, at another port.
    pub fn start_at(&self, port: Arc<ReservedPort>) -> Self {
        let config = std::fs::read_to_string(self.config()).unwrap();
        let options: Vec<&str> = config.lines().skip(2).collect();
        let (directory, environment) = (Arc::clone(&self.directory), self.environment.clone());
        Self::start_in(self.program, (directory, port), self.ttl_s, &options, environment, &[])
    }

    fn start_in(
        program_name: &'static str,
        (directory, port): (Arc<TempDir>, Arc<ReservedPort>),
        ttl_s: u64,
        options: &[&str],
        environment: Environment,
        arguments: &[&str],
    ) -> Self {
        let config = directory.path().join("coordinator.txt");
        let mut lines = format!("{port}\n{ttl_s}\n");
        for option in options {
            writeln!(lines, "{option}").unwrap();
        }
        std::fs::write(&config, lines).unwrap();
        let mut child = Command::new(program(program_name))
            .args(arguments)
            .arg(&config)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = read_lines(child.stdout.take().unwrap());
        let stderr = read_all(child.stderr.take().unwrap());
        let transcript = Transcript::new(child, stderr);
        let deadline = if program_name == "site" { SITE_START } else { DEADLINE };
        let first_line = match stdout.recv_timeout(deadline) {
            Ok(line) => line,
            Err(error) => transcript.fail(&format!("no startup line: {error}")),
        };
        let address = address_in(&first_line).unwrap_or_else(|| {
            transcript.fail(&format!("no address in the startup line {first_line:?}"))
        });
        Self {
            program: program_name,
            transcript,
            address,
            port,
            stdout,
            first_line,
            directory,
            ttl_s,
            environment,
        }
    }

    /// The line that it has printed at its start.
    pub fn first_line(&self) -> &str {
        &self.first_line
    }

    /// Its config file.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("coordinator.txt")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Ends it as nothing can be prepared for.
    pub fn kill(&self) {
        let mut child = lock(&self.transcript.child);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A command socket from the address that the operating system picks.
    pub fn client(&self) -> Client {
        Client::connect(&self.transcript, self.address, None)
    }

    /// A command socket from an address of our choice.
    pub fn client_from(&self, ip: &str) -> Client {
        Client::connect(&self.transcript, self.address, Some(ip.parse().unwrap()))
    }

    /// A member on 127.0.0.1, online.
    pub fn join(&self, id: &str, options: &str) -> Member {
        Member::join(self, id, "127.0.0.1", options)
    }

    /// A member on another address of this machine, online.
    pub fn join_from(&self, ip: &str, id: &str, options: &str) -> Member {
        Member::join(self, id, ip, options)
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let pid = Pid::from_child(&lock(&self.transcript.child));
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Sends it SIGHUP: it reads its files again.
    pub fn hang_up(&self) {
        let pid = Pid::from_child(&lock(&self.transcript.child));
        kill_process(pid, Signal::HUP).unwrap();
    }

    /// Stops it, so that what follows has all arrived before it looks, in the order of our choice.
    pub fn stop(&self) {
        let pid = Pid::from_child(&lock(&self.transcript.child));
        kill_process(pid, Signal::STOP).unwrap();
        let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
        assert!(stopped.is_some_and(|(_, status)| status.stopped()));
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        let pid = Pid::from_child(&lock(&self.transcript.child));
        kill_process(pid, Signal::CONT).unwrap();
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub fn wait(&self) -> ExitStatus {
        let timer = Timer::start(DEADLINE);
        while let Some(left) = timer.left() {
            match self.stdout.recv_timeout(left) {
                Ok(_) => (),
                Err(RecvTimeoutError::Disconnected) => {
                    return lock(&self.transcript.child).wait().unwrap();
                }
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        self.transcript.fail("the coordinator does not end")
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        let mut child = lock(&self.transcript.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The address behind `listening on`, one that can be connected to.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, behind) = line.split_once("listening on ")?;
    let word = behind.split([',', ' ']).next()?;
    let mut address: SocketAddr = word.parse().ok()?;
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => (),
    }
    Some(address)
}

fn read_lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // The reader goes on without a receiver: a full pipe must not stop the coordinator.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn read_all(mut stream: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&all);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            lock(&shared).extend_from_slice(&bytes[..count]);
        }
    });
    all
}

/// Runs a coordinator that only reports about the journal in `directory`.
pub fn inspect(directory: &Path) -> Output {
    Command::new(program("coordinator")).arg("--inspect").arg(directory).output().unwrap()
}

/// Waits until the journal in `directory` holds this cursor of a member.
#[track_caller]
pub fn until_written_down(directory: &Path, id: &str, acked: u64) {
    let timer = Timer::start(DEADLINE);
    let (who, acked) = (format!("{id} "), format!(" acked={acked} "));
    while timer.left().is_some() {
        let report = String::from_utf8(inspect(directory).stdout).unwrap();
        if report.lines().any(|line| line.starts_with(&who) && line.contains(&acked)) {
            return;
        }
    }
    panic!("{id} has not{acked}in the journal");
}
