//! Connect-backs and message sockets in the model.

use std::net::SocketAddr;

use groupcast::group::LinkId;

use crate::coverage::CoveragePoint;
use crate::epoch_history::Registration;
use crate::model::{Attempt, Member, Model};
use crate::model_expected::Expected;
use crate::model_offline::Presence;
use crate::stream::Stream;

impl Model {
    /// The coordinator wants to connect.
    pub(crate) fn on_connect(&mut self, link: LinkId, address: SocketAddr) {
        let attempt = self.dialing.take().expect("nobody asked to be connected");
        assert_eq!(attempt.address, address, "connects to somewhere else");
        if !attempt.registers {
            self.members.get_mut(&attempt.id).unwrap().reconnecting = Some(link);
        }
        self.attempts.insert(link, attempt);
    }

    pub(crate) fn connected(&mut self, link: LinkId, now: u64) {
        if self.decided.is_some() {
            return self.waiting.push(link);
        }
        let attempt = self.attempts.remove(&link).expect("connected without having been asked");
        self.admit(link, &attempt, now);
    }

    pub(crate) fn admit(&mut self, link: LinkId, attempt: &Attempt, now: u64) {
        assert!(!self.must_begin, "let in under numbers that may be given out for a second time");
        if attempt.registers {
            self.add_member(link, attempt, now);
        } else {
            self.readmit(link, attempt);
        }
    }

    fn add_member(&mut self, link: LinkId, attempt: &Attempt, now: u64) {
        self.registrations += 1;
        let (number, last) = (self.registrations, self.life().last());
        self.registered_from.insert(number, attempt.address);
        let start = self.start_of_newcomer(attempt.last.unwrap_or(0), now);
        let registration = Registration { number, after: last, start, had: 0 };
        self.life_mut().register(&attempt.id, registration);
        let owner = attempt.client.owner().expect("a key or an address");
        let entered = self.register_fact(&attempt.id, Some(registration));
        self.facts.insert(attempt.conn, entered);
        let member = Member {
            number,
            registered_at: last,
            start,
            acked: start,
            peak: start,
            link: Some(link),
            reconnecting: None,
            presence: Presence { is_online: false, since: 0 }, // Until the input has ended.
            address: attempt.address,
            owner,
            client: attempt.client,
            receives: true,
            muted_after: start,
            published: 0,
        };
        self.members.insert(attempt.id.clone(), member);
        self.open(link, attempt, start);
        self.admit_client(&attempt.id, attempt.client);
        let ttl = self.rules.ttl_ms / 1000;
        let (epoch, next, max_line) = (self.epoch, start + 1, self.rules.line_bytes_max);
        let mut line = format!(
            "OK register epoch={epoch} next={next} ttl={ttl} max_line={max_line} published=0"
        );
        if attempt.last.is_some() {
            line.push_str(&format!(" last={}", last - start));
        }
        if start < last {
            self.cover(CoveragePoint::NewcomerGotPast);
        }
        self.expect_reply(attempt.conn, Expected::Line(line));
    }

    fn readmit(&mut self, link: LinkId, attempt: &Attempt) {
        self.cover_takeover(&attempt.id, attempt.is_here);
        self.hang_up(&attempt.id, &format!("taken over by {}", attempt.address));
        let lowest = self.members.values().map(|member| member.acked).min().unwrap();
        let Member { number, acked, receives: did_receive, .. } = self.members[&attempt.id];
        self.life_mut().pass_lost(number, acked);
        self.admit_client(&attempt.id, attempt.client);
        let member = self.members.get_mut(&attempt.id).unwrap();
        let life = self.epochs.get_mut(&self.epoch).unwrap();
        if let Some(since) = attempt.since.filter(|since| since.epoch == self.epoch) {
            life.record_named(&attempt.id, since.seq.as_u64());
        }
        let (epoch, front, life) = (self.epoch, self.front, &*life);
        member.reconnecting = None;
        let is_elsewhere = member.address.ip() != attempt.address.ip();
        member.address = attempt.address;
        member.link = Some(link);
        let taken = attempt.since.filter(|since| since.epoch == epoch);
        let taken = taken.map_or(member.acked, |since| since.seq.as_u64());
        let is_at_end = !member.receives || !did_receive;
        let mut cursors = vec![if is_at_end { life.last() } else { taken }];
        let is_below = taken < member.acked && !is_at_end;
        if is_below {
            // Again, as far as it is kept: what everybody has may be gone.
            let from = taken.max(member.start);
            let oldest = from.max((front - 1).min(member.acked));
            // Lost numbers at the front may count as kept, or expire with the front, because the
            // time of their acceptance is lost, too. Numbers that were acknowledged are no gap.
            let lost = (front..=life.last()).take_while(|&seq| life.message(seq).is_lost);
            let gone = oldest.max(lost.last().unwrap_or_default().min(member.acked));
            let from = if self.has_come_back { from } else { oldest };
            cursors = (from..=gone.max(lowest)).collect();
        }
        let (number, published) = (member.number, member.published);
        let (ttl, max_line) = (self.rules.ttl_ms / 1000, self.rules.line_bytes_max);
        let replies = cursors.into_iter().map(|acked| {
            let acked = life.skip_own(acked, number);
            let (end, gap) = life.pass(acked, front, number);
            let next = end + 1;
            let missed = life.kept(acked, front, number);
            let expired = gap.map_or(0, |[count, ..]| count);
            let reply = format!(
                "OK reconnect epoch={epoch} next={next} ttl={ttl} missed={missed} \
                 expired={expired} max_line={max_line} published={published}"
            );
            (reply, acked)
        });
        let expect_reply = Expected::OneOf(attempt.id.clone(), replies.collect());
        if is_below {
            self.cover(CoveragePoint::SinceBelowAcked);
        }
        if is_elsewhere {
            self.cover(CoveragePoint::CameBackElsewhere);
        }
        self.expect_reply(attempt.conn, expect_reply);
        self.open(link, attempt, 0);
    }

    fn open(&mut self, link: LinkId, attempt: &Attempt, acked: u64) {
        let hello = attempt.nonce.as_ref().map(|nonce| format!("hello#{nonce}#{}\n", self.epoch));
        let mut stream = Stream::new(attempt, hello, acked);
        stream.set_mute(!self.members[&attempt.id].receives, acked);
        self.streams.insert(link, stream);
    }

    pub(crate) fn connect_failed(&mut self, link: LinkId) {
        if let Some(attempt) = self.attempts.remove(&link) {
            if let Some(member) = self.members.get_mut(&attempt.id)
                && !attempt.registers
            {
                member.reconnecting = None;
            }
            self.expect_reply(attempt.conn, Expected::Code(502));
        }
    }

    /// The new epoch is committed: all members come back in it, each at its cursor.
    pub(crate) fn epoch_committed(&mut self, now: u64) {
        self.cover(CoveragePoint::NewEpochBegun);
        self.must_begin = false;
        let epoch = self.decided.take().expect("decided before it is stored");
        let mut life = self.life().go_on();
        for (id, member) in &self.members {
            let Member { number, registered_at: after, start, acked: had, .. } = *member;
            life.enter(id, Registration { number, after, start, had });
        }
        assert!(self.epochs.insert(epoch, life).is_none(), "an old epoch");
        (self.epoch, self.exposed) = (epoch, 0);
        for id in self.members.keys().cloned().collect::<Vec<String>>() {
            self.hang_up(&id, "new epoch");
        }
        self.update_offline(now);
        for link in std::mem::take(&mut self.waiting) {
            if self.attempts.contains_key(&link) {
                self.connected(link, now);
            }
        }
        self.admit_waiting_here();
    }

    /// A message socket has ended by itself or because of a wrong line; the member gets the reason,
    /// if there is one.
    pub(crate) fn lost(&mut self, link: LinkId, reason: Option<&str>) {
        if let Some(stream) = self.streams.remove(&link) {
            let online = self.members.values_mut().find(|member| member.link == Some(link));
            online.unwrap().link = None;
            let closing_bytes = reason.map(|reason| stream.closing_bytes(reason));
            self.closing.push((link, closing_bytes.unwrap_or_default()));
        } else if self.attempts.contains_key(&link) {
            self.connect_failed(link);
            self.closing.push((link, String::new()));
        }
    }

    pub(crate) fn acknowledged(&mut self, link: LinkId, seq: u64) {
        let life = &self.epochs[&self.epoch];
        let Some(stream) = self.streams.get_mut(&link) else { return };
        let member = self.members.values_mut().find(|member| member.link == Some(link)).unwrap();
        if !stream.acks || seq <= member.acked {
            return;
        }
        if stream.has_received(seq) {
            member.acked = life.skip_own(seq.min(life.last()), member.number);
        } else {
            self.cover(CoveragePoint::AckAboveSent);
            self.lost(link, Some("bad ack"));
        }
    }

    /// The socket took these bytes.
    pub(crate) fn wrote(&mut self, link: LinkId, bytes: &[u8]) {
        let life = &self.epochs[&self.epoch];
        let member = self.members.values().find(|member| member.link == Some(link)).unwrap();
        let stream = self.streams.get_mut(&link).unwrap();
        let gaps = stream.gaps();
        stream.wrote(bytes, life, self.front, member.number);
        let is_gap = stream.gaps() > gaps;
        self.exposed = self.exposed.max(stream.shown);
        if is_gap {
            self.cover(CoveragePoint::GapReported);
        }
        self.advance();
    }

    /// Returns true if bytes are due.
    pub(crate) fn is_due(&self, link: LinkId) -> bool {
        let life = &self.epochs[&self.epoch];
        let Some(stream) = self.streams.get(&link) else { return false };
        let member = self.members.values().find(|member| member.link == Some(link)).unwrap();
        stream.is_due(life, self.front, member.number)
    }
}
