//! A real directory of the operating system.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Creates a journal of one segment, and its file.
fn journal(path: &Path) -> (Store<Directory>, SegmentFile<File>) {
    let mut store = Store::open(Directory::create(path).unwrap()).unwrap();
    let serial = store.next_serial();
    let batch = Batch::new(serial).start(1, 0, 0).message(1, "one");
    let file = store.create(&header(serial), &batch.bytes).unwrap();
    (store, file)
}

const FIRST: &str = "0000000000000001.journal";

#[test]
fn a_journal_on_a_real_disk_is_private_and_is_recovered() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a");
    let mut store = Store::open(Directory::create(&path).unwrap()).unwrap();
    assert!(matches!(Store::open(Directory::create(&path).unwrap()), Err(JournalError::InUse)));
    let mut file = store.create(&header(1), &[]).unwrap();
    let batch = Batch::new(1).start(1, 0, 0).message(1, "one").message(2, "two");
    store.append(&mut file, &batch.bytes).unwrap();
    store.append(&mut file, &batch.bytes[..30]).unwrap();
    store.sync(&mut file).unwrap();
    let first = path.join(FIRST);
    assert_eq!((mode(&path), mode(&first), mode(&path.join("lock"))), (0o700, 0o600, 0o600));
    let written = HEADER_BYTES + batch.bytes.len() + 30;
    assert_eq!(fs::metadata(&first).unwrap().len(), written as u64);
    let looked_at = recover_store(&mut Store::inspect(Directory::open(&path).unwrap()).unwrap());
    drop(store);
    fs::write(path.join("0000000000000002.journal"), "dear diary").unwrap();
    fs::write(path.join("0000000000000003.journal.new"), "").unwrap();
    let content = recover_disk(Directory::open(&path).unwrap());
    assert_eq!(content.messages, looked_at.messages);
    assert_eq!(content.messages.len(), 2);
    assert_eq!(fs::metadata(&first).unwrap().len(), (HEADER_BYTES + batch.bytes.len()) as u64);
    assert!(path.join("0000000000000002.journal.damaged-1").is_file());
    assert!(!path.join("0000000000000003.journal.new").exists());
    assert!(content.recovered.lost_tail);
    let issues: Vec<String> = content.recovered.issues.iter().map(ToString::to_string).collect();
    assert_eq!(
        issues[0],
        "0000000000000002.journal cannot be used: not a segment of a journal; it was renamed to \
         0000000000000002.journal.damaged-1"
    );
    let torn = "segment 0000000000000001 ends in a torn record from byte ";
    assert!(issues[1].starts_with(torn) && issues[1].ends_with(", which was cut off"));
}

/// A link may lead to a valid segment.
#[test]
fn a_segment_name_that_is_no_regular_file_is_not_read_and_not_changed() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path();
    drop(journal(path));
    fs::create_dir(path.join("0000000000000002.journal")).unwrap();
    fs::rename(path.join(FIRST), path.join("elsewhere")).unwrap();
    symlink("elsewhere", path.join(FIRST)).unwrap();
    for name in [FIRST, "0000000000000002.journal"] {
        let refused = Store::open(Directory::open(path).unwrap()).unwrap_err();
        let words = refused.to_string();
        let expected = format!("{name} cannot be read: not a regular file; nothing was changed");
        assert!(words.starts_with(&expected), "{words}");
        fs::rename(path.join("elsewhere"), path.join(FIRST)).unwrap_or_default();
    }
}

#[test]
fn only_the_last_directory_of_a_path_is_created() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("disk/journal");
    let error = Directory::create(&path).unwrap_err().to_string();
    let missing = temporary.path().join("disk");
    assert!(error.starts_with(&format!("{} is not there: ", missing.display())), "{error}");
    assert!(!missing.exists());
    fs::create_dir(&missing).unwrap();
    Directory::create(&path).unwrap();
    assert_eq!((mode(&path), fs::read_dir(&path).unwrap().count()), (0o700, 0));
}

#[test]
fn a_relative_path_names_the_directory_that_is_missing_above_it() {
    for (path, missing) in [("absent/journal", "absent"), ("absent/b/c/journal", "absent")] {
        for open in [Directory::create, Directory::open] {
            let error = open(Path::new(path)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{missing} is not there: ")), "{path}: {error}");
        }
    }
}

/// Nobody can make a directory in `/proc`, which is there.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_above_that_is_there_is_not_called_missing() {
    let error = Directory::create(Path::new("/proc/journal")).unwrap_err().to_string();
    assert!(error.starts_with("cannot be created: No such file or directory"), "{error}");
}

#[test]
fn a_path_that_is_no_directory_says_what_it_is() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    fs::write(root.join("file"), "").unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    for (name, expected) in [
        ("file", "not a directory".to_owned()),
        ("pipe", "not a directory".to_owned()),
        ("file/below", format!("{} is not a directory", root.join("file").display())),
        ("dangling", "a symbolic link to nowhere, which is not there: ".to_owned()),
        ("loop", "cannot be reached: Too many levels of symbolic links".to_owned()),
        (&"x".repeat(300), "cannot be reached: File name too long".to_owned()),
    ] {
        for open in [Directory::create, Directory::open] {
            let error = open(&root.join(name)).unwrap_err().to_string();
            assert!(error.starts_with(&expected), "{name}: {error}");
        }
    }
    let error = Directory::open(&root.join("absent")).unwrap_err().to_string();
    assert_eq!(error, "there is no such directory");
}

#[test]
fn a_lock_that_is_no_file_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    symlink("/dev/null", temporary.path().join("lock")).unwrap();
    let refused = Store::open(Directory::open(temporary.path()).unwrap()).unwrap_err().to_string();
    assert!(refused.starts_with("cannot take the file lock: not a regular file; "), "{refused}");
}

/// Two names of one directory are one journal.
#[test]
fn a_directory_that_is_in_use_is_in_use_under_each_of_its_names() {
    let temporary = tempfile::tempdir().unwrap();
    let (real, link) = (temporary.path().join("real"), temporary.path().join("link"));
    let locked = journal(&real);
    symlink("real", &link).unwrap();
    let again = || Store::open(Directory::create(&link).unwrap());
    assert!(matches!(again(), Err(JournalError::InUse)));
    let moved = temporary.path().join("moved");
    fs::rename(&real, &moved).unwrap();
    assert!(matches!(Store::open(Directory::open(&moved).unwrap()), Err(JournalError::InUse)));
    drop(locked);
    assert!(Store::open(Directory::open(&moved).unwrap()).is_ok());
}

/// A link that leads to another journal: no file there is created, renamed, read or removed.
#[test]
fn a_path_that_leads_to_another_directory_is_not_used() {
    let temporary = tempfile::tempdir().unwrap();
    let [ours, theirs, link] = ["ours", "theirs", "link"].map(|name| temporary.path().join(name));
    drop(journal(&theirs));
    fs::create_dir(&ours).unwrap();
    symlink("ours", &link).unwrap();
    let (mut store, mut file) = journal(&link);
    fs::remove_file(&link).unwrap();
    symlink("theirs", &link).unwrap();
    let before = fs::read(theirs.join(FIRST)).unwrap();
    assert!(store.remove(1).is_err());
    assert!(store.quarantine(1).is_err());
    assert!(store.reopen(1).is_err());
    assert!(store.create(&header(2), &[]).is_err());
    assert!(store.read(1, &mut Vec::new()).is_err());
    let error = store.missing(Some(&file)).unwrap_err().to_string();
    assert!(error.contains("put the original directory back"), "{error}");
    assert_eq!(fs::read(theirs.join(FIRST)).unwrap(), before);
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 2, "the lock and a segment");
    // The journal works again when the path leads back.
    fs::remove_file(&link).unwrap();
    symlink("ours", &link).unwrap();
    assert_eq!(store.missing(Some(&file)).unwrap(), [0; 0]);
    store.append(&mut file, &Batch::new(1).message(2, "two").bytes).unwrap();
    drop((store, file));
    assert_eq!(recover_disk(Directory::open(&ours).unwrap()).messages.len(), 2);
}

#[test]
fn a_segment_that_was_moved_is_reported_missing() {
    type Harm = fn(&Path, &Path);
    let harms: [(&str, Harm); 4] = [
        ("moved", |segment, to| fs::rename(segment, to).unwrap()),
        ("deleted", |segment, _| fs::remove_file(segment).unwrap()),
        ("replaced", |segment, to| {
            fs::copy(segment, to).unwrap();
            fs::rename(to, segment).unwrap();
        }),
        ("moved and replaced by a link", |segment, to| {
            fs::rename(segment, to).unwrap();
            symlink(to, segment).unwrap();
        }),
    ];
    for (harm, inflict) in harms {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("data");
        let (mut store, file) = journal(&path);
        assert_eq!(store.missing(Some(&file)).unwrap(), [0; 0], "{harm}");
        inflict(&path.join(FIRST), &temporary.path().join("elsewhere"));
        assert_eq!(store.missing(Some(&file)).unwrap(), [1], "{harm}");
        assert_eq!(store.missing(None).unwrap(), [0; 0], "{harm}: reported once");
        store.create(&header(2), &[]).unwrap();
    }
}

#[test]
fn a_missing_directory_is_reported_and_an_empty_one_replaces_it() {
    let temporary = tempfile::tempdir().unwrap();
    let [path, away] = ["data", "away"].map(|name| temporary.path().join(name));
    let (mut store, file) = journal(&path);
    fs::rename(&path, &away).unwrap();
    let error = store.missing(Some(&file)).unwrap_err().to_string();
    let expected = format!("the directory {} was moved away or deleted", path.display());
    assert!(error.starts_with(&expected), "{error}");
    assert!(store.create(&header(2), &[]).is_err());
    fs::write(&path, "").unwrap();
    assert!(store.missing(Some(&file)).is_err(), "a file has replaced the directory");
    fs::remove_file(&path).unwrap();
    // A directory that another coordinator uses is refused.
    let (theirs, _) = journal(&path);
    let error = store.missing(Some(&file)).unwrap_err().to_string();
    assert!(error.contains("another coordinator"), "{error}");
    drop(theirs);
    fs::remove_file(path.join(FIRST)).unwrap();
    assert_eq!(store.missing(Some(&file)).unwrap(), [1]);
    store.create(&header(store.next_serial()), &[]).unwrap();
    assert!(matches!(Store::open(Directory::open(&path).unwrap()), Err(JournalError::InUse)));
    assert!(Store::open(Directory::open(&away).unwrap()).is_ok(), "the old lock is given back");
}

#[test]
fn a_deleted_lock_file_is_locked_again() {
    let temporary = tempfile::tempdir().unwrap();
    let (mut store, file) = journal(temporary.path());
    let open = || Store::open(Directory::open(temporary.path()).unwrap());
    fs::remove_file(temporary.path().join("lock")).unwrap();
    assert_eq!(store.missing(Some(&file)).unwrap(), [0; 0]);
    assert!(matches!(open(), Err(JournalError::InUse)));
    fs::remove_file(temporary.path().join("lock")).unwrap();
    let theirs = open().unwrap();
    let error = store.missing(Some(&file)).unwrap_err().to_string();
    assert!(error.contains("end one of the two"), "{error}");
    drop(theirs);
    assert_eq!(store.missing(Some(&file)).unwrap(), [0; 0]);
}
