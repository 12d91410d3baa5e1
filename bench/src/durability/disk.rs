//! The disk alone: writes and syncs a second.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::clock;

/// Bytes that exist before overwrites are measured. The measurement writes them again and again.
const FILLED_BYTES: usize = 64 << 20;

/// Position of the writes in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteMode {
    /// After the end of the file: a sync also writes the new length.
    Append,
    /// Over bytes that are on the disk.
    Overwrite,
}

/// Writes `bytes` bytes to a file and syncs it, again and again for `duration`. Returns syncs a
/// second.
pub(super) fn syncs_per_second(
    directory: &Path,
    mode: WriteMode,
    bytes: usize,
    duration: Duration,
) -> Result<f64> {
    let path = directory.join("syncs");
    let file = File::create(&path);
    let mut file = file.with_context(|| format!("cannot create {}", path.display()))?;
    if mode == WriteMode::Overwrite {
        file.write_all(&vec![0; FILLED_BYTES]).context("cannot write to the disk")?;
        file.sync_all().context("cannot sync the disk")?;
        file.rewind().context("cannot write to the disk")?;
    }
    let (bytes, begin) = (vec![b'x'; bytes], clock::now());
    let (mut syncs, mut position) = (0, 0);
    loop {
        if mode == WriteMode::Overwrite && position + bytes.len() > FILLED_BYTES {
            file.seek(SeekFrom::Start(0)).context("cannot write to the disk")?;
            position = 0;
        }
        file.write_all(&bytes).context("cannot write to the disk")?;
        file.sync_data().context("cannot sync the disk")?;
        (syncs, position) = (syncs + 1, position + bytes.len());
        let elapsed = clock::now().duration_since(begin);
        if elapsed >= duration {
            return Ok(f64::from(syncs) / elapsed.as_secs_f64());
        }
    }
}
