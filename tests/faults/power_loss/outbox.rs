//! The power goes at every step of a participant with an outbox file and `--sync`: each text that
//! was shown as queued, or was sent, is in the file until the coordinator has confirmed it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::platter::{self, Step};
use super::pull_the_plug;
use support::coordinator::Coordinator;
use support::outbox_texts::{self, KeptText, waiting};
use support::participant::{Running, until};
use support::preload::Preload;
use support::preload::shared::Operation;

/// So long that several, written at once, are in several sectors.
fn text(number: usize) -> String {
    format!("text {number} {}", "x".repeat(300))
}

/// Texts by the step: those up to `answered` are confirmed, those up to `sent` have left with
/// their numbers, and those up to `kept` must be in the file.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    answered: usize,
    sent: usize,
    kept: usize,
}

/// Returns the position after each number of steps.
fn positions(steps: &[Step]) -> Vec<Position> {
    let mut positions = vec![Position::default()];
    for step in steps {
        let mut now = *positions.last().unwrap();
        let content = String::from_utf8_lossy(&step.data);
        // The highest number: the lines of a call are in the order of the texts.
        let number_behind = |start: &str| {
            let ends = content.lines().filter_map(|line| line.split_once(start));
            let numbers = ends.filter_map(|(_, end)| end.split(' ').next()?.parse().ok());
            numbers.max().unwrap_or(0)
        };
        match step.operation {
            Operation::Send => now.sent = now.sent.max(number_behind("alice#send ")),
            Operation::Receive => now.answered = now.answered.max(number_behind("OK send ")),
            Operation::Say => match number_behind("* queued, ") {
                0 => (),
                waiting => now.kept = now.kept.max(now.answered + waiting),
            },
            Operation::Begin
            | Operation::Create
            | Operation::MakeDirectory
            | Operation::Write
            | Operation::Truncate
            | Operation::Rename
            | Operation::Remove
            | Operation::Sync => (),
        }
        now.kept = now.kept.max(now.sent);
        positions.push(now);
    }
    positions
}

struct Writer<'a> {
    preload: &'a Preload,
    running: Running,
    typed: usize,
}

impl Writer<'_> {
    fn start(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
        command.args(["--sync", "-f", "-i", "--outbox"]).arg(self.preload.root().join("outbox"));
        command.arg(self.preload.trace().with_file_name("participant.txt"));
        self.preload.put_under(&mut command);
        self.running = Running::start(command);
    }

    /// Types texts at once.
    fn types(&mut self, count: usize) {
        let numbers = self.typed + 1..=self.typed + count;
        self.typed += count;
        self.running
            .write(&numbers.map(|number| format!("msend {}\n", text(number))).collect::<String>());
    }

    fn queues(&mut self, count: usize, waiting: usize) {
        self.types(count);
        self.running.expect(&format!("* queued, {waiting} waiting\n"));
    }

    fn speaks(&mut self, count: usize) {
        self.types(count);
        self.is_answered();
    }

    fn is_answered(&mut self) {
        self.running.expect(&format!("OK msend seq={}\n", self.typed));
    }

    fn joins(&mut self) {
        self.running.write("join\n");
        self.is_answered();
    }

    fn is_killed(&mut self) {
        self.running.child.kill().unwrap();
        self.running.wait();
    }
}

/// Three lives; the steps of all.
fn three_lives(preload: &Preload) -> (Vec<Step>, usize) {
    let coordinator = Coordinator::start(600, &[]);
    let (log, port) = (preload.trace().with_file_name("message.log"), coordinator.address.port());
    let config = format!("alice\n{}\n127.0.0.1 {port}\n", log.display());
    fs::write(preload.trace().with_file_name("participant.txt"), config).unwrap();
    let running = Running::start(Command::new("true"));
    let mut alice = Writer { preload, running, typed: 0 };
    alice.start();
    alice.queues(1, 1);
    alice.queues(2, 3);
    alice.joins();
    for count in [1, 5, 1] {
        alice.speaks(count);
    }
    let outbox = preload.root().join("outbox");
    // A text whose end is not in the file would count as waiting in the next life.
    until("the end of all texts", || waiting(&outbox_texts::read(&outbox)).is_empty());
    alice.is_killed();
    alice.start();
    alice.queues(2, 2);
    alice.joins();
    // The file becomes so long that a new one replaces it.
    let length = || fs::metadata(&outbox).unwrap().len();
    for _ in 0..8 {
        alice.speaks(30);
    }
    until("a shorter file", || length() < 64 * 1024);
    alice.running.write("disconnect\n");
    alice.running.expect("OK disconnect\n");
    alice.types(4);
    let last = text(alice.typed);
    let is_last = |kept: &KeptText| kept.text == last;
    until("the texts in the file", || outbox_texts::read(&outbox).iter().any(is_last));
    alice.is_killed();
    // The next start writes a new file with texts that wait.
    alice.start();
    alice.queues(3, 7);
    alice.joins();
    alice.speaks(3);
    alice.is_killed();
    (platter::read(&preload.trace()), alice.typed)
}

/// Returns the texts that wait for a participant that is started on what the disk holds.
fn revived(disk: &Path, context: &str) -> Vec<KeptText> {
    let (log, config) = (disk.join("message.log"), disk.join("participant.txt"));
    fs::write(&config, format!("alice\n{}\n127.0.0.1 9\n", log.display())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    let outbox = disk.join("outbox");
    command.args(["--sync", "-e", "status", "--outbox"]).arg(&outbox).arg(&config);
    let mut revived = Running::start(command);
    revived.input = None;
    let code = revived.wait();
    // Blocks may reach the disk in another order than that of their writes: this is damage.
    let is_damaged = revived.said.contains(" is damaged: ");
    assert_eq!(code, Some(i32::from(is_damaged)), "{context}: {}", revived.said);
    let mut kept = outbox_texts::read(&outbox);
    kept.retain(|text| !text.is_done);
    kept
}

#[test]
fn what_an_outbox_with_sync_has_queued_or_sent_is_in_its_file_after_every_power_loss() {
    let preload = Preload::traced();
    let (steps, typed) = three_lives(&preload);
    let positions = positions(&steps);
    let last = positions.last().unwrap();
    assert_eq!([last.answered, last.sent, last.kept], [typed; 3]);
    pull_the_plug(&steps, &preload.root(), 4, |end, disk, luck| {
        let context = format!("{end} {luck:?}");
        let Position { answered, sent, kept } = positions[end];
        let mut found = Vec::new();
        for kept_text in revived(disk, &context) {
            let number = kept_text.text.split(' ').nth(1).unwrap().parse().unwrap();
            assert_eq!(kept_text.text, text(number), "{context}");
            let is_next = found.last().is_none_or(|before| *before < number);
            assert!(is_next && number <= typed, "{context}: {number} behind {found:?}");
            match kept_text.number {
                Some(stored) => assert_eq!(stored, number as u64, "{context}"),
                None => assert!(number > sent, "{context}: {number} was sent"),
            }
            found.push(number);
        }
        for number in answered + 1..=kept {
            assert!(found.contains(&number), "{context}: {number} of {answered} {sent} {kept}");
        }
    });
}
