//! `site --found --import`: founds a group with the members and messages of one coordinator.
//!
//! The journal is read and not changed. What is written to the engine is read back, entry by entry.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use bytes::Bytes;
use mio::{Events, Poll};

use super::{EngineThread, new_poll, wait};
use crate::config::{CoordinatorRun, StandardStream, write_line};
use crate::coordinator::CoordinatorError;
use crate::coordinator::site_journal::EngineQueue as _;
use crate::coordinator::startup::{draw_random, rules};
use crate::facts::{Fact, MemberState, Ordered, Recorded as _, StateMachine as _};
use crate::group::{Group, Rules};
use crate::journal::{
    Directory, EntryKind, ListEntry, ListImport, ListJob, ListPosition, ListRecord, ListReport,
    Store, finish_recovery, founding, recover,
};
use crate::limits::list::{FOUND_WAIT_MS, IMPORT_RECORDS_BYTES_MAX, PURGE_TRIES_MAX};
use crate::net::Clock;
use crate::net::engine::{Engine, EngineOptions, NewStream};
use crate::protocol::{Delivery, Epoch, Seq, Text};
use crate::text::Counted;
use crate::time::{Millis, UnixMillis};

const NOT_IMPORTED: &str = "the group was not imported";
const HALF_MADE: &str = "delete the stream in the engine before another try";

/// A message of the journal, with its LF.
struct KeptLine {
    seq: Seq,
    line: Vec<u8>,
}

/// The group of a journal.
struct Contents {
    group: Group,
    epoch: Epoch,
    /// The kept messages, without a hole, up to the last one.
    lines: Vec<KeptLine>,
    /// Older kept messages before a hole, which cannot be imported.
    left_out: usize,
}

/// Founds the group of a config with what a journal has.
pub(super) fn import(run: &CoordinatorRun, directory: &Path) -> Result<(), CoordinatorError> {
    let (config, engine) = (&run.config, &run.config.storage.engine);
    let rules = rules(config, config.listen);
    let failed = |reason: String| CoordinatorError::Journal(directory.to_owned(), reason);
    // The lock stays until the end: no coordinator begins in the directory meanwhile.
    let disk = Directory::open(directory).map_err(|error| failed(error.to_string()))?;
    let mut store = Store::open(disk).map_err(|unusable| failed(unusable.to_string()))?;
    let contents = Contents::read(&mut store, rules.clone()).map_err(failed)?;
    let members = contents.group.member_states().count();
    if members > config.counts.max_members {
        return Err(failed(format!("{members} members need a higher max_members")));
    }
    let options = super::options(engine)?;
    let stream = NewStream { replicas: engine.replicas, bytes_max: engine.bytes_max };
    Engine::found(&options, stream).map_err(CoordinatorError::Engine)?;
    let site = super::site_name(engine)?;
    let mut importer = Importer::open(&options, ListImport::new(site.clone(), draw_random()?))?;
    let first = contents.lines.first().map_or(importer.clock.now().unix, KeptLine::time);
    let entry = founding(site, super::shared_rules(config), contents.epoch, first);
    importer.put(EntryKind::Log, entry)?;
    importer.put_members(&contents, rules)?;
    let mut importer = importer.purged(&options)?;
    importer.put_messages(&contents)?;
    let words = contents.words();
    write_line(StandardStream::Output, &format!("group {} is founded with {words}", engine.group));
    Ok(())
}

impl Contents {
    fn read(store: &mut Store<Directory>, rules: Rules) -> Result<Self, String> {
        let mut group = Group::recovering(rules);
        let recovered = recover(store, |event| event.apply_to(&mut group));
        let recovered = recovered.map_err(|error| error.to_string())?;
        let Some(epoch) = recovered.epoch else { return Err("there is no journal".to_owned()) };
        if !recovered.is_clean {
            return Err("its coordinator did not end in good order: start it, and stop it with \
                        SIGTERM"
                .to_owned());
        }
        let now = recovered.age(Clock::start().now().unix);
        finish_recovery(&mut group, epoch, now);
        let last = group.position().last;
        let mut lines: Vec<KeptLine> = Vec::new();
        let mut left_out = 0;
        for (seq, line, _) in group.lines(Seq::ZERO) {
            if lines.last().is_some_and(|before| before.seq.next() != seq) {
                left_out += lines.len();
                lines.clear();
            }
            lines.push(KeptLine { seq, line: line.to_vec() });
        }
        if lines.last().is_some_and(|newest| newest.seq != last) {
            left_out += lines.len();
            lines.clear();
        }
        Ok(Self { group, epoch, lines, left_out })
    }

    /// Returns the last seq before the kept messages.
    fn base(&self) -> Seq {
        let last = self.group.position().last;
        self.lines.first().map_or(last, |first| first.seq.before())
    }

    fn words(&self) -> String {
        let members = self.group.member_states().count();
        let left_out = match self.left_out {
            0 => String::new(),
            count => format!(", {} before a hole left out", Counted(count, "message", "messages")),
        };
        format!(
            "{} and {}{left_out}: start its sites",
            Counted(members, "member", "members"),
            Counted(self.lines.len(), "message", "messages")
        )
    }
}

impl KeptLine {
    fn delivery(&self) -> Option<Delivery<'_>> {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Delivery::parse(std::str::from_utf8(line).ok()?)
    }

    fn time(&self) -> UnixMillis {
        self.delivery().map_or(UnixMillis(0), |delivery| delivery.accepted)
    }
}

/// The list in the engine, while it is made.
struct Importer {
    thread: EngineThread,
    poll: Poll,
    clock: Clock,
    list: ListImport,
    tag: u64,
}

impl Importer {
    fn open(options: &EngineOptions, list: ListImport) -> Result<Self, CoordinatorError> {
        let poll = new_poll()?;
        let (mut thread, _) = super::open(options, &poll)?;
        let from = list.position().next();
        if thread.try_submit(ListJob::ReadFrom(from)).is_err() {
            return Err(refused("the engine takes no job"));
        }
        Ok(Self { thread, poll, clock: Clock::start(), list, tag: 0 })
    }

    /// Stores an entry, and reads it back.
    fn put(&mut self, kind: EntryKind, entry: Vec<u8>) -> Result<(), CoordinatorError> {
        let (entry, mut events) = (Bytes::from(entry), Events::with_capacity(16));
        let (mut reports, mut is_due) = (VecDeque::new(), true);
        let until = self.clock.now().steady.plus(FOUND_WAIT_MS);
        while self.clock.now().steady < until {
            if std::mem::take(&mut is_due) {
                self.tag += 1;
                let job = ListJob::Publish { tag: self.tag, kind, bytes: entry.clone() };
                is_due = self.thread.try_submit(job).is_err();
            }
            self.thread.take_reports(&mut reports);
            for report in reports.drain(..) {
                match report {
                    ListReport::Entry { position, stored, kind, bytes } => {
                        // A late copy of an entry is void, and does no harm.
                        let read = ListEntry { position, stored, kind, bytes: &bytes };
                        let counts = self.list.read(&read);
                        if bytes == entry {
                            let refusal = "an entry does not count: another program writes";
                            return if counts { Ok(()) } else { Err(refused(refusal)) };
                        }
                    }
                    ListReport::NotStored { .. } => is_due = true,
                    ListReport::Gone { reason } => return Err(refused(&reason)),
                    ListReport::Missing { .. }
                    | ListReport::CaughtUp { .. }
                    | ListReport::Stored { .. }
                    | ListReport::Connected
                    | ListReport::Disconnected { .. }
                    | ListReport::WentBack { .. } => (),
                }
            }
            wait(&mut self.poll, &mut events)?;
        }
        Err(refused("no answer of the engine in time"))
    }

    /// Stores the members, as they were before the first kept message.
    fn put_members(&mut self, contents: &Contents, rules: Rules) -> Result<(), CoordinatorError> {
        let base = contents.base();
        let mut group = Group::recovering(rules);
        let mut put = |fact: Fact<'_>| {
            group.apply(fact, Ordered { ticket: None, is_committed: true }, Millis::ZERO);
        };
        put(Fact::Snapshot { epoch: contents.epoch, last: base });
        for (member, own) in contents.group.member_states() {
            let (registered_at, start) = (member.registered_at.min(base), member.start.min(base));
            let acked = member.acked.min(base);
            put(Fact::Member(MemberState { registered_at, start, acked, ..member }));
            let ranges = own.into_iter().filter(|(first, _)| *first <= base);
            let ranges: Vec<(Seq, Seq)> =
                ranges.map(|(first, last)| (first, last.min(base))).collect();
            if !ranges.is_empty() {
                put(Fact::Own { id: member.id, ranges: &ranges });
            }
            self.list.add_member(member.id, acked);
        }
        for (id, announced) in contents.group.announced_states() {
            put(Fact::Announced { id, announced });
        }
        put(Fact::AllNamed);
        for piece in self.list.snapshot(&group) {
            self.put(EntryKind::Snapshot, piece)?;
        }
        Ok(())
    }

    /// Removes the first entry: a start then begins at the snapshot.
    fn purged(mut self, options: &EngineOptions) -> Result<Self, CoordinatorError> {
        let below = ListPosition(2);
        for _ in 0..PURGE_TRIES_MAX {
            if self.thread.try_submit(ListJob::Purge { below }).is_err() {
                return Err(refused("the engine takes no job"));
            }
            let mut events = Events::with_capacity(16);
            wait(&mut self.poll, &mut events)?;
            let poll = new_poll()?;
            let (_, stream) = super::open(options, &poll)?;
            if stream.first == below.0 {
                return Self::open(options, self.list);
            }
        }
        Err(refused("the engine does not remove the first entry"))
    }

    /// Stores the messages in their order, then the cursors.
    fn put_messages(&mut self, contents: &Contents) -> Result<(), CoordinatorError> {
        let mut time = contents.lines.first().map_or(self.clock.now().unix, KeptLine::time);
        self.put_batch(time, &[ListRecord::Life])?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        for line in &contents.lines {
            let Some(delivery) = line.delivery() else {
                return Err(refused("a message of the journal cannot be read"));
            };
            if delivery.accepted > time || bytes > IMPORT_RECORDS_BYTES_MAX {
                self.put_batch(time, &records)?;
                (records, bytes) = (Vec::new(), 0);
                time = time.max(delivery.accepted);
            }
            let (id, text) = (delivery.sender, Text::checked(delivery.text.as_bytes()));
            let Some(text) = text else {
                return Err(refused("a message of the journal cannot be read"));
            };
            records.push(ListRecord::Imported { id, text });
            bytes += line.line.len();
        }
        self.put_batch(time, &records)?;
        self.put_cursors(contents, time)?;
        self.put_batch(time, &[ListRecord::End])
    }

    fn put_cursors(
        &mut self,
        contents: &Contents,
        time: UnixMillis,
    ) -> Result<(), CoordinatorError> {
        let mut records = Vec::new();
        for (MemberState { id, acked, .. }, _) in contents.group.member_states() {
            if let Some(visit) = self.list.visit(id) {
                records.push(ListRecord::Acked { visit, acked, id });
            }
        }
        for records in records.chunks(IMPORT_RECORDS_BYTES_MAX / 256) {
            self.put_batch(time, records)?;
        }
        Ok(())
    }

    fn put_batch(
        &mut self,
        time: UnixMillis,
        records: &[ListRecord<'_>],
    ) -> Result<(), CoordinatorError> {
        if records.is_empty() {
            return Ok(());
        }
        let batch = self.list.batch(time, records);
        self.put(EntryKind::Log, batch)
    }
}

fn refused(reason: &str) -> CoordinatorError {
    let error = io::Error::other(format!("{reason}; {HALF_MADE}"));
    CoordinatorError::System(NOT_IMPORTED, error)
}
