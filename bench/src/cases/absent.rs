//! Memory for messages that a server keeps for offline members.

use anyhow::{Context as _, Result};

use super::storm::fill;
use super::{Case, MEMORY, PER_MESSAGE};
use crate::clients::{Clients, Pace, Until};
use crate::command::ConnectBack;
use crate::coordinator::Coordinator;
use crate::cores::reset_when_closed;
use crate::peers::floor::Floor;
use crate::peers::groupcast::{self, Deliveries};
use crate::peers::mosquitto::{Client, Mosquitto, Session};
use crate::peers::redis::{MEMORY_ONLY, Redis};
use crate::peers::{Peer, Programs};
use crate::process::Server;
use crate::socket::Socket;
use crate::table::Values;
use crate::wire::Wire;

const TTL_S: u64 = 86_400;
const BACKLOG: [&str; 2] = ["--max-backlog", "1g"];

pub(super) fn measure(case: &Case, programs: &Programs, peer: Peer) -> Result<Values> {
    if peer == Peer::Floor {
        floor(case, programs)
    } else if peer == Peer::RedisStreams {
        redis_streams(case, programs)
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
    let _publisher = groupcast::publish(&coordinator, case.plan.text_bytes, case.messages, 100)?;
    let values = memory(case, &coordinator.server, idle)?;
    let stream = ConnectBack::listen()?.reconnect(&mut coordinator.command()?, &last(case))?;
    let wire = Box::new(Deliveries::new(case.plan.text_bytes, false));
    collect(case.plan.text_bytes, case.messages, stream, wire)?;
    Ok(values)
}

/// The stream is there for all; a client that comes names the last entry that it has.
fn redis_streams(case: &Case, programs: &Programs) -> Result<Values> {
    let redis = Redis::start(programs.cores, MEMORY_ONLY)?;
    let idle = redis.server.usage()?.rss_bytes;
    let _publisher = redis.fill_stream(case.plan.text_bytes, case.messages)?;
    let values = memory(case, &redis.server, idle)?;
    let (stream, wire) = redis.reader(case.plan.text_bytes)?;
    collect(case.plan.text_bytes, case.messages, stream, wire)?;
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
    collect(case.plan.text_bytes, case.messages, stream, Box::new(Client::new(1)))?;
    Ok(values)
}

fn last(case: &Case) -> String {
    format!("member{}", case.plan.receivers.saturating_sub(1))
}

/// Registers `member0` and so on, and disconnects all of them.
pub(crate) fn register_offline(coordinator: &Coordinator, members: usize) -> Result<()> {
    let listener = ConnectBack::listen()?;
    let mut command = coordinator.command()?;
    for index in 0..members {
        let id = format!("member{index}");
        let messages = listener.register(&mut command, &id, false)?;
        reset_when_closed(&messages).context("cannot prepare a member")?;
        command.request(&id, "disconnect")?;
    }
    Ok(())
}

/// Requires that a member gets all messages, and no other.
pub(crate) fn collect(
    text_bytes: usize,
    messages: u64,
    stream: impl Into<Socket>,
    wire: Box<dyn Wire>,
) -> Result<()> {
    let mut clients = Clients::new(text_bytes)?;
    clients.add_receiver(stream, wire, 1, 0..0)?;
    clients.receive(1, messages)?;
    clients.settle()
}

fn memory(case: &Case, server: &Server, idle: u64) -> Result<Values> {
    let rss = server.usage()?.rss_bytes as f64;
    let each = (rss - idle as f64) / case.messages as f64;
    Ok(vec![(MEMORY, rss / 1e6), (PER_MESSAGE, each)])
}
