//! Snapshots that programs of other versions wrote.

use super::sites::{ReadingSite, options};
use super::*;
use crate::journal::list::io::{ListNotice, SiteEnd};
use crate::journal::list::snapshot::SNAPSHOT_VERSION;

const LATER: u8 = SNAPSHOT_VERSION + 1;

/// A snapshot of the list in one piece, as a program with this version of snapshots writes it.
fn piece(list: &ListState, version: u8) -> Vec<u8> {
    let [piece] = &pieces(list, &group(), &name("cairo"), 1)[..] else { panic!("one piece") };
    let mut content = piece[..piece.len().saturating_sub(8)].to_vec();
    content[2] = version;
    with_checksum(content)
}

fn notices(journal: &mut SiteJournal<Ticket>) -> Vec<ListNotice> {
    std::iter::from_fn(|| journal.poll_notice()).collect()
}

/// A start that reads these snapshots of a list that begins at entry 2, and the end of the list.
fn started(snapshots: &[(&ListState, u8)]) -> SiteJournal<Ticket> {
    let mut journal = SiteJournal::new(options(), ListPosition(2), 1);
    let (mut state, now) = (group(), Now { steady: Millis::ZERO, unix: UnixMillis(1) });
    let mut last = ListPosition::ZERO;
    for (list, version) in snapshots {
        last = list.position().next();
        let (kind, bytes) = (EntryKind::Snapshot, piece(list, *version).into());
        let entry = ListReport::Entry { position: last, stored: STORED, kind, bytes };
        journal.handle(entry, &mut state, now);
    }
    journal.handle(ListReport::CaughtUp { last }, &mut state, now);
    journal
}

#[test]
fn a_running_site_names_a_snapshot_of_another_version_once() {
    for version in [SNAPSHOT_VERSION - 1, LATER] {
        let mut site = ReadingSite::serving(rules());
        notices(&mut site.journal);
        let position = site.journal.list().position().next();
        for _ in 0..3 {
            let bytes = piece(site.journal.list(), version);
            site.read_kind(EntryKind::Snapshot, &bytes);
        }
        let found = notices(&mut site.journal);
        assert_eq!(found, [ListNotice::OtherSnapshot { position, version }]);
        site.read_kind(EntryKind::Snapshot, b"a stranger");
        assert_eq!(notices(&mut site.journal), []);
        assert_eq!(site.journal.ended(), None);
    }
}

#[test]
fn a_start_that_needs_a_snapshot_of_another_version_says_so() {
    let (one, mut later) = (founded(), founded());
    for _ in 0..5 {
        is_void(&mut later, b"a stranger", VoidReason::Damaged);
    }
    let last = ListPosition(1);
    for version in [SNAPSHOT_VERSION - 1, LATER] {
        // The entries that a later snapshot of this version leaves out are gone with the first one.
        for snapshots in [&[(&one, version)][..], &[(&one, version), (&later, SNAPSHOT_VERSION)]] {
            let mut journal = started(snapshots);
            let end = SiteEnd::NoSnapshot { last, version: Some(version) };
            assert_eq!(journal.ended(), Some(&end));
            assert!(end.to_string().contains(&format!("version {version}")), "{end}");
            assert_eq!(notices(&mut journal).len(), 1);
        }
    }
    let journal = started(&[(&one, SNAPSHOT_VERSION), (&later, LATER)]);
    assert_eq!(journal.ended(), None, "the other one is not needed");
    let journal = started(&[(&later, SNAPSHOT_VERSION)]);
    assert_eq!(journal.ended(), None, "a new epoch tells everybody");
}
