//! Kills of sites and of servers of the engine, from a seed.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;

use crate::clock;
use crate::sites::World;
use crate::sites::group::SITES;

/// Milliseconds from one kill to the next one.
const INTERVAL_MS: Range<u64> = 200..2_000;
/// Milliseconds that a killed process stays away.
const AWAY_MS: Range<u64> = 50..3_000;
/// One in so many kills may take the last site, or most servers.
const SEVERE: u32 = 8;
/// One in so many is SIGTERM.
const GENTLE: u32 = 5;

/// Longest wait for all sites after a storm.
const SERVED_WAIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Victim {
    Site(usize),
    Server(usize),
}

#[derive(Debug)]
pub(super) struct Kills {
    random: Rng,
    /// Killed processes, and when they start again.
    away: Vec<(Victim, Instant)>,
    due: Instant,
    pub(super) counts: KillCounts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KillCounts {
    pub(super) sites: u64,
    pub(super) servers: u64,
    /// Servers that led the engine.
    pub(super) leaders: u64,
    /// Kills after which most servers were away.
    pub(super) majorities: u64,
    /// SIGTERM instead of SIGKILL.
    pub(super) terminated: u64,
    /// Sites that ended by themselves, and were started again.
    pub(super) ended: u64,
}

impl fmt::Display for KillCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sites, servers, leaders, majorities, terminated, ended } = self;
        write!(
            f,
            "{} kills: {sites} of sites, {servers} of servers of the engine. {leaders} were of the \
             leader, {majorities} left no majority, {terminated} were SIGTERM. {ended} \
             sites ended by themselves and were started again",
            sites + servers
        )
    }
}

impl Kills {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let due = clock::now() + Duration::from_millis(random.u64(INTERVAL_MS));
        Self { random, away: Vec::new(), due, counts: KillCounts::default() }
    }

    /// Does what is due: starts processes again, and kills one.
    pub(super) fn turn(&mut self, world: &mut World) -> Result<()> {
        let now = clock::now();
        self.restart(world, |at| at <= now)?;
        self.restart_ended(world)?;
        if self.due <= now {
            if let Some(victim) = self.choose(world) {
                self.kill(world, victim)?;
            }
            self.due = clock::now() + Duration::from_millis(self.random.u64(INTERVAL_MS));
        }
        Ok(())
    }

    /// Starts everything again, and waits until all sites serve.
    pub(super) fn end(&mut self, world: &mut World) -> Result<()> {
        self.restart(world, |_| true)?;
        let begin = clock::now();
        while !(0..SITES).all(|site| world.group.serves(site)) {
            self.restart_ended(world)?;
            ensure!(clock::now() - begin < SERVED_WAIT, "a site does not serve after the storm");
        }
        Ok(())
    }

    /// Starts sites that ended by themselves, as a service manager does.
    fn restart_ended(&mut self, world: &mut World) -> Result<()> {
        for site in 0..SITES {
            if world.group.has_ended(site)? {
                self.counts.ended += 1;
                world.group.start(site)?;
            }
        }
        Ok(())
    }

    fn restart(&mut self, world: &mut World, is_due: impl Fn(Instant) -> bool) -> Result<()> {
        let due: Vec<Victim> =
            self.away.iter().filter(|(_, at)| is_due(*at)).map(|(victim, _)| *victim).collect();
        self.away.retain(|(_, at)| !is_due(*at));
        due.into_iter().try_for_each(|victim| match victim {
            Victim::Site(index) => world.group.start(index),
            Victim::Server(index) => world.engine.restart(index),
        })
    }

    /// Chooses a process that runs. The number of draws does not depend on the processes.
    fn choose(&mut self, world: &World) -> Option<Victim> {
        let (is_site, is_severe) = (self.random.bool(), self.random.u32(..SEVERE) == 0);
        let draw = self.random.usize(..SITES * 2);
        if is_site {
            let index = draw % SITES;
            let others = (0..SITES).filter(|other| *other != index);
            let is_last = !others.into_iter().any(|other| world.group.serves(other));
            let is_right = world.group.is_running(index) && (is_severe || !is_last);
            return is_right.then_some(Victim::Site(index));
        }
        let (index, servers) = (draw % world.engine.len(), world.engine.len());
        let away = (0..servers).filter(|index| !world.engine.is_running(*index)).count();
        let is_right = world.engine.is_running(index) && (is_severe || away == 0);
        is_right.then_some(Victim::Server(index))
    }

    fn kill(&mut self, world: &mut World, victim: Victim) -> Result<()> {
        let is_gentle = self.random.u32(..GENTLE) == 0;
        let away = Duration::from_millis(self.random.u64(AWAY_MS));
        self.counts.terminated += u64::from(is_gentle);
        match victim {
            Victim::Site(index) => {
                self.counts.sites += 1;
                if is_gentle {
                    world.group.terminate(index)?;
                } else {
                    world.group.kill(index);
                }
            }
            Victim::Server(index) => {
                self.counts.servers += 1;
                self.counts.leaders += u64::from(world.engine.leads(index));
                if is_gentle {
                    world.engine.terminate(index)?;
                } else {
                    world.engine.kill(index);
                }
                let servers = world.engine.len();
                let away = (0..servers).filter(|index| !world.engine.is_running(*index)).count();
                self.counts.majorities += u64::from(away * 2 > servers);
            }
        }
        self.away.push((victim, clock::now() + away));
        Ok(())
    }
}
