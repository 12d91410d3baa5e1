//! Compaction, disks that fail, and files that another program has deleted, moved or overwritten.

use std::fs::OpenOptions;

use super::*;

/// A device that takes no byte.
#[cfg(target_os = "linux")]
const FULL: &str = "/dev/full";
/// A device that takes every write and fails every fsync.
#[cfg(target_os = "linux")]
const UNSYNCABLE: &str = "/dev/null";

/// Replaces the open file by a device. Returns the open file.
#[cfg(target_os = "linux")]
fn replace_by_device(file: &mut OutboxFile, device: &str) -> File {
    let device = OpenOptions::new().read(true).append(true).open(device).unwrap();
    std::mem::replace(&mut file.file, device)
}

#[cfg(target_os = "linux")]
#[test]
fn entries_of_a_failed_write_are_written_whole_later() {
    let fixture = OutboxFixture::new();
    let mut file = fixture.open().file;
    write(&mut file, &[text(1, "one")]);
    let before = fixture.content();
    let real = replace_by_device(&mut file, FULL);
    for _ in 0..2 {
        let report = run(&mut file, &[text(2, "two")]);
        assert_eq!((report.written, report.notes), (0, Vec::new()));
        let failure = report.failure.unwrap();
        assert!(failure.contains("No space left"), "{failure}");
    }
    file.file = real;
    let torn = format!("{before}{}", lines(&[text(2, "two")]).trim_end_matches("two\n"));
    fs::write(fixture.path(), torn).unwrap(); // The bytes that reached the disk.
    let report = retry(&mut file);
    assert_eq!((report.written, report.failure, report.notes), (2, None, Vec::new()));
    let expected = format!("{before}{}", lines(&[text(2, "two"), text(2, "two")]));
    assert_eq!(fixture.content(), expected);
    assert_eq!(retry(&mut file).written, 0);
    drop(file);
    assert_eq!(fixture.open().stored.texts, [stored(1, 0, "one"), stored(2, 0, "two")]);
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_failed_sync_a_new_file_is_written() {
    let fixture = OutboxFixture::new();
    let mut file = fixture.open_synced();
    write(&mut file, &[text(1, "one"), text(2, "two"), done(1)]);
    let before = fs::metadata(fixture.path()).unwrap();
    let real = replace_by_device(&mut file, UNSYNCABLE);
    let report = run(&mut file, &[text(3, "three")]);
    assert_eq!(report.written, 0);
    assert!(report.failure.is_some());
    file.file = real;
    // The lines stand in the old file, and a second fsync would succeed.
    file.file.write_all(lines(&[text(3, "three")]).as_bytes()).unwrap();
    fs::create_dir(fixture.beside(".unfinished")).unwrap();
    let report = retry(&mut file);
    assert_eq!(report.written, 0, "there is no new file yet");
    assert!(report.failure.is_some());
    fs::remove_dir(fixture.beside(".unfinished")).unwrap();
    let report = retry(&mut file);
    assert_eq!((report.written, report.failure, report.notes), (1, None, Vec::new()));
    let after = fs::metadata(fixture.path()).unwrap();
    assert_ne!(OpenFileId::of(&before), OpenFileId::of(&after));
    let expected = format!("{HEADER}{}", lines(&[text(2, "two"), text(3, "three")]));
    assert_eq!(fixture.content(), expected);
}

#[test]
fn a_crash_at_each_step_of_a_compaction_loses_nothing() {
    let entries = [epoch(1), text(1, "one"), text(2, "two"), number(2, 5), done(1)];
    let old = format!("{HEADER}{}", lines(&entries));
    let two = OutboxEntry::Text { order: 2, number: NonZeroU64::new(5), text: "two".into() };
    let new = format!("{HEADER}{}", lines(&[epoch(1), two]));
    let unfinished = (0..=new.len()).map(|cut| new.get(..cut));
    for (content, unfinished) in std::iter::once((&old, None))
        .chain(unfinished.map(|unfinished| (&old, unfinished)))
        .chain([(&new, None), (&new, Some(new.as_str()))])
    {
        let fixture = OutboxFixture::new();
        fs::write(fixture.path(), content).unwrap();
        if let Some(unfinished) = unfinished {
            fs::write(fixture.beside(".unfinished"), unfinished).unwrap();
        }
        let opened = fixture.open();
        let expected = named_outbox(1, vec![stored(2, 5, "two")]);
        assert_eq!((opened.stored, opened.notes), (expected, Vec::new()));
        assert_eq!(fixture.content(), new);
        assert_eq!(fixture.files(), ["outbox"]);
    }
}

#[test]
fn a_file_without_waiting_texts_is_compacted_above_its_limit() {
    let fixture = OutboxFixture::new();
    let mut file = fixture.open().file;
    let long = "x".repeat(1000);
    let mut longest = 0;
    for order in 1..200 {
        write(&mut file, &[text(order, &long)]);
        write(&mut file, &[done(order)]);
        longest = longest.max(file.length);
        assert_eq!(file.length, fs::metadata(fixture.path()).unwrap().len());
    }
    let limit = OUTBOX_EMPTY_BYTES_MAX;
    assert!((limit - 1100..=limit).contains(&longest), "{longest}");
}

#[test]
fn a_file_with_few_waiting_texts_is_compacted_above_its_limit() {
    let fixture = OutboxFixture::new();
    let mut file = OutboxFile::open(&fixture.path(), "alice", false, NOW).unwrap().file;
    let long = "x".repeat(100_000);
    let mut longest = 0;
    write(&mut file, &[text(0, &long)]);
    for order in 1..40 {
        write(&mut file, &[text(order, &long), text(100 + order, "short"), done(order)]);
        longest = longest.max(file.length);
    }
    let limit = OUTBOX_DONE_BYTES_MAX;
    assert!((limit - 100_100..limit + 101_000).contains(&longest), "{longest}");
    for order in 201..250 {
        write(&mut file, &[text(order, &long)]);
    }
    assert!(file.length > 4 * limit, "what waits is never removed");
    assert_eq!(file.index.len(), 1 + 39 + 49);
    drop(file);
    let texts = fixture.open().stored.texts;
    let orders: Vec<_> = texts.iter().map(|text| text.order).collect();
    assert_eq!(orders, std::iter::once(0).chain(101..140).chain(201..250).collect::<Vec<_>>());
}

#[test]
fn a_compaction_that_fails_is_reported_and_loses_nothing() {
    let fixture = OutboxFixture::new();
    let mut file = fixture.open().file;
    let entries = [text(1, &"x".repeat(OUTBOX_EMPTY_BYTES_MAX as usize)), done(1)];
    fs::create_dir(fixture.beside(".unfinished")).unwrap();
    let report = run(&mut file, &entries);
    assert_eq!((report.written, report.failure), (2, None));
    assert_eq!(report.notes.len(), 1);
    assert!(report.notes[0].contains("outbox cannot be shortened now: "), "{:?}", report.notes);
    // The next try comes when the file is twice as long.
    write(&mut file, &[text(3, "three"), done(3)]);
    write(&mut file, &[text(2, "two")]);
    drop(file);
    let opened = fixture.open();
    assert_eq!((opened.stored.texts, opened.notes.len()), (vec![stored(2, 0, "two")], 1));
    drop(opened.file);
    fs::remove_dir(fixture.beside(".unfinished")).unwrap();
    fixture.open();
    assert_eq!(fixture.content(), format!("{HEADER}{}", lines(&[text(2, "two")])));
}

/// The act of another program, and the state in the note.
type Case = (fn(&OutboxFixture), &'static str);

#[test]
fn a_lost_file_is_written_anew_with_the_texts_that_wait() {
    let delete = |fixture: &OutboxFixture| fs::remove_file(fixture.path()).unwrap();
    let all = "a new file has 2 texts of the old one";
    let cases: [(Case, &str, usize); 4] = [
        ((delete, "was deleted"), all, 2),
        (
            (|fixture| fs::rename(fixture.path(), fixture.beside(".x")).unwrap(), "was moved away"),
            all,
            2,
        ),
        (
            (|fixture| drop(File::create(fixture.path()).unwrap()), "was truncated"),
            "a new file has 0 texts of the old one. 2 more texts could not be saved from the old \
             file",
            0,
        ),
        (
            (
                |fixture| {
                    let file = File::options().write(true).open(fixture.path()).unwrap();
                    let one = lines(&[epoch(1), text(1, "one")]);
                    file.set_len((HEADER.len() + one.len() + 9) as u64).unwrap();
                },
                "was truncated",
            ),
            "a new file has 1 text of the old one. 1 more text could not be saved from the old \
             file",
            1,
        ),
    ];
    for ((act, state), note, saved) in cases {
        let fixture = OutboxFixture::new();
        let mut file = fixture.open_synced();
        let (one, two) = (text(1, "one"), text(2, "two"));
        write(&mut file, &[epoch(1), one, two, number(2, 4), number(1, 3)]);
        act(&fixture);
        let report = run(&mut file, &[text(3, "three")]);
        let path = fixture.path().display().to_string();
        assert_eq!((report.written, report.failure), (1, None));
        assert_eq!(report.is_damaged, note.contains("could not be saved"), "{note}");
        assert_eq!(report.notes, [format!("{path} {state}: {note}")]);
        write(&mut file, &[text(4, "four")]);
        drop(file);
        let mut expected = vec![stored(1, 3, "one"), stored(2, 4, "two")];
        expected.truncate(saved);
        expected.extend([stored(3, 0, "three"), stored(4, 0, "four")]);
        let expected = named_outbox(1, expected);
        assert_eq!(fixture.open().stored, expected, "{state}");
    }
}

/// Puts another content under the name of the outbox file.
type Overwrite = fn(&OutboxFixture, &str);

#[test]
fn a_file_of_another_program_under_the_name_is_not_touched() {
    let replace = |fixture: &OutboxFixture, content: &str| {
        fs::write(fixture.beside(".x"), content).unwrap();
        fs::rename(fixture.beside(".x"), fixture.path()).unwrap();
    };
    let overwrite = |fixture: &OutboxFixture, content: &str| {
        fs::write(fixture.path(), content).unwrap(); // The same inode.
    };
    let acts: [(Overwrite, &str); 2] = [
        (replace, "was deleted, and no new file can be written: File exists"),
        (overwrite, "not empty, and does not start with the header of an outbox file"),
    ];
    for (act, reason) in acts {
        for diary in ["dear diary".to_owned(), "long diary ".repeat(100)] {
            let fixture = OutboxFixture::new();
            let mut file = fixture.open().file;
            write(&mut file, &[text(1, "one")]);
            act(&fixture, &diary);
            for _ in 0..2 {
                let report = run(&mut file, &[text(2, "two")]);
                assert_eq!((report.written, report.notes), (0, Vec::new()));
                let failure = format!("{}: {reason}", fixture.path().display());
                assert!(report.failure.unwrap().starts_with(&failure), "{failure}");
            }
            assert_eq!(fixture.content(), diary);
            assert_eq!(fixture.files(), ["outbox"]);
            fs::remove_file(fixture.path()).unwrap();
            assert_eq!(retry(&mut file).written, 2, "the name is free");
        }
    }
}

#[test]
fn a_text_that_was_damaged_while_the_file_was_open_is_reported() {
    let fixture = OutboxFixture::new();
    let mut file = fixture.open().file;
    write(&mut file, &[text(1, "one"), text(2, "two")]);
    let damaged = fixture.content().replace("one", "onx");
    fs::write(fixture.path(), &damaged).unwrap();
    let mut notes = Vec::new();
    file.compact(&mut notes);
    let path = fixture.path().display().to_string();
    let expected = format!(
        "{path} was damaged: 1 text cannot be read, and may be missing after a restart. The \
         damaged file is kept as {path}.damaged"
    );
    assert_eq!(notes, [expected]);
    assert!(run(&mut file, &[]).is_damaged);
    assert_eq!(fs::read_to_string(fixture.beside(".damaged")).unwrap(), damaged);
    assert_eq!(fixture.content(), format!("{HEADER}{}", lines(&[text(2, "two")])));
}

#[test]
fn a_directory_that_is_gone_is_a_failure_until_it_is_back() {
    let fixture = OutboxFixture::new();
    let directory = fixture.directory.path().join("inner");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("outbox");
    let mut file = OutboxFile::open(&path, "alice", true, NOW).unwrap().file;
    write(&mut file, &[text(1, "one")]);
    fs::remove_dir_all(&directory).unwrap();
    let report = run(&mut file, &[text(2, "two")]);
    assert_eq!(report.written, 0);
    assert!(report.failure.is_some());
    fs::create_dir(&directory).unwrap();
    assert_eq!(retry(&mut file).written, 1);
    drop(file);
    let texts = OutboxFile::open(&path, "alice", true, NOW).unwrap().stored.texts;
    assert_eq!(texts, [stored(1, 0, "one"), stored(2, 0, "two")]);
}
