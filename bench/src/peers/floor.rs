//! The floor as a peer: it is given the lines that a coordinator would deliver.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::floor_server::{PUBLISHER, SUBSCRIBER};
use super::groupcast::Deliveries;
use super::link::connect;
use super::stage::{Plan, Stage};
use super::wire::{Frame, Wire, unexpected};
use crate::cores::Cores;
use crate::failure::{Failure, Result};
use crate::process::Server;

/// What stands before each text: as long as it is when a coordinator delivers.
const HEAD: &[u8] = b"100000#publisher0#1700000000000#";

/// A running floor.
#[derive(Debug)]
pub struct Floor {
    /// The process.
    pub server: Server,
    address: SocketAddr,
}

impl Floor {
    /// Starts one; see [`super::floor_server::Floor::open`] for what it is to keep.
    ///
    /// # Errors
    ///
    /// Those of starting it.
    pub fn start(program: &Path, keeps: bool, cores: Option<Cores>) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("floor").args(keeps.then_some("--keep"));
        let mut start = || {
            let mut server = Server::start("the floor", &mut command)?;
            let line = server.line()?;
            let address = line.parse();
            let address = address.map_err(|_| Failure::Wrong(format!("the floor: {line}")))?;
            Ok(Self { server, address })
        };
        match cores {
            Some(cores) => cores.start_server(start),
            None => start(),
        }
    }

    /// A socket to publish on.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn publisher(&self) -> Result<TcpStream> {
        self.greet(PUBLISHER)
    }

    /// A subscriber. It counts from the moment that the floor has sent its byte back.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn subscriber(&self) -> Result<TcpStream> {
        self.greet(SUBSCRIBER)
    }

    fn greet(&self, byte: u8) -> Result<TcpStream> {
        use std::io::Write;
        let mut stream = connect(self.address)?;
        stream.write_all(&[byte]).map_err(Failure::system("cannot greet the floor"))?;
        Ok(stream)
    }

    /// Sets the stage for a plan.
    ///
    /// # Errors
    ///
    /// Those of the sockets.
    pub fn stage(self, plan: Plan) -> Result<Stage> {
        use std::io::Read;
        let mut stage = Stage::new(plan);
        for _ in 0..plan.receivers {
            let mut stream = self.subscriber()?;
            let greeted = stream.read_exact(&mut [0]);
            greeted.map_err(Failure::system("the floor does not greet"))?;
            stage.receiver(stream, Box::new(Deliveries::copied(plan.text_bytes)))?;
        }
        for _ in 0..plan.publishers {
            stage.publisher(self.publisher()?, Box::new(Lines))?;
        }
        Ok(stage.served_by(self.server))
    }
}

/// A publisher's end: lines go out, nothing comes in.
#[derive(Clone, Copy, Debug)]
pub struct Lines;

impl Wire for Lines {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(HEAD);
        output.extend_from_slice(text);
        output.push(b'\n');
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> std::result::Result<Frame<'a>, String> {
        if bytes.is_empty() { Ok(Frame::Part) } else { Err(unexpected("nothing", bytes)) }
    }
}
