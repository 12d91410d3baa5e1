//! Texts a second from one participant to another member, with and without a file for its texts.
//!
//! ```text
//!   lines ─► participant ─► outbox file
//!                └── send ─► coordinator ─► journal, synced ─► the other member
//! ```

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::confirm::TEXT_BYTES;
use super::disk::{WriteMode, syncs_per_second};
use super::{Measured, Setup, store};
use crate::clock;
use crate::command::{ConnectBack, DEADLINE};
use crate::coordinator::Coordinator;
use crate::process::Server;
use crate::socket::Socket;
use crate::table::{Bound, Row, Table, Target, Values, count};
use crate::texts::Texts;

const SENDER: &str = "sender";
const READER: &str = "reader";
const ROUNDS: usize = 5;
const TEXTS: u64 = 50_000;
/// Bytes that one text adds to the outbox file, rounded: its line, and its part of later ones.
const LINE_BYTES: usize = 150;
const RATE: &str = "messages/s";
const CPU: &str = "CPU of a message, ns";
const MODES: [&str; 3] = ["without a file", "--outbox", "--outbox --sync"];
const DISK: &str = "the disk, 1 at once";

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let texts = if setup.is_quick { TEXTS / 20 } else { TEXTS };
    let rounds = setup.rounds_or(ROUNDS);
    let about = format!(
        "1 participant sends {texts} lines of {TEXT_BYTES} B of its standard input to a \
         coordinator with sync=always; 1 other member acknowledges nothing. {}. The time ends when \
         the other member has the last text, once and in order. CPU is that of the participant, \
         all threads. The disk: {LINE_BYTES} B for each message are written to the end of a file \
         and synced.",
        count(rounds, "round"),
    );
    let rows = MODES.into_iter().chain([DISK]).map(Row::new).collect();
    let mut table = Table { title: "sent by a participant".to_owned(), about, rows };
    table.measure(rounds, &mut |index| match MODES.get(index) {
        Some(mode) => round(setup, mode, texts),
        None => sync(setup),
    });
    // One sync must be for many texts.
    let [_, _, synced] = MODES;
    let name = format!("{}: {synced} to {DISK}", table.title);
    let found = table.ratio(synced, DISK, RATE);
    let target = Target { name, bound: Bound::Above(1.0), found, unit: "" };
    Ok(Measured { tables: vec![table], targets: vec![target] })
}

fn sync(setup: &Setup) -> Result<Values> {
    let span = Duration::from_millis(if setup.is_quick { 300 } else { 1_000 });
    let directory = setup.directory.fresh()?;
    let rate = syncs_per_second(directory.path(), WriteMode::Append, LINE_BYTES, span)?;
    Ok(vec![(RATE, rate)])
}

fn round(setup: &Setup, mode: &str, texts: u64) -> Result<Values> {
    let directory = setup.directory.fresh()?;
    let coordinator = store::journaled(setup, directory.path(), &["--sync", "always"])?;
    let listener = ConnectBack::listen()?;
    let reader = listener.register(&mut coordinator.command()?, READER, false)?;
    let (participant, input) = start(setup, &coordinator, directory.path(), mode)?;
    await_online(&coordinator)?;
    let (before, begin) = (participant.usage()?, clock::now());
    let lines = thread::spawn(move || write_lines(input, texts));
    read_all(reader, texts)?;
    let (elapsed, after) = (clock::now().duration_since(begin), participant.usage()?);
    // The participant ends at the end of its input, when all texts are confirmed.
    drop(lines.join().ok().context("the thread of the lines panicked")??);
    participant.wait()?;
    let cpu_ns = after.cpu_ns_since(&before) as f64 / texts as f64;
    Ok(vec![(RATE, texts as f64 / elapsed.as_secs_f64()), (CPU, cpu_ns)])
}

fn start(
    setup: &Setup,
    coordinator: &Coordinator,
    directory: &Path,
    mode: &str,
) -> Result<(Server, ChildStdin)> {
    let mut command = Command::new(&setup.programs.participant);
    command.args(["--lines", "--join", "--no-log", "--id", SENDER, "--coordinator"]);
    command.arg(coordinator.address.to_string());
    for option in mode.split(' ').filter(|word| word.starts_with("--")) {
        command.arg(option);
        if option == "--outbox" {
            command.arg(directory.join("outbox"));
        }
    }
    // One reply for each line goes to standard error.
    let command = command.stdin(Stdio::piped()).stderr(Stdio::null());
    // The server's core is the coordinator's.
    let mut server = Server::start("the participant", command, None)?;
    let input = server.child.stdin.take().context("a participant without standard input")?;
    Ok((server, input))
}

/// Waits until the participant is a member that is online.
fn await_online(coordinator: &Coordinator) -> Result<()> {
    let (mut command, begin) = (coordinator.command()?, clock::now());
    let is_sender = |line: &String| line.starts_with(SENDER) && line.contains(" online");
    while !command.list("members")?.iter().any(is_sender) {
        ensure!(begin.elapsed() < DEADLINE, "the participant does not come online");
        clock::pause(Duration::from_millis(1));
    }
    Ok(())
}

/// Writes all texts as lines. Returns the input, which is still open.
fn write_lines(mut input: ChildStdin, count: u64) -> Result<ChildStdin> {
    let (mut texts, mut lines) = (Texts::new(TEXT_BYTES), Vec::new());
    for number in 0..count {
        lines.extend_from_slice(texts.text(0, number));
        lines.push(b'\n');
    }
    input.write_all(&lines).context("the participant does not read its input")?;
    Ok(input)
}

/// Reads messages until all texts are there. Each must come once, in order.
fn read_all(messages: Socket, count: u64) -> Result<()> {
    let mut expectation = Texts::new(TEXT_BYTES).expectation(1, 0..0);
    let mut messages = BufReader::with_capacity(256 * 1024, messages);
    let mut line = Vec::new();
    while expectation.taken < count {
        line.clear();
        messages.read_until(b'\n', &mut line).context("the other member gets no message")?;
        let text = line.strip_suffix(b"\n").context("the message socket was closed")?;
        expectation.take(text.splitn(4, |byte| *byte == b'#').nth(3).unwrap_or_default())?;
    }
    Ok(())
}
