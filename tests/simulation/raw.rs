//! Members without a session: other people's programs, some careful, some not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::protocol::{Epoch, LineBuffer};

use crate::access::SECRET;
use crate::coordinator::HUB;
use crate::environment::{Event, Node};
use crate::ledger::Ledger;
use crate::net::End;
use crate::raw_here::HereSocket;
use crate::world::World;
use support::rng::Rng;

/// Command sockets that a member keeps.
const COMMAND_SOCKETS: usize = 3;

/// Way in which a member acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// It does not ask for it, and may be greeted or not.
    None,
    /// It does, at once or later or never, and says nothing of what it took when it comes back.
    Loose,
    /// It does, and names the last number that it took at every reconnect.
    Exact,
}

#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
    pub(crate) habit: Habit,
    commands: BTreeMap<End, Vec<u8>>,
    pub(crate) messages: BTreeMap<End, Messages>,
    /// Connections on which it asked for its messages, until the reply.
    pub(crate) here: BTreeMap<End, HereSocket>,
    /// Nonce that the coordinator must greet with; 0 if none was asked for.
    nonce: u64,
    /// The last registration asked for earlier messages. It may have had some of them before, as
    /// an earlier member.
    asked_past: bool,
    pub(crate) ledger: Ledger,
    texts: u32,
}

#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) input: LineBuffer,
    pub(crate) is_greeted: bool,
    /// The last number that this connection brought.
    pub(crate) received: u64,
    pub(crate) acks_at_once: bool,
    pub(crate) output: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(index: usize, rng: &mut Rng) -> Self {
        let id = format!("r{index}");
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 2, u8::try_from(index).unwrap()));
        Self {
            ledger: Ledger::new(&id),
            id,
            address: SocketAddr::new(ip, 3_000),
            habit: rng.pick(&[Habit::None, Habit::Loose, Habit::Exact]),
            commands: BTreeMap::new(),
            messages: BTreeMap::new(),
            here: BTreeMap::new(),
            nonce: 0,
            asked_past: false,
            texts: 0,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.messages.values().any(|messages| messages.is_greeted)
    }

    pub(crate) fn request(&self, command: &str) -> String {
        let ip = self.address.ip().to_string();
        let ip = if self.nonce & 2 == 0 { "-" } else { &ip };
        format!("{}#{command}#{ip}\n", self.id)
    }
}

impl World {
    /// A raw member does something.
    pub(crate) fn act(&mut self, i: usize) {
        let next = if self.environment.calm { 400 } else { self.environment.rng.between(5, 4_000) };
        self.environment.after(next, Event::Act(i));
        if self.environment.is_paused(Node::Raw(i)) {
            return;
        }
        let rng = &mut self.environment.rng;
        let wants = match (self.environment.calm, self.raws[i].is_connected()) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => rng.below(5),
        };
        let mut lines = String::new();
        for _ in 0..wants {
            lines.push_str(&self.raw_request(i));
        }
        if !lines.is_empty() {
            self.raw_send(i, &lines);
        }
        self.raw_acks(i);
        self.raw_flush(i);
    }

    fn raw_request(&mut self, i: usize) -> String {
        let World { environment, raws, model, .. } = self;
        let raw = &mut raws[i];
        let kind =
            if environment.calm { environment.rng.below(30) } else { environment.rng.below(100) };
        let is_online = raw.is_connected();
        let command = match kind {
            0..=29 if !is_online || kind < 8 => return self.raw_join(i),
            0..=69 => {
                raw.texts += 1;
                let filler = environment.rng.pick(&[0, 0, 5, 300, 4_000]);
                let text = format!("{}-{}# {}", raw.id, raw.texts, "ü#".repeat(filler / 3));
                // Numbers that are accepted already, the next ones, and ones that are too high.
                let published = model.members.get(&raw.id).map_or(0, |member| member.published);
                let number = published + environment.rng.pick(&[0, 1, 1, 1, 1, 2, 2]);
                match environment.rng.percent(60) {
                    true => format!("send {} {text}", number.max(1)),
                    false => format!("msend {text}"),
                }
            }
            70..=79 => "members".to_owned(),
            80..=84 => "disconnect".to_owned(),
            85..=86 => "deregister".to_owned(),
            87..=89 => "stats".to_owned(),
            90..=92 => "reconnect 1".to_owned() + "x",
            93..=94 => format!("reconnect 3000 acks=1 since={}:{}", model.epoch, u64::MAX),
            _ => "ping".to_owned(),
        };
        raw.request(&command)
    }

    /// `register` or `reconnect`, with what this member asks for.
    fn raw_join(&mut self, i: usize) -> String {
        let World { environment, raws, .. } = self;
        let raw = &mut raws[i];
        if raw.habit != Habit::None {
            // Nothing is read from the old socket any more, so what is named stays exact.
            for end in std::mem::take(&mut raw.messages).into_keys() {
                environment.close(end);
            }
        }
        let mut options = String::new();
        raw.asked_past = false;
        raw.nonce = environment.rng.next() | 1;
        match raw.habit {
            Habit::None if environment.rng.percent(50) => raw.nonce = 0,
            Habit::None => options = format!(" nonce={:x}", raw.nonce),
            Habit::Loose | Habit::Exact => options = format!(" nonce={:x} acks=1", raw.nonce),
        }
        if environment.rng.percent(40) {
            raw.asked_past = environment.rng.percent(60);
            if raw.asked_past {
                let past = environment.rng.pick(&[0, 1, 3, 8, 200]);
                options = format!("{options} last={past}");
            }
            if self.access_files.is_some() && environment.identities.has_tls {
                let digit = environment.rng.between(1, 9);
                options = format!("{options} secret={SECRET}{digit}");
            }
            return self.raw_ask(i, "register", &options);
        }
        match (raw.habit, raw.ledger.epoch) {
            (Habit::Exact, Some(epoch)) => {
                options = format!("{options} since={epoch}:{}", raw.ledger.last);
            }
            (Habit::Exact, None) | (Habit::Loose, _) => (),
            // A member that does not acknowledge may still name a number in `since`, once.
            (Habit::None, _) if environment.rng.percent(30) => {
                let last = self.model.life().last();
                let taken = environment.rng.below(last + 1);
                options = format!("{options} since={}:{taken}", self.model.epoch);
            }
            (Habit::None, _) => (),
        }
        self.raw_ask(i, "reconnect", &options)
    }

    /// On the command socket that is there, or on a new one.
    fn raw_send(&mut self, i: usize, lines: &str) {
        let World { environment, raws, .. } = self;
        let raw = &mut raws[i];
        let old = raw.commands.keys().next_back().copied().filter(|_| environment.rng.percent(60));
        let end = old.unwrap_or_else(|| environment.dial(Node::Raw(i), raw.address.ip(), HUB));
        raw.commands.entry(end).or_default().extend(lines.as_bytes());
        let is_done = |(_, output): &(&End, &Vec<u8>)| output.is_empty();
        let oldest = raw.commands.iter().find(is_done).map(|(&end, _)| end);
        if let Some(oldest) = oldest.filter(|_| raw.commands.len() > COMMAND_SOCKETS) {
            raw.commands.remove(&oldest);
            environment.close(oldest);
        }
    }

    /// Acknowledges late what it did not at once; some say what they should not.
    fn raw_acks(&mut self, i: usize) {
        let World { environment, raws, .. } = self;
        let raw = &mut raws[i];
        for messages in raw.messages.values_mut().filter(|messages| messages.is_greeted) {
            let received = messages.received;
            let word = match environment.rng.below(100) {
                _ if environment.calm => format!("ack {received}\n"),
                // More than is read at once.
                0 if received > 0 => format!("ack {received}\n").repeat(500),
                1..=24 => format!("ack {received}\r\n"),
                25..=29 => format!("ack {}\n", environment.rng.below(received + 1)),
                30 if raw.habit == Habit::Loose => {
                    raw.ledger.excuse(received + 1); // It may be on its way.
                    format!("ack {}\n", received + 1)
                }
                31..=32 if raw.habit == Habit::Loose => format!("ack {}\n", received + 1_000),
                33..=35 if raw.habit == Habit::Loose => "ack\n".to_owned(),
                36 if raw.habit == Habit::None => "nobody reads this".to_owned(),
                _ => continue,
            };
            if received > 0 {
                messages.output.extend(word.into_bytes());
            }
        }
    }

    fn raw_flush(&mut self, i: usize) {
        let World { environment, raws, .. } = self;
        let raw = &mut raws[i];
        for (&end, output) in &mut raw.commands {
            while environment.dialed(end) == Some(true)
                && let Ok(count @ 1..) = environment.write(end, output)
            {
                output.drain(..count);
            }
        }
        raw.flush_here(environment);
        for (&end, messages) in &mut raw.messages {
            while let Ok(count @ 1..) = environment.write(end, &messages.output) {
                messages.output.drain(..count);
            }
        }
    }

    pub(crate) fn raw_turn(&mut self, i: usize, ready: Vec<End>, accepted: Vec<End>) {
        for end in accepted {
            let acks_at_once = self.environment.calm || self.environment.rng.percent(50);
            let (input, output) = (LineBuffer::default(), Vec::new());
            let is_greeted = self.raws[i].habit == Habit::None;
            let messages = Messages { input, is_greeted, received: 0, acks_at_once, output };
            self.raws[i].messages.insert(end, messages);
            self.raw_read(i, end);
        }
        for end in ready {
            if self.raws[i].here.contains_key(&end) {
                self.raw_here_read(i, end);
            } else if self.raws[i].messages.contains_key(&end) {
                self.raw_read(i, end);
            } else if self.raws[i].commands.contains_key(&end) {
                let (_, close_kind) = self.environment.read(end, usize::MAX);
                let is_done = self.raws[i].commands[&end].is_empty();
                let is_refused = self.environment.dialed(end) == Some(false);
                if close_kind.is_some() || is_refused {
                    self.raws[i].commands.remove(&end);
                    self.environment.close(end);
                } else if is_done && self.environment.rng.percent(5) {
                    self.environment.shut_down(end);
                }
            }
        }
        self.raw_flush(i);
    }

    pub(crate) fn raw_read(&mut self, i: usize, end: End) {
        let (bytes, close_kind) = self.environment.read(end, usize::MAX);
        if let Some(messages) = self.raws[i].messages.get_mut(&end) {
            messages.input.extend(&bytes);
        }
        while let Some(messages) = self.raws[i].messages.get_mut(&end) {
            let Some(line) = messages.input.next_line(1 << 20).unwrap() else { break };
            let line = String::from_utf8(line.to_vec()).unwrap();
            self.raw_take(i, end, &line);
        }
        let Some(messages) = self.raws[i].messages.get_mut(&end) else { return };
        if messages.acks_at_once && messages.received > 0 {
            messages.output.extend(format!("ack {}\n", messages.received).into_bytes());
        }
        if close_kind.is_some() {
            self.raws[i].messages.remove(&end);
            self.environment.close(end);
        }
    }

    fn raw_take(&mut self, i: usize, end: End, line: &str) {
        let World { environment, raws, model, .. } = self;
        let raw = &mut raws[i];
        if raw.habit == Habit::None {
            return; // What was handed over and lost on the way is its own affair.
        }
        let messages = raw.messages.get_mut(&end).unwrap();
        let fields: Vec<&str> = line.splitn(4, '#').collect();
        if !messages.is_greeted {
            let nonce = format!("{:x}", raw.nonce);
            if fields[..2] != ["hello", &nonce] {
                raw.messages.remove(&end);
                return environment.close(end);
            }
            messages.is_greeted = true;
            return raw.ledger.begin(Epoch::parse(fields[2]).unwrap());
        }
        if fields[0] == "bye" {
            return; // The end comes right behind it.
        }
        let life = &model.epochs[&raw.ledger.epoch.unwrap()];
        let copies = environment.conns[end.conn].copies;
        raw.ledger.follow(life, copies);
        let may_repeat = raw.habit == Habit::Loose || raw.asked_past;
        if fields[0] == "gap" {
            let gap = [1, 2, 3].map(|at| fields[at].parse().unwrap());
            messages.received = gap[2];
            raw.ledger.take_gap(life, copies, gap, may_repeat);
        } else {
            messages.received = fields[0].parse().unwrap();
            if messages.received > raw.ledger.last || !may_repeat {
                raw.ledger.take(life, copies, messages.received, line);
            }
        }
    }
}
