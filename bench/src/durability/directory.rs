//! Where everything is stored: one directory, on a file system that has a disk behind it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Failure, Result};

/// File systems that keep what they have in memory: nothing there survives what is simulated here.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "devtmpfs"];

/// A directory of our own, which goes when this goes.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    file_system: String,
}

impl Place {
    /// A new one inside `base`.
    ///
    /// # Errors
    ///
    /// Those of creating it, and that nothing is safe there.
    pub fn create(base: &Path) -> Result<Self> {
        let inside = || format!("cannot use {}", base.display());
        let base = fs::canonicalize(base).map_err(Failure::system(inside()))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo");
        let mounts = mounts.map_err(Failure::system("cannot ask for file systems"))?;
        let (kind, source) = mount_of(&mounts, &base).unwrap_or(("unknown", "unknown"));
        if IN_MEMORY.contains(&kind) {
            let inside = inside();
            return Err(Failure::Wrong(format!("{inside}: {kind} is in memory (--directory)")));
        }
        let file_system = format!("{kind} on {source}");
        let directory = tempfile::Builder::new().prefix("durability-").tempdir_in(&base);
        Ok(Self { directory: directory.map_err(Failure::system(inside()))?, file_system })
    }

    /// Its file system and the device.
    #[must_use]
    pub fn file_system(&self) -> &str {
        &self.file_system
    }

    /// A fresh directory in it.
    ///
    /// # Errors
    ///
    /// Those of creating it.
    pub fn fresh(&self) -> Result<TempDir> {
        let made = tempfile::tempdir_in(self.directory.path());
        made.map_err(Failure::system("cannot create a directory"))
    }
}

/// All files in a directory, without those in directories inside it.
///
/// # Errors
///
/// Those of reading it.
pub(super) fn files(directory: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let listed = fs::read_dir(directory).and_then(|entries| {
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_file() {
                files.push((entry.path(), about.len()));
            }
        }
        Ok(files)
    });
    listed.map_err(Failure::system(format!("cannot read {}", directory.display())))
}

/// Kind and source of the file system that a path is on: the deepest mount above it, and of those
/// at one point the last.
fn mount_of<'a>(mounts: &'a str, path: &Path) -> Option<(&'a str, &'a str)> {
    let mounts = mounts.lines().filter_map(|line| {
        let (before, behind) = line.split_once(" - ")?;
        let point = Path::new(before.split(' ').nth(4)?);
        let mut behind = behind.split(' ');
        path.starts_with(point).then_some((point, behind.next()?, behind.next()?))
    });
    let deepest = mounts.max_by_key(|(point, ..)| point.components().count());
    deepest.map(|(_, kind, source)| (kind, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_and_last_mount_counts() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/vda rw\n\
                      2 1 0:2 / /dev/shm rw,nosuid shared:3 - tmpfs shm rw\n\
                      3 1 0:3 / /data rw - ext4 /dev/vdb rw\n\
                      4 1 0:4 / /data rw master:1 shared:2 - xfs /dev/vdc rw\n";
        for (path, found) in [
            ("/work", ("ext4", "/dev/vda")),
            ("/dev/shm/a/b", ("tmpfs", "shm")),
            ("/dev/shmoo", ("ext4", "/dev/vda")),
            ("/data/x", ("xfs", "/dev/vdc")),
        ] {
            assert_eq!(mount_of(mounts, Path::new(path)), Some(found), "{path}");
        }
        assert_eq!(mount_of("", Path::new("/")), None);
    }

    #[test]
    fn what_is_in_memory_is_refused() {
        if Path::new("/dev/shm").is_dir() {
            let fault = Place::create(Path::new("/dev/shm")).unwrap_err().to_string();
            assert!(fault.contains("is in memory"), "{fault}");
        }
    }
}
