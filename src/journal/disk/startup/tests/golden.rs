//! Journals that earlier versions wrote: see `tests/golden/README.md`.

use super::*;
use crate::facts::MemberState;
use crate::protocol::PeerName;

/// Reads a copy of the journal of this name, and returns it with its group.
fn read(name: &str) -> (Recovered, Group) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(golden).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let mut store = Store::open(Directory::create(copy.path()).unwrap()).unwrap();
    let rules = Rules { ttl_ms: 3_600_000, ..testing::rules() };
    let JournalContents { recovered, state: mut group } =
        JournalContents::read(&mut store, Group::recovering(rules), || false).unwrap();
    let epoch = recovered.epoch.unwrap();
    finish_recovery(&mut group, epoch, recovered.at);
    (recovered, group)
}

#[test]
fn the_first_format_is_read_to_the_value() {
    let (recovered, group) = read("journal-1");
    assert!(recovered.issues.is_empty(), "{:?}", recovered.issues);
    assert_eq!((recovered.segments.len(), recovered.is_clean), (3, false));
    assert_eq!(group.epoch(), Epoch::new(0x878e_eded_5ad1_48af));
    assert_eq!(group.last(), Seq::new(9));
    let state = |id, port, registered_at, acked| {
        let address = ([127, 0, 0, 1], port).into();
        let (registered_at, acked) = (Seq::new(registered_at), Seq::new(acked));
        let owner = PeerName::Address([127, 0, 0, 1].into());
        MemberState { id, owner, address, registered_at, start: registered_at, acked, published: 0 }
    };
    let own = |ranges: &[(u64, u64)]| {
        ranges.iter().map(|(first, last)| (Seq::new(*first), Seq::new(*last))).collect::<Vec<_>>()
    };
    let members: Vec<_> = group.member_states().collect();
    let expected = [
        (state("alice", 48_265, 0, 5), own(&[(1, 5), (7, 7)])),
        (state("bob", 50_965, 0, 3), own(&[(6, 6)])),
        (state("carol", 38_599, 6, 6), own(&[(8, 9)])),
    ];
    assert_eq!(members, expected);
    let lines = group.lines(Seq::ZERO).map(|(_, line, _)| String::from_utf8_lossy(line));
    let texts: Vec<String> = lines
        .map(|line| {
            let parts: Vec<&str> = line.trim_end().splitn(4, '#').collect();
            format!("{} {}: {}", parts[0], parts[1], parts[3])
        })
        .collect();
    let expected = [
        "1 alice: from alice 1",
        "2 alice: from alice 2",
        "3 alice: from alice 3",
        "4 alice: from alice 4",
        "5 alice: from alice 5",
        "6 bob: from bob # with a mark",
        "7 alice: sp\u{e4}ter",
        "8 carol: from carol",
        "9 carol: in the new epoch",
    ];
    assert_eq!(texts, expected);
}
