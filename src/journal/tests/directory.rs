//! The real directory of the operating system.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_journal_on_a_real_disk_is_its_owners_alone_and_comes_back() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a/b");
    let mut store = Store::open(Directory::create(&path).unwrap()).unwrap();
    assert!(matches!(Store::open(Directory::create(&path).unwrap()), Err(Unusable::InUse)));
    let mut writer = store.create(&header(1), &[]).unwrap();
    let batch = Batch::new(1).start(1, 0, 0).message(1, "one").message(2, "two");
    store.append(&mut writer, &batch.bytes).unwrap();
    store.append(&mut writer, &batch.bytes[..30]).unwrap();
    store.sync(&mut writer).unwrap();
    let file = path.join("0000000000000001.journal");
    assert_eq!((mode(&path), mode(&file), mode(&path.join("lock"))), (0o700, 0o600, 0o600));
    let written = HEADER_BYTES + batch.bytes.len() + 30;
    assert_eq!(fs::metadata(&file).unwrap().len(), written as u64);
    let looked_at = tell(&mut Store::inspect(Directory::open(&path).unwrap()).unwrap());
    drop(store);
    // Neither is a segment, whatever its name.
    fs::create_dir(path.join("0000000000000002.journal")).unwrap();
    fs::write(path.join("0000000000000003.journal.new"), "").unwrap();
    let told = tell_all(Directory::open(&path).unwrap());
    assert_eq!(told.messages, looked_at.messages);
    assert_eq!(told.messages.len(), 2);
    assert_eq!(fs::metadata(&file).unwrap().len(), (HEADER_BYTES + batch.bytes.len()) as u64);
    assert!(path.join("0000000000000002.journal.damaged-1").is_dir());
    assert!(!path.join("0000000000000003.journal.new").exists());
    assert!(told.recovered.lost_tail);
    let troubles: Vec<String> = told.recovered.troubles.iter().map(ToString::to_string).collect();
    assert_eq!(
        troubles[0],
        "0000000000000002.journal cannot be used: not an ordinary file; \
         it is 0000000000000002.journal.damaged-1 now"
    );
    let torn = "segment 0000000000000001 ends in a torn record from ";
    assert!(troubles[1].starts_with(torn) && troubles[1].ends_with(", which was cut off"));
}
