//! Time from a request to its confirmation, and from one site to another.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::engine::{EngineKind, KINDS};
use super::group::GroupKeys;
use super::{Measured, Setup, World};
use crate::clients::{Clients, Pace, Until};
use crate::clock;
use crate::command::CommandSocket;
use crate::table::{Row, Samples, Table, count};
use crate::texts::Texts;

const TEXT_BYTES: usize = 100;
const MESSAGES: u64 = 1_000;
/// Time before each message: the group is idle.
const IDLE: Duration = Duration::from_millis(2);
const ROUNDS: usize = 5;
const KEYS: GroupKeys = GroupKeys { ttl_s: 60, lines: "keep=0\n" };
const ROWS: [&str; 3] = ["JetStream, publish to ack", "msend to OK", "from site to site"];

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let kinds = if setup.is_quick { &KINDS[3..] } else { &KINDS };
    let tables = kinds.iter().map(|kind| with(setup, *kind)).collect::<Result<_>>()?;
    Ok(Measured { tables, targets: Vec::new() })
}

fn with(setup: &Setup, kind: EngineKind) -> Result<Table> {
    let messages = if setup.is_quick { MESSAGES / 10 } else { MESSAGES };
    let rounds = setup.rounds_or(ROUNDS);
    let world = setup.start(kind, KEYS)?;
    world.engine.create_stream(-1)?;
    let about = format!(
        "One message of {TEXT_BYTES} B at a time, in an idle group of three sites, after a pause \
         of {} ms. *from site to site*: from the write of the request at one site until a member \
         at another site has read the message. {} of {messages} messages.",
        IDLE.as_millis(),
        count(rounds, "round"),
    );
    let rows = ROWS.map(Row::new).into();
    let mut table = Table { title: format!("latency, {}", kind.name()), about, rows };
    let mut sockets = Sockets::connect(&world)?;
    table.measure(rounds, &mut |index| {
        let times = match index {
            0 => plain(&world, messages)?,
            1 => sockets.times(messages, true)?,
            _ => sockets.times(messages, false)?,
        };
        let samples = Samples::new(times.iter().map(|time| time.as_secs_f64() * 1e3).collect());
        Ok(vec![("p50, ms", samples.quantile(0.5)), ("p99, ms", samples.quantile(0.99))])
    });
    Ok(table)
}

/// Publishes to a plain stream.
fn plain(world: &World, messages: u64) -> Result<Vec<Duration>> {
    let leader = world.engine.leader(crate::peers::nats::STREAM)?;
    let mut clients = Clients::new(TEXT_BYTES)?;
    world.engine.address_of(leader)?.add_stream_publisher(&mut clients, 0)?;
    let mut times = Vec::new();
    for _ in 0..messages {
        clock::pause(IDLE);
        times.push(clients.run(Pace::Unanswered(1), Until::Messages(1))?.elapsed);
    }
    Ok(times)
}

/// A sender at one site and a receiver at another one.
struct Sockets {
    command: CommandSocket,
    /// Message socket of the sender, which gets nothing.
    _own: CommandSocket,
    messages: CommandSocket,
    texts: Texts,
    sent: u64,
}

const SENDER: &str = "sender";
const RECEIVER: &str = "receiver";

impl Sockets {
    fn connect(world: &World) -> Result<Self> {
        let (mut own, mut messages) = (world.group.command(0)?, world.group.command(1)?);
        own.register_here(SENDER, true)?;
        messages.register_here(RECEIVER, false)?;
        let (command, texts) = (world.group.command(0)?, Texts::new(TEXT_BYTES));
        Ok(Self { command, _own: own, messages, texts, sent: 0 })
    }

    /// Sends messages one at a time, and returns the times of the replies or of the deliveries.
    fn times(&mut self, messages: u64, of_replies: bool) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        for _ in 0..messages {
            clock::pause(IDLE);
            let text = String::from_utf8_lossy(self.texts.text(0, self.sent)).into_owned();
            self.sent += 1;
            let request = format!("{SENDER}#msend {text}#-\n");
            let begin = clock::now();
            self.command.write(request.as_bytes())?;
            if of_replies {
                self.command.reply(&request)?;
                times.push(clock::now() - begin);
            }
            let line = self.messages.line()?;
            if !of_replies {
                times.push(clock::now() - begin);
                self.command.reply(&request)?;
            }
            let found = line.splitn(4, '#').nth(3).context("a message without a text")?;
            ensure!(found == text, "expected {text}, found {line}");
        }
        Ok(times)
    }
}
