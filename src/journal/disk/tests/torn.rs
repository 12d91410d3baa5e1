//! An incomplete record at the end of a segment that has other damage.

use super::disk::MemoryDisk;
use super::*;

const NAME: &str = "0000000000000001.journal";

/// The damaged record before the torn one is short enough to look torn, too.
#[test]
fn a_torn_record_stays_after_damage_so_that_the_doubt_stays_at_the_next_start() {
    let disk = MemoryDisk::default();
    let mut bytes = Vec::new();
    header(1).encode(&mut bytes);
    let start = Batch::new(1).start(0xfeed, 0, 0).bytes;
    let deregistered = Batch::new(1).add(Record::Deregistered { id: "alice" }, 1).bytes;
    let torn = Batch::new(1).message(1, "text").bytes;
    bytes.extend_from_slice(&start);
    bytes.extend_from_slice(&deregistered[..20]);
    bytes.extend_from_slice(&torn[..torn.len() - 1]);
    disk.put(NAME, bytes.clone());
    for start in 0..2 {
        let content = recover_disk(disk.clone());
        assert!(content.recovered.lost_tail, "start {start}");
        let issues = &content.recovered.issues;
        assert!(matches!(issues[0], Issue::Torn { cut: None, .. }), "start {start}: {issues:?}");
        assert!(matches!(issues[1], Issue::Damaged { .. }), "start {start}: {issues:?}");
        assert_eq!(disk.get(NAME), bytes, "start {start}");
    }
}
