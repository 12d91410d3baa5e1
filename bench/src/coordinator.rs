//! A coordinator of our own, on a free port of the loopback interface.

use std::ffi::OsStr;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::CommandSocket;
use crate::cores::Cores;
use crate::failure::{Failure, Result};
use crate::process::Server;

/// A running coordinator.
#[derive(Debug)]
pub struct Coordinator {
    /// The process.
    pub server: Server,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What a coordinator is started with.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// Seconds that a message lives.
    pub ttl_s: u64,
    /// Further options.
    pub options: &'a [&'a str],
    /// The soft and hard limit on open files, if not ours.
    pub files_max: Option<u32>,
    /// The core to run on, if not any.
    pub cores: Option<Cores>,
    /// Whether it is spared the Ctrl-C that is for this program.
    pub is_apart: bool,
}

impl<'a> Start<'a> {
    /// Defaults in all but these.
    #[must_use]
    pub const fn new(program: &'a Path, ttl_s: u64, options: &'a [&'a str]) -> Self {
        Self { program, ttl_s, options, files_max: None, cores: None, is_apart: false }
    }

    /// Starts it; once this returns it can be talked to.
    ///
    /// # Errors
    ///
    /// Those of starting it, and a first line without an address.
    pub fn run(&self) -> Result<Coordinator> {
        match self.cores {
            Some(cores) => cores.start_server(|| self.start()),
            None => self.start(),
        }
    }

    fn start(&self) -> Result<Coordinator> {
        let mut command = self.command();
        // The config comes through standard input, so that no file has to be written.
        let options = ["--bind", "127.0.0.1", "--log-level", "error"];
        command.args(options).args(self.options).arg("/dev/stdin").stdin(Stdio::piped());
        if self.is_apart {
            command.process_group(0);
        }
        let mut server = Server::start("the coordinator", &mut command)?;
        if let Some(mut stdin) = server.stdin() {
            let written = write!(stdin, "0\n{}\n", self.ttl_s);
            written.map_err(Failure::system("cannot write the coordinator's config"))?;
        }
        let line = server.line()?;
        match listening_on(&line) {
            Some(address) => Ok(Coordinator { server, address }),
            None => Err(Failure::Wrong(format!("the coordinator's first line: {line}"))),
        }
    }

    fn command(&self) -> Command {
        match self.files_max {
            None => Command::new(self.program),
            Some(files) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
                shell.args([OsStr::new("-c"), OsStr::new(&script), self.program.as_os_str()]);
                shell
            }
        }
    }
}

impl Coordinator {
    /// A new command socket.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub fn command(&self) -> Result<CommandSocket> {
        CommandSocket::connect(self.address)
    }
}

/// The address of `... listening on <address>, ...`.
fn listening_on(line: &str) -> Option<SocketAddr> {
    let (_, behind) = line.split_once(" listening on ")?;
    behind.split(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_address() {
        let line = "coordinator 0.1.0 listening on 127.0.0.1:41234, epoch 00ff, ttl 60 s";
        assert_eq!(listening_on(line), Some("127.0.0.1:41234".parse().unwrap()));
        assert_eq!(listening_on("coordinator 0.1.0 listening on port 1"), None);
        assert_eq!(listening_on("cannot listen"), None);
    }
}
