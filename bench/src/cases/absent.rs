//! What it takes to keep messages for those who are away.

use super::crowd::Crowd;
use super::storm::fill;
use super::texts::Texts;
use super::{Case, Metric, Values};
use crate::command::Door;
use crate::coordinator::Start;
use crate::failure::{Failure, Result};
use crate::peers::floor::Floor;
use crate::peers::groupcast::Deliveries;
use crate::peers::mosquitto::{Client, Mosquitto, Session};
use crate::peers::wire::Wire;
use crate::peers::{Peer, Programs};
use crate::process::Server;

const TTL_S: u64 = 86_400;
const BACKLOG: [&str; 2] = ["--max-backlog", "1g"];

pub(super) fn play(case: &Case, programs: &Programs, peer: Peer) -> Result<Values> {
    let case = &Case { messages: case.messages_for(peer), ..*case };
    match peer {
        Peer::Floor => floor(case, programs),
        Peer::Groupcast | Peer::GroupcastAcks => groupcast(case, programs),
        Peer::Mosquitto0 | Peer::Mosquitto1 => mosquitto(case, programs),
        Peer::Redis | Peer::Nats => {
            Err(Failure::Wrong(format!("{} keeps nothing for who is away", peer.name()))) //.
        }
    }
}

/// The bytes, once, and nothing else.
fn floor(case: &Case, programs: &Programs) -> Result<Values> {
    let floor = Floor::start(&programs.bench, true, programs.cores)?;
    let idle = floor.server.usage()?.rss_bytes;
    let _publisher = fill(&floor, case)?;
    values(case, &floor.server, idle)
}

fn groupcast(case: &Case, programs: &Programs) -> Result<Values> {
    let cores = programs.cores;
    let start = Start { cores, ..Start::new(&programs.coordinator, TTL_S, &BACKLOG) };
    let coordinator = start.run()?;
    let empty = Case { messages: 0, ..*case };
    super::storm::miss(&coordinator, &empty)?;
    let idle = coordinator.server.usage()?.rss_bytes;
    let mut command = coordinator.command()?;
    let door = Door::open()?;
    let messages = door.register(&mut command, "publisher", false)?;
    super::storm::publish(&mut command, case)?;
    let values = values(case, &coordinator.server, idle)?;
    drop(messages);
    let last = format!("member{}", case.plan.receivers.saturating_sub(1));
    let stream = door.reconnect(&mut command, &last)?;
    let text_bytes = case.plan.text_bytes;
    let wire = move || Box::new(Deliveries::new(text_bytes, false)) as Box<dyn Wire>;
    collect(case, stream, &wire)?;
    Ok(values)
}

/// Sessions that outlive their connections, and are due each message at least once.
fn mosquitto(case: &Case, programs: &Programs) -> Result<Values> {
    let mosquitto = Mosquitto::start(programs.cores)?;
    for index in 0..case.plan.receivers {
        let mut stream = mosquitto.connect(&format!("member{index}"), Session::Begun)?;
        Mosquitto::subscribe(&mut stream, 1)?;
    }
    let idle = mosquitto.server.usage()?.rss_bytes;
    let mut publisher = mosquitto.connect("publisher", Session::Clean)?;
    let mut texts = Texts::new(case.plan.text_bytes);
    let mut wire = Client::new(1);
    for number in 0..case.messages {
        wire.deliver(&mut publisher, texts.text(0, number))?;
    }
    let values = values(case, &mosquitto.server, idle)?;
    let last = format!("member{}", case.plan.receivers.saturating_sub(1));
    let stream = mosquitto.connect(&last, Session::Resumed)?;
    collect(case, stream, &|| Box::new(Client::new(1)))?;
    Ok(values)
}

/// One of them comes back, and must get all of it.
fn collect(
    case: &Case,
    stream: std::net::TcpStream,
    wire: &dyn Fn() -> Box<dyn Wire>,
) -> Result<()> {
    let mut crowd = Crowd::new(case.plan.text_bytes)?;
    crowd.add(stream, wire())?;
    crowd.take(1, case.messages, wire)
}

fn values(case: &Case, server: &Server, idle: u64) -> Result<Values> {
    let rss = server.usage()?.rss_bytes as f64;
    let each = (rss - idle as f64) / case.messages as f64;
    Ok(Values::from([(Metric::Memory, rss / 1e6), (Metric::EachMessage, each)]))
}
