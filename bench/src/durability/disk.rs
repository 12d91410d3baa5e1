//! The disk alone: writes and syncs a second.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::clock;
use crate::failure::{Failure, Result};

/// Appends `bytes` bytes to a file and syncs it, again and again for `duration`. Returns syncs a
/// second.
pub(super) fn syncs_per_second(directory: &Path, bytes: usize, duration: Duration) -> Result<f64> {
    let path = directory.join("syncs");
    let measured = File::create(&path).and_then(|mut file| {
        let (bytes, begin) = (vec![b'x'; bytes], clock::now());
        let mut syncs = 0;
        loop {
            file.write_all(&bytes)?;
            file.sync_data()?;
            syncs += 1;
            let elapsed = clock::now().duration_since(begin);
            if elapsed >= duration {
                return Ok(f64::from(syncs) / elapsed.as_secs_f64());
            }
        }
    });
    measured.map_err(Failure::system(format!("cannot write {}", path.display())))
}
