//! Requests to the HTTP server of a coordinator, byte by byte.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::coordinator::Coordinator;
use super::transcript::lock;
use super::{DEADLINE, Timer};

/// A response of the HTTP server.
#[derive(Debug)]
pub struct HttpResponse {
    /// Status line and header fields.
    pub head: String,
    pub body: String,
}

/// Address of the HTTP server, which the coordinator logs at its start.
pub fn http_address(coordinator: &Coordinator) -> SocketAddr {
    let timer = Timer::start(DEADLINE);
    while timer.left().is_some() {
        let text = String::from_utf8_lossy(&lock(&coordinator.transcript.stderr)).into_owned();
        if let Some((_, rest)) = text.split_once("status page and metrics on http://")
            && let Some((address, _)) = rest.split_once("/\n")
        {
            return address.parse().unwrap();
        }
        thread::yield_now();
    }
    coordinator.transcript.fail("no HTTP server is in the log")
}

/// Connects to the server.
pub fn connect_http(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends `bytes` on a connection of their own, and returns the answer up to its end.
pub fn exchange_http(address: SocketAddr, bytes: &[u8]) -> HttpResponse {
    let mut stream = connect_http(address);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    HttpResponse { head: head.to_owned(), body: body.to_owned() }
}

/// Gets a page with further header fields, each with its CR LF.
pub fn get_with(address: SocketAddr, path: &str, fields: &str) -> HttpResponse {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    exchange_http(address, request.as_bytes())
}

/// Gets a page.
pub fn get(address: SocketAddr, path: &str) -> HttpResponse {
    get_with(address, path, "")
}

impl HttpResponse {
    /// The number after the version.
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The value of a header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Longest time without an event of `/events`: several of the seconds between two.
pub const EVENT_PAUSE: Duration = Duration::from_secs(10);
