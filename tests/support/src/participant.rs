//! The real participant as a child process, behind pipes or at a terminal.

use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tempfile::TempDir;

use super::{DEADLINE, Timer, program};

/// The files of one participant.
pub struct Home {
    pub directory: TempDir,
}

impl Home {
    pub fn new(id: &str, coordinator: SocketAddr) -> Self {
        Self::with_coordinators(id, &[coordinator])
    }

    /// With several coordinators, which are tried in this order.
    pub fn with_coordinators(id: &str, coordinators: &[SocketAddr]) -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        let line = |it: &SocketAddr| format!("{} {}\n", it.ip(), it.port());
        let coordinators: String = coordinators.iter().map(line).collect();
        let config = format!("{id}\n{}\n{coordinators}", home.log_path().display());
        fs::write(home.config(), config).unwrap();
        home
    }

    pub fn config(&self) -> PathBuf {
        self.directory.path().join("participant.txt")
    }

    pub fn log_path(&self) -> PathBuf {
        self.directory.path().join("message.log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Returns a command that reads lines from the test after its own `-e` commands.
    pub fn command(&self, options: &[&str]) -> Command {
        self.command_as_is(&[&["-i"], options].concat())
    }

    /// One with these options and no others. Its messages have no colours.
    pub fn command_as_is(&self, options: &[&str]) -> Command {
        let mut command = Command::new(program("participant"));
        command.args(options).arg(self.config());
        command.env("TERM", "xterm").env("NO_COLOR", "1").env("XDG_STATE_HOME", self.state());
        command
    }

    /// The directory in which it keeps what it remembers beside its message log.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Through pipes, with all of its input at once.
    #[track_caller]
    pub fn script(&self, options: &[&str], input: &str) -> (Option<i32>, String) {
        let mut running = Running::start(self.command(options));
        running.write(input);
        running.input = None;
        let code = running.wait();
        (code, std::mem::take(&mut running.said))
    }
}

/// A participant that is killed, at latest, when its test ends.
pub struct Running {
    pub child: Child,
    pub input: Option<File>,
    output: Receiver<Vec<u8>>,
    /// All that it has said.
    pub said: String,
    /// Up to here it was expected.
    expected: usize,
}

impl Running {
    /// Both streams of its output are one pipe, so that their order is known.
    pub fn start(mut command: Command) -> Self {
        let (output, both) = std::io::pipe().unwrap();
        command.stdout(both.try_clone().unwrap()).stderr(both);
        let mut running = Self::spawn(command);
        let (sender, receiver) = mpsc::channel();
        read_into(sender, output);
        running.output = receiver;
        running
    }

    /// With a standard output of the test's own.
    pub fn start_as_is(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut running = Self::spawn(command);
        let (sender, receiver) = mpsc::channel();
        read_into(sender, running.child.stderr.take().unwrap());
        running.output = receiver;
        running
    }

    /// With both streams of its output of the test's own.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        drop(command); // It holds our copy of what it was given.
        let input = OwnedFd::from(child.stdin.take().unwrap()).into();
        let (_, output) = mpsc::channel();
        Self { child, input: Some(input), output, said: String::new(), expected: 0 }
    }

    /// At a terminal; its other end is the input.
    pub fn at_terminal(mut command: Command) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let open = || File::options().read(true).write(true).open(&name).unwrap();
        command.stdin(open()).stdout(open()).stderr(open());
        // A signal to the participant's process group must not reach the tests.
        let child = command.process_group(0).spawn().unwrap();
        let terminal = File::from(terminal);
        let (sender, output) = mpsc::channel();
        read_into(sender, terminal.try_clone().unwrap());
        Self { child, input: Some(terminal), output, said: String::new(), expected: 0 }
    }

    /// Its end of the terminal, for as long as the test holds that.
    pub fn terminal(&self) -> File {
        let name = ptsname(self.input.as_ref().unwrap(), Vec::new()).unwrap();
        File::options().read(true).write(true).open(name.into_string().unwrap()).unwrap()
    }

    pub fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    pub fn write_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Returns the end of the expected line.
    #[track_caller]
    pub fn expect_line(&mut self) -> String {
        let start = self.expected;
        self.expect("\n");
        self.said.get(start..self.expected).unwrap().trim_end().to_owned()
    }

    /// Waits until it has said this, after what was expected before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        if !self.try_expect(text) {
            let status = self.child.wait().unwrap();
            panic!("it ended ({status}) before it said {text:?}:\n{}", self.said);
        }
    }

    /// Waits until it has said this, or has ended without; whether it has said it.
    #[track_caller]
    pub fn try_expect(&mut self, text: &str) -> bool {
        let timer = Timer::start(DEADLINE);
        while let Some(left) = timer.left() {
            if let Some(at) = self.unexpected().find(text) {
                self.expected += at + text.len();
                return true;
            }
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.said.push_str(&String::from_utf8_lossy(&bytes)),
                Err(mpsc::RecvTimeoutError::Disconnected) => return false,
                Err(mpsc::RecvTimeoutError::Timeout) => break,
            }
        }
        panic!("{text:?} was not said:\n{}", self.said);
    }

    /// Takes in what it has said by now.
    pub fn take_output(&mut self) {
        while let Ok(bytes) = self.output.try_recv() {
            self.said.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Returns its output since the last expected line.
    pub fn unexpected(&self) -> &str {
        self.said.get(self.expected..).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; by then all that it said is known.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        let timer = Timer::start(DEADLINE);
        while let Some(left) = timer.left() {
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.said.push_str(&String::from_utf8_lossy(&bytes)),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return self.child.wait().unwrap().code();
                }
                Err(mpsc::RecvTimeoutError::Timeout) => break,
            }
        }
        panic!("it does not end:\n{}", self.said);
    }

    pub fn is_in_line_mode(&self) -> bool {
        let modes = tcgetattr(self.input.as_ref().unwrap()).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end; a terminal ends with an error.
fn read_into(sender: mpsc::Sender<Vec<u8>>, mut stream: impl Read + Send + 'static) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let _ = sender.send(bytes[..count].to_vec());
        }
    });
}

/// The texts of the messages in a log, in order.
pub fn texts(log: &str) -> Vec<&str> {
    let lines = log.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.splitn(4, '\t').nth(3)).collect()
}

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let timer = Timer::start(DEADLINE);
    while !holds() {
        assert!(timer.left().is_some(), "in vain waited for: {what}");
        thread::yield_now();
    }
}
