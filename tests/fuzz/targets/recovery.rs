//! Recovery of a journal, with the rules that hold for arbitrary files.

use std::collections::BTreeMap;

use groupcast::journal::{self, JournalError, Record, Recovered, RecoveryEvent, Store};
use groupcast::protocol::Seq;
use groupcast::time::Millis;

use super::memory_disk::MemoryDisk;

/// Content of a recovered journal.
#[derive(Debug)]
pub(super) struct Content {
    /// Delivery line of each message, with its LF.
    pub(super) messages: BTreeMap<u64, Vec<u8>>,
    /// First and last seq of each range of lost messages.
    pub(super) lost: Vec<(u64, u64)>,
    pub(super) recovered: Recovered,
}

impl Content {
    /// Returns true if a message is there, or is reported as lost.
    pub(super) fn accounts_for(&self, seq: u64) -> bool {
        let is_lost = |(first, last): &(u64, u64)| (*first..=*last).contains(&seq);
        self.messages.contains_key(&seq) || self.lost.iter().any(is_lost)
    }

    /// Returns the lowest seq that the journal knows about.
    pub(super) fn first(&self) -> Option<u64> {
        let lost = self.lost.iter().map(|(first, _)| *first);
        self.messages.keys().copied().chain(lost).min()
    }
}

/// File name of a segment.
pub(super) fn name(serial: u64) -> String {
    format!("{serial:016x}.journal")
}

/// Recovers a directory. Each seq comes once, in order, as a message or as lost. Times do not
/// decrease. No byte of a file is lost but those of torn records. `None` if a file is of a later
/// version: then nothing is changed.
pub(super) fn recover(disk: &MemoryDisk) -> Option<Content> {
    let before = disk.files();
    let mut store = match Store::open(disk.clone()) {
        Ok(store) => store,
        Err(JournalError::Version { .. }) => {
            assert_eq!(disk.files(), before);
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let (mut messages, mut lost, mut next) = (BTreeMap::new(), Vec::new(), None);
    let (mut last_at, mut message_at) = (Millis::ZERO, Millis::ZERO);
    let recovered = journal::recover(&mut store, |event| match event {
        RecoveryEvent::AllNamed | RecoveryEvent::Repeated { .. } => (),
        RecoveryEvent::Lost { first, last } => {
            assert!(next.is_none_or(|next| next == first) && first <= last, "{next:?} {event:?}");
            next = Some(last.next());
            lost.push((first.as_u64(), last.as_u64()));
        }
        RecoveryEvent::Fact { at, record: Record::Accepted { line, .. }, delivery } => {
            assert!(at >= message_at, "a message is younger than the next one");
            message_at = at;
            let seq = delivery.expect("a line in a journal is a delivery").seq;
            assert!(next.is_none_or(|next| next == seq), "{next:?} {seq}");
            next = Some(seq.next());
            messages.insert(seq.as_u64(), line.to_vec());
        }
        RecoveryEvent::Fact { at, .. } => {
            assert!(at >= last_at, "time goes back");
            last_at = at;
        }
    });
    let recovered = recovered.expect("memory can be read");
    let last = next.map_or(Seq::ZERO, Seq::before);
    assert!(next.is_none() || last == recovered.last, "{last} {recovered:?}");
    check_files(&before, &disk.files(), &recovered);
    Some(Content { messages, lost, recovered })
}

/// Checks that each file has its bytes under its name or as a quarantined file, or is without its
/// torn record.
fn check_files(
    before: &BTreeMap<String, Vec<u8>>,
    after: &BTreeMap<String, Vec<u8>>,
    recovered: &Recovered,
) {
    for (name, bytes) in before {
        let mut kept = after.iter().filter(|(other, _)| other.starts_with(name.as_str()));
        let is_torn = |content: &[u8]| {
            let is_cut = |issue: &journal::Issue| {
                matches!(issue, journal::Issue::Torn { bytes: torn, .. }
                    if torn.start == content.len() as u64 && torn.end == bytes.len() as u64)
            };
            bytes.starts_with(content) && recovered.issues.iter().any(is_cut)
        };
        assert!(
            kept.any(|(_, content)| content == bytes || is_torn(content)),
            "{name} lost bytes: {recovered:?}"
        );
    }
}
