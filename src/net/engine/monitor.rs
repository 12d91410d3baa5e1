//! Monitors of servers: they tell a setting that a client cannot see.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::Value;

use super::api::at;
use super::error::EngineError;
use crate::limits::engine::{CONNECT_MS, MONITOR_BYTES_MAX};

/// Checks that the server of a monitor syncs each entry before it acknowledges it.
pub(super) fn check(url: &str) -> Result<(), EngineError> {
    let Some(authority) = url.strip_prefix("http://") else {
        let reason = format!("{url}: expected http://host:port");
        return Err(EngineError::Options { key: "engine_monitor", reason });
    };
    let silent = |reason: String| EngineError::Monitor { url: url.to_owned(), reason };
    let silent_now = |reason| {
        silent(format!("{reason}: start its server, or take the monitor out of engine_monitor"))
    };
    let varz = fetch(authority.trim_end_matches('/')).map_err(silent_now)?;
    let name = at(&varz, "/server_name").as_str().unwrap_or(url).to_owned();
    let config = at(&varz, "/jetstream/config");
    if !config.is_object() {
        return Err(silent(format!("server {name} has no JetStream: enable it")));
    }
    if at(config, "/sync_always").as_bool() == Some(true) {
        return Ok(());
    }
    let interval_s = at(config, "/sync_interval").as_u64().map(|ns| ns / 1_000_000_000);
    Err(EngineError::Server {
        server: name,
        setting: "jetstream sync_interval",
        found: interval_s.map_or_else(|| "unset".to_owned(), |seconds| format!("{seconds}s")),
        expected: "always".to_owned(),
    })
}

/// Asks a monitor for `/varz`.
fn fetch(authority: &str) -> Result<Value, String> {
    let timeout = Duration::from_millis(CONNECT_MS);
    let addresses = authority.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut failed = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return ask(stream, authority, timeout),
            Err(error) => failed = error.to_string(),
        }
    }
    Err(failed)
}

fn ask(mut stream: TcpStream, authority: &str, timeout: Duration) -> Result<Value, String> {
    let said = |error: std::io::Error| error.to_string();
    stream.set_read_timeout(Some(timeout)).map_err(said)?;
    stream.set_write_timeout(Some(timeout)).map_err(said)?;
    // HTTP/1.0: the body ends with the connection.
    let request = format!("GET /varz HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut response = Vec::new();
    stream.take(MONITOR_BYTES_MAX).read_to_end(&mut response).map_err(said)?;
    read(&response)
}

/// Reads the body of a response.
fn read(response: &[u8]) -> Result<Value, String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(response) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) | Err(_) => return Err("the answer is no HTTP".to_owned()),
    };
    if head.code != Some(200) {
        return Err(format!("the answer has status {}", head.code.unwrap_or_default()));
    }
    let body = response.get(length..).unwrap_or_default();
    serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_and_each_truncation_is_an_error() {
        let whole = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}";
        assert_eq!(read(whole).unwrap()["a"], 1);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        assert!(read(b"HTTP/1.0 404 Not Found\r\n\r\n{}").unwrap_err().contains("404"));
    }
}
