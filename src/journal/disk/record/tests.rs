//! Records read as they were written, and no other bytes read as a record.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;

use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::limits::SEQ_MAX;
use crate::protocol::{KeyName, PeerName};

/// A record with owned fields.
#[derive(Clone, Debug)]
pub(crate) enum Sample {
    Epoch(u64, u64),
    Member(String, IpAddr, u16, u64, u64),
    Keyed(String, [u8; 32], IpAddr, u64, u64),
    Own(String, Vec<(u64, u64)>),
    Announced(String, u8),
    Deregistered(String),
    Accepted(u64, String, u64, String),
    Acked(String, u64),
    Clock(u64),
    Durable(u64),
    NewEpoch(u64),
    Expired(u64),
    Continued,
    Closed,
}

/// Returns an address of the other version of IP.
fn other(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().into(),
        IpAddr::V6(_) => [10, 9, 8, 7].into(),
    }
}

impl Sample {
    pub(crate) fn encode(&self, at: Millis, salt: Salt, out: &mut Vec<u8>) {
        self.with(|record| encode(&record, at, salt, out));
    }

    pub(crate) fn with<T>(&self, then: impl FnOnce(Record<'_>) -> T) -> T {
        match self {
            Self::Epoch(epoch, last) => {
                then(Record::Epoch { epoch: Epoch::new(*epoch), last: Seq::new(*last) })
            }
            Self::Member(id, ip, port, registered_at, acked) => then(Record::Member(MemberState {
                id,
                owner: PeerName::Address(other(*ip)),
                address: SocketAddr::new(*ip, *port),
                registered_at: Seq::new(*registered_at),
                start: Seq::new(registered_at >> (acked % 2)), // With and without a past.
                acked: Seq::new(*acked),
                published: *acked % 3, // Members with and without a `send`.
            })),
            Self::Keyed(id, key, ip, registered_at, acked) => then(Record::Member(MemberState {
                id,
                owner: PeerName::Key(KeyName(*key)),
                address: SocketAddr::new(*ip, 5000),
                registered_at: Seq::new(*registered_at),
                start: Seq::new(registered_at >> (acked % 2)),
                acked: Seq::new(*acked),
                published: *acked % 3,
            })),
            Self::Own(id, ranges) => {
                let ranges = ranges.iter().map(|(first, last)| (Seq::new(*first), Seq::new(*last)));
                let ranges = ranges.collect::<Vec<_>>();
                let mut bytes = b"earlier content".to_vec();
                let encoded = EncodedRanges::encode(&ranges, &mut bytes);
                then(Record::Own { id, ranges: encoded })
            }
            Self::Announced(id, announced) => {
                let announced = take_announced(&mut [announced % 3].as_slice()).unwrap();
                then(Record::Announced { id, announced })
            }
            Self::Deregistered(id) => then(Record::Deregistered { id }),
            Self::Accepted(seq, sender, unix_ms, text) => {
                let line = format!("{seq}#{sender}#{unix_ms}#{text}\n");
                // Messages with and without a number.
                let number = NonZeroU64::new(*unix_ms % 3);
                then(Record::Accepted { number, line: line.as_bytes() })
            }
            Self::Acked(id, acked) => then(Record::Acked { id, acked: Seq::new(*acked) }),
            Self::Clock(unix) => then(Record::Clock { unix: UnixMillis(*unix) }),
            Self::Durable(last) => then(Record::Durable { last: Seq::new(*last) }),
            Self::NewEpoch(epoch) => then(Record::NewEpoch { epoch: Epoch::new(*epoch) }),
            Self::Expired(before) => then(Record::Expired { before: Seq::new(*before) }),
            Self::Continued => then(Record::Continued),
            Self::Closed => then(Record::Closed),
        }
    }
}

pub(crate) fn any_sample() -> impl Strategy<Value = Sample> {
    let id = || "[A-Za-z0-9._-]{1,64}";
    let seq = || 0..=SEQ_MAX;
    let members = (id(), any::<IpAddr>(), any::<u16>(), seq(), seq());
    let keyed = (id(), any::<[u8; 32]>(), any::<IpAddr>(), seq(), seq());
    let messages =
        (1..=SEQ_MAX, "[A-Za-z0-9._-]{1,64}|@", any::<u64>(), "[ -~\u{e9}\u{4e2d}]{1,300}");
    prop_oneof![
        (any::<u64>(), seq()).prop_map(|(epoch, last)| Sample::Epoch(epoch, last)),
        members.prop_map(|(id, ip, port, at, acked)| Sample::Member(id, ip, port, at, acked)),
        keyed.prop_map(|(id, key, ip, at, acked)| Sample::Keyed(id, key, ip, at, acked)),
        (id(), any_ranges()).prop_map(|(id, ranges)| Sample::Own(id, ranges)),
        (id(), any::<u8>()).prop_map(|(id, announced)| Sample::Announced(id, announced)),
        id().prop_map(Sample::Deregistered),
        messages.prop_map(|(seq, id, unix, text)| Sample::Accepted(seq, id, unix, text)),
        (id(), seq()).prop_map(|(id, acked)| Sample::Acked(id, acked)),
        any::<u64>().prop_map(Sample::Clock),
        seq().prop_map(Sample::Durable),
        any::<u64>().prop_map(Sample::NewEpoch),
        seq().prop_map(Sample::Expired),
        Just(Sample::Continued),
        Just(Sample::Closed),
    ]
}

/// Ranges in order that do not touch each other, as pauses and lengths.
fn any_ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let longest = SEQ_MAX / 100;
    prop::collection::vec((2..longest, 0..longest), 0..40).prop_map(|pairs| {
        let mut last = 0;
        let run = |(pause, more): (u64, u64)| {
            let first = u64::saturating_add(last, pause);
            last = first.saturating_add(more);
            (first, last)
        };
        pairs.into_iter().map(run).collect()
    })
}

fn encoded(sample: &Sample, at: u64, salt: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    sample.encode(Millis::new(at), Salt(salt), &mut bytes);
    bytes
}

proptest! {
    #[test]
    fn a_record_reads_as_it_was_written_whatever_bytes_follow(
        sample in any_sample(),
        at in 0..=GROUP_TIME_MS_MAX,
        salt in any::<u64>(),
        behind in any::<[u8; 30]>(),
    ) {
        let bytes = encoded(&sample, at, salt);
        let followed = [&bytes[..], &behind].concat();
        sample.with(|written| match read(&followed, &Checksums::new(Salt(salt))) {
            ReadRecord::Whole { at: read_at, record, delivery: parsed, bytes: length } => {
                assert_eq!((read_at, record, length), (Millis::new(at), written, bytes.len()));
                let is_message = matches!(sample, Sample::Accepted(..));
                assert_eq!(parsed.is_some(), is_message);
                if let Record::Accepted { line, .. } = record {
                    assert_eq!(parsed, delivery(line));
                }
            }
            other @ (ReadRecord::BadBody { .. } | ReadRecord::Cut | ReadRecord::Nothing) => {
                panic!("{other:?}")
            }
        });
    }

    #[test]
    fn a_record_that_is_cut_anywhere_is_known_to_be_cut(
        sample in any_sample(), at in any::<u64>(), salt in any::<u64>(),
    ) {
        let bytes = encoded(&sample, at, salt);
        for cut in 1..bytes.len() {
            let read = read(&bytes[..cut], &Checksums::new(Salt(salt)));
            assert!(matches!(read, ReadRecord::Cut), "cut at {cut}: {read:?}");
        }
    }

    #[test]
    fn a_record_of_another_segment_is_none(
        sample in any_sample(), salt in any::<u64>(), other in option::of(0..64_u32),
    ) {
        let bytes = encoded(&sample, 1, salt);
        let other = other.map_or(!salt, |bit| salt ^ (1 << bit));
        assert!(matches!(read(&bytes, &Checksums::new(Salt(other))), ReadRecord::Nothing));
        assert_eq!(find_header(&bytes, 0, &Checksums::new(Salt(other))), None);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>(), salt in any::<u64>()) {
        let _ = delivery(&bytes);
        let _ = find_header(&bytes, 0, &Checksums::new(Salt(salt)));
        if !bytes.is_empty() {
            assert!(!matches!(read(&bytes, &Checksums::new(Salt(salt))), ReadRecord::Whole { .. }));
        }
        for kind in 0..=u8::MAX {
            let kind = RecordKind::of(kind);
            let _ = kind.map(|kind| Record::of(kind, &bytes));
        }
    }
}

#[test]
fn an_impossible_body_is_damage_although_its_checksum_is_right() {
    for line in ["", "\n", "1#bob#2#text", "0#bob#2#text\n", "gap#1#1#1\n", "1#b b#2#text\n"] {
        let mut bytes = Vec::new();
        encode(
            &Record::Accepted { number: None, line: line.as_bytes() },
            Millis::ZERO,
            Salt(1),
            &mut bytes,
        );
        let read = read(&bytes, &Checksums::new(Salt(1)));
        assert!(
            matches!(read, ReadRecord::BadBody { kind: RecordKind::Accepted, .. }),
            "{line:?}: {read:?}"
        );
    }
}

/// Reading continues after an impossible record.
#[test]
fn a_number_out_of_range_is_damage_although_every_checksum_is_right() {
    let id = || "bob".to_owned();
    let ip = IpAddr::from([10, 0, 0, 1]);
    let (last, above) = (SEQ_MAX, SEQ_MAX + 1);
    for (sample, at, is_possible) in [
        (Sample::Epoch(u64::MAX, last), 0, true),
        (Sample::Epoch(1, above), 0, false),
        (Sample::Epoch(1, u64::MAX), 0, false),
        (Sample::Member(id(), ip, 5000, last, last), 0, true),
        (Sample::Member(id(), ip, 5000, above, 0), 0, false),
        (Sample::Member(id(), ip, 5000, 0, u64::MAX), 0, false),
        (Sample::Keyed(id(), [0xFF; 32], ip, last, last), 0, true),
        (Sample::Keyed(id(), [0; 32], ip, above, 0), 0, false),
        (Sample::Keyed(id(), [0; 32], ip, 0, above), 0, false),
        (Sample::Accepted(last, id(), u64::MAX, "x".to_owned()), 0, true),
        (Sample::Accepted(above, id(), 0, "x".to_owned()), 0, false),
        (Sample::Accepted(u64::MAX, id(), 0, "x".to_owned()), 0, false),
        (Sample::Acked(id(), last), 0, true),
        (Sample::Acked(id(), above), 0, false),
        (Sample::Durable(last), 0, true),
        (Sample::Durable(u64::MAX), 0, false),
        (Sample::Expired(last), 0, true),
        (Sample::Expired(above), 0, false),
        (Sample::NewEpoch(u64::MAX), RECORD_TIME_MS_MAX, true),
        (Sample::NewEpoch(0), RECORD_TIME_MS_MAX + 1, false),
        (Sample::Clock(u64::MAX), RECORD_TIME_MS_MAX, true),
        (Sample::Clock(0), RECORD_TIME_MS_MAX + 1, false),
        (Sample::Closed, u64::MAX, false),
        (Sample::Own(id(), vec![(1, 1), (3, last)]), 0, true),
        (Sample::Own(id(), vec![]), 0, true),
        (Sample::Own(id(), vec![(1, above)]), 0, false),
        (Sample::Own(id(), vec![(0, 1)]), 0, false),
        (Sample::Own(id(), vec![(2, 1)]), 0, false),
        (Sample::Own(id(), vec![(1, 1), (2, 2)]), 0, false),
        (Sample::Own(id(), vec![(5, 9), (1, 2)]), 0, false),
    ] {
        let mut bytes = Vec::new();
        sample.with(|record| encode(&record, Millis::new(at), Salt(1), &mut bytes));
        match read(&bytes, &Checksums::new(Salt(1))) {
            ReadRecord::Whole { bytes: length, .. } if is_possible => {
                assert_eq!(length, bytes.len());
            }
            ReadRecord::BadBody { bytes: length, is_whole: true, .. } if !is_possible => {
                assert_eq!(length, bytes.len());
            }
            other @ (ReadRecord::Whole { .. }
            | ReadRecord::BadBody { .. }
            | ReadRecord::Cut
            | ReadRecord::Nothing) => {
                panic!("{sample:?} at {at}: {other:?}");
            }
        }
    }
}

#[test]
fn a_length_above_the_longest_body_is_no_header() {
    let line = vec![b'x'; BODY_BYTES_MAX];
    let mut bytes = Vec::new();
    encode(&Record::Accepted { number: None, line: &line }, Millis::ZERO, Salt(1), &mut bytes);
    assert!(matches!(read(&bytes, &Checksums::new(Salt(1))), ReadRecord::BadBody { .. }));
    let mut fields: [u8; FIELDS_BYTES] = *bytes.first_chunk().unwrap();
    fields[2..6].copy_from_slice(&(BODY_BYTES_MAX as u32 + 1).to_le_bytes());
    bytes[..FIELDS_BYTES].copy_from_slice(&fields);
    bytes[FIELDS_BYTES..HEADER_BYTES].copy_from_slice(&header_crc(&fields, Salt(1)).to_le_bytes());
    assert!(matches!(read(&bytes, &Checksums::new(Salt(1))), ReadRecord::Nothing));
}

/// Older programs read the journal of a group whose members belong to addresses.
#[test]
fn only_a_member_that_belongs_to_a_key_has_the_kind_of_keys() {
    let ip = IpAddr::from([10, 0, 0, 1]);
    for acked in 0..6 {
        let member = Sample::Member("bob".to_owned(), ip, 5000, 6, acked);
        let keyed = Sample::Keyed("bob".to_owned(), [7; 32], ip, 6, acked);
        assert_ne!(member.with(|record| record.kind()), RecordKind::KeyedMember);
        assert_eq!(keyed.with(|record| record.kind()), RecordKind::KeyedMember);
    }
}
