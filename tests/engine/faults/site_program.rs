//! A site that may end at any time, also while it starts, and is started again as a service would.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::port::ReservedPort;
use support::program;

use crate::group::{TTL_S, options};
use crate::servers::Servers;

/// One site with its config, its port and its diagnostics.
pub(crate) struct SiteProgram {
    pub(crate) name: String,
    config: PathBuf,
    diagnostics: PathBuf,
    port: ReservedPort,
    child: Option<Child>,
    /// Bytes of diagnostics before its latest life.
    earlier: usize,
}

impl SiteProgram {
    pub(crate) fn start(servers: &Servers, name: &str) -> Self {
        let port = ReservedPort::new();
        let config = servers.directory.path().join(format!("{name}.txt"));
        let diagnostics = config.with_extension("out");
        let lines = options(servers, name).join("\n");
        fs::write(&config, format!("{port}\n{TTL_S}\n{lines}\n")).unwrap();
        let name = name.to_owned();
        let mut site = Self { name, config, diagnostics, port, child: None, earlier: 0 };
        site.restart();
        site
    }

    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none());
        self.earlier = fs::metadata(&self.diagnostics).map_or(0, |file| file.len() as usize);
        let log = File::options().create(true).append(true).open(&self.diagnostics).unwrap();
        let mut command = Command::new(program("site"));
        command.arg(&self.config).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port.number()))
    }

    /// Returns all that its latest life has said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.diagnostics).unwrap().split_off(self.earlier)
    }

    /// Returns true if its latest life has begun to serve.
    pub(crate) fn is_serving(&self) -> bool {
        self.child.is_some() && self.said().contains("listening on ")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Waits for the end of the process. Returns its exit code; `None` after a signal.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.take().unwrap().wait().unwrap().code()
    }

    /// Returns the exit code of a process that has ended by itself.
    pub(crate) fn take_ended(&mut self) -> Option<i32> {
        let status = self.child.as_mut()?.try_wait().unwrap()?;
        self.child = None;
        status.code()
    }
}

impl Drop for SiteProgram {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = fs::read_to_string(&self.diagnostics).unwrap_or_default();
            println!("--- site {}\n{said}---", self.name);
        }
        if self.child.is_some() {
            self.signal(Signal::KILL);
            self.wait();
        }
    }
}
