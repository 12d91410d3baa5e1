//! Units of work that are counted. Each runs twice, with work and with three times the work.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::figures::Figure;
use super::group::{Group, Verb};
use super::profile::{self, Profile};
use crate::coordinator::{Coordinator, Start};
use crate::cost::participant::{self, Load};
use crate::peers::Programs;
use crate::tls::{Suite, Tls};

/// Longer than any run.
const TTL_S: u64 = 86_400;
const PROFILE: &str = "profile";
const JOURNAL: &str = "journal";
/// Requests of one write, which fit into one packet of the loopback interface.
const BURST: u64 = 100;
/// Messages of one turn where many members receive.
const RUN: u64 = 10;
const MANY: usize = 101;
/// Further counts of a figure that is above its limit.
const ROUNDS_ABOVE_LIMIT: usize = 2;
/// Acknowledgements of each member in the shorter run.
const ACKS: u64 = 20;

/// One run of a unit: the programs, an empty directory, and the amount of work.
#[derive(Clone, Copy, Debug)]
struct Run<'a> {
    programs: &'a Programs,
    directory: &'a Path,
    amount: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    unit: &'static str,
    /// Steps of the shorter run.
    amount: u64,
    /// Units of work of a step.
    of_step: u64,
    rounds: usize,
    run: fn(Run) -> Result<()>,
}

/// A unit of one thread of the program, which differs by less than 0.5 % from run to run.
const fn unit(
    name: &'static str,
    unit: &'static str,
    amount: u64,
    of_step: u64,
    run: fn(Run) -> Result<()>,
) -> Unit {
    Unit { name, unit, amount, of_step, rounds: 1, run }
}

/// A unit of several threads. When they wake each other differs, so the median of three counts.
const fn of_threads(unit: Unit) -> Unit {
    Unit { rounds: 3, ..unit }
}

pub(super) const UNITS: [Unit; 13] = [
    unit("publish", "a message", 20, BURST, publish),
    unit("send", "a message", 20, BURST, send),
    unit("presence", "a message", 20, BURST, presence),
    unit("deliver-1-1", "a message", 20, BURST, deliver_to_one),
    unit("deliver-1-100", "a delivery", 20, RUN * 100, deliver),
    unit("deliver-tls", "a delivery", 100, RUN * 100, deliver_tls),
    unit("paced", "a delivery", 50, 100, paced),
    unit("ack", "an ack", ACKS, 100, acks),
    unit("own-skip", "a delivery", 5, 101 * 100, own_skip),
    of_threads(unit("participant", "a message", 20_000, 1, participant)),
    of_threads(unit("commit", "a commit", 1_000, 1, commit)),
    of_threads(unit("record", "a message", 40, BURST, record)),
    unit("recovery", "a message", 50, BURST, recovery),
];

/// A unit whose figure may be at most some percent above that of another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnitLimit {
    pub(super) unit: &'static str,
    pub(super) base: &'static str,
    pub(super) percent: f64,
}

pub(super) const UNIT_LIMITS: [UnitLimit; 2] = [
    // To read, to check, to keep and to repeat the number of a text.
    UnitLimit { unit: "send", base: "publish", percent: 5.0 },
    // Nothing is done for a message. What is left is the place of the code in memory.
    UnitLimit { unit: "presence", base: "publish", percent: 0.5 },
];

impl Unit {
    /// Counts the instructions of the unit. A figure that is above its limit is counted again, at
    /// most [`ROUNDS_ABOVE_LIMIT`] times, and the lowest one is returned: when programs and
    /// threads run beside each other, an unlucky order only adds turns.
    pub(super) fn lowest(
        &self,
        programs: &Programs,
        is_above: impl Fn(&Figure) -> bool,
    ) -> Result<Figure> {
        let mut lowest = self.measure(programs)?;
        for _ in 0..ROUNDS_ABOVE_LIMIT {
            if !is_above(&lowest) {
                break;
            }
            let again = self.measure(programs)?;
            if again.instructions < lowest.instructions {
                lowest = again;
            }
        }
        Ok(lowest)
    }

    /// Returns the median of the rounds.
    fn measure(&self, programs: &Programs) -> Result<Figure> {
        let figures = (0..self.rounds).map(|_| self.round(programs));
        let mut figures = figures.collect::<Result<Vec<_>>>()?;
        figures.sort_by(|a, b| a.instructions.total_cmp(&b.instructions));
        Ok(figures.swap_remove(self.rounds / 2))
    }

    fn round(&self, programs: &Programs) -> Result<Figure> {
        let less = self.profile(programs, self.amount)?;
        let more = self.profile(programs, 3 * self.amount)?;
        let units = 2 * self.amount * self.of_step;
        Ok(Figure::between(&less, &more, units, self.unit))
    }

    fn profile(&self, programs: &Programs, amount: u64) -> Result<Profile> {
        let directory = tempfile::tempdir()?;
        let out = directory.path().join(PROFILE);
        let counted = |program: &Path, name: &str| {
            let path = directory.path().join(name);
            fs::write(&path, profile::script(program, &out)).context("cannot write a script")?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            anyhow::Ok(path)
        };
        let programs = Programs {
            coordinator: counted(&programs.coordinator, "coordinator")?,
            participant: counted(&programs.participant, "participant")?,
            // Counts do not depend on the core.
            cores: None,
        };
        (self.run)(Run { programs: &programs, directory: directory.path(), amount })?;
        Profile::read(&out)
    }
}

impl Run<'_> {
    fn group(&self, members: usize, acks: bool) -> Result<Group> {
        Group::connect(self.programs.coordinator(TTL_S, &[]).run()?, members, acks)
    }

    fn journaled(&self, sync: &str) -> Result<Coordinator> {
        let directory = self.directory.join(JOURNAL);
        let directory = directory.to_str().context("a directory whose name is not UTF-8")?;
        let options = ["--data-dir", directory, "--sync", sync];
        Start::new(&self.programs.coordinator, TTL_S, &options).run()
    }
}

fn in_bursts(mut group: Group, steps: u64, burst: u64) -> Result<()> {
    for _ in 0..steps {
        group.publish(1, burst)?;
    }
    group.finish()
}

/// One member publishes, and no other member is there.
fn publish(run: Run) -> Result<()> {
    // As many options as `presence` has: the strings of the options move what comes behind them in
    // memory, and so the instructions of `memcmp` and `malloc`.
    let options = ["--presence", "no", "--presence-delay", "0"];
    let coordinator = run.programs.coordinator(TTL_S, &options).run()?;
    in_bursts(Group::connect(coordinator, 1, false)?, run.amount, BURST)
}

/// The same work as in `publish`, with numbered texts.
fn send(run: Run) -> Result<()> {
    in_bursts(run.group(1, false)?.with(Verb::Send), run.amount, BURST)
}

/// The same work as in `publish`, in a group that announces members. Nobody comes or goes.
fn presence(run: Run) -> Result<()> {
    let options = ["--presence", "yes", "--presence-delay", "0"];
    let coordinator = run.programs.coordinator(TTL_S, &options).run()?;
    in_bursts(Group::connect(coordinator, 1, false)?, run.amount, BURST)
}

fn deliver_to_one(run: Run) -> Result<()> {
    in_bursts(run.group(2, false)?, run.amount, BURST)
}

/// Each of 100 receivers gets 10 messages with one write.
fn deliver(run: Run) -> Result<()> {
    in_bursts(run.group(MANY, false)?, run.amount, RUN)
}

/// The same work as in `deliver-1-100`, with TLS and AES-128-GCM. The runs are longer, because
/// handshakes differ by some thousand instructions.
fn deliver_tls(run: Run) -> Result<()> {
    let tls = Tls::new(Suite::Aes128Gcm)?;
    let start = Start { tls: Some(&tls), ..run.programs.coordinator(TTL_S, &[]) };
    in_bursts(Group::connect(start.run()?, MANY, false)?, run.amount, RUN)
}

/// One message at a time, to members that acknowledge. Their acknowledgements at the end are the
/// same in both runs, so they are not in the figure.
fn paced(run: Run) -> Result<()> {
    let mut group = run.group(MANY, true)?;
    for _ in 0..run.amount {
        group.publish(1, 1)?;
    }
    group.acknowledge(0)?;
    group.finish()
}

/// Members acknowledge messages one by one, all members in one turn. Both runs publish the same
/// messages, so publishing and delivering is not in the figure.
fn acks(run: Run) -> Result<()> {
    let mut group = run.group(MANY, true)?;
    group.publish(1, 3 * ACKS)?;
    for lag in (0..run.amount).rev() {
        group.acknowledge(lag)?;
    }
    group.finish()
}

/// 101 members publish at once, and each gets all but its own messages.
fn own_skip(run: Run) -> Result<()> {
    let mut group = run.group(MANY, false)?;
    for _ in 0..run.amount {
        group.publish(MANY, 1)?;
    }
    group.finish()
}

fn participant(run: Run) -> Result<()> {
    let load = Load { messages: run.amount, piece_bytes: 8 * 1024, is_in_steps: true };
    participant::cpu_ns(run.programs, load).map(drop)
}

/// Each message is a commit of its own, which is synced.
fn commit(run: Run) -> Result<()> {
    in_bursts(Group::connect(run.journaled("always")?, 1, false)?, run.amount, 1)
}

/// A commit holds 100 messages.
fn record(run: Run) -> Result<()> {
    in_bursts(Group::connect(run.journaled("always")?, 1, false)?, run.amount, BURST)
}

/// A coordinator reads the messages of its journal when it starts. An offline member needs them.
fn recovery(run: Run) -> Result<()> {
    let mut group = Group::connect(run.journaled("never")?, 2, true)?;
    for _ in 0..run.amount {
        group.publish(1, BURST)?;
    }
    group.finish()?;
    // The profile of the second process replaces that of the first.
    let coordinator = run.journaled("never")?;
    coordinator.command()?.request("bench", "ping")?;
    coordinator.server.stop()
}
