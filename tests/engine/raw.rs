//! A client of NATS of a few lines: what an operator or a stranger does to a stream.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::group::eventually;
use crate::servers::{LONG, Server};

/// Subject of the answers.
const INBOX: &str = "raw.inbox";

pub(crate) struct Raw {
    reader: BufReader<TcpStream>,
}

impl Raw {
    pub(crate) fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut raw = Self { reader: BufReader::new(stream) };
        raw.send(b"CONNECT {\"verbose\":false}\r\n");
        raw.send(format!("SUB {INBOX} 1\r\nPING\r\n").as_bytes());
        while raw.line() != "PONG\r\n" {}
        raw
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.reader.read_line(&mut line).unwrap() > 0, "the server closed the connection");
        line
    }

    /// Sends commands of the protocol of NATS.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// Publishes, with an inbox for the answer.
    pub(crate) fn publish(&mut self, subject: &str, payload: &[u8]) {
        let head = format!("PUB {subject} {INBOX} {}\r\n", payload.len());
        self.send(&[head.as_bytes(), payload, b"\r\n"].concat());
    }

    /// Returns the subject and the content of the next message.
    pub(crate) fn message(&mut self) -> (String, Vec<u8>) {
        loop {
            let line = self.line();
            if line == "PING\r\n" {
                self.send(b"PONG\r\n");
            }
            let Some(message) = line.strip_prefix("MSG ") else { continue };
            let words: Vec<&str> = message.split_whitespace().collect();
            let length: usize = words.last().unwrap().parse().unwrap();
            let mut body = vec![0; length + 2];
            self.reader.read_exact(&mut body).unwrap();
            body.truncate(length);
            return (words[0].to_owned(), body);
        }
    }

    /// Publishes, and returns the answer.
    pub(crate) fn ask(&mut self, subject: &str, payload: impl AsRef<[u8]>) -> Value {
        self.publish(subject, payload.as_ref());
        serde_json::from_slice(&self.message().1).unwrap()
    }

    /// Asks JetStream something that must succeed.
    #[track_caller]
    pub(crate) fn api(&mut self, call: &str, payload: &str) -> Value {
        let answer = self.ask(&format!("$JS.API.STREAM.{call}.GC_g"), payload);
        assert!(answer.get("error").is_none(), "{call}: {answer}");
        answer
    }
}

/// Waits for the last piece of a snapshot behind `position`, and returns its position.
pub(crate) fn until_snapshot(raw: &mut Raw, position: u64) -> u64 {
    let mut found = 0;
    eventually("a snapshot", || {
        let last_piece = r#"{"last_by_subj":"groupcast.g.snap"}"#;
        let answer = raw.ask("$JS.API.STREAM.MSG.GET.GC_g", last_piece);
        found = answer["message"]["seq"].as_u64().unwrap_or_default();
        found > position
    });
    found
}
