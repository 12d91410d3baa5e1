//! NATS JetStream: `PUB` with a reply subject, answered once the stream's file is synced.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use memchr::memchr;

use super::Setup;
use super::stage::Stage;
use crate::failure::{Failure, Result};
use crate::peers::installed::{free_address, reach, version as version_of};
use crate::peers::link::Link;
use crate::peers::nats::greet;
use crate::peers::wire::{Frame, Wire, decimal, push_counted, unexpected};
use crate::process::Server;

const STREAM: &str = r#"{"name":"group","subjects":["group"],"storage":"file"}"#;
/// The first version that can be told to sync always.
const VERSION_MIN: (u64, u64) = (2, 10);

/// What the program says of its version; `None` if it cannot be started.
#[must_use]
pub fn version(program: &Path) -> Option<String> {
    version_of(program.to_str()?, &["--version"])
}

pub(super) fn obstacle(program: &Path) -> Option<String> {
    let Some(version) = version(program) else { return Some("NOT INSTALLED".to_owned()) };
    let mut numbers = version.split('.').map_while(|part| part.parse::<u64>().ok());
    let is_old = numbers.next().zip(numbers.next()).is_some_and(|found| found < VERSION_MIN);
    is_old.then(|| format!("{version} cannot sync always; 2.10 can (--nats PROGRAM)"))
}

pub(super) fn begin(setup: &Setup, directory: &Path, publishers: usize) -> Result<Stage> {
    let (server, address) = start(setup, directory)?;
    request(address, "STREAM.CREATE", STREAM)?;
    let mut links = Vec::new();
    for index in 0..publishers {
        let stream = greet(address, &format!("SUB acks.{index} 1\r\n"))?;
        links.push(Link::new(stream, Box::new(Publisher::new(index)))?);
    }
    Ok(Stage { server, publishers: links, held: None })
}

pub(super) fn count(setup: &Setup, directory: &Path) -> Result<u64> {
    let (_server, address) = start(setup, directory)?;
    let about = request(address, "STREAM.INFO", "")?;
    number_of(about.as_bytes(), b"\"messages\":")
        .ok_or_else(|| Failure::Wrong(format!("no count of messages: {about}")))
}

fn start(setup: &Setup, directory: &Path) -> Result<(Server, SocketAddr)> {
    let address = free_address()?;
    let config = directory.join("nats.conf");
    let text = format!(
        "listen: \"{address}\"\njetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
        directory.display()
    );
    fs::write(&config, text).map_err(Failure::system("cannot write a config"))?;
    let mut command = Command::new(&setup.nats);
    command.arg("-c").arg(&config).args(["-l", "/dev/null"]).stdin(Stdio::null());
    let mut start = || Server::start("nats-server", &mut command);
    let server = match setup.programs.cores {
        Some(cores) => cores.start_server(start)?,
        None => start()?,
    };
    reach(address)?;
    Ok((server, address))
}

/// Asks for something about the stream: the answer.
fn request(address: SocketAddr, what: &str, body: &str) -> Result<String> {
    let mut stream = greet(address, "SUB answer 1\r\n")?;
    let mut ask = || {
        let bytes = body.len();
        write!(stream, "PUB $JS.API.{what}.group answer {bytes}\r\n{body}\r\n")?;
        answer(&stream)
    };
    let answer = ask().map_err(Failure::system("cannot ask nats-server"))?;
    if answer.contains("\"error\"") {
        return Err(Failure::Wrong(format!("{what}: {answer}")));
    }
    Ok(answer)
}

fn answer(stream: &TcpStream) -> std::io::Result<String> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(length) = line.strip_prefix("MSG answer 1 ") else { continue };
        let length = length.trim_end().parse().map_err(std::io::Error::other)?;
        let mut answer = vec![0; length];
        lines.read_exact(&mut answer)?;
        return String::from_utf8(answer).map_err(std::io::Error::other);
    }
}

/// The number right behind `key`.
fn number_of(json: &[u8], key: &[u8]) -> Option<u64> {
    let found = memchr::memmem::find(json, key)?;
    let digits = json.get(found + key.len()..)?;
    let digits = digits.iter().position(|byte| !byte.is_ascii_digit()).map(|end| (digits, end));
    digits.and_then(|(digits, end)| decimal(digits.get(..end)?))
}

/// Who publishes: acknowledgements with the number in the stream come in.
#[derive(Debug)]
struct Publisher {
    publish: Vec<u8>,
    head: Vec<u8>,
    seq: u64,
    pongs: usize,
}

impl Publisher {
    fn new(index: usize) -> Self {
        Self {
            publish: format!("PUB group acks.{index} ").into_bytes(),
            head: format!("MSG acks.{index} 1 ").into_bytes(),
            seq: 0,
            pongs: 0,
        }
    }

    fn acknowledgement<'a>(
        &mut self,
        bytes: &'a [u8],
        end: usize,
    ) -> std::result::Result<Frame<'a>, String> {
        let length = bytes.get(self.head.len()..end).and_then(|line| line.strip_suffix(b"\r"));
        let length = length.and_then(decimal).and_then(|length| usize::try_from(length).ok());
        let Some(length) = length else { return Err(unexpected("a length", bytes)) };
        let whole = end + 1 + length + 2;
        if bytes.len() < whole {
            return Ok(Frame::Part);
        }
        let body = bytes.get(end + 1..whole).unwrap_or_default();
        match number_of(body, b"\"seq\":") {
            Some(seq) if seq > self.seq => self.seq = seq,
            Some(_) | None => return Err(unexpected("a higher seq", body)),
        }
        Ok(Frame::Reply(whole))
    }
}

impl Wire for Publisher {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(&self.publish);
        push_counted(text, output);
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> std::result::Result<Frame<'a>, String> {
        let Some(end) = memchr(b'\n', bytes) else { return Ok(Frame::Part) };
        if bytes.starts_with(&self.head) {
            return self.acknowledgement(bytes, end);
        }
        let line = bytes.get(..=end).unwrap_or_default();
        if line == b"PING\r\n" {
            self.pongs += 1;
        } else if !line.starts_with(b"INFO ") {
            return Err(unexpected("an acknowledgement", line));
        }
        Ok(Frame::Other(line.len()))
    }

    fn answer(&mut self, output: &mut Vec<u8>) {
        for _ in 0..std::mem::take(&mut self.pongs) {
            output.extend_from_slice(b"PONG\r\n");
        }
    }

    fn replies(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::wire::tests::check;

    #[test]
    fn each_message_is_acknowledged_by_its_number() {
        let bytes = b"MSG acks.7 1 28\r\n{\"stream\":\"group\", \"seq\":1}\n\r\nPING\r\n\
                      MSG acks.7 1 28\r\n{\"stream\":\"group\",\"seq\":12}\n\r\n";
        check(&|| Box::new(Publisher::new(7)), bytes, &[], 2);
        for wrong in [
            &b"MSG acks.7 1 20\r\n{\"error\":{\"code\":500}}\r\n"[..],
            b"MSG acks.7 1 9\r\n{\"seq\":0}\r\n",
            b"MSG acks.8 1 9\r\n{\"seq\":1}\r\n",
            b"-ERR 'maximum payload'\r\n",
        ] {
            assert!(Publisher::new(7).frame(wrong).is_err());
        }
        let (mut wire, mut output) = (Publisher::new(7), Vec::new());
        wire.publish(b"four", &mut output);
        assert_eq!(output, b"PUB group acks.7 4\r\nfour\r\n");
    }

    #[test]
    fn an_old_version_or_none_is_said() {
        assert_eq!(obstacle(Path::new("no-such-program")), Some("NOT INSTALLED".to_owned()));
        assert_eq!(number_of(b"{\"messages\":123,\"bytes\":4}", b"\"messages\":"), Some(123));
        assert_eq!(number_of(b"{\"messages\":12", b"\"messages\":"), None);
    }
}
