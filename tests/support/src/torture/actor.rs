//! A real participant that types the given commands and is killed at times.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::ledger::{Fate, Ledger, id};
use crate::number;
use crate::outbox_texts::{self, KeptText, Outcome};
use crate::participant::{Home, Running};

/// Texts that wait for their replies at once.
const IN_FLIGHT: usize = 32;

/// Starts the program. Without an outbox its first command is `first`, otherwise it joins.
fn live(home: &Home, outbox: Option<&Path>, first: &str) -> Running {
    let path = outbox.map(|path| path.display().to_string());
    Running::start(home.command(&match &path {
        Some(path) => vec!["-f", "--join", "--outbox", path],
        None => vec!["-f", "-e", first],
    }))
}

/// Returns the fate of a text with this reply.
fn accepted(line: &str) -> Fate {
    match line {
        // It was sent again, as the first reply was lost.
        "OK msend duplicate=1" => Fate::Accepted,
        _ => Fate::Confirmed(number(line, "seq")),
    }
}

/// One participant through all its lives.
pub struct Actor {
    pub index: usize,
    home: Home,
    running: Running,
    outbox: Option<PathBuf>,
    /// Commands without a reply, oldest first: texts, and `reconnect` without one. With an outbox,
    /// texts alone.
    asked: VecDeque<Option<String>>,
    /// Up to here, what it said is looked at.
    read_bytes: usize,
    /// True while it is believed to be online.
    is_online: bool,
    /// It tried to come back while no coordinator ran.
    is_stranded: bool,
}

impl Actor {
    /// Becomes a member. The coordinators are tried in this order.
    pub fn start(index: usize, coordinators: &[SocketAddr], ledger: &Ledger) -> Self {
        let home = Home::with_coordinators(&id(index), coordinators);
        let outbox = ledger.has_outbox(index).then(|| home.log_path().with_extension("outbox"));
        let mut running = live(&home, outbox.as_deref(), "register 0");
        running.expect("OK register");
        Self {
            index,
            home,
            running,
            outbox,
            asked: VecDeque::new(),
            read_bytes: 0,
            is_online: true,
            is_stranded: false,
        }
    }

    pub fn log(&self) -> String {
        self.home.log()
    }

    /// Returns true if it waits for no reply and can send.
    pub fn is_quiet(&self) -> bool {
        self.asked.is_empty() && self.can_speak()
    }

    fn can_speak(&self) -> bool {
        self.is_online || self.outbox.is_some()
    }

    /// Kills and restarts it. Without an outbox, the outcome of commands without a reply is
    /// unknown. The outbox file tells the outcome of texts without a reply.
    pub fn kill_and_restart(&mut self, ledger: &mut Ledger) {
        self.running.child.kill().unwrap();
        self.running.wait();
        self.take_output(ledger); // What it still said counts.
        (self.is_online, self.is_stranded) = (false, false);
        self.asked = match &self.outbox {
            Some(path) => self.settle_by(&outbox_texts::read(path), ledger),
            None => [None].into(),
        };
        self.read_bytes = 0;
        self.running = live(&self.home, self.outbox.as_deref(), "reconnect 0");
    }

    /// Settles the texts without a reply by the outbox file. Returns the texts that the next life
    /// sends.
    fn settle_by(&self, kept: &[KeptText], ledger: &mut Ledger) -> VecDeque<Option<String>> {
        let unanswered: Vec<String> = self.asked.iter().flatten().cloned().collect();
        for (text, outcome) in unanswered.iter().zip(outbox_texts::outcomes(kept, &unanswered)) {
            match outcome {
                Outcome::Kept => ledger.settle(text, Fate::Queued),
                Outcome::Never => ledger.settle(text, Fate::Refused),
                Outcome::Open => (),
            }
        }
        outbox_texts::waiting(kept).into_iter().map(Some).collect()
    }

    /// Makes it come back at once, even during a pause.
    pub fn come_back_now(&mut self) {
        if self.outbox.is_some() {
            return self.tell("join\n");
        }
        self.asked.push_back(None);
        self.tell("reconnect 0\n");
    }

    /// Ends in good order.
    pub fn quit(&mut self) {
        self.tell("quit\n");
        // 1 says that some command failed, of which there were many.
        let code = self.running.wait();
        assert!(matches!(code, Some(0 | 1)), "{code:?}: {}", self.running.said);
    }

    /// Says so much that always something is in flight.
    pub fn speak(&mut self, ledger: &mut Ledger) {
        if !self.can_speak() || self.asked.len() > IN_FLIGHT / 2 {
            return;
        }
        let mut lines = String::new();
        while self.asked.len() < IN_FLIGHT {
            let text = ledger.write(self.index);
            lines += &format!("msend {text}\n");
            self.asked.push_back(Some(text));
        }
        self.tell(&lines);
    }

    /// Says one text.
    pub fn say(&mut self, ledger: &mut Ledger) -> Option<String> {
        let text = ledger.write(self.index);
        self.asked.push_back(Some(text.clone()));
        self.tell(&format!("msend {text}\n"));
        Some(text)
    }

    fn tell(&mut self, lines: &str) {
        self.running.input.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// Takes in what it has said since.
    pub fn listen(&mut self, ledger: &mut Ledger) {
        self.running.take_output();
        self.take_output(ledger);
        if std::mem::take(&mut self.is_stranded) {
            self.come_back_now();
        }
    }

    fn take_output(&mut self, ledger: &mut Ledger) {
        let unheard = self.running.said.get(self.read_bytes..).unwrap();
        let end = unheard.rfind('\n').map_or(0, |at| at + 1);
        let lines = unheard.get(..end).unwrap().to_owned();
        self.read_bytes += end;
        for line in lines.lines() {
            self.take_line(line, ledger);
        }
    }

    fn take_line(&mut self, line: &str, ledger: &mut Ledger) {
        let is_forgotten =
            line.contains("registered as a new member") || line.contains("does not know");
        assert!(!is_forgotten, "{} was forgotten: {line:?}", id(self.index));
        if self.outbox.is_some() {
            self.take_outbox_line(line, ledger);
        } else if line.starts_with("OK ") || line.starts_with("ERR ") || line.starts_with("error: ")
        {
            match self.take_asked(line) {
                Some(Some(text)) => self.take_reply(line, &text, ledger),
                Some(None) => {
                    self.is_online = line.starts_with("OK reconnect ");
                    self.is_stranded = !self.is_online;
                }
                None => assert!(line.starts_with("OK register "), "to what is this: {line:?}"),
            }
        } else if line.starts_with("* reconnected: ") {
            self.is_online = true;
        } else if line.contains("socket lost") {
            self.is_online = false;
        }
    }

    /// Returns what a line answers: a `reconnect` that was typed does not wait for the texts before
    /// it, which wait until the participant is online. All else is answered in the order of typing.
    fn take_asked(&mut self, line: &str) -> Option<Option<String>> {
        let is_reconnect = ["OK reconnect ", "error: reconnect: "];
        if is_reconnect.iter().any(|start| line.starts_with(start)) {
            let reconnect = self.asked.iter().position(Option::is_none);
            return self.asked.remove(reconnect.expect("a reconnect before its reply"));
        }
        self.asked.pop_front()
    }

    fn take_reply(&mut self, line: &str, text: &str, ledger: &mut Ledger) {
        if line.starts_with("OK msend ") {
            ledger.settle(text, accepted(line));
        } else if line.starts_with("error: msend: the reply is lost") {
            assert!(line.ends_with(text), "{line:?} is not about {text:?}");
        } else {
            assert!(line.starts_with("ERR ") || line.starts_with("error: msend: "), "{line:?}");
            self.is_online &= !line.starts_with("ERR 409 ");
            ledger.settle(text, Fate::Refused);
        }
    }

    /// Each text is queued or confirmed, in the order of typing, and no other outcome is known.
    fn take_outbox_line(&mut self, line: &str, ledger: &mut Ledger) {
        if let Some(waiting) = line.strip_prefix("* queued, ") {
            // So many wait, with all that were in flight.
            let (count, _) = waiting.split_once(' ').unwrap();
            for text in self.asked.iter().flatten().take(count.parse().unwrap()) {
                ledger.settle(text, Fate::Queued);
            }
        } else if line.starts_with("OK msend ") {
            let text = self.asked.pop_front().flatten().expect("a text before its reply");
            ledger.settle(&text, accepted(line));
        } else {
            let is_failure = line.starts_with("error: msend") || line.starts_with("error: outbox");
            assert!(!is_failure, "{}: {line:?}\n{}", id(self.index), self.tail());
        }
    }

    /// Returns its state, for the message of a failed test.
    pub fn state(&self) -> String {
        let last = self.log().lines().last().unwrap_or_default().to_owned();
        let (asked, said) = (self.asked.len(), self.tail());
        format!("{}: {asked} in flight, log ends {last:?}, said\n{said}", id(self.index))
    }

    /// Returns the last lines that are no messages and no ordinary replies.
    fn tail(&self) -> String {
        let is_notice = |line: &&str| line.starts_with(['*', 'e', 'E']);
        let notices: Vec<&str> = self.running.said.lines().filter(is_notice).collect();
        notices.get(notices.len().saturating_sub(20)..).unwrap().join("\n")
    }
}
