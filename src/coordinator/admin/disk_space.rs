//! Free space of the disk of the journal, looked at by a thread: a disk that hangs must not stop
//! the loop.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use std::{io, iter};

use rustix::fs::statvfs;

use crate::limits::http::DISK_SPACE_MS;

/// Space of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::coordinator) struct DiskSpace {
    /// Free bytes for a program without privileges.
    pub(super) free_bytes: u64,
    /// Size of the disk in bytes.
    pub(super) bytes: u64,
}

/// The thread, and the space as it was found last. The thread ends with this value.
#[derive(Debug)]
pub(in crate::coordinator) struct DiskWatch {
    found: Receiver<Option<DiskSpace>>,
    last: Option<DiskSpace>,
    _end: SyncSender<()>,
}

impl DiskWatch {
    /// Starts to look at the disk of a directory.
    ///
    /// # Errors
    ///
    /// The thread could not be started.
    pub(in crate::coordinator) fn start(directory: PathBuf) -> io::Result<Self> {
        let (found_by, found) = sync_channel(1);
        let (end, ended) = sync_channel::<()>(0);
        thread::Builder::new().name("disk-space".to_owned()).spawn(move || {
            let pause = Duration::from_millis(DISK_SPACE_MS);
            loop {
                // A value that nobody has taken is replaced by a later one.
                let _ = found_by.try_send(space_of(&directory));
                if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { found, last: None, _end: end })
    }

    /// Returns the space as it was found last; `None` if the disk cannot be asked, or was not yet.
    pub(super) fn last(&mut self) -> Option<DiskSpace> {
        if let Some(found) = iter::from_fn(|| self.found.try_recv().ok()).last() {
            self.last = found;
        }
        self.last
    }
}

fn space_of(directory: &PathBuf) -> Option<DiskSpace> {
    let found = statvfs(directory).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(DiskSpace { free_bytes: bytes(found.f_bavail), bytes: bytes(found.f_blocks) })
}
