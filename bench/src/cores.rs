//! What is asked of the machine: a core for each side, and files.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::{Failure, Result};

const ACCEPT_QUEUE: i32 = 4096;

/// Two cores of those that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// For the clients.
    pub own: usize,
    /// For the server, alone.
    pub server: usize,
}

impl Cores {
    /// The first two; `None` on a machine that has one only.
    ///
    /// # Errors
    ///
    /// Those of asking.
    pub fn find() -> Result<Option<Self>> {
        let allowed = sched_getaffinity(None).map_err(io::Error::from);
        let allowed = allowed.map_err(Failure::system("cannot ask for this process's cores"))?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        Ok(cores.next().zip(cores.next()).map(|(own, server)| Self { own, server }))
    }

    /// Has `start` start something on the server's core: a process stays where it was begun.
    ///
    /// # Errors
    ///
    /// Those of moving, and those of `start`.
    pub fn start_server<T>(self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        move_to(self.server)?;
        let started = start();
        move_to(self.own)?;
        started
    }
}

/// Raises this process's limit on open files as far as it goes: a thousand members take two each.
pub fn raise_file_limit() {
    let hard = getrlimit(Resource::Nofile).maximum;
    // Where it fails, the sockets that cannot be had say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
}

/// Has a thousand connections wait to be accepted: 128, as the standard library asks for, are too
/// few for a storm, and who is turned away comes again a second later.
///
/// # Errors
///
/// Those of the socket.
pub fn widen(listener: &impl AsFd) -> io::Result<()> {
    Ok(rustix::net::listen(listener, ACCEPT_QUEUE)?)
}

/// Has a connection be gone at once when it is closed here. Otherwise one end or the other keeps
/// its port for a minute, and a few rounds of a thousand members leave the next one none.
///
/// # Errors
///
/// Those of the socket.
pub fn gone_when_closed(stream: &impl AsFd) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
}

fn move_to(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    let moved = sched_setaffinity(None, &cores).map_err(io::Error::from);
    moved.map_err(Failure::system(format!("cannot move to core {core}")))
}
