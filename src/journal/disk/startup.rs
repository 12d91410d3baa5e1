//! Starts a state from its journal, and continues the journal in a new segment.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use super::JournalOptions;
use super::commits::{ClosedSegment, Commits, OpenSegment, ResumePoint, oldest_needed};
use super::snapshot::{Snapshot, file_bytes, mode, snapshot};
use super::writer::JournalWriter;
use crate::facts::{Fact, Ordered, Recorded, StateMachine};
use crate::journal::{
    BootId, Disk, JournalError, Record, Recovered, Salt, SegmentHeader, Store, SyncMode, encode,
    recover_unless,
};
use crate::limits::SyncPolicy;
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, Now, UnixMillis};

/// Content of a journal that was read and is not continued yet.
#[derive(Debug)]
pub struct JournalContents<S> {
    state: S,
    recovered: Recovered,
}

/// A recovered state with its open journal.
#[derive(Debug)]
pub struct OpenedJournal<S, D: Disk> {
    /// The recovered state. All members are offline.
    pub state: S,
    /// The loop's side of the journal.
    pub commits: Commits,
    /// The writer thread's side of the journal.
    pub writer: JournalWriter<D>,
}

/// Random values for a start.
#[derive(Clone, Copy, Debug)]
pub struct RandomValues {
    /// Epoch for the case that the numbers of the journal cannot be continued.
    pub epoch: Epoch,
    /// Salt of the first segment.
    pub salt: Salt,
}

impl<S: Recorded> JournalContents<S> {
    /// Reads the whole journal into `state`, which must be empty and in recovery. Damage does not
    /// stop it. `is_stopped` may stop it early.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if a segment cannot be read, or if the read was stopped.
    pub fn read<D: Disk>(
        store: &mut Store<D>,
        mut state: S,
        is_stopped: impl FnMut() -> bool,
    ) -> Result<Self, JournalError> {
        let recovered = recover_unless(store, |event| event.apply_to(&mut state), is_stopped)?;
        Ok(Self { state, recovered })
    }

    /// Returns the result of the recovery.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Returns the group time at the wall clock time `unix`.
    #[must_use]
    pub fn age(&self, unix: UnixMillis) -> Millis {
        self.recovered.age(unix)
    }

    /// Continues the journal in a new segment. `now` must be the group time of
    /// [`JournalContents::age`] or later.
    ///
    /// # Errors
    ///
    /// The error of the disk. Then no segment was started.
    pub fn open<D: Disk>(
        self,
        mut store: Store<D>,
        options: JournalOptions,
        random: RandomValues,
        now: Now,
    ) -> io::Result<OpenedJournal<S, D>> {
        let Self { mut state, recovered } = self;
        let epoch = recovered.epoch.filter(|_| keeps_epoch(&recovered, options.boot));
        let epoch = epoch.unwrap_or(random.epoch);
        finish_recovery(&mut state, epoch, now.steady);
        let (serial, salt) = (store.next_serial(), random.salt);
        let (boot, sync, position) = (options.boot, mode(options.sync), state.position());
        let after = durable(&recovered, options, &state);
        let repeats = after < position.last;
        let header = SegmentHeader { serial, salt, boot, sync, repeats };
        let Snapshot { records, members_bytes } = snapshot(&state, epoch, after, &header, now);
        let bytes = file_bytes(&records);
        let file = store.create(&header, &records).map_err(|error| explain(&error, bytes))?;
        let (bytes_max, needed) = (options.segment_bytes(members_bytes), oldest_needed(&state));
        let (durable, mut closed) = (position.last, closed(&recovered, now));
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
        // If this write fails, the journal looks as if the program had been killed here.
        if let (Ok(bytes), Some(last)) =
            (mark_continued(&mut store, &recovered, now), closed.back_mut())
        {
            last.bytes = last.bytes.saturating_add(bytes);
        }
        let ttl_ms = state.ttl_ms();
        let commits =
            Commits::new(ResumePoint { options, ttl_ms, segment, durable, position, closed });
        Ok(OpenedJournal { state, commits, writer: JournalWriter::new(store, file) })
    }
}

/// Adds to an error the cause and the next step.
fn explain(error: &io::Error, bytes: u64) -> io::Error {
    let kind = error.kind();
    let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    let words = if full.contains(&kind) {
        format!(
            "{error}: a start writes a new segment of {bytes} bytes. Nothing was changed: free \
             that much space and start again"
        )
    } else if [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem].contains(&kind) {
        format!(
            "a new segment cannot be written: {error}. Nothing was changed: give the user of the \
             coordinator write permission for the directory"
        )
    } else {
        format!("a new segment cannot be written: {error}")
    };
    io::Error::new(kind, words)
}

/// Returns the last message that need not be written to the new segment.
///
/// A killed program may have left written records in the page cache, and an fsync of them may have
/// failed. The kernel reports such an error only once. A later fsync of the same file can succeed
/// although the data is only in memory and is lost with the power. So the messages that the last
/// segment does not record as durable are written to the new segment, and to no later one.
fn durable(recovered: &Recovered, options: JournalOptions, state: &impl Recorded) -> Seq {
    let last = state.position().last;
    let Some(header) = recovered.header.filter(|header| !header.boot.is_other(options.boot)) else {
        return last; // After a reboot, the recovered records are on the disk.
    };
    // If the last message has expired, the rewritten messages would not reach the last seq.
    if options.sync == SyncPolicy::Never || state.lines(last.before()).next().is_none() {
        return last;
    }
    let durable = match header.sync {
        SyncMode::Always | SyncMode::Interval => recovered.durable,
        SyncMode::Never => Seq::ZERO,
    };
    state.lines(durable).next().map_or(last, |(seq, ..)| seq.before())
}

/// Records at the end of the last segment that another segment follows. If that segment is missing
/// later, a start notices it. Returns the bytes of the record.
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

/// Returns true if every number that was given out is in the journal. Then the epoch continues.
fn keeps_epoch(recovered: &Recovered, boot: BootId) -> bool {
    let is_durable = recovered.header.is_some_and(|header| {
        recovered.is_clean || header.boot.is_same(boot) || header.sync == SyncMode::Always
    });
    is_durable && !recovered.lost_tail
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

/// Ends a recovery: the state continues in `epoch`.
pub fn finish_recovery(state: &mut impl StateMachine, epoch: Epoch, at: Millis) {
    let ordered = Ordered { ticket: None, is_committed: true };
    state.apply(Fact::Recovered { epoch }, ordered, at);
}

#[cfg(test)]
mod tests;
