//! ZeroMQ as a peer: a process that only runs `zmq_proxy` between an XSUB and an XPUB socket, with
//! clients that speak ZMTP 3.0.
//!
//! ```text
//!   publishers ─PUB─► XSUB ─zmq_proxy─► XPUB ─SUB─► receivers
//! ```
//!
//! Python loads the library of the system and calls `zmq_proxy`, which does not return. No Python
//! code runs while something is measured.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Connected, Plan, installed};
use crate::clients::Clients;
use crate::command::CommandSocket;
use crate::cores::Cores;
use crate::process::Server;
use crate::socket::Socket;
use crate::wire::{Frame, Framed, Wire, unexpected};

const PROGRAM: &str = "python3";
const VERSION: &str = "\
import ctypes
parts = [ctypes.c_int() for part in range(3)]
ctypes.CDLL('libzmq.so.5').zmq_version(*map(ctypes.byref, parts))
print('.'.join(str(part.value) for part in parts))
";
/// Queues have no limit, as in all peers. With `XPUB_VERBOSE` each subscription reaches the
/// publishers, so that [`ZeroMq::connect`] sees it.
const PROXY: &str = "\
import ctypes
XPUB, XSUB, SNDHWM, RCVHWM, LAST_ENDPOINT, XPUB_VERBOSE = 9, 10, 23, 24, 32, 40
zmq = ctypes.CDLL('libzmq.so.5')
zmq.zmq_ctx_new.restype = zmq.zmq_socket.restype = ctypes.c_void_p
pointer, context, ends = ctypes.c_void_p, ctypes.c_void_p(zmq.zmq_ctx_new()), []
def set(end, option, value):
    assert zmq.zmq_setsockopt(end, option, ctypes.byref(ctypes.c_int(value)), 4) == 0
for kind in XSUB, XPUB:
    end = pointer(zmq.zmq_socket(context, kind))
    set(end, SNDHWM, 0)
    set(end, RCVHWM, 0)
    if kind == XPUB:
        set(end, XPUB_VERBOSE, 1)
    assert zmq.zmq_bind(end, b'tcp://127.0.0.1:*') == 0
    name, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
    assert zmq.zmq_getsockopt(end, LAST_ENDPOINT, name, ctypes.byref(size)) == 0
    print(name.value.decode().removeprefix('tcp://'), flush=True)
    ends.append(end)
zmq.zmq_proxy(*ends, None)
";

/// Version of the installed library.
pub(crate) fn version() -> Option<String> {
    installed::version(PROGRAM, &["-c", VERSION])
}

#[derive(Debug)]
pub(crate) struct ZeroMq {
    server: Server,
    for_publishers: SocketAddr,
    for_receivers: SocketAddr,
}

impl ZeroMq {
    pub(crate) fn start(cores: Option<Cores>) -> Result<Self> {
        let mut command = Command::new(installed::program(PROGRAM));
        command.args(["-c", PROXY]).stdin(Stdio::null());
        let mut server = Server::start("zmq_proxy", &mut command, cores)?;
        let mut address = || {
            let line = server.line()?;
            line.parse().with_context(|| format!("zmq_proxy: {line}"))
        };
        let (for_publishers, for_receivers) = (address()?, address()?);
        Ok(Self { server, for_publishers, for_receivers })
    }

    pub(crate) fn connect(self, plan: Plan) -> Result<Connected> {
        let mut clients = Clients::new(plan.text_bytes)?;
        let mut publishers = Vec::new();
        for _ in 0..plan.publishers.max(1) {
            publishers.push(greet(self.for_publishers, "PUB")?);
        }
        for _ in 0..plan.receivers {
            let mut stream = greet(self.for_receivers, "SUB")?;
            stream.write_all(SUBSCRIBE).context("cannot subscribe")?;
            // The proxy tells publishers of a subscription once messages reach the receiver.
            if let Some(publisher) = publishers.first_mut() {
                let subscription = read(publisher, SUBSCRIBE.len())?;
                ensure!(subscription == SUBSCRIBE, unexpected("a subscription", &subscription));
            }
            let wire = Box::new(Receiver { text_bytes: plan.text_bytes });
            clients.add_receiver(stream, wire, plan.publishers, 0..0)?;
        }
        for publisher in publishers {
            clients.add_publisher(publisher, Box::new(Publisher))?;
        }
        Ok(Connected { server: self.server, clients })
    }
}

/// A message of one byte: subscribe to all messages that begin with nothing.
const SUBSCRIBE: &[u8] = &[0, 1, 1];
const GREETING_BYTES: usize = 64;
/// Flags of a frame.
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Connects a client with the given type of socket, without authentication.
fn greet(address: SocketAddr, kind: &str) -> Result<Socket> {
    let mut stream = CommandSocket::connect(address)?.into_stream();
    let mut greeting = [0; GREETING_BYTES];
    for (at, byte) in [(0, 0xff), (9, 0x7f), (10, 3)].into_iter().chain((12..).zip(*b"NULL")) {
        greeting.get_mut(at..=at).unwrap_or_default().fill(byte);
    }
    let mut ready = b"\x05READY\x0bSocket-Type\0\0\0\x03".to_vec();
    ready.extend_from_slice(kind.as_bytes());
    stream.write_all(&greeting)?;
    stream.write_all(&[COMMAND, ready.len() as u8])?;
    stream.write_all(&ready)?;
    let theirs = read(&mut stream, GREETING_BYTES)?;
    ensure!(theirs.starts_with(&[0xff]), unexpected("a greeting", &theirs));
    match *read(&mut stream, 2)? {
        [COMMAND, bytes] => read(&mut stream, bytes.into())?,
        ref other => return Err(unexpected("a command", other)),
    };
    Ok(stream)
}

fn read(stream: &mut Socket, bytes: usize) -> Result<Vec<u8>> {
    let mut all = vec![0; bytes];
    stream.read_exact(&mut all).context("zmq_proxy does not answer")?;
    Ok(all)
}

/// A publisher: subscriptions come in.
#[derive(Debug)]
struct Publisher;

impl Wire for Publisher {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        match u8::try_from(text.len()) {
            Ok(bytes) => output.extend_from_slice(&[0, bytes]),
            Err(_) => {
                output.push(LONG);
                output.extend_from_slice(&(text.len() as u64).to_be_bytes());
            }
        }
        output.extend_from_slice(text);
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        match bytes.get(..SUBSCRIBE.len()) {
            None => Ok(None),
            Some(SUBSCRIBE) => Ok(Some((Frame::Other, SUBSCRIBE.len()))),
            Some(other) => Err(unexpected("a subscription", other)),
        }
    }

    fn has_replies(&self) -> bool {
        false
    }
}

/// A receiver: messages of one frame come in.
#[derive(Debug)]
struct Receiver {
    text_bytes: usize,
}

impl Wire for Receiver {
    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let (begin, length) = match bytes {
            [0, length, ..] => (2, u64::from(*length)),
            [LONG, rest @ ..] => match rest.first_chunk() {
                Some(length) => (9, u64::from_be_bytes(*length)),
                None => return Ok(None),
            },
            [] | [0] => return Ok(None),
            other => return Err(unexpected("a message", other)),
        };
        if length != self.text_bytes as u64 {
            return Err(unexpected("a message of this length", bytes));
        }
        let end = begin + self.text_bytes;
        Ok(bytes.get(begin..end).map(|text| (Frame::Text(text), end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{check, published, refuses};

    #[test]
    fn messages_are_found_wherever_the_bytes_are_split() {
        let bytes = b"\x00\x04one\n\x00\x04\x00two\x02\0\0\0\0\0\0\0\x04four";
        let wire = || -> Box<dyn Wire> { Box::new(Receiver { text_bytes: 4 }) };
        check(&wire, bytes, &[b"one\n", b"\0two", b"four"], 0);
        let wrong = [
            &b"\x01\x04more"[..],
            b"\x00\x03one",
            b"\x04\x05\x04PING",
            b"\x02\0\0\0\0\0\0\x01\x04x",
        ];
        refuses(&wire, &wrong);
    }

    #[test]
    fn a_publisher_sends_frames_and_takes_subscriptions() {
        check(&|| Box::new(Publisher), &SUBSCRIBE.repeat(2), &[], 0);
        refuses(&|| Box::new(Publisher), &[b"\x00\x04four", b"\x00\x01\x00"]);
        assert_eq!(published(Publisher), b"\x00\x04four");
        let mut long = Vec::new();
        Publisher.publish(&[b'x'; 256], &mut long);
        assert_eq!((long.len(), &long[..9]), (9 + 256, &b"\x02\0\0\0\0\0\0\x01\0"[..]));
    }
}
