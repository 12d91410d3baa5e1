//! A thousand members reconnect at once and get the messages that they missed.

use anyhow::{Context as _, Result, ensure};

use super::absent::register_offline;
use super::{CPU, Case, TOTAL};
use crate::clients::{Clients, Pace, Until};
use crate::clock;
use crate::command::ConnectBack;
use crate::cores::{lengthen_accept_queue, reset_when_closed};
use crate::peers::floor::{Floor, Lines};
use crate::peers::floor_server::{PUBLISHER, SUBSCRIBER};
use crate::peers::groupcast::{self, Deliveries};
use crate::peers::redis::{MEMORY_ONLY, Redis};
use crate::peers::{Peer, Programs};
use crate::process::Server;
use crate::table::Values;

/// Long enough that no message expires.
const TTL_S: u64 = 3600;

pub(super) fn measure(case: &Case, programs: &Programs, peer: Peer) -> Result<Values> {
    if matches!(peer, Peer::Floor | Peer::FloorAcks) {
        floor(case, programs, peer.has_acks())
    } else if peer == Peer::RedisStreams {
        redis_streams(case, programs)
    } else {
        coordinator(case, programs, peer.has_acks())
    }
}

/// Each member writes `reconnect` on a command socket of its own and is connected back to.
fn coordinator(case: &Case, programs: &Programs, acks: bool) -> Result<Values> {
    let (members, messages, text_bytes) =
        (case.plan.receivers, case.messages, case.plan.text_bytes);
    let coordinator = programs.coordinator(TTL_S, &[]).run()?;
    register_offline(&coordinator, members)?;
    drop(groupcast::publish(&coordinator, text_bytes, messages, 100)?);
    let ConnectBack { listener, port, .. } = ConnectBack::listen()?;
    lengthen_accept_queue(&listener)?;
    let mut clients = Clients::new(text_bytes)?;
    clients.accept_from(listener, Box::new(move || Box::new(Deliveries::new(text_bytes, acks))))?;
    let mut sockets = (0..members).map(|_| coordinator.command()).collect::<Result<Vec<_>>>()?;
    let options = if acks { " acks=1" } else { "" };
    let values = timed(case, &coordinator.server, || {
        for (index, socket) in sockets.iter_mut().enumerate() {
            let request = format!("member{index}#reconnect {port}{options}#127.0.0.1\n");
            socket.write(request.as_bytes())?;
        }
        clients.receive(members, messages)
    })?;
    for socket in &mut sockets {
        let reply = socket.line()?;
        let is_right = reply.contains(&format!(" missed={messages} expired=0"));
        ensure!(is_right, "reply to reconnect: {reply}");
    }
    for socket in sockets {
        reset_when_closed(&socket.into_stream()).context("cannot close a command socket")?;
    }
    drop(clients);
    coordinator.server.stop()?;
    Ok(values)
}

/// The floor keeps the bytes and copies them to each client that connects.
fn floor(case: &Case, programs: &Programs, acks: bool) -> Result<Values> {
    let floor = Floor::start(true, programs.cores)?;
    let _publisher = fill(&floor, case)?;
    let text_bytes = case.plan.text_bytes;
    let mut clients = Clients::new(text_bytes)?;
    timed(case, &floor.server, || {
        for _ in 0..case.plan.receivers {
            let wire = Box::new(Deliveries::copied(text_bytes, acks));
            clients.add_receiver(floor.client(SUBSCRIBER)?, wire, 1, 0..0)?;
        }
        clients.receive(case.plan.receivers, case.messages)
    })
}

/// Each client connects and reads the stream from its first entry.
fn redis_streams(case: &Case, programs: &Programs) -> Result<Values> {
    let redis = Redis::start(programs.cores, MEMORY_ONLY)?;
    let text_bytes = case.plan.text_bytes;
    let _publisher = redis.fill_stream(text_bytes, case.messages)?;
    let mut clients = Clients::new(text_bytes)?;
    timed(case, &redis.server, || {
        for _ in 0..case.plan.receivers {
            let (stream, wire) = redis.reader(text_bytes)?;
            clients.add_receiver(stream, wire, 1, 0..0)?;
        }
        clients.receive(case.plan.receivers, case.messages)
    })
}

/// Publishes all messages to the floor and verifies them with one subscriber.
pub(super) fn fill(floor: &Floor, case: &Case) -> Result<Clients> {
    let mut clients = Clients::new(case.plan.text_bytes)?;
    let wire = Box::new(Deliveries::copied(case.plan.text_bytes, false));
    clients.add_receiver(floor.client(SUBSCRIBER)?, wire, 1, 0..0)?;
    clients.add_publisher(floor.client(PUBLISHER)?, Box::new(Lines))?;
    clients.run(Pace::Behind(u64::MAX), Until::Messages(case.messages))?;
    Ok(clients)
}

/// Measures the time until all have everything, and the CPU of the server meanwhile.
fn timed(case: &Case, server: &Server, work: impl FnOnce() -> Result<()>) -> Result<Values> {
    let before = server.usage()?;
    let begin = clock::now();
    work()?;
    let total = clock::now().duration_since(begin);
    let after = server.usage()?;
    let deliveries = case.messages as f64 * case.plan.receivers as f64;
    let cpu = after.cpu_ns_since(&before) as f64 / deliveries;
    Ok(vec![(CPU, cpu), (TOTAL, total.as_secs_f64() * 1e3)])
}
