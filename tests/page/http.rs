//! One request over HTTP/1.1 on a connection of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest time for an answer: a browser starts meanwhile.
const DEADLINE: Duration = Duration::from_secs(60);

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header lines, without the status line.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    /// Returns the value of a header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends a request with a JSON body, and returns the answer. The server must name its length.
#[track_caller]
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    // A GET has no body, and a strict server reads none.
    let head = if body.is_empty() { without_body(&head) } else { head };
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("{method} {path}: {first:?}"));
    let status = status.parse().unwrap();
    let head: Vec<String> = std::iter::repeat_with(line).take_while(|it| !it.is_empty()).collect();
    let mut answer = Answer { status, head, body: String::new() };
    let length = answer.field("content-length").unwrap_or_else(|| panic!("no length: {answer:?}"));
    let mut bytes = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut bytes).unwrap();
    answer.body = String::from_utf8(bytes).unwrap();
    answer
}

fn without_body(head: &str) -> String {
    let lines = head.lines().filter(|line| !line.starts_with("Content-"));
    lines.map(|line| format!("{line}\r\n")).collect()
}
