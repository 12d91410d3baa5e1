//! A good journal that was damaged.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use groupcast::facts::MemberState;
use groupcast::journal::{BootId, Record, Salt, SegmentHeader, Store, SyncMode, encode};
use groupcast::protocol::{Epoch, PeerName, Seq};
use groupcast::time::{Millis, UnixMillis};

use super::memory_disk::MemoryDisk;
use super::recovery::{Content, name, recover};
use super::start;

/// More damage than this makes no other situations, only slower ones.
const DAMAGES_MAX: usize = 4;
/// Flipped bits in one journal. A checksum finds up to this many in a record with certainty.
const FLIPS_MAX: usize = 3;

/// Checks a journal. The first bytes choose the number of messages in each of three segments, the
/// length of the texts, and if they are even, that alice acknowledges. After that each kind of
/// damage takes five bytes.
pub fn check(bytes: &[u8]) {
    let [first, second, third, text_bytes, damages @ ..] = bytes else { return };
    let counts = [first, second, third].map(|count| u64::from(count % 6));
    let (files, lines) = good_journal(counts, usize::from(*text_bytes));
    let mut damaged = files.clone();
    let mut damage = Damage::default();
    for five in damages.as_chunks().0.iter().take(DAMAGES_MAX) {
        damage.add(*five, &mut damaged);
    }
    let is_changed = damaged != files;
    let disk = MemoryDisk::of(damaged);
    start::check(&disk);
    let content = recover(&disk).expect("damage cannot make a later version");
    for (seq, line) in &content.messages {
        assert_eq!(lines.get(seq), Some(line), "message {seq} was invented");
    }
    check_reports(&content, &lines, &damage, is_changed);
    check_next_run(&disk, &content);
}

/// Kinds of damage that were done.
#[derive(Debug, Default)]
struct Damage {
    flips: usize,
    /// Bytes became zero.
    has_zeros: bool,
    /// Files were cut, removed or swapped.
    has_missing: bool,
    /// Bytes or files stand where others were, or between others.
    has_copies: bool,
}

impl Damage {
    fn add(&mut self, five: [u8; 5], files: &mut BTreeMap<String, Vec<u8>>) {
        let [kind, file, high, low, more] = five;
        let at = usize::from(u16::from_be_bytes([high, low]));
        let (name, other) = (name(u64::from(file % 3) + 1), name(u64::from(more % 4) + 1));
        let Some(bytes) = files.get_mut(&name).filter(|bytes| !bytes.is_empty()) else { return };
        let at = at % bytes.len();
        let end = (at + usize::from(more)).min(bytes.len());
        match kind % 7 {
            0 if self.flips < FLIPS_MAX => {
                self.flips += 1;
                bytes[at] ^= 1 << (more % 8);
            }
            0 => (),
            1 => {
                self.has_missing = true;
                bytes.truncate(at);
            }
            2 => {
                self.has_zeros = true;
                bytes[at..end].fill(0);
            }
            3 => {
                self.has_missing = true;
                files.remove(&name);
            }
            4 => {
                self.has_copies = true;
                let copy = bytes.clone();
                files.insert(other, copy);
            }
            5 => {
                self.has_copies = true;
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                self.has_copies = true;
                bytes.drain(at..end);
            }
        }
    }
}

fn check_reports(
    content: &Content,
    lines: &BTreeMap<u64, Vec<u8>>,
    damage: &Damage,
    is_changed: bool,
) {
    let recovered = &content.recovered;
    let Damage { has_missing, has_copies, .. } = *damage;
    if !has_copies && !has_missing && is_changed {
        assert!(!recovered.issues.is_empty(), "damage without a report: {damage:?}");
    }
    // Records that were cut off or taken out at their borders leave no trace.
    if has_copies || (has_missing && !recovered.is_clean) {
        return;
    }
    let first = content.first().unwrap_or(u64::MAX);
    for seq in lines.keys().copied().filter(|seq| *seq >= first) {
        let is_in_doubt = seq > recovered.last.as_u64() && recovered.lost_tail;
        assert!(content.accounts_for(seq) || is_in_doubt, "{seq} is missing: {content:?}");
    }
    if !is_changed {
        let is_whole = content.messages == *lines && recovered.issues.is_empty();
        assert!(is_whole && recovered.is_clean, "{content:?}");
    }
}

/// Goes on after a recovery as a coordinator does. The next recovery finds the same messages, and
/// one more.
fn check_next_run(disk: &MemoryDisk, content: &Content) {
    let recovered = &content.recovered;
    let mut store = Store::open(disk.clone()).expect("it was opened before");
    let serial = store.next_serial();
    let epoch = recovered.epoch.filter(|_| !recovered.lost_tail).unwrap_or(Epoch::new(0xcafe));
    let line = line(recovered.last.as_u64() + 1, 9);
    let mut batch = Batch::start(serial, epoch, recovered.last, recovered.at.as_u64());
    let snapshot = std::mem::take(&mut batch.bytes);
    batch.add(Record::Accepted { number: None, line: &line });
    batch.add(Record::Closed);
    let mut writer = store.create(&header(serial), &snapshot).expect("the serial is new");
    store.append(&mut writer, &batch.bytes).expect("memory can be written");
    let next = recover(disk).expect("the version is the same");
    assert!(next.recovered.is_clean, "{next:?}");
    let mut expected = content.messages.clone();
    expected.insert(recovered.last.as_u64() + 1, line);
    assert_eq!((&next.messages, &next.lost), (&expected, &content.lost));
}

fn header(serial: u64) -> SegmentHeader {
    let boot = BootId(*b"0123456789abcdef");
    SegmentHeader {
        serial,
        salt: Salt(serial ^ 0x5A17_0000),
        boot,
        sync: SyncMode::Always,
        repeats: false,
    }
}

fn line(seq: u64, text_bytes: usize) -> Vec<u8> {
    format!("{seq}#alice#1700000000000#{seq} {}\n", "x".repeat(text_bytes)).into_bytes()
}

/// Encoded records of a segment.
struct Batch {
    salt: Salt,
    at: u64,
    bytes: Vec<u8>,
}

impl Batch {
    /// Returns the records that start a segment.
    fn start(serial: u64, epoch: Epoch, last: Seq, at: u64) -> Self {
        let mut batch = Self { salt: header(serial).salt, at, bytes: Vec::new() };
        let address = SocketAddr::from(([10, 0, 0, 1], 5000));
        let (id, owner) = ("alice", PeerName::Address(address.ip()));
        let (registered_at, acked) = (Seq::ZERO, last);
        batch.add(Record::Epoch { epoch, last });
        batch.add(Record::Member(MemberState {
            id,
            owner,
            address,
            registered_at,
            start: registered_at,
            acked,
            published: 0,
        }));
        batch.add(Record::Clock { unix: UnixMillis(1_700_000_000_000 + at) });
        batch
    }

    fn add(&mut self, record: Record<'_>) {
        encode(&record, Millis::new(self.at), self.salt, &mut self.bytes);
    }
}

/// Returns three segments and all messages in them. A new epoch begins in the last one.
fn good_journal(
    counts: [u64; 3],
    text_bytes: usize,
) -> (BTreeMap<String, Vec<u8>>, BTreeMap<u64, Vec<u8>>) {
    let (mut files, mut lines, mut last) = (BTreeMap::new(), BTreeMap::new(), 0);
    for (serial, count) in (1..).zip(counts) {
        let mut bytes = Vec::new();
        header(serial).encode(&mut bytes);
        let mut batch = Batch::start(serial, Epoch::new(0xfeed), Seq::new(last), last + 1);
        for seq in last + 1..=last + count {
            batch.at = seq;
            let line = line(seq, text_bytes);
            batch.add(Record::Accepted { number: None, line: &line });
            if text_bytes.is_multiple_of(2) {
                batch.add(Record::Acked { id: "alice", acked: Seq::new(seq) });
            }
            lines.insert(seq, line);
            last = seq;
        }
        if serial == 3 {
            batch.add(Record::NewEpoch { epoch: Epoch::new(0xabba) });
            batch.add(Record::Durable { last: Seq::new(last) });
            batch.add(Record::Expired { before: Seq::new(1) });
            batch.add(Record::Closed);
        } else {
            batch.add(Record::Continued);
        }
        bytes.append(&mut batch.bytes);
        files.insert(name(serial), bytes);
    }
    (files, lines)
}
