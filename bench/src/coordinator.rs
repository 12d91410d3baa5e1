//! A coordinator process on a free port of the loopback interface.

use std::ffi::OsStr;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::command::{CommandSocket, ConnectBack};
use crate::cores::Cores;
use crate::process::Server;
use crate::tls::Tls;

#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Tls>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    /// Time to live of a message, in seconds.
    pub(crate) ttl_s: u64,
    pub(crate) options: &'a [&'a str],
    /// Limit on open files, if it differs from the limit of this process.
    pub(crate) files_max: Option<u32>,
    pub(crate) cores: Option<Cores>,
    /// In a process group of its own, the process does not get Ctrl-C.
    pub(crate) is_apart: bool,
    pub(crate) tls: Option<&'a Tls>,
}

impl<'a> Start<'a> {
    pub(crate) const fn new(program: &'a Path, ttl_s: u64, options: &'a [&'a str]) -> Self {
        let (files_max, cores, is_apart, tls) = (None, None, false, None);
        Self { program, ttl_s, options, files_max, cores, is_apart, tls }
    }

    /// Starts the process and waits until it listens.
    pub(crate) fn run(&self) -> Result<Coordinator> {
        let mut command = self.command();
        // The config comes through standard input, without a file.
        let options = ["--bind", "127.0.0.1", "--log-level", "error"];
        command.args(options).args(self.options).arg("/dev/stdin").stdin(Stdio::piped());
        if let Some(tls) = self.tls {
            command.arg("--tls").arg(tls.key_and_certificate());
        }
        if self.is_apart {
            command.process_group(0);
        }
        let mut server = Server::start("the coordinator", &mut command, self.cores)?;
        if let Some(mut stdin) = server.child.stdin.take() {
            write!(stdin, "0\n{}\n", self.ttl_s)
                .context("cannot write the coordinator's config")?;
        }
        let line = server.line()?;
        match listening_on(&line) {
            Some(address) => Ok(Coordinator { server, address, tls: self.tls.cloned() }),
            None => bail!("the coordinator's first line: {line}"),
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
    pub(crate) fn command(&self) -> Result<CommandSocket> {
        CommandSocket::connect_with(self.address, self.tls.as_ref())
    }

    /// A listener for members of this coordinator.
    pub(crate) fn connect_back(&self) -> Result<ConnectBack> {
        Ok(ConnectBack::listen()?.with(self.tls.clone()))
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
