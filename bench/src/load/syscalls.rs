//! Counts the system calls of a process with `perf`, where it is installed and permitted.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

#[derive(Debug)]
pub(super) struct SystemCalls(Child);

impl SystemCalls {
    /// Starts to count; `None` if `perf` cannot be started.
    pub(super) fn count(pid: u32) -> Option<Self> {
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &pid.to_string()]);
        perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        perf.spawn().ok().map(Self)
    }

    /// Returns the number of calls; `None` if `perf` could not count.
    pub(super) fn end(mut self) -> Option<u64> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)?;
        kill_process(pid, Signal::INT).ok()?;
        let mut report = String::new();
        let read = self.0.stderr.take().map(|mut stderr| stderr.read_to_string(&mut report));
        self.0.wait().ok()?;
        read?.ok()?;
        report.lines().find_map(|line| line.split(',').next()?.parse().ok())
    }
}

impl Drop for SystemCalls {
    fn drop(&mut self) {
        // Both fail, harmlessly, after `end`.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
