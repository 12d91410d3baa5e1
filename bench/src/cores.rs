//! Resources of the machine: a core for each side, open files, and options of sockets.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const ACCEPT_QUEUE: i32 = 4096;

/// Two cores of those that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) own: usize,
    pub(crate) server: usize,
}

impl Cores {
    /// The first two cores. `None` on a machine with one core.
    pub(crate) fn find() -> Result<Option<Self>> {
        let allowed = sched_getaffinity(None).context("cannot ask for this process's cores")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        Ok(cores.next().zip(cores.next()).map(|(own, server)| Self { own, server }))
    }

    /// Runs `start` on the server's core. A process stays on the core where it was started.
    pub(crate) fn start_server<T>(self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        move_to(self.server)?;
        let started = start();
        move_to(self.own)?;
        started
    }
}

/// Raises the limit on open files to the hard limit: each member takes two files.
pub(crate) fn raise_file_limit() {
    let hard = getrlimit(Resource::Nofile).maximum;
    // If this fails, the sockets that cannot be opened report it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
}

/// Number of files that this process may open. `None` if there is no limit.
pub(crate) fn file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Makes the accept queue long enough for a thousand connections at once. The 128 of the standard
/// library are too few, and a refused client tries again only a second later.
pub(crate) fn lengthen_accept_queue(listener: &impl AsFd) -> io::Result<()> {
    Ok(rustix::net::listen(listener, ACCEPT_QUEUE)?)
}

/// Has the connection reset when it is closed. Otherwise one of its ends keeps the port for a
/// minute, and after a few rounds of a thousand members no port is free.
pub(crate) fn reset_when_closed(stream: &impl AsFd) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
}

fn move_to(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("cannot move to core {core}"))
}
