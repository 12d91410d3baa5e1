//! Sites, servers and participants are killed and stopped at random while all participants talk.
//! Everything that ends is started again, as services are. In the end all message logs have the
//! same messages.
//!
//! `SITES_STORM_SEED=<n>` sets the victims and the times, `SITES_STORM_KILLS=<n>` the number of
//! events. The operating system decides everything else.

use std::time::Duration;

use rustix::process::Signal;
use support::Timer;
use support::rng::Rng;
use support::torture::{Actor, Ledger, number, settle, talk};

use super::site_program::SiteProgram;
use crate::group::founded;
use crate::servers::Servers;

/// Number of events without `SITES_STORM_KILLS`.
const KILLS: u64 = 10;
const ACTORS: usize = 6;
const SITES: [&str; 3] = ["oslo", "rome", "lima"];
/// Longest time after the last event until all have everything: elections, starts, pauses.
const SETTLE: Duration = Duration::from_secs(120);
/// Longest time until all sites serve.
const UP_AGAIN: Duration = Duration::from_secs(60);

/// A program that is killed or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Site(usize),
    Server(usize),
}

/// A way in which a program is out of order for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Killed,
    Terminated,
    Stopped,
}

/// All programs but the participants.
struct Storm {
    sites: Vec<SiteProgram>,
    servers: Servers,
    /// Programs that are out of order, with the time until that ends.
    down: Vec<(Victim, Outage, Timer)>,
    /// Starts of a site that failed, and were tried again.
    failed_starts: usize,
}

impl Storm {
    fn is_down(&self, victim: Victim) -> bool {
        self.down.iter().any(|(down, _, _)| *down == victim)
    }

    /// Puts a program out of order, if it is not.
    fn strike(&mut self, victim: Victim, outage: Outage, time: Duration) {
        if self.is_down(victim) {
            return;
        }
        println!("{victim:?} {outage:?} for {time:?}");
        let signal = match outage {
            Outage::Killed => Signal::KILL,
            Outage::Terminated => Signal::TERM,
            Outage::Stopped => Signal::STOP,
        };
        match victim {
            Victim::Site(index) => {
                let site = &mut self.sites[index];
                if site.take_ended().is_some() {
                    return self.down.push((victim, Outage::Killed, Timer::start(time)));
                }
                site.signal(signal);
                if outage != Outage::Stopped {
                    site.wait();
                }
            }
            Victim::Server(index) => match outage {
                Outage::Stopped => self.servers.all[index].pause(),
                Outage::Killed | Outage::Terminated => self.servers.all[index].end(signal),
            },
        }
        self.down.push((victim, outage, Timer::start(time)));
    }

    /// Brings back what was out of order for long enough, and sites that ended by themselves.
    fn look(&mut self) {
        let (over, down) = std::mem::take(&mut self.down)
            .into_iter()
            .partition(|(_, _, timer)| timer.left().is_none());
        self.down = down;
        for (victim, outage, _) in Vec::from_iter(over) {
            match (victim, outage) {
                (Victim::Site(index), Outage::Stopped) => self.sites[index].signal(Signal::CONT),
                (Victim::Site(index), _) => self.sites[index].restart(),
                (Victim::Server(index), Outage::Stopped) => self.servers.all[index].resume(),
                (Victim::Server(index), _) => self.servers.all[index].restart(),
            }
        }
        for index in 0..self.sites.len() {
            self.look_at_site(index);
        }
    }

    /// A start of a site may fail, because the engine has no leader. Nothing else ends a site.
    fn look_at_site(&mut self, index: usize) {
        if self.is_down(Victim::Site(index)) {
            return;
        }
        let site = &mut self.sites[index];
        if let Some(code) = site.take_ended() {
            let said = site.said();
            let is_refused = code == 1 && !said.contains("listening on ");
            assert!(is_refused, "{} ended with {code}: {said}", site.name);
            println!("{}: {}", site.name, said.lines().last().unwrap_or_default());
            self.failed_starts += 1;
            let pause = Timer::start(Duration::from_secs(1));
            self.down.push((Victim::Site(index), Outage::Killed, pause));
        }
    }

    /// Draws the next event. Returns a participant that is to be killed.
    fn next_event(&mut self, rng: &mut Rng) -> Option<usize> {
        let site = Victim::Site(rng.index(SITES.len()));
        let server = Victim::Server(rng.index(self.servers.all.len()));
        let time = Duration::from_millis(rng.below(3000));
        match rng.below(12) {
            0..=2 => {
                let actor = rng.index(ACTORS);
                println!("actor{actor} killed");
                return Some(actor);
            }
            3..=5 => self.strike(site, Outage::Killed, time),
            6 => self.strike(site, Outage::Terminated, time),
            7 => self.strike(site, Outage::Stopped, time),
            8 => self.strike(server, Outage::Killed, time),
            9 => self.strike(server, Outage::Terminated, time),
            10 => self.strike(server, Outage::Stopped, time),
            _ => {
                let outage = rng.pick(&[Outage::Killed, Outage::Stopped]);
                let count = rng.between(2, 3);
                for index in (0..self.servers.all.len()).take(usize::try_from(count).unwrap()) {
                    self.strike(Victim::Server(index), outage, time);
                }
            }
        }
        None
    }

    fn is_whole(&self) -> bool {
        self.down.is_empty() && self.sites.iter().all(SiteProgram::is_serving)
    }
}

#[test]
fn all_logs_are_equal_and_whole_whichever_sites_servers_and_participants_are_killed() {
    let Some(servers) = founded(3) else { return };
    let seed = number("SITES_STORM_SEED", u64::from(std::process::id()));
    let kills = number("SITES_STORM_KILLS", KILLS);
    println!("SITES_STORM_SEED={seed} SITES_STORM_KILLS={kills}");
    let mut rng = Rng::new(seed);
    let sites = SITES.map(|name| SiteProgram::start(&servers, name)).into();
    let mut storm = Storm { sites, servers, down: Vec::new(), failed_starts: 0 };
    let wait_until_whole = |storm: &mut Storm, actors: &mut [Actor], ledger: &mut Ledger| {
        let timer = Timer::start(UP_AGAIN);
        while !storm.is_whole() {
            assert!(timer.left().is_some(), "sites do not serve: {:?}", storm.down);
            talk(actors, ledger, Duration::from_millis(100), || storm.look());
        }
    };
    let mut ledger = Ledger::new(|_| true);
    wait_until_whole(&mut storm, &mut [], &mut ledger);
    let mut addresses: Vec<_> = storm.sites.iter().map(SiteProgram::address).collect();
    let mut actors: Vec<Actor> = Vec::new();
    for index in 0..ACTORS {
        actors.push(Actor::start(index, &addresses, &ledger));
        addresses.rotate_left(1);
    }
    for _ in 0..kills {
        let time = Duration::from_millis(rng.below(1500));
        talk(&mut actors, &mut ledger, time, || storm.look());
        if let Some(victim) = storm.next_event(&mut rng) {
            actors[victim].kill_and_restart(&mut ledger);
        }
    }
    wait_until_whole(&mut storm, &mut actors, &mut ledger);
    settle(&mut actors, &mut ledger, SETTLE, || storm.look());
    let logs: Vec<String> = actors.iter().map(Actor::log).collect();
    for actor in &mut actors {
        actor.quit();
    }
    for site in &mut storm.sites {
        site.signal(Signal::TERM);
        assert_eq!(site.wait(), Some(0), "{}: {}", site.name, site.said());
    }
    let verdict = ledger.check(&logs);
    println!("{kills} events, {} starts tried again: {verdict}", storm.failed_starts);
}
