//! The real coordinator through a session in which it is killed once, and what it must have kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::peer::{Died, Peer};
use support::participant::Running;
use support::preload::{Plan, Preload};
use support::{DEADLINE, Timer, number};

/// Text of the message that exists before: its receiver is away.
const BEFORE: &str = "said before";
const TTL_S: u64 = 600;
/// For those who wait for the end of it.
const SHORT_TTL_S: u64 = 1;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
/// Index of the member that is away.
const OLD: usize = 3;

/// A journal to begin with, as a coordinator leaves it that is killed: with a torn record at its
/// end, and a segment that was never finished.
pub(crate) fn fixture() -> TempDir {
    let fixture = tempfile::tempdir().unwrap();
    let mut site = Site::with(&["old", "sender"]);
    site.start(false);
    for peer in 0..site.peers.len() {
        site.come(peer).unwrap();
    }
    site.peers[0].leave(site.address).unwrap();
    let reply = site.peers[1].ask(site.address, &format!("msend {BEFORE}")).unwrap();
    assert_eq!(reply, "OK msend seq=1");
    let newest = site.data().join("0000000000000001.journal");
    let length = fs::metadata(&newest).unwrap().len() as usize;
    site.peers[1].ask(site.address, "deregister").unwrap();
    site.running.signal(Signal::KILL);
    site.running.wait();
    let data = site.data();
    let whole = fs::read(&newest).unwrap();
    let torn = &whole[length..whole.len() - 1];
    fs::File::options().append(true).open(&newest).unwrap().write_all(torn).unwrap();
    fs::write(data.join("0000000000000002.journal.new"), &whole[..50]).unwrap();
    Preload::copy_files(&data, fixture.path());
    fixture
}

/// One run: whether the call that was to be hit was.
pub(crate) fn run(fixture: &TempDir, plan: Plan) -> bool {
    let mut site = Site::with(&["alice", "bob", "carol", "old"]);
    Preload::copy_files(fixture.path(), &site.data());
    site.peers[OLD].is_member = true;
    site.confirmed.insert(1, ("sender".to_owned(), BEFORE.to_owned()));
    let steps: [Step; 5] =
        [first_words, carol_is_away, dave_comes_and_goes, old_comes_back, last_texts];
    let was_hit = site.live(&steps, plan);
    assert!(site.dave_is_gone);
    site.check_end();
    was_hit
}

/// One run of a coordinator that finds nothing.
pub(crate) fn run_first(plan: Plan) -> bool {
    let mut site = Site::with(&["alice", "bob", "carol"]);
    let was_hit = site.live(&[first_words, carol_is_away], plan);
    site.check_end();
    was_hit
}

/// One run in which a segment is full, and the next one begins.
pub(crate) fn run_rotation(plan: Plan) -> bool {
    let mut site = Site::with(&["alice", "bob", "carol"]);
    let was_hit = site.live(&[first_words, fills_a_segment], plan);
    site.check_end();
    was_hit
}

/// One run in which a segment is removed because all that is in it has expired.
pub(crate) fn run_expiry(fixture: &TempDir, plan: Plan) -> bool {
    let mut site = Site { ttl_s: SHORT_TTL_S, ..Site::with(&["alice"]) };
    Preload::copy_files(fixture.path(), &site.data());
    let was_hit = site.live(&[expires], plan);
    site.say(ALICE).unwrap(); // In the same epoch, and above all numbers before.
    let members = site.peers[ALICE].list(site.address, "members").unwrap();
    let ids: Vec<&str> = members.iter().filter_map(|it| it.split(' ').next()).collect();
    assert_eq!(ids, ["alice", "old"], "{plan:?}");
    was_hit
}

fn expires(site: &mut Site) -> Result<(), Died> {
    site.say(ALICE)?;
    let timer = Timer::start(DEADLINE);
    let oldest = site.data().join("0000000000000001.journal");
    while oldest.exists() {
        assert!(timer.left().is_some(), "the oldest segment stays");
        site.peers[ALICE].list(site.address, "stats")?;
    }
    site.say(ALICE)?;
    Ok(())
}

fn first_words(site: &mut Site) -> Result<(), Died> {
    for peer in [ALICE, BOB, CAROL] {
        site.come(peer)?;
    }
    let seq = site.say(ALICE)?;
    site.all_take(&[BOB, CAROL], seq)?;
    let seq = site.say(BOB)?;
    site.all_take(&[ALICE, CAROL], seq)
}

fn carol_is_away(site: &mut Site) -> Result<(), Died> {
    site.come(CAROL)?;
    site.peers[CAROL].leave(site.address)?;
    site.say(ALICE)?;
    let seq = site.say(BOB)?;
    site.come(CAROL)?;
    site.all_take(&[CAROL], seq)
}

fn dave_comes_and_goes(site: &mut Site) -> Result<(), Died> {
    let mut dave = Peer::new("dave");
    dave.come(site.address)?;
    let seq = site.say(ALICE)?;
    dave.take(seq)?;
    let reply = dave.ask(site.address, "deregister")?;
    assert_eq!(reply, "OK deregister");
    site.dave_is_gone = true;
    Ok(())
}

fn old_comes_back(site: &mut Site) -> Result<(), Died> {
    site.come(OLD)?;
    let seq = site.say(ALICE)?;
    site.all_take(&[OLD], seq)
}

/// Alone, as what is said here is long; bob is away meanwhile.
fn fills_a_segment(site: &mut Site) -> Result<(), Died> {
    site.come(BOB)?;
    site.peers[BOB].leave(site.address)?;
    while site.segments() < 2 {
        let text = format!("text {} {}", site.said + 1, "x".repeat(60_000));
        site.say_text(ALICE, text)?;
    }
    let seq = site.say(ALICE)?;
    site.all_take(&[BOB, CAROL], seq)
}

fn last_texts(site: &mut Site) -> Result<(), Died> {
    let seq = site.say(CAROL)?;
    site.all_take(&[ALICE, BOB, OLD], seq)?;
    // All have acknowledged: their cursors are the last to be written.
    let line = |it: &String| !it.starts_with("carol ") && number(it, "acked") < seq;
    let timer = Timer::start(DEADLINE);
    while site.peers[CAROL].list(site.address, "members")?.iter().any(line) {
        assert!(timer.left().is_some(), "not everybody is where it should be");
    }
    Ok(())
}

/// A step that is repeated if the coordinator dies during it.
type Step = fn(&mut Site) -> Result<(), Died>;

struct Site {
    preload: Preload,
    running: Running,
    address: SocketAddr,
    deaths: u64,
    ttl_s: u64,
    peers: Vec<Peer>,
    /// Texts so far.
    said: u64,
    /// Sender and text by number, of those with a reply.
    confirmed: BTreeMap<u64, (String, String)>,
    /// Texts that were sent twice, and accepted the first time.
    duplicates: BTreeSet<String>,
    dave_is_gone: bool,
}

impl Site {
    fn with(ids: &[&str]) -> Self {
        Self { peers: ids.iter().map(|id| Peer::new(id)).collect(), ..Self::new() }
    }

    fn new() -> Self {
        let preload = Preload::new();
        Self {
            preload,
            running: Running::start(Command::new("true")),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            deaths: 0,
            ttl_s: TTL_S,
            peers: Vec::new(),
            said: 0,
            confirmed: BTreeMap::new(),
            duplicates: BTreeSet::new(),
            dave_is_gone: false,
        }
    }

    fn data(&self) -> PathBuf {
        self.preload.root().join("data")
    }

    /// Starts, takes all steps, each again if it was killed meanwhile, and ends in good order;
    /// whether the call that was to be hit was. Then it is started once more.
    fn live(&mut self, steps: &[Step], plan: Plan) -> bool {
        self.preload.plan(plan);
        self.start(true);
        for step in steps {
            while step(self).is_err() {
                self.mourn();
            }
        }
        self.stop();
        let fired = self.preload.fired();
        assert!(fired <= 1 && self.deaths == fired, "{plan:?} hit {fired}, died {}", self.deaths);
        self.start(false);
        fired == 1
    }

    fn segments(&self) -> usize {
        let names = fs::read_dir(self.data()).unwrap().map(|it| it.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".journal")).count()
    }

    /// Starts a coordinator; again, if it is killed before it serves.
    fn start(&mut self, is_hit: bool) {
        let config = self.preload.root().join("coordinator.txt");
        let (data, ttl_s) = (self.data(), self.ttl_s);
        let lines = format!("0\n{ttl_s}\nbind=127.0.0.1\ndata_dir={}\n", data.display());
        fs::write(&config, lines).unwrap();
        loop {
            let mut command = Command::new(env!("CARGO_BIN_EXE_coordinator"));
            self.preload.put_under(command.arg(&config));
            self.running = Running::start(command);
            if self.running.try_expect("listening on ") && self.running.try_expect(", epoch ") {
                break;
            }
            assert!(is_hit, "it does not start: {}", self.running.said);
            self.record_death();
        }
        let (_, behind) = self.running.said.split_once("listening on ").unwrap();
        self.address = behind.split(',').next().unwrap().parse().unwrap();
    }

    /// It must have been killed, and by the library.
    fn record_death(&mut self) {
        assert_eq!(self.running.wait(), None, "it ended by itself: {}", self.running.said);
        self.deaths += 1;
        self.preload.clear();
    }

    /// It is gone, or should be: starts the next one.
    fn mourn(&mut self) {
        self.record_death();
        self.peers.iter_mut().for_each(Peer::forget);
        self.start(false);
    }

    fn stop(&mut self) {
        self.running.signal(Signal::TERM);
        self.peers.iter_mut().for_each(Peer::forget); // It waits for them a little.
        match self.running.wait() {
            None => self.deaths += 1,
            code => assert_eq!(code, Some(0), "{}", self.running.said),
        }
        self.preload.clear();
    }

    fn come(&mut self, peer: usize) -> Result<(), Died> {
        self.peers[peer].come(self.address)
    }

    /// Says something that was never said: its number, once there is a reply.
    fn say(&mut self, peer: usize) -> Result<u64, Died> {
        let text = format!("text {}", self.said + 1);
        self.say_text(peer, text)
    }

    /// Bob uses `msend`. The others give their texts numbers, and send a text without a reply
    /// again.
    fn say_text(&mut self, peer: usize, text: String) -> Result<u64, Died> {
        self.come(peer)?;
        if let Some(pending) = self.peers[peer].pending.clone() {
            let reply = self.peers[peer].send_pending(self.address)?;
            match reply.ends_with(" duplicate=1") {
                true => drop(self.duplicates.insert(pending)),
                false => drop(self.confirm(peer, &reply, pending)),
            }
        }
        self.said += 1;
        let reply = match peer {
            BOB => self.peers[peer].ask(self.address, &format!("msend {text}"))?,
            _ => {
                self.peers[peer].pending = Some(text.clone());
                self.peers[peer].send_pending(self.address)?
            }
        };
        assert!(reply.starts_with("OK ") && reply.contains(" seq="), "{reply:?}");
        Ok(self.confirm(peer, &reply, text))
    }

    fn confirm(&mut self, peer: usize, reply: &str, text: String) -> u64 {
        let (seq, id) = (number(reply, "seq"), self.peers[peer].id.clone());
        let last = self.confirmed.keys().next_back().copied().unwrap_or(0);
        assert!(seq > last, "{seq} is given out after {last}");
        self.confirmed.insert(seq, (id, text));
        seq
    }

    fn all_take(&mut self, peers: &[usize], through: u64) -> Result<(), Died> {
        for peer in peers {
            self.come(*peer)?;
            self.peers[*peer].take(through)?;
        }
        Ok(())
    }

    /// Checks that every reply still holds.
    fn check_end(&mut self) {
        let all: Vec<usize> = (0..self.peers.len()).collect();
        for speaker in [ALICE, BOB] {
            let seq = self.say(speaker).unwrap();
            let others: Vec<usize> = all.iter().copied().filter(|it| *it != speaker).collect();
            self.all_take(&others, seq).unwrap();
        }
        let members = self.peers[ALICE].list(self.address, "members").unwrap();
        let ids = members.iter().filter_map(|it| it.split(' ').next());
        assert!(ids.eq(self.peers.iter().map(|peer| &*peer.id)), "{members:?}");
        let mut all = self.confirmed.clone();
        for peer in &self.peers {
            for (seq, message) in &peer.taken {
                // A text without a reply is in all logs or in none, and is the same everywhere.
                assert_eq!(all.entry(*seq).or_insert_with(|| message.clone()), message);
            }
        }
        let texts: BTreeSet<&String> = all.values().map(|(_, text)| text).collect();
        assert_eq!(texts.len(), all.len(), "a text has two numbers: {:?}", all.keys());
        let is_lost = |text: &&String| !texts.contains(text);
        let lost: Vec<&String> = self.duplicates.iter().filter(is_lost).collect();
        assert!(lost.is_empty(), "accepted, and in no log: {lost:?}");
        for peer in &self.peers {
            for (seq, (sender, text)) in &all {
                let is_due = *sender != peer.id && *seq >= peer.first;
                assert_eq!(is_due, peer.taken.contains_key(seq), "{}: {seq} {text}", peer.id);
            }
        }
        let deaths = self.deaths;
        self.stop();
        assert_eq!(self.deaths, deaths, "{}", self.running.said);
    }
}
