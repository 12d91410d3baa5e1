//! Trace of all changes of files, all bytes on sockets and all that is printed, in order. From it
//! the tests compute the possible contents of a disk after a power loss, and the promises made by
//! then.
//!
//! ```text
//!   record = length u32, of what follows · operation u8 · file u64 · number u64 · data
//!   C  file     path         created        W  file  offset  bytes     written
//!   D           path         directory made T  file  length            cut, or made longer
//!   R           path 0 path  renamed        U        path              removed
//!   S  file  n  path         synced; it covers the first n records
//!   O  socket   bytes        sent           I  socket  bytes           received
//!   P  1 or 2   bytes        printed
//!   B           a program begins; records are counted from here
//! ```

use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::inside;
use crate::shared::Operation;

struct Trace {
    file: Option<File>,
    records: u64,
}

static TRACE: Mutex<Trace> = Mutex::new(Trace { file: None, records: 0 });

fn lock() -> MutexGuard<'static, Trace> {
    TRACE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn begin(path: &str) {
    let file = OpenOptions::new().append(true).create(true).open(path).expect("a trace");
    let mut trace = lock();
    trace.file = Some(file);
    trace.put(&Record::new(Operation::Begin, 0, 0, b""));
    trace.records = 0;
}

pub(crate) fn is_on() -> bool {
    lock().file.is_some()
}

/// Returns the number of records.
pub(crate) fn records() -> u64 {
    lock().records
}

/// Does something and writes down what it came to; nothing else is written down meanwhile.
pub(crate) fn record_call<R>(
    work: impl FnOnce() -> R,
    set_class: impl FnOnce(&R) -> Option<Record>,
) -> R {
    let mut trace = lock();
    let result = work();
    let errno = crate::real::errno();
    if trace.file.is_some()
        && let Some(record) = inside(|| set_class(&result))
    {
        inside(|| trace.put(&record));
    }
    crate::real::set_errno(errno);
    result
}

pub(crate) struct Record {
    operation: Operation,
    file: u64,
    number: u64,
    data: Vec<u8>,
}

impl Record {
    pub(crate) fn new(operation: Operation, file: u64, number: u64, data: &[u8]) -> Self {
        Self { operation, file, number, data: data.to_vec() }
    }

    pub(crate) fn of_socket(operation: Operation, fd: c_int, data: &[u8]) -> Self {
        Self::new(operation, fd as u64, 0, data)
    }
}

impl Trace {
    /// One call: a record is there or it is not.
    fn put(&mut self, record: &Record) {
        let mut bytes = Vec::with_capacity(record.data.len() + 21);
        bytes.extend_from_slice(&(record.data.len() as u32 + 17).to_ne_bytes());
        bytes.push(record.operation as u8);
        bytes.extend_from_slice(&record.file.to_ne_bytes());
        bytes.extend_from_slice(&record.number.to_ne_bytes());
        bytes.extend_from_slice(&record.data);
        if let Some(file) = &mut self.file {
            file.write_all(&bytes).expect("room for the trace");
        }
        self.records += 1;
    }
}
