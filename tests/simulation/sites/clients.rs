//! Clients of the sites: members that come and go, and one that moves with its numbered texts.

use groupcast::facts::Recorded as _;
use groupcast::group::Input;
use groupcast::protocol::Seq;
use groupcast::time::Now;

use super::site::SiteProcess;
use super::{IDS, MOVER, World, text_of};

/// The numbered texts of the moving client.
#[derive(Debug, Default)]
pub(super) struct MovingClient {
    seat: usize,
    request: Option<(u64, usize)>,
    /// Number of the text that is sent, and of the last one that was accepted.
    number: u64,
    accepted: u64,
    /// Number of its registrations: each one numbers its texts from 1.
    registrations: u64,
    is_online: bool,
    since: u64,
}

impl World {
    /// Lets clients do something at a site.
    pub(super) fn act(&mut self, process: &mut SiteProcess, now: Now) {
        let id = self.rng.pick(&IDS);
        match self.rng.below(30) {
            0 | 1 => {
                let past = if self.rng.percent(30) { " last=3" } else { "" };
                process.request(&format!("{id}#register here acks=1{past}#-"), now);
            }
            2..=4 => {
                let since = match self.rng.below(3) {
                    0 => String::new(),
                    _ => {
                        let last = process.group.last().as_u64();
                        let seq = last.saturating_sub(self.rng.below(20));
                        format!(" since={}:{}", process.group.epoch(), Seq::new(seq))
                    }
                };
                process.request(&format!("{id}#reconnect here acks=1{since}#-"), now);
            }
            5 => {
                let verb = self.rng.pick(&["disconnect", "deregister"]);
                process.request(&format!("{id}#{verb}#-"), now);
            }
            6..=14 => {
                self.texts += 1;
                process.request(&format!("{id}#msend t{}#-", self.texts), now);
            }
            15 if self.rng.percent(20) => {
                let index = self.rng.index(process.open.len().max(1));
                process.lose(index, now);
            }
            16..=20 => {
                let acks = self.rng.percent(60);
                process.deliver(acks, now);
            }
            _ => process.input(Input::Tick, now),
        }
    }

    pub(super) fn look_at_replies(&mut self, process: &mut SiteProcess) {
        let epoch = process.group.epoch();
        if std::mem::take(&mut process.forgotten) > 0 {
            self.see("forgotten");
        }
        for (_, request, reply) in std::mem::take(&mut process.replies) {
            if request.contains("#send ") {
                self.on_sent(&reply);
                continue;
            }
            let Some(text) = request.split_once("#msend ").map(|(_, it)| it.replace("#-", ""))
            else {
                continue;
            };
            if let Some(seq) = reply.strip_prefix("OK msend seq=") {
                self.confirmed.insert(text, (seq.parse().unwrap(), epoch));
                self.see("confirmed");
            } else if reply.starts_with("ERR 506") {
                let is_there = self.lines.values().any(|line| text_of(line) == text);
                assert!(
                    self.may_lose || !is_there,
                    "seed={}: {text} was refused, and is in the list",
                    self.seed
                );
                self.refused.insert(text);
                self.see("refused");
            }
        }
    }

    fn on_sent(&mut self, reply: &str) {
        self.mover.request = None;
        if reply.starts_with("OK send") {
            self.mover.accepted = self.mover.number;
            self.see("numbered text");
        } else {
            self.mover.is_online = false;
        }
    }

    /// The moving client sends its next text, or goes to another site.
    pub(super) fn move_client(&mut self) {
        let is_late = self.mover.since + 15_000 < self.now;
        let here = self.mover.seat;
        let is_lost = !self.seats[here].process.as_ref().is_some_and(|it| it.is_serving());
        if is_late || is_lost || (!self.mover.is_online && self.mover.request.is_none()) {
            let seat = self.rng.index(self.seats.len());
            let now = self.clock(seat);
            let Some(process) = &mut self.seats[seat].process else { return };
            if !process.is_serving() {
                return;
            }
            let is_member = process.group.member_state(MOVER).is_some();
            let verb = if is_member { "reconnect" } else { "register" };
            process.request(&format!("{MOVER}#{verb} here acks=1#-"), now);
            if !is_member {
                self.mover.registrations += 1;
                self.mover.accepted = 0;
            }
            self.mover.seat = seat;
            self.mover.is_online = true;
            self.mover.request = None;
            self.mover.since = self.now;
            return;
        }
        if self.mover.request.is_some() || !self.rng.percent(30) {
            return;
        }
        let now = self.clock(here);
        let Some(process) = &mut self.seats[here].process else { return };
        let Some(member) = process.group.member_state(MOVER) else { return };
        // A text without an answer is sent again with its number.
        let number = member.published.max(self.mover.accepted) + 1;
        self.mover.number = number;
        let text = format!("m{}.{number}", self.mover.registrations);
        let request = process.request(&format!("{MOVER}#send {number} {text}#-"), now);
        self.mover.request = Some((number, request));
        self.mover.since = self.now;
    }
}
