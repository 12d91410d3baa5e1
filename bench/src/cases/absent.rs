//! Memory for messages that a server keeps for offline members.

use super::storm::{fill, publish, register_offline};
use super::{Case, MEMORY, PER_MESSAGE};
use crate::clients::{Clients, Pace, Until};
use crate::command::Door;
use crate::failure::Result;
use crate::peers::floor::Floor;
use crate::peers::groupcast::Deliveries;
use crate::peers::mosquitto::{Client, Mosquitto, Session};
use crate::peers::{Peer, Programs};
use crate::process::Server;
use crate::table::Values;
use crate::wire::Wire;

const TTL_S: u64 = 86_400;
const BACKLOG: [&str; 2] = ["--max-backlog", "1g"];

pub(super) fn measure(case: &Case, programs: &Programs, peer: Peer) -> Result<Values> {
    if peer == Peer::Floor {
        floor(case, programs)
    } else if peer.is_slow() {
        mosquitto(case, programs)
    } else {
        coordinator(case, programs)
    }
}

fn floor(case: &Case, programs: &Programs) -> Result<Values> {
    let floor = Floor::start(true, programs.cores)?;
    let idle = floor.server.usage()?.rss_bytes;
    let _clients = fill(&floor, case)?;
    memory(case, &floor.server, idle)
}

fn coordinator(case: &Case, programs: &Programs) -> Result<Values> {
    let coordinator = programs.coordinator(TTL_S, &BACKLOG).run()?;
    register_offline(&coordinator, case.plan.receivers)?;
    let idle = coordinator.server.usage()?.rss_bytes;
    let _publisher = publish(&coordinator, case)?;
    let values = memory(case, &coordinator.server, idle)?;
    let stream = Door::open()?.reconnect(&mut coordinator.command()?, &last(case))?;
    collect(case, stream, Box::new(Deliveries::new(case.plan.text_bytes, false)))?;
    Ok(values)
}

/// Each member has a session that outlives its connection.
fn mosquitto(case: &Case, programs: &Programs) -> Result<Values> {
    let mosquitto = Mosquitto::start(programs.cores)?;
    for index in 0..case.plan.receivers {
        let mut stream = mosquitto.client(&format!("member{index}"), Session::Begun)?;
        Mosquitto::subscribe(&mut stream, 1)?;
    }
    let idle = mosquitto.server.usage()?.rss_bytes;
    let mut publisher = Clients::new(case.plan.text_bytes)?;
    let stream = mosquitto.client("publisher", Session::Clean)?;
    publisher.add_publisher(stream, Box::new(Client::new(1)))?;
    publisher.run(Pace::Unanswered(1), Until::Messages(case.messages))?;
    let values = memory(case, &mosquitto.server, idle)?;
    let stream = mosquitto.client(&last(case), Session::Resumed)?;
    collect(case, stream, Box::new(Client::new(1)))?;
    Ok(values)
}

fn last(case: &Case) -> String {
    format!("member{}", case.plan.receivers.saturating_sub(1))
}

/// Requires that one member gets all messages.
fn collect(case: &Case, stream: std::net::TcpStream, wire: Box<dyn Wire>) -> Result<()> {
    let mut clients = Clients::new(case.plan.text_bytes)?;
    clients.add_receiver(stream, wire, 1, None)?;
    clients.receive(1, case.messages)
}

fn memory(case: &Case, server: &Server, idle: u64) -> Result<Values> {
    let rss = server.usage()?.rss_bytes as f64;
    let each = (rss - idle as f64) / case.messages as f64;
    Ok(vec![(MEMORY, rss / 1e6), (PER_MESSAGE, each)])
}
