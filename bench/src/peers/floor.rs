//! The floor as a peer. Its publishers send the lines that a coordinator would deliver.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::floor_server::{PUBLISHER, SUBSCRIBER};
use super::groupcast::Deliveries;
use super::{Connected, Plan};
use crate::cli;
use crate::clients::Clients;
use crate::command::CommandSocket;
use crate::cores::Cores;
use crate::process::Server;
use crate::socket::Socket;
use crate::wire::{Framed, Wire, unexpected};

/// Head of each line, as long as the head of a coordinator's delivery.
const HEAD: &[u8] = b"100000#publisher0#1700000000000#";

#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) server: Server,
    address: SocketAddr,
}

impl Floor {
    /// Starts `bench floor`. With `keeps`, a later subscriber gets all earlier messages.
    pub(crate) fn start(keeps: bool, cores: Option<Cores>) -> Result<Self> {
        let mut command = Command::new(cli::own_program());
        command.arg("floor").args(keeps.then_some("--keep"));
        let mut server = Server::start("the floor", &mut command, cores)?;
        let line = server.line()?;
        let address = line.parse().with_context(|| format!("the floor: {line}"))?;
        Ok(Self { server, address })
    }

    /// Connects a [`PUBLISHER`] or a [`SUBSCRIBER`]. Without `--keep` the floor answers a
    /// subscriber with one byte.
    pub(crate) fn client(&self, byte: u8) -> Result<Socket> {
        let mut stream = CommandSocket::connect(self.address)?.into_stream();
        stream.write_all(&[byte]).context("cannot greet the floor")?;
        Ok(stream)
    }

    /// With `acks`, receivers send what members with acknowledgements send.
    pub(crate) fn connect(self, plan: Plan, acks: bool) -> Result<Connected> {
        let mut clients = Clients::new(plan.text_bytes)?;
        for _ in 0..plan.receivers {
            let mut stream = self.client(SUBSCRIBER)?;
            stream.read_exact(&mut [0]).context("the floor does not greet")?;
            let wire = Box::new(Deliveries::copied(plan.text_bytes, acks));
            clients.add_receiver(stream, wire, plan.publishers, 0..0)?;
        }
        for _ in 0..plan.publishers {
            clients.add_publisher(self.client(PUBLISHER)?, Box::new(Lines))?;
        }
        Ok(Connected { server: self.server, clients })
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines;

impl Wire for Lines {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(HEAD);
        output.extend_from_slice(text);
        output.push(b'\n');
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        if bytes.is_empty() { Ok(None) } else { Err(unexpected("nothing", bytes)) }
    }

    fn has_replies(&self) -> bool {
        false
    }
}
