//! Redis as a peer, in RESP: `PUBLISH` and `SUBSCRIBE`, and `XADD` to a stream.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::installed::{free_address, program};
use super::{Connected, Plan};
use crate::clients::Clients;
use crate::command::CommandSocket;
use crate::cores::Cores;
use crate::process::Server;
use crate::socket::Socket;
use crate::tls::Tls;
use crate::wire::{
    Frame, Framed, Wire, announced_length, decimal, first_line, push_counted, unexpected,
};

pub(crate) const PROGRAM: &str = "redis-server";
/// Options of a server that stores nothing on a disk.
pub(crate) const MEMORY_ONLY: &[&str] = &["--appendonly", "no"];

/// One cipher suite, no certificates of clients, and no sessions that are resumed.
const TLS_OPTIONS: [&str; 8] = [
    "--tls-protocols",
    "TLSv1.3",
    "--tls-ciphersuites",
    "TLS_AES_128_GCM_SHA256",
    "--tls-auth-clients",
    "no",
    "--tls-session-caching",
    "no",
];

#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) server: Server,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Redis {
    /// Starts a server without snapshots and without a limit on the output of a subscriber.
    pub(crate) fn start(cores: Option<Cores>, further: &[&str]) -> Result<Self> {
        Self::start_with(cores, further, None)
    }

    /// Starts a server that speaks TLS, if there is any.
    pub(crate) fn start_with(
        cores: Option<Cores>,
        further: &[&str],
        tls: Option<Tls>,
    ) -> Result<Self> {
        let address = free_address()?;
        let port = address.port().to_string();
        let mut command = Command::new(program(PROGRAM));
        match &tls {
            None => command.args(["--port", &port]),
            Some(_) => command.args(["--port", "0", "--tls-port", &port]).args(TLS_OPTIONS),
        };
        if let Some(tls) = &tls {
            command.arg("--tls-cert-file").arg(tls.certificate());
            command.arg("--tls-key-file").arg(tls.key());
            tls.without_tickets(&mut command);
        }
        let options = ["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"];
        command.args(options).args(["--client-output-buffer-limit", "pubsub 0 0 0"]);
        command.args(further).stdin(Stdio::null());
        let mut server = Server::start(PROGRAM, &mut command, cores)?;
        while !server.line()?.contains("Ready to accept connections") {}
        Ok(Self { server, address, tls })
    }

    pub(crate) fn connect(self, plan: Plan) -> Result<Connected> {
        let mut clients = Clients::new(plan.text_bytes)?;
        for _ in 0..plan.receivers {
            let wire = Box::new(Subscriber::new(plan.text_bytes));
            clients.add_receiver(self.subscribe()?, wire, plan.publishers, 0..0)?;
        }
        let receivers = plan.receivers as u64;
        for _ in 0..plan.publishers {
            clients.add_publisher(self.client()?, Box::new(Publisher { receivers }))?;
        }
        Ok(Connected { server: self.server, clients })
    }

    fn command(&self) -> Result<CommandSocket> {
        CommandSocket::connect_with(self.address, self.tls.as_ref())
    }

    pub(crate) fn client(&self) -> Result<Socket> {
        self.command().map(CommandSocket::into_stream)
    }

    fn subscribe(&self) -> Result<Socket> {
        let mut subscriber = self.command()?;
        subscriber.write(b"*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\ngroup\r\n")?;
        for expected in ["*3", "$9", "subscribe", "$5", "group", ":1"] {
            let line = subscriber.line()?;
            ensure!(line == expected, "{PROGRAM}: expected {expected}, found {line}");
        }
        Ok(subscriber.into_stream())
    }

    pub(crate) fn stream_length(&self) -> Result<u64> {
        let mut command = self.command()?;
        command.write(b"*2\r\n$4\r\nXLEN\r\n$5\r\ngroup\r\n")?;
        let reply = command.line()?;
        let count = reply.strip_prefix(':').and_then(|count| count.parse().ok());
        count.with_context(|| format!("XLEN: {reply}"))
    }
}

/// A subscriber: arrays of three come in.
#[derive(Debug)]
struct Subscriber {
    head: Vec<u8>,
    text_bytes: usize,
}

impl Subscriber {
    fn new(text_bytes: usize) -> Self {
        let head = format!("*3\r\n$7\r\nmessage\r\n$5\r\ngroup\r\n${text_bytes}\r\n");
        Self { head: head.into_bytes(), text_bytes }
    }
}

impl Wire for Subscriber {
    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let (begin, end) = (self.head.len(), self.head.len() + self.text_bytes);
        let Some(frame) = bytes.get(..end + 2) else { return Ok(None) };
        match frame.get(begin..end) {
            Some(text) if frame.starts_with(&self.head) && frame.ends_with(b"\r\n") => {
                Ok(Some((Frame::Text(text), frame.len())))
            }
            Some(_) | None => Err(unexpected("a message", frame)),
        }
    }
}

/// A publisher: the number of receivers comes in.
#[derive(Debug)]
struct Publisher {
    receivers: u64,
}

impl Wire for Publisher {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n$5\r\ngroup\r\n$");
        push_counted(text, output);
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let Some(line) = first_line(bytes) else { return Ok(None) };
        let number = line.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b"\r\n"));
        if number.and_then(decimal) == Some(self.receivers) {
            Ok(Some((Frame::Reply, line.len())))
        } else {
            Err(unexpected(&format!(":{}", self.receivers), line))
        }
    }
}

/// A client that appends to the stream: ids of entries come in.
#[derive(Debug)]
pub(crate) struct Appender;

impl Wire for Appender {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(b"*5\r\n$4\r\nXADD\r\n$5\r\ngroup\r\n$1\r\n*\r\n$1\r\nt\r\n$");
        push_counted(text, output);
    }

    /// `$15\r\n1526919030474-0\r\n`
    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let Some(line) = first_line(bytes) else { return Ok(None) };
        let Some(length) = announced_length(line, b"$") else {
            return Err(unexpected("the id of an entry", bytes));
        };
        match bytes.get(line.len()..line.len() + length + 2) {
            None => Ok(None),
            Some(id) if id.contains(&b'-') && id.ends_with(b"\r\n") => {
                Ok(Some((Frame::Reply, line.len() + id.len())))
            }
            Some(_) => Err(unexpected("the id of an entry", bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{check, published, refuses};

    #[test]
    fn messages_are_found_wherever_the_bytes_are_split() {
        let bytes = b"*3\r\n$7\r\nmessage\r\n$5\r\ngroup\r\n$4\r\none\n\r\n\
                      *3\r\n$7\r\nmessage\r\n$5\r\ngroup\r\n$4\r\n\rtwo\r\n";
        check(&|| Box::new(Subscriber::new(4)), bytes, &[b"one\n", b"\rtwo"], 0);
        for at in [0, 5, 20, bytes.len() / 2 - 1] {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 1;
            assert!(Subscriber::new(4).frame(&wrong).is_err(), "byte {at}");
        }
    }

    #[test]
    fn each_message_must_reach_all() {
        check(&|| Box::new(Publisher { receivers: 100 }), b":100\r\n:100\r\n", &[], 2);
        let wrong = [&b":99\r\n"[..], b"-ERR\r\n", b":100\n"];
        refuses(&|| Box::new(Publisher { receivers: 100 }), &wrong);
        let output = published(Publisher { receivers: 100 });
        assert_eq!(output, b"*3\r\n$7\r\nPUBLISH\r\n$5\r\ngroup\r\n$4\r\nfour\r\n");
    }

    #[test]
    fn each_entry_is_answered_by_its_id() {
        let bytes = b"$15\r\n1526919030474-0\r\n$3\r\n1-2\r\n";
        check(&|| Box::new(Appender), bytes, &[], 2);
        let misconf = &b"-MISCONF Errors writing to the AOF file\r\n"[..];
        refuses(&|| Box::new(Appender), &[misconf, b"$-1\r\n", b"$1\r\nx\r\n"]);
        let head = b"*5\r\n$4\r\nXADD\r\n$5\r\ngroup\r\n$1\r\n*\r\n$1\r\nt\r\n";
        assert_eq!(published(Appender), [&head[..], b"$4\r\nfour\r\n"].concat());
    }
}
