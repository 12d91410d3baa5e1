//! Recovery: reads all segments, and passes the records that count to the caller, in order.
//!
//! ```text
//!   segment 3                      segment 4                       segment 5
//!   E M M 41 42 43 ░░ 45 46 A      E M M 47 48 49 50 51            E M M 50 51 5
//!                  │                              └─┬─┘                         │
//!             Lost 44..44             not used: segment 5 has them      torn: cut off
//!   E Epoch, M Member, A Acked; a number is an Accepted message
//! ```
//!
//! - A damaged segment keeps its name as long as it is needed, because its intact records are read
//!   at the next start, too. [`Store::remove`] then quarantines it instead of deleting it. A file
//!   without a readable header is quarantined at once.
//! - If a segment goes back to a seq of an earlier one, the records of the later segment count: it
//!   was written after a failure, and the earlier one may have holes. A seq that was already seen
//!   is skipped. If the snapshot of the later segment is damaged, the earlier one fills its holes.
//! - A segment gets its name after its snapshot is synced. If a segment ends before the end of its
//!   snapshot, something has cut it, and seqs after the snapshot may have been given out.
//! - Seqs are consecutive. So missing seqs between two found ones, or before the `last` of a
//!   [`Record::Epoch`], are lost.
//! - A killed program leaves an incomplete record at the end. It was never confirmed, so it is not
//!   a loss. Other damage after the last seq may have cost an unknown number of messages: see
//!   [`Recovered::lost_tail`].

mod current;
mod event;
mod seqs;
mod superseded;

use std::ops::Range;

use current::CurrentSegment;
use superseded::SupersededMessages;

use super::files::Disk;
use super::issues::{Issue, JournalError};
use super::record::{Record, RecordKind};
use super::recovered::Recovered;
use super::segment::{self, SegmentHeader, SegmentItem};
use super::store::{FirstRecord, Store};
use crate::facts::MemberState;
use crate::limits::STOP_RECORDS_MAX;
use crate::protocol::{Delivery, Epoch, Seq};
use crate::time::Millis;

pub use event::RecoveryEvent;

/// Reads all segments of a store, and passes their records to `replay`. Damage does not stop the
/// recovery: it is reported in [`Recovered::issues`].
///
/// # Errors
///
/// [`JournalError`] if a segment cannot be read. Nothing was changed.
pub fn recover<D: Disk>(
    store: &mut Store<D>,
    replay: impl FnMut(RecoveryEvent<'_>),
) -> Result<Recovered, JournalError> {
    recover_unless(store, replay, || false)
}

/// Recovers as [`recover`] does, but stops when `is_stopped` returns true. It is called once for
/// every [`STOP_RECORDS_MAX`] records.
///
/// # Errors
///
/// As [`recover`], and [`JournalError::Stopped`].
pub fn recover_unless<D: Disk>(
    store: &mut Store<D>,
    mut replay: impl FnMut(RecoveryEvent<'_>),
    mut is_stopped: impl FnMut() -> bool,
) -> Result<Recovered, JournalError> {
    let mut state = RecoveryState::default();
    let mut bytes = Vec::new();
    for (serial, resumed) in store.resume_points() {
        store.read(serial, &mut bytes)?;
        match segment::read(&bytes) {
            Err(bad) => store.reject_segment(serial, bad.to_string()),
            Ok((header, records)) => {
                state.begin(header, bytes.len(), resumed);
                let torn = records.enumerate().try_fold(None, |_, (count, found)| {
                    let goes_on = count % STOP_RECORDS_MAX > 0 || !is_stopped();
                    goes_on.then(|| state.take(found, &mut replay)).ok_or(JournalError::Stopped)
                })?;
                state.end(store, torn, &mut replay);
            }
        }
    }
    match is_stopped() {
        true => Err(JournalError::Stopped),
        false => Ok(state.finish(store, &mut replay)),
    }
}

/// State of a recovery.
#[derive(Debug, Default)]
struct RecoveryState {
    recovered: Recovered,
    /// Next seq, if one is known.
    next: Option<Seq>,
    /// Acceptance time of the last message.
    message_at: Millis,
    /// Highest cursor of a member since the last epoch record.
    acked_highest: Seq,
    /// Number of damaged message records after the last seq.
    damaged_messages: u64,
    /// True if unknown damage follows the last seq.
    is_number_in_doubt: bool,
    /// True if a segment has started, and nothing was damaged since.
    is_snapshot_whole: bool,
    /// True if an epoch record is missing.
    is_epoch_in_doubt: bool,
    segment: Option<CurrentSegment>,
    /// Messages of earlier segments, to fill the holes of a later one.
    superseded: SupersededMessages,
    /// Number of losses in `issues`, and of lost messages beyond them.
    losses_reported: usize,
    losses_unreported: u64,
}

impl RecoveryState {
    fn begin(&mut self, header: SegmentHeader, bytes: usize, resumed: Option<FirstRecord>) {
        self.segment = Some(CurrentSegment::new(header, bytes as u64, resumed));
    }

    /// Handles a part of a segment. Returns its range if it is an incomplete record.
    fn take(
        &mut self,
        found: SegmentItem<'_>,
        replay: &mut impl FnMut(RecoveryEvent<'_>),
    ) -> Option<Range<u64>> {
        if let Some(current) = self.segment.as_mut().filter(|it| !it.has_snapshot) {
            current.find_snapshot_end(&found);
        }
        match found {
            SegmentItem::Record { at, record, delivery } => {
                self.take_record(at, record, delivery, replay);
                None
            }
            SegmentItem::Damage { bytes, kind, is_whole } => {
                self.take_damage(bytes, kind, is_whole);
                None
            }
            SegmentItem::Torn { bytes } => {
                self.recovered.is_clean = false;
                Some(bytes)
            }
        }
    }

    fn take_damage(&mut self, bytes: Range<u64>, kind: Option<RecordKind>, is_whole: bool) {
        self.recovered.is_clean = false;
        self.is_snapshot_whole = false;
        match kind {
            Some(RecordKind::Accepted | RecordKind::Sent) => {
                self.damaged_messages = self.damaged_messages.saturating_add(1);
                self.is_number_in_doubt = true;
            }
            Some(RecordKind::Epoch | RecordKind::NewEpoch) => self.is_epoch_in_doubt = true,
            None => {
                // The damaged record may have been a new epoch, which no later record repeats.
                (self.is_number_in_doubt, self.is_epoch_in_doubt) = (true, true);
            }
            Some(RecordKind::Continued) => {
                self.is_number_in_doubt = true;
                self.is_epoch_in_doubt |= self.segment.as_ref().is_none_or(|it| !it.has_epoch);
            }
            Some(
                RecordKind::Member
                | RecordKind::OwnedMember
                | RecordKind::PublishingMember
                | RecordKind::StartedMember
                | RecordKind::KeyedMember
                | RecordKind::Own
                | RecordKind::Announced
                | RecordKind::Deregistered
                | RecordKind::Acked
                | RecordKind::Clock
                | RecordKind::Durable
                | RecordKind::Expired
                | RecordKind::Closed,
            ) => {}
        }
        if let Some(current) = &mut self.segment {
            current.record_damage(bytes, is_whole);
        }
    }

    /// Returns the time of a record, which is not before the times of the earlier ones.
    fn time_of(&self, record: &Record<'_>, at: Millis) -> Millis {
        match record {
            // A rewritten message is as old as before, although it follows younger records.
            Record::Accepted { .. } => at.max(self.message_at),
            // The time of this record may be later than the times of the records that follow.
            Record::Continued => self.recovered.at,
            Record::Epoch { .. }
            | Record::Member(_)
            | Record::Own { .. }
            | Record::Announced { .. }
            | Record::Deregistered { .. }
            | Record::Acked { .. }
            | Record::Clock { .. }
            | Record::Durable { .. }
            | Record::NewEpoch { .. }
            | Record::Expired { .. }
            | Record::Closed => at.max(self.recovered.at),
        }
    }

    fn take_record(
        &mut self,
        at: Millis,
        mut record: Record<'_>,
        delivery: Option<Delivery<'_>>,
        replay: &mut impl FnMut(RecoveryEvent<'_>),
    ) {
        let own_at = at;
        let mut at = self.time_of(&record, at);
        self.recovered.at = at.max(self.recovered.at);
        self.recovered.is_clean = false;
        // Every segment starts with an epoch record, and this one has lost it.
        self.is_epoch_in_doubt |= self.segment.as_ref().is_none_or(|it| !it.has_epoch);
        match record {
            Record::Epoch { epoch, last } => {
                let last = self.take_epoch(epoch, last, replay);
                record = Record::Epoch { epoch, last };
            }
            Record::Member(MemberState { registered_at, acked, .. }) => {
                self.acked_highest = self.acked_highest.max(registered_at).max(acked);
            }
            Record::Acked { acked, .. } => self.acked_highest = self.acked_highest.max(acked),
            Record::Accepted { number, line } => {
                let Some(delivery) = delivery else { return };
                if self.skip_repeated(own_at, delivery.seq, line) {
                    if let Some(number) = number {
                        replay(RecoveryEvent::Repeated { delivery, number });
                    }
                    return;
                }
                if !self.take_number(at, delivery.seq, replay) {
                    return;
                }
                at = at.max(self.message_at); // Superseded messages before it may be younger.
                self.message_at = at;
            }
            Record::Clock { unix } => {
                self.recovered.clock = Some((own_at, unix));
                if std::mem::take(&mut self.is_snapshot_whole) {
                    replay(RecoveryEvent::AllNamed);
                }
            }
            Record::Durable { last } => {
                self.recovered.durable = self.recovered.durable.max(last);
                self.take_durable(last, replay);
            }
            Record::NewEpoch { epoch } => self.recovered.epoch = Some(epoch),
            Record::Continued => self.is_epoch_in_doubt = true,
            Record::Closed => self.recovered.is_clean = true,
            Record::Own { .. }
            | Record::Announced { .. }
            | Record::Deregistered { .. }
            | Record::Expired { .. } => (),
        }
        replay(RecoveryEvent::Fact { at, record, delivery });
    }

    /// Handles an epoch record. Returns the last seq before the messages of this segment: the lower
    /// one of `last` and the point to which a later segment goes back.
    fn take_epoch(
        &mut self,
        epoch: Epoch,
        last: Seq,
        replay: &mut impl FnMut(RecoveryEvent<'_>),
    ) -> Seq {
        let Some(current) = &mut self.segment else { return last };
        current.has_epoch = true;
        current.epoch = Some(epoch);
        current.begun_at = self.recovered.at;
        self.recovered.durable = last;
        self.is_snapshot_whole = true;
        let is_below = self.next.is_some_and(|next| last.next() < next);
        current.is_other_life = is_below && self.recovered.epoch != Some(epoch);
        self.recovered.header = Some(current.header);
        self.recovered.epoch = Some(epoch);
        self.is_epoch_in_doubt = current.is_other_life;
        self.is_number_in_doubt = false;
        self.damaged_messages = 0;
        self.acked_highest = Seq::ZERO;
        let resumed = current.resumed_in(Some(epoch));
        let last = resumed.map_or(last, |resumed| resumed.last.min(last));
        self.advance(last.next(), replay);
        last
    }

    /// Ends a segment, perhaps with an incomplete record.
    fn end<D: Disk>(
        &mut self,
        store: &mut Store<D>,
        torn: Option<Range<u64>>,
        replay: &mut impl FnMut(RecoveryEvent<'_>),
    ) {
        let Some(mut current) = self.segment.take() else { return };
        if current.header.repeats
            && let Some(last) = self.superseded.last()
        {
            self.advance(last.next(), replay);
        }
        // Records after the snapshot may be missing, too.
        self.is_number_in_doubt |= !current.has_snapshot;
        let serial = current.header.serial;
        current.summary.last = self.next.map_or(Seq::ZERO, Seq::before);
        let issues = &mut self.recovered.issues;
        if let Some(bytes) = torn {
            issues.push(Issue::Torn { serial, bytes, cut: None });
        }
        if current.is_damaged() {
            store.mark_damaged(serial);
        }
        self.recovered.segments.push(current.summary);
        issues.extend(current.issues());
    }

    fn finish<D: Disk>(
        mut self,
        store: &mut Store<D>,
        replay: &mut impl FnMut(RecoveryEvent<'_>),
    ) -> Recovered {
        if let Some(next) = self.next {
            let next = Seq::new(next.as_u64().saturating_add(self.damaged_messages));
            self.advance(next.min(Seq::LAST.next()), replay);
        }
        let mut recovered = self.recovered;
        recovered.last = self.next.map_or(Seq::ZERO, Seq::before);
        let newest = recovered.header.map_or(0, |header| header.serial);
        let is_unreadable = store.unreadable_highest().is_some_and(|serial| serial > newest);
        let is_missing = self.is_epoch_in_doubt || self.is_number_in_doubt || is_unreadable;
        let is_above = self.acked_highest > recovered.last;
        if self.losses_unreported > 0 {
            let messages = self.losses_unreported;
            recovered.issues.push(Issue::MoreLost { messages });
        }
        if is_missing {
            recovered.issues.push(Issue::NewestMissing);
        }
        if is_above {
            recovered.issues.push(Issue::AckedAboveLast(self.acked_highest));
        }
        recovered.lost_tail = is_missing || is_above;
        recovered.is_clean &= !recovered.lost_tail;
        recovered.cut_torn(store);
        recovered.issues.splice(0..0, store.tidy().into_iter().map(Issue::Rejected));
        recovered
    }
}
