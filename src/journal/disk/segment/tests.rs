//! Every bit and every length of a segment: undamaged records read as they were written.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::journal::disk::record::tests::{Sample, any_sample};

const SALT: Salt = Salt(0x0123_4567_89ab_cdef);

fn header() -> SegmentHeader {
    SegmentHeader {
        serial: 7,
        salt: SALT,
        boot: BootId(*b"0123456789abcdef"),
        sync: SyncMode::Interval,
        repeats: false,
    }
}

/// Returns a segment, the offsets of its records, and its end.
fn written(samples: &[Sample]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    header().encode(&mut bytes);
    let mut starts = vec![bytes.len()];
    for (at, sample) in samples.iter().enumerate() {
        sample.encode(Millis::new(at as u64), SALT, &mut bytes);
        starts.push(bytes.len());
    }
    (bytes, starts)
}

/// Returns records as a coordinator would write them, at least 64 KiB.
fn recorded() -> Vec<Sample> {
    let id = |index: u64| format!("member-{index}");
    let mut samples = vec![Sample::Epoch(0xfeed, 0), Sample::Clock(1_700_000_000_000)];
    let address = std::net::IpAddr::from([10, 0, 0, 1]);
    samples.extend((0..5).map(|index| Sample::Member(id(index), address, 5000, 0, 0)));
    for seq in 1..=500 {
        let text = format!("message {seq} \u{e9}").repeat(1 + seq as usize % 13);
        samples.push(Sample::Accepted(seq, id(seq % 5), 1_700_000_000_000 + seq, text));
        if seq % 4 == 0 {
            samples.push(Sample::Acked(id(seq % 3), seq));
        }
        if seq % 100 == 0 {
            samples.push(Sample::Deregistered(id(4)));
            samples.push(Sample::Member(id(4), address, 5001, seq, seq));
        }
    }
    samples.push(Sample::Closed);
    samples
}

/// Checks that the record at `first` reads as damage, and the next one as it was written.
fn check_damage(bytes: &[u8], first: usize, starts: &[usize], samples: &[Sample], bit: usize) {
    let mut records = Records { bytes, position: starts[first], checksums: Checksums::new(SALT) };
    match records.next().unwrap() {
        SegmentItem::Damage { bytes: range, kind, .. } => {
            let cost = starts[first] as u64..starts[first + 1] as u64;
            assert_eq!(range, cost, "bit {bit}: more or less than the record was lost");
            // The kind is known only if the damage is in the body and the header is intact.
            assert!(kind.is_none_or(|kind| kind as u8 == bytes[starts[first] + 1]), "bit {bit}");
        }
        other @ (SegmentItem::Record { .. } | SegmentItem::Torn { .. }) => {
            panic!("bit {bit}: {other:?}")
        }
    }
    match (records.next(), samples.get(first + 1)) {
        (None, None) => (),
        (Some(SegmentItem::Record { record, .. }), Some(sample)) => {
            sample.with(|expected| assert_eq!(record, expected, "bit {bit}"));
        }
        (found, expected) => panic!("bit {bit}: {found:?} instead of {expected:?}"),
    }
}

/// The reader knows only its position. So it is enough to check the records around a flipped bit:
/// records further away read as without it.
#[test]
fn every_flipped_bit_costs_the_record_that_it_stands_in_and_nothing_else() {
    let samples = recorded();
    let (bytes, starts) = written(&samples);
    assert!(bytes.len() >= 64 * 1024, "{}", bytes.len());
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (samples, starts, mut bytes) = (&samples, &starts, bytes.clone());
            scope.spawn(move || {
                for first in (0..samples.len()).filter(|first| first % 2 == half) {
                    for bit in starts[first] * 8..starts[first + 1] * 8 {
                        bytes[bit / 8] ^= 1 << (bit % 8);
                        check_damage(&bytes, first, starts, samples, bit);
                        bytes[bit / 8] ^= 1 << (bit % 8);
                    }
                }
            });
        }
    });
}

#[test]
fn every_flipped_bit_of_the_header_is_seen() {
    for repeats in [false, true] {
        check_header(SegmentHeader { repeats, ..header() });
    }
}

/// Checks that each flipped bit and each truncation of this header is seen.
fn check_header(header: SegmentHeader) {
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    assert_eq!(bytes.len(), HEADER_BYTES);
    assert_eq!(SegmentHeader::read(&bytes), Ok(header));
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 64 { BadHeader::Foreign } else { BadHeader::Damaged };
        assert_eq!(SegmentHeader::read(&bytes), Err(expected), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for cut in 0..bytes.len() {
        assert!(SegmentHeader::read(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_later_version_is_not_taken_for_damage() {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&3_u32.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    assert_eq!(SegmentHeader::read(&bytes), Err(BadHeader::Version(3)));
    assert_eq!(
        BadHeader::Version(3).to_string(),
        "version 3 is not supported: this program reads versions 1 and 2"
    );
}

#[test]
fn every_length_is_a_whole_segment_or_one_with_a_torn_end() {
    let samples = recorded();
    let (bytes, starts) = written(&samples);
    for cut in HEADER_BYTES..=bytes.len() {
        let whole = starts.partition_point(|start| *start <= cut) - 1;
        let mut records = Records {
            bytes: &bytes[..cut],
            position: starts[whole],
            checksums: Checksums::new(SALT),
        };
        let torn = SegmentItem::Torn { bytes: starts[whole] as u64..cut as u64 };
        assert_eq!(records.next(), (starts[whole] < cut).then_some(torn), "cut at {cut}");
        assert_eq!(records.next(), None);
    }
}

#[test]
fn a_damaged_whole_record_is_not_a_torn_one() {
    let (whole, _) = written(&recorded());
    for behind in [&[0; 1][..], &[0; 4096], b"text that ends abruptly", &[0xFF; 100], &[0xFF, 77]] {
        let bytes = [&whole[..], behind].concat();
        let last = read(&bytes).unwrap().1.last().unwrap();
        let damage = whole.len() as u64..bytes.len() as u64;
        assert_eq!(
            last,
            SegmentItem::Damage { bytes: damage, kind: None, is_whole: false },
            "{behind:?}"
        );
    }
}

/// Returns the number of records after damage that reads as one part.
fn survivors(bytes: &[u8], start: usize, what: &str) -> usize {
    let mut records = Records { bytes, position: start, checksums: Checksums::new(SALT) };
    let damage = records.next();
    assert!(matches!(damage, Some(SegmentItem::Damage { kind: None, .. })), "{what}: {damage:?}");
    let mut survivors = 0;
    for found in records {
        assert!(matches!(found, SegmentItem::Record { .. }), "{what}: {found:?}");
        survivors += 1;
    }
    survivors
}

#[test]
fn the_next_record_is_found_after_any_damaged_length() {
    let (whole, starts) = written(&recorded());
    let (first, end) = (20, 30);
    assert!(starts[first + 1] - starts[first] > 60);
    for amount in 1..60 {
        let at = starts[first];
        let mut junk = whole[..starts[end]].to_vec();
        junk.splice(at..at, vec![b'j'; amount]);
        assert_eq!(survivors(&junk, at, "bytes put in"), end - first, "{amount}");
        let mut short = whole[..starts[end]].to_vec();
        short.drain(starts[first + 1] - amount..starts[first + 1]);
        assert_eq!(survivors(&short, at, "bytes taken out"), end - first - 1, "{amount}");
    }
}

#[test]
fn a_record_beyond_the_end_is_not_torn_if_another_record_follows() {
    let mut samples = vec![Sample::Accepted(1, "bob".to_owned(), 2, "x".repeat(500))];
    samples.extend([Sample::Clock(1), Sample::Closed]);
    let (mut bytes, starts) = written(&samples);
    bytes.drain(starts[1] - 300..starts[1]);
    assert_eq!(survivors(&bytes, starts[0], "beyond the end"), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_segment_reads_as_it_was_written(samples in vec(any_sample(), 0..20)) {
        let (bytes, _) = written(&samples);
        let (read_header, mut records) = read(&bytes).unwrap();
        assert_eq!(read_header, header());
        for (at, sample) in samples.iter().enumerate() {
            let at = Millis::new(at as u64);
            sample.with(|record| {
                assert!(
                    matches!(
                        records.next(),
                        Some(SegmentItem::Record { at: read_at, record: read, .. })
                            if (read_at, read) == (at, record)
                    ),
                    "{record:?}"
                );
            });
        }
        assert_eq!(records.next(), None);
    }

    /// Bytes are overwritten, removed or inserted anywhere. The parts are in order without holes,
    /// and each record was written.
    #[test]
    fn no_damage_makes_a_record_that_was_not_written(
        samples in vec(any_sample(), 1..12),
        wounds in vec((any::<prop::sample::Index>(), vec(any::<u8>(), 0..60), 0..60_usize), 1..4),
    ) {
        let (mut bytes, _) = written(&samples);
        for (acked, new, removed) in &wounds {
            let start = HEADER_BYTES + acked.index(bytes.len() - HEADER_BYTES + 1);
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, new.iter().copied());
        }
        let mut left = samples.iter();
        for found in read(&bytes).unwrap().1 {
            if let SegmentItem::Record { record, .. } = found {
                let is_written = left.by_ref().any(|sample| sample.with(|one| one == record));
                assert!(is_written, "{record:?}");
            }
        }
        let mut position = HEADER_BYTES as u64;
        let mut records = read(&bytes).unwrap().1;
        while let Some(found) = records.next() {
            if let SegmentItem::Damage { bytes, .. } | SegmentItem::Torn { bytes } = found {
                assert_eq!(bytes.start, position);
                assert_eq!(bytes.end, records.position as u64);
            }
            assert!(position < records.position as u64);
            position = records.position as u64;
        }
        assert_eq!(position, bytes.len() as u64);
    }
}

/// A record after damage must be found fast, for any damage.
#[test]
fn damage_full_of_header_marks_is_skipped_fast() {
    let (mut bytes, _) = written(&[]);
    bytes.resize(1024 * 1024, 0xFF);
    Sample::Closed.encode(Millis::ZERO, SALT, &mut bytes);
    let (done, waiting) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(read(&bytes).unwrap().1.count()));
    assert_eq!(waiting.recv_timeout(Duration::from_secs(60)), Ok(2));
}
