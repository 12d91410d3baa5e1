//! `site --found --import`: founds a group with the members and messages of one coordinator.
//!
//! The journal is read and not changed. What is written to the engine is read back, entry by entry.

use std::path::Path;

use super::list_writer::{ListWriter, NotWritten, make_stream};
use crate::config::{CoordinatorRun, StandardStream, write_line};
use crate::coordinator::CoordinatorError;
use crate::coordinator::startup::{draw_random, rules};
use crate::facts::{Fact, MemberState, Ordered, Recorded as _, StateMachine as _};
use crate::group::{Group, Rules};
use crate::journal::{
    Directory, EntryKind, ListImport, ListRecord, Store, finish_recovery, founding, recover,
};
use crate::limits::list::IMPORT_RECORDS_BYTES_MAX;
use crate::net::Clock;
use crate::net::engine::{EngineOptions, NewStream};
use crate::protocol::{Delivery, Epoch, Seq, Text};
use crate::text::Counted;
use crate::time::{Millis, UnixMillis};

const NOT_IMPORTED: &str = "the group was not imported";
const UNREADABLE: &str = "a message of the journal cannot be read";

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
    make_stream(&options, stream)?;
    let site = super::site_name(engine)?;
    let list = ListImport::new(site.clone(), draw_random()?);
    let advice = format!("delete the stream GC_{} before another try", engine.group);
    let failed = |failed: NotWritten| failed.into_error(NOT_IMPORTED, &advice);
    let mut writer = ListWriter::open(&options, list).map_err(failed)?;
    let first = contents.lines.first().map_or(writer.clock.now().unix, KeptLine::time);
    let entry = founding(site, super::shared_rules(config), contents.epoch, first);
    writer.put(EntryKind::Log, entry).map_err(failed)?;
    write_contents(writer, &options, &contents, rules).map_err(failed)?;
    let words = contents.words();
    write_line(StandardStream::Output, &format!("group {} is founded with {words}", engine.group));
    Ok(())
}

/// Stores what the journal has, behind the founding.
fn write_contents(
    writer: ListWriter,
    options: &EngineOptions,
    contents: &Contents,
    rules: Rules,
) -> Result<(), NotWritten> {
    let mut importer = Importer(writer);
    importer.put_members(contents, rules)?;
    Importer(importer.0.purged(options)?).put_messages(contents)
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
struct Importer(ListWriter);

impl Importer {
    /// Stores the members, as they were before the first kept message.
    fn put_members(&mut self, contents: &Contents, rules: Rules) -> Result<(), NotWritten> {
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
            self.0.list.add_member(member.id, acked);
        }
        for (id, announced) in contents.group.announced_states() {
            put(Fact::Announced { id, announced });
        }
        put(Fact::AllNamed);
        for piece in self.0.list.snapshot(&group) {
            self.0.put(EntryKind::Snapshot, piece)?;
        }
        Ok(())
    }

    /// Stores the messages in their order, then the cursors.
    fn put_messages(&mut self, contents: &Contents) -> Result<(), NotWritten> {
        let mut time = contents.lines.first().map_or(self.0.clock.now().unix, KeptLine::time);
        self.put_batch(time, &[ListRecord::Life])?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        for line in &contents.lines {
            let Some(delivery) = line.delivery() else {
                return Err(NotWritten::Engine(UNREADABLE.to_owned()));
            };
            if delivery.accepted > time || bytes > IMPORT_RECORDS_BYTES_MAX {
                self.put_batch(time, &records)?;
                (records, bytes) = (Vec::new(), 0);
                time = time.max(delivery.accepted);
            }
            let (id, text) = (delivery.sender, Text::checked(delivery.text.as_bytes()));
            let Some(text) = text else {
                return Err(NotWritten::Engine(UNREADABLE.to_owned()));
            };
            records.push(ListRecord::Imported { id, text });
            bytes += line.line.len();
        }
        self.put_batch(time, &records)?;
        self.put_cursors(contents, time)?;
        self.put_batch(time, &[ListRecord::End])
    }

    fn put_cursors(&mut self, contents: &Contents, time: UnixMillis) -> Result<(), NotWritten> {
        let mut records = Vec::new();
        for (MemberState { id, acked, .. }, _) in contents.group.member_states() {
            if let Some(visit) = self.0.list.visit(id) {
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
    ) -> Result<(), NotWritten> {
        if records.is_empty() {
            return Ok(());
        }
        let batch = self.0.list.batch(time, records);
        self.0.put(EntryKind::Log, batch)
    }
}
