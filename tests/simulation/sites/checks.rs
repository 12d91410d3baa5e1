//! Checks: the state of each site against the state that follows from the list.

use std::collections::BTreeSet;

use groupcast::facts::Recorded as _;
use groupcast::journal::{ListBatch, ListJob, SitePhase};

use super::records::is_last_of;
use super::site::SiteProcess;
use super::{MEMBERS_MAX, Seat, World, engine_clock, reference, text_of};

impl World {
    /// Applies new entries of the list to the reference.
    pub(super) fn follow(&mut self) {
        let now = engine_clock(self.now);
        loop {
            while let Some(job) = self.reference.journal.poll_job() {
                if let ListJob::ReadFrom(position) = job {
                    self.reference.feed.next = position.0;
                }
            }
            let next = self.reference.feed.next;
            let Some(entry) = self.engine.at(next) else { break };
            let (report, bytes) = (entry.report(), entry.bytes.clone());
            self.reference.feed.next += 1;
            let before = self.reference.group.last();
            let site = |it: &SiteProcess, batch: &ListBatch<'_>| {
                it.journal.list().site(&batch.header.site).copied()
            };
            let batch = ListBatch::read(&bytes).ok();
            let earlier = batch.as_ref().and_then(|batch| site(&self.reference, batch));
            self.reference.journal.handle(report, &mut self.reference.group, now);
            assert_eq!(self.reference.journal.ended(), None, "seed={}", self.seed);
            if let Some(batch) = batch.filter(|_| !self.engine.has_lost) {
                let later = site(&self.reference, &batch);
                let counts = later != earlier && is_last_of(later.as_ref(), &batch);
                let expected = match counts {
                    true => self.records.messages(next, &batch, &self.reference, MEMBERS_MAX),
                    false => 0,
                };
                let got = self.reference.group.last().as_u64() - before.as_u64();
                assert_eq!(got, expected, "seed={} entry {next}", self.seed);
            }
            if !matches!(self.reference.journal.phase(), SitePhase::Snapshot(_)) {
                let position = self.reference.journal.list().position().0;
                self.states.insert(position, self.reference.state());
            }
            let lines: Vec<(u64, String)> = self
                .reference
                .group
                .lines(before)
                .map(|(seq, line, _)| (seq.as_u64(), String::from_utf8_lossy(line).into_owned()))
                .collect();
            for (seq, line) in lines {
                let text = text_of(&line).to_owned();
                assert!(
                    self.may_lose || !self.refused.contains(&text),
                    "seed={} step at {}: {text} was refused and came",
                    self.seed,
                    self.now
                );
                self.lines.insert(seq, line);
            }
        }
    }

    /// Makes another reference: the list went back.
    pub(super) fn rebuild_reference(&mut self) {
        self.reference = reference(self.engine.first, self.now);
        self.states.clear();
        self.lines.clear();
        self.follow();
    }

    /// Compares the state of a site with the state that follows from the list.
    pub(super) fn compare(&self, process: &SiteProcess) {
        let list = process.journal.list();
        let position = list.position().0;
        let is_reading = !matches!(process.journal.phase(), SitePhase::Snapshot(_));
        if !is_reading || position == 0 || process.journal.ended().is_some() {
            return;
        }
        let Some(expected) = self.states.get(&position) else { return };
        if self.engine.has_lost && expected.list.chain() != list.chain() {
            return; // This site has read entries that are gone.
        }
        assert!(&process.state() == expected, "seed={} entry {position}", self.seed);
    }

    /// Checks that all sites have the state of the list, and that their batches count.
    pub(super) fn check_all_agree(&mut self) {
        self.follow();
        let list = self.reference.journal.list();
        for Seat { name, process, .. } in &self.seats {
            let is_live = list.site(name).is_some_and(|site| list.is_live(site));
            assert!(is_live, "seed={}: the batches of {name} do not count", self.seed);
            let Some(process) = process else { continue };
            let position = process.journal.list().position().0;
            let agrees = self.states.get(&position) == Some(&process.state());
            assert!(agrees, "seed={}: {name} at {position}", self.seed);
        }
    }

    /// Stops all faults, and checks that every site serves again, and that nothing is lost.
    pub(super) fn finish(&mut self) {
        self.is_calm = true;
        self.engine.refuses_until = 0;
        for seat in &mut self.seats {
            seat.skew = 0;
        }
        for _ in 0..4000 {
            self.step();
        }
        for seat in 0..self.seats.len() {
            let is_serving = self.seats[seat].process.as_ref().is_some_and(SiteProcess::is_serving);
            let phase = self.seats[seat].process.as_ref().map(|it| it.journal.phase().clone());
            assert!(is_serving, "seed={}: site {seat}: {phase:?}", self.seed);
        }
        self.check_all_agree();
        let now_epoch = self.reference.group.epoch();
        for (text, (seq, epoch)) in &self.confirmed {
            let is_there = self.lines.get(seq).is_some_and(|line| text_of(line) == text);
            let is_known = *epoch != now_epoch && self.engine.has_lost;
            assert!(is_there || is_known, "seed={}: {text} at {seq} of {epoch}", self.seed);
        }
        let mut texts = BTreeSet::new();
        let is_text = |line: &&String| !line.contains("#@#");
        for line in self.lines.values().filter(is_text) {
            let is_new = texts.insert(text_of(line));
            assert!(is_new || self.engine.has_lost, "seed={}: {line} twice", self.seed);
        }
    }
}
