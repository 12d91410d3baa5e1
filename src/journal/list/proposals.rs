//! Proposals of this process that the list has not decided yet.
//!
//! ```text
//!   proposal ─► waiting ─► under way: the next batch, sent until its number is read back
//!                               └─ after engine_timeout: withdrawn, an empty batch of that number
//! ```
//!
//! Of all batches with one number, the first in the list counts.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::batch::BatchHeader;
use super::names::ListPosition;
use super::record::ListRecord;
use crate::limits::list::{BATCH_BYTES_MAX, BATCH_OVERHEAD_BYTES};
use crate::time::Millis;

const RECORDS_BYTES_MAX: usize = BATCH_BYTES_MAX - BATCH_OVERHEAD_BYTES;

/// Encoded records with the tickets of their requests.
#[derive(Clone, Debug)]
pub(super) struct RecordBatch<T> {
    pub(super) records: Vec<u8>,
    /// One for each record. `None` if nothing waits for the record.
    pub(super) tickets: Vec<Option<T>>,
}

impl<T> Default for RecordBatch<T> {
    fn default() -> Self {
        Self { records: Vec::new(), tickets: Vec::new() }
    }
}

impl<T> RecordBatch<T> {
    fn count(&self) -> u32 {
        u32::try_from(self.tickets.len()).unwrap_or(u32::MAX)
    }
}

/// A batch that was sent, and whose number is not read back.
#[derive(Clone, Debug)]
pub(super) struct BatchUnderWay<T> {
    pub(super) content: RecordBatch<T>,
    /// Bytes that are sent now: the batch, or the empty one that withdraws it.
    pub(super) bytes: Bytes,
    pub(super) is_withdrawn: bool,
    pub(super) begun: Millis,
    /// Entry of the bytes, if the engine has told it.
    pub(super) stored: Option<ListPosition>,
}

/// Proposals in the order in which they will be decided.
#[derive(Debug)]
pub(super) struct Proposals<T> {
    waiting: VecDeque<RecordBatch<T>>,
    waiting_bytes: usize,
    pub(super) under_way: Option<BatchUnderWay<T>>,
    /// The end of this life is proposed: nothing may follow it.
    pub(super) are_closed: bool,
}

impl<T> Default for Proposals<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), waiting_bytes: 0, under_way: None, are_closed: false }
    }
}

impl<T: Copy + Ord> Proposals<T> {
    /// Adds a proposal.
    pub(super) fn add(&mut self, record: &ListRecord<'_>, ticket: Option<T>) {
        if self.waiting.is_empty() {
            self.waiting.push_back(RecordBatch::default());
        }
        let Some(last) = self.waiting.back_mut() else { return };
        let before = last.records.len();
        record.encode(&mut last.records);
        let bytes = last.records.len().saturating_sub(before);
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        if last.records.len() <= RECORDS_BYTES_MAX || last.tickets.is_empty() {
            return last.tickets.push(ticket);
        }
        let records = last.records.split_off(before);
        self.waiting.push_back(RecordBatch { records, tickets: vec![ticket] });
    }

    /// Adds a record that makes the next batch alone, before all proposals that wait.
    pub(super) fn add_first(&mut self, record: &ListRecord<'_>) {
        let mut records = Vec::new();
        record.encode(&mut records);
        self.waiting_bytes = self.waiting_bytes.saturating_add(records.len());
        self.waiting.push_front(RecordBatch { records, tickets: vec![None] });
    }

    /// Returns the bytes of proposals that are not under way.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Returns the number of requests whose proposals are not decided.
    pub(super) fn requests(&self) -> usize {
        let under_way = self.under_way.iter().map(|batch| &batch.content);
        let all = self.waiting.iter().chain(under_way).flat_map(|content| &content.tickets);
        all.flatten().count()
    }

    /// Returns true if a batch can be made of waiting proposals.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_none()
    }

    /// Makes a batch of the waiting proposals, or an empty one, and returns its bytes.
    pub(super) fn begin(&mut self, header: &BatchHeader, now: Millis) -> Bytes {
        let content = self.waiting.pop_front().unwrap_or_default();
        self.waiting_bytes = self.waiting_bytes.saturating_sub(content.records.len());
        let bytes = Bytes::from(header.encode(content.count(), &content.records));
        self.under_way = Some(BatchUnderWay {
            content,
            bytes: bytes.clone(),
            is_withdrawn: false,
            begun: now,
            stored: None,
        });
        bytes
    }

    /// Encodes the batch under way again, with a new header and the same number.
    pub(super) fn renew(&mut self, header: &BatchHeader, withdraws: bool) -> Bytes {
        let Some(batch) = &mut self.under_way else { return Bytes::new() };
        batch.is_withdrawn |= withdraws;
        let bytes = match batch.is_withdrawn {
            true => header.encode(0, &[]),
            false => header.encode(batch.content.count(), &batch.content.records),
        };
        batch.bytes = Bytes::from(bytes);
        batch.stored = None;
        batch.bytes.clone()
    }

    /// Takes the content of the batch under way, whose number is decided.
    pub(super) fn finish(&mut self) -> Option<BatchUnderWay<T>> {
        self.under_way.take()
    }

    /// Takes the waiting proposals whose requests wait for no proposal under way. Returns their
    /// number, too.
    pub(super) fn take_withdrawable(&mut self) -> (RecordBatch<T>, usize) {
        let withdrawn = self.take_waiting(|_, _| true);
        let count = withdrawn.tickets.len();
        (withdrawn, count)
    }

    /// Takes the waiting texts of requests that wait for no other proposal.
    pub(super) fn take_texts(&mut self) -> RecordBatch<T> {
        self.take_waiting(|record, ticket| {
            matches!(record, ListRecord::Say { .. }) && ticket.is_some()
        })
    }

    /// Takes the waiting proposals that are `wanted`. A client gets its replies in order, so those
    /// behind a proposal of the same client that is under way, or stays, stay too.
    fn take_waiting(
        &mut self,
        wanted: impl Fn(&ListRecord<'_>, Option<T>) -> bool,
    ) -> RecordBatch<T> {
        let sent = self.under_way.as_ref().map_or(&[][..], |batch| &batch.content.tickets);
        let mut ahead: BTreeSet<T> = sent.iter().flatten().copied().collect();
        let mut taken = RecordBatch::default();
        self.waiting_bytes = 0;
        for content in std::mem::take(&mut self.waiting) {
            let mut records = content.records.as_slice();
            for ticket in content.tickets {
                let Some(record) = ListRecord::take(&mut records) else { break };
                let is_behind = ticket.is_some_and(|ticket| ahead.contains(&ticket));
                if wanted(&record, ticket) && !is_behind {
                    record.encode(&mut taken.records);
                    taken.tickets.push(ticket);
                } else {
                    ahead.extend(ticket.filter(|_| !is_behind));
                    self.add(&record, ticket);
                }
            }
        }
        taken
    }
}
