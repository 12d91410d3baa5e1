//! NATS as a peer: `PUB` and `SUB`, in its text protocol, without replies to either.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use memchr::memchr;

use super::installed::{free_address, program, reach, version};
use super::link::connect;
use super::stage::{Plan, Stage};
use super::wire::{Frame, Wire, unexpected};
use crate::cores::Cores;
use crate::failure::{Failure, Result};
use crate::process::Server;

/// The program, and how it is asked for its version.
pub const PROGRAM: &str = "nats-server";

const HELLO: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\"}\r\n";

/// What it says of its version; `None` if it is not installed.
#[must_use]
pub fn installed() -> Option<String> {
    version(PROGRAM, &["--version"])
}

/// Starts one and sets the stage for a plan.
///
/// # Errors
///
/// Those of starting it, and those of the sockets.
pub fn stage(plan: Plan, cores: Option<Cores>) -> Result<Stage> {
    let address = free_address()?;
    let port = address.port().to_string();
    let mut command = Command::new(program(PROGRAM));
    command.args(["-a", "127.0.0.1", "-p", &port, "-l", "/dev/null"]).stdin(Stdio::null());
    let mut start = || Server::start(PROGRAM, &mut command);
    let server = match cores {
        Some(cores) => cores.start_server(start)?,
        None => start()?,
    };
    reach(address)?;
    let mut stage = Stage::new(plan);
    for _ in 0..plan.receivers {
        let stream = greet(address, "SUB group 1\r\n")?;
        stage.receiver(stream, Box::new(Client::new(plan.text_bytes)))?;
    }
    for _ in 0..plan.publishers {
        stage.publisher(greet(address, "")?, Box::new(Client::new(plan.text_bytes)))?;
    }
    Ok(stage.served_by(server))
}

/// Connects and asks for something, and waits until that is done.
///
/// # Errors
///
/// Those of the socket.
pub fn greet(address: SocketAddr, wish: &str) -> Result<TcpStream> {
    let mut stream = connect(address)?;
    let greeted = (|| {
        stream.write_all(format!("{HELLO}{wish}PING\r\n").as_bytes())?;
        // Nothing can come behind the PONG that would be lost with the reader: nobody publishes
        // yet, and the server's own PING comes before.
        let mut lines = BufReader::new(&stream);
        let mut line = String::new();
        while line != "PONG\r\n" {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line == "PING\r\n" {
                (&stream).write_all(b"PONG\r\n")?;
            }
        }
        Ok(())
    })();
    greeted.map_err(Failure::system("cannot greet nats-server"))?;
    Ok(stream)
}

/// A client, which may publish and be subscribed.
#[derive(Debug)]
pub struct Client {
    publish: Vec<u8>,
    message: Vec<u8>,
    text_bytes: usize,
    pongs: usize,
}

impl Client {
    /// Of texts so long.
    #[must_use]
    pub fn new(text_bytes: usize) -> Self {
        Self {
            publish: format!("PUB group {text_bytes}\r\n").into_bytes(),
            message: format!("MSG group 1 {text_bytes}\r\n").into_bytes(),
            text_bytes,
            pongs: 0,
        }
    }
}

impl Wire for Client {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(&self.publish);
        output.extend_from_slice(text);
        output.extend_from_slice(b"\r\n");
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> std::result::Result<Frame<'a>, String> {
        if bytes.starts_with(&self.message) {
            let (begin, end) = (self.message.len(), self.message.len() + self.text_bytes);
            let Some(frame) = bytes.get(..end + 2) else { return Ok(Frame::Part) };
            return match frame.get(begin..end) {
                Some(text) if frame.ends_with(b"\r\n") => Ok(Frame::Text(text, frame.len())),
                Some(_) | None => Err(unexpected("the end of a message", frame)),
            };
        }
        let Some(end) = memchr(b'\n', bytes) else { return Ok(Frame::Part) };
        let line = bytes.get(..=end).unwrap_or_default();
        if line == b"PING\r\n" {
            self.pongs += 1;
        } else if !line.starts_with(b"INFO ") {
            return Err(unexpected("a message", line));
        }
        Ok(Frame::Other(line.len()))
    }

    fn answer(&mut self, output: &mut Vec<u8>) {
        for _ in 0..std::mem::take(&mut self.pongs) {
            output.extend_from_slice(b"PONG\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::check;
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_bytes_are_split() {
        let bytes = b"MSG group 1 4\r\none\n\r\nPING\r\nINFO {}\r\nMSG group 1 4\r\n\r\ntw\r\n";
        check(&|| Box::new(Client::new(4)), bytes, &[b"one\n", b"\r\ntw"], 0);
        for wrong in [&b"-ERR 'Slow Consumer'\r\n"[..], b"MSG group 1 5\r\nfive!\r\n"] {
            assert!(Client::new(4).frame(wrong).is_err());
        }
    }

    #[test]
    fn a_ping_is_answered_once() {
        let (mut wire, mut output) = (Client::new(4), Vec::new());
        assert_eq!(wire.frame(b"PING\r\n"), Ok(Frame::Other(6)));
        wire.answer(&mut output);
        wire.answer(&mut output);
        assert_eq!(output, b"PONG\r\n");
        output.clear();
        wire.publish(b"four", &mut output);
        assert_eq!(output, b"PUB group 4\r\nfour\r\n");
    }
}
