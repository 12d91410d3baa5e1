//! A real participant that types the given commands and is killed at times.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;

use super::ledger::{Fate, Ledger, id};
use support::number;
use support::participant::{Home, Running};

/// Texts that wait for their replies at once.
const IN_FLIGHT: usize = 32;

/// One participant through all its lives.
pub(crate) struct Actor {
    pub(crate) index: usize,
    home: Home,
    running: Running,
    /// Commands without a reply, oldest first: texts, and `reconnect` without one.
    asked: VecDeque<Option<String>>,
    /// Up to here, what it said is looked at.
    read_bytes: usize,
    /// True while it is believed to be online.
    is_online: bool,
    /// It tried to come back while no coordinator ran.
    is_stranded: bool,
}

impl Actor {
    /// Becomes a member.
    pub(crate) fn start(index: usize, coordinator: SocketAddr) -> Self {
        let home = Home::new(&id(index), coordinator);
        let mut running = Running::start(home.command(&["-f", "-e", "register 0"]));
        running.expect("OK register");
        let asked = VecDeque::new();
        Self { index, home, running, asked, read_bytes: 0, is_online: true, is_stranded: false }
    }

    pub(crate) fn log(&self) -> String {
        self.home.log()
    }

    /// Returns true if it waits for no reply and can send.
    pub(crate) fn is_quiet(&self) -> bool {
        self.asked.is_empty() && self.is_online
    }

    /// Kills and restarts it; the outcome of commands without a reply is unknown.
    pub(crate) fn kill_and_restart(&mut self, ledger: &mut Ledger) {
        self.running.child.kill().unwrap();
        self.running.wait();
        self.take_output(ledger); // What it still said counts.
        self.asked = [None].into();
        self.read_bytes = 0;
        (self.is_online, self.is_stranded) = (false, false);
        self.running = Running::start(self.home.command(&["-f", "-e", "reconnect 0"]));
    }

    /// Makes it come back at once, even during a pause.
    pub(crate) fn come_back_now(&mut self) {
        self.asked.push_back(None);
        self.tell("reconnect 0\n");
    }

    /// Ends in good order.
    pub(crate) fn quit(&mut self) {
        self.tell("quit\n");
        // 1 says that some command failed, of which there were many.
        let code = self.running.wait();
        assert!(matches!(code, Some(0 | 1)), "{code:?}: {}", self.running.said);
    }

    /// Says so much that always something is in flight.
    pub(crate) fn speak(&mut self, ledger: &mut Ledger) {
        if !self.is_online || self.asked.len() > IN_FLIGHT / 2 {
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
    pub(crate) fn say(&mut self, ledger: &mut Ledger) -> Option<String> {
        let text = ledger.write(self.index);
        self.asked.push_back(Some(text.clone()));
        self.tell(&format!("msend {text}\n"));
        Some(text)
    }

    fn tell(&mut self, lines: &str) {
        self.running.input.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// Takes in what it has said since.
    pub(crate) fn listen(&mut self, ledger: &mut Ledger) {
        self.running.take_output();
        self.take_output(ledger);
        if std::mem::take(&mut self.is_stranded) {
            self.come_back_now();
        }
    }

    fn take_output(&mut self, ledger: &mut Ledger) {
        let said = std::mem::take(&mut self.running.said);
        let unheard = said.get(self.read_bytes..).unwrap();
        let end = unheard.rfind('\n').map_or(0, |at| at + 1);
        for line in unheard.get(..end).unwrap().lines() {
            self.take_line(line, ledger);
        }
        self.read_bytes += end;
        self.running.said = said;
    }

    fn take_line(&mut self, line: &str, ledger: &mut Ledger) {
        if line.starts_with("OK ") || line.starts_with("ERR ") || line.starts_with("error: ") {
            match self.asked.pop_front() {
                Some(Some(text)) => self.take_reply(line, &text, ledger),
                Some(None) => {
                    self.is_online = line.starts_with("OK reconnect ");
                    self.is_stranded = !self.is_online;
                }
                None => assert!(line.starts_with("OK register "), "to what is this: {line:?}"),
            }
        } else if line.starts_with("* reconnected: ") {
            self.is_online = true;
        } else if line.contains("registered as a new member") || line.contains("does not know") {
            panic!("{} was forgotten: {line:?}", id(self.index));
        } else if line.contains("socket lost") {
            self.is_online = false;
        }
    }

    fn take_reply(&mut self, line: &str, text: &str, ledger: &mut Ledger) {
        if line.starts_with("OK msend ") {
            ledger.settle(text, Fate::Confirmed(number(line, "seq")));
        } else if line.starts_with("error: msend: the reply is lost") {
            assert!(line.ends_with(text), "{line:?} is not about {text:?}");
        } else {
            assert!(line.starts_with("ERR ") || line.starts_with("error: msend: "), "{line:?}");
            self.is_online &= !line.starts_with("ERR 409 ");
            ledger.settle(text, Fate::Refused);
        }
    }

    /// Returns its state, for the message of a failed test.
    pub(crate) fn state(&self) -> String {
        let said: Vec<&str> = self.running.said.lines().rev().take(12).collect();
        let last = self.log().lines().last().unwrap_or_default().to_owned();
        let asked = self.asked.len();
        format!("{}: {asked} in flight, log ends {last:?}, said {said:#?}", id(self.index))
    }
}
