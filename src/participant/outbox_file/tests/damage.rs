//! Files with torn ends, zeros and flipped bits.

use std::os::unix::fs::FileExt as _;

use super::*;
use crate::limits::{OUTBOX_DAMAGED_MAX, OUTBOX_LINE_BYTES_MAX};

/// Entries of which each prefix gives other texts.
fn sample() -> Vec<OutboxEntry> {
    let (one, two, three) = (text(1, "one"), text(2, "t\tw\u{f6}"), text(3, "three"));
    vec![
        epoch(1),
        one,
        number(1, 7),
        two,
        epoch(2),
        number(1, 1),
        three,
        epoch(2),
        done(1),
        done(3),
    ]
}

#[test]
fn a_file_cut_anywhere_has_its_first_entries() {
    let fixture = OutboxFixture::new();
    let entries = sample();
    let whole = format!("{HEADER}{}", lines(&entries)).into_bytes();
    for cut in 0..=whole.len() {
        let ends = (0..=entries.len()).map(|n| HEADER.len() + lines(&entries[..n]).len());
        let count = ends.filter(|end| *end <= cut).count().saturating_sub(1);
        let is_torn = cut != 0 && !whole[..cut].ends_with(b"\n");
        let expected = model(&entries[..count]);
        let tails: [&[u8]; 4] = [b"", &[0; 1], &[0; 40], &[0; 20_000]];
        for tail in tails {
            let content = [&whole[..cut], tail].concat();
            let (found, notes, left) = fixture.recover(&content);
            assert_eq!(found, expected, "cut at {cut}, {} zeros", tail.len());
            assert_eq!(notes.len(), usize::from(is_torn || !tail.is_empty()), "{notes:?}");
            let lines = 1 + usize::from(found.epoch.is_some()) + found.texts.len();
            assert_eq!(left.lines().count(), lines);
        }
        if cut >= HEADER.len() {
            let garbage = [&whole[..cut], b"garbage\n\xff\xfe\0\n\n12"].concat();
            let (found, notes, _) = fixture.recover(&garbage);
            assert_eq!((found, notes.len()), (expected, 1), "cut at {cut}");
        }
    }
    assert_eq!(fixture.files(), ["outbox"], "a torn end is no damage");
}

#[test]
fn a_torn_end_is_reported_with_its_length() {
    let fixture = OutboxFixture::new();
    let (_, notes, _) = fixture.recover(format!("{HEADER}1").as_bytes());
    let path = fixture.path().canonicalize().unwrap().display().to_string();
    let note = "cut off 1 byte at the end, the rest of an interrupted write";
    assert_eq!(notes, [format!("{path}: {note}")]);
}

/// Checks a file with one bad byte. Returns true if another valid line follows.
fn check_flipped(entries: &[OutboxEntry], (bad, content): (usize, &[u8]), file: &File) -> bool {
    let found = recovery::read(file, "alice");
    let Ok(found) = found else {
        assert!(bad < HEADER.len(), "byte {bad}");
        return false;
    };
    assert!(bad >= HEADER.len(), "byte {bad}");
    let without = |begin: usize, end: usize| [&entries[..begin], &entries[end..]].concat();
    let stored = found.index.stored(file, NOW).unwrap();
    // A line feed that is lost joins two lines.
    let is_possible = (0..entries.len())
        .flat_map(|at| [without(at, at + 1), without(at, entries.len().min(at + 2))])
        .any(|left| model(&left) == stored);
    assert!(is_possible, "byte {bad}");
    let is_last = found.length < content.len() as u64;
    assert_ne!(is_last, found.damaged_line.is_some(), "byte {bad}");
    !is_last
}

#[test]
fn every_flipped_bit_is_noticed() {
    let entries = sample();
    let whole = format!("{HEADER}{}", lines(&entries)).into_bytes();
    let fixture = OutboxFixture::new();
    fs::write(fixture.path(), &whole).unwrap();
    let file = File::options().read(true).write(true).open(fixture.path()).unwrap();
    let last = whole.len() - lines(&entries[entries.len() - 1..]).len();
    for bit in 0..8 * whole.len() {
        let at = bit / 8;
        let flipped = [whole[at] ^ 1 << (bit % 8)];
        file.write_all_at(&flipped, at as u64).unwrap();
        let is_damage = check_flipped(&entries, (at, &whole), &file);
        assert_eq!(is_damage, (HEADER.len()..last - 1).contains(&at), "bit {bit}");
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
}

#[test]
fn a_damaged_file_is_kept_and_the_readable_entries_stay() {
    let fixture = OutboxFixture::new();
    let (one, two, three) = (text(1, "one"), text(2, "two"), text(3, "three"));
    let path = fixture.path();
    for (number, suffix) in [".damaged", ".damaged.2", ".damaged.3"].into_iter().enumerate() {
        let bad = lines(std::slice::from_ref(&two)).replace("two", "twa");
        let begin = format!("{HEADER}{}{bad}", lines(std::slice::from_ref(&one)));
        let content = format!("{begin}{}torn {number}", lines(std::slice::from_ref(&three)));
        let (found, notes, left) = fixture.recover(content.as_bytes());
        assert_eq!(found.texts, [stored(1, 0, "one"), stored(3, 0, "three")]);
        let path = path.canonicalize().unwrap().display().to_string();
        assert_eq!(
            notes,
            [format!(
                "{path}: line 3 is damaged: a text may be missing, or may be sent twice. The \
                 damaged file is kept as {path}{suffix}"
            )]
        );
        assert_eq!(left, format!("{HEADER}{}", lines(&[one.clone(), three.clone()])));
        assert_eq!(fs::read_to_string(fixture.beside(suffix)).unwrap(), content);
    }
    let expected = ["outbox", "outbox.damaged", "outbox.damaged.2", "outbox.damaged.3"];
    assert_eq!(fixture.files(), expected);
}

#[test]
fn a_crash_after_the_damaged_file_got_its_name_does_not_keep_the_file_twice() {
    let fixture = OutboxFixture::new();
    let content = format!("{HEADER}bad\n{}", lines(&[text(1, "one")]));
    fs::write(fixture.path(), content).unwrap();
    fs::hard_link(fixture.path(), fixture.beside(".damaged")).unwrap();
    fs::write(fixture.beside(".unfinished"), HEADER).unwrap();
    assert_eq!(fixture.open().stored.texts, [stored(1, 0, "one")]);
    assert_eq!(fixture.files(), ["outbox", "outbox.damaged"]);
}

#[test]
fn a_damaged_file_that_cannot_be_kept_stops_the_start_and_stays() {
    let fixture = OutboxFixture::new();
    let content = format!("{HEADER}bad\n{}", lines(&[text(1, "one")]));
    for number in 1..=OUTBOX_DAMAGED_MAX {
        let suffix = if number == 1 { ".damaged".into() } else { format!(".damaged.{number}") };
        fs::write(fixture.beside(&suffix), "").unwrap();
    }
    fs::write(fixture.path(), &content).unwrap();
    let refused = fixture.try_open().unwrap_err().to_string();
    assert!(refused.starts_with("100 damaged files are kept, from "), "{refused}");
    assert_eq!(fixture.content(), content);
    fs::remove_file(fixture.beside(".damaged.7")).unwrap();
    fs::create_dir(fixture.beside(".unfinished")).unwrap();
    assert!(fixture.try_open().is_err(), "no new file can be written");
    assert_eq!(fixture.content(), content);
    fs::remove_dir(fixture.beside(".unfinished")).unwrap();
    assert_eq!(fixture.open().stored.texts, [stored(1, 0, "one")]);
}

#[test]
fn a_line_that_is_longer_than_any_text_is_skipped() {
    let fixture = OutboxFixture::new();
    let long = "x".repeat(OUTBOX_LINE_BYTES_MAX + 100);
    let content = format!("{HEADER}{long}\n{}", lines(&[text(1, "one")]));
    let (found, notes, _) = fixture.recover(content.as_bytes());
    assert_eq!((found.texts, notes.len()), (vec![stored(1, 0, "one")], 1));
}

/// A file whose first bytes cannot be read: `EIO`.
#[cfg(target_os = "linux")]
const UNREADABLE: &str = "/proc/self/mem";

#[cfg(target_os = "linux")]
#[test]
fn bytes_that_cannot_be_read_are_an_error_and_no_damage() {
    let file = File::open(UNREADABLE).unwrap();
    let unreadable = recovery::read(&file, "alice").unwrap_err().to_string();
    assert!(unreadable.contains("Input/output error"), "{unreadable}");
    let mut index = OutboxIndex::default();
    index.apply_lines(&lines(&[text(1, "one")]), 0);
    assert!(index.read(&file, |_| Ok(())).is_err());
}
