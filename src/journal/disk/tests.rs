//! A journal as a coordinator uses it, on a disk that can be damaged, fail, or lose its power.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

mod directory;
mod disk;
mod faults;
mod rewritten;
mod rot;
mod torn;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;
use crate::facts::MemberState;
use crate::limits::LOSSES_REPORTED_MAX;
use crate::protocol::{Epoch, PeerName, Seq};
use crate::time::{Millis, UnixMillis};

const BOOT: BootId = BootId(*b"0123456789abcdef");

fn header(serial: u64) -> SegmentHeader {
    SegmentHeader {
        serial,
        salt: Salt(serial * 0x9E37_79B9),
        boot: BOOT,
        sync: SyncMode::Always,
        repeats: false,
    }
}

fn name(serial: u64) -> String {
    format!("{serial:016x}.journal")
}

fn line(seq: u64, text: &str) -> Vec<u8> {
    format!("{seq}#alice#1700000000000#{text}\n").into_bytes()
}

/// Encoded records with the salt of segment `serial`.
struct Batch {
    serial: u64,
    bytes: Vec<u8>,
}

impl Batch {
    fn new(serial: u64) -> Self {
        Self { serial, bytes: Vec::new() }
    }

    fn add(mut self, record: Record<'_>, at: u64) -> Self {
        encode(&record, Millis::new(at), header(self.serial).salt, &mut self.bytes);
        self
    }

    fn start(self, epoch: u64, last: u64, at: u64) -> Self {
        let address: SocketAddr = "10.0.0.1:5000".parse().unwrap();
        let (id, owner, last) = ("alice", PeerName::Address(address.ip()), Seq::new(last));
        let alice = MemberState {
            id,
            owner,
            address,
            registered_at: Seq::ZERO,
            start: Seq::ZERO,
            acked: last,
            published: 0,
        };
        self.add(Record::Epoch { epoch: Epoch::new(epoch), last }, at)
            .add(Record::Member(alice), at)
            .add(Record::Clock { unix: UnixMillis(1_700_000_000_000 + at) }, at)
    }

    fn message(self, seq: u64, text: &str) -> Self {
        self.add(Record::Accepted { number: None, line: &line(seq, text) }, seq)
    }
}

/// Content of a recovered journal.
#[derive(Debug)]
struct RecoveredContent {
    messages: BTreeMap<u64, String>,
    lost: Vec<(u64, u64)>,
    members: usize,
    recovered: Recovered,
}

impl RecoveredContent {
    fn is_lost(&self, seq: u64) -> bool {
        self.lost.iter().any(|(first, last)| (*first..=*last).contains(&seq))
    }
}

/// Recovers a store, and checks the rules of every recovery: seqs come in order, each once, as a
/// message or as lost.
fn recover_store<D: Disk>(store: &mut Store<D>) -> RecoveredContent {
    try_recover_store(store).unwrap()
}

fn try_recover_store<D: Disk>(store: &mut Store<D>) -> Result<RecoveredContent, JournalError> {
    let (mut messages, mut lost, mut members) = (BTreeMap::new(), Vec::new(), 0);
    let mut next = None;
    let (mut last_at, mut message_at) = (Millis::ZERO, Millis::ZERO);
    let recovered = recover(store, |event| match event {
        RecoveryEvent::AllNamed | RecoveryEvent::Repeated { .. } => (),
        RecoveryEvent::Lost { first, last } => {
            assert!(next.is_none_or(|next| next == first) && first <= last);
            lost.push((first.as_u64(), last.as_u64()));
            next = Some(last.next());
        }
        RecoveryEvent::Fact { at, record, delivery } => {
            let is_message = matches!(record, Record::Accepted { .. });
            let last_at = if is_message { &mut message_at } else { &mut last_at };
            assert!(at >= *last_at, "{record:?}");
            *last_at = at;
            match record {
                Record::Accepted { .. } => {
                    let delivery = delivery.unwrap();
                    assert!(next.is_none_or(|next| next == delivery.seq), "{next:?} {delivery}");
                    next = Some(delivery.seq.next());
                    messages.insert(delivery.seq.as_u64(), delivery.text.to_owned());
                }
                Record::Member(_) => members += 1,
                Record::Epoch { .. }
                | Record::Deregistered { .. }
                | Record::Own { .. }
                | Record::Announced { .. }
                | Record::Acked { .. }
                | Record::Clock { .. }
                | Record::Durable { .. }
                | Record::NewEpoch { .. }
                | Record::Expired { .. }
                | Record::Continued
                | Record::Closed => (),
            }
        }
    })?;
    assert!(next.is_none_or(|next| next == recovered.last.next()), "{next:?} {recovered:?}");
    let reported = recovered.issues.iter().filter_map(|issue| {
        let Issue::Lost { first, last } = issue else { return None };
        Some((first.as_u64(), last.as_u64()))
    });
    assert!(reported.eq(lost.iter().copied().take(LOSSES_REPORTED_MAX)), "{lost:?} {recovered:?}");
    Ok(RecoveredContent { messages, lost, members, recovered })
}

fn recover_disk<D: Disk>(disk: D) -> RecoveredContent {
    recover_store(&mut Store::open(disk).unwrap())
}
