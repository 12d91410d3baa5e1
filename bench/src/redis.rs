//! A Redis server of our own, to be measured at the same work.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::command::CommandSocket;
use crate::cores::Cores;
use crate::failure::{Failure, Result};
use crate::peers::installed::free_address;
use crate::process::Server;
use crate::publisher::Dialect;

const PROGRAM: &str = "redis-server";

/// A running Redis server.
#[derive(Debug)]
pub struct Redis {
    /// The process.
    pub server: Server,
    address: SocketAddr,
}

impl Redis {
    /// What it says of its version; `None` if it is not installed.
    #[must_use]
    pub fn version() -> Option<String> {
        let output = Command::new(PROGRAM).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
        Some(version.unwrap_or("of unknown version").to_owned())
    }

    /// Starts one that writes nothing to a disk and gives up on no subscriber.
    ///
    /// # Errors
    ///
    /// Those of starting it.
    pub fn start(cores: Option<Cores>) -> Result<Self> {
        Self::start_with(cores, &["--appendonly", "no"])
    }

    /// Starts one with further options.
    ///
    /// # Errors
    ///
    /// Those of starting it.
    pub fn start_with(cores: Option<Cores>, further: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let port = address.port().to_string();
        let options = ["--bind", "127.0.0.1", "--port", &port, "--save", ""];
        let patience = ["--client-output-buffer-limit", "pubsub 0 0 0", "--daemonize", "no"];
        let mut command = Command::new(PROGRAM);
        command.args(options).args(patience).args(further).stdin(Stdio::null());
        let mut start = || {
            let mut server = Server::start(PROGRAM, &mut command)?;
            while !server.line()?.contains("Ready to accept connections") {}
            Ok(Self { server, address })
        };
        match cores {
            Some(cores) => cores.start_server(start),
            None => start(),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A subscriber to the one channel.
    ///
    /// # Errors
    ///
    /// Those of the socket, and another reply than expected.
    pub fn subscribe(&self) -> Result<TcpStream> {
        let mut subscriber = CommandSocket::connect(self.address)?;
        subscriber.write(b"*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\ngroup\r\n")?;
        for expected in ["*3", "$9", "subscribe", "$5", "group", ":1"] {
            let line = subscriber.line()?;
            if line != expected {
                return Err(Failure::Wrong(format!("{PROGRAM}: expected {expected}, got {line}")));
            }
        }
        Ok(subscriber.into_stream())
    }

    /// A socket to publish on.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub fn connect(&self) -> Result<TcpStream> {
        CommandSocket::connect(self.address).map(CommandSocket::into_stream)
    }

    /// How to publish to so many `receivers`.
    #[must_use]
    pub fn dialect(text_bytes: usize, receivers: usize) -> Dialect {
        let head = "*3\r\n$7\r\nPUBLISH\r\n$5\r\ngroup\r\n";
        Dialect {
            before: format!("{head}${text_bytes}\r\n").into_bytes(),
            behind: b"\r\n".to_vec(),
            reply: format!(":{receivers}\r").into_bytes(),
        }
    }
}
