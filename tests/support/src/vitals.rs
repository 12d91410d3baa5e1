//! CPU, memory and files of a running coordinator, as the operating system counts them.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::coordinator::Coordinator;
use super::transcript::lock;
use super::wire::Wire;
use super::{DEADLINE, Timer};

/// Ticks of `/proc/<pid>/stat` in a second, on every Linux there is.
const TICKS_PER_S: u64 = 100;
/// Length of the observation. The coordinator may use a twentieth of it.
const QUIET: Duration = Duration::from_secs(1);
const QUIET_CPU_MS: u64 = 50;

impl Coordinator {
    fn pid(&self) -> Pid {
        Pid::from_child(&lock(&self.transcript.child))
    }

    fn proc(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid().as_raw_nonzero())
    }

    /// Processor time that it has used since it was started, all threads together.
    pub fn cpu_ms(&self) -> u64 {
        let stat = fs::read_to_string(self.proc("stat")).unwrap();
        // The name before the last parenthesis may hold anything; utime and stime are 14 and 15.
        let (_, behind) = stat.rsplit_once(") ").unwrap();
        let ticks: u64 =
            behind.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        ticks * 1000 / TICKS_PER_S
    }

    /// Waits until it needs next to no processor time while nothing comes for `witness`. One that
    /// spins never does; one that still has something to do is soon done.
    #[track_caller]
    pub fn until_quiet(&self, witness: &mut Wire) {
        let (timer, mut used_ms) = (Timer::start(DEADLINE), 0);
        while timer.left().is_some() {
            let before_ms = self.cpu_ms();
            witness.expect_silence(QUIET);
            used_ms = self.cpu_ms() - before_ms;
            if used_ms <= QUIET_CPU_MS {
                return;
            }
        }
        self.transcript.fail(&format!("{used_ms} ms of processor time in {QUIET:?} of waiting"));
    }

    /// Memory that it occupies.
    pub fn rss_bytes(&self) -> u64 {
        self.status("VmRSS:").strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Entries of its table of file descriptors.
    pub fn file_table_files(&self) -> usize {
        self.status("FDSize:").parse().unwrap()
    }

    /// Returns a value of its status (proc_pid_status(5)).
    fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    }

    /// Returns the number of open files.
    pub fn files(&self) -> usize {
        fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// Waits until this number of files is open.
    #[track_caller]
    pub fn until_files(&self, files: usize) {
        let timer = Timer::start(DEADLINE);
        while self.files() != files {
            if timer.left().is_none() {
                self.transcript.fail(&format!("{} files, not {files}", self.files()));
            }
            std::thread::yield_now();
        }
    }

    /// Returns the number of times that a text stands in standard error.
    pub fn said(&self, what: &str) -> usize {
        let stderr = lock(&self.transcript.stderr).clone();
        String::from_utf8_lossy(&stderr).matches(what).count()
    }

    /// Waits until it has said something on stderr: that is written by a thread of its own.
    #[track_caller]
    pub fn until_said(&self, what: &str) {
        let timer = Timer::start(DEADLINE);
        while self.said(what) == 0 {
            if timer.left().is_none() {
                self.transcript.fail(&format!("nothing was said of {what:?}"));
            }
            std::thread::yield_now();
        }
    }

    /// Limits the number of open files; `None`: the limit of this process.
    pub fn limit_files(&self, files: Option<u64>) {
        let limit = getrlimit(Resource::Nofile);
        let limit = Rlimit { current: files.or(limit.current), ..limit };
        prlimit(Some(self.pid()), Resource::Nofile, limit).unwrap();
    }
}
