//! One site: a real group with the real journal of a site, and clients that send requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use groupcast::facts::{Announced, Recorded as _};
use groupcast::group::{
    ChangeKind, ConnId, Effect, Group, Input, LinkId, Origin, SocketEnd, Ticket,
};
use groupcast::journal::{ListReport, ListState, SiteJournal, SitePhase};
use groupcast::protocol::{Epoch, Request};
use groupcast::time::Now;

use super::rules;

/// Way of entries to one site.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Next position that the site gets. 0: the site has not subscribed.
    pub(super) next: u64,
    /// Last position of the subscription's first part, until that one is told.
    pub(super) caught_up: Option<u64>,
    /// Nothing more comes until the next subscription.
    pub(super) is_silent: bool,
}

/// What must be the same at all sites at one position.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SiteStateCopy {
    pub(super) list: ListState,
    group: String,
}

/// A process of a site.
#[derive(Debug)]
pub(super) struct SiteProcess {
    pub(super) group: Group,
    pub(super) journal: SiteJournal<Ticket>,
    pub(super) feed: Feed,
    /// Answers of the engine that are on their way, each with its time.
    pub(super) answers: Vec<(u64, ListReport)>,
    /// Requests that have no reply, with their texts.
    pub(super) waiting: BTreeMap<usize, String>,
    /// Replies that were not looked at.
    pub(super) replies: Vec<(usize, String, String)>,
    pub(super) open: Vec<LinkId>,
    /// Members that were forgotten since the last look.
    pub(super) forgotten: u64,
    /// Random part of its life.
    pub(super) random: u64,
    /// First entry that the list does not have as this process read it.
    pub(super) misled_at: Option<u64>,
    /// True while a start goes over an entry that was removed by hand.
    pub(super) is_over_removed: bool,
    /// Epoch of the snapshot with which the start began.
    pub(super) began_in: Option<Epoch>,
    /// Batches after which the process crashes.
    pub(super) batches_left: Option<u64>,
    requests: usize,
}

impl SiteProcess {
    pub(super) fn new(journal: SiteJournal<Ticket>, random: u64) -> Self {
        Self {
            group: Group::recovering(rules()),
            journal,
            feed: Feed::default(),
            answers: Vec::new(),
            waiting: BTreeMap::new(),
            replies: Vec::new(),
            open: Vec::new(),
            forgotten: 0,
            random,
            misled_at: None,
            is_over_removed: false,
            began_in: None,
            batches_left: None,
            requests: 0,
        }
    }

    pub(super) fn is_serving(&self) -> bool {
        *self.journal.phase() == SitePhase::Serving
    }

    pub(super) fn input(&mut self, input: Input<'_>, now: Now) {
        self.group.handle(input, now, &mut self.journal);
        self.run_effects(now);
    }

    pub(super) fn run_effects(&mut self, now: Now) {
        while let Some(effect) = self.group.poll_effect() {
            match effect {
                Effect::Reply { to, reply, after } => {
                    assert_eq!(self.group.awaited(after), None, "a reply comes with its commit");
                    let request = self.waiting.remove(&to.0).expect("one reply to a request");
                    self.replies.push((to.0, request, reply.to_string()));
                }
                Effect::Upgrade { link, .. } => self.open.push(link),
                Effect::Close { link, .. } => self.open.retain(|it| *it != link),
                Effect::DrawEpoch => {
                    let epoch = Epoch::new(now.unix.0 ^ 0x5555);
                    self.group.handle(Input::DrawnEpoch(epoch), now, &mut self.journal);
                }
                Effect::Connect { .. } | Effect::List { .. } => panic!("nobody asks for it"),
                Effect::MemberChange(change) => {
                    let is_forgotten = matches!(change.change, ChangeKind::Forgotten { .. });
                    self.forgotten += u64::from(is_forgotten);
                }
                Effect::Backlog(_) => (),
            }
        }
    }

    /// Sends a request. The reply comes later.
    pub(super) fn request(&mut self, line: &str, now: Now) -> usize {
        self.requests += 1;
        let (conn, ip) = (ConnId(self.requests), "10.0.0.9".parse().unwrap());
        let local = "10.0.0.1".parse().unwrap();
        let credentials = Origin::PLAIN;
        let origin = Origin { conn, peer: ip, peer_port: 50_000, local, credentials };
        let request = Request::parse(line.as_bytes()).unwrap();
        self.waiting.insert(self.requests, line.to_owned());
        self.input(Input::Request { origin: &origin, request: &request }, now);
        self.requests
    }

    /// Delivers all that is due, and acknowledges some of it.
    pub(super) fn deliver(&mut self, acks: bool, now: Now) {
        self.input(Input::Tick, now);
        for link in self.open.clone() {
            for _ in 0..4 {
                let Some(run) = self.group.run_for(link) else { break };
                let (bytes, through) = run.write(|slices, through| {
                    (slices.iter().map(|slice| slice.len()).sum::<usize>(), through)
                });
                self.input(Input::Wrote { link, bytes, through }, now);
                if let Some(seq) = through.filter(|_| acks && self.open.contains(&link)) {
                    self.input(Input::Acknowledged { link, seq }, now);
                }
            }
        }
        self.input(Input::Delivered, now);
    }

    pub(super) fn lose(&mut self, index: usize, now: Now) {
        if let Some(link) = self.open.get(index).copied() {
            self.open.retain(|it| *it != link);
            self.input(Input::Lost { link, how: SocketEnd::Closed }, now);
        }
    }

    /// Returns what must be the same at all sites at one position. Own seqs are left out: a site
    /// may know a higher cursor of its own member, and forgets what is below.
    pub(super) fn state(&self) -> SiteStateCopy {
        let (list, group) = (self.journal.list().clone(), &self.group);
        let mut text = format!("{:?} {:?}", group.epoch(), group.last());
        for (member, _) in group.member_states() {
            write!(
                text,
                "\n{} {:?} {} {:?} {:?} {}",
                member.id,
                member.owner,
                member.address,
                member.registered_at,
                member.start,
                member.published,
            )
            .unwrap();
        }
        let announced = group.announced_states().filter(|(_, it)| *it != Announced::Absent);
        write!(text, "\n{:?}", announced.collect::<Vec<_>>()).unwrap();
        SiteStateCopy { list, group: text }
    }
}
