//! Arbitrary bytes as a segment of a journal.

use groupcast::journal::{HEADER_BYTES, Issue, Salt, SegmentItem, encode, read};
use groupcast::limits::GROUP_TIME_MS_MAX;

use super::memory_disk::MemoryDisk;
use super::recovery::{name, recover};
use super::start;

/// Bytes of a record without its body.
const RECORD_HEADER_BYTES: usize = 22;
/// Kind of a record that is read and no longer written.
const UNWRITTEN_KIND: u8 = 2;

/// Checks the bytes, and the bytes with right checksums.
pub fn check(bytes: &[u8]) {
    check_segment(bytes);
    check_segment(&sealed(bytes));
}

fn check_segment(bytes: &[u8]) {
    let shape = Shape::of(bytes);
    let disk = MemoryDisk::of([(name(1), bytes.to_vec())].into());
    let whole = MemoryDisk::of(disk.files());
    let Some(content) = recover(&disk) else { return };
    start::check(&whole);
    let is_there = |line: &Vec<u8>| bytes.windows(line.len()).any(|window| window == line);
    assert!(content.messages.values().all(is_there), "a message was invented");
    let issues = &content.recovered.issues;
    let reported = |kind: fn(&Issue) -> bool| issues.iter().any(kind);
    match shape {
        // A serial can be out of range behind a good checksum.
        _ if reported(|issue| matches!(issue, Issue::Rejected(_))) => {
            assert!(content.messages.is_empty());
        }
        Some(Shape { has_damage, is_torn }) => {
            let is_damage_reported = reported(|issue| matches!(issue, Issue::Damaged { .. }));
            let is_torn_reported = reported(|issue| matches!(issue, Issue::Torn { .. }));
            let expected = (has_damage, is_torn);
            assert_eq!((is_damage_reported, is_torn_reported), expected, "{issues:?}");
        }
        None => panic!("a file without a header is used: {issues:?}"),
    }
    let again = recover(&disk).expect("the version is the same");
    assert_eq!((&content.messages, &content.lost), (&again.messages, &again.lost));
    assert_eq!(content.recovered.lost_tail, again.recovered.lost_tail);
}

struct Shape {
    has_damage: bool,
    is_torn: bool,
}

impl Shape {
    /// Reads a segment. Its parts have no holes, and its records encode to the same bytes. Returns
    /// `None` if it has no header.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (header, items) = read(bytes).ok()?;
        let mut encoded = Vec::new();
        header.encode(&mut encoded);
        assert_eq!(bytes[..HEADER_BYTES], encoded);
        let mut position = HEADER_BYTES;
        let mut shape = Self { has_damage: false, is_torn: false };
        for item in items {
            assert!(!shape.is_torn, "a torn record is the last one");
            let range = match item {
                SegmentItem::Record { at, record, .. } => {
                    let whole = record_at(bytes, position).expect("it was read");
                    let (kind, at_written) = (whole[1], u64_at(whole, 10));
                    encoded.clear();
                    encode(&record, at, header.salt, &mut encoded);
                    if kind != UNWRITTEN_KIND && at_written <= GROUP_TIME_MS_MAX {
                        assert_eq!(whole, encoded, "{record:?}");
                    }
                    position += whole.len();
                    continue;
                }
                SegmentItem::Damage { bytes, .. } => {
                    shape.has_damage = true;
                    bytes
                }
                SegmentItem::Torn { bytes } => {
                    shape.is_torn = true;
                    bytes
                }
            };
            assert!(range.start == position as u64 && range.end > range.start, "{range:?}");
            position = usize::try_from(range.end).expect("a file in memory");
        }
        assert_eq!(position, bytes.len());
        Some(shape)
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

/// Returns the record at this position, if it is long enough.
fn record_at(bytes: &[u8], position: usize) -> Option<&[u8]> {
    let rest = bytes.get(position..)?;
    let length = u32::from_le_bytes(*rest.get(2..)?.first_chunk()?);
    rest.get(..RECORD_HEADER_BYTES.checked_add(length.try_into().ok()?)?)
}

/// Returns the bytes with right checksums, as far as they have the form of a segment. Without them
/// a fuzzer meets few records.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    if sealed.len() < HEADER_BYTES {
        return sealed;
    }
    for (first, last) in [(0, 12), (16, 49)] {
        let crc = crc32fast::hash(&sealed[first..last]);
        sealed[last..last + 4].copy_from_slice(&crc.to_le_bytes());
    }
    let Salt(salt) = Salt(u64_at(&sealed, 24));
    let mut position = HEADER_BYTES;
    while let Some(length) = record_at(&sealed, position).map(<[u8]>::len) {
        let record = &mut sealed[position..position + length];
        let crc = crc32fast::hash(&record[RECORD_HEADER_BYTES..]);
        record[6..10].copy_from_slice(&crc.to_le_bytes());
        let salted = [&salt.to_le_bytes(), &record[..18]].concat();
        record[18..22].copy_from_slice(&crc32fast::hash(&salted).to_le_bytes());
        position += length;
    }
    sealed
}
