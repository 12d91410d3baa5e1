//! Damage of every kind: either recovered exactly, or reported as a loss with the right seqs.

use super::disk::MemoryDisk;
use super::*;

/// Epoch of the first messages, and the epoch of the last ones.
const EPOCH: u64 = 0xfeed;
const NEW_EPOCH: u64 = 0xabba;

/// A journal of three segments, the last one closed after a clean shutdown. A new epoch begins
/// after the second message of the last segment.
#[derive(Clone, Copy)]
struct Recording {
    /// Number of messages in each segment.
    messages: u64,
    /// Minimum length of a text.
    text_bytes: usize,
}

const SHORT: Recording = Recording { messages: 4, text_bytes: 0 };
/// Longer than 64 KiB.
const LONG: Recording = Recording { messages: 16, text_bytes: 1300 };

impl Recording {
    fn last(self) -> u64 {
        3 * self.messages
    }

    fn last_of_old_epoch(self) -> u64 {
        2 * self.messages + 2
    }

    fn text(self, seq: u64) -> String {
        format!("text {seq} {}", "x".repeat(self.text_bytes + seq as usize))
    }

    fn disk(self) -> MemoryDisk {
        let disk = MemoryDisk::default();
        let mut store = Store::open(disk.clone()).unwrap();
        let mut old: Option<SegmentFile<_>> = None;
        for serial in 1..=3 {
            let (first, last) = ((serial - 1) * self.messages + 1, serial * self.messages);
            let mut batch = Batch::new(serial).start(EPOCH, first - 1, first);
            for seq in first..=last {
                batch = batch.message(seq, &self.text(seq));
                batch = batch.add(Record::Acked { id: "alice", acked: Seq::new(seq) }, seq);
                if seq == self.last_of_old_epoch() {
                    batch = batch.add(Record::NewEpoch { epoch: Epoch::new(NEW_EPOCH) }, seq);
                }
            }
            if serial == 3 {
                batch = batch.add(Record::Durable { last: Seq::new(last) }, last);
                batch = batch.add(Record::Closed, last);
            }
            let mut file = store.create(&header(serial), &[]).unwrap();
            store.append(&mut file, &batch.bytes).unwrap();
            store.sync(&mut file).unwrap();
            if let Some(mut old) = old.replace(file) {
                let batch = Batch::new(old.serial()).add(Record::Continued, last);
                store.append(&mut old, &batch.bytes).unwrap();
            }
        }
        disk
    }

    fn check(self, content: &RecoveredContent, missing_allowed: u64, what: &str) {
        for (seq, found) in &content.messages {
            assert_eq!(*found, self.text(*seq), "{what}");
        }
        for (first, last) in &content.lost {
            for seq in *first..=*last {
                assert!((1..=self.last()).contains(&seq), "{what}: {seq} never existed");
                assert!(!content.messages.contains_key(&seq));
            }
        }
        let missing = self.last() - content.messages.len() as u64;
        assert!(missing <= missing_allowed, "{what}: {missing} missing of {content:?}");
        let is_unreported =
            |seq: &u64| !content.messages.contains_key(seq) && !content.is_lost(*seq);
        for seq in (1..=self.last()).filter(is_unreported) {
            let is_doubted = seq > content.recovered.last.as_u64() && content.recovered.lost_tail;
            assert!(is_doubted, "{what}: {seq} is missing without a report: {content:?}");
        }
    }

    /// Flips one bit of a segment.
    fn flip(self, disk: &MemoryDisk, serial: u64, bit: usize) {
        let (disk, what) = (disk.copy(), format!("bit {bit} of {serial}"));
        let mut rotten = disk.get(&name(serial));
        rotten[bit / 8] ^= 1 << (bit % 8);
        disk.put(&name(serial), rotten.clone());
        let content = recover_disk(disk.clone());
        let in_header = bit / 8 < HEADER_BYTES;
        // The header of the first segment shows where the seqs start.
        if in_header && serial == 1 {
            assert_eq!(content.messages.len() as u64, 2 * self.messages, "{what}");
        } else {
            self.check(&content, if in_header { self.messages } else { 1 }, &what);
        }
        assert!(!content.recovered.issues.is_empty(), "{what}");
        let is_new = content.recovered.epoch == Some(Epoch::new(NEW_EPOCH));
        assert!(is_new || content.recovered.lost_tail, "{what}: the old epoch came back");
        if in_header {
            assert_eq!(disk.get(&format!("{}.damaged-1", name(serial))), rotten, "{what}");
            assert_eq!(content.recovered.lost_tail, serial == 3, "{what}");
        }
    }

    /// Truncates the newest segment.
    fn cut_newest(self, disk: &MemoryDisk, length: usize) {
        let (disk, bytes) = (disk.copy(), disk.get(&name(3)));
        disk.put(&name(3), bytes[..length].to_vec());
        let content = recover_disk(disk.clone());
        assert!(!content.recovered.is_clean, "length {length}");
        assert!(content.lost.is_empty(), "length {length}");
        for (seq, found) in &content.messages {
            assert_eq!(*found, self.text(*seq));
        }
        let is_behind = content.messages.contains_key(&(self.last_of_old_epoch() + 1));
        let is_new = content.recovered.epoch == Some(Epoch::new(NEW_EPOCH));
        assert!(is_new || !is_behind, "length {length}: the last messages belong to the new epoch");
        // A segment has no name before its snapshot is synced.
        let snapshot = HEADER_BYTES + Batch::new(3).start(EPOCH, 0, 0).bytes.len();
        let is_cut = length < snapshot;
        assert_eq!(content.recovered.lost_tail, is_cut, "{length}");
        for issue in &content.recovered.issues {
            if let Issue::Torn { bytes: torn, cut, .. } = issue {
                assert!(torn.end == length as u64);
                assert_eq!(cut.as_ref().is_none_or(Result::is_err), is_cut, "{length}");
                let kept = if is_cut { length } else { torn.start as usize };
                assert_eq!(disk.get(&name(3)), bytes[..kept]);
            }
        }
    }

    /// Truncates an older segment.
    fn cut_older(self, disk: &MemoryDisk, serial: u64, length: usize) {
        let disk = disk.copy();
        disk.put(&name(serial), disk.get(&name(serial))[..length].to_vec());
        let content = recover_disk(disk);
        assert!(!content.recovered.lost_tail, "{length} of {serial}");
        assert_eq!(content.recovered.epoch, Some(Epoch::new(NEW_EPOCH)), "{length} of {serial}");
        if content.messages.contains_key(&1) || serial > 1 {
            self.check(&content, self.messages, &format!("{length} of {serial}"));
        }
    }

    /// Tries every bit and every length, or one of `stride`.
    fn damage_all(self, stride: usize) {
        let disk = self.disk();
        for serial in 1..=3 {
            let length = disk.get(&name(serial)).len();
            (0..length * 8).step_by(stride).for_each(|bit| self.flip(&disk, serial, bit));
            match serial {
                3 => (0..length).step_by(stride).for_each(|cut| self.cut_newest(&disk, cut)),
                _ => (HEADER_BYTES..length)
                    .step_by(stride)
                    .for_each(|cut| self.cut_older(&disk, serial, cut)),
            }
        }
    }
}

#[test]
fn every_damaged_bit_and_length_costs_its_own_records_and_is_reported() {
    SHORT.damage_all(1);
}

/// `ROT_STRIDE=1` tries every bit.
#[test]
fn bits_and_lengths_of_a_long_journal_cost_their_own_records_and_are_reported() {
    let bytes: usize = (1..=3).map(|serial| LONG.disk().get(&name(serial)).len()).sum();
    assert!(bytes >= 64 * 1024, "{bytes}");
    let stride = std::env::var("ROT_STRIDE").ok().map(|stride| stride.parse().unwrap());
    LONG.damage_all(stride.unwrap_or(211));
}

#[test]
fn a_whole_journal_is_recovered_exactly() {
    let content = recover_disk(SHORT.disk());
    SHORT.check(&content, 0, "whole");
    let Recovered { epoch, last, at, clock, header: newest, .. } = content.recovered;
    assert_eq!((epoch, last), (Some(Epoch::new(NEW_EPOCH)), Seq::new(SHORT.last())));
    assert_eq!(
        (at, clock),
        (Millis::new(12), Some((Millis::new(9), UnixMillis(1_700_000_000_009))))
    );
    assert_eq!(newest, Some(header(3)));
    assert_eq!((content.recovered.is_clean, content.recovered.lost_tail), (true, false));
    assert_eq!((content.members, content.recovered.messages_lost), (3, 0));
    assert!(content.recovered.issues.is_empty());
    let newest =
        content.recovered.segments.iter().map(|it| (it.serial, it.newest.unwrap().as_u64()));
    assert_eq!(newest.collect::<Vec<_>>(), [(1, 4), (2, 8), (3, 12)]);
}

#[test]
fn missing_segments_are_reported() {
    for serial in 1..=3 {
        let disk = SHORT.disk();
        disk.take(&name(serial));
        let content = recover_disk(disk);
        let expected: &[(u64, u64)] = if serial == 2 { &[(5, 8)] } else { &[] };
        assert_eq!(content.lost, expected);
        assert_eq!(content.recovered.lost_tail, serial == 3);
        assert_eq!(content.messages.len(), 8);
    }
    let disk = SHORT.disk();
    (1..=3).for_each(|serial| drop(disk.take(&name(serial))));
    let content = recover_disk(disk);
    assert_eq!((content.recovered.epoch, content.recovered.last), (None, Seq::ZERO));
}

#[test]
fn segments_with_swapped_names_are_read_in_their_order() {
    for (one, other) in [(1, 2), (2, 3), (1, 3)] {
        let disk = SHORT.disk();
        let bytes = disk.get(&name(one));
        disk.put(&name(one), disk.get(&name(other)));
        disk.put(&name(other), bytes);
        let content = recover_disk(disk);
        SHORT.check(&content, 0, "swapped");
        assert!(content.recovered.is_clean);
    }
}

#[test]
fn a_copied_segment_counts_once() {
    for serial in 1..=3 {
        for copy in [0, 4, 9] {
            let disk = SHORT.disk();
            let bytes = disk.get(&name(serial));
            disk.put(&name(copy), bytes.clone());
            let content = recover_disk(disk.clone());
            SHORT.check(&content, 0, "doubled");
            assert_eq!(content.recovered.lost_tail, copy > 3, "the name may have been another's");
            assert_eq!(disk.get(&format!("{}.damaged-1", name(copy))), bytes);
        }
        // The copy replaces another segment.
        for other in (1..=3).filter(|other| *other != serial) {
            let disk = SHORT.disk();
            disk.put(&name(other), disk.get(&name(serial)));
            let content = recover_disk(disk);
            if other == 1 {
                assert_eq!(content.messages.len(), 8);
            } else {
                SHORT.check(&content, 4, "overwritten with another");
            }
        }
    }
}

#[test]
fn an_unusable_segment_is_quarantined_and_does_not_stop_the_start() {
    for serial in 1..=3 {
        let length = SHORT.disk().get(&name(serial)).len();
        for nothing in [Vec::new(), vec![0; length], vec![0xFF; length], b"#!/bin/sh\n".to_vec()] {
            let disk = SHORT.disk();
            disk.put(&name(serial), nothing.clone());
            disk.put(&format!("{}.damaged-1", name(serial)), b"of an earlier time".to_vec());
            for start in 0..2 {
                let content = recover_disk(disk.clone());
                let expected: &[(u64, u64)] = if serial == 2 { &[(5, 8)] } else { &[] };
                assert_eq!(content.lost, expected, "start {start}");
                // No later segment was written, so that the doubt stays.
                assert_eq!(content.recovered.lost_tail, serial == 3, "start {start}");
            }
            assert_eq!(disk.get(&format!("{}.damaged-2", name(serial))), nothing);
            assert!(!disk.names().contains(&name(serial)));
        }
        // Damages everything after the header.
        let disk = SHORT.disk();
        let mut bytes = disk.get(&name(serial));
        bytes[HEADER_BYTES..].fill(0);
        disk.put(&name(serial), bytes);
        let content = recover_disk(disk);
        assert_eq!(content.recovered.lost_tail, serial == 3);
    }
}

#[test]
fn a_damaged_segment_is_not_deleted_when_it_is_no_longer_needed() {
    let disk = SHORT.disk();
    let mut bytes = disk.get(&name(1));
    *bytes.last_mut().unwrap() ^= 1;
    disk.put(&name(1), bytes.clone());
    let mut store = Store::open(disk.clone()).unwrap();
    SHORT.check(&recover_store(&mut store), 0, "damaged");
    store.remove(1).unwrap();
    store.remove(2).unwrap();
    assert_eq!(store.serials(), [3]);
    assert_eq!(disk.get(&format!("{}.damaged-1", name(1))), bytes);
    assert!(!disk.names().iter().any(|file| file.starts_with(&name(2))));
    assert!(!recover_disk(disk).recovered.lost_tail, "the quarantined segment is older");
}

#[test]
fn losses_above_the_report_limit_are_summed_up() {
    let mut store = Store::open(MemoryDisk::default()).unwrap();
    let mut file = store.create(&header(1), &[]).unwrap();
    let losses = LOSSES_REPORTED_MAX as u64 + 10;
    let batch = Batch::new(1).start(1, 0, 0);
    let batch = (1..=losses).fold(batch, |batch, number| batch.message(3 * number, "there"));
    store.append(&mut file, &batch.bytes).unwrap();
    let content = recover_store(&mut store);
    assert_eq!((content.lost.len() as u64, content.recovered.messages_lost), (losses, 2 * losses));
    let lines: Vec<String> = content.recovered.issues.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), LOSSES_REPORTED_MAX + 1);
    assert_eq!(lines[0], "messages 1 to 2 are lost");
    assert_eq!(lines[LOSSES_REPORTED_MAX], "20 further messages are lost");
}

#[test]
fn a_later_version_is_refused_and_nothing_is_changed() {
    let disk = SHORT.disk();
    let mut bytes = disk.get(&name(2));
    bytes[8] = 3;
    let crc = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    disk.put(&name(2), bytes);
    disk.put(&name(1), Vec::new());
    let names = disk.names();
    let refused = Store::open(disk.clone());
    assert!(matches!(refused, Err(JournalError::Version { version: 3, .. })), "{refused:?}");
    assert_eq!(disk.names(), names);
}

#[test]
fn inspecting_changes_nothing() {
    let disk = SHORT.disk();
    disk.put(&name(1), Vec::new());
    let newest = disk.get(&name(3));
    disk.put(&name(3), newest[..newest.len() - 1].to_vec());
    disk.put("0000000000000004.journal.new", Vec::new());
    let (names, bytes) = (disk.names(), disk.get(&name(3)));
    let mut store = Store::inspect(disk.clone()).unwrap();
    let content = recover_store(&mut store);
    assert_eq!((content.messages.len(), content.recovered.issues.len()), (8, 2));
    assert_eq!((disk.names(), disk.get(&name(3))), (names, bytes));
    assert!(store.create(&header(9), &[]).is_err());
}

/// Two epochs whose seqs both start at 1, as when a quarantined file is put back.
#[test]
fn numbers_of_another_epoch_are_not_mixed_with_the_first_ones() {
    let disk = SHORT.disk();
    let mut store = Store::open(disk.clone()).unwrap();
    let mut file = store.create(&header(4), &[]).unwrap();
    let batch = Batch::new(4).start(0xbeef, 0, 20).message(1, "another").message(2, "life");
    store.append(&mut file, &batch.bytes).unwrap();
    let content = recover_store(&mut store);
    SHORT.check(&content, 0, "anew");
    assert!(content.recovered.lost_tail);
    let is_twice = |it: &Issue| matches!(it, Issue::NumbersTwice { serial: 4, messages: 2 });
    assert!(content.recovered.issues.iter().any(is_twice), "{content:?}");
}

#[test]
fn a_damaged_message_at_the_end_is_lost_by_its_number() {
    let disk = MemoryDisk::default();
    let mut store = Store::open(disk.clone()).unwrap();
    let mut file = store.create(&header(1), &[]).unwrap();
    let batch = Batch::new(1).start(1, 0, 0).message(1, "one").message(2, "two");
    store.append(&mut file, &batch.bytes).unwrap();
    let mut bytes = disk.get(&name(1));
    *bytes.last_mut().unwrap() ^= 1;
    disk.put(&name(1), bytes);
    let content = recover_disk(disk.clone());
    assert_eq!((content.lost, content.recovered.last), (vec![(2, 2)], Seq::new(2)));
    assert!(content.recovered.lost_tail && content.recovered.messages_lost == 1);
    // A new segment ends the doubt.
    let mut store = Store::open(disk.clone()).unwrap();
    let mut file = store.create(&header(2), &[]).unwrap();
    let still_doubted = recover_disk(disk.clone());
    assert!(still_doubted.recovered.lost_tail, "the new one says nothing yet");
    assert_eq!(still_doubted.recovered.header, Some(header(1)));
    store.append(&mut file, &Batch::new(2).start(9, 2, 3).bytes).unwrap();
    let content = recover_disk(disk);
    assert_eq!((content.lost, content.recovered.epoch), (vec![(2, 2)], Some(Epoch::new(9))));
    assert!(!content.recovered.lost_tail);
}

#[test]
fn an_acked_number_above_the_last_shows_that_the_newest_records_are_missing() {
    for acked in 1..=3 {
        let disk = MemoryDisk::default();
        let mut store = Store::open(disk.clone()).unwrap();
        let mut file = store.create(&header(1), &[]).unwrap();
        let acked_record = Record::Acked { id: "alice", acked: Seq::new(acked) };
        let batch = Batch::new(1).start(1, 0, 0).message(1, "a").message(2, "b");
        store.append(&mut file, &batch.add(acked_record, 2).bytes).unwrap();
        assert_eq!(recover_store(&mut store).recovered.lost_tail, acked > 2);
    }
}
