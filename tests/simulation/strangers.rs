//! Connections of people who are no members: to listeners of participants, and to the coordinator.

use std::net::IpAddr;

use crate::access::model::{OPERATOR, Shown, ip};
use crate::coordinator::HUB;
use crate::coverage::CoveragePoint;
use crate::environment::{Event, Node};
use crate::net::End;
use crate::world::World;

/// A line that is no request, and the start of its reply.
const NONSENSE: &[u8] = b"x\n";
const REFUSAL: &[u8] = b"ERR 400 ";

/// A client that sends many lines, and reads no reply for a while.
#[derive(Debug)]
pub(crate) struct Hoarder {
    end: End,
    /// Bytes that were not sent.
    output: Vec<u8>,
    sent: usize,
    reads_from: u64,
    received: Vec<u8>,
    is_done: bool,
}

impl Hoarder {
    fn replies(&self) -> usize {
        self.received.iter().filter(|&&byte| byte == b'\n').count()
    }
}

impl World {
    /// Somebody connects to where a participant listens, from anywhere, and says anything.
    pub(crate) fn let_a_stranger_in(&mut self) {
        let listening: Vec<_> =
            self.participants.iter().filter_map(|participant| participant.listens).collect();
        if listening.is_empty() {
            return;
        }
        let address = self.environment.rng.pick(&listening);
        let from = self.environment.rng.pick(&[HUB.ip(), "10.0.9.9".parse().unwrap()]);
        let end = self.environment.dial(Node::Nobody, from, address);
        let text: &[u8] = self.environment.rng.pick(&[
            &b""[..],
            b"hello#0123456789abcdef0123456789abcdef#0123456789abcdef\n",
            b"7#p0#1#from a stranger\n",
            b"\xff\xfe\n",
        ]);
        let _ = self.environment.write(end, text);
        let stay = self.environment.rng.between(1, 20_000);
        self.environment.after(stay, Event::Leave(end));
    }

    /// Somebody on the coordinator's machine takes a member away.
    pub(crate) fn let_an_operator_in(&mut self) {
        let participants = self.participants.iter().map(|participant| participant.id.clone());
        let all: Vec<String> =
            participants.chain(self.raws.iter().map(|raw| raw.id.clone())).collect();
        let id = &all[self.environment.rng.index(all.len())];
        let command = self.environment.rng.pick(&["disconnect", "deregister"]);
        if self.coordinator.is_some() && self.model.members.contains_key(id) {
            self.model.cover(CoveragePoint::MemberTakenAway);
        }
        self.let_an_operator_at(id, command);
    }

    /// Somebody on the coordinator's machine sends a command for a member.
    pub(crate) fn let_an_operator_at(&mut self, id: &str, command: &str) {
        let own = IpAddr::from([127, 0, 0, 1]);
        let has_rules = self.access_files.is_some();
        let is_operator = has_rules && (self.environment.calm || self.environment.rng.percent(80));
        let from = if is_operator { ip(OPERATOR) } else { own };
        let end = self.environment.dial(Node::Nobody, from, HUB);
        if self.environment.identities.has_tls {
            self.environment.conns[end.conn].shown = Shown::Nothing;
        }
        let _ = self.environment.write(end, format!("{id}#{command}#-\n").as_bytes());
        self.environment.after(20_000, Event::Leave(end));
    }

    /// Many connect to the coordinator, perhaps all in one turn. Few of them send a whole line.
    pub(crate) fn let_a_crowd_in(&mut self) {
        if self.environment.rng.percent(50) {
            let until = self.environment.now + 1_500;
            let inbox = self.environment.inbox(Node::Coordinator);
            inbox.paused_until = inbox.paused_until.max(until);
        }
        for _ in 0..self.environment.rng.between(5, 40) {
            let from = IpAddr::from([10, 0, 9, 1]);
            let end = self.environment.dial(Node::Nobody, from, HUB);
            let text = self.environment.rng.pick(&[&b""[..], b"", b"r0#pi", NONSENSE]);
            let _ = self.environment.write(end, text);
            let stay = self.environment.rng.between(1, 20_000);
            self.environment.after(stay, Event::Leave(end));
        }
    }

    /// Somebody sends lines without reading the replies, more of them than the coordinator keeps.
    pub(crate) fn let_a_hoarder_in(&mut self) {
        let end = self.environment.dial(Node::Nobody, IpAddr::from([10, 0, 9, 2]), HUB);
        let lines = usize::try_from(self.environment.rng.between(100, 6_000)).unwrap();
        let reads_from = self.environment.now + self.environment.rng.between(1, 15_000);
        let (output, received) = (NONSENSE.repeat(lines), Vec::new());
        let hoarder = Hoarder { end, output, sent: lines, reads_from, received, is_done: false };
        self.hoarders.push(hoarder);
        self.environment.after(5, Event::Hoard(self.hoarders.len() - 1));
    }

    /// A hoarder sends what finds room, and reads when its time has come.
    pub(crate) fn on_hoard(&mut self, at: usize) {
        let World { environment, hoarders, .. } = self;
        let hoarder = &mut hoarders[at];
        let end = hoarder.end;
        if environment.dialed(end) == Some(true) {
            while let Ok(count @ 1..) = environment.write(end, &hoarder.output) {
                hoarder.output.drain(..count);
            }
        }
        let is_reading = environment.calm || hoarder.reads_from <= environment.now;
        let mut close_kind = None;
        if is_reading {
            let (bytes, kind) = environment.read(end, usize::MAX);
            hoarder.received.extend(bytes);
            close_kind = kind;
        }
        let is_over = close_kind.is_some() || environment.dialed(end) == Some(false);
        if is_over || hoarder.replies() == hoarder.sent || !environment.is_whole(end) {
            hoarder.is_done = true;
            return environment.close(end);
        }
        self.environment.after(50, Event::Hoard(at));
    }

    /// At the end every hoarder has all its replies, or was told why not.
    pub(crate) fn check_hoarders(&self) {
        for hoarder in &self.hoarders {
            let lines = hoarder.received.split(|&byte| byte == b'\n');
            let is_right = |line: &[u8]| {
                let is_one = |one: &[u8]| line.starts_with(one) || one.starts_with(line);
                [REFUSAL, b"ERR 401 tls: ", b"ERR 408 ", b"ERR 421 "].into_iter().any(is_one)
            };
            assert!(lines.into_iter().all(is_right), "a hoarder got something else");
            let (replies, sent) = (hoarder.replies(), hoarder.sent);
            assert!(hoarder.is_done, "{:?} got {replies} replies of {sent}", hoarder.end);
        }
    }
}
