//! Content of the segments on the disk, read with the format alone.

use std::collections::BTreeSet;

use groupcast::facts::MemberState;
use groupcast::journal::{Record, SegmentItem, read};

use super::{File, Storage};

impl Storage {
    /// Returns the number of segments and of their bytes.
    pub(crate) fn segments(&self) -> (u64, usize) {
        let state = self.state();
        let files = state.names.iter().filter(|(name, _)| name.ends_with(".journal"));
        files.fold((0, 0), |(bytes, count), (_, file)| {
            (bytes + state.files[*file].bytes.len() as u64, count + 1)
        })
    }

    /// Returns the content of each segment, for a trace.
    pub(crate) fn list(&self) -> String {
        let state = self.state();
        let mut lines = String::new();
        for (name, file) in &state.names {
            let File { bytes, durable, .. } = &state.files[*file];
            lines.push_str(&format!("\n    {name}: {} bytes, {durable} durable", bytes.len()));
            let Ok((header, records)) = read(bytes) else { continue };
            lines.push_str(&format!(", {:?}, {:?}:", header.boot.0[0], header.sync));
            for found in records {
                match found {
                    SegmentItem::Record { delivery: Some(delivery), at, .. } => {
                        lines.push_str(&format!(" {}@{at}", delivery.seq));
                    }
                    SegmentItem::Record {
                        record: Record::Member(MemberState { id, acked, .. }),
                        ..
                    } => {
                        lines.push_str(&format!(" {id}:{acked}"));
                    }
                    SegmentItem::Record { record, at, .. } => {
                        lines.push_str(&format!(" {record:?}@{at}"));
                    }
                    damage @ (SegmentItem::Damage { .. } | SegmentItem::Torn { .. }) => {
                        lines.push_str(&format!(" {damage:?}"));
                    }
                }
            }
        }
        lines
    }

    /// The numbers of all messages in all segments, as far as they can be read.
    pub(crate) fn numbers(&self) -> BTreeSet<u64> {
        let state = self.state();
        let names = state.names.iter().filter(|(name, _)| name.ends_with(".journal"));
        let read = names.filter_map(|(_, file)| read(&state.files[*file].bytes).ok());
        let found = read.flat_map(|(_, records)| records);
        let numbers = found.filter_map(|found| {
            let SegmentItem::Record { delivery, .. } = found else { return None };
            delivery
        });
        numbers.map(|delivery| delivery.seq.as_u64()).collect()
    }

    /// Returns the time at which the last message in a segment was accepted.
    pub(crate) fn newest(&self, serial: u64) -> Option<u64> {
        let state = self.state();
        let file = state.names.get(&format!("{serial:016x}.journal"))?;
        let (_, records) = read(&state.files[*file].bytes).ok()?;
        let accepted = records.filter_map(|found| match found {
            SegmentItem::Record { record: Record::Accepted { .. }, at, .. } => Some(at.as_u64()),
            SegmentItem::Record { .. } | SegmentItem::Damage { .. } | SegmentItem::Torn { .. } => {
                None
            }
        });
        accepted.max()
    }

    /// The number before the first that the newest segment may have.
    pub(crate) fn begun_after(&self) -> u64 {
        let state = self.state();
        let names = state.names.iter().filter(|(name, _)| name.ends_with(".journal"));
        let newest = names.filter_map(|(_, file)| read(&state.files[*file].bytes).ok());
        let newest = newest.max_by_key(|(header, _)| header.serial);
        let first = newest.and_then(|(_, mut records)| records.next());
        match first {
            Some(SegmentItem::Record { record: Record::Epoch { last, .. }, .. }) => last.as_u64(),
            Some(
                SegmentItem::Record { .. } | SegmentItem::Damage { .. } | SegmentItem::Torn { .. },
            )
            | None => 0,
        }
    }
}
