//! The real participant with an outbox file through a session in which it is killed once, and the
//! texts that another member must have got.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::peer::Peer;
use support::coordinator::Coordinator;
use support::outbox_texts::{self, Outcome};
use support::participant::Running;
use support::preload::{Plan, Preload};
use support::{DEADLINE, Timer, number};

/// It was killed.
struct Died;

struct Writer {
    preload: Preload,
    coordinator: Coordinator,
    running: Running,
    deaths: u64,
    /// It has joined once, and joins at each start.
    is_member: bool,
    /// All texts that were typed, and what is known of them.
    typed: Vec<(String, Outcome)>,
    /// Texts without `OK msend`, in the order in which they are sent.
    unanswered: Vec<String>,
}

/// One run with an outbox file that begins so. Returns true if the call that was to be hit was.
pub(crate) fn run(plan: Plan, outbox_before: &str) -> bool {
    let coordinator = Coordinator::start(600, &[]);
    let mut bob = Peer::new("bob");
    assert!(bob.come(coordinator.address).is_ok());
    let preload = Preload::new();
    let (log, port) = (preload.trace().with_file_name("message.log"), coordinator.address.port());
    let config = format!("alice\n{}\n127.0.0.1 {port}\n", log.display());
    fs::write(preload.trace().with_file_name("participant.txt"), config).unwrap();
    if !outbox_before.is_empty() {
        fs::write(preload.root().join("outbox"), outbox_before).unwrap();
    }
    preload.plan(plan);
    let mut writer = Writer {
        running: Running::start(command(&preload, false)),
        preload,
        coordinator,
        deaths: 0,
        is_member: false,
        typed: Vec::new(),
        unanswered: Vec::new(),
    };
    for step in [queues, joins, speaks, is_away, fills_the_file, starts_again, quits] {
        while step(&mut writer).is_err() {
            writer.mourn();
        }
    }
    let fired = writer.preload.fired();
    assert!(fired <= 1 && writer.deaths == fired, "{plan:?}: {fired}, died {}", writer.deaths);
    writer.check_end(&mut bob, plan);
    fired == 1
}

fn command(preload: &Preload, must_join: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    command.args(["--sync", "-f", "-i"]).args(must_join.then_some("--join"));
    command.arg("--outbox").arg(preload.root().join("outbox"));
    command.arg(preload.trace().with_file_name("participant.txt"));
    preload.put_under(&mut command);
    command
}

fn queues(writer: &mut Writer) -> Result<(), Died> {
    writer.types(&["before the first join", "and another"])?;
    while writer.has_unqueued() {
        let line = writer.line()?;
        writer.take_line(&line);
    }
    Ok(())
}

fn joins(writer: &mut Writer) -> Result<(), Died> {
    writer.is_member = true;
    writer.tell("join")?;
    writer.until_answered()
}

fn speaks(writer: &mut Writer) -> Result<(), Died> {
    writer.types(&["online", "at once", "with it"])?;
    writer.until_answered()
}

fn is_away(writer: &mut Writer) -> Result<(), Died> {
    writer.tell("disconnect")?;
    writer.types(&["away", "still away"])?;
    writer.until_kept()?;
    writer.tell("join")?;
    writer.until_answered()
}

/// The file becomes so long that a new one replaces it.
fn fills_the_file(writer: &mut Writer) -> Result<(), Died> {
    const KEPT_BYTES_MAX: u64 = 64 * 1024;
    let filler = "x".repeat(40_000);
    writer.types(&[&filler, &filler])?;
    writer.until_answered()?;
    let timer = Timer::start(DEADLINE);
    while fs::metadata(writer.outbox()).is_ok_and(|file| file.len() > KEPT_BYTES_MAX) {
        assert!(timer.left().is_some(), "the file is not replaced");
        writer.check_alive()?;
    }
    Ok(())
}

/// The next start finds texts that wait behind texts that do not.
fn starts_again(writer: &mut Writer) -> Result<(), Died> {
    writer.types(&["confirmed"])?;
    writer.until_answered()?;
    writer.tell("disconnect")?;
    writer.types(&["kept", "kept behind it"])?;
    writer.until_kept()?;
    quits(writer)?;
    writer.running = Running::start(command(&writer.preload, true));
    writer.until_answered()
}

fn quits(writer: &mut Writer) -> Result<(), Died> {
    writer.tell("quit")?;
    while let Ok(line) = writer.line() {
        writer.take_line(&line);
    }
    match writer.running.wait() {
        None => Err(Died),
        Some(code) => {
            assert_eq!(code, 0, "{}", writer.running.said);
            Ok(())
        }
    }
}

impl Writer {
    fn outbox(&self) -> PathBuf {
        self.preload.root().join("outbox")
    }

    fn tell(&mut self, lines: &str) -> Result<(), Died> {
        use std::io::Write as _;
        let input = self.running.input.as_mut().unwrap();
        input.write_all(format!("{lines}\n").as_bytes()).map_err(|_| Died)
    }

    fn types(&mut self, texts: &[&str]) -> Result<(), Died> {
        let mut lines = Vec::new();
        for text in texts {
            let text = format!("{} {text}", self.typed.len());
            lines.push(format!("msend {text}"));
            self.unanswered.push(text.clone());
            self.typed.push((text, Outcome::Open));
        }
        self.tell(&lines.join("\n"))
    }

    /// Returns the next line that it says, or that it has died.
    fn line(&mut self) -> Result<String, Died> {
        let start = self.running.said.len() - self.running.unexpected().len();
        match self.running.try_expect("\n") {
            true => {
                let end = self.running.said.len() - self.running.unexpected().len();
                Ok(self.running.said.get(start..end).unwrap().trim_end().to_owned())
            }
            false => Err(Died),
        }
    }

    fn take_line(&mut self, line: &str) {
        if let Some(waiting) = line.strip_prefix("* queued, ") {
            let count = waiting.split(' ').next().unwrap().parse().unwrap();
            for text in self.unanswered.iter().take(count) {
                self.typed[index(text)].1 = Outcome::Kept;
            }
        } else if line.starts_with("OK msend ") {
            let text = self.unanswered.remove(0);
            self.typed[index(&text)].1 = Outcome::Kept;
        }
        assert!(!line.starts_with("error: "), "{}", self.running.said);
    }

    fn until_answered(&mut self) -> Result<(), Died> {
        while !self.unanswered.is_empty() {
            let line = self.line()?;
            self.take_line(&line);
        }
        Ok(())
    }

    /// Returns true if a text is neither answered nor queued.
    fn has_unqueued(&self) -> bool {
        let is_open = |(_, outcome): &&(String, Outcome)| *outcome == Outcome::Open;
        self.typed.iter().filter(is_open).any(|(text, _)| self.unanswered.contains(text))
    }

    /// Waits until all texts without an answer are in the file.
    fn until_kept(&mut self) -> Result<(), Died> {
        let timer = Timer::start(DEADLINE);
        loop {
            let kept = outbox_texts::read(&self.outbox());
            let is_kept = |text: &String| kept.iter().any(|kept| kept.text == *text);
            if self.unanswered.iter().all(is_kept) {
                return Ok(());
            }
            assert!(timer.left().is_some(), "not in the file: {:?}", self.unanswered);
            self.check_alive()?;
        }
    }

    fn check_alive(&mut self) -> Result<(), Died> {
        match self.running.child.try_wait().unwrap() {
            None => Ok(()),
            Some(_) => Err(Died),
        }
    }

    /// It must have been killed by the library. The file tells which texts arrive; starts the next
    /// one.
    fn mourn(&mut self) {
        while let Ok(line) = self.line() {
            self.take_line(&line);
        }
        assert_eq!(self.running.wait(), None, "it ended by itself: {}", self.running.said);
        self.deaths += 1;
        self.preload.clear();
        let kept = outbox_texts::read(&self.outbox());
        let unanswered = std::mem::take(&mut self.unanswered);
        for (text, outcome) in unanswered.iter().zip(outbox_texts::outcomes(&kept, &unanswered)) {
            let known = &mut self.typed[index(text)].1;
            assert!(
                *known != Outcome::Kept || outcome == *known,
                "{text:?} was queued: {outcome:?}"
            );
            *known = outcome;
        }
        self.unanswered = outbox_texts::waiting(&kept);
        self.running = Running::start(command(&self.preload, self.is_member));
    }

    fn check_end(&self, bob: &mut Peer, plan: Plan) {
        let reply = bob.ask(self.coordinator.address, "msend the end").unwrap();
        bob.take(number(&reply, "seq") - 1).unwrap();
        let arrived: Vec<usize> = bob.taken.values().map(|(_, text)| index(text)).collect();
        let is_wanted = |at: &usize| match self.typed[*at].1 {
            Outcome::Kept => true,
            Outcome::Never => false,
            Outcome::Open => arrived.contains(at),
        };
        let expected: Vec<usize> = (0..self.typed.len()).filter(is_wanted).collect();
        assert_eq!(arrived, expected, "{plan:?}: {}", self.running.said);
    }
}

/// Returns the index of a text among all that were typed.
fn index(text: &str) -> usize {
    text.split(' ').next().unwrap().parse().unwrap()
}
