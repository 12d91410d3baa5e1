//! Transcript of a test, printed if the test fails.

use std::fmt::Write as _;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longer lines are shown cut off.
const SHOWN_BYTES_MAX: usize = 200;

/// The transcript of one coordinator and of all that talked to it.
pub struct Transcript {
    pub child: Mutex<Child>,
    pub stderr: Arc<Mutex<Vec<u8>>>,
    lines: Mutex<Vec<String>>,
}

impl Transcript {
    pub fn new(child: Child, stderr: Arc<Mutex<Vec<u8>>>) -> Arc<Self> {
        Arc::new(Self { child: Mutex::new(child), stderr, lines: Mutex::default() })
    }

    /// Notes what `who` did with some bytes.
    pub fn record(&self, who: &str, did: &str, bytes: &[u8]) {
        let shown = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes).escape_ascii();
        let rest = if bytes.len() > SHOWN_BYTES_MAX { "..." } else { "" };
        lock(&self.lines).push(format!("{who:>20} {did} {shown}{rest}"));
    }

    /// Ends the test with all that is known.
    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        let mut report = format!("{what}\n--- transcript\n");
        for line in lock(&self.lines).iter() {
            let _ = writeln!(report, "{line}");
        }
        let status = match lock(&self.child).try_wait() {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "still running".to_owned(),
            Err(error) => error.to_string(),
        };
        let stderr = lock(&self.stderr).clone();
        let stderr = String::from_utf8_lossy(&stderr);
        panic!("{report}--- coordinator: {status}\n--- its stderr\n{stderr}---");
    }
}

/// The lock, also after a failure elsewhere: the transcript is wanted then most of all.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
