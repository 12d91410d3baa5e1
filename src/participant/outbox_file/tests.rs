use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;
use crate::participant::unusable_file::FileUse;
use crate::protocol::Epoch;
use crate::session::StoredText;

mod ages;
mod damage;
mod files;

const HEADER: &str = "# groupcast outbox of alice\n";
const NOW: UnixMillis = UnixMillis(1_795_341_900_123);

struct OutboxFixture {
    directory: tempfile::TempDir,
}

impl OutboxFixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.directory.path().join(format!("outbox{suffix}"))
    }

    fn path(&self) -> PathBuf {
        self.beside("")
    }

    fn open(&self) -> OpenedOutbox {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<OpenedOutbox, UnusableFile> {
        OutboxFile::open(&self.path(), "alice", false, NOW)
    }

    /// Opens the file as with `--sync`.
    fn open_synced(&self) -> OutboxFile {
        OutboxFile::open(&self.path(), "alice", true, NOW).unwrap().file
    }

    fn content(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Opens a file with this content. Returns the stored texts, the notes, and the content
    /// afterwards.
    fn recover(&self, content: &[u8]) -> (StoredOutbox, Vec<String>, String) {
        // A file that is truncated and written again is flushed by some file systems: slow.
        let _ = fs::remove_file(self.path());
        fs::write(self.path(), content).unwrap();
        let OpenedOutbox { file, stored, notes } = self.open();
        drop(file);
        let left = self.content();
        let again = self.open();
        assert_eq!((&again.stored, &again.notes), (&stored, &Vec::new()), "nothing more to repair");
        assert_eq!(self.content(), left, "nothing more to repair");
        (stored, notes, left)
    }
}

fn text(order: u64, text: &str) -> OutboxEntry {
    OutboxEntry::Text { order, number: None, text: text.into() }
}

fn number(order: u64, number: u64) -> OutboxEntry {
    OutboxEntry::Number { order, number: NonZeroU64::new(number).unwrap() }
}

fn done(order: u64) -> OutboxEntry {
    OutboxEntry::Done { order }
}

/// Names one of a few epochs, or none for 0.
fn epoch(epoch: u64) -> OutboxEntry {
    OutboxEntry::Epoch { epoch: epoch_named(epoch) }
}

fn epoch_named(epoch: u64) -> Option<Epoch> {
    (epoch > 0).then(|| Epoch::new(epoch))
}

fn named_outbox(epoch: u64, texts: Vec<StoredText>) -> StoredOutbox {
    StoredOutbox { epoch: epoch_named(epoch), may_be_new: false, texts }
}

fn stored(order: u64, number: u64, text: &str) -> StoredText {
    StoredText { order, number: NonZeroU64::new(number), text: text.into(), age_ms: 0 }
}

fn lines(entries: &[OutboxEntry]) -> String {
    let mut lines = String::new();
    entries.iter().for_each(|entry| OutboxLine::new(entry, NOW).push_to(&mut lines));
    lines
}

fn run(file: &mut OutboxFile, entries: &[OutboxEntry]) -> OutboxReport {
    run_at(file, entries, NOW)
}

fn run_at(file: &mut OutboxFile, entries: &[OutboxEntry], at: UnixMillis) -> OutboxReport {
    let mut batch = OutboxBatch::default();
    entries.iter().for_each(|entry| batch.push(OutboxJob::Store(entry.clone(), at)));
    file.run(vec![batch])
}

fn retry(file: &mut OutboxFile) -> OutboxReport {
    let mut batch = OutboxBatch::default();
    batch.push(OutboxJob::Retry);
    file.run(vec![batch])
}

/// Writes entries that cause no note.
fn write(file: &mut OutboxFile, entries: &[OutboxEntry]) {
    let report = run(file, entries);
    assert_eq!((report.written, report.failure, report.notes), (entries.len(), None, Vec::new()));
}

/// Applies entries in the simplest way.
fn model(entries: &[OutboxEntry]) -> StoredOutbox {
    let mut texts: BTreeMap<u64, StoredText> = BTreeMap::new();
    let (mut named, mut may_be_new) = (None, false);
    for entry in entries {
        match entry {
            OutboxEntry::Text { order, number, text } => {
                let number = number.map_or(0, NonZeroU64::get);
                drop(texts.insert(*order, stored(*order, number, text)));
            }
            OutboxEntry::Number { order, number } => {
                if let Some(text) = texts.get_mut(order) {
                    text.number = Some(*number);
                }
            }
            OutboxEntry::Done { order } => drop(texts.remove(order)),
            OutboxEntry::Epoch { epoch } => {
                let is_first = named.is_none() && epoch.is_some() && !may_be_new;
                texts.values_mut().filter(|_| !is_first).for_each(|text| text.number = None);
                (named, may_be_new) = (*epoch, false);
            }
            OutboxEntry::Register { is_refused } => may_be_new = !is_refused,
        }
    }
    StoredOutbox { epoch: named, may_be_new, texts: texts.into_values().collect() }
}

fn entries() -> impl Strategy<Value = Vec<OutboxEntry>> {
    let order = 1..12_u64;
    let number = || (1..20_u64).prop_map(|number| NonZeroU64::new(number).unwrap());
    let a_text = prop_oneof![
        "[a-z\t#]{0,12}".boxed(),
        "[^\u{0}-\u{8}\u{a}-\u{1f}\u{7f}-\u{9f}]{1,40}".boxed()
    ];
    let entry = prop_oneof![
        (order.clone(), proptest::option::of(number()), a_text).prop_map(
            |(order, number, text)| OutboxEntry::Text { order, number, text: text.into() }
        ),
        (order.clone(), number()).prop_map(|(order, number)| OutboxEntry::Number { order, number }),
        order.prop_map(|order| OutboxEntry::Done { order }),
        (0..3_u64).prop_map(epoch),
        any::<bool>().prop_map(|is_refused| OutboxEntry::Register { is_refused }),
    ];
    proptest::collection::vec(entry, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_texts_after_any_entries_restarts_and_compactions_are_those_of_a_naive_model(
        batches in proptest::collection::vec((entries(), 0..4), 1..5)
    ) {
        let fixture = OutboxFixture::new();
        let mut file = fixture.open().file;
        let mut written = Vec::new();
        for (entries, act) in batches {
            write(&mut file, &entries);
            written.extend(entries);
            match act {
                0 => {
                    drop(file);
                    let opened = fixture.open();
                    prop_assert_eq!(opened.stored, model(&written));
                    prop_assert_eq!(opened.notes, Vec::<String>::new());
                    file = opened.file;
                }
                1 => {
                    let mut notes = Vec::new();
                    file.compact(&mut notes);
                    prop_assert_eq!(notes, Vec::<String>::new());
                }
                _ => (),
            }
            let bytes: u64 = file.index.bytes();
            prop_assert!(bytes < file.length && (bytes == 0) == file.index.is_empty());
        }
        drop(file);
        let opened = fixture.open();
        prop_assert_eq!(opened.stored, model(&written));
        let lines = fixture.content().lines().count();
        prop_assert_eq!(lines, 1 + opened.file.index.lines(), "entries that are over are removed");
    }
}

#[test]
fn a_new_file_is_for_the_user_alone_and_has_the_header() {
    let fixture = OutboxFixture::new();
    let OpenedOutbox { mut file, stored: found, notes } = fixture.open();
    assert_eq!((found, notes), (StoredOutbox::default(), Vec::new()));
    assert_eq!(fixture.content(), HEADER);
    let entries = [text(1, "hello"), text(2, "a\tb"), number(1, 7), done(2)];
    write(&mut file, &entries);
    assert_eq!(fixture.content(), format!("{HEADER}{}", lines(&entries)));
    drop(file);
    let reopened = fixture.open();
    assert_eq!(reopened.stored.texts, [stored(1, 7, "hello")]);
    let numbered = OutboxEntry::Text { order: 1, number: NonZeroU64::new(7), text: "hello".into() };
    assert_eq!(fixture.content(), format!("{HEADER}{}", lines(&[numbered])), "compacted");
    assert_eq!(fixture.files(), ["outbox"]);
    let mode = fs::metadata(fixture.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_number_is_over_when_another_numbering_starts_and_a_file_of_an_earlier_version_keeps_it() {
    let fixture = OutboxFixture::new();
    let begin = [text(1, "one"), number(1, 7)];
    let asked = || OutboxEntry::Register { is_refused: false };
    let refused = || OutboxEntry::Register { is_refused: true };
    for (more, named, kept) in [
        (vec![], 0, 7),
        (vec![epoch(1)], 1, 7),
        (vec![asked(), epoch(1)], 1, 0),
        (vec![asked(), refused(), epoch(1)], 1, 7),
        (vec![epoch(1), epoch(2)], 2, 0),
        (vec![epoch(1), epoch(1)], 1, 0),
        (vec![epoch(1), epoch(2), number(1, 3)], 2, 3),
        (vec![epoch(0)], 0, 0),
        (vec![epoch(1), epoch(0)], 0, 0),
        (vec![epoch(0), epoch(1), number(1, 4)], 1, 4),
    ] {
        let entries = [&begin[..], &more].concat();
        let content = format!("{HEADER}{}", lines(&entries));
        let (found, notes, left) = fixture.recover(content.as_bytes());
        let expected = named_outbox(named, vec![stored(1, kept, "one")]);
        assert_eq!((found, notes), (expected, Vec::new()), "{more:?}");
        let numbered =
            OutboxEntry::Text { order: 1, number: NonZeroU64::new(kept), text: "one".into() };
        let entries = [epoch(named), numbered];
        let entries = if named == 0 { &entries[1..] } else { &entries[..] };
        match more.is_empty() {
            true => assert_eq!(left, format!("{HEADER}{}", lines(&[entries[0].clone()]))),
            false => assert_eq!(left, format!("{HEADER}{}", lines(entries)), "{more:?}"),
        }
    }
}

#[test]
fn a_register_that_was_asked_for_is_known_to_each_start_until_it_is_refused() {
    let fixture = OutboxFixture::new();
    let mut file = fixture.open().file;
    let asked = OutboxEntry::Register { is_refused: false };
    write(&mut file, &[epoch(1), text(1, "one"), number(1, 7), text(2, "two"), asked]);
    drop(file);
    let expected = StoredOutbox {
        may_be_new: true,
        ..named_outbox(1, vec![stored(1, 7, "one"), stored(2, 0, "two")])
    };
    for _ in 0..2 {
        assert_eq!(fixture.open().stored, expected, "also after a compaction");
    }
    let mut file = fixture.open().file;
    write(&mut file, &[OutboxEntry::Register { is_refused: true }]);
    drop(file);
    assert_eq!(fixture.open().stored, StoredOutbox { may_be_new: false, ..expected });
}

#[test]
fn the_documented_examples_are_what_is_written() {
    let epoch = OutboxEntry::Epoch { epoch: Epoch::parse("6d0f3a2b9c81e574") };
    let entries = [epoch, text(1, "hello"), number(1, 7), done(1)];
    let content = format!("{HEADER}{}", lines(&entries));
    let manual = include_str!("../../../config/README.md");
    let indented: String = content.lines().map(|line| format!("    {line}\n")).collect();
    assert!(manual.contains(&indented), "{indented}");
    for line in content.lines() {
        let line = format!("//!   {}", line.replace('\t', " TAB "));
        assert!(include_str!("../outbox_file.rs").contains(&line), "{line}");
    }
}

#[test]
fn a_file_of_something_else_is_refused_and_not_changed() {
    let fixture = OutboxFixture::new();
    for (content, expected) in [
        ("dear diary", "not empty, and does not start with the header of an outbox file"),
        ("\n", "not empty, and does not start with the header of an outbox file"),
        ("# id alice\n", "not empty, and does not start with the header of an outbox file"),
        ("# groupcast\0\0\0x", "not empty, and does not start with the header of an outbox file"),
        ("# groupcast outbox of bob\n", "it is the outbox file of bob"),
        ("# groupcast outbox of alic\n", "it is the outbox file of alic"),
    ] {
        fs::write(fixture.path(), content).unwrap();
        assert_eq!(fixture.try_open().unwrap_err().to_string(), expected, "{content:?}");
        assert_eq!(fixture.content(), content);
    }
    let zeros = [b"# groupcast".as_slice(), &[0; 100_000], b"diary"].concat();
    fs::write(fixture.path(), &zeros).unwrap();
    assert!(matches!(fixture.try_open(), Err(UnusableFile::Foreign(FileUse::Outbox))));
    assert_eq!(fs::read(fixture.path()).unwrap(), zeros);
    let device = OutboxFile::open(Path::new("/dev/null"), "alice", false, NOW);
    assert!(matches!(device, Err(UnusableFile::NoFile)));
    let directory = OutboxFile::open(fixture.directory.path(), "alice", false, NOW);
    assert!(matches!(directory, Err(UnusableFile::System(_))));
}

#[test]
fn a_file_never_exceeds_its_limit() {
    let fixture = OutboxFixture::new();
    let mut file = fixture.open().file;
    write(&mut file, &[text(1, "hello")]);
    let length = file.length;
    file.file.set_len(OUTBOX_FILE_BYTES_MAX - 10).unwrap();
    file.length = OUTBOX_FILE_BYTES_MAX - 10;
    write(&mut file, &[text(2, "all but the texts that wait is removed first")]);
    assert!(file.length < 2 * length + 100, "{}", file.length);
    let checked = file.check_file(OUTBOX_FILE_BYTES_MAX - file.length, &mut Vec::new());
    assert!(checked.is_ok());
    let above = OUTBOX_FILE_BYTES_MAX - file.length + 1;
    let checked = file.check_file(above, &mut Vec::new());
    assert!(matches!(checked, Err(UnusableFile::TooLong(268_435_457))), "{checked:?}");
    drop(file);
    assert_eq!(fixture.open().stored.texts.len(), 2);
    File::create(fixture.path()).unwrap().set_len(OUTBOX_FILE_BYTES_MAX + 1).unwrap();
    let refused = fixture.try_open().unwrap_err().to_string();
    assert_eq!(refused, "file of 268435457 bytes exceeds 268435456");
}

#[test]
fn one_program_at_a_time_has_the_file() {
    let fixture = OutboxFixture::new();
    let is_in_use = || matches!(fixture.try_open(), Err(UnusableFile::InUse));
    let mut file = fixture.open().file;
    assert!(is_in_use());
    write(&mut file, &[text(1, "hello"), done(1)]);
    assert!(is_in_use());
    file.compact(&mut Vec::new());
    assert!(is_in_use(), "the new file is locked, too");
    fs::rename(fixture.path(), fixture.beside(".moved")).unwrap();
    assert_eq!(run(&mut file, &[text(2, "hello")]).written, 1);
    assert!(is_in_use());
    drop(file);
    assert_eq!(fixture.open().stored.texts, [stored(2, 0, "hello")]);
}

#[test]
fn a_symbolic_link_to_the_file_stays_one() {
    let fixture = OutboxFixture::new();
    let target = fixture.beside(".target");
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, fixture.path()).unwrap();
    let mut file = fixture.open().file;
    write(&mut file, &[text(1, "hello"), text(2, "gone"), done(2)]);
    drop(file);
    assert_eq!(fixture.open().stored.texts, [stored(1, 0, "hello")]);
    assert_eq!(fs::read_link(fixture.path()).unwrap(), target);
    assert_eq!(fixture.content(), format!("{HEADER}{}", lines(&[text(1, "hello")])));
    assert_eq!(fixture.files(), ["outbox", "outbox.target"]);
}
