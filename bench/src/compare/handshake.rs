//! Cost of a TLS connection: a handshake in which both sides show a certificate, a request and its
//! reply.

use anyhow::Result;

use crate::coordinator::Start;
use crate::cores::reset_when_closed;
use crate::peers::mosquitto::{Mosquitto, Session};
use crate::peers::{Peer, Programs};
use crate::table::{Row, Table, Values, count};
use crate::tls::{Suite, Tls};

pub(super) const NAME: &str = "handshake";
pub(super) const CONNECTION: &str = "CPU of a connection, µs";
const PEERS: [Peer; 2] = [Peer::GroupcastAes, Peer::MosquittoAes];
const CONNECTIONS: u64 = 500;
const QUICK_DIVISOR: u64 = 10;
const ROUNDS: usize = 5;
const TTL_S: u64 = 60;

pub(super) fn measure(
    programs: &Programs,
    chosen: &[Peer],
    rounds: Option<usize>,
    is_quick: bool,
) -> Table {
    let connections = if is_quick { CONNECTIONS / QUICK_DIVISOR } else { CONNECTIONS };
    let rounds = rounds.unwrap_or(if is_quick { 1 } else { ROUNDS });
    let about = format!(
        "{connections} connections with TLS 1.3, one after the other, in which the server requires \
         the certificate of the client (ECDSA P-256, X25519): the handshake, then `ping` or \
         CONNECT, its reply, and the end. Sessions are not resumed. CPU of the server for a \
         connection; {}.",
        count(rounds, "round")
    );
    let row = |peer: Peer| match (chosen.contains(&peer), peer.version()) {
        (false, _) => Row::not_measured(peer.name(), "not chosen".to_owned()),
        (true, None) => Row::not_measured(peer.name(), peer.not_installed()),
        (true, Some(_)) => Row::new(peer.name()),
    };
    let mut table = Table { title: NAME.to_owned(), about, rows: PEERS.map(row).into() };
    table.measure(rounds, &mut |index| match PEERS.get(index) {
        Some(Peer::MosquittoAes) => mosquitto(programs, connections),
        Some(_) | None => groupcast(programs, connections),
    });
    table
}

fn groupcast(programs: &Programs, connections: u64) -> Result<Values> {
    let tls = Tls::new(Suite::Aes128Gcm)?;
    let start = Start { tls: Some(&tls), ..programs.coordinator(TTL_S, &[]) };
    let coordinator = start.run()?;
    let before = coordinator.server.usage()?;
    for _ in 0..connections {
        let mut command = coordinator.command()?;
        command.request("bench", "ping")?;
        reset_when_closed(&command.into_stream())?;
    }
    let after = coordinator.server.usage()?;
    coordinator.server.stop()?;
    Ok(values(after.cpu_ns_since(&before), connections))
}

fn mosquitto(programs: &Programs, connections: u64) -> Result<Values> {
    let mosquitto = Mosquitto::start_with(programs.cores, Some(Tls::new(Suite::Aes128Gcm)?))?;
    let before = mosquitto.server.usage()?;
    for index in 0..connections {
        let stream = mosquitto.client(&format!("client{index}"), Session::Clean)?;
        reset_when_closed(&stream)?;
    }
    let after = mosquitto.server.usage()?;
    Ok(values(after.cpu_ns_since(&before), connections))
}

fn values(cpu_ns: u64, connections: u64) -> Values {
    vec![(CONNECTION, cpu_ns as f64 / connections as f64 / 1e3)]
}
