//! Time that the requests of one client wait while other clients send as much as they can.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Report, Setup};
use crate::clock;
use crate::command::{CommandSocket, ConnectBack, DEADLINE, value_of};
use crate::coordinator::Coordinator;
use crate::cores::reset_when_closed;
use crate::peers::groupcast;
use crate::socket::Socket;
use crate::stream::ready;
use crate::table::Samples;

const MEMBERS: usize = 9_000;
const ASKERS: usize = 100;
/// Kept messages that a member goes back over: nearly the default backlog.
const KEPT: u64 = 450_000;
/// A measurement ends after this time, or after this number of replies.
const DURATION: Duration = Duration::from_secs(20);
const SAMPLES: usize = 1_000;
/// Greedy sockets that are served between two steps of the other client.
const PUMPED: usize = 4;
const PIECE_BYTES: usize = 16 * 1024;

#[derive(Clone, Copy, Debug)]
enum Greed {
    /// This number of command sockets write `ping` as fast as they can, and read the replies.
    Pings(usize),
    /// A member sends one message after another to all members.
    Messages,
    /// Members write acknowledgements as fast as they can.
    Acks,
    /// Clients ask for the list of all members without end.
    Lists,
}

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    report.title(
        "greedy",
        "time from request to reply of one client, while other clients send as much as they can",
    );
    for (greed, name, target_ms) in [
        (Greed::Pings(1_000), "1000 pipeline ping".to_owned(), 5.0),
        (Greed::Pings(9_900), "9900 pipeline ping".to_owned(), 20.0),
        (Greed::Messages, format!("messages for {MEMBERS} members"), 20.0),
        (Greed::Acks, format!("{MEMBERS} members acknowledge"), 20.0),
        (Greed::Lists, format!("{ASKERS} list {MEMBERS} members"), 20.0),
    ] {
        let times_ms = wait_beside(setup, greed)?;
        let (count, samples) = (times_ms.len(), Samples::new(times_ms));
        let [median, p99, most] = [0.5, 0.99, 1.0].map(|share| samples.quantile(share));
        report.value(&format!("{name}, p50 of {count}"), format!("{median:.2} ms"));
        report.target(&format!("{name}, p99"), p99, target_ms, "ms");
        report.value(&format!("{name}, greatest"), format!("{most:.2} ms"));
    }
    going_back(setup, report)
}

/// Returns the times of one client beside greedy clients.
fn wait_beside(setup: &Setup, greed: Greed) -> Result<Vec<f64>> {
    let coordinator = setup.programs.coordinator(60, &[]).run()?;
    let listener = ConnectBack::listen()?;
    let socket = || coordinator.command().map(CommandSocket::into_stream);
    let mut command = coordinator.command()?;
    let (request, mut members) = match greed {
        Greed::Pings(_) => {
            let ids = ["probe", "other"].iter();
            let members = ids.map(|id| listener.register(&mut command, id, false));
            ("probe#msend hello#127.0.0.1\n", members.collect::<Result<Vec<_>>>()?)
        }
        // The probe is no member. A message of a member would first be delivered to all others.
        Greed::Messages | Greed::Acks | Greed::Lists => {
            ("probe#ping#127.0.0.1\n", members(&coordinator, &listener)?)
        }
    };
    let stream = non_blocking(command.into_stream())?;
    let mut probe = Probe { stream, request, sent: None, times_ms: Vec::new() };
    let mut clients: Vec<Greedy> = match greed {
        Greed::Pings(sockets) => (0..sockets)
            .map(|_| Greedy::new(socket()?, b"x#ping#127.0.0.1\n"))
            .collect::<Result<_>>()?,
        Greed::Messages => {
            let mut command = coordinator.command()?;
            members.push(listener.register(&mut command, "publisher", false)?);
            let request = b"publisher#msend hello#127.0.0.1\n";
            vec![Greedy::once(command.into_stream(), request, 1)?]
        }
        Greed::Acks => members
            .drain(..)
            .map(|socket| Greedy::new(socket, b"ack 0\n"))
            .collect::<Result<_>>()?,
        Greed::Lists => (0..ASKERS)
            .map(|_| Greedy::once(socket()?, b"x#members#127.0.0.1\n", MEMBERS + 1))
            .collect::<Result<_>>()?,
    };
    probe.run(&mut clients)?;
    Ok(probe.times_ms)
}

/// A member reconnects with a `since=` far below its cursor. All messages since then are kept.
fn going_back(setup: &Setup, report: &mut Report) -> Result<()> {
    let coordinator = setup.programs.coordinator(60, &[]).run()?;
    let listener = ConnectBack::listen()?;
    let mut command = coordinator.command()?;
    let (_messages, reply) = listener.enter(&mut command, "back", "register", true)?;
    let epoch = value_of(&reply, "epoch").unwrap_or_default().to_owned();
    // The messages are kept for another member, which is offline.
    let _away = listener.register(&mut command, "away", false)?;
    command.request("away", "disconnect")?;
    command.request("back", "disconnect")?;
    let _publisher = groupcast::publish(&coordinator, 100, KEPT, 1_000)?;
    let (mut times_ms, port) = (Vec::new(), listener.port);
    for _ in 0..20 {
        // The member names the last message as received, and then none.
        command.request("back", &format!("reconnect {port} acks=1 since={epoch}:{KEPT}"))?;
        let before = coordinator.server.usage()?.cpu_ns;
        command.request("back", &format!("reconnect {port} acks=1 since={epoch}:0"))?;
        // The reply is sent before the deliveries of the turn, so this is mostly the request.
        let after = coordinator.server.usage()?.cpu_ns;
        times_ms.push(after.saturating_sub(before) as f64 / 1e6);
    }
    let median = Samples::new(times_ms).quantile(0.5);
    report.target(&format!("CPU to go back over {KEPT} messages"), median, 1.0, "ms");
    Ok(())
}

/// Registers many members and returns their message sockets.
fn members(coordinator: &Coordinator, listener: &ConnectBack) -> Result<Vec<Socket>> {
    let mut command = coordinator.command()?;
    (0..MEMBERS)
        .map(|index| listener.register(&mut command, &format!("member{index}"), true))
        .collect()
}

/// A client that sends the next request when it has the reply to the one before.
struct Probe {
    stream: Socket,
    request: &'static str,
    sent: Option<Instant>,
    times_ms: Vec<f64>,
}

impl Probe {
    /// Measures while this thread also serves the greedy clients.
    fn run(&mut self, clients: &mut [Greedy]) -> Result<()> {
        // All greedy clients write once before the measurement starts.
        for greedy in clients.iter_mut() {
            greedy.pump()?;
        }
        let begin = clock::now();
        let mut next = 0;
        while self.times_ms.len() < SAMPLES && clock::now().duration_since(begin) < DURATION {
            self.step()?;
            for _ in 0..PUMPED.min(clients.len()) {
                if let Some(greedy) = clients.get_mut(next) {
                    greedy.pump()?;
                }
                next = (next + 1) % clients.len();
            }
        }
        if self.times_ms.is_empty() {
            self.times_ms.push(DURATION.as_secs_f64() * 1e3);
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        let Some(sent) = self.sent else {
            self.sent = Some(clock::now());
            let written = self.stream.write_all(self.request.as_bytes());
            return written.context("cannot write a request");
        };
        let mut reply = [0; 256];
        let read = ready(self.stream.read(&mut reply)).context("cannot read a reply")?;
        let Some(bytes) = read else { return Ok(()) };
        let reply = String::from_utf8_lossy(reply.get(..bytes).unwrap_or_default());
        ensure!(reply.ends_with('\n'), "a part of a reply, or the end");
        ensure!(reply.starts_with("OK "), "a request was refused: {reply}");
        self.times_ms.push(clock::now().duration_since(sent).as_secs_f64() * 1e3);
        self.sent = None;
        Ok(())
    }
}

/// A socket that always has something to write, and is read from.
struct Greedy {
    stream: Socket,
    piece: Vec<u8>,
    written: usize,
    /// Lines of a reply after which the next request is written. `None` is at once.
    reply_lines: Option<usize>,
    lines: usize,
}

impl Greedy {
    fn new(stream: Socket, request: &[u8]) -> Result<Self> {
        let piece = request.repeat(PIECE_BYTES / request.len());
        Ok(Self { stream: non_blocking(stream)?, piece, written: 0, reply_lines: None, lines: 0 })
    }

    /// A socket with one request under way at a time.
    fn once(stream: Socket, request: &[u8], reply_lines: usize) -> Result<Self> {
        let (stream, piece) = (non_blocking(stream)?, request.to_vec());
        Ok(Self { stream, piece, written: 0, reply_lines: Some(reply_lines), lines: 0 })
    }

    fn pump(&mut self) -> Result<()> {
        let piece = self.piece.get(self.written..).unwrap_or_default();
        if !piece.is_empty() {
            let written = ready(self.stream.write(piece)).context("a greedy client")?;
            self.written += written.unwrap_or(0);
        }
        if self.written == self.piece.len() && self.reply_lines.is_none() {
            self.written = 0;
        }
        let mut replies = [0; 64 * 1024];
        let read = ready(self.stream.read(&mut replies)).context("a greedy client")?;
        ensure!(read != Some(0), "a greedy client was closed");
        if let (Some(bytes), Some(reply_lines)) = (read, self.reply_lines) {
            let read = replies.get(..bytes).unwrap_or_default();
            self.lines += memchr::memchr_iter(b'\n', read).count();
            if self.lines >= reply_lines {
                (self.lines, self.written) = (0, 0);
            }
        }
        Ok(())
    }
}

fn non_blocking(stream: Socket) -> Result<Socket> {
    reset_when_closed(&stream)?;
    stream.tcp().set_nonblocking(true)?;
    Ok(stream)
}

const _: () = assert!(DURATION.as_secs() <= DEADLINE.as_secs(), "a measurement ends in time");
