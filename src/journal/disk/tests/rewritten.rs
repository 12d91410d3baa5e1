//! Messages written again after a failure.

use super::disk::MemoryDisk;
use super::*;

/// Writes each batch as a segment of its own.
fn disk_of(batches: Vec<Batch>) -> MemoryDisk {
    let disk = MemoryDisk::default();
    let mut store = Store::open(disk.clone()).unwrap();
    for batch in batches {
        store.create(&header(batch.serial), &batch.bytes).unwrap();
    }
    disk
}

fn facts(disk: &MemoryDisk) -> Vec<(u64, String)> {
    let mut facts = Vec::new();
    recover(&mut Store::inspect(disk.clone()).unwrap(), |event| {
        if let RecoveryEvent::Fact { at, record, .. } = event {
            facts.push((at.as_u64(), format!("{record:?}")));
        }
    })
    .unwrap();
    facts
}

#[test]
fn a_rewritten_message_keeps_its_time() {
    let first = Batch::new(1).start(7, 0, 0).message(1, "one");
    let text = line(2, "two");
    let second =
        Batch::new(2).start(7, 1, 500).add(Record::Accepted { number: None, line: &text }, 20);
    let disk = disk_of(vec![first, second.add(Record::Closed, 600)]);
    let facts = facts(&disk);
    let two = facts.iter().find(|(_, fact)| fact.starts_with("Accepted") && fact.contains("50"));
    assert_eq!(two.map(|(at, _)| *at), Some(20), "{facts:?}");
    assert_eq!(facts.last().map(|(at, _)| *at), Some(600));
    assert_eq!(recover_disk(disk).recovered.at, Millis::new(600));
}

#[test]
fn numbers_that_a_later_segment_repeats_are_read_from_the_later_one() {
    let first = Batch::new(1).start(7, 0, 0).message(1, "one").message(2, "two");
    let second = Batch::new(2).start(7, 2, 10);
    let third = Batch::new(3).start(7, 1, 20).message(2, "two");
    let facts = facts(&disk_of(vec![first, second, third]));
    let lasts = facts.iter().filter(|(_, fact)| fact.starts_with("Epoch"));
    let lasts: Vec<bool> = lasts.map(|(_, fact)| fact.contains("last: Seq(2)")).collect();
    assert_eq!(lasts, [false, false, false], "{facts:?}");
    assert_eq!(facts.iter().filter(|(_, fact)| fact.starts_with("Accepted")).count(), 2);
}

#[test]
fn an_undamaged_snapshot_names_all_members() {
    let disk = disk_of(vec![Batch::new(1).start(7, 0, 0), Batch::new(2).start(7, 0, 10)]);
    let named = |disk: &MemoryDisk| {
        let mut times = 0;
        recover(&mut Store::inspect(disk.clone()).unwrap(), |event| {
            times += usize::from(event == RecoveryEvent::AllNamed);
        })
        .unwrap();
        times
    };
    assert_eq!(named(&disk), 2);
    let name = name(2);
    let mut bytes = disk.get(&name);
    let member = bytes.windows(5).position(|bytes| bytes == b"alice").unwrap();
    bytes[member] ^= 1;
    disk.put(&name, bytes);
    assert_eq!(named(&disk), 1);
}

#[test]
fn a_synced_number_was_given_out_even_if_its_message_is_damaged() {
    for is_header in [false, true] {
        let durable = Record::Durable { last: Seq::new(2) };
        let batch = Batch::new(1).start(7, 0, 0).message(1, "one").message(2, "two");
        let end = HEADER_BYTES + batch.bytes.len();
        let disk = disk_of(vec![batch.add(durable, 10)]);
        let mut bytes = disk.get(&name(1));
        let header = end - line(2, "two").len() - 1;
        bytes[if is_header { header } else { end - 1 }] ^= 1;
        disk.put(&name(1), bytes);
        let content = recover_disk(disk);
        assert_eq!((content.lost, content.recovered.last), (vec![(2, 2)], Seq::new(2)));
    }
}
