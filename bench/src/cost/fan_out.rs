//! What a delivery costs the coordinator, and what it costs Redis.

use std::time::Duration;

use super::Setup;
use crate::command::Door;
use crate::coordinator::Start;
use crate::cores::Cores;
use crate::failure::{Failure, Result};
use crate::flood::{Flood, Load};
use crate::process::Server;
use crate::publisher::Dialect;
use crate::redis::Redis;
use crate::report::{Report, Samples};

const LOAD: Load = Load { messages: 100_000, text_bytes: 100, in_flight: 1_000 };
const RECEIVERS: usize = 100;
const SHARE_MAX: f64 = 0.25;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    Coordinator { acks: bool },
    Redis,
}

/// What became of some rounds.
#[derive(Debug, Default)]
struct Outcome {
    cpu_ns: Vec<f64>,
    wall_ns: Vec<f64>,
}

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let cores = Cores::find()?;
    let (Load { messages, text_bytes, in_flight }, rounds) = (LOAD, setup.rounds);
    report.title(
        "fan-out",
        format_args!(
            "{messages} messages of {text_bytes} bytes to {RECEIVERS} receivers, {in_flight} in \
             flight, {rounds} alternating rounds"
        ),
    );
    match cores {
        Some(Cores { own, server }) => {
            report.note(format_args!("server alone on core {server}, clients on core {own}"));
        }
        None => report.note("one core only: server and clients take turns on it"),
    }
    let redis = Redis::version();
    match &redis {
        Some(version) => report.note(format_args!("beside it: redis-server {version}, no disk")),
        None => report.note("redis-server is not installed: nothing to compare with"),
    }
    let mut contenders = vec![
        (Contender::Coordinator { acks: false }, "coordinator, acks off"),
        (Contender::Coordinator { acks: true }, "coordinator, acks on"),
    ];
    contenders.extend(redis.is_some().then_some((Contender::Redis, "redis")));
    let mut outcomes: Vec<Outcome> = contenders.iter().map(|_| Outcome::default()).collect();
    for _ in 0..rounds {
        for ((contender, _), outcome) in contenders.iter().zip(&mut outcomes) {
            let (cpu_ns, wall) = contender.round(setup, cores)?;
            let deliveries = LOAD.messages as f64 * RECEIVERS as f64;
            outcome.cpu_ns.push(cpu_ns as f64 / deliveries);
            outcome.wall_ns.push(wall.as_secs_f64() * 1e9 / deliveries);
        }
    }
    report.note("nanoseconds a delivery, least / median / most of the rounds");
    for ((_, name), outcome) in contenders.iter().zip(&mut outcomes) {
        let cpu_ns = Samples::new(outcome.cpu_ns.clone());
        report.value(&format!("{name}: CPU"), cpu_ns.spread(1));
        let wall_ns = Samples::new(outcome.wall_ns.clone());
        report.value(&format!("{name}: elapsed"), wall_ns.spread(1));
    }
    let medians: Vec<f64> =
        outcomes.into_iter().map(|outcome| Samples::new(outcome.cpu_ns).quantile(0.5)).collect();
    if let [acks_off, acks_on, redis] = medians[..] {
        for (name, median) in [("acks off", acks_off), ("acks on", acks_on)] {
            let share = median / redis;
            let name = format!("CPU of a delivery to Redis', {name}");
            report.figure(&name, format!("{share:.3}"), "at most 0.25", share <= SHARE_MAX);
        }
    }
    Ok(())
}

impl Contender {
    /// The CPU time of the server between the first message and the last delivery, and the time
    /// that passed.
    fn round(self, setup: &Setup, cores: Option<Cores>) -> Result<(u64, Duration)> {
        let (server, mut flood) = match self {
            Self::Coordinator { acks } => coordinator(setup, cores, acks)?,
            Self::Redis => redis(cores)?,
        };
        let before = server.usage()?;
        let wall = flood.run()?;
        let after = server.usage()?;
        let bytes = flood.finish()?;
        let least = LOAD.messages * RECEIVERS as u64 * LOAD.text_bytes as u64;
        if bytes < least {
            return Err(Failure::Wrong(format!("{bytes} of at least {least} bytes delivered")));
        }
        server.stop()?;
        Ok((after.cpu_ns_since(&before), wall))
    }
}

fn coordinator(setup: &Setup, cores: Option<Cores>, acks: bool) -> Result<(Server, Flood)> {
    let coordinator = Start { cores, ..Start::new(&setup.coordinator, 60, &[]) }.run()?;
    let door = Door::open()?;
    let mut command = coordinator.command()?;
    let mut receivers = Vec::new();
    for index in 0..RECEIVERS {
        receivers.push(door.register(&mut command, &format!("receiver{index}"), acks)?);
    }
    // Only who is online may send; its own messages do not come back, so nothing comes on this.
    let mut publisher = coordinator.command()?;
    let own = door.register(&mut publisher, "publisher", acks)?;
    let dialect = Dialect::groupcast("publisher");
    let mut flood = Flood::new(LOAD, publisher.into_stream(), dialect, receivers, acks)?;
    flood.hold(own);
    Ok((coordinator.server, flood))
}

fn redis(cores: Option<Cores>) -> Result<(Server, Flood)> {
    let redis = Redis::start(cores)?;
    let receivers = (0..RECEIVERS).map(|_| redis.subscribe()).collect::<Result<Vec<_>>>()?;
    let dialect = Redis::dialect(LOAD.text_bytes, RECEIVERS);
    let flood = Flood::new(LOAD, redis.connect()?, dialect, receivers, false)?;
    Ok((redis.server, flood))
}
