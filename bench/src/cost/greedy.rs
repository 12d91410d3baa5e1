//! Times that one client's requests wait while others ask for all they can.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Setup;
use crate::clock;
use crate::command::{DEADLINE, Door, value_of};
use crate::coordinator::{Coordinator, Start};
use crate::cores::{Cores, gone_when_closed};
use crate::failure::{Failure, Result};
use crate::flood::{Flood, Load};
use crate::publisher::Dialect;
use crate::report::{Report, Samples};

/// Command sockets that write `ping` without end, and the p99 that others may see.
const PINGERS: [(usize, f64); 2] = [(1_000, 5.0), (9_900, 20.0)];
const MEMBERS: usize = 9_000;
const ASKERS: usize = 100;
/// Messages that are kept when a member goes back over all of them: close to the default backlog.
const KEPT: Load = Load { messages: 450_000, text_bytes: 100, in_flight: 1_000 };
/// Each case lasts this long, or until this many requests were answered.
const DURATION: Duration = Duration::from_secs(20);
const SAMPLES: usize = 1_000;
/// Greedy sockets that are written to and read from between two looks at the other client.
const PUMPED: usize = 4;
const PIECE_BYTES: usize = 16 * 1024;

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    report.title(
        "greedy",
        "time from a client's request to its reply, while others ask for all they can",
    );
    for (sockets, target_ms) in PINGERS {
        pings(setup, report, sockets, target_ms)?;
    }
    messages(setup, report)?;
    acknowledgements(setup, report)?;
    lists(setup, report)?;
    going_back(setup, report)
}

fn start(setup: &Setup) -> Result<Coordinator> {
    let cores = Cores::find()?;
    Start { cores, ..Start::new(&setup.coordinator, 60, &[]) }.run()
}

/// Command sockets that write `ping` as fast as it is taken, and read the replies.
fn pings(setup: &Setup, report: &mut Report, sockets: usize, target_ms: f64) -> Result<()> {
    let coordinator = start(setup)?;
    let door = Door::open()?;
    let mut probe = Probe::register(&coordinator, &door)?;
    let mut crowd = Vec::new();
    for _ in 0..sockets {
        let greedy = Greedy::new(coordinator.command()?.into_stream(), b"x#ping#127.0.0.1\n")?;
        crowd.push(greedy);
    }
    probe.run(&mut crowd, SAMPLES)?;
    probe.say(report, &format!("{sockets} pipeline ping"), Some(target_ms));
    Ok(())
}

/// One message after another, each for all members.
fn messages(setup: &Setup, report: &mut Report) -> Result<()> {
    let coordinator = start(setup)?;
    let door = Door::open()?;
    let mut probe = Probe::observer(&coordinator)?;
    let _members = members(&coordinator, &door)?;
    let mut command = coordinator.command()?;
    let _own = door.register(&mut command, "publisher", false)?;
    let request = b"publisher#msend hello#127.0.0.1\n";
    let mut crowd = [Greedy::once(command.into_stream(), request, 1)?];
    probe.run(&mut crowd, SAMPLES)?;
    probe.say(report, &format!("messages for {MEMBERS} members"), Some(20.0));
    Ok(())
}

/// Members that write acknowledgements as fast as they are taken.
fn acknowledgements(setup: &Setup, report: &mut Report) -> Result<()> {
    let coordinator = start(setup)?;
    let door = Door::open()?;
    let mut probe = Probe::observer(&coordinator)?;
    let mut crowd = Vec::new();
    for socket in members(&coordinator, &door)? {
        crowd.push(Greedy::new(socket, b"ack 0\n")?);
    }
    probe.run(&mut crowd, SAMPLES)?;
    probe.say(report, &format!("{MEMBERS} members acknowledge"), Some(20.0));
    Ok(())
}

/// Clients that ask for the list of all members at the same time, again and again.
fn lists(setup: &Setup, report: &mut Report) -> Result<()> {
    let coordinator = start(setup)?;
    let door = Door::open()?;
    let mut probe = Probe::observer(&coordinator)?;
    let _members = members(&coordinator, &door)?;
    let mut crowd = Vec::new();
    for _ in 0..ASKERS {
        let socket = coordinator.command()?.into_stream();
        crowd.push(Greedy::once(socket, b"x#members#127.0.0.1\n", MEMBERS + 1)?);
    }
    probe.run(&mut crowd, SAMPLES)?;
    probe.say(report, &format!("{ASKERS} ask for {MEMBERS} members"), Some(20.0));
    Ok(())
}

/// One member names a number far below its place, with everything kept since then.
fn going_back(setup: &Setup, report: &mut Report) -> Result<()> {
    let coordinator = start(setup)?;
    let door = Door::open()?;
    let mut command = coordinator.command()?;
    let (_messages, reply) = door.enter(&mut command, "back", "register", true)?;
    let epoch = value_of(&reply, "epoch").unwrap_or_default().to_owned();
    // Somebody else keeps the messages in the backlog.
    let _away = door.register(&mut command, "away", false)?;
    command.request("away", "disconnect")?;
    command.request("back", "disconnect")?;
    let mut publisher = coordinator.command()?;
    let _own = door.register(&mut publisher, "publisher", false)?;
    let dialect = Dialect::groupcast("publisher");
    let mut flood = Flood::new(KEPT, publisher.into_stream(), dialect, Vec::new(), false)?;
    flood.run()?;
    flood.finish()?;
    let last = KEPT.messages;
    let (mut times_ms, port) = (Vec::new(), door.port());
    for _ in 0..20 {
        // Everything is named as taken, and then nothing.
        command.request("back", &format!("reconnect {port} acks=1 since={epoch}:{last}"))?;
        let before = coordinator.server.usage()?.cpu_ns;
        command.request("back", &format!("reconnect {port} acks=1 since={epoch}:0"))?;
        // The reply leaves before the deliveries of the turn: most of this is the request's own.
        let after = coordinator.server.usage()?.cpu_ns;
        times_ms.push(after.saturating_sub(before) as f64 / 1e6);
    }
    let median = Samples::new(times_ms).quantile(0.5);
    let name = format!("CPU of going back over {last}");
    report.figure(&name, format!("{median:.3} ms"), "at most 1 ms", median <= 1.0);
    Ok(())
}

/// The message sockets of many members.
fn members(coordinator: &Coordinator, door: &Door) -> Result<Vec<TcpStream>> {
    let mut command = coordinator.command()?;
    (0..MEMBERS).map(|index| door.register(&mut command, &format!("member{index}"), true)).collect()
}

/// A client that sends one message after another, each as soon as the one before is answered.
struct Probe {
    stream: TcpStream,
    request: Vec<u8>,
    sent: Option<Instant>,
    times_ms: Vec<f64>,
    /// Both ends of the pair stay members.
    _messages: Vec<TcpStream>,
}

impl Probe {
    /// A client that is no member: a message of its own would be delivered to all others first.
    fn observer(coordinator: &Coordinator) -> Result<Self> {
        let stream = unblocked(coordinator.command()?.into_stream())?;
        let request = b"probe#ping#127.0.0.1\n".to_vec();
        Ok(Self { stream, request, sent: None, times_ms: Vec::new(), _messages: Vec::new() })
    }

    fn register(coordinator: &Coordinator, door: &Door) -> Result<Self> {
        let mut command = coordinator.command()?;
        let messages = vec![
            door.register(&mut command, "probe", false)?,
            door.register(&mut command, "other", false)?,
        ];
        let stream = unblocked(command.into_stream())?;
        let request = b"probe#msend hello#127.0.0.1\n".to_vec();
        Ok(Self { stream, request, sent: None, times_ms: Vec::new(), _messages: messages })
    }

    /// Measures while the crowd is served as well, all by this one thread.
    fn run(&mut self, crowd: &mut [Greedy], samples: usize) -> Result<()> {
        // The first client has an advantage until all others have written.
        for greedy in crowd.iter_mut() {
            greedy.pump()?;
        }
        let begin = clock::now();
        let mut next = 0;
        while self.times_ms.len() < samples && clock::now().duration_since(begin) < DURATION {
            self.step()?;
            for _ in 0..PUMPED.min(crowd.len()) {
                if let Some(greedy) = crowd.get_mut(next) {
                    greedy.pump()?;
                }
                next = (next + 1) % crowd.len();
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
            let written = self.stream.write_all(&self.request);
            return written.map_err(Failure::system("cannot write a request"));
        };
        let mut reply = [0; 256];
        match self.stream.read(&mut reply) {
            Ok(bytes) if reply.get(..bytes).is_some_and(|reply| reply.ends_with(b"\n")) => {
                if !reply.starts_with(b"OK ") {
                    let reply = String::from_utf8_lossy(&reply).into_owned();
                    return Err(Failure::Wrong(format!("a request was refused: {reply}")));
                }
                self.times_ms.push(clock::now().duration_since(sent).as_secs_f64() * 1e3);
                self.sent = None;
                Ok(())
            }
            Ok(_) => Err(Failure::Wrong("a part of a reply, or the end".to_owned())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(Failure::System("cannot read a reply".to_owned(), error)),
        }
    }

    fn say(self, report: &mut Report, what: &str, target_ms: Option<f64>) {
        let count = self.times_ms.len();
        let samples = Samples::new(self.times_ms);
        let [median, p99, most] = [0.5, 0.99, 1.0].map(|share| samples.quantile(share));
        let value = format!("{median:.2} ms");
        report.value(&format!("{what}, p50 of {count}"), value);
        if let Some(target_ms) = target_ms {
            let target = format!("at most {target_ms} ms");
            report.figure(
                &format!("{what}, p99"),
                format!("{p99:.2} ms"),
                target,
                p99 <= target_ms,
            );
        }
        report.value(&format!("{what}, most"), format!("{most:.2} ms"));
    }
}

/// A socket that is always written to, and read from.
struct Greedy {
    stream: TcpStream,
    piece: Vec<u8>,
    written: usize,
    /// Lines of one answer, where it asks again only when that has come.
    answer_lines: Option<usize>,
    lines: usize,
}

impl Greedy {
    fn new(stream: TcpStream, request: &[u8]) -> Result<Self> {
        let piece = request.repeat(PIECE_BYTES / request.len());
        Ok(Self { stream: unblocked(stream)?, piece, written: 0, answer_lines: None, lines: 0 })
    }

    /// One that asks again only when the lines of the answer have come.
    fn once(stream: TcpStream, request: &[u8], answer_lines: usize) -> Result<Self> {
        let (stream, piece) = (unblocked(stream)?, request.to_vec());
        Ok(Self { stream, piece, written: 0, answer_lines: Some(answer_lines), lines: 0 })
    }

    fn pump(&mut self) -> Result<()> {
        let piece = self.piece.get(self.written..).unwrap_or_default();
        if !piece.is_empty() {
            match self.stream.write(piece) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => (),
                Err(error) => return Err(Failure::System("a greedy client".to_owned(), error)),
            }
        }
        if self.written == self.piece.len() && self.answer_lines.is_none() {
            self.written = 0;
        }
        let mut replies = [0; 64 * 1024];
        match self.stream.read(&mut replies) {
            Ok(0) => Err(Failure::Wrong("a greedy client was closed".to_owned())),
            Ok(bytes) => {
                if let Some(answer_lines) = self.answer_lines {
                    let read = replies.get(..bytes).unwrap_or_default();
                    self.lines += memchr::memchr_iter(b'\n', read).count();
                    if self.lines >= answer_lines {
                        (self.lines, self.written) = (0, 0);
                    }
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(Failure::System("a greedy client".to_owned(), error)),
        }
    }
}

fn unblocked(stream: TcpStream) -> Result<TcpStream> {
    let set = gone_when_closed(&stream).and_then(|()| stream.set_nonblocking(true));
    set.map_err(Failure::system("cannot set up a socket"))?;
    Ok(stream)
}

const _: () = assert!(DURATION.as_secs() <= DEADLINE.as_secs(), "a case ends in time");
