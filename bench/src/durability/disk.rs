//! The disk alone: writes and syncs a second.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::clock;

/// Appends `bytes` bytes to a file and syncs it, again and again for `duration`. Returns syncs a
/// second.
pub(super) fn syncs_per_second(directory: &Path, bytes: usize, duration: Duration) -> Result<f64> {
    let path = directory.join("syncs");
    let file = File::create(&path);
    let mut file = file.with_context(|| format!("cannot create {}", path.display()))?;
    let (bytes, begin) = (vec![b'x'; bytes], clock::now());
    let mut syncs = 0;
    loop {
        file.write_all(&bytes).context("cannot write to the disk")?;
        file.sync_data().context("cannot sync the disk")?;
        syncs += 1;
        let elapsed = clock::now().duration_since(begin);
        if elapsed >= duration {
            return Ok(f64::from(syncs) / elapsed.as_secs_f64());
        }
    }
}
