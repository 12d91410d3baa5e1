//! What a message costs the participant, from its socket into its message log.
//!
//! ```text
//!   a coordinator of ours ── deliveries ──> participant ──> message log, /dev/null
//!            └─────────────── ack ────────────────┘
//! ```
//!
//! The coordinator here only registers one member and writes: nothing but the participant is
//! measured, and it is never waited for.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Setup;
use crate::command::DEADLINE;
use crate::cores::Cores;
use crate::failure::{Failure, Result};
use crate::process::Server;
use crate::report::{Report, Samples, ratio};
use crate::texts::{Checker, push_text};

const MESSAGES: u64 = 1_000_000;
const TEXT_BYTES: usize = 100;
/// What is written at once: more than the participant reads at once.
const PIECE_BYTES: usize = 256 * 1024;
const CPU_NS_MAX: f64 = 400.0;

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let (cores, rounds) = (Cores::find()?, setup.rounds);
    report.title(
        "participant",
        format_args!(
            "{MESSAGES} messages of {TEXT_BYTES} bytes as fast as they go, {rounds} rounds"
        ),
    );
    report.note("nanoseconds a message received and logged, least / median / most of the rounds");
    let mut cpu_ns = Vec::new();
    for _ in 0..rounds {
        cpu_ns.push(ratio(round(setup, cores)?, MESSAGES));
    }
    let cpu_ns = Samples::new(cpu_ns);
    let is_met = cpu_ns.quantile(0.5) <= CPU_NS_MAX;
    report.figure("CPU of all its threads", cpu_ns.spread(0), "at most 400 ns", is_met);
    Ok(())
}

/// The CPU time of a participant that takes all messages.
fn round(setup: &Setup, cores: Option<Cores>) -> Result<u64> {
    let failed = || Failure::system("the participant's files");
    let directory = tempfile::tempdir().map_err(failed())?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed())?;
    let port = listener.local_addr().map_err(failed())?.port();
    let log_path = directory.path().join("message.log");
    let config = format!("taker\n{}\n127.0.0.1 {port}\n", log_path.display());
    fs::write(directory.path().join("config"), config).map_err(failed())?;
    let start = || start(setup, &directory);
    let mut participant = match cores {
        Some(cores) => cores.start_server(start)?,
        None => start()?,
    };
    let Some(mut typed) = participant.stdin() else {
        return Err(Failure::Wrong("a participant without standard input".to_owned()));
    };
    let mut member = Member::admit(&listener)?;
    let before = participant.usage()?;
    member.flood()?;
    let after = participant.usage()?;
    typed.write_all(b"quit\n").map_err(Failure::system("cannot type"))?;
    member.let_go()?;
    participant.stop()?;
    verify(&fs::read(log_path).map_err(failed())?)?;
    Ok(after.cpu_ns_since(&before))
}

/// What it shows goes where it costs nobody anything.
fn start(setup: &Setup, directory: &TempDir) -> Result<Server> {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" > /dev/null"]).arg(&setup.participant);
    command.args(["--interactive", "--execute", "register 0"]).arg(directory.path().join("config"));
    Server::start("the participant", command.stdin(Stdio::piped()))
}

/// Every message must stand there, once and in its place.
fn verify(log: &[u8]) -> Result<()> {
    let mut checker = Checker::new(0, 1, TEXT_BYTES);
    checker.take(log).map_err(Failure::Wrong)?;
    let lines = log.split(|&byte| byte == b'\n');
    let logged = lines.filter(|line| line.first().is_some_and(u8::is_ascii_digit)).count();
    match (checker.next(), logged as u64) {
        (MESSAGES, MESSAGES) => Ok(()),
        (texts, lines) => {
            Err(Failure::Wrong(format!("{texts} texts in {lines} lines of {MESSAGES} logged")))
        }
    }
}

/// The participant as its coordinator sees it.
#[derive(Debug)]
struct Member {
    commands: BufReader<TcpStream>,
    messages: BufReader<TcpStream>,
}

impl Member {
    /// Grants the first request, a `register`.
    fn admit(listener: &TcpListener) -> Result<Self> {
        let (stream, peer) = listener.accept().map_err(Failure::system("no participant came"))?;
        let mut commands = buffered(stream)?;
        let request = line(&mut commands)?;
        let asked = request.split_once("#register ").and_then(|(_, behind)| {
            let (port, behind) = behind.split_once(' ')?;
            let (_, nonce) = behind.split_once("nonce=")?;
            Some((port.parse().ok()?, nonce.split(['#', ' ']).next()?))
        });
        let Some((port, nonce)) = asked else {
            return Err(Failure::Wrong(format!("no register: {request:?}")));
        };
        let address: (IpAddr, u16) = (peer.ip(), port);
        let connected = TcpStream::connect(address);
        let mut messages = buffered(connected.map_err(Failure::system("cannot connect back"))?)?;
        let epoch = "00000000000000aa";
        write(&mut messages, format!("hello#{nonce}#{epoch}\n").as_bytes())?;
        let reply = format!("OK register epoch={epoch} next=1 ttl=60\n");
        write(&mut commands, reply.as_bytes())?;
        Ok(Self { commands, messages })
    }

    /// Writes all messages, then reads until the last one is acknowledged. All acknowledgements
    /// together, of many messages each, fit into the socket's buffer meanwhile.
    fn flood(&mut self) -> Result<()> {
        let mut piece = Vec::with_capacity(2 * PIECE_BYTES);
        for number in 0..MESSAGES {
            // A millisecond for every hundred of them.
            let accepted = 1_700_000_000_000 + number / 100;
            piece.extend_from_slice(format!("{}#sender#{accepted}#", number + 1).as_bytes());
            push_text(&mut piece, number, TEXT_BYTES);
            piece.push(b'\n');
            if piece.len() >= PIECE_BYTES {
                write(&mut self.messages, &piece)?;
                piece.clear();
            }
        }
        write(&mut self.messages, &piece)?;
        let last = format!("ack {MESSAGES}");
        while line(&mut self.messages)? != last {}
        Ok(())
    }

    /// Agrees to its leaving, and waits for its end.
    fn let_go(mut self) -> Result<()> {
        let request = line(&mut self.commands)?;
        if !request.contains("#disconnect#") {
            return Err(Failure::Wrong(format!("no disconnect: {request:?}")));
        }
        write(&mut self.commands, b"OK disconnect\n")?;
        drop(self.messages);
        let ended = self.commands.read_to_end(&mut Vec::new());
        ended.map(drop).map_err(Failure::system("the participant does not end"))
    }
}

fn buffered(stream: TcpStream) -> Result<BufReader<TcpStream>> {
    let set = stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(DEADLINE)))
        .and_then(|()| stream.set_write_timeout(Some(DEADLINE)));
    set.map_err(Failure::system("cannot set up a socket"))?;
    Ok(BufReader::new(stream))
}

fn write(stream: &mut BufReader<TcpStream>, bytes: &[u8]) -> Result<()> {
    stream.get_mut().write_all(bytes).map_err(Failure::system("the participant takes nothing"))
}

fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).map_err(Failure::system("the participant says nothing"))?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(Failure::Wrong("the participant closed a socket".to_owned())),
    }
}
