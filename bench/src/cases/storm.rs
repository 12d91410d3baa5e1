//! All come back at once, and get what they missed.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};

use super::crowd::Crowd;
use super::texts::Texts;
use super::{Case, Metric, Values};
use crate::clock;
use crate::command::{CommandSocket, Door};
use crate::coordinator::{Coordinator, Start};
use crate::cores::{gone_when_closed, widen};
use crate::failure::{Failure, Result};
use crate::peers::floor::{Floor, Lines};
use crate::peers::groupcast::Deliveries;
use crate::peers::wire::Wire;
use crate::peers::{Peer, Programs};
use crate::process::Server;

/// Long enough for nothing to expire.
const TTL_S: u64 = 3600;

pub(super) fn play(case: &Case, programs: &Programs, peer: Peer) -> Result<Values> {
    if peer == Peer::Floor {
        floor(case, programs)
    } else {
        groupcast(case, programs, peer == Peer::GroupcastAcks)
    }
}

/// The members have sockets for their requests, write them all, and are connected back to.
fn groupcast(case: &Case, programs: &Programs, acks: bool) -> Result<Values> {
    let (members, messages, text_bytes) =
        (case.plan.receivers, case.messages, case.plan.text_bytes);
    let cores = programs.cores;
    let coordinator = Start { cores, ..Start::new(&programs.coordinator, TTL_S, &[]) }.run()?;
    miss(&coordinator, case)?;
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|door| {
        door.set_nonblocking(true)?;
        widen(&door)?;
        Ok((door.local_addr()?.port(), door))
    });
    let (port, door) = door.map_err(Failure::system("cannot listen for the coordinator"))?;
    let mut crowd = Crowd::new(text_bytes)?;
    crowd.open(door)?;
    let sockets = (0..members).map(|_| coordinator.command()).collect::<Result<Vec<_>>>();
    let mut sockets = sockets?;
    let options = if acks { " acks=1" } else { "" };
    let wire = move || Box::new(Deliveries::new(text_bytes, acks)) as Box<dyn Wire>;
    let values = measure(case, &coordinator.server, || {
        for (index, socket) in sockets.iter_mut().enumerate() {
            let request = format!("member{index}#reconnect {port}{options}#127.0.0.1\n");
            socket.write(request.as_bytes())?;
        }
        crowd.take(members, messages, &wire)
    })?;
    for socket in &mut sockets {
        let reply = socket.line()?;
        if !reply.contains(&format!(" missed={messages} expired=0")) {
            return Err(Failure::Wrong(format!("a member came back: {reply}")));
        }
    }
    for socket in sockets {
        let gone = gone_when_closed(&socket.into_stream());
        gone.map_err(Failure::system("cannot close a command socket"))?;
    }
    drop(crowd);
    coordinator.server.stop()?;
    Ok(values)
}

/// Registers all members, has them go, and publishes what they will have missed.
pub(super) fn miss(coordinator: &Coordinator, case: &Case) -> Result<()> {
    let door = Door::open()?;
    let mut command = coordinator.command()?;
    for index in 0..case.plan.receivers {
        let id = format!("member{index}");
        let messages = door.register(&mut command, &id, false)?;
        let gone = gone_when_closed(&messages);
        gone.map_err(Failure::system("cannot prepare a member"))?;
        command.request(&id, "disconnect")?;
    }
    let _messages = door.register(&mut command, "publisher", false)?;
    publish(&mut command, case)?;
    command.request("publisher", "deregister")?;
    Ok(())
}

/// All messages in few writes, then all replies.
pub(super) fn publish(command: &mut CommandSocket, case: &Case) -> Result<()> {
    let mut texts = Texts::new(case.plan.text_bytes);
    let mut number = 0;
    while number < case.messages {
        let end = case.messages.min(number + 100);
        let mut requests = Vec::new();
        for number in number..end {
            requests.extend_from_slice(b"publisher#msend ");
            requests.extend_from_slice(texts.text(0, number));
            requests.extend_from_slice(b"#127.0.0.1\n");
        }
        command.write(&requests)?;
        for number in number..end {
            let (expected, reply) = (format!("OK msend seq={}", number + 1), command.line()?);
            if reply != expected {
                return Err(Failure::Wrong(format!("expected {expected}, found {reply}")));
            }
        }
        number = end;
    }
    Ok(())
}

/// The floor has the bytes too, and copies them to everybody who connects.
fn floor(case: &Case, programs: &Programs) -> Result<Values> {
    let floor = Floor::start(&programs.bench, true, programs.cores)?;
    let (members, text_bytes) = (case.plan.receivers, case.plan.text_bytes);
    let wire = move || Box::new(Deliveries::copied(text_bytes)) as Box<dyn Wire>;
    let _publisher = fill(&floor, case)?;
    let mut crowd = Crowd::new(text_bytes)?;
    let values = measure(case, &floor.server, || {
        for _ in 0..members {
            crowd.add(floor.subscriber()?, wire())?;
        }
        crowd.take(members, case.messages, &wire)
    })?;
    Ok(values)
}

/// Publishes everything, and sees that it is all there.
pub(super) fn fill(floor: &Floor, case: &Case) -> Result<std::net::TcpStream> {
    let text_bytes = case.plan.text_bytes;
    let (mut texts, mut lines) = (Texts::new(text_bytes), Vec::new());
    for number in 0..case.messages {
        Lines.publish(texts.text(0, number), &mut lines);
    }
    let mut publisher = floor.publisher()?;
    publisher.write_all(&lines).map_err(Failure::system("cannot publish"))?;
    let wire = move || Box::new(Deliveries::copied(text_bytes)) as Box<dyn Wire>;
    let mut first = Crowd::new(text_bytes)?;
    first.add(floor.subscriber()?, wire())?;
    first.take(1, case.messages, &wire)?;
    Ok(publisher)
}

/// How long it takes until all have everything, and what of that the server works.
fn measure(case: &Case, server: &Server, come: impl FnOnce() -> Result<()>) -> Result<Values> {
    let before = server.usage()?;
    let begin = clock::now();
    come()?;
    let total = clock::now().duration_since(begin);
    let after = server.usage()?;
    let deliveries = case.messages as f64 * case.plan.receivers as f64;
    let cpu = after.cpu_ns_since(&before) as f64 / deliveries;
    Ok(Values::from([(Metric::Cpu, cpu), (Metric::Total, total.as_secs_f64() * 1e3)]))
}
