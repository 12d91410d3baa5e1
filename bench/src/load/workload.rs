//! Drives a run: publishing by the clock or by a window, churn, and the end.

use std::time::Duration;

use super::churn::{Churn, Going, Goings};
use super::members::{State, Team};
use super::pacer::Pacer;
use super::plan::Plan;
use super::progress::Watch;
use super::recorder::Book;
use super::verifier::fault::Fault;
use crate::failure::Result;

/// What is waited for nothing before the clock is looked at again.
const TICK: Duration = Duration::from_millis(100);
/// Messages sent before events are looked at again.
const BURST_MAX: usize = 256;
/// How long nothing may happen while something is to come.
const PATIENCE_NS: u64 = 20_000_000_000;

/// Members at work.
#[derive(Debug)]
pub(super) struct Driver<'a, T> {
    plan: &'a Plan,
    team: T,
    pacer: Pacer,
    churn: Churn,
    /// The publisher whose turn is next.
    turn: usize,
    tick_ns: u64,
    alive_ns: u64,
    /// Deliveries and replies at the last sign of life.
    signs: (u64, usize, usize),
}

impl<'a, T: Team> Driver<'a, T> {
    pub(super) fn new(plan: &'a Plan, team: T) -> Self {
        let (pacer, churn) = (Pacer::new(plan), Churn::new(plan));
        let (turn, tick_ns, alive_ns, signs) = (0, 0, 0, (0, 0, 0));
        Self { plan, team, pacer, churn, turn, tick_ns, alive_ns, signs }
    }

    /// Publishes all, and waits until everybody has everything; what happened besides.
    pub(super) fn run(&mut self, book: &mut Book, watch: &mut Watch<'_>) -> Result<Goings> {
        loop {
            let now_ns = book.now_ns();
            self.churn(book, now_ns);
            let sent = self.publish(book, now_ns);
            if now_ns >= self.tick_ns {
                self.tick_ns = now_ns + TICK.as_nanos() as u64;
                self.tick(book, watch, now_ns);
            }
            let is_published = self.pacer.due_ns(now_ns).is_none();
            if is_published {
                self.churn.end();
            }
            let is_done = is_published && self.churn.is_quiet() && self.is_everybody_back();
            if is_done && self.team.is_complete(book)? || book.is_over || watch.is_cut_off() {
                book.measure.unsent = self.pacer.unsent();
                return Ok(self.churn.goings);
            }
            let (timeout, timer_ns) = self.wait(now_ns, sent);
            self.team.turn(book, timeout, timer_ns)?;
        }
    }

    /// The members.
    pub(super) fn team(&mut self) -> &mut T {
        &mut self.team
    }

    /// How long to wait, by the poll's clock and by the exact one.
    fn wait(&self, now_ns: u64, sent: usize) -> (Duration, Option<u64>) {
        if sent == BURST_MAX {
            return (Duration::ZERO, None);
        }
        let due_ns = match self.pacer.window() {
            // What is overdue waits for a publisher, and that is an event.
            None => self.pacer.due_ns(now_ns).filter(|due_ns| *due_ns > now_ns),
            Some(_) => None,
        };
        let next_ns = due_ns.unwrap_or(u64::MAX).min(self.churn.next_ns());
        (TICK, (next_ns != u64::MAX).then(|| next_ns.saturating_sub(now_ns)))
    }

    fn is_everybody_back(&self) -> bool {
        self.team.online() == self.team.count()
    }

    /// Publishes what is due; how many.
    fn publish(&mut self, book: &mut Book, now_ns: u64) -> usize {
        let publishers = self.plan.publishers;
        let mut sent = 0;
        while let Some(due_ns) = self.pacer.due_ns(now_ns).filter(|due_ns| *due_ns <= now_ns) {
            if sent == BURST_MAX {
                break;
            }
            let turns = (0..publishers).map(|step| (self.turn + step) % publishers);
            let Some(publisher) = turns.into_iter().find(|index| self.may_send(book, *index))
            else {
                break;
            };
            self.team.publish(book, publisher, due_ns, self.plan.size);
            self.pacer.sent();
            self.turn = (publisher + 1) % publishers;
            book.measure.sent += 1;
            book.measure.lateness.saturating_record((now_ns - due_ns).max(1));
            sent += 1;
        }
        if sent > 0 {
            for publisher in 0..publishers {
                self.team.write(book, publisher);
            }
        }
        sent
    }

    fn may_send(&self, book: &Book, publisher: usize) -> bool {
        let is_open = |window| self.team.under_way(book, publisher) < window;
        self.team.may_publish(publisher) && self.pacer.window().is_none_or(is_open)
    }

    /// Has members go and come back whose time it is.
    fn churn(&mut self, book: &mut Book, now_ns: u64) {
        while let Some((index, going)) = self.churn.goes(now_ns, self.team.count()) {
            if self.team.state(index) != State::Online {
                continue;
            }
            match going {
                Going::Leave => self.team.leave(book, index),
                Going::Crash => self.team.crash(book, index),
                Going::Move => self.team.come_back(book, index),
            }
            self.churn.gone(index, going, now_ns);
        }
        while let Some(index) = self.churn.returns(now_ns) {
            if self.team.state(index) == State::Away {
                self.team.come_back(book, index);
            } else {
                self.churn.put_off(index, now_ns);
            }
        }
    }

    fn tick(&mut self, book: &mut Book, watch: &mut Watch<'_>, now_ns: u64) {
        book.verifier.settle();
        watch.show(book, now_ns);
        if watch.is_interrupted() {
            self.pacer.end();
        }
        let online = self.team.online();
        let unanswered = book.verifier.unanswered_of_all();
        let counts = book.measure.deliveries() + book.measure.sent;
        let signs = (counts, unanswered, online);
        let is_idle = unanswered == 0 && self.pacer.due_ns(now_ns).is_some();
        let is_alive = signs != self.signs || is_idle;
        if is_alive {
            (self.signs, self.alive_ns) = (signs, now_ns);
        } else if now_ns - self.alive_ns > PATIENCE_NS {
            let absent = self.team.count() - online;
            let what = format!("{unanswered} messages unanswered, {absent} members not online");
            book.fail(usize::MAX, &Fault::Stuck { what });
        }
        if book.verifier.is_hopeless() {
            book.is_over = true;
        }
    }
}
