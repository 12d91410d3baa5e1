//! Mosquitto as a peer: the part of MQTT 3.1.1 that publishers and subscribers need.
//!
//! ```text
//!   type and flags │ length, 7 bits a byte │ topic length, topic │ packet id (QoS 1) │ text
//! ```

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::installed::{free_address, program, reach};
use super::{Connected, Plan};
use crate::clients::Clients;
use crate::command::CommandSocket;
use crate::cores::Cores;
use crate::process::Server;
use crate::socket::Socket;
use crate::tls::Tls;
use crate::wire::{Frame, Framed, Wire, unexpected};

pub(crate) const PROGRAM: &str = "mosquitto";

const TOPIC: &[u8] = b"group";
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const LENGTH_BYTES_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Mosquitto {
    pub(crate) server: Server,
    address: SocketAddr,
    tls: Option<Tls>,
}

/// The state of a client that outlives a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    Clean,
    /// Subscriptions and unsent messages, from this connection on.
    Begun,
    /// Subscriptions and unsent messages, which exist already.
    Resumed,
}

impl Mosquitto {
    /// Starts a server without limits on queued messages and without a disk.
    pub(crate) fn start(cores: Option<Cores>) -> Result<Self> {
        Self::start_with(cores, None)
    }

    /// Starts a server that speaks TLS, if there is any.
    pub(crate) fn start_with(cores: Option<Cores>, tls: Option<Tls>) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(program(PROGRAM));
        command.args(["-c", "/dev/stdin"]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut config = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n\
             set_tcp_nodelay true\nmax_inflight_messages 0\nmax_queued_messages 0\n",
            address.port()
        );
        if let Some(tls) = &tls {
            config += &tls_config(tls);
            tls.without_tickets(&mut command);
        }
        let mut server = Server::start(PROGRAM, &mut command, cores)?;
        if let Some(mut stdin) = server.child.stdin.take() {
            stdin.write_all(config.as_bytes()).context("cannot write mosquitto's config")?;
        }
        reach(address)?;
        Ok(Self { server, address, tls })
    }

    pub(crate) fn client(&self, id: &str, session: Session) -> Result<Socket> {
        let stream = CommandSocket::connect_with(self.address, self.tls.as_ref())?;
        let mut stream = stream.into_stream();
        let mut body = b"\x00\x04MQTT\x04".to_vec();
        body.extend_from_slice(&[u8::from(session == Session::Clean) << 1, 0, 0]); // No keep-alive.
        push_string(&mut body, id.as_bytes());
        let is_there = u8::from(session == Session::Resumed);
        exchange(&mut stream, 0x10, &body, &[0x20, 2, is_there, 0])?;
        Ok(stream)
    }

    pub(crate) fn subscribe(stream: &mut Socket, qos: u8) -> Result<()> {
        let mut body = vec![0, 1]; // The packet id.
        push_string(&mut body, TOPIC);
        body.push(qos);
        exchange(stream, 0x82, &body, &[0x90, 3, 0, 1, qos])
    }

    pub(crate) fn connect(self, plan: Plan, qos: u8) -> Result<Connected> {
        let mut clients = Clients::new(plan.text_bytes)?;
        for index in 0..plan.receivers {
            let mut stream = self.client(&format!("receiver{index}"), Session::Clean)?;
            Self::subscribe(&mut stream, qos)?;
            clients.add_receiver(stream, Box::new(Client::new(qos)), plan.publishers, 0..0)?;
        }
        for index in 0..plan.publishers {
            let stream = self.client(&format!("publisher{index}"), Session::Clean)?;
            clients.add_publisher(stream, Box::new(Client::new(qos)))?;
        }
        Ok(Connected { server: self.server, clients })
    }
}

/// Lines of a listener with one cipher suite, which requires the certificate of the clients. As
/// another user than root, a server that root started could not read the key.
fn tls_config(tls: &Tls) -> String {
    format!(
        "user root\ncertfile {}\nkeyfile {}\ncafile {}\nrequire_certificate true\n\
         tls_version tlsv1.3\nciphers_tls1.3 TLS_AES_128_GCM_SHA256\n",
        tls.certificate().display(),
        tls.key().display(),
        tls.clients().display(),
    )
}

fn exchange(stream: &mut Socket, head: u8, body: &[u8], expected: &[u8]) -> Result<()> {
    let mut packet = vec![head];
    push_length(&mut packet, body.len());
    packet.extend_from_slice(body);
    let mut reply = vec![0; expected.len()];
    stream.write_all(&packet).context("cannot write to mosquitto")?;
    stream.read_exact(&mut reply).context("cannot read from mosquitto")?;
    ensure!(reply == expected, "mosquitto: expected {expected:x?}, found {reply:x?}");
    Ok(())
}

fn push_string(body: &mut Vec<u8>, text: &[u8]) {
    body.extend_from_slice(&(text.len() as u16).to_be_bytes());
    body.extend_from_slice(text);
}

fn push_length(packet: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    while rest >= 0x80 {
        packet.push((rest % 0x80) as u8 | 0x80);
        rest /= 0x80;
    }
    packet.push(rest as u8);
}

/// First byte, body and length of a packet.
type Packet<'a> = (u8, &'a [u8], usize);

/// Finds the first packet of `bytes`. `None` if the packet is incomplete.
fn packet(bytes: &[u8]) -> Result<Option<Packet<'_>>> {
    let Some((head, rest)) = bytes.split_first() else { return Ok(None) };
    let (mut length, mut used) = (0, 1);
    for (index, byte) in rest.iter().take(LENGTH_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        used += 1;
        if byte & 0x80 == 0 {
            let body = bytes.get(used..used + length);
            return Ok(body.map(|body| (*head, body, used + length)));
        }
    }
    if rest.len() < LENGTH_BYTES_MAX { Ok(None) } else { Err(unexpected("a length", bytes)) }
}

/// A client that publishes and is subscribed with one quality of service.
#[derive(Debug)]
pub(crate) struct Client {
    qos: u8,
    id: u16,
    /// Packet ids that must be acknowledged.
    unacknowledged: Vec<[u8; 2]>,
}

impl Client {
    pub(crate) fn new(qos: u8) -> Self {
        Self { qos, id: 0, unacknowledged: Vec::new() }
    }

    fn publication<'a>(&mut self, body: &'a [u8]) -> Option<&'a [u8]> {
        let (length, rest) = body.split_first_chunk::<2>()?;
        let (topic, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        if self.qos == 0 {
            return (topic == TOPIC).then_some(rest);
        }
        let (id, text) = rest.split_first_chunk::<2>()?;
        self.unacknowledged.push(*id);
        (topic == TOPIC).then_some(text)
    }
}

impl Wire for Client {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        let id_bytes = usize::from(self.qos) * 2;
        output.push(PUBLISH | self.qos << 1);
        push_length(output, 2 + TOPIC.len() + id_bytes + text.len());
        push_string(output, TOPIC);
        if self.qos > 0 {
            self.id = self.id.checked_add(1).unwrap_or(1); // 0 is no packet id.
            output.extend_from_slice(&self.id.to_be_bytes());
        }
        output.extend_from_slice(text);
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let Some((head, body, used)) = packet(bytes)? else { return Ok(None) };
        // A repeated packet has a flag. It is an error here because no connection was lost.
        if head == PUBLISH | self.qos << 1 {
            if let Some(text) = self.publication(body) {
                return Ok(Some((Frame::Text(text), used)));
            }
        } else if head == PUBACK && self.qos > 0 && body.len() == 2 {
            return Ok(Some((Frame::Reply, used)));
        }
        Err(unexpected("a publication", bytes))
    }

    fn acknowledge(&mut self, output: &mut Vec<u8>) {
        for id in self.unacknowledged.drain(..) {
            output.extend_from_slice(&[PUBACK, 2]);
            output.extend_from_slice(&id);
        }
    }

    fn has_replies(&self) -> bool {
        self.qos > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{check, published, refuses};

    #[test]
    fn publications_are_found_wherever_the_bytes_are_split() {
        let bytes = b"\x30\x0a\x00\x05groupone\x30\x09\x00\x05group\n\n";
        check(&|| Box::new(Client::new(0)), bytes, &[b"one", b"\n\n"], 0);
        let bytes = b"\x32\x0b\x00\x05group\x01\x02hi\x40\x02\x00\x01";
        check(&|| Box::new(Client::new(1)), bytes, &[b"hi"], 1);
        let again = &b"\x3a\x0b\x00\x05group\x01\x02hi"[..];
        let topic = b"\x30\x0a\x00\x05Groupone";
        let length = b"\x30\xff\xff\xff\xff\x01";
        refuses(&|| Box::new(Client::new(0)), &[again, topic, length, b"\x40\x02\x00\x01"]);
    }

    #[test]
    fn a_published_text_is_found_again() {
        for (qos, bytes) in [(0, 1), (1, 1), (0, 100), (1, 120), (0, 127), (1, 16_384)] {
            let (mut wire, mut output, text) = (Client::new(qos), Vec::new(), vec![b'x'; bytes]);
            wire.publish(&text, &mut output);
            let found = wire.frame(&output).unwrap();
            assert_eq!(found, Some((Frame::Text(&text), output.len())), "{qos} {bytes}");
        }
        assert_eq!(published(Client::new(1)), b"\x32\x0d\x00\x05group\x00\x01four");
    }

    #[test]
    fn each_publication_is_acknowledged_once_and_no_id_is_zero() {
        let (mut wire, mut output) = (Client::new(1), Vec::new());
        wire.frame(b"\x32\x0b\x00\x05group\x01\x02hi").unwrap();
        wire.acknowledge(&mut output);
        wire.acknowledge(&mut output);
        assert_eq!(output, b"\x40\x02\x01\x02");
        wire.id = u16::MAX;
        assert_eq!(published(wire), b"\x32\x0d\x00\x05group\x00\x01four");
    }

    #[test]
    fn lengths_are_written_as_the_standard_shows() {
        for (length, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 1]),
        ] {
            let mut packet = Vec::new();
            push_length(&mut packet, length);
            assert_eq!(packet, bytes);
        }
    }
}
