//! One run from the start of the coordinator to the outcome.

use anyhow::Result;

use super::arguments::Arguments;
use super::churn::Departures;
use super::members::Members;
use super::metrics::Metrics;
use super::outcome::{Costs, Outcome, Times, distribution};
use super::plan::Plan;
use super::progress::{Interrupt, Progress};
use super::recorder::Recorder;
use super::syscalls::SystemCalls;
use super::verifier::{Guarantees, Verifier};
use super::workload::Workload;
use crate::command::Endpoint;
use crate::coordinator::{Coordinator, Start};
use crate::cores::Cores;
use crate::process::Usage;
use crate::table::ratio;
use crate::tls::{Suite, Tls};

/// Number of waits for messages that the coordinator has counted and no member has received.
const WAITS_MAX: u32 = 10;

#[derive(Debug)]
struct Subject {
    endpoint: Endpoint,
    /// The process, if it was started here.
    started: Option<Coordinator>,
}

impl Subject {
    fn open(arguments: &Arguments, plan: &Plan) -> Result<Self> {
        if let Some(address) = arguments.coordinator {
            let tls = plan.tls.then(|| Tls::of_running_server(Suite::Any)).transpose()?;
            return Ok(Self { endpoint: Endpoint { address, tls }, started: None });
        }
        // Real participants are many processes: they need all cores.
        let cores = if plan.processes { None } else { Cores::find()? };
        let members = (2 * plan.participants).max(10_000).to_string();
        let room = ["--max-members", &members, "--max-connections", &members];
        let program = arguments.programs.join("coordinator");
        let tls = plan.tls.then(|| Tls::new(Suite::Any)).transpose()?;
        let start = Start {
            cores,
            is_apart: true,
            tls: tls.as_ref(),
            ..Start::new(&program, plan.ttl_s, &room)
        };
        let started = start.run()?;
        let endpoint = Endpoint { address: started.address, tls };
        Ok(Self { endpoint, started: Some(started) })
    }

    /// Returns an id that no other run uses on a running coordinator.
    fn id(&self, index: usize) -> String {
        match self.started {
            Some(_) => format!("member{index}"),
            None => format!("load{}-{index}", std::process::id()),
        }
    }

    fn usage(&self, workload: &Workload<'_>) -> Result<Usages> {
        let coordinator =
            self.started.as_ref().map(|started| started.server.usage()).transpose()?;
        Ok(Usages { coordinator, own: Usage::own()?, members_cpu_ns: workload.members.cpu_ns() })
    }

    /// Stops the coordinator, or deregisters all members.
    fn close(self, members: usize) -> Result<()> {
        let ids: Vec<String> = (0..members).map(|index| self.id(index)).collect();
        match self.started {
            Some(started) => started.server.stop(),
            None => {
                let mut commands = self.endpoint.connect()?;
                ids.iter().try_for_each(|id| commands.request(id, "deregister").map(|_| ()))
            }
        }
    }
}

/// Resources used up to one moment.
#[derive(Debug)]
struct Usages {
    coordinator: Option<Usage>,
    own: Usage,
    /// CPU time of real participants.
    members_cpu_ns: Option<u64>,
}

#[derive(Debug)]
struct Measured {
    recorder: Recorder,
    departures: Departures,
    /// Before the first message, and after the last delivery.
    usages: [Usages; 2],
    system_calls: Option<u64>,
}

/// Carries out `plan`. Faults of the coordinator are part of the outcome.
pub(super) fn run(arguments: &Arguments, interrupt: &Interrupt, plan: &Plan) -> Result<Outcome> {
    let subject = Subject::open(arguments, plan)?;
    let mut progress = Progress::new(plan, interrupt.clone());
    let measured = measure(arguments, plan, &subject, &mut progress);
    progress.bar.finish_and_clear();
    let outcome = outcome(plan, &subject, measured?, progress.is_interrupted());
    subject.close(plan.participants)?;
    Ok(outcome)
}

fn measure(
    arguments: &Arguments,
    plan: &Plan,
    subject: &Subject,
    progress: &mut Progress<'_>,
) -> Result<Measured> {
    let participant = arguments.programs.join("participant");
    let (members, firsts) =
        Members::register(plan, &participant, &subject.endpoint, |index| subject.id(index))?;
    let guarantees = Guarantees {
        text_bytes: plan.size,
        acks: plan.acks,
        ttl_ns: members.ttl_s.saturating_mul(1_000_000_000),
        may_drop: subject.started.is_none(),
    };
    let verifier = Verifier::new(guarantees, firsts);
    let mut workload = Workload::new(plan, members);
    let pid = subject.started.as_ref().map(|started| started.server.child.id());
    let pid = pid.filter(|_| arguments.counts_system_calls);
    let system_calls = pid.and_then(SystemCalls::count);
    let before = subject.usage(&workload)?;
    let mut recorder = Recorder::new(verifier, Metrics::new()?, plan.participants);
    workload.run(&mut recorder, progress)?;
    let usages = [before, subject.usage(&workload)?];
    let system_calls = system_calls.and_then(SystemCalls::end);
    workload.members.finish(&mut recorder)?;
    if !progress.is_cut_off {
        let next = || subject.endpoint.connect()?.stat("next_seq");
        let next = if recorder.is_over { None } else { Some(next()?) };
        // The last message may be one of a publisher that crashed: nothing else announces it.
        let mut waits = 0;
        while next.is_some_and(|next| next > recorder.verifier.end()) && waits < WAITS_MAX {
            workload.members.finish(&mut recorder)?;
            waits += 1;
        }
        let now_ns = recorder.now_ns();
        recorder.verifier.finish(next, now_ns);
    }
    Ok(Measured { recorder, departures: workload.churn.departures, usages, system_calls })
}

fn outcome(plan: &Plan, subject: &Subject, measured: Measured, is_interrupted: bool) -> Outcome {
    let Measured { recorder, departures, usages: [before, after], system_calls } = measured;
    let Recorder { verifier, metrics, .. } = recorder;
    let deliveries = verifier.received.deliveries;
    let elapsed_s = metrics.last_ns as f64 / 1e9;
    let costs = before.coordinator.zip(after.coordinator).map(|(before, after)| Costs {
        cpu_ns_per_delivery: ratio(after.cpu_ns_since(&before), deliveries),
        cpu_share: ratio(after.cpu_ns_since(&before), metrics.last_ns),
        rss_idle_bytes: before.rss_bytes,
        rss_peak_bytes: after.rss_bytes_max,
        sleeps: after.sleeps.saturating_sub(before.sleeps),
        preemptions: after.preemptions.saturating_sub(before.preemptions),
        system_calls,
    });
    let members_cpu_ns = before.members_cpu_ns.zip(after.members_cpu_ns);
    Outcome {
        plan: plan.clone(),
        coordinator: subject.endpoint.address.to_string(),
        elapsed_s,
        counts: metrics.counts,
        received: verifier.received,
        deliveries_per_s: if elapsed_s > 0.0 { deliveries as f64 / elapsed_s } else { 0.0 },
        latency_us: Times::new(&metrics.latency),
        lateness_us: Times::new(&metrics.lateness),
        costs,
        harness_cpu_ns_per_delivery: ratio(after.own.cpu_ns_since(&before.own), deliveries),
        participants_cpu_ns_per_delivery: members_cpu_ns
            .map(|(before, after)| ratio(after.saturating_sub(before), deliveries)),
        departures,
        faults: verifier.faults.count,
        first_faults: verifier.faults.first,
        is_interrupted,
        throughput: metrics.timeline.rates(),
        distribution: distribution(&metrics.latency),
    }
}
