//! The limit on open files of this process, and the size of its table of them.

use std::io;
use std::os::unix::net::UnixDatagram;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit on open files to the hard limit. Returns the new limit, and `None` if
/// there is no limit.
///
/// # Errors
///
/// The error of the operating system. The limit is then unchanged.
pub fn raise_file_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    }
    Ok(limit.maximum)
}

/// Grows the table of file descriptors of this process to `files` entries, or to as many as the
/// limit on open files allows. Call it before the first thread starts.
///
/// Linux doubles the table when it is full. In a process with threads, the system call that needs
/// the larger table waits until no core can use the old one: 8 to 27 ms were measured
/// (`expand_fdtable` in `fs/file.c` of the kernel). A table never shrinks.
///
/// # Errors
///
/// The error of the operating system. The table then grows when a file needs it.
pub fn grow_file_table(files: u64) -> io::Result<()> {
    let files = getrlimit(Resource::Nofile).current.map_or(files, |limit| limit.min(files));
    let highest = i32::try_from(files).unwrap_or(i32::MAX).saturating_sub(1);
    // A file without a path: a container need not have /dev/null.
    let file = UnixDatagram::unbound()?;
    fcntl_dupfd_cloexec(&file, highest)?;
    Ok(())
}
