//! One run from its beginning to its report: coordinator, members, load, accounts.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::churn::Goings;
use super::lightweight::Crowd;
use super::members::Team;
use super::metrics::Measure;
use super::outcome::{Costs, Outcome, Times};
use super::plan::Plan;
use super::processes::Processes;
use super::progress::{Interrupt, Watch};
use super::recorder::Book;
use super::syscalls::SystemCalls;
use super::verifier::{Promise, Verifier};
use super::workload::Driver;
use crate::command::CommandSocket;
use crate::coordinator::{Coordinator, Start};
use crate::cores::Cores;
use crate::failure::Result;
use crate::process::Usage;
use crate::report::ratio;

/// How often it is listened for what the coordinator has counted and nobody has got.
const WAITS_MAX: u32 = 10;

/// Whom to load.
#[derive(Clone, Debug)]
pub enum Target {
    /// A coordinator of our own, started from this program for each run.
    Own(PathBuf),
    /// One that runs already.
    Running(SocketAddr),
}

/// What all steps of a sweep have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whom to load.
    pub target: Target,
    /// The participant, where members are processes.
    pub participant: PathBuf,
    /// Whether to have system calls counted, which slows them a little.
    pub counts_system_calls: bool,
    /// The user's wish to end.
    pub interrupt: Interrupt,
}

/// Where the coordinator is, and the process if it is ours.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) address: SocketAddr,
    own: Option<Coordinator>,
}

impl Site {
    fn open(setup: &Setup, plan: &Plan) -> Result<Self> {
        let program = match &setup.target {
            Target::Running(address) => return Ok(Self { address: *address, own: None }),
            Target::Own(program) => program,
        };
        // Real participants are many processes: they need all the cores that there are.
        let cores = if plan.processes { None } else { Cores::find()? };
        let members = (2 * plan.participants).max(10_000).to_string();
        let room = ["--max-members", &members, "--max-connections", &members];
        let start = Start { cores, is_apart: true, ..Start::new(program, plan.ttl_s, &room) };
        let own = start.run()?;
        Ok(Self { address: own.address, own: Some(own) })
    }

    pub(super) fn usage(&self) -> Result<Option<Usage>> {
        self.own.as_ref().map(|own| own.server.usage()).transpose()
    }

    /// A name that no other run uses on a coordinator that is not ours.
    pub(super) fn id(&self, index: usize) -> String {
        match self.own {
            Some(_) => format!("member{index}"),
            None => format!("load{}-{index}", std::process::id()),
        }
    }

    /// What the coordinator was when all members had registered.
    pub(super) fn promise(&self, plan: &Plan, ttl_s: u64) -> Promise {
        Promise {
            text_bytes: plan.size,
            acks: plan.acks || plan.processes,
            ttl_ns: ttl_s.saturating_mul(1_000_000_000),
            may_drop: self.own.is_none(),
        }
    }

    /// The next number that it will give.
    pub(super) fn next_seq(&self) -> Result<u64> {
        CommandSocket::connect(self.address)?.stat("next_seq")
    }

    fn close(self, ids: impl Iterator<Item = String>) -> Result<()> {
        match self.own {
            Some(own) => own.server.stop(),
            None => {
                let mut commands = CommandSocket::connect(self.address)?;
                let mut ids = ids;
                ids.try_for_each(|id| commands.request(&id, "deregister").map(|_| ()))
            }
        }
    }
}

/// The accounts at one moment.
#[derive(Debug)]
struct Account {
    coordinator: Option<Usage>,
    own: Usage,
    /// Nanoseconds of real participants.
    team: Option<u64>,
}

/// What a driver hands back.
#[derive(Debug)]
struct Driven {
    book: Book,
    goings: Goings,
    /// When nothing was sent yet.
    before: Account,
    /// When everything had come.
    after: Account,
    system_calls: Option<u64>,
}

/// Carries out `plan`.
///
/// # Errors
///
/// What kept it from being carried out; what a coordinator did wrong is in the outcome.
pub fn run(setup: &Setup, plan: &Plan) -> Result<Outcome> {
    let site = Site::open(setup, plan)?;
    let mut watch = Watch::new(plan, setup.interrupt.clone());
    let drive = if plan.processes { real } else { light };
    let driven = drive(setup, plan, &site, &mut watch);
    watch.end();
    let outcome = outcome(plan, &site, &watch, driven?);
    let ids: Vec<String> = (0..plan.participants).map(|index| site.id(index)).collect();
    site.close(ids.into_iter())?;
    Ok(outcome)
}

fn light(setup: &Setup, plan: &Plan, site: &Site, watch: &mut Watch<'_>) -> Result<Driven> {
    let (crowd, firsts) = Crowd::register(plan, site.address, |index| site.id(index))?;
    let promise = site.promise(plan, crowd.ttl_s());
    let book = Book::new(Verifier::new(promise, firsts), Measure::new()?);
    drive(setup, site, watch, book, Driver::new(plan, crowd))
}

fn real(setup: &Setup, plan: &Plan, site: &Site, watch: &mut Watch<'_>) -> Result<Driven> {
    let (processes, firsts) =
        Processes::register(plan, &setup.participant, site.address, |index| site.id(index))?;
    let promise = site.promise(plan, processes.ttl_s());
    let book = Book::new(Verifier::new(promise, firsts), Measure::new()?);
    drive(setup, site, watch, book, Driver::new(plan, processes))
}

fn drive<T: Team>(
    setup: &Setup,
    site: &Site,
    watch: &mut Watch<'_>,
    mut book: Book,
    mut driver: Driver<'_, T>,
) -> Result<Driven> {
    let system_calls = SystemCalls::count(setup.counts_system_calls, site.pid());
    let account = |driver: &mut Driver<'_, T>| {
        Ok(Account { coordinator: site.usage()?, own: Usage::own()?, team: driver.team().cpu_ns() })
    };
    let before = account(&mut driver)?;
    book.begin();
    let goings = driver.run(&mut book, watch)?;
    let after = account(&mut driver)?;
    let system_calls = system_calls.and_then(SystemCalls::end);
    driver.team().finish(&mut book)?;
    if !watch.is_cut_off() {
        let next = if book.is_over { None } else { Some(site.next_seq()?) };
        // What a crashed publisher had sent may have been accepted last of all.
        let mut waits = 0;
        while next.is_some_and(|next| next > book.verifier.end()) && waits < WAITS_MAX {
            driver.team().finish(&mut book)?;
            waits += 1;
        }
        let now_ns = book.now_ns();
        book.verifier.finish(next, now_ns);
    }
    Ok(Driven { book, goings, before, after, system_calls })
}

fn outcome(plan: &Plan, site: &Site, watch: &Watch<'_>, driven: Driven) -> Outcome {
    let Driven { book, goings, before, after, system_calls } = driven;
    let (verifier, measure) = (&book.verifier, &book.measure);
    let deliveries = verifier.taken().deliveries;
    let elapsed_s = measure.last_ns as f64 / 1e9;
    let costs = before.coordinator.zip(after.coordinator).map(|(before, after)| Costs {
        cpu_ns_per_delivery: ratio(after.cpu_ns_since(&before), deliveries),
        cpu_share: ratio(after.cpu_ns_since(&before), measure.last_ns),
        rss_idle_bytes: before.rss_bytes,
        rss_peak_bytes: after.rss_bytes_max,
        sleeps: after.sleeps.saturating_sub(before.sleeps),
        preemptions: after.preemptions.saturating_sub(before.preemptions),
        system_calls,
    });
    Outcome {
        plan: plan.clone(),
        coordinator: site.to_string(),
        elapsed_s,
        sent: measure.sent,
        unsent: measure.unsent,
        refused: measure.refused,
        taken: verifier.taken(),
        deliveries_per_s: if elapsed_s > 0.0 { deliveries as f64 / elapsed_s } else { 0.0 },
        latency_us: Times::of(&measure.latency),
        caught_up: measure.caught_up,
        lateness_us: Times::of(&measure.lateness),
        costs,
        harness_cpu_ns_per_delivery: ratio(after.own.cpu_ns_since(&before.own), deliveries),
        participants_cpu_ns_per_delivery: before
            .team
            .zip(after.team)
            .map(|(before, after)| ratio(after.saturating_sub(before), deliveries)),
        goings,
        faults: verifier.faults().count(),
        described: verifier.faults().described().to_vec(),
        is_interrupted: watch.is_interrupted(),
        throughput: measure.timeline.rates(),
        distribution: Outcome::distribution(&measure.latency),
    }
}

impl Site {
    pub(super) fn pid(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.server.pid())
    }
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.own {
            Some(_) => write!(f, "its own at {}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}
