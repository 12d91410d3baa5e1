//! The directory for all stores, on a file system with a disk.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use procfs::process::{MountInfos, Process};
use tempfile::TempDir;

/// File systems in memory. A sync there proves nothing.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "devtmpfs"];

/// A temporary directory. It is removed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    directory: TempDir,
    pub(crate) file_system: String,
}

impl Directory {
    /// Creates a directory in `base`, which must not be in memory.
    pub(crate) fn create(base: &Path) -> Result<Self> {
        let inside = format!("cannot use {}", base.display());
        let base = fs::canonicalize(base).with_context(|| inside.clone())?;
        let mounts = Process::myself().and_then(|process| process.mountinfo());
        let mounts = mounts.context("cannot list the file systems")?;
        let unknown = || ("unknown".to_owned(), "unknown".to_owned());
        let (kind, source) = mount_of(mounts, &base).unwrap_or_else(unknown);
        let is_in_memory = IN_MEMORY.contains(&kind.as_str());
        ensure!(!is_in_memory, "{inside}: {kind} is in memory (--directory)");
        let directory = tempfile::Builder::new().prefix("bench-").tempdir_in(&base);
        let directory = directory.context(inside)?;
        Ok(Self { directory, file_system: format!("{kind} on {source}") })
    }

    /// Moves a directory that is in this one beside this one, so that it stays.
    pub(crate) fn keep(&self, directory: &Path) -> Result<PathBuf> {
        let (own, name) = (self.directory.path(), directory.file_name().unwrap_or_default());
        let kept = own.with_file_name(format!("bench-kept-{}", name.to_string_lossy()));
        fs::rename(directory, &kept).context("cannot keep a directory")?;
        Ok(kept)
    }

    /// Creates an empty directory in this one.
    pub(crate) fn fresh(&self) -> Result<TempDir> {
        tempfile::tempdir_in(self.directory.path()).context("cannot create a directory")
    }
}

/// Lists the files of a directory with their sizes, without subdirectories.
pub(crate) fn files(directory: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let entries = fs::read_dir(directory);
    let mut files = Vec::new();
    for entry in entries.with_context(|| format!("cannot read {}", directory.display()))? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_file() {
            files.push((entry.path(), about.len()));
        }
    }
    Ok(files)
}

/// Kind and source of the file system of a path: the deepest mount above the path, and the last one
/// of several mounts there.
fn mount_of(mounts: MountInfos, path: &Path) -> Option<(String, String)> {
    let mounts = mounts.into_iter().filter(|mount| path.starts_with(&mount.mount_point));
    let deepest = mounts.max_by_key(|mount| mount.mount_point.components().count())?;
    Some((deepest.fs_type, deepest.mount_source.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use procfs::FromRead;

    use super::*;

    #[test]
    fn the_deepest_and_last_mount_counts() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/vda rw\n\
                      2 1 0:2 / /dev/shm rw,nosuid shared:3 - tmpfs shm rw\n\
                      3 1 0:3 / /data rw - ext4 /dev/vdb rw\n\
                      4 1 0:4 / /data rw master:1 shared:2 - xfs /dev/vdc rw\n";
        let mounts = || MountInfos::from_read(mounts.as_bytes()).unwrap();
        for (path, (kind, source)) in [
            ("/work", ("ext4", "/dev/vda")),
            ("/dev/shm/a/b", ("tmpfs", "shm")),
            ("/dev/shmoo", ("ext4", "/dev/vda")),
            ("/data/x", ("xfs", "/dev/vdc")),
        ] {
            let found = Some((kind.to_owned(), source.to_owned()));
            assert_eq!(mount_of(mounts(), Path::new(path)), found, "{path}");
        }
    }

    #[test]
    fn a_file_system_in_memory_is_refused() {
        if Path::new("/dev/shm").is_dir() {
            let fault = Directory::create(Path::new("/dev/shm")).unwrap_err().to_string();
            assert!(fault.contains("is in memory"), "{fault}");
        }
    }
}
