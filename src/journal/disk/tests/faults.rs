//! Failing disk calls, once and forever, and a power loss at any call.

use std::io;

use super::disk::{Fault, MemoryDisk};
use super::*;

/// Confirmed messages of one run of a coordinator, and its errors and issues.
#[derive(Debug, Default)]
struct Outcome {
    confirmed: Vec<(u64, String)>,
    /// Errors returned to the caller.
    errors: usize,
    issues: usize,
}

/// A coordinator that recovers, and then accepts messages until it cannot continue.
struct Coordinator {
    store: Store<MemoryDisk>,
    file: Option<SegmentFile<usize>>,
    epoch: u64,
    /// Last durable seq.
    durable: u64,
    pending_texts: Vec<String>,
    outcome: Outcome,
}

const ATTEMPTS: usize = 3;

impl Coordinator {
    fn start(disk: &MemoryDisk, epoch: u64) -> Result<Self, usize> {
        let mut store = Store::open(disk.clone()).map_err(|_| 1_usize)?;
        let content = try_recover_store(&mut store).map_err(|_| 1_usize)?;
        let Recovered { epoch: known, last, lost_tail, issues, .. } = content.recovered;
        let known = known.filter(|_| !lost_tail).map_or(epoch, Epoch::as_u64);
        let outcome = Outcome { issues: issues.len(), ..Outcome::default() };
        let durable = last.as_u64();
        Ok(Self { store, file: None, epoch: known, durable, pending_texts: Vec::new(), outcome })
    }

    /// Writes all pending messages, to a new segment if there is none.
    fn commit(&mut self) -> bool {
        for _ in 0..ATTEMPTS {
            match self.try_commit() {
                Ok(()) => {
                    for text in self.pending_texts.drain(..) {
                        self.durable += 1;
                        self.outcome.confirmed.push((self.durable, text));
                    }
                    return true;
                }
                Err(_) => {
                    self.file = None;
                    self.outcome.errors += 1;
                }
            }
        }
        false
    }

    fn try_commit(&mut self) -> io::Result<()> {
        let (mut file, mut batch) = match self.file.take() {
            Some(file) => {
                let serial = file.serial();
                (file, Batch::new(serial))
            }
            None => {
                assert_eq!(self.store.missing(None)?, [0; 0]);
                let serial = self.store.next_serial();
                let file = self.store.create(&header(serial), &[])?;
                (file, Batch::new(serial).start(self.epoch, self.durable, self.durable))
            }
        };
        for (seq, text) in (self.durable + 1..).zip(&self.pending_texts) {
            batch = batch.message(seq, text);
        }
        self.store.append(&mut file, &batch.bytes)?;
        self.store.sync(&mut file)?;
        self.file = Some(file);
        Ok(())
    }

    fn run(&mut self, name: &str) {
        for round in 0..6 {
            self.pending_texts.extend((0..3).map(|index| format!("{name} {round} {index}")));
            if round == 3 {
                self.rotate();
            }
            if !self.commit() {
                return;
            }
        }
    }

    fn rotate(&mut self) {
        let Some(mut old) = self.file.take() else { return };
        if !self.commit() {
            return;
        }
        let batch = Batch::new(old.serial()).add(Record::Continued, self.durable);
        if self.store.append(&mut old, &batch.bytes).is_err() {
            self.outcome.errors += 1;
        }
    }
}

/// Runs a coordinator without a fault, and one with it. Returns the disk and both outcomes.
fn faulty_run(fault: Option<Fault>) -> (MemoryDisk, Outcome, Outcome) {
    let disk = MemoryDisk::default();
    let mut first = Coordinator::start(&disk, 0xa).unwrap();
    first.run("first");
    disk.fail(fault);
    let second = match Coordinator::start(&disk, 0xb) {
        Ok(mut second) => {
            second.run("second");
            second.outcome
        }
        Err(errors) => Outcome { errors, ..Outcome::default() },
    };
    (disk, first.outcome, second)
}

fn check_after(disk: &MemoryDisk, first: &Outcome, second: &Outcome, what: &str) {
    disk.fail(None);
    let content = recover_disk(disk.clone());
    let is_rejected = |issue: &Issue| matches!(issue, Issue::Rejected(_));
    let has_garbage = content.recovered.issues.iter().any(is_rejected);
    assert!(!has_garbage, "{what}: a segment name without a segment: {content:?}");
    let is_reported = second.issues > 0 || !content.recovered.issues.is_empty();
    for (outcome, may_be_reported) in [(first, is_reported), (second, false)] {
        for (seq, text) in &outcome.confirmed {
            let is_there = content.messages.get(seq) == Some(text);
            assert!(is_there || may_be_reported, "{what}: {seq} {text} in {content:?}");
        }
    }
}

#[test]
fn no_failed_call_loses_a_confirmed_message_silently() {
    let mut calls = Vec::new();
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other, io::ErrorKind::Interrupted] {
        for (torn, for_ever) in [(false, false), (true, false), (false, true), (true, true)] {
            if (for_ever || torn) && kind == io::ErrorKind::Interrupted {
                continue; // No call is interrupted forever, or after it has written bytes.
            }
            for at in 0.. {
                let (disk, first, second) = faulty_run(Some(Fault { at, for_ever, kind, torn }));
                let fired = disk.fired();
                let what = format!("{kind:?} at {at}, torn {torn}, for ever {for_ever}: {fired:?}");
                if fired.is_empty() {
                    assert_eq!((first.errors, second.errors, second.issues), (0, 0, 0));
                    assert!(at > 40, "{at} calls are too few");
                    break;
                }
                assert_eq!(first.confirmed.len(), 18);
                let is_refused = matches!(fired[..], ["lock" | "list" | "read"]);
                if !for_ever && !is_refused {
                    assert_eq!(second.confirmed.len(), 18, "{what}: service did not return");
                }
                let is_retried = kind == io::ErrorKind::Interrupted && fired == ["write"];
                assert!(
                    is_retried || second.errors + second.issues > 0,
                    "{what}: no error was reported"
                );
                calls.extend(fired);
                check_after(&disk.without_power(), &first, &second, &what);
                check_after(&disk, &first, &second, &what);
            }
        }
    }
    calls.sort_unstable();
    calls.dedup();
    let expected = [
        "create",
        "id_of_file",
        "id_of_name",
        "list",
        "lock",
        "read",
        "remove",
        "rename",
        "successor",
        "sync",
        "sync_directory",
        "write",
    ];
    assert_eq!(calls, expected, "every call was made to fail");
}

/// A start that is refused has changed nothing.
#[test]
fn an_unreadable_file_stops_the_start_and_changes_nothing() {
    let disk = MemoryDisk::default();
    Coordinator::start(&disk, 0xa).unwrap().run("first");
    Coordinator::start(&disk, 0xb).unwrap().run("second");
    let newest = disk.names().pop().unwrap();
    let mut torn = disk.get(&newest);
    torn.pop();
    disk.put(&newest, torn);
    disk.put("0000000000000007.journal", b"dear diary".to_vec());
    disk.put("0000000000000009.journal.new", b"half of it".to_vec());
    let contents = |disk: &MemoryDisk| {
        let names = disk.names().into_iter();
        names.map(|name| (name.clone(), disk.get(&name))).collect::<Vec<_>>()
    };
    let mut refused = 0;
    for at in 0.. {
        let disk = disk.copy();
        let before = contents(&disk);
        disk.fail(Some(Fault { at, for_ever: false, kind: io::ErrorKind::Other, torn: false }));
        let content = Store::open(disk.clone()).and_then(|mut store| try_recover_store(&mut store));
        let fired = disk.fired();
        match content {
            Err(unusable) => {
                assert!(matches!(fired[..], ["lock" | "list" | "read"]), "{fired:?}");
                assert_eq!(contents(&disk), before, "{fired:?}");
                assert!(unusable.to_string().contains("; nothing was changed: "), "{unusable}");
                refused += 1;
            }
            Ok(_) if fired.is_empty() => break,
            Ok(_) => assert!(!matches!(fired[..], ["lock" | "list" | "read"]), "{fired:?}"),
        }
    }
    assert_eq!(refused, 2 + 5 + 4, "the lock, the list, each file, and each segment once more");
}

#[test]
fn a_torn_end_that_cannot_be_cut_is_reported_and_left() {
    let disk = MemoryDisk::default();
    let mut first = Coordinator::start(&disk, 0xa).unwrap();
    first.run("first");
    let name = disk.names().pop().unwrap();
    let bytes = disk.get(&name);
    for at in 0.. {
        let disk = disk.copy();
        disk.put(&name, bytes[..bytes.len() - 1].to_vec());
        disk.fail(Some(Fault { at, for_ever: false, kind: io::ErrorKind::Other, torn: false }));
        let Ok(mut store) = Store::open(disk.clone()) else { continue };
        let Ok(content) = try_recover_store(&mut store) else { continue };
        match disk.fired().first().copied() {
            None => break,
            Some("open" | "set_length" | "sync") => {
                let [Issue::Torn { cut: Some(Err(_)), .. }] = &content.recovered.issues[..] else {
                    panic!("{content:?}");
                };
                assert_eq!(content.messages.len(), 17);
            }
            Some(_) => assert!(!content.recovered.issues.is_empty()),
        }
    }
}

/// A segment whose sync failed may have holes. It does not count where its messages were written
/// again.
#[test]
fn rewritten_messages_count_and_their_copies_in_the_failed_segment_do_not() {
    let disk = MemoryDisk::default();
    let mut store = Store::open(disk.clone()).unwrap();
    let mut file = store.create(&header(1), &[]).unwrap();
    let batch = Batch::new(1).start(1, 0, 0).message(1, "one");
    let hole = batch.bytes.len();
    let batch = batch.message(2, "two").message(3, "three").message(4, "four");
    store.append(&mut file, &batch.bytes).unwrap();
    let mut file = store.create(&header(2), &[]).unwrap();
    let batch = Batch::new(2).start(1, 1, 4).message(2, "two").message(3, "three");
    store.append(&mut file, &batch.bytes).unwrap();
    let whole = recover_disk(disk.clone());
    assert_eq!(whole.messages.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    let name = "0000000000000001.journal";
    let mut bytes = disk.get(name);
    bytes[HEADER_BYTES + hole..HEADER_BYTES + hole + 30].fill(0);
    disk.put(name, bytes);
    let content = recover_disk(disk.clone());
    assert_eq!((content.messages, content.lost), (whole.messages, Vec::new()));
    assert!(!content.recovered.lost_tail);
    // The third segment goes back further than the second.
    let mut file = store.create(&header(3), &[]).unwrap();
    let batch = Batch::new(3).start(1, 0, 5).message(1, "one").message(2, "two");
    store.append(&mut file, &batch.bytes).unwrap();
    let content = recover_disk(disk);
    assert_eq!(content.messages.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(content.lost, Vec::new());
}

#[test]
fn a_segment_whose_file_failed_takes_nothing_more() {
    for (at, for_sync) in [(0, false), (1, true)] {
        let disk = MemoryDisk::default();
        let mut store = Store::open(disk.clone()).unwrap();
        let mut file = store.create(&header(1), &[]).unwrap();
        disk.fail(Some(Fault { at, for_ever: false, kind: io::ErrorKind::Other, torn: false }));
        assert_eq!(store.append(&mut file, b"x").is_err(), !for_sync);
        assert!(store.sync(&mut file).is_err());
        assert!(store.append(&mut file, b"x").is_err());
        assert!(store.sync(&mut file).is_err());
        assert!(store.create(&header(1), &[]).is_err(), "a number is not given twice");
    }
}
