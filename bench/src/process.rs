//! A process that is measured, and the counters that the kernel has for it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use procfs::ProcResult;
use procfs::process::Process;
use rustix::process::{Pid, Signal, kill_process};

use crate::clock;
use crate::command::DEADLINE;
use crate::cores::Cores;

/// Time between two looks at a process that works.
const IDLE_CHECK: Duration = Duration::from_micros(100);

/// A child process. It is killed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a process with a pipe for its standard output, on the server's core if there is one.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        cores: Option<Cores>,
    ) -> Result<Self> {
        let mut start = || {
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {name}"))
        };
        let mut child = match cores {
            Some(cores) => cores.start_server(start)?,
            None => start()?,
        };
        let Some(stdout) = child.stdout.take() else {
            bail!("{name} has no standard output");
        };
        Ok(Self { name, child, stdout: BufReader::new(stdout) })
    }

    /// Reads the next line that the process prints.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        read.with_context(|| format!("cannot read what {} prints", self.name))?;
        match line.strip_suffix('\n') {
            Some(line) => Ok(line.to_owned()),
            None => bail!("{} ended at its start", self.name),
        }
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::read(self.child.id(), self.name)
    }

    /// Waits until all threads sleep.
    pub(crate) fn await_idle(&self) -> Result<()> {
        let begun = clock::now();
        while !is_idle(self.child.id()).with_context(|| format!("cannot look at {}", self.name))? {
            ensure!(begun.elapsed() < DEADLINE, "{} does not come to rest", self.name);
            clock::pause(IDLE_CHECK);
        }
        Ok(())
    }

    /// Sends SIGTERM and requires that the process ends with exit code 0.
    pub(crate) fn stop(self) -> Result<()> {
        self.send_term()?;
        self.wait()
    }

    /// Sends SIGTERM and waits until the process ends, with any exit code.
    pub(crate) fn terminate(mut self) -> Result<()> {
        self.send_term()?;
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name)).map(drop)
    }

    fn send_term(&self) -> Result<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let sent = kill_process(pid, Signal::TERM);
            sent.with_context(|| format!("cannot send {} a signal", self.name))?;
        }
        Ok(())
    }

    /// Waits until the process ends, and requires exit code 0.
    pub(crate) fn wait(mut self) -> Result<()> {
        // The end of its output means that the process has ended.
        let _ = self.stdout.read_to_end(&mut Vec::new());
        let status = self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `stop` has ended the process.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Counters of a process, over all of its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) rss_bytes: u64,
    pub(crate) rss_bytes_max: u64,
    pub(crate) threads: u64,
    /// Nanoseconds on a core.
    pub(crate) cpu_ns: u64,
    /// Number of times that a thread was put on a core.
    pub(crate) runs: u64,
    /// Number of times that a thread went to sleep by itself.
    pub(crate) sleeps: u64,
    /// Number of times that a thread was taken off its core.
    pub(crate) preemptions: u64,
}

/// Returns true if no thread runs or waits for a core.
fn is_idle(pid: u32) -> ProcResult<bool> {
    let process = Process::new(pid.try_into().unwrap_or(i32::MAX))?;
    for task in process.tasks()?.flatten() {
        if task.stat()?.state != 'S' {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Usage {
    pub(crate) fn of(pid: u32) -> ProcResult<Self> {
        let process = Process::new(pid.try_into().unwrap_or(i32::MAX))?;
        // `VmRSS` lags behind by some dozen pages for each core; the sum over the maps does not.
        let maps = process.smaps_rollup()?.memory_map_rollup;
        let rss = maps.iter().filter_map(|map| map.extension.map.get("Rss")).sum();
        let status = process.status()?;
        let mut usage = Self {
            rss_bytes: rss,
            rss_bytes_max: (status.vmhwm.unwrap_or(0) * 1024).max(rss),
            threads: status.threads,
            ..Self::default()
        };
        for task in process.tasks()?.flatten() {
            let (Ok(status), Ok(schedstat)) = (task.status(), task.schedstat()) else {
                continue; // A thread that has ended since the directory was read.
            };
            usage.sleeps += status.voluntary_ctxt_switches.unwrap_or(0);
            usage.preemptions += status.nonvoluntary_ctxt_switches.unwrap_or(0);
            usage.cpu_ns += schedstat.sum_exec_runtime;
            usage.runs += schedstat.pcount;
        }
        Ok(usage)
    }

    fn read(pid: u32, name: &str) -> Result<Self> {
        Self::of(pid).with_context(|| format!("cannot read the counters of {name}"))
    }

    pub(crate) fn own() -> Result<Self> {
        Self::read(std::process::id(), "this process")
    }

    /// Usage of two processes together.
    pub(crate) fn plus(self, other: &Self) -> Self {
        Self {
            rss_bytes: self.rss_bytes + other.rss_bytes,
            rss_bytes_max: self.rss_bytes_max + other.rss_bytes_max,
            threads: self.threads + other.threads,
            cpu_ns: self.cpu_ns + other.cpu_ns,
            runs: self.runs + other.runs,
            sleeps: self.sleeps + other.sleeps,
            preemptions: self.preemptions + other.preemptions,
        }
    }

    /// Nanoseconds on a core from `earlier` to here.
    pub(crate) fn cpu_ns_since(&self, earlier: &Self) -> u64 {
        self.cpu_ns.saturating_sub(earlier.cpu_ns)
    }

    /// Wake-ups of all threads from `earlier` to here, by the larger of two counters.
    pub(crate) fn wake_ups_since(&self, earlier: &Self) -> u64 {
        let runs = self.runs.saturating_sub(earlier.runs);
        runs.max(self.sleeps.saturating_sub(earlier.sleeps))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_process_is_idle_when_it_sleeps_and_not_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let counts = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo done >> \"$0\"";
        let mut command = Command::new("sh");
        command.args(["-c", &format!("while read line; do {counts}; done")]).arg(file.path());
        let mut server = Server::start("a shell", command.stdin(Stdio::piped()), None).unwrap();
        let mut input = server.child.stdin.take().unwrap();
        for number in 1..=20 {
            input.write_all(b"work\n").unwrap();
            server.await_idle().unwrap();
            assert_eq!(std::fs::read(file.path()).unwrap().len(), number * "done\n".len());
        }
    }

    #[test]
    fn a_process_is_killed_when_its_owner_is_dropped() {
        let begin = clock::now();
        let sleep = Server::start("sleep", Command::new("sleep").arg("60"), None).unwrap();
        let usage = sleep.usage().unwrap();
        assert!(usage.rss_bytes > 0 && usage.rss_bytes <= usage.rss_bytes_max);
        assert_eq!(usage.threads, 1);
        let pid = sleep.child.id();
        drop(sleep);
        assert!(Usage::of(pid).is_err(), "it is gone");
        assert!(clock::now().duration_since(begin).as_secs() < 30, "and not by itself");
    }
}
