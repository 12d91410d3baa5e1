//! The work of a run: publishing by the clock or by a window, churn, and the end.

use std::time::Duration;

use anyhow::Result;

use super::churn::{Churn, Departure};
use super::member::State;
use super::members::Members;
use super::pacer::Pacer;
use super::plan::Plan;
use super::progress::Progress;
use super::recorder::Recorder;

/// Longest wait for events.
const TICK: Duration = Duration::from_millis(100);
/// Number of faults that ends a run.
const FAULTS_MAX: u64 = 1_000;
/// Messages that are sent before events are handled again.
const BURST_MAX: usize = 256;
/// Time without any progress that ends a run.
const STALL_TIMEOUT_NS: u64 = 20_000_000_000;

#[derive(Debug)]
pub(super) struct Workload<'a> {
    plan: &'a Plan,
    pub(super) members: Members,
    pacer: Pacer,
    pub(super) churn: Churn,
    next_publisher: usize,
    tick_ns: u64,
    /// Time of the last progress, and the deliveries, replies and online members at that time.
    progress_ns: u64,
    progress: (u64, usize, usize),
}

impl<'a> Workload<'a> {
    pub(super) fn new(plan: &'a Plan, members: Members) -> Self {
        let (pacer, churn) = (Pacer::new(plan), Churn::new(plan));
        let (next_publisher, tick_ns, progress_ns, progress) = (0, 0, 0, (0, 0, 0));
        Self { plan, members, pacer, churn, next_publisher, tick_ns, progress_ns, progress }
    }

    /// Publishes all messages, and waits until every member has every message.
    pub(super) fn run(&mut self, recorder: &mut Recorder, bar: &mut Progress<'_>) -> Result<()> {
        loop {
            let now_ns = recorder.now_ns();
            self.run_churn(recorder, now_ns);
            let sent = self.publish(recorder, now_ns);
            if now_ns >= self.tick_ns {
                self.tick_ns = now_ns + TICK.as_nanos() as u64;
                self.tick(recorder, bar, now_ns);
            }
            let is_published = self.pacer.due_ns(now_ns).is_none();
            if is_published {
                self.churn.end();
            }
            let is_done = is_published
                && self.churn.is_over()
                && self.members.online() == self.members.all.len()
                && self.members.are_complete(recorder)?;
            if is_done || recorder.is_over || bar.is_cut_off {
                recorder.metrics.counts.unsent = self.pacer.unsent();
                return Ok(());
            }
            let (timeout, timer_ns) = self.wait(now_ns, sent);
            self.members.turn(recorder, timeout, timer_ns)?;
        }
    }

    /// Returns the time to wait by the poll's timeout, and by the exact timer.
    fn wait(&self, now_ns: u64, sent: usize) -> (Duration, Option<u64>) {
        if sent == BURST_MAX {
            return (Duration::ZERO, None);
        }
        let due_ns = match self.pacer.window() {
            // An overdue message waits for a publisher, which brings an event.
            None => self.pacer.due_ns(now_ns).filter(|due_ns| *due_ns > now_ns),
            Some(_) => None,
        };
        let next_ns = due_ns.unwrap_or(u64::MAX).min(self.churn.next_ns());
        (TICK, (next_ns != u64::MAX).then(|| next_ns.saturating_sub(now_ns)))
    }

    /// Publishes the messages that are due; returns their number.
    fn publish(&mut self, recorder: &mut Recorder, now_ns: u64) -> usize {
        let publishers = self.plan.publishers;
        let mut sent = 0;
        while sent < BURST_MAX
            && let Some(due_ns) = self.pacer.due_ns(now_ns).filter(|due_ns| *due_ns <= now_ns)
        {
            let mut turns = (0..publishers).map(|step| (self.next_publisher + step) % publishers);
            let Some(index) = turns.find(|index| self.may_publish(recorder, *index)) else { break };
            if let Some(member) = self.members.all.get_mut(index) {
                member.publish(recorder, due_ns, self.plan.size);
            }
            self.pacer.sent();
            self.next_publisher = (index + 1) % publishers;
            recorder.metrics.counts.sent += 1;
            recorder.metrics.lateness.saturating_record((now_ns - due_ns).max(1));
            sent += 1;
        }
        for index in 0..if sent > 0 { publishers } else { 0 } {
            if let Some(member) = self.members.all.get_mut(index) {
                member.write(recorder);
            }
        }
        sent
    }

    fn may_publish(&self, recorder: &Recorder, index: usize) -> bool {
        self.members.all.get(index).is_some_and(|member| {
            let is_open = |window| (member.in_flight(recorder) as u64) < window;
            member.may_publish() && self.pacer.window().is_none_or(is_open)
        })
    }

    /// Starts the departures and returns that are due.
    fn run_churn(&mut self, recorder: &mut Recorder, now_ns: u64) {
        while let Some((index, departure)) = self.churn.departs(now_ns, self.members.all.len()) {
            let Some(member) = self.members.all.get_mut(index) else { continue };
            if member.state != State::Online {
                continue;
            }
            match departure {
                Departure::Disconnect => member.disconnect(recorder),
                Departure::Crash => member.crash(recorder),
                Departure::Takeover => self.members.reconnect(recorder, index),
            }
            self.churn.on_departure(index, departure, now_ns);
        }
        while let Some(index) = self.churn.returns(now_ns) {
            if self.members.all.get(index).is_some_and(|member| member.state == State::Away) {
                self.members.reconnect(recorder, index);
            } else {
                self.churn.postpone(index, now_ns);
            }
        }
    }

    fn tick(&mut self, recorder: &mut Recorder, bar: &mut Progress<'_>, now_ns: u64) {
        recorder.verifier.settle();
        bar.update(recorder, now_ns);
        if bar.is_interrupted() {
            self.pacer.end();
        }
        let online = self.members.online();
        let unanswered = recorder.verifier.unanswered_of_all();
        let count = recorder.metrics.deliveries() + recorder.metrics.counts.sent;
        let progress = (count, unanswered, online);
        let is_idle = unanswered == 0 && self.pacer.due_ns(now_ns).is_some();
        if progress != self.progress || is_idle {
            (self.progress, self.progress_ns) = (progress, now_ns);
        } else if now_ns - self.progress_ns > STALL_TIMEOUT_NS {
            let offline = self.members.all.len() - online;
            let counts =
                format!("{unanswered} messages without a reply, {offline} members offline");
            recorder.fail(usize::MAX, format_args!("no progress: {counts}"));
        }
        recorder.is_over |= recorder.verifier.faults.count > FAULTS_MAX;
    }
}
