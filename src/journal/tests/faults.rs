//! Each call on the disk failing, once and for ever, and the power lost at any call.

use std::io;

use super::disk::{Fault, MemoryDisk};
use super::*;

/// What one run of a coordinator has confirmed, and what it was told that must be told on.
#[derive(Debug, Default)]
struct Outcome {
    confirmed: Vec<(u64, String)>,
    /// Errors that came back to the caller.
    errors: usize,
    issues: usize,
}

/// A coordinator that recovers, and then accepts messages until it cannot go on.
struct Coordinator {
    store: Store<MemoryDisk>,
    writer: Option<Writer<usize>>,
    epoch: u64,
    /// The last number that is safe.
    safe: u64,
    unsafe_texts: Vec<String>,
    outcome: Outcome,
}

const ATTEMPTS: usize = 3;

impl Coordinator {
    fn start(disk: &MemoryDisk, epoch: u64) -> Result<Self, usize> {
        let mut store = Store::open(disk.clone()).map_err(|_| 1_usize)?;
        let events = try_emit(&mut store).map_err(|_| 1_usize)?;
        let Recovered { epoch: known, last, lost_tail, issues, .. } = events.recovered;
        let known = known.filter(|_| !lost_tail).map_or(epoch, Epoch::as_u64);
        let outcome = Outcome { issues: issues.len(), ..Outcome::default() };
        let safe = last.as_u64();
        Ok(Self { store, writer: None, epoch: known, safe, unsafe_texts: Vec::new(), outcome })
    }

    /// Writes all that is not safe, to a new segment if there is none.
    fn commit(&mut self) -> bool {
        for _ in 0..ATTEMPTS {
            match self.try_commit() {
                Ok(()) => {
                    for text in self.unsafe_texts.drain(..) {
                        self.safe += 1;
                        self.outcome.confirmed.push((self.safe, text));
                    }
                    return true;
                }
                Err(_) => {
                    self.writer = None;
                    self.outcome.errors += 1;
                }
            }
        }
        false
    }

    fn try_commit(&mut self) -> io::Result<()> {
        let (mut writer, mut batch) = match self.writer.take() {
            Some(writer) => {
                let serial = writer.serial();
                (writer, Batch::new(serial))
            }
            None => {
                assert_eq!(self.store.missing(None)?, [0; 0]);
                let serial = self.store.next_serial();
                let writer = self.store.create(&header(serial), &[])?;
                (writer, Batch::new(serial).start(self.epoch, self.safe, self.safe))
            }
        };
        for (seq, text) in (self.safe + 1..).zip(&self.unsafe_texts) {
            batch = batch.message(seq, text);
        }
        self.store.append(&mut writer, &batch.bytes)?;
        self.store.sync(&mut writer)?;
        self.writer = Some(writer);
        Ok(())
    }

    fn run(&mut self, name: &str) {
        for round in 0..6 {
            self.unsafe_texts.extend((0..3).map(|index| format!("{name} {round} {index}")));
            if round == 3 {
                self.rotate();
            }
            if !self.commit() {
                return;
            }
        }
    }

    fn rotate(&mut self) {
        let Some(mut old) = self.writer.take() else { return };
        if !self.commit() {
            return;
        }
        let batch = Batch::new(old.serial()).add(Record::Continued, self.safe);
        if self.store.append(&mut old, &batch.bytes).is_err() {
            self.outcome.errors += 1;
        }
    }
}

/// A run without a fault, one with it, and what is there afterwards.
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
    let events = emit_all(disk.clone());
    let is_rejected = |issue: &Issue| matches!(issue, Issue::Rejected(_));
    let has_garbage = events.recovered.issues.iter().any(is_rejected);
    assert!(!has_garbage, "{what}: a name stands for nothing: {events:?}");
    let is_told = second.issues > 0 || !events.recovered.issues.is_empty();
    for (outcome, may_be_told) in [(first, is_told), (second, false)] {
        for (seq, text) in &outcome.confirmed {
            let is_there = events.messages.get(seq) == Some(text);
            assert!(is_there || may_be_told, "{what}: {seq} {text} in {events:?}");
        }
    }
}

#[test]
fn whatever_call_fails_nothing_that_was_confirmed_is_lost_without_a_word() {
    let mut calls = Vec::new();
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other, io::ErrorKind::Interrupted] {
        for (torn, for_ever) in [(false, false), (true, false), (false, true), (true, true)] {
            if (for_ever || torn) && kind == io::ErrorKind::Interrupted {
                continue; // Nobody is interrupted for ever, or having written something.
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
                assert!(is_retried || second.errors + second.issues > 0, "{what}: unsaid");
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

/// Whatever else is wrong: a start that is refused has changed nothing.
#[test]
fn what_cannot_be_read_refuses_the_start_and_nothing_is_changed() {
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
        let events = Store::open(disk.clone()).and_then(|mut store| try_emit(&mut store));
        let fired = disk.fired();
        match events {
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
fn a_torn_end_that_cannot_be_cut_is_told_and_left() {
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
        let Ok(events) = try_emit(&mut store) else { continue };
        match disk.fired().first().copied() {
            None => break,
            Some("open" | "set_length" | "sync") => {
                let [Issue::Torn { cut: Some(Err(_)), .. }] = &events.recovered.issues[..] else {
                    panic!("{events:?}");
                };
                assert_eq!(events.messages.len(), 17);
            }
            Some(_) => assert!(!events.recovered.issues.is_empty()),
        }
    }
}

/// A segment whose sync failed may have holes, and is not what counts where it was written anew.
#[test]
fn what_was_written_anew_counts_and_not_what_is_left_of_it_in_the_failed_segment() {
    let disk = MemoryDisk::default();
    let mut store = Store::open(disk.clone()).unwrap();
    let mut writer = store.create(&header(1), &[]).unwrap();
    let batch = Batch::new(1).start(1, 0, 0).message(1, "one");
    let hole = batch.bytes.len();
    let batch = batch.message(2, "two").message(3, "three").message(4, "four");
    store.append(&mut writer, &batch.bytes).unwrap();
    let mut writer = store.create(&header(2), &[]).unwrap();
    let batch = Batch::new(2).start(1, 1, 4).message(2, "two").message(3, "three");
    store.append(&mut writer, &batch.bytes).unwrap();
    let whole = emit_all(disk.clone());
    assert_eq!(whole.messages.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    let name = "0000000000000001.journal";
    let mut bytes = disk.get(name);
    bytes[HEADER_BYTES + hole..HEADER_BYTES + hole + 30].fill(0);
    disk.put(name, bytes);
    let events = emit_all(disk.clone());
    assert_eq!((events.messages, events.lost), (whole.messages, Vec::new()));
    assert!(!events.recovered.lost_tail);
    // The third segment goes back further than the second.
    let mut writer = store.create(&header(3), &[]).unwrap();
    let batch = Batch::new(3).start(1, 0, 5).message(1, "one").message(2, "two");
    store.append(&mut writer, &batch.bytes).unwrap();
    let events = emit_all(disk);
    assert_eq!(events.messages.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(events.lost, Vec::new());
}

#[test]
fn a_writer_that_failed_takes_nothing_more() {
    for (at, for_sync) in [(0, false), (1, true)] {
        let disk = MemoryDisk::default();
        let mut store = Store::open(disk.clone()).unwrap();
        let mut writer = store.create(&header(1), &[]).unwrap();
        disk.fail(Some(Fault { at, for_ever: false, kind: io::ErrorKind::Other, torn: false }));
        assert_eq!(store.append(&mut writer, b"x").is_err(), !for_sync);
        assert!(store.sync(&mut writer).is_err());
        assert!(store.append(&mut writer, b"x").is_err());
        assert!(store.sync(&mut writer).is_err());
        assert!(store.create(&header(1), &[]).is_err(), "a number is not given twice");
    }
}
