//! Tools for tests of running programs: processes, sockets with deadlines, and a transcript that is
//! printed when a test fails.
//!
//! ```text
//!   Coordinator ── process, temporary config ──┐
//!   Member = Client + Listener + MessageSocket ├── Transcript: transcript, exit status, stderr
//!   Client, MessageSocket ── both a Wire ──────┘
//! ```
//!
//! Nothing here sleeps. To show that a line does not come, a test waits for a later line that must
//! come, and sees that it comes next.

pub mod coordinator;
pub mod fake;
pub mod http;
pub mod listener;
pub mod member;
#[cfg(target_os = "linux")]
pub mod netns;
pub mod outbox_texts;
pub mod participant;
pub mod peer_verifier;
pub mod port;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod preload;
pub mod rng;
pub mod tls;
pub mod torture;
pub mod transcript;
pub mod vitals;
pub mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

/// Longest time for anything that must happen. Only failing tests reach it.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Path of one of the two programs. Cargo names it to the tests that it runs; an older cargo does
/// not, but puts it above the directory of the test's own program.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    env::var_os(format!("CARGO_BIN_EXE_{name}")).map_or_else(
        || {
            let test = env::current_exe().unwrap();
            test.parent().and_then(Path::parent).unwrap().join(name)
        },
        PathBuf::from,
    )
}

/// Bytes of each file in a directory, by name.
pub fn files_in(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

/// The time that is left for something.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    start: Instant,
    limit: Duration,
}

impl Timer {
    /// Starts to run.
    #[expect(clippy::disallowed_methods, reason = "the tests' only clock")]
    pub fn start(limit: Duration) -> Self {
        Self { start: Instant::now(), limit }
    }

    /// Returns the time that has passed.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the time that is left; `None` at the end of the limit.
    pub fn left(&self) -> Option<Duration> {
        self.limit.checked_sub(self.start.elapsed()).filter(|left| !left.is_zero())
    }
}

/// The value of `key` in a reply or a line of `members`.
#[track_caller]
pub fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let value = line.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key}= in {line:?}"))
}

/// The number that `key` has in a reply or a line of `members`.
#[track_caller]
pub fn number(line: &str, key: &str) -> u64 {
    let value = field(line, key);
    value.parse().unwrap_or_else(|_| panic!("{key}={value} is not a number in {line:?}"))
}
