//! The beginning: what a journal holds becomes a group, and the journal goes on in a fresh segment.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use super::JournalOptions;
use super::commits::{ClosedSegment, Commits, OpenSegment, ResumePoint};
use super::snapshot::{Snapshot, mode, snapshot};
use super::writer::SegmentWriter;
use crate::group::{Group, MemberState, RecoveredFact, Replay, Rules};
use crate::journal::{
    BootId, Disk, HEADER_BYTES, JournalError, Record, Recovered, RecoveryEvent, Salt,
    SegmentHeader, Store, SyncMode, delivery, encode, recover_unless,
};
use crate::limits::Sync;
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, Now, UnixMillis};

/// What was read of a journal, before it is gone on with.
#[derive(Debug)]
pub struct JournalContents {
    replay: Replay,
    recovered: Recovered,
    ttl_ms: u64,
}

/// A group that is kept, and its journal.
#[derive(Debug)]
pub struct OpenedJournal<D: Disk> {
    /// As it was left; nobody is online.
    pub group: Group,
    /// The loop's side.
    pub commits: Commits,
    /// The worker's side.
    pub writer: SegmentWriter<D>,
}

/// What is drawn at random for a beginning.
#[derive(Clone, Copy, Debug)]
pub struct RandomValues {
    /// For numbers that do not go on where they were.
    pub epoch: Epoch,
    /// Of the first segment.
    pub salt: Salt,
}

impl JournalContents {
    /// Reads all that there is, unless `is_stopped` says so before the end. Damage keeps it from
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if a segment cannot be read, or if it was stopped: nothing was changed.
    pub fn read<D: Disk>(
        store: &mut Store<D>,
        rules: Rules,
        is_stopped: impl FnMut() -> bool,
    ) -> Result<Self, JournalError> {
        let ttl_ms = rules.ttl_ms;
        let mut replay = Replay::new(rules, Epoch::new(0));
        let recovered = recover_unless(store, |event| apply(&mut replay, event), is_stopped)?;
        Ok(Self { replay, recovered, ttl_ms })
    }

    /// What it came to.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// The group time that it is when the wall clock reads `unix`.
    #[must_use]
    pub fn age(&self, unix: UnixMillis) -> Millis {
        age(&self.recovered, unix)
    }

    /// Goes on in a fresh segment. The group time is that of [`JournalContents::age`], or later.
    ///
    /// # Errors
    ///
    /// The disk's: then nothing has begun.
    pub fn open<D: Disk>(
        self,
        mut store: Store<D>,
        options: JournalOptions,
        random: RandomValues,
        now: Now,
    ) -> io::Result<OpenedJournal<D>> {
        let Self { replay, recovered, ttl_ms } = self;
        let epoch = recovered.epoch.filter(|_| keeps_epoch(&recovered, options.boot));
        let mut group = replay.finish(epoch.unwrap_or(random.epoch));
        group.start(now.steady);
        let (serial, salt) = (store.next_serial(), random.salt);
        let header = SegmentHeader { serial, salt, boot: options.boot, sync: mode(options.sync) };
        let Snapshot { records, members_bytes } =
            snapshot(&group, group.epoch(), durable(&recovered, options, &group), salt, now);
        let bytes = (HEADER_BYTES + records.len()) as u64;
        let writer = store.create(&header, &records).map_err(|error| explain(&error, bytes))?;
        let (bytes_max, needed) = (options.segment_bytes(members_bytes), group.needed());
        let (durable, mut closed) = (group.last(), closed(&recovered, now));
        let segment = OpenSegment {
            serial,
            salt,
            start_commit: 0,
            bytes,
            bytes_max,
            recorded_clocks: now,
            recorded_durable: durable,
            needed,
        };
        // Where that cannot be said, it is as if the program had ended here.
        if let (Ok(bytes), Some(last)) =
            (mark_continued(&mut store, &recovered, now), closed.back_mut())
        {
            last.bytes += bytes;
        }
        let commits = Commits::new(ResumePoint { options, ttl_ms, segment, durable, closed });
        Ok(OpenedJournal { group, commits, writer: SegmentWriter::new(store, writer) })
    }
}

/// Says how much room a start needs, if that is what it wants for.
fn explain(error: &io::Error, bytes: u64) -> io::Error {
    let kind = error.kind();
    let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    let words = if full.contains(&kind) {
        format!(
            "{error}: a start writes a new segment of {bytes} bytes; make room for it and start \
             again, nothing was changed"
        )
    } else if [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem].contains(&kind) {
        format!(
            "a new segment cannot be written: {error}; nothing was changed: let the user that the \
             coordinator runs as write in the directory"
        )
    } else {
        format!("a new segment cannot be written: {error}")
    };
    io::Error::new(kind, words)
}

/// The last number that need not be written anew.
///
/// A program that was killed may have left what it wrote to the system, and a sync of it may have
/// failed, which is told once: whoever syncs the file again may be told that all is well, though
/// what failed is only in memory, and lost with the power. So what the last segment was given
/// after what it says to be safe goes into the fresh one, and from there into no other.
fn durable(recovered: &Recovered, options: JournalOptions, group: &Group) -> Seq {
    let last = group.last();
    let Some(header) = recovered.header.filter(|header| !header.boot.is_other(options.boot)) else {
        return last; // What was read is what the disk holds.
    };
    // The last number has to be there for those behind it to be given out.
    if options.sync == Sync::Never || group.lines(last.before()).next().is_none() {
        return last;
    }
    let durable = match header.sync {
        SyncMode::Always | SyncMode::Interval => recovered.durable,
        SyncMode::Never => Seq::ZERO,
    };
    group.lines(durable).next().map_or(last, |(seq, ..)| seq.before())
}

/// Says at the end of the last segment that another one follows, which is missed from then on if it
/// is not there; how many bytes that takes.
fn mark_continued<D: Disk>(
    store: &mut Store<D>,
    recovered: &Recovered,
    now: Now,
) -> io::Result<u64> {
    let Some(SegmentHeader { serial, salt, .. }) = recovered.header else { return Ok(0) };
    let mut record = Vec::new();
    encode(&Record::Continued, now.steady, salt, &mut record);
    let mut last = store.reopen(serial)?;
    store.append(&mut last, &record)?;
    Ok(record.len() as u64)
}

/// Numbers go on where they were if none can have been given out that is not there.
fn keeps_epoch(recovered: &Recovered, boot: BootId) -> bool {
    let is_durable = recovered.header.is_some_and(|header| {
        recovered.is_clean || header.boot.is_same(boot) || header.sync == SyncMode::Always
    });
    is_durable && !recovered.lost_tail
}

/// The group time that it is now: the age of the last record, and what the wall clock says has
/// passed since, which is nothing if it was set back.
pub(crate) fn age(recovered: &Recovered, unix: UnixMillis) -> Millis {
    let Some((recorded_at, recorded)) = recovered.clock else { return recovered.at };
    let last = recorded.0.saturating_add(recovered.at.since(recorded_at));
    recovered.at.plus(unix.0.saturating_sub(last))
}

fn closed(recovered: &Recovered, now: Now) -> VecDeque<ClosedSegment> {
    let segments = recovered.segments.iter();
    segments
        .map(|segment| ClosedSegment {
            serial: segment.serial,
            start_commit: 0,
            bytes: segment.bytes,
            newest: segment.newest.unwrap_or(Millis::ZERO).min(now.steady),
            last: segment.last,
        })
        .collect()
}

pub(crate) fn apply(replay: &mut Replay, event: RecoveryEvent<'_>) {
    match event {
        RecoveryEvent::AllNamed => replay.restrict_to_named(),
        RecoveryEvent::Lost { first, last } => replay.lose(first, last),
        RecoveryEvent::Fact { at, record: Record::Own { id, ranges } } => {
            let ranges: Vec<(Seq, Seq)> = ranges.iter().collect();
            replay.apply(RecoveredFact::Own { id, ranges: &ranges }, at);
        }
        RecoveryEvent::Fact { at, record } => {
            if let Some(recorded) = recorded(&record) {
                replay.apply(recorded, at);
            }
        }
    }
}

fn recorded<'a>(record: &Record<'a>) -> Option<RecoveredFact<'a>> {
    match *record {
        Record::Epoch { epoch, last } => Some(RecoveredFact::Snapshot { epoch, last }),
        Record::Member { id, address, registered_at, acked } => {
            let (id, own) = (id.into(), Box::default()); // That has records of its own.
            Some(RecoveredFact::Member(MemberState { id, address, registered_at, acked, own }))
        }
        Record::NewEpoch { epoch } => Some(RecoveredFact::NewEpoch { epoch }),
        Record::Deregistered { id } => Some(RecoveredFact::Deregistered { id }),
        Record::Accepted { line } => {
            Some(RecoveredFact::Accepted { line, delivery: delivery(line)? })
        }
        Record::Acked { id, acked } => Some(RecoveredFact::Acked { id, acked }),
        Record::Own { .. }
        | Record::Clock { .. }
        | Record::Durable { .. }
        | Record::Continued
        | Record::Closed => None,
    }
}

#[cfg(test)]
mod tests;
