//! A client of NATS of a few lines: what an operator or a stranger does to a stream.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::group::eventually;
use crate::servers::{LONG, Server};

pub(crate) struct Raw {
    reader: BufReader<TcpStream>,
}

impl Raw {
    pub(crate) fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut raw = Self { reader: BufReader::new(stream) };
        raw.send(b"CONNECT {\"verbose\":false}\r\nSUB raw.inbox 1\r\nPING\r\n");
        while raw.line() != "PONG\r\n" {}
        raw
    }

    fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.reader.read_line(&mut line).unwrap() > 0, "the server closed the connection");
        line
    }

    /// Publishes, and returns the answer.
    pub(crate) fn ask(&mut self, subject: &str, payload: impl AsRef<[u8]>) -> Value {
        let payload = payload.as_ref();
        let head = format!("PUB {subject} raw.inbox {}\r\n", payload.len());
        self.send(&[head.as_bytes(), payload, b"\r\n"].concat());
        loop {
            let line = self.line();
            if line == "PING\r\n" {
                self.send(b"PONG\r\n");
            }
            let Some(message) = line.strip_prefix("MSG ") else { continue };
            let length: usize = message.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
            let mut body = vec![0; length + 2];
            self.reader.read_exact(&mut body).unwrap();
            return serde_json::from_slice(&body[..length]).unwrap();
        }
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
