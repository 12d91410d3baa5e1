//! The real participant through a session in which it is killed once, and what its log must hold.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::member::Member;
use support::participant::{Running, texts};
use support::preload::{Plan, Preload};
use support::{DEADLINE, Timer, number};

/// It was killed.
struct Died;

struct Reader {
    preload: Preload,
    coordinator: Coordinator,
    bob: Member,
    running: Running,
    deaths: u64,
    is_member: bool,
    /// Texts that were there before, and Bob's since.
    said: Vec<String>,
    /// The number of the last.
    last: u64,
}

/// One run with a log that begins so: whether the call that was to be hit was.
pub(crate) fn run(plan: Plan, log_before: &str) -> bool {
    let coordinator = Coordinator::start(600, &[]);
    let bob = coordinator.join("bob", "");
    let preload = Preload::new();
    let (log, port) = (preload.root().join("message.log"), coordinator.address.port());
    let config = format!("alice\n{}\n127.0.0.1 {port}\n", log.display());
    fs::write(preload.root().join("participant.txt"), config).unwrap();
    if !log_before.is_empty() {
        fs::write(&log, log_before).unwrap();
    }
    preload.plan(plan);
    let running = Running::start(command(&preload, "ping"));
    let mut reader = Reader {
        preload,
        coordinator,
        bob,
        running,
        deaths: 0,
        is_member: false,
        said: texts(log_before).into_iter().map(str::to_owned).collect(),
        last: 0,
    };
    for step in [joins, receives_two, is_away, rotates, speaks, quits] {
        while step(&mut reader).is_err() {
            reader.mourn();
        }
    }
    let fired = reader.preload.fired();
    assert!(fired <= 1 && reader.deaths == fired, "{plan:?}: {fired}, died {}", reader.deaths);
    reader.check_end(plan);
    fired == 1
}

fn command(preload: &Preload, first: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    command.args(["--sync", "-f", "-i", "-e", first]).arg(preload.root().join("participant.txt"));
    preload.put_under(&mut command);
    command
}

fn joins(reader: &mut Reader) -> Result<(), Died> {
    reader.expect("OK ")?; // To what it was started with.
    if !reader.is_member {
        reader.tell("register 0")?;
        reader.expect("OK register")?;
        reader.is_member = true;
    }
    Ok(())
}

fn receives_two(reader: &mut Reader) -> Result<(), Died> {
    reader.receive("one")?;
    reader.receive("two")
}

fn is_away(reader: &mut Reader) -> Result<(), Died> {
    reader.tell("disconnect")?;
    reader.expect("OK disconnect")?;
    reader.bob_says("missed");
    reader.tell("reconnect 0")?;
    reader.expect("OK reconnect")?;
    reader.receive("live again")
}

fn rotates(reader: &mut Reader) -> Result<(), Died> {
    let log = reader.log_path();
    if !reader.moved().exists() {
        fs::rename(&log, reader.moved()).unwrap();
        reader.running.signal(Signal::HUP);
    }
    // Between the two names it has no memory but the coordinator's: what it has acknowledged.
    let timer = Timer::start(DEADLINE);
    while !fs::read_to_string(&log).is_ok_and(|log| log.lines().count() >= 3) {
        assert!(timer.left().is_some(), "there is no new file");
        if reader.has_ended() {
            return Err(Died);
        }
        if reader.deaths > 0 {
            break; // The next one heads its log when it has something to write.
        }
    }
    reader.receive("in the new file")
}

fn speaks(reader: &mut Reader) -> Result<(), Died> {
    reader.tell("msend hello")?;
    reader.expect("OK msend")?;
    reader.receive("the last one")
}

fn quits(reader: &mut Reader) -> Result<(), Died> {
    reader.tell("quit")?;
    match reader.running.wait() {
        None => Err(Died),
        Some(code) => {
            assert_eq!(code, 0, "{}", reader.running.said);
            Ok(())
        }
    }
}

impl Reader {
    fn log_path(&self) -> PathBuf {
        self.preload.root().join("message.log")
    }

    fn moved(&self) -> PathBuf {
        self.preload.root().join("moved.log")
    }

    fn tell(&mut self, line: &str) -> Result<(), Died> {
        use std::io::Write as _;
        let input = self.running.input.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).map_err(|_| Died)
    }

    fn expect(&mut self, text: &str) -> Result<(), Died> {
        match self.running.try_expect(text) {
            true => Ok(()),
            false => Err(Died),
        }
    }

    fn bob_says(&mut self, text: &str) -> String {
        let text = format!("{} {text}", self.said.len());
        self.last = self.bob.msend(&text);
        self.said.push(text.clone());
        text
    }

    /// Bob says something, which it shows and then acknowledges; or not, and is dead.
    fn receive(&mut self, text: &str) -> Result<(), Died> {
        let text = self.bob_says(text);
        self.expect(&format!("bob: {text}\n"))?;
        let timer = Timer::start(DEADLINE);
        while number(&self.bob.command.member("alice").unwrap(), "acked") < self.last {
            assert!(timer.left().is_some(), "{text:?} is not acknowledged");
            if self.has_ended() {
                return Err(Died);
            }
        }
        Ok(())
    }

    fn has_ended(&mut self) -> bool {
        self.running.child.try_wait().unwrap().is_some()
    }

    /// It must have been killed by the library; starts the next one.
    fn mourn(&mut self) {
        assert_eq!(self.running.wait(), None, "it ended by itself: {}", self.running.said);
        self.deaths += 1;
        self.preload.clear();
        // A participant that got no reply to `register` may be a member.
        let is_known = self.coordinator.client().member("alice").is_some();
        self.is_member |= is_known;
        let first = if self.is_member { "reconnect 0" } else { "ping" };
        self.running = Running::start(command(&self.preload, first));
    }

    fn check_end(&self, plan: Plan) {
        let mut logged = Vec::new();
        for path in [self.moved(), self.log_path()] {
            let log = fs::read_to_string(&path).unwrap();
            assert!(log.starts_with("# id alice\n"), "{plan:?} {log}");
            assert!(!log.contains("# gap"), "{plan:?} {log}");
            logged.extend(texts(&log).into_iter().map(str::to_owned));
        }
        assert_eq!(logged, self.said, "{plan:?}");
    }
}
