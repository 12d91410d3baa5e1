//! Has `perf` count the system calls of a process, where it is installed and allowed to.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A count under way.
#[derive(Debug)]
pub(super) struct SystemCalls(Child);

impl SystemCalls {
    /// Begins to count; `None` if it is not asked for or cannot be done.
    pub(super) fn count(is_wanted: bool, pid: Option<u32>) -> Option<Self> {
        let pid = pid.filter(|_| is_wanted)?.to_string();
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &pid]);
        perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        perf.spawn().ok().map(Self)
    }

    /// How many there were.
    pub(super) fn end(mut self) -> Option<u64> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)?;
        kill_process(pid, Signal::INT).ok()?;
        let mut said = String::new();
        let read = self.0.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
        self.0.wait().ok()?;
        read?.ok()?;
        said.lines().find_map(|line| line.split(',').next()?.parse().ok())
    }
}

impl Drop for SystemCalls {
    fn drop(&mut self) {
        // After `end` it has nothing left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
